//! The certificates that gateways serve to their clients.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Served, gap, read, secrets_of};
use crate::sys::cluster::{ClusterError, Pages, Session};

/// Gateways of Istio and of the Gateway API, in API versions that the clusters of every Istio version serve.
const LISTS: [(&str, &str); 2] = [
    (
        "/apis/networking.istio.io/v1beta1",
        "gateways.networking.istio.io",
    ),
    (
        "/apis/gateway.networking.k8s.io/v1",
        "gateways.gateway.networking.k8s.io",
    ),
];

/// Number of secrets that are read, and of pod selectors that are followed: a larger mesh is checked manually.
const LIMIT: usize = 64;

/// Gateways in one page, if they have a usual size.
const PAGE: usize = 50;

/// Bytes of a page. A single object is smaller.
const PAGE_LIMIT: usize = 2 << 20;

/// Bytes of all pages of a list, more than a thousand usual Gateways.
const LIST_LIMIT: usize = 8 << 20;

/// Bytes of a selector that is followed: one for pods of the charts has about thirty.
const LONGEST_SELECTOR: usize = 1024;

/// Prefixes in Istio's resource names for secrets.
const KINDS: [&str; 2] = ["kubernetes://", "kubernetes-gateway://"];

/// The references of a Gateway, as far as they are needed.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    namespace: String,
    /// Istio only: selects the pods of this gateway, in any namespace.
    selector: Option<String>,
    /// The `credentialName`s, with the namespace if they contain one. Limited to one more than is read, which
    /// shows that some were left out.
    credentials: BTreeSet<(Option<String>, String)>,
    /// Namespace and name of secrets, with the same limit.
    references: BTreeSet<(String, String)>,
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
    /// Istio only: selects the pods of this gateway, in any namespace.
    selector: BTreeMap<String, String>,
    /// Istio only.
    servers: Vec<Port>,
    /// Gateway API only.
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

/// Reads the secrets that gateways reference, those in the namespace of the control plane first. A missing
/// secret is skipped: the key of a gateway that does not work cannot be judged.
pub(in crate::facts) async fn gateways(session: &Session, home: &str) -> Served {
    let mut served = Served::default();
    let mut gateways: Vec<Named> = Vec::new();
    for (group, what) in LISTS {
        for path in [
            format!("{group}/namespaces/{home}/gateways"),
            format!("{group}/gateways"),
        ] {
            match list(session, &path, &mut gateways).await {
                Ok(None) | Err(ClusterError::NotFound(_) | ClusterError::Api { code: 404, .. }) => {
                }
                Ok(Some(cut)) => {
                    served.unread.insert(format!("{what}: {cut}"));
                }
                Err(error) => {
                    served.unread.insert(gap("list", what, &error));
                }
            }
        }
    }
    let places = places(session, &gateways, home, &mut served).await;
    let named = gateways.iter().flat_map(|one| secrets(one, &places));
    let mut named: Vec<(String, String)> = named.collect::<BTreeSet<_>>().into_iter().collect();
    named.sort_by_key(|(namespace, _)| namespace != home);
    served.left_out = named.len().saturating_sub(LIMIT);
    for (namespace, name) in named.iter().take(LIMIT) {
        match read(session, (namespace, name), fips_evidence::Secret::Gateway).await {
            Ok(certificates) => served.held.extend(certificates),
            Err(ClusterError::NotFound(_)) => {}
            Err(error) => {
                let what = secrets_of(namespace);
                served.unread.insert(gap("get", &what, &error));
            }
        }
    }
    served
}

