//! The parts of Istio that a document installs: its profile, with the settings of the document over it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::plan::Plan;
use istio_builds::{Component, Installer, Profile};
use istio_operator::Engine;

/// The profile of a document that names none.
const DEFAULT_PROFILE: &str = "default";

/// The profile of values with which istiod runs in another cluster.
const REMOTE: &str = "remote";

/// The parts of Istio that one document installs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installs {
    pub components: BTreeSet<Component>,
    pub gateways: Vec<Gateway>,
    /// Whether istiod runs here: a remote cluster has the chart of istiod without its Deployment.
    pub istiod: bool,
    /// Fields of `values` in which the profile sets `variant` to `distroless`, if the document does not set it.
    pub distroless: BTreeSet<String>,
}

/// A gateway that a document enables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its path in the document: `spec.components.ingressGateways[name:x]`.
    pub path: String,
    /// Empty if the document gives none.
    pub name: String,
    pub namespace: Option<String>,
}

impl Installs {
    /// Interprets a whole document as the installer of the planned version does.
    pub fn of(plan: &Plan, document: &Value) -> Installs {
        let reader = Reader {
            engine: plan.rules.engine,
            installer: &plan.installer,
            profile: profile(&plan.installer, document),
            spec: &document["spec"],
        };
        let components: BTreeSet<Component> = Component::ALL
            .into_iter()
            .filter(|component| reader.has(*component))
            .collect();
        Installs {
            gateways: reader.gateways(),
            istiod: components.contains(&Component::Pilot) && !reader.is_remote(),
            distroless: reader.distroless(),
            components,
        }
    }

    /// Returns namespace and name of the gateways; `namespace` is that of the control plane.
    pub fn gateways_in(&self, namespace: &str) -> Vec<(String, String)> {
        let named = self.gateways.iter().filter(|one| !one.name.is_empty());
        named
            .map(|gateway| {
                let own = gateway.namespace.as_deref().unwrap_or(namespace);
                (own.to_owned(), gateway.name.clone())
            })
            .collect()
    }

    /// Whether the document installs the webhooks of a revision, and so may own its tags.
    pub fn has_webhooks(&self) -> bool {
        self.components.contains(&Component::Pilot)
            || self.components.contains(&Component::IstiodRemote)
    }
}

fn profile(installer: &Installer, document: &Value) -> Profile {
    let named = document["spec"]["profile"].as_str();
    // A profile in a file of the user is merged over the default one.
    let known = named.and_then(|name| installer.profiles.get(name));
    known
        .or_else(|| installer.profiles.get(DEFAULT_PROFILE))
        .cloned()
        .unwrap_or_default()
}

struct Reader<'a> {
    engine: Engine,
    installer: &'a Installer,
    profile: Profile,
    spec: &'a Value,
}

impl Reader<'_> {
    fn has(&self, component: Component) -> bool {
        let by_profile = self.profile.components.contains(&component);
        let said = self
            .spec
            .get("components")
            .and_then(|all| all.get(component.field()));
        match (said, self.engine) {
            (Some(Value::Object(fields)), engine) => match (fields.get("enabled"), engine) {
                (Some(Value::Bool(enabled)), _) => *enabled,
                // Null is a value here, and a missing `enabled` means true, but each profile sets it for these.
                (Some(_), Engine::Map) => component != Component::IstiodRemote,
                (None, Engine::Map) => by_profile || is_left_open(component),
                (_, Engine::Strategic) => by_profile,
            },
            (Some(Value::Null), Engine::Map) => is_on_by_default(component),
            _ => by_profile,
        }
    }

    /// Whether istiod is that of another cluster. Unvalidated values are merged last.
    fn is_remote(&self) -> bool {
        if self.engine == Engine::Strategic {
            return false;
        }
        let remote = self.value(&["istiodRemote", "enabled"]);
        let remote = remote
            .and_then(Value::as_bool)
            .unwrap_or_else(|| self.values_profile() == Some(REMOTE));
        let local = self.value(&["istiodRemote", "enabledLocalInjectorIstiod"]);
        remote && local.and_then(Value::as_bool) != Some(true)
    }

    fn distroless(&self) -> BTreeSet<String> {
        let of_values = self
            .values_profile()
            .and_then(|name| self.installer.values_profiles.get(name))
            .is_some_and(|distroless| *distroless);
        let own = self.profile.distroless.iter().map(String::as_str);
        own.chain(of_values.then_some("global"))
            .filter(|root| self.value(&[root, "variant"]).is_none())
            .map(str::to_owned)
            .collect()
    }

    fn values_profile(&self) -> Option<&str> {
        let said = self.value(&["profile"]).and_then(Value::as_str);
        said.or(self.profile.values_profile.as_deref())
    }

    fn value(&self, path: &[&str]) -> Option<&Value> {
        ["unvalidatedValues", "values"].iter().find_map(|root| {
            let values = self.spec.get(root)?;
            let found = path.iter().try_fold(values, |value, key| value.get(key))?;
            (!found.is_null()).then_some(found)
        })
    }

    fn gateways(&self) -> Vec<Gateway> {
        let lists = [
            (
                "ingressGateways",
                "istio-ingressgateway",
                &self.profile.ingress_gateways,
            ),
            (
                "egressGateways",
                "istio-egressgateway",
                &self.profile.egress_gateways,
            ),
        ];
        let mut gateways = Vec::new();
        for (list, usual, by_profile) in lists {
            let said = self.spec["components"][list].as_array();
            let switch = self.value(&["gateways", usual, "enabled"]);
            let list = List {
                path: format!("spec.components.{list}"),
                usual,
                by_profile,
                said: said.map(Vec::as_slice),
                switch: switch.and_then(Value::as_bool),
            };
            gateways.extend(match self.engine {
                Engine::Map => list.replaced(),
                Engine::Strategic => list.merged(),
            });
        }
        gateways
    }
}

