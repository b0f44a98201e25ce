//! Every proxy in scope runs the expected build; after an install, stale ones are pending restarts instead.

use std::collections::BTreeMap;

use super::pending::{stale, wanted};
use super::{After, Check, Outcome, Run, Scope};
use crate::facts::{Census, Class, Members, Role};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "proxies",
    title: "every proxy is of the expected revision, version and flavour",
    category: "data plane",
    run: Run::After(run),
    page: include_str!("proxies.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.census.judge(|census| match after.scope {
        Scope::Changed => changed(after, census),
        Scope::Everything => everything(after, census),
    })
}

fn sidecars<'a>(
    after: &After<'_>,
    census: &'a Census,
) -> impl Iterator<Item = (&'a Class, &'a Members, Option<String>)> {
    census
        .classes
        .iter()
        .filter(|(class, _)| class.role == Role::Sidecar)
        .filter_map(|(class, members)| {
            let reason = stale(after, class);
            (reason.is_some() || wanted(after, class).is_some()).then_some((class, members, reason))
        })
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
    if waiting == 0 {
        return Outcome::Passed(format!("{right} proxies are as expected"));
    }
    let note = format!(
        "{waiting} proxies are older than this install; they are listed as pending restarts"
    );
    Outcome::Found(vec![Finding::info(note)])
}

fn everything(after: &After<'_>, census: &Census) -> Outcome {
    let mut right = 0;
    let mut wrong: BTreeMap<(&str, String), (u64, &Members)> = BTreeMap::new();
    for (class, members, reason) in sidecars(after, census) {
        match reason {
            None => right += members.pods,
            Some(reason) => {
                wrong
                    .entry((&class.namespace, reason))
                    .or_insert((0, members))
                    .0 += members.pods;
            }
        }
    }
    let findings = wrong
        .into_iter()
        .map(|((namespace, reason), (pods, members))| {
            let owner = members.owners.keys().next().cloned().unwrap_or_default();
            Finding::error(reason)
                .subject(format!("namespace {namespace} ({pods} pods)"))
                .found(members.examples.join(", "))
                .fix("restart the workloads: a proxy changes only when its pod does")
                .command(super::pending::command(&owner, namespace))
        });
    Outcome::of(
        findings.chain(orphans(after, census)).collect(),
        format!("{right} proxies are as expected"),
    )
}

/// Proxies whose control plane is gone: nobody's mesh, and nobody configures them any more.
fn orphans(after: &After<'_>, census: &Census) -> Vec<Finding> {
    let Some(planes) = after.facts.control_planes.known() else {
        return Vec::new();
    };
    let mut left: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (class, members) in &census.classes {
        let proxy = matches!(class.role, Role::Sidecar | Role::Gateway);
        if proxy
            && planes.iter().all(|plane| plane.revision != class.revision)
            && wanted(after, class).is_none()
        {
            *left.entry((&class.namespace, &class.revision)).or_default() += members.pods;
        }
    }
    let finding = |((namespace, revision), pods): ((&str, &str), u64)| {
        Finding::warning(format!("no control plane of revision {revision} is here"))
            .subject(format!("namespace {namespace} ({pods} pods)"))
            .why("nothing configures these proxies any more, nor renews their certificates")
            .fix("label the namespace for a revision that is there, and restart its workloads")
    };
    left.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::pending;
    use crate::check::support::{self, class, expecting, found, members, namespace, passed};
    use crate::facts::{After as Facts, Companion, Fact, Injected};

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
    fn a_namespace_that_was_moved_to_a_revision_in_scope_counts() {
        let old = Class {
            revision: "1-30".into(),
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