/// Adds the references of the Gateways of a list, and returns why it was not read to its end, if it was not.
///
/// Any user may create Gateways: each page has a limit, and so have all pages together.
async fn list(
    session: &Session,
    path: &str,
    all: &mut Vec<Named>,
) -> Result<Option<String>, ClusterError> {
    let (mut begin, mut number, mut bytes) = (String::new(), PAGE, 0);
    loop {
        let page = session.objects::<Gateway>(path, &begin, (number, PAGE_LIMIT));
        let page = match page.await {
            Err(ClusterError::TooLarge { .. }) if number > 1 => {
                number = 1;
                continue;
            }
            page => page?,
        };
        all.extend(page.items.into_iter().map(Named::from));
        bytes += page.bytes;
        if page.continuation.is_empty() {
            return Ok(None);
        }
        if bytes >= LIST_LIMIT {
            let read = LIST_LIMIT >> 20;
            return Ok(Some(format!("no more than {read} MiB were read")));
        }
        begin = page.continuation;
        number = PAGE.min(number * 2);
    }
}

/// Pod selector → namespaces in which the pods run.
type Places = BTreeMap<String, BTreeSet<String>>;

/// Finds the namespaces of the selected pods. The Gateways of the control plane's namespace come first.
async fn places(session: &Session, gateways: &[Named], home: &str, served: &mut Served) -> Places {
    let mut selecting: Vec<&Named> = gateways.iter().collect();
    selecting.sort_by_key(|one| (one.namespace != home, &one.selector));
    let mut selectors: Vec<&String> = Vec::new();
    let mut known = BTreeSet::new();
    let named = selecting.iter().filter_map(|one| one.selector.as_ref());
    selectors.extend(named.filter(|selector| known.insert(*selector)));
    if selectors.iter().any(|it| it.len() > LONGEST_SELECTOR) {
        let long = format!("a Gateway selects its pods by more than {LONGEST_SELECTOR} characters");
        served.unread.insert(long);
        selectors.retain(|it| it.len() <= LONGEST_SELECTOR);
    }
    if selectors.len() > LIMIT {
        let said = format!(
            "Gateways select pods in {} ways: {LIMIT} were followed",
            selectors.len()
        );
        served.unread.insert(said);
    }
    let mut places = Places::new();
    for selector in selectors.into_iter().take(LIMIT) {
        match namespaces(session, selector).await {
            Ok(found) => {
                places.insert(selector.clone(), found);
            }
            Err(error) => {
                served.unread.insert(gap("list", "pods", &error));
            }
        }
    }
    places
}

async fn namespaces(session: &Session, selector: &str) -> Result<BTreeSet<String>, ClusterError> {
    let mut found = BTreeSet::new();
    let mut pages = session.pods(None, selector);
    while let Some(page) = pages.next().await {
        match page? {
            Pages::Pods(pods) => found.extend(pods.into_iter().map(|pod| match pod {
                Ok(pod) => pod.metadata.namespace,
                Err(unreadable) => unreadable.namespace,
            })),
            Pages::Restarted => found.clear(),
        }
    }
    Ok(found)
}

impl From<Gateway> for Named {
    fn from(gateway: Gateway) -> Named {
        let namespace = gateway.metadata.namespace;
        let Spec {
            selector,
            servers,
            listeners,
        } = gateway.spec;
        let credentials = tls(servers).flat_map(|tls| {
            let one = std::iter::once(tls.credential_name);
            one.chain(tls.credential_names)
        });
        let credentials: BTreeSet<_> = credentials.filter_map(|name| credential(&name)).collect();
        let is_secret = |one: &Reference| one.kind.as_deref().is_none_or(|kind| kind == "Secret");
        let references: BTreeSet<_> = tls(listeners)
            .flat_map(|tls| tls.certificate_refs)
            .filter(is_secret)
            .map(|one| (one.namespace.unwrap_or_else(|| namespace.clone()), one.name))
            .filter(|(namespace, name)| is_name(namespace) && is_name(name))
            .collect();
        Named {
            selector: labels(&selector),
            credentials: credentials.into_iter().take(LIMIT + 1).collect(),
            references: references.into_iter().take(LIMIT + 1).collect(),
            namespace,
        }
    }
}

