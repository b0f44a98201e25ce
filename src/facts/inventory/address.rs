//! The address that a proxy gets its configuration from, which connects it to a control plane.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::facts::control_plane::DEFAULT;
use crate::sys::cluster::{Container, Pod};

/// The address that agents use if none is configured.
const USUAL: &str = "istiod.istio-system.svc:15012";

/// The path at which agents look for a mesh configuration, which contains an address too.
const MESH_FILES: &str = "/etc/istio/config";

/// Longest `ProxyConfig` in bytes that is parsed; the address in a longer one counts as unknown.
const LONGEST: usize = 64 << 10;

/// Number of different addresses that are kept per program. The charts and the injector set one.
const MOST: usize = 4;

/// An address that a proxy is configured with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// The Service of an istiod, recognized by the names that the charts give it.
    Istiod { namespace: String, revision: String },
    /// Any other address, or one that the pod does not show.
    Other,
}

impl Address {
    /// Returns the addresses in the variables and arguments of a container, and in the annotation of its pod.
    pub(super) fn of(pod: &Pod, container: &Container) -> BTreeSet<Address> {
        Address::from_settings(Address::annotated(pod), container)
    }

    /// Returns the address in a pod's annotation.
    pub(super) fn annotated(pod: &Pod) -> Option<Address> {
        let text = pod.metadata.annotations.get("proxy.istio.io/config");
        text.and_then(|text| in_config(text))
    }

    /// Returns the addresses in the variables and arguments of a container, and the annotated one. Addresses
    /// beyond `MOST` become `Other`, so that such a program never counts as one of another mesh.
    pub(super) fn from_settings(
        annotated: Option<Address>,
        container: &Container,
    ) -> BTreeSet<Address> {
        let mut found = BTreeSet::new();
        let mut add = |address: Address| {
            let has_room = found.len() < MOST || found.contains(&address);
            found.insert(if has_room { address } else { Address::Other });
        };
        annotated.into_iter().for_each(&mut add);
        for variable in &container.env {
            let hidden = variable.value_from.is_some() || variable.value.contains("$(");
            match variable.name.as_str() {
                "XDS_ADDRESS" | "PROXY_CONFIG" if hidden => add(Address::Other),
                "XDS_ADDRESS" => add(Address::parse(&variable.value)),
                "PROXY_CONFIG" => in_config(&variable.value).into_iter().for_each(&mut add),
                _ => {}
            }
        }
        let mut given = container.args.iter().peekable();
        while let Some(word) = given.next() {
            let Some(rest) = word.strip_prefix("--discoveryAddress") else {
                continue;
            };
            let value = rest.strip_prefix('=');
            let value = value.or_else(|| given.peek().map(|next| next.as_str()));
            add(value.map_or(Address::Other, Address::parse));
        }
        let bulk = !container.env_from.is_empty();
        found.extend((bulk && found.is_empty()).then_some(Address::Other));
        found
    }

    /// Returns the address of an agent without an explicit one. The charts give gateways a mesh configuration
    /// file instead: the pod does not contain its text, so the address that they get certificates from
    /// (`CA_ADDR`) shows their istiod.
    pub(super) fn from_defaults(container: &Container) -> Address {
        let file = Path::new(MESH_FILES);
        let has_file = container.volume_mounts.iter().any(|mount| {
            let path = Path::new(&mount.mount_path);
            file.starts_with(path) || path.starts_with(file)
        });
        if !has_file {
            return Address::parse(USUAL);
        }
        let authority = container.env.iter().rfind(|it| it.name == "CA_ADDR");
        let shown = authority.filter(|it| it.value_from.is_none());
        shown.map_or(Address::Other, |it| Address::parse(&it.value))
    }

    fn parse(text: &str) -> Address {
        let host = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = host.split([':', '/']).next().unwrap_or_default();
        let mut parts = host.split('.');
        let (service, namespace) = (parts.next().unwrap_or_default(), parts.next());
        let service = service.strip_suffix("-remote").unwrap_or(service);
        let revision = match service.strip_prefix("istiod") {
            Some("") => Some(DEFAULT),
            Some(rest) => rest.strip_prefix('-'),
            None => None,
        };
        match (revision, namespace) {
            (Some(revision), Some(namespace)) if is_name(revision) && is_name(namespace) => {
                Address::Istiod {
                    namespace: namespace.to_owned(),
                    revision: revision.to_owned(),
                }
            }
            _ => Address::Other,
        }
    }
}

/// Returns the address in a `ProxyConfig`, which is JSON or YAML.
fn in_config(text: &str) -> Option<Address> {
    if text.len() > LONGEST {
        return Some(Address::Other);
    }
    if let Ok(config) = serde_json::from_str::<Value>(text) {
        let keys = ["discoveryAddress", "discovery_address"];
        let mut named = keys.iter().filter_map(|key| config.get(key));
        return named
            .next()
            .map(|value| value.as_str().map_or(Address::Other, Address::parse));
    }
    let lines = text.lines().filter_map(|line| {
        let line = line.trim();
        let value = line.strip_prefix("discoveryAddress:")?;
        Some(value.trim().trim_matches(['"', '\'']))
    });
    let mut found: Vec<&str> = lines.collect();
    let mentioned = text.matches("iscovery").count();
    // Escapes, anchors and flow style are other ways to write an address.
    let odd = text.contains(['\\', '&', '*', '{', '?', '!']);
    match (found.pop(), found.is_empty()) {
        (Some(value), true) if mentioned == 1 && !odd => Some(Address::parse(value)),
        (None, _) if mentioned == 0 && !odd => None,
        _ => Some(Address::Other),
    }
}

