//! Every proxy in scope runs the expected build; after an install, stale ones are pending restarts instead.

use std::collections::BTreeMap;

use super::evidence::binary;
use super::expectation::serves_all;
use super::mismatch::Mismatch;
use super::pending::{stale, unless_unasked, wanted};
use super::{After, Check, Outcome, Run, Scope};
use crate::facts::{Census, Class, Members, Role};
use crate::report::{Finding, Severity};
use crate::workload::WorkloadRef;

pub(super) const CHECK: Check = Check {
    id: "proxies",
    title: "every proxy is of the expected revision, version and flavour",
    category: "data plane",
    run: Run::After(run),
    page: include_str!("proxies.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.census.judge(|census| {
        let outcome = match after.scope {
            Scope::Changed => changed(after, census),
            Scope::Everything => everything(after, census),
        };
        unless_unread(census, unless_unasked(after, outcome))
    })
}

/// No pass where a pod of the list could not be read: it may run a proxy.
fn unless_unread(census: &Census, outcome: Outcome) -> Outcome {
    match (outcome, &census.unreadable) {
        (Outcome::Passed(_), (pods @ 1.., names)) => {
            Outcome::Unknown(format!("{pods} pods cannot be read: {}", names.join("; ")))
        }
        (outcome, _) => outcome,
    }
}

fn sidecars<'a>(
    after: &After<'_>,
    census: &'a Census,
) -> impl Iterator<Item = (&'a Class, &'a Members, Option<Mismatch>)> {
    census
        .classes
        .iter()
        .filter(|(class, _)| class.role == Role::Sidecar)
        .filter_map(|(class, members)| {
            let reason = stale(after, class);
            (reason.is_some() || wanted(after, class).is_some()).then_some((class, members, reason))
        })
}

/// In which way a node agent (ztunnel, install-cni) is not of its mesh's build.
pub(super) fn other_build(after: &After<'_>, class: &Class) -> Option<Mismatch> {
    let of_node = matches!(class.role, Role::Ztunnel | Role::Cni);
    wanted(after, class)
        .filter(|_| of_node)?
        .differs(&class.image)
}

/// Node agents of another build. After an install they are none of its work; beside a control plane out
/// of scope that runs their build they may serve that one.
fn of_nodes(after: &After<'_>, census: &Census) -> Vec<Finding> {
    let planes = after.facts.control_planes.known();
    let planes = planes.map_or(&[][..], Vec::as_slice);
    let mut wrong: BTreeMap<(Severity, &str, String), (u64, &Members)> = BTreeMap::new();
    for (class, members) in &census.classes {
        let Some(reason) = other_build(after, class) else {
            continue;
        };
        let shared = after.expected.elsewhere(&class.image, planes).next();
        let severity = match (after.scope, shared) {
            (Scope::Changed, _) => Severity::Info,
            (Scope::Everything, Some(_)) => Severity::Warning,
            (Scope::Everything, None) => Severity::Error,
        };
        let message = format!("{} {reason}", binary(class.role));
        let alike = wrong.entry((severity, &class.namespace, message));
        alike.or_insert((0, members)).0 += members.pods;
    }
    let finding = |((severity, namespace, message), (pods, members)): (_, (u64, &Members))| {
        Finding::new(severity, message)
            .subject(format!("namespace {namespace} ({pods} pods)"))
            .found(members.examples.join(", "))
            .fix("install it again with the hub and the tag of its mesh")
    };
    wrong.into_iter().map(finding).collect()
}

fn changed(after: &After<'_>, census: &Census) -> Outcome {
    let (mut right, mut waiting) = (0, 0);
    for (_, members, reason) in sidecars(after, census) {
        *(if reason.is_none() {
            &mut right
        } else {
            &mut waiting
        }) += members.pods;
    }
    let mut findings = of_nodes(after, census);
    if waiting > 0 {
        findings.push(Finding::info(format!(
            "{waiting} proxies are older than this install; they are listed as pending restarts"
        )));
    }
    Outcome::of(findings, format!("{right} proxies are as expected"))
}

fn everything(after: &After<'_>, census: &Census) -> Outcome {
    let mut right = 0;
    let mut wrong: BTreeMap<(&str, Mismatch), Vec<(&Class, &Members)>> = BTreeMap::new();
    for (class, members, reason) in sidecars(after, census) {
        match reason {
            None => right += members.pods,
            Some(reason) => {
                let alike = wrong.entry((&class.namespace, reason)).or_default();
                alike.push((class, members));
            }
        }
    }
    let findings = wrong.into_iter().map(|((namespace, reason), alike)| {
        let pods: u64 = alike.iter().map(|(_, members)| members.pods).sum();
        let owner = alike
            .iter()
            .find_map(|(_, members)| members.workloads().next());
        Finding::error(reason.to_string())
            .subject(format!("namespace {namespace} ({pods} pods)"))
            .found(examples(&alike))
            .fix("restart the workloads: a proxy changes only when its pod does")
            .suggest(owner.and_then(WorkloadRef::restart_command))
    });
    let beside = of_nodes(after, census)
        .into_iter()
        .chain(orphans(after, census));
    Outcome::of(
        findings.chain(beside).collect(),
        format!("{right} proxies are as expected"),
    )
}

