//! The certificates that gateways show to their clients.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{FORBIDDEN, Held, read};
use crate::facts::Fact;
use crate::fips;
use crate::sys::cluster::{ClusterError, Session};

/// Gateways of Istio and of the Gateway API, in the versions that the clusters of every Istio serve.
const PATHS: [&str; 2] = [
    "/apis/networking.istio.io/v1beta1/gateways",
    "/apis/gateway.networking.k8s.io/v1/gateways",
];

/// Secrets that are read: a mesh that has more is looked at by hand.
const LIMIT: usize = 64;

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Gateway>,
}

#[derive(Deserialize)]
struct Gateway {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    namespace: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    /// Of Istio.
    servers: Vec<Port>,
    /// Of the Gateway API.
    listeners: Vec<Port>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port {
    tls: Option<Tls>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tls {
    credential_name: String,
    credential_names: Vec<String>,
    certificate_refs: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
    namespace: Option<String>,
    kind: Option<String>,
}

/// Reads the secrets that gateways name. One that is not there is left out: that the gateway does not
/// work is no matter of its key.
pub(in crate::facts) async fn gateways(session: &Session) -> Fact<Vec<Held>> {
    match shown(session).await {
        Ok(held) => Fact::Known(held),
        Err(ClusterError::Forbidden(_)) => Fact::NotAsked(FORBIDDEN),
        Err(error) => Fact::Unknown(error.to_string()),
    }
}

async fn shown(session: &Session) -> Result<Vec<Held>, ClusterError> {
    let mut named = BTreeSet::new();
    for path in PATHS {
        match session.raw::<List>(path).await {
            Ok(list) => named.extend(list.items.iter().flat_map(secrets)),
            Err(ClusterError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let mut held = Vec::new();
    for (namespace, name) in named.iter().take(LIMIT) {
        match read(session, (namespace, name), fips::Secret::Gateway).await {
            Ok(certificates) => held.extend(certificates),
            Err(ClusterError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(held)
}

/// Namespace and name of each secret that a gateway names.
fn secrets(gateway: &Gateway) -> Vec<(String, String)> {
    let own = &gateway.metadata.namespace;
    let ports = gateway.spec.servers.iter().chain(&gateway.spec.listeners);
    let mut named = Vec::new();
    for tls in ports.filter_map(|port| port.tls.as_ref()) {
        let credentials = [&tls.credential_name]
            .into_iter()
            .chain(&tls.credential_names);
        named.extend(credentials.map(|name| {
            let name = name.strip_prefix("kubernetes://").unwrap_or(name);
            (own.clone(), name.to_owned())
        }));
        let is_secret = |one: &&Reference| one.kind.as_deref().is_none_or(|kind| kind == "Secret");
        named.extend(tls.certificate_refs.iter().filter(is_secret).map(|one| {
            let namespace = one.namespace.as_ref().unwrap_or(own);
            (namespace.clone(), one.name.clone())
        }));
    }
    named.retain(|(namespace, name)| is_name(namespace) && is_name(name));
    named
}

/// Whether it can be the name of an object, and part of a path: gateways may hold any text.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    text.len() <= 253 && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::fips::Key;
    use crate::sys::cluster::Cluster;

    const ISTIO: &str = r#"{"items":[{"metadata":{"namespace":"edge"},"spec":{"servers":[
        {"tls":{"mode":"SIMPLE","credentialName":"shop"}},
        {"tls":{"credentialName":"kubernetes://api","credentialNames":["shop","gone"]}},
        {"tls":{"credentialName":"../../../version"}},{"tls":null},{}]}}]}"#;

    const KUBERNETES: &str = r#"{"items":[{"metadata":{"namespace":"web"},"spec":{"listeners":[
        {"tls":{"certificateRefs":[{"name":"own"},{"name":"theirs","namespace":"certs"},
        {"name":"other","kind":"ConfigMap"}]}}]}}]}"#;

    fn asked(answer: fn(&str) -> (u16, String)) -> Fact<Vec<Held>> {
        let service = move |request: Request<Body>| async move {
            let (status, body) = answer(request.uri().path());
            Response::builder()
                .status(status)
                .body(Body::from(body.into_bytes()))
                .unwrap()
        };
        let cluster = Cluster::answering(service, Duration::from_secs(5));
        cluster
            .run(async |session| gateways(session).await)
            .unwrap()
    }

    fn status(code: u16) -> (u16, String) {
        (
            code,
            format!(r#"{{"kind":"Status","code":{code},"message":"no"}}"#),
        )
    }

    fn secret(entry: &str) -> (u16, String) {
        let chain = include_str!("../../../tests/data/certificates.pem");
        let bytes = k8s_openapi::ByteString(chain.as_bytes().to_vec());
        let text = serde_json::to_string(&bytes).unwrap();
        (
            200,
            format!(r#"{{"data":{{"{entry}":{text},"tls.key":"!"}}}}"#),
        )
    }

    #[test]
    fn the_secrets_that_gateways_name_are_read_once_each() {
        let held = asked(|path| match path {
            path if path.contains("networking.istio.io") => (200, ISTIO.to_owned()),
            path if path.contains("networking.k8s.io") => (200, KUBERNETES.to_owned()),
            "/api/v1/namespaces/edge/secrets/api" => secret("cert"),
            "/api/v1/namespaces/edge/secrets/gone" => status(404),
            path if path.contains("/secrets/") => secret("tls.crt"),
            path => panic!("{path}"),
        });
        let held = held.known().unwrap();
        let found: Vec<_> = held
            .iter()
            .map(|one| (one.secret.as_str(), one.entry))
            .collect();
        assert_eq!(
            found,
            [
                ("certs/theirs", "tls.crt"),
                ("edge/api", "cert"),
                ("edge/shop", "tls.crt"),
                ("web/own", "tls.crt"),
            ]
        );
        assert_eq!(held[0].used, fips::Secret::Gateway);
        assert_eq!(held[0].keys.as_ref().unwrap()[1], Key::Rsa(4096));
    }

    #[test]
    fn no_gateways_forbidden_and_failing_differ() {
        assert_eq!(asked(|_| status(404)), Fact::Known(Vec::new()));
        assert!(matches!(asked(|_| status(403)), Fact::NotAsked(_)));
        assert!(matches!(asked(|_| status(500)), Fact::Unknown(_)));
    }
}
