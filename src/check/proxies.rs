//! Checks that every proxy in scope runs the expected build; after an install, outdated ones are pending
//! restarts instead.

use std::collections::BTreeMap;

use super::evidence::binary;
use super::expectation::serves_all;
use super::mismatch::Mismatch;
use super::pending::{stale, unless_unasked, wanted};
use super::{After, Check, Outcome, Run, Scope};
use crate::facts::{MeshInventory, PodGroup, PodGroupKey, Role};
use crate::report::{Finding, Severity, Subject};
use crate::workload::WorkloadRef;

pub(super) const CHECK: Check = Check {
    id: "proxies",
    title: "proxies have the expected revision and build",
    category: "data plane",
    run: Run::After(run),
    page: include_str!("proxies.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.inventory.judge(|inventory| {
        let outcome = match after.scope {
            Scope::Changed => changed(after, inventory),
            Scope::Everything => everything(after, inventory),
        };
        unless_unread(inventory, unless_unasked(after, outcome))
    })
}

/// Turns a pass into an unknown outcome if a pod of the list could not be read: it may run a proxy.
fn unless_unread(inventory: &MeshInventory, outcome: Outcome) -> Outcome {
    match (outcome, &inventory.unreadable) {
        (Outcome::Passed(_), (pods @ 1.., names)) => {
            Outcome::Unknown(format!("{pods} pods cannot be read: {}", names.join("; ")))
        }
        (outcome, _) => outcome,
    }
}

fn sidecars<'a>(
    after: &After<'_>,
    inventory: &'a MeshInventory,
) -> impl Iterator<Item = (&'a PodGroupKey, &'a PodGroup, Option<Mismatch>)> {
    inventory
        .groups
        .iter()
        .filter(|(group, _)| group.role == Role::Sidecar)
        .filter_map(|(group, members)| {
            let reason = stale(after, group);
            (reason.is_some() || wanted(after, group).is_some()).then_some((group, members, reason))
        })
}

/// Returns how a node agent (ztunnel, install-cni) differs from its mesh's build.
pub(super) fn other_build(after: &After<'_>, group: &PodGroupKey) -> Option<Mismatch> {
    let of_node = matches!(group.role, Role::Ztunnel | Role::Cni);
    wanted(after, group)
        .filter(|_| of_node)?
        .differs(&group.image)
}

/// Reports node agents of another build. After an install, this is only information, since the install did not
/// change them; if a control plane out of scope runs their build, they may serve that one, which is a warning.
fn of_nodes(after: &After<'_>, inventory: &MeshInventory) -> Vec<Finding> {
    let planes = after.facts.control_planes.known();
    let planes = planes.map_or(&[][..], Vec::as_slice);
    let mut wrong: BTreeMap<(Severity, &str, String), (u64, &PodGroup)> = BTreeMap::new();
    for (group, members) in &inventory.groups {
        let Some(reason) = other_build(after, group) else {
            continue;
        };
        let shared = after.expected.elsewhere(&group.image, planes).next();
        let severity = match (after.scope, shared) {
            (Scope::Changed, _) => Severity::Info,
            (Scope::Everything, Some(_)) => Severity::Warning,
            (Scope::Everything, None) => Severity::Error,
        };
        let message = format!("{} {reason}", binary(group.role));
        let alike = wrong.entry((severity, &group.namespace, message));
        alike.or_insert((0, members)).0 += members.pods;
    }
    let finding = |((severity, namespace, message), (pods, members)): (_, (u64, &PodGroup))| {
        Finding::new("other-build", severity, message)
            .subject(Subject::pods(
                namespace,
                pods,
                members.examples.iter().cloned(),
            ))
            .fix("install it again with the hub and the tag of its mesh")
    };
    wrong.into_iter().map(finding).collect()
}

fn changed(after: &After<'_>, inventory: &MeshInventory) -> Outcome {
    let (mut right, mut waiting) = (0, 0);
    for (_, members, reason) in sidecars(after, inventory) {
        *(if reason.is_none() {
            &mut right
        } else {
            &mut waiting
        }) += members.pods;
    }
    let mut findings = of_nodes(after, inventory);
    if waiting > 0 {
        findings.push(Finding::info(
            "older-proxies",
            format!(
                "{waiting} proxies are older than this install; they are listed as pending restarts"
            ),
        ));
    }
    Outcome::of(findings, format!("{right} proxies are as expected"))
}

