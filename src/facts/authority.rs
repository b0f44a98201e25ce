//! The certificates of istiod's CA, if it was given one (the secret `cacerts`), and those that gateways serve.

mod gateway;

use std::collections::BTreeSet;

use k8s_openapi::ByteString;
use serde::Deserialize;

use super::Observed;
use crate::sys::cluster::{ClusterError, Session};
use fips_evidence::{Key, KeyError};

pub(super) use gateway::gateways;

/// The certificates in one entry of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The secret, such as `istio-system/cacerts`.
    pub secret: String,
    /// The purpose of the secret.
    pub used: fips_evidence::Secret,
    /// The entry, such as `ca-cert.pem`.
    pub entry: &'static str,
    pub keys: Result<Vec<Key>, KeyError>,
}

/// A secret; its private keys are skipped during deserialization.
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
    /// The certificate in a generic secret, which is not of type `kubernetes.io/tls`.
    #[serde(rename = "cert")]
    generic: Option<ByteString>,
}

/// The certificates that gateways serve to their clients, as far as they could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    pub held: Vec<Held>,
    /// Why more could not be read, with the right to ask for.
    pub unread: BTreeSet<String>,
    /// Number of secrets that were not read because there are too many.
    pub left_out: usize,
}

/// Reads the secret `cacerts`; `None` if it does not exist, so that istiod creates its own CA.
pub(super) async fn authority(session: &Session, namespace: &str) -> Observed<Option<Vec<Held>>> {
    match read(
        session,
        (namespace, "cacerts"),
        fips_evidence::Secret::Cacerts,
    )
    .await
    {
        Ok(held) => Observed::Known(Some(held)),
        Err(ClusterError::NotFound(_)) => Observed::Known(None),
        Err(error) => Observed::Unknown(gap("get", &secrets_of(namespace), &error)),
    }
}

/// Describes what could not be read; for a missing right, names the right to ask for.
fn gap(verb: &str, what: &str, error: &ClusterError) -> String {
    match error {
        ClusterError::Forbidden(_) => format!("ask for the right to {verb} {what}"),
        error => format!("{what}: {error}"),
    }
}

fn secrets_of(namespace: &str) -> String {
    format!("secrets in namespace {namespace}")
}

/// Reads the certificates of one secret.
async fn read(
    session: &Session,
    (namespace, name): (&str, &str),
    used: fips_evidence::Secret,
) -> Result<Vec<Held>, ClusterError> {
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    let secret = session.raw::<Secret>(&path).await?;
    let held = entries(&secret.data, used).into_iter();
    Ok(held
        .filter_map(|(entry, bytes)| {
            let bytes = bytes.as_ref().filter(|bytes| !bytes.0.is_empty())?;
            Some(Held {
                secret: format!("{namespace}/{name}"),
                used,
                entry,
                keys: Key::of_pem(&bytes.0),
            })
        })
        .collect())
}

/// Returns the entries that are read of a secret with that purpose.
fn entries(
    data: &Certificates,
    used: fips_evidence::Secret,
) -> Vec<(&'static str, &Option<ByteString>)> {
    match used {
        fips_evidence::Secret::Cacerts => vec![
            ("ca-cert.pem", &data.authority),
            ("root-cert.pem", &data.root),
            ("cert-chain.pem", &data.chain),
            ("tls.crt", &data.tls),
            ("ca.crt", &data.tls_root),
        ],
        fips_evidence::Secret::Gateway => vec![("tls.crt", &data.tls), ("cert", &data.generic)],
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::sys::cluster::Cluster;

    fn asked(status: u16, body: &str) -> Observed<Option<Vec<Held>>> {
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
        let Observed::Known(Some(held)) = asked(200, &body) else {
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
        assert_eq!(asked(404, &said(404)), Observed::Known(None));
        let right = "ask for the right to get secrets in namespace istio-system";
        assert_eq!(asked(403, &said(403)), Observed::Unknown(right.to_owned()));
        assert!(matches!(asked(500, &said(500)), Observed::Unknown(_)));
    }
}