/// Returns the pod selector of an Istio Gateway, if it consists of valid labels.
fn labels(labels: &BTreeMap<String, String>) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let possible = labels
        .iter()
        .all(|(name, value)| name.bytes().chain(value.bytes()).all(allowed));
    let pairs = labels.iter().map(|(name, value)| format!("{name}={value}"));
    let text = (possible && !labels.is_empty()).then(|| pairs.collect::<Vec<_>>().join(","));
    // A selector that is too long is kept up to one character beyond the limit.
    text.map(|text| text.chars().take(LONGEST_SELECTOR + 1).collect())
}

/// Returns namespace and name of each secret that a gateway references.
///
/// For an Istio Gateway, Istio reads secrets in the namespace of the pods (here the Gateway's own namespace, if
/// there are no pods); for the Gateway API, in the namespace of the Gateway, unless the reference names another
/// one.
fn secrets(gateway: &Named, places: &Places) -> Vec<(String, String)> {
    let running = gateway.selector.as_ref();
    let running = running.and_then(|selector| places.get(selector));
    let alone = BTreeSet::from([gateway.namespace.clone()]);
    let running = running.filter(|it| !it.is_empty()).unwrap_or(&alone);
    let credentials = gateway.credentials.iter();
    let mut named: Vec<_> = credentials
        .flat_map(|credential| places_of(credential, running))
        .collect();
    named.extend(gateway.references.iter().cloned());
    named
}

fn tls(ports: Vec<Port>) -> impl Iterator<Item = Tls> {
    ports.into_iter().filter_map(|port| port.tls)
}

/// Parses a `credentialName` into its namespace, if it has one, and its name.
fn credential(text: &str) -> Option<(Option<String>, String)> {
    let kind = KINDS.iter().find_map(|kind| text.strip_prefix(kind));
    let name = kind.unwrap_or(text);
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    };
    let possible = namespace.is_none_or(is_name) && is_name(name);
    possible.then(|| (namespace.map(str::to_owned), name.to_owned()))
}

/// Returns the secrets that a `credentialName` selects for pods in these namespaces; other namespaces are
/// rejected.
fn places_of(
    (namespace, name): &(Option<String>, String),
    running: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let places = running
        .iter()
        .filter(|it| namespace.as_ref().is_none_or(|named| named == *it));
    // One more than is read shows that some were left out.
    let places = places.take(LIMIT + 1);
    places.map(|it| (it.clone(), name.clone())).collect()
}