/// Names that a finding lists.
const NAMED: usize = 10;

/// Pods of these classes, one of each first, so that no class hides another; with the container of a proxy where
/// it has not the usual name.
pub(super) fn examples(alike: &[(&Class, &Members)]) -> String {
    let nth = |at: usize| {
        alike.iter().filter_map(move |(class, members)| {
            let (pod, container) = (members.examples.get(at)?, &class.container);
            let usual = class.role != Role::Sidecar || container == "istio-proxy";
            Some(if usual {
                pod.clone()
            } else {
                format!("{pod} (container {container})")
            })
        })
    };
    let each = (0..Members::EXAMPLES).flat_map(nth);
    each.take(NAMED).collect::<Vec<_>>().join(", ")
}

/// What names a revision that no control plane has: nobody's mesh, and nobody configures it any more.
fn orphans(after: &After<'_>, census: &Census) -> Vec<Finding> {
    let Some(planes) = after.facts.control_planes.known() else {
        return Vec::new();
    };
    let mut left: BTreeMap<(&str, &str, &str), Left<'_>> = BTreeMap::new();
    for (class, members) in &census.classes {
        let named = !serves_all(class) && !after.expected.revisions.contains_key(&class.revision);
        if named && planes.iter().all(|plane| plane.revision != class.revision) {
            let key = (
                binary(class.role),
                class.namespace.as_str(),
                class.revision.as_str(),
            );
            let left = left.entry(key).or_insert((remedy(class.role), Vec::new()));
            left.1.push((class, members));
        }
    }
    let finding = |((binary, namespace, revision), ((why, fix), alike)): (_, Left<'_>)| {
        let pods: u64 = alike
            .iter()
            .map(|(_, members): &(_, &Members)| members.pods)
            .sum();
        Finding::warning(format!("no control plane of revision {revision} is here"))
            .subject(format!("namespace {namespace} ({binary} of {pods} pods)"))
            .found(examples(&alike))
            .why(why)
            .fix(fix)
    };
    left.into_iter().map(finding).collect()
}

/// Why it matters that nobody's pods are left, and what to do.
type Remedy = (&'static str, &'static str);

/// Pods that nothing configures, with what to do about them.
type Left<'a> = (Remedy, Vec<(&'a Class, &'a Members)>);

