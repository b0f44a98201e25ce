//! The `ClusterRole` that is sufficient to check, install, upgrade and verify.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::permission::{INJECTOR, RBAC, written};

/// Name of the role.
const NAME: &str = "glooistio-installer";

/// Verbs for the resources that istioctl installs: it applies them, waits, and removes what is no longer
/// rendered.
const WRITE: [&str; 7] = [
    "get", "list", "watch", "create", "patch", "update", "delete",
];

/// Resources that are only read, by group; istioctl also looks for leftovers of these kinds.
const READ: [(&str, &str); 12] = [
    ("", "pods"),
    ("", "nodes"),
    ("", "events"),
    ("", "replicationcontrollers"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("discovery.k8s.io", "endpointslices"),
    ("config.openshift.io", "clusterversions"),
    ("gateway.networking.k8s.io", "*"),
    ("networking.istio.io", "*"),
    ("security.istio.io", "*"),
    ("telemetry.istio.io", "*"),
];

/// Single permissions: logs and metrics of pods, pods that are created as a dry run, and requests to the
/// injector.
const SINGLE: [(&str, &str, &str); 7] = [
    ("get", "", "pods/proxy"),
    ("get", "", "pods/log"),
    ("create", "", "pods/portforward"),
    ("create", "", "pods"),
    ("create", "", INJECTOR),
    // istioctl also lists secrets to find what it has to remove. The checks read the certificates of istiod's
    // CA and the licence key, in a secret with any name; a list contains the content of secrets as well.
    ("list", "", "secrets"),
    ("get", "", "secrets"),
];

/// Returns the `ClusterRole`.
///
/// `escalate` and `bind` are part of it: Istio's own roles grant more than its installer needs for itself, and
/// Kubernetes refuses a role that grants what its author does not have.
pub fn cluster_role() -> ClusterRole {
    let mut resources: BTreeMap<(&str, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for (group, resource) in written() {
        let mut verbs = WRITE.to_vec();
        if group == RBAC {
            verbs.extend(["bind", "escalate"]);
        }
        resources.entry((group, verbs)).or_default().push(resource);
    }
    for (group, resource) in READ {
        let verbs = vec!["get", "list", "watch"];
        resources.entry((group, verbs)).or_default().push(resource);
    }
    for (verb, group, resource) in SINGLE {
        resources
            .entry((group, vec![verb]))
            .or_default()
            .push(resource);
    }
    let texts = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let rules = resources
        .into_iter()
        .map(|((group, verbs), resources)| PolicyRule {
            api_groups: Some(texts(vec![group])),
            resources: Some(texts(resources)),
            verbs: texts(verbs),
            ..PolicyRule::default()
        });
    ClusterRole {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            ..ObjectMeta::default()
        },
        rules: Some(rules.collect()),
        aggregation_rule: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::permission::needed;

    #[test]
    fn the_role_grants_everything_that_the_check_asks_for() {
        let rules = cluster_role().rules.unwrap();
        let grants = |verb: &str, group: &str, resource: &str| {
            rules.iter().any(|rule| {
                let has =
                    |all: &Option<Vec<String>>, one: &str| all.iter().flatten().any(|it| it == one);
                rule.resource_names.is_none()
                    && rule.verbs.iter().any(|it| it == verb)
                    && has(&rule.api_groups, group)
                    && has(&rule.resources, resource)
            })
        };
        for access in needed("istio-system", true) {
            assert!(
                grants(access.verb, access.group, access.resource),
                "{} {} {}",
                access.verb,
                access.group,
                access.resource
            );
        }
        assert!(
            rules
                .iter()
                .all(|rule| !rule.verbs.iter().any(|verb| verb == "*"))
        );
        // The secret with the licence key can have any name.
        assert!(grants("get", "", "secrets"));
    }
}