/// One list of gateways.
struct List<'a> {
    path: String,
    /// The name of the gateway that `values.gateways` configures.
    usual: &'a str,
    by_profile: &'a BTreeSet<String>,
    said: Option<&'a [Value]>,
    /// `values.gateways.NAME.enabled`.
    switch: Option<bool>,
}

impl List<'_> {
    /// Returns the gateways from 1.24 on: the list of the document replaces that of the profile, a gateway without
    /// `enabled` is enabled, and the switch in values enables all of them.
    fn replaced(&self) -> Vec<Gateway> {
        let on = self.switch == Some(true);
        let Some(said) = self.said else {
            let usual = on.then(|| self.usual.to_owned());
            let names = self.by_profile.iter().cloned().chain(usual);
            let names: BTreeSet<String> = names.collect();
            return names
                .into_iter()
                .map(|name| self.of_profile(name))
                .collect();
        };
        let items = said.iter().enumerate();
        items
            .filter(|(_, gateway)| on || gateway["enabled"].as_bool().unwrap_or(true))
            .map(|(place, gateway)| self.of_document(place, gateway))
            .collect()
    }

    /// Returns the gateways up to 1.23: the lists are merged by name, and a gateway without `enabled` is disabled
    /// unless its profile enables it.
    fn merged(&self) -> Vec<Gateway> {
        let said = self.said.unwrap_or_default();
        let is_on = |name: &str, gateway: &Value| {
            let own = gateway["enabled"].as_bool();
            let switch = self.switch.filter(|_| name == self.usual);
            own.or(switch)
                .unwrap_or_else(|| self.by_profile.contains(name))
        };
        let mut gateways = Vec::new();
        for (place, gateway) in said.iter().enumerate() {
            if is_on(gateway["name"].as_str().unwrap_or_default(), gateway) {
                gateways.push(self.of_document(place, gateway));
            }
        }
        let usual = (self.switch == Some(true)).then(|| self.usual.to_owned());
        let names: BTreeSet<String> = self.by_profile.iter().cloned().chain(usual).collect();
        let rest = names
            .into_iter()
            .filter(|name| said.iter().all(|gateway| gateway["name"] != name.as_str()))
            .filter(|name| is_on(name, &Value::Null));
        gateways.extend(rest.map(|name| self.of_profile(name)));
        gateways
    }

    fn of_document(&self, place: usize, gateway: &Value) -> Gateway {
        let name = gateway["name"].as_str().unwrap_or_default();
        let item = if name.is_empty() {
            place.to_string()
        } else {
            format!("name:{name}")
        };
        Gateway {
            path: format!("{}[{item}]", self.path),
            name: name.to_owned(),
            namespace: gateway["namespace"].as_str().map(str::to_owned),
        }
    }

    fn of_profile(&self, name: String) -> Gateway {
        Gateway {
            path: format!("{}[name:{name}]", self.path),
            name,
            namespace: None,
        }
    }
}

/// Whether the profiles from 1.24 on mention the component only if they enable it, so that an empty map is enough to
/// install it.
fn is_left_open(component: Component) -> bool {
    matches!(component, Component::Cni | Component::Ztunnel)
}