/// Checks whether a text can be the name of a namespace or revision.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn istiod(namespace: &str, revision: &str) -> Address {
        Address::Istiod {
            namespace: namespace.to_owned(),
            revision: revision.to_owned(),
        }
    }

    #[test]
    fn the_service_of_an_istiod_tells_namespace_and_revision() {
        for (text, address) in [
            (USUAL, istiod("istio-system", "default")),
            (
                "istiod-1-31.mesh.svc.cluster.local:15012",
                istiod("mesh", "1-31"),
            ),
            ("https://istiod.a.svc:15012", istiod("a", "default")),
            ("istiod-remote.a.svc:15012", istiod("a", "default")),
            ("istiod-x-remote.a.svc:15012", istiod("a", "x")),
            ("istiod", Address::Other),
            ("10.0.0.1:15012", Address::Other),
            ("evil.istio-system.svc:15012", Address::Other),
            ("istiodx.a.svc", Address::Other),
            ("istiod-\u{1b}.a.svc", Address::Other),
            ("", Address::Other),
        ] {
            assert_eq!(Address::parse(text), address, "{text}");
        }
    }

    fn found(annotation: &str, container: &Value) -> Vec<Address> {
        let metadata = json!({"annotations": {"proxy.istio.io/config": annotation}});
        let pod = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        let container = serde_json::from_value(container.clone()).unwrap();
        Address::of(&pod, &container).into_iter().collect()
    }

    const CONFIG: &str = r#"{"discoveryAddress":"istiod-x.a.svc:15012"}"#;

    fn env(name: &str, value: &str) -> Value {
        json!({"env": [{"name": name, "value": value}]})
    }

    #[test]
    fn every_place_of_an_address_counts() {
        let x = || vec![istiod("a", "x")];
        for (container, addresses) in [
            (env("PROXY_CONFIG", "{}\n"), vec![]),
            (env("PROXY_CONFIG", CONFIG), x()),
            (
                env("XDS_ADDRESS", "https://istiod.b.svc:15012"),
                vec![istiod("b", "default")],
            ),
            (
                json!({"env": [{"name": "PROXY_CONFIG", "valueFrom": {}}]}),
                vec![Address::Other],
            ),
            (json!({"envFrom": [{}]}), vec![Address::Other]),
            (
                json!({"args": ["--discoveryAddress", "istiod-x.a.svc"]}),
                x(),
            ),
            (json!({"args": ["--discoveryAddress=istiod-x.a.svc"]}), x()),
        ] {
            assert_eq!(found("", &container), addresses, "{container}");
        }
    }

    #[test]
    fn thousands_of_addresses_are_a_few_and_another_one() {
        let name = |n| json!({"name": "XDS_ADDRESS", "value": format!("istiod-{n:05}.a.svc")});
        let env: Vec<Value> = (0..12_000).map(name).collect();
        let arguments: Vec<String> = (0..MOST)
            .map(|n| format!("--discoveryAddress=istiod-{n:05}.a.svc"))
            .collect();
        let few = found("", &json!({"args": arguments}));
        assert!(few.len() == MOST && !few.contains(&Address::Other));
        let all = found("", &json!({"args": arguments, "env": env}));
        assert_eq!(all, [few, vec![Address::Other]].concat());
    }

    #[test]
    fn a_gateway_with_a_file_is_known_by_its_authority() {
        let untold = |mount: &str, authority: &str| {
            let container = json!({"volumeMounts": [{"mountPath": mount}],
                "env": [{"name": "CA_ADDR", "value": authority}]});
            Address::from_defaults(&serde_json::from_value(container).unwrap())
        };
        let (x, usual) = (istiod("a", "x"), istiod("istio-system", "default"));
        for (mount, authority, address) in [
            ("/etc/istio/config", "istiod-x.a.svc:15012", &x),
            ("/etc/istio", "istiod-x.a.svc:15012", &x),
            (
                "/etc/istio/config",
                "istio-csr.cert-manager.svc:443",
                &Address::Other,
            ),
            ("/etc/istio/proxy", "istiod-x.a.svc:15012", &usual),
        ] {
            assert_eq!(&untold(mount, authority), address, "{mount} {authority}");
        }
    }

    #[test]
    fn an_annotation_is_read_or_counts_as_another_address() {
        let b = "discoveryAddress: istiod.b.svc";
        for (annotation, addresses) in [
            ("concurrency: 2", vec![]),
            (
                "discoveryAddress: istiod-x.a.svc:15012\nconcurrency: 2",
                vec![istiod("a", "x")],
            ),
            (
                "\"discovery\\u0041ddress\": istiod.b.svc",
                vec![Address::Other],
            ),
            ("{discoveryAddress: istiod.b.svc}", vec![Address::Other]),
        ] {
            assert_eq!(found(annotation, &json!({})), addresses, "{annotation}");
        }
        let both = [istiod("a", "x"), istiod("b", "default")];
        assert_eq!(found(b, &env("PROXY_CONFIG", CONFIG)), both);
    }
}