/// Checks whether a text can be the name of an object, and so part of a path: gateways may contain any text.
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
    use crate::sys::cluster::Cluster;
    use fips_evidence::Key;

    const ISTIO: &str = r#"{"items":[{"metadata":{"namespace":"edge"},"spec":{"servers":[
        {"tls":{"mode":"SIMPLE","credentialName":"shop"}},
        {"tls":{"credentialName":"kubernetes://api","credentialNames":["shop","gone"]}},
        {"tls":{"credentialName":"../../../version"}},{"tls":null},{}]}}]}"#;

    const KUBERNETES: &str = r#"{"items":[{"metadata":{"namespace":"web"},"spec":{"listeners":[
        {"tls":{"certificateRefs":[{"name":"own"},{"name":"theirs","namespace":"certs"},
        {"name":"other","kind":"ConfigMap"}]}}]}}]}"#;

    fn asked(answer: fn(&str) -> (u16, String)) -> Served {
        let service = move |request: Request<Body>| async move {
            let uri = request.uri();
            let (status, body) = match (uri.path(), uri.query()) {
                ("/api/v1/pods", Some(query)) => answer(query),
                (path, _) => answer(path),
            };
            Response::builder()
                .status(status)
                .body(Body::from(body.into_bytes()))
                .unwrap()
        };
        let cluster = Cluster::answering(service, Duration::from_secs(5));
        cluster
            .run(async |session| gateways(session, "istio-system").await)
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
        let served = asked(|path| match path {
            path if path.contains("networking.istio.io") => (200, ISTIO.to_owned()),
            path if path.contains("networking.k8s.io") => (200, KUBERNETES.to_owned()),
            "/api/v1/namespaces/edge/secrets/api" => secret("cert"),
            "/api/v1/namespaces/edge/secrets/gone" => status(404),
            path if path.contains("/secrets/") => secret("tls.crt"),
            path => panic!("{path}"),
        });
        assert!(served.unread.is_empty(), "{served:?}");
        assert_eq!(
            found(&served),
            [
                ("certs/theirs", "tls.crt"),
                ("edge/api", "cert"),
                ("edge/shop", "tls.crt"),
                ("web/own", "tls.crt"),
            ]
        );
        assert_eq!(served.held[0].used, fips_evidence::Secret::Gateway);
        assert_eq!(served.held[0].keys.as_ref().unwrap()[1], Key::Rsa(4096));
    }

    fn found(served: &Served) -> Vec<(&str, &str)> {
        let held = served.held.iter();
        held.map(|one| (one.secret.as_str(), one.entry)).collect()
    }

    const SELECTING: &str = r#"{"items":[{"metadata":{"namespace":"default"},"spec":{
        "selector":{"istio":"ingressgateway"},"servers":[
        {"tls":{"credentialName":"shop"}},{"tls":{"credentialName":"edge/own"}},
        {"tls":{"credentialName":"kubernetes-gateway://edge-2/own"}},
        {"tls":{"credentialName":"default/theirs"}}]}}]}"#;

    fn pods(namespaces: &[&str]) -> (u16, String) {
        let pod = |namespace: &&str| format!(r#"{{"metadata":{{"namespace":"{namespace}"}}}}"#);
        let pods: Vec<String> = namespaces.iter().map(pod).collect();
        (
            200,
            format!(r#"{{"metadata":{{}},"items":[{}]}}"#, pods.join(",")),
        )
    }

    #[test]
    fn a_credential_name_is_looked_for_where_the_pods_of_its_gateway_run() {
        let served = asked(|path| match path {
            path if path.contains("networking.istio.io") => (200, SELECTING.to_owned()),
            path if path.contains("networking.k8s.io") => status(404),
            query if query.contains("labelSelector=istio%3Dingressgateway") => {
                pods(&["edge", "edge-2", "edge"])
            }
            path if path.contains("/secrets/") => secret("tls.crt"),
            path => panic!("{path}"),
        });
        let places = ["edge/own", "edge/shop", "edge-2/own", "edge-2/shop"];
        assert_eq!(found(&served), places.map(|secret| (secret, "tls.crt")));
        let none_yet = asked(|path| match path {
            path if path.contains("networking.istio.io") => (200, SELECTING.to_owned()),
            path if path.contains("networking.k8s.io") => status(404),
            query if query.contains("labelSelector=") => pods(&[]),
            path if path.contains("/secrets/") => secret("tls.crt"),
            path => panic!("{path}"),
        });
        let own = ["default/shop", "default/theirs"];
        assert_eq!(found(&none_yet), own.map(|secret| (secret, "tls.crt")));
    }

    #[test]
    fn what_may_not_be_read_is_said_with_the_right_and_the_rest_is_kept() {
        assert_eq!(asked(|_| status(404)), Served::default());
        let rights = |served: Served| served.unread.into_iter().collect::<Vec<_>>();
        assert_eq!(
            rights(asked(|_| status(403))),
            [
                "ask for the right to list gateways.gateway.networking.k8s.io",
                "ask for the right to list gateways.networking.istio.io",
            ]
        );
        assert!(
            rights(asked(|_| status(500)))[0].starts_with("gateways.gateway.networking.k8s.io: ")
        );
        let one = asked(|path| match path {
            path if path.contains("networking.istio.io") => (200, ISTIO.to_owned()),
            path if path.contains("networking.k8s.io") => status(403),
            "/api/v1/namespaces/edge/secrets/api" => status(403),
            path if path.contains("/secrets/shop") => secret("tls.crt"),
            _ => status(404),
        });
        assert_eq!(found(&one), [("edge/shop", "tls.crt")]);
        assert_eq!(
            rights(one),
            [
                "ask for the right to get secrets in namespace edge",
                "ask for the right to list gateways.gateway.networking.k8s.io",
            ]
        );
        let hidden = asked(|path| match path {
            path if path.contains("networking.istio.io") => (200, SELECTING.to_owned()),
            path if path.contains("labelSelector") => status(403),
            _ => status(404),
        });
        assert_eq!(rights(hidden), ["ask for the right to list pods"]);
    }

    #[test]
    fn secrets_beyond_the_limit_are_counted() {
        let served = asked(|path| match path {
            path if path.contains("networking.istio.io") => {
                let server = |n| format!(r#"{{"tls":{{"credentialName":"s{n}"}}}}"#);
                let servers: Vec<String> = (0..LIMIT + 3).map(server).collect();
                let spec = format!(r#"{{"servers":[{}]}}"#, servers.join(","));
                let items =
                    format!(r#"{{"items":[{{"metadata":{{"namespace":"e"}},"spec":{spec}}}]}}"#);
                (200, items)
            }
            path if path.contains("/secrets/") => secret("tls.crt"),
            _ => status(404),
        });
        assert_eq!((served.held.len(), served.left_out), (LIMIT, 1));
    }

    #[test]
    fn a_tenant_displaces_no_secret_of_the_control_plane() {
        let gateway = |namespace: &str, number: usize| {
            let name = |n| format!(r#"{{"tls":{{"credentialName":"s{n}"}}}}"#);
            let servers: Vec<String> = (0..number).map(name).collect();
            format!(
                r#"{{"items":[{{"metadata":{{"namespace":"{namespace}"}},"spec":{{"servers":[{}]}}}}]}}"#,
                servers.join(",")
            )
        };
        let answer = move |request: Request<Body>| async move {
            let path = request.uri().path();
            let (status, body) = match path {
                "/apis/networking.istio.io/v1beta1/namespaces/istio-system/gateways" => {
                    (200, gateway("istio-system", 2))
                }
                "/apis/networking.istio.io/v1beta1/gateways" => (200, gateway("a", 3000)),
                path if path.contains("/secrets/") => secret("tls.crt"),
                _ => status(404),
            };
            let body = Body::from(body.into_bytes());
            Response::builder().status(status).body(body).unwrap()
        };
        let cluster = Cluster::answering(answer, Duration::from_secs(5));
        let served = cluster.run(async |session| gateways(session, "istio-system").await);
        let served = served.unwrap();
        let first = &found(&served)[..2];
        let own = ["istio-system/s0", "istio-system/s1"];
        assert_eq!(first, own.map(|secret| (secret, "tls.crt")));
        assert_eq!((served.held.len(), served.left_out), (LIMIT, 3));
    }

    #[test]
    fn gateways_are_listed_in_pages_with_a_limit() {
        let served = asked(|path| {
            let note = |size: usize| format!(r#"{{"spec":{{"note":"{}"}}}}"#, "x".repeat(size));
            match path {
                path if path.contains("networking.istio.io") => {
                    let (items, more) = (note(PAGE_LIMIT / 2), "more");
                    let list =
                        format!(r#"{{"metadata":{{"continue":"{more}"}},"items":[{items}]}}"#);
                    (200, list)
                }
                path if path.contains("networking.k8s.io") => (200, note(2 * PAGE_LIMIT)),
                _ => status(404),
            }
        });
        let unread: Vec<String> = served.unread.into_iter().collect();
        assert!(
            unread[0].contains("gateway.networking.k8s.io"),
            "{unread:?}"
        );
        assert!(
            unread[2].ends_with("no more than 8 MiB were read"),
            "{unread:?}"
        );
    }
}