fn remedy(role: Role) -> Remedy {
    match role {
        Role::Istiod | Role::Ztunnel | Role::Cni => (
            "it belongs to no mesh that is here",
            "install it again with its mesh, or take it away",
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
    use crate::check::support::{self, class, expecting, found, members, namespace, passed};
    use crate::facts::{After as Facts, Companion, ControlPlane, Fact, Injected, Manager};

    fn facts(class: Class) -> Facts {
        let mut census = Census::default();
        census.classes.insert(class, members(3, "reviews"));
        let mut facts = support::after();
        facts.census = Fact::Known(census);
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
        let right = facts(class(Role::Sidecar, "a", "1.31.0-solo-fips"));
        assert!(passed(&outcome(&right, Scope::Everything).0));
        let plain = facts(class(Role::Sidecar, "a", "1.31.0-solo"));
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
        let mut facts = facts(class(Role::Sidecar, "a", "1.31.0-solo"));
        let hidden = Class {
            container: "app".to_owned(),
            ..class(Role::Sidecar, "a", "1.31.0-solo")
        };
        if let Fact::Known(census) = &mut facts.census {
            census.classes.insert(hidden, members(1, "hidden"));
        }
        let Outcome::Found(findings) = outcome(&facts, Scope::Everything).0 else {
            panic!("not found")
        };
        assert_eq!(findings.len(), 1);
        let text = format!("{:?}", findings[0]);
        assert!(
            text.contains("hidden-1 (container app), reviews-1"),
            "{text}"
        );
        assert!(text.contains("4 pods"), "{text}");
    }

    #[test]
    fn many_pods_of_one_class_do_not_crowd_out_another() {
        let own = class(Role::Sidecar, "a", "1.31.0-solo");
        let crowd = Members {
            examples: (0..Members::EXAMPLES)
                .map(|n| format!("crowd-{n}"))
                .collect(),
            ..members(500, "crowd")
        };
        let hidden = members(1, "hidden");
        let crowds = [(&own, &crowd), (&own, &crowd), (&own, &hidden)];
        let named = examples(&crowds);
        assert!(named.contains("hidden-1"), "{named}");
        assert_eq!(named.split(", ").count(), NAMED);
    }

    #[test]
    fn a_pod_that_cannot_be_read_is_unknown_and_named() {
        let mut right = facts(class(Role::Sidecar, "a", "1.31.0-solo-fips"));
        if let Fact::Known(census) = &mut right.census {
            census.unreadable = (1, vec!["shop/odd: invalid".to_owned()]);
        }
        let seen = outcome(&right, Scope::Everything).0;
        assert!(matches!(seen, Outcome::Unknown(why) if why.contains("shop/odd")));
    }

    #[test]
    fn what_a_namespace_asks_for_must_have_been_seen() {
        for gap in [
            |facts: &mut Facts| facts.namespaces = Fact::Unknown("forbidden".into()),
            |facts: &mut Facts| facts.webhooks = Fact::Unknown("forbidden".into()),
        ] {
            let mut right = facts(class(Role::Sidecar, "a", "1.31.0-solo-fips"));
            gap(&mut right);
            let seen = outcome(&right, Scope::Everything).0;
            assert!(matches!(seen, Outcome::Unknown(_)), "{seen:?}");
            let mut wrong = facts(class(Role::Sidecar, "a", "1.31.0-solo"));
            gap(&mut wrong);
            assert!(found(
                &outcome(&wrong, Scope::Everything).0,
                "runs 1.31.0-solo,"
            ));
        }
    }

    #[test]
    fn an_init_container_of_another_flavour_counts() {
        let mut mixed = class(Role::Sidecar, "a", "1.31.0-solo-fips");
        mixed.others.insert(Companion {
            image: "r.io/istio/proxyv2:1.31.0-solo".to_owned(),
            ..Companion::default()
        });
        assert!(found(
            &outcome(&facts(mixed), Scope::Everything).0,
            "runs 1.31.0-solo,"
        ));
    }

    #[test]
    fn an_image_of_another_name_counts_where_the_injector_gives_the_name() {
        let mut renamed = class(Role::Sidecar, "a", "1.31.0-solo-fips");
        renamed.image = "r.io/istio/other:1.31.0-solo-fips".to_owned();
        let mut facts = facts(renamed);
        assert!(passed(&outcome(&facts, Scope::Everything).0));
        let injected = |image: &str| {
            let images = [("istio-proxy".to_owned(), image.to_owned())].into();
            let (namespace, revision) = ("a".to_owned(), "default".to_owned());
            Fact::Known(Injected {
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
        assert_eq!(outcome(&facts, Scope::Changed).1, 3, "a restart mends it");
        let same = injected("r.io/istio/other:1.31.0-solo-fips");
        facts.injected.insert("default".to_owned(), same);
        assert!(passed(&outcome(&facts, Scope::Everything).0));
    }

    #[test]
    fn a_node_agent_of_another_hub_or_tag_is_found() {
        for (role, binary) in [(Role::Ztunnel, "ztunnel"), (Role::Cni, "install-cni")] {
            let right = facts(class(role, "istio-system", "1.31.0-solo-fips"));
            assert!(passed(&outcome(&right, Scope::Everything).0));
            let mut elsewhere = class(role, "istio-system", "1.31.0-solo-fips");
            elsewhere.image = "evil.io/x/y:1.31.0-solo-fips".to_owned();
            let plain = class(role, "istio-system", "1.31.0-solo");
            for (class, wrong) in [
                (elsewhere, "runs from evil.io/x,"),
                (plain, "runs 1.31.0-solo,"),
            ] {
                let wrong = format!("{binary} {wrong}");
                let (strict, _) = outcome(&facts(class.clone()), Scope::Everything);
                assert!(
                    found(&strict, &wrong) && weight(&strict) == Severity::Error,
                    "{strict:?}"
                );
                let (changed, pending) = outcome(&facts(class), Scope::Changed);
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
            let mut facts = facts(class(Role::Cni, "istio-system", tag));
            facts.control_planes = Fact::Known(planes);
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
            let left = facts(Class {
                revision: "1-30".to_owned(),
                ..class(role, "a", "1.30.0")
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
        let old = Class {
            revision: "1-30".into(),
            connects: [support::connected("1-30")].into(),
            ..class(Role::Sidecar, "a", "1.30.0")
        };
        let mut moved = facts(old);
        assert!(found(
            &outcome(&moved, Scope::Everything).0,
            "no control plane of revision 1-30"
        ));
        moved.control_planes = Fact::Known(vec![support::control_plane("1-30", "1.30.0")]);
        assert!(
            passed(&outcome(&moved, Scope::Everything).0),
            "another mesh is not judged"
        );
        moved.namespaces = Fact::Known(vec![namespace("a", Some("default"))]);
        assert!(found(
            &outcome(&moved, Scope::Everything).0,
            "runs revision 1-30"
        ));
        assert_eq!(outcome(&moved, Scope::Changed).1, 3);
    }
}
