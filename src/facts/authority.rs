//! The certificates of istiod's own authority, where it was given one: the secret `cacerts`.

use k8s_openapi::ByteString;
use serde::Deserialize;

use super::Fact;
use crate::fips::{Key, KeyError};
use crate::sys::cluster::{ClusterError, Session};

/// The certificates in one entry of the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// `ca-cert.pem`.
    pub entry: &'static str,
    pub keys: Result<Vec<Key>, KeyError>,
}

/// The secret, of which the private keys are passed over while it is read.
#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    data: Certificates,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Certificates {
    #[serde(rename = "ca-cert.pem")]
    authority: Option<ByteString>,
    #[serde(rename = "root-cert.pem")]
    root: Option<ByteString>,
    #[serde(rename = "cert-chain.pem")]
    chain: Option<ByteString>,
    #[serde(rename = "tls.crt")]
    tls: Option<ByteString>,
    #[serde(rename = "ca.crt")]
    tls_root: Option<ByteString>,
}

/// Reads it; `None` where there is none, so that istiod makes its own.
pub(super) async fn authority(session: &Session, namespace: &str) -> Fact<Option<Vec<Held>>> {
    let path = format!("/api/v1/namespaces/{namespace}/secrets/cacerts");
    match session.raw::<Secret>(&path).await {
        Ok(secret) => Fact::Known(Some(held(&secret.data))),
        Err(ClusterError::NotFound(_)) => Fact::Known(None),
        Err(ClusterError::Forbidden(_)) => {
            Fact::NotAsked("secrets may not be read here: look at cacerts by hand")
        }
        Err(error) => Fact::Unknown(error.to_string()),
    }
}

fn held(certificates: &Certificates) -> Vec<Held> {
    let entries = [
        ("ca-cert.pem", &certificates.authority),
        ("root-cert.pem", &certificates.root),
        ("cert-chain.pem", &certificates.chain),
        ("tls.crt", &certificates.tls),
        ("ca.crt", &certificates.tls_root),
    ];
    let filled = entries.into_iter().filter_map(|(entry, bytes)| {
        let bytes = bytes.as_ref().filter(|bytes| !bytes.0.is_empty())?;
        Some(Held {
            entry,
            keys: Key::of_pem(&bytes.0),
        })
    });
    filled.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::sys::cluster::Cluster;

    fn asked(status: u16, body: &str) -> Fact<Option<Vec<Held>>> {
        let body = body.as_bytes().to_vec();
        let answer = move |request: Request<Body>| {
            let body = body.clone();
            async move {
                let path = request.uri().path();
                assert_eq!(path, "/api/v1/namespaces/istio-system/secrets/cacerts");
                Response::builder()
                    .status(status)
                    .body(Body::from(body))
                    .unwrap()
            }
        };
        let cluster = Cluster::answering(answer, Duration::from_secs(5));
        cluster
            .run(async |session| authority(session, "istio-system").await)
            .unwrap()
    }

    fn encoded(text: &str) -> String {
        let bytes = ByteString(text.as_bytes().to_vec());
        serde_json::to_string(&bytes).unwrap()
    }

    #[test]
    fn the_certificates_of_the_secret_are_read_and_its_keys_passed_over() {
        let chain = include_str!("../../tests/data/certificates.pem");
        let body = format!(
            r#"{{"data":{{"ca-cert.pem":{},"ca-key.pem":"!","cert-chain.pem":"","ca.crt":{}}}}}"#,
            encoded(chain),
            encoded("no certificate")
        );
        let Fact::Known(Some(held)) = asked(200, &body) else {
            panic!("not read");
        };
        let entries: Vec<&str> = held.iter().map(|one| one.entry).collect();
        assert_eq!(entries, ["ca-cert.pem", "ca.crt"]);
        assert_eq!(held[0].keys.as_ref().unwrap()[1], Key::Rsa(4096));
        assert!(held[1].keys.is_err());
    }

    #[test]
    fn what_is_missing_forbidden_or_failing_differs() {
        let said = |code| format!(r#"{{"kind":"Status","code":{code},"message":"no"}}"#);
        assert_eq!(asked(404, &said(404)), Fact::Known(None));
        assert!(matches!(asked(403, &said(403)), Fact::NotAsked(_)));
        assert!(matches!(asked(500, &said(500)), Fact::Unknown(_)));
    }
}