fn everything(after: &After<'_>, inventory: &MeshInventory) -> Outcome {
    let mut right = 0;
    let mut wrong: BTreeMap<(&str, Mismatch), Vec<(&PodGroupKey, &PodGroup)>> = BTreeMap::new();
    for (group, members, reason) in sidecars(after, inventory) {
        match reason {
            None => right += members.pods,
            Some(reason) => {
                let alike = wrong.entry((&group.namespace, reason)).or_default();
                alike.push((group, members));
            }
        }
    }
    let findings = wrong.into_iter().map(|((namespace, reason), alike)| {
        let pods: u64 = alike.iter().map(|(_, members)| members.pods).sum();
        let owner = alike
            .iter()
            .find_map(|(_, members)| members.workloads().next());
        Finding::error("other-build", reason.to_string())
            .subject(Subject::pods(namespace, pods, example_names(&alike)))
            .fix("restart the workloads: a proxy changes only when its pod does")
            .suggest(owner.and_then(WorkloadRef::restart_command))
    });
    let beside = of_nodes(after, inventory)
        .into_iter()
        .chain(orphans(after, inventory));
    Outcome::of(
        findings.chain(beside).collect(),
        format!("{right} proxies are as expected"),
    )
}

/// Number of names that a finding lists.
const NAMED: usize = 10;

/// Returns pods of these groups, one of each first, so that no group hides another; with the name of the
/// proxy's container if it is not the default one.
pub(super) fn example_names(alike: &[(&PodGroupKey, &PodGroup)]) -> Vec<String> {
    let nth = |at: usize| {
        alike.iter().filter_map(move |(group, members)| {
            let (pod, container) = (members.examples.get(at)?, &group.container);
            let usual = group.role != Role::Sidecar || container == "istio-proxy";
            Some(if usual {
                pod.clone()
            } else {
                format!("{pod} (container {container})")
            })
        })
    };
    let each = (0..PodGroup::EXAMPLES).flat_map(nth);
    each.take(NAMED).collect()
}

/// Returns the pods of one group.
pub(super) fn pods_of(group: &PodGroupKey, members: &PodGroup) -> Subject {
    Subject::pods(
        &group.namespace,
        members.pods,
        members.examples.iter().cloned(),
    )
}

/// Reports programs that name a revision without a control plane: they belong to no mesh, and no istiod
/// configures them.
fn orphans(after: &After<'_>, inventory: &MeshInventory) -> Vec<Finding> {
    let Some(planes) = after.facts.control_planes.known() else {
        return Vec::new();
    };
    let mut left: BTreeMap<(&str, &str, &str), Left<'_>> = BTreeMap::new();
    for (group, members) in &inventory.groups {
        let named = !serves_all(group) && !after.expected.revisions.contains_key(&group.revision);
        if named && planes.iter().all(|plane| plane.revision != group.revision) {
            let key = (
                binary(group.role),
                group.namespace.as_str(),
                group.revision.as_str(),
            );
            let left = left.entry(key).or_insert((remedy(group.role), Vec::new()));
            left.1.push((group, members));
        }
    }
    let finding = |((binary, namespace, revision), ((why, fix), alike)): (_, Left<'_>)| {
        let pods: u64 = alike
            .iter()
            .map(|(_, members): &(_, &PodGroup)| members.pods)
            .sum();
        Finding::warning(
            "no-control-plane",
            format!("no control plane of revision {revision} is here"),
        )
        .subject(Subject::pods(namespace, pods, example_names(&alike)))
        .found(binary)
        .why(why)
        .fix(fix)
    };
    left.into_iter().map(finding).collect()
}

/// Why it matters that such pods exist, and what to do.
type Remedy = (&'static str, &'static str);

/// Pods that no istiod configures, with what to do about them.
type Left<'a> = (Remedy, Vec<(&'a PodGroupKey, &'a PodGroup)>);