/// Whether the installer from 1.24 on installs a component that a null removed from its profile.
fn is_on_by_default(component: Component) -> bool {
    matches!(component, Component::Base | Component::Pilot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::plan;

    /// Returns `pilot cni; gateways: a b` for a document with that `spec`; `pilot*` means without its Deployment.
    fn parts(tag: &str, spec: &str) -> String {
        let spec: Value = serde_yaml::from_str(spec).unwrap();
        let installs = Installs::of(&plan(tag), &serde_json::json!({ "spec": spec }));
        let component = |one: &Component| match one {
            Component::Pilot if !installs.istiod => "pilot*",
            one => one.field(),
        };
        let components = installs.components.iter().map(component);
        let names = installs.gateways.iter().map(|one| one.name.as_str());
        let parts: Vec<&str> = components.chain(names).collect();
        parts.join(" ")
    }

    /// Each line was observed in the objects that the real istioctl 1.31.0 makes.
    const NEW_ENGINE: &[(&str, &str)] = &[
        ("{}", "base pilot istio-ingressgateway"),
        (
            "{profile: demo}",
            "base pilot istio-ingressgateway istio-egressgateway",
        ),
        ("{profile: empty}", ""),
        (
            "{profile: empty, components: {pilot: {enabled: true}}}",
            "pilot",
        ),
        ("{profile: empty, components: {pilot: {}}}", ""),
        ("{profile: empty, components: {cni: {}}}", "cni"),
        (
            "{profile: minimal, components: {ztunnel: {}}}",
            "base pilot ztunnel",
        ),
        (
            "{profile: minimal, components: {cni: {enabled: null}}}",
            "base pilot cni",
        ),
        (
            "{profile: ambient, components: {cni: null}}",
            "base pilot ztunnel",
        ),
        (
            "{components: {pilot: {enabled: false}}}",
            "base istio-ingressgateway",
        ),
        ("{profile: remote}", "base pilot*"),
        (
            "{profile: remote, values: {istiodRemote: {enabledLocalInjectorIstiod: true}}}",
            "base pilot",
        ),
        (
            "{profile: minimal, values: {profile: remote}}",
            "base pilot*",
        ),
        (
            "{profile: minimal, values: {istiodRemote: {enabled: true}}}",
            "base pilot*",
        ),
        (
            "{profile: minimal, values: {pilot: {cni: {enabled: true}}}}",
            "base pilot",
        ),
        (
            "{profile: minimal, components: {istiodRemote: {enabled: true}}}",
            "base pilot istiodRemote",
        ),
        ("{components: {ingressGateways: []}}", "base pilot"),
        (
            "{components: {ingressGateways: [{enabled: false}]}}",
            "base pilot",
        ),
        (
            "{components: {ingressGateways: [{name: a}]}}",
            "base pilot a",
        ),
        (
            "{profile: minimal, values: {gateways: {istio-ingressgateway: {enabled: true}}}}",
            "base pilot istio-ingressgateway",
        ),
        (
            "{values: {gateways: {istio-ingressgateway: {enabled: false}}}}",
            "base pilot istio-ingressgateway",
        ),
    ];

    #[test]
    fn new_engine_turns_on_what_the_real_one_does() {
        for (spec, wanted) in NEW_ENGINE {
            assert_eq!(parts("1.31.0", spec), *wanted, "{spec}");
        }
    }

    #[test]
    fn old_engine_needs_enabled_and_merges_gateways_by_name() {
        for (spec, wanted) in [
            ("{profile: minimal, components: {cni: {}}}", "base pilot"),
            (
                "{profile: minimal, components: {cni: {enabled: true}}}",
                "base pilot cni",
            ),
            ("{profile: remote}", "istiodRemote"),
            (
                "{components: {pilot: null}}",
                "base pilot istio-ingressgateway",
            ),
            (
                "{components: {ingressGateways: []}}",
                "base pilot istio-ingressgateway",
            ),
            (
                "{components: {ingressGateways: [{name: a}, {name: b, enabled: true}]}}",
                "base pilot b istio-ingressgateway",
            ),
            (
                "{components: {ingressGateways: [{name: istio-ingressgateway, enabled: false}]}}",
                "base pilot",
            ),
            (
                "{profile: minimal, values: {gateways: {istio-ingressgateway: {enabled: true}}}}",
                "base pilot istio-ingressgateway",
            ),
        ] {
            assert_eq!(parts("1.20.8", spec), wanted, "{spec}");
        }
    }

    #[test]
    fn variant_of_the_profile_holds_where_the_document_is_silent() {
        let roots = |tag: &str, spec: &str| {
            let spec: Value = serde_yaml::from_str(spec).unwrap();
            let installs = Installs::of(&plan(tag), &serde_json::json!({ "spec": spec }));
            installs
                .distroless
                .into_iter()
                .collect::<Vec<_>>()
                .join(" ")
        };
        for (tag, spec, wanted) in [
            ("1.19.0", "{profile: ambient}", ""),
            ("1.20.8", "{profile: ambient}", "pilot ztunnel"),
            (
                "1.21.0",
                "{profile: ambient, values: {pilot: {variant: ''}, ztunnel: {variant: ''}}}",
                "",
            ),
            (
                "1.20.8",
                "{profile: ambient, values: {global: {variant: ''}}}",
                "pilot ztunnel",
            ),
            ("1.22.0", "{profile: ambient}", "global"),
            (
                "1.31.0",
                "{profile: ambient, values: {global: {variant: ''}}}",
                "",
            ),
            (
                "1.31.0",
                "{profile: minimal, values: {profile: ambient}}",
                "global",
            ),
            ("1.31.0", "{profile: ambient, values: {profile: demo}}", ""),
        ] {
            assert_eq!(roots(tag, spec), wanted, "{tag} {spec}");
        }
    }
}
