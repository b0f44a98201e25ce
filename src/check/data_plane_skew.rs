//! Checks that the planned control plane supports the existing proxies.

use std::collections::BTreeMap;

use super::{Before, Check, Outcome, Run};
use crate::report::{Finding, Severity, Subject};
use istio_builds::ImageTag;

pub(super) const CHECK: Check = Check {
    id: "data-plane-skew",
    title: "proxies stay within the supported version skew",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("data_plane_skew.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.proxies.judge(|proxies| {
        let own = proxies
            .iter()
            .filter(|(key, _)| key.revision == before.plan.revision_label());
        let mut seen = 0;
        let mut groups: BTreeMap<(bool, &str), Group<'_>> = BTreeMap::new();
        for (key, pods) in own {
            seen += pods;
            let group = groups.entry((is_home(before, &key.namespace), &key.tag));
            let group = group.or_default();
            group.pods += pods;
            group.namespaces.push(&key.namespace);
        }
        let findings = groups
            .iter()
            .filter_map(|((home, tag), group)| finding(&before.plan.tag, tag, *home, group));
        Outcome::of(findings.collect(), format!("{seen} proxies"))
    })
}

/// Proxies with the same tag.
#[derive(Default)]
struct Group<'a> {
    pods: u64,
    namespaces: Vec<&'a str>,
}

/// Number of namespaces that a finding names.
const NAMED: usize = 5;

/// Checks whether a namespace contains a control plane. Pods of any other namespace can have any tag, even on
/// purpose, and must not block an upgrade of the mesh.
fn is_home(before: &Before<'_>, namespace: &str) -> bool {
    let planes = before.facts.control_planes.known();
    let mut homes = planes.into_iter().flatten().map(|plane| &plane.namespace);
    namespace == before.plan.namespace || homes.any(|home| home == namespace)
}

fn finding(planned: &ImageTag, tag: &str, home: bool, group: &Group<'_>) -> Option<Finding> {
    let pods = group.pods;
    let named = group.namespaces.iter().take(NAMED).copied();
    let mut places = named.collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = group.namespaces.len().checked_sub(NAMED) {
        places = format!("{places} and {more} more");
    }
    let subject = Subject::namespace(places);
    let Ok(running) = tag.parse::<ImageTag>() else {
        let untold = format!("the version of {pods} proxies cannot be read from their tags");
        let finding = Finding::warning("version-unknown", untold).found(if tag.is_empty() {
            "no tag"
        } else {
            tag
        });
        return Some(
            finding
                .subject(subject)
                .fix("ask the proxies themselves")
                .command("istioctl version", &[]),
        );
    };
    let severity = if home {
        Severity::Error
    } else {
        Severity::Warning
    };
    let finding = match planned.minor().above(running.minor()) {
        Some(0 | 1) => return None,
        Some(minors) if minors > 1 => Finding::new(
            "proxies-behind",
            severity,
            format!("{pods} proxies would be {minors} minors behind"),
        )
        .why("a control plane serves proxies of its own minor and the one below")
        .fix("restart their workloads with the mesh that runs, then go on"),
        _ => Finding::new(
            "proxies-ahead",
            severity,
            format!("{pods} proxies would be ahead of their control plane"),
        )
        .why("Istio does not support a proxy that is newer than its control plane")
        .fix("move them back first, or install a second revision with -r NAME"),
    };
    let finding = finding.subject(subject).found(tag);
    Some(finding.expected(planned.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::{Observed, ProxyKey};

    fn key(revision: &str, tag: &str, namespace: &str) -> ProxyKey {
        ProxyKey {
            revision: revision.to_owned(),
            tag: tag.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    #[test]
    fn proxies_of_other_namespaces_keep_no_mesh_from_being_upgraded() {
        for (namespace, severity) in [
            ("istio-system", Severity::Error),
            ("shop", Severity::Warning),
        ] {
            let mut given = Given::tag("1.31.0-solo");
            given.facts.proxies =
                Observed::Known(BTreeMap::from([(key("default", "1.99.0", namespace), 1)]));
            let Outcome::Found(findings) = given.run(run) else {
                panic!("not found")
            };
            assert_eq!(findings[0].severity, severity);
            assert!(format!("{:?}", findings[0]).contains(namespace));
        }
    }

    #[test]
    fn proxies_of_the_revision_must_fit() {
        for (revision, tag, words) in [
            ("default", "1.31.0-solo", ""),
            ("default", "1.30.0-solo", ""),
            ("default", "1.29.0-solo", "2 minors behind"),
            ("default", "1.32.0-solo", "ahead of"),
            ("theirs", "1.20.0", ""),
            ("default", "custom", "cannot be read from their tags"),
            ("default", "", "cannot be read from their tags"),
            ("theirs", "custom", ""),
        ] {
            let mut given = Given::tag("1.31.0-solo");
            given.facts.proxies =
                Observed::Known(BTreeMap::from([(key(revision, tag, "istio-system"), 4)]));
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{tag}"
            );
        }
    }
}