fn remedy(role: Role) -> Remedy {
    match role {
        Role::Istiod | Role::Ztunnel | Role::Cni => (
            "it belongs to no mesh that is here",
            "install it again with its mesh, or remove it",
        ),
        Role::Sidecar | Role::Gateway | Role::Agentgateway => (
            "nothing configures these proxies any more, nor renews their certificates",
            "label the namespace for a revision that is there, and restart its workloads",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::pending;
    use crate::check::support::{self, expecting, found, group, members, namespace, passed};
    use crate::facts::{After as Facts, ControlPlane, ExtraContainer, Injected, Manager, Observed};

    fn facts(group: PodGroupKey) -> Facts {
        let mut inventory = MeshInventory::default();
        inventory.groups.insert(group, members(3, "reviews"));
        let mut facts = support::after();
        facts.inventory = Observed::Known(inventory);
        facts
    }

    fn outcome(facts: &Facts, scope: Scope) -> (Outcome, u64) {
        let expected = expecting("1.31.0-solo-fips");
        let after = After {
            scope,
            ..support::whole(&expected, facts)
        };
        (
            run(&after),
            pending(&after).iter().map(|restart| restart.pods).sum(),
        )
    }

    #[test]
    fn verify_is_strict_and_install_lists_restarts() {
        let right = facts(group(Role::Sidecar, "a", "1.31.0-solo-fips"));
        assert!(passed(&outcome(&right, Scope::Everything).0));
        let plain = facts(group(Role::Sidecar, "a", "1.31.0-solo"));
        assert!(found(
            &outcome(&plain, Scope::Everything).0,
            "runs 1.31.0-solo,"
        ));
        let (changed, pods) = outcome(&plain, Scope::Changed);
        assert!(
            found(&changed, "3 proxies are older") && pods == 3,
            "{changed:?} {pods}"
        );
        assert_eq!(outcome(&right, Scope::Changed).1, 0);
    }

    #[test]
    fn pods_of_every_class_are_named_with_a_container_of_another_name() {
        let mut facts = facts(group(Role::Sidecar, "a", "1.31.0-solo"));
        let hidden = PodGroupKey {
            container: "app".to_owned(),
            ..group(Role::Sidecar, "a", "1.31.0-solo")
        };
        if let Observed::Known(inventory) = &mut facts.inventory {
            inventory.groups.insert(hidden, members(1, "hidden"));
        }
        let Outcome::Found(findings) = outcome(&facts, Scope::Everything).0 else {
            panic!("not found")
        };
        assert_eq!(findings.len(), 1);
        let names = ["hidden-1 (container app)", "reviews-1"];
        let pods = Subject::pods("a", 4, names.map(str::to_owned));
        assert_eq!(findings[0].subject, Some(pods));
    }

    #[test]
    fn many_pods_of_one_class_do_not_crowd_out_another() {
        let own = group(Role::Sidecar, "a", "1.31.0-solo");
        let crowd = PodGroup {
            examples: (0..PodGroup::EXAMPLES)
                .map(|n| format!("crowd-{n}"))
                .collect(),
            ..members(500, "crowd")
        };
        let hidden = members(1, "hidden");
        let crowds = [(&own, &crowd), (&own, &crowd), (&own, &hidden)];
        let named = example_names(&crowds).join(", ");
        assert!(named.contains("hidden-1"), "{named}");
        assert_eq!(named.split(", ").count(), NAMED);
    }

    #[test]
    fn a_pod_that_cannot_be_read_is_unknown_and_named() {
        let mut right = facts(group(Role::Sidecar, "a", "1.31.0-solo-fips"));
        if let Observed::Known(inventory) = &mut right.inventory {
            inventory.unreadable = (1, vec!["shop/odd: invalid".to_owned()]);
        }
        let seen = outcome(&right, Scope::Everything).0;
        assert!(matches!(seen, Outcome::Unknown(why) if why.contains("shop/odd")));
    }

    #[test]
    fn what_a_namespace_asks_for_must_have_been_seen() {
        for gap in [
            |facts: &mut Facts| facts.namespaces = Observed::Unknown("forbidden".into()),
            |facts: &mut Facts| facts.webhooks = Observed::Unknown("forbidden".into()),
        ] {
            let mut right = facts(group(Role::Sidecar, "a", "1.31.0-solo-fips"));
            gap(&mut right);
            let seen = outcome(&right, Scope::Everything).0;
            assert!(matches!(seen, Outcome::Unknown(_)), "{seen:?}");
            let mut wrong = facts(group(Role::Sidecar, "a", "1.31.0-solo"));
            gap(&mut wrong);
            assert!(found(
                &outcome(&wrong, Scope::Everything).0,
                "runs 1.31.0-solo,"
            ));
        }
    }

    #[test]
    fn an_init_container_of_another_flavour_counts() {
        let mut mixed = group(Role::Sidecar, "a", "1.31.0-solo-fips");
        mixed.others.insert(ExtraContainer {
            image: "r.io/istio/proxyv2:1.31.0-solo".to_owned(),
            ..ExtraContainer::default()
        });
        assert!(found(
            &outcome(&facts(mixed), Scope::Everything).0,
            "runs 1.31.0-solo,"
        ));
    }

    #[test]
    fn an_image_of_another_name_counts_where_the_injector_gives_the_name() {
        let mut renamed = group(Role::Sidecar, "a", "1.31.0-solo-fips");
        renamed.image = "r.io/istio/other:1.31.0-solo-fips".to_owned();
        let mut facts = facts(renamed);
        assert!(passed(&outcome(&facts, Scope::Everything).0));
        let injected = |image: &str| {
            let images = [("istio-proxy".to_owned(), image.to_owned())].into();
            let (namespace, revision) = ("a".to_owned(), "default".to_owned());
            Observed::Known(Injected {
                namespace,
                revision,
                images,
            })
        };
        let usual = injected("r.io/istio/proxyv2:1.31.0-solo-fips");
        facts.injected.insert("default".to_owned(), usual);
        assert!(found(
            &outcome(&facts, Scope::Everything).0,
            "runs the image other, a new pod would get proxyv2"
        ));
        assert_eq!(
            outcome(&facts, Scope::Changed).1,
            3,
            "a restart corrects it"
        );
        let same = injected("r.io/istio/other:1.31.0-solo-fips");
        facts.injected.insert("default".to_owned(), same);
        assert!(passed(&outcome(&facts, Scope::Everything).0));
    }

    #[test]
    fn a_node_agent_of_another_hub_or_tag_is_found() {
        for (role, binary) in [(Role::Ztunnel, "ztunnel"), (Role::Cni, "install-cni")] {
            let right = facts(group(role, "istio-system", "1.31.0-solo-fips"));
            assert!(passed(&outcome(&right, Scope::Everything).0));
            let mut elsewhere = group(role, "istio-system", "1.31.0-solo-fips");
            elsewhere.image = "evil.io/x/y:1.31.0-solo-fips".to_owned();
            let plain = group(role, "istio-system", "1.31.0-solo");
            for (group, wrong) in [
                (elsewhere, "runs from evil.io/x,"),
                (plain, "runs 1.31.0-solo,"),
            ] {
                let wrong = format!("{binary} {wrong}");
                let (strict, _) = outcome(&facts(group.clone()), Scope::Everything);
                assert!(
                    found(&strict, &wrong) && weight(&strict) == Severity::Error,
                    "{strict:?}"
                );
                let (changed, pending) = outcome(&facts(group), Scope::Changed);
                assert!(
                    found(&changed, &wrong) && weight(&changed) == Severity::Info,
                    "{changed:?}"
                );
                assert_eq!(pending, 0, "a restart gives it no other image");
            }
        }
    }

    fn weight(outcome: &Outcome) -> Severity {
        let Outcome::Found(findings) = outcome else {
            panic!("{outcome:?}");
        };
        findings
            .iter()
            .map(|finding| finding.severity)
            .max()
            .unwrap()
    }

    #[test]
    fn node_agents_without_a_revision_serve_the_revisions_that_are_here() {
        let outcome = |tag: &str, planes: Vec<ControlPlane>| {
            let mut expected = expecting("1.31.0-solo-fips");
            let wanted = expected.revisions.remove("default").unwrap();
            expected.revisions.insert("1-31".to_owned(), wanted);
            let mut facts = facts(group(Role::Cni, "istio-system", tag));
            facts.control_planes = Observed::Known(planes);
            run(&support::whole(&expected, &facts))
        };
        let ours = || support::control_plane("1-31", "1.31.0-solo-fips");
        let older = || support::control_plane("default", "1.30.0");
        let operators = || ControlPlane {
            manager: Manager::Operator {
                name: "theirs".to_owned(),
            },
            ..older()
        };
        assert!(passed(&outcome("1.31.0-solo-fips", vec![ours()])));
        let wrong = outcome("1.30.0", vec![ours()]);
        assert!(found(&wrong, "install-cni runs 1.30.0") && weight(&wrong) == Severity::Error);
        let canary = outcome("1.30.0", vec![ours(), older()]);
        assert!(found(&canary, "install-cni runs 1.30.0") && weight(&canary) == Severity::Warning);
        assert!(
            passed(&outcome("1.30.0", vec![ours(), operators()])),
            "another mesh's"
        );
        let neither = outcome("1.29.0", vec![ours(), operators()]);
        assert!(found(&neither, "install-cni runs 1.29.0"));
    }

    #[test]
    fn whatever_names_a_revision_without_a_control_plane_is_an_orphan() {
        for role in [
            Role::Istiod,
            Role::Sidecar,
            Role::Gateway,
            Role::Ztunnel,
            Role::Cni,
        ] {
            let left = facts(PodGroupKey {
                revision: "1-30".to_owned(),
                ..group(role, "a", "1.30.0")
            });
            let (said, _) = outcome(&left, Scope::Everything);
            assert!(
                found(&said, "no control plane of revision 1-30"),
                "{role:?}"
            );
        }
    }

    #[test]
    fn a_namespace_that_was_moved_to_a_revision_in_scope_counts() {
        let old = PodGroupKey {
            revision: "1-30".into(),
            connects: [support::connected("1-30")].into(),
            ..group(Role::Sidecar, "a", "1.30.0")
        };
        let mut moved = facts(old);
        assert!(found(
            &outcome(&moved, Scope::Everything).0,
            "no control plane of revision 1-30"
        ));
        moved.control_planes = Observed::Known(vec![support::control_plane("1-30", "1.30.0")]);
        assert!(
            passed(&outcome(&moved, Scope::Everything).0),
            "another mesh is not judged"
        );
        moved.namespaces = Observed::Known(vec![namespace("a", Some("default"))]);
        assert!(found(
            &outcome(&moved, Scope::Everything).0,
            "runs revision 1-30"
        ));
        assert_eq!(outcome(&moved, Scope::Changed).1, 3);
    }
}
