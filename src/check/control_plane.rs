//! Checks that every control plane in scope exists, is ready, and runs the expected hub and tag.

use super::expectation::{is_home, unconnected};
use super::proxies::pods_of;
use super::{After, Check, Outcome, Run, Wanted};
use crate::facts::{ControlPlane, MeshInventory, Observed, PodGroupKey, Role};
use crate::report::{Finding, Severity, Subject};

pub(super) const CHECK: Check = Check {
    id: "control-plane",
    title: "the control plane is ready and runs the expected build",
    category: "control plane",
    run: Run::After(run),
    page: include_str!("control_plane.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.control_planes.judge(|planes| {
        if after.expected.revisions.is_empty() {
            let missing = Finding::error("no-control-plane", "no control plane of Istio was found")
                .command("glooistio install", &[]);
            return Outcome::Found(vec![missing]);
        }
        // A Deployment only shows what its pods should run, so the pods are checked too.
        let running = after
            .facts
            .inventory
            .judge(|inventory| Outcome::of(pods(after, inventory, planes), seen(after)));
        let findings = deployments(after, planes).into_iter();
        let (named, running) = match (&after.facts.unconnected, running) {
            (Observed::Known(named), running) => (unconnected(named, Severity::Warning), running),
            (Observed::Unknown(why), Outcome::Passed(_)) => {
                (Vec::new(), Outcome::Unknown(why.clone()))
            }
            (_, running) => (Vec::new(), running),
        };
        running.with(findings.chain(named).collect())
    })
}

fn deployments(after: &After<'_>, planes: &[ControlPlane]) -> Vec<Finding> {
    let each = after
        .expected
        .revisions
        .iter()
        .flat_map(|(revision, wanted)| {
            let mut own = planes
                .iter()
                .filter(|plane| &plane.revision == revision)
                .peekable();
            let missing = own.peek().is_none().then(|| missing(revision, wanted));
            missing
                .into_iter()
                .chain(own.flat_map(|plane| judge(plane, wanted)))
                .collect::<Vec<_>>()
        });
    each.collect()
}

/// Judges the istiod pods that run, whatever their Deployment specifies now. Pods in namespaces without a
/// control plane are ignored, whatever their labels.
fn pods(after: &After<'_>, inventory: &MeshInventory, planes: &[ControlPlane]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (revision, wanted) in &after.expected.revisions {
        let own = |group: &PodGroupKey| {
            group.role == Role::Istiod
                && group.revision == *revision
                && is_home(&group.namespace, planes)
        };
        let mut running = inventory
            .groups
            .iter()
            .filter(|(group, _)| own(group))
            .peekable();
        if running.peek().is_none() {
            let none = format!("no pod of istiod runs for revision {revision}");
            findings.push(
                Finding::error("no-istiod-pods", none)
                    .command("kubectl get pods -A -l app=istiod", &[]),
            );
        }
        findings.extend(running.filter_map(|(group, members)| {
            let difference = wanted.differs(&group.image)?;
            let finding = Finding::error(
                "other-build",
                format!("{} pods: {difference}", members.pods),
            )
            .subject(pods_of(group, members));
            Some(finding.found(&group.image).expected(wanted.image()))
        }));
    }
    let elsewhere = inventory
        .groups
        .iter()
        .filter(|(group, _)| group.role == Role::Istiod && !is_home(&group.namespace, planes));
    findings.extend(elsewhere.map(|(group, members)| {
        let pods = format!(
            "{} pods run istiod outside of the namespaces of control planes",
            members.pods
        );
        Finding::warning("istiod-outside", pods)
            .subject(pods_of(group, members))
            .found(&group.image)
            .why("no webhook of Istio leads there, so that nothing is judged by them")
    }));
    findings
}

fn missing(revision: &str, wanted: &Wanted) -> Finding {
    Finding::error(
        "revision-missing",
        format!("revision {revision} has no istiod"),
    )
    .expected(wanted.image())
    .fix("install it, or name the revision that is there by --revision")
}

fn judge(plane: &ControlPlane, wanted: &Wanted) -> Vec<Finding> {
    let subject = Subject::deployment(&plane.namespace, &plane.name);
    let image = wanted.differs(&plane.image).map(|difference| {
        Finding::error("other-build-deployment", difference.to_string())
            .subject(subject.clone())
            .found(&plane.image)
            .expected(wanted.image())
            .why(format!("judged by {}", wanted.source.words()))
    });
    let lacking = if plane.ready == 0 || plane.ready < plane.replicas {
        let found = format!("{} ready", plane.ready);
        Some(("not all of its pods are ready", found))
    } else {
        let lacks = plane.lacks.clone();
        lacks.map(|lacks| ("its rollout has not come to its end", lacks))
    };
    let ready = lacking.map(|(message, found)| {
        Finding::error("not-ready", message)
            .subject(subject.clone())
            .found(found)
            .expected(format!("{} ready", plane.replicas.max(1)))
            .command(
                "kubectl describe deployment {} -n {}",
                &[&plane.name, &plane.namespace],
            )
    });
    image.into_iter().chain(ready).collect()
}

fn seen(after: &After<'_>) -> String {
    let builds = after.expected.revisions.iter();
    let each = builds.map(|(revision, wanted)| format!("{revision}: {}", wanted.tag));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, control_plane, found, group, members, passed};
    use crate::facts::After as Facts;
    use crate::sys::cluster::Names;

    const TAG: &str = "1.31.0-solo-fips";

    /// Returns a Deployment with its pods, which run the tag `running`.
    fn facts(plane: ControlPlane, running: &[&str]) -> Facts {
        let mut inventory = MeshInventory::default();
        for tag in running {
            let istiod = group(Role::Istiod, "istio-system", tag);
            inventory.groups.insert(istiod, members(1, "istiod"));
        }
        Facts {
            control_planes: Observed::Known(vec![plane]),
            inventory: Observed::Known(inventory),
            ..support::after()
        }
    }

    #[test]
    fn image_readiness_and_presence_are_judged() {
        let plane = || control_plane("default", TAG);
        let ready = |ready, replicas| ControlPlane {
            replicas,
            ready,
            ..plane()
        };
        let stuck = ControlPlane {
            lacks: Some("0 of 1 pods are of its newest template".into()),
            ..plane()
        };
        for (plane, words) in [
            (plane(), ""),
            (control_plane("default", "1.31.0-solo"), "runs 1.31.0-solo,"),
            (control_plane("other", TAG), "no istiod"),
            (ready(0, 1), "not all"),
            (ready(1, 2), "not all"),
            (ready(0, 0), "not all"),
            (stuck, "has not come to its end"),
        ] {
            let outcome = support::run_after(run, &facts(plane, &[TAG]), TAG);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn the_pods_of_istiod_are_judged_not_only_what_their_deployment_asks_for() {
        let outcome = |running: &[&str]| {
            let facts = facts(control_plane("default", TAG), running);
            support::run_after(run, &facts, TAG)
        };
        assert!(found(&outcome(&[]), "no pod of istiod"));
        assert!(found(&outcome(&[TAG, "1.20.0"]), "1 pods: runs 1.20.0,"));
    }

    #[test]
    fn pods_that_could_not_be_listed_are_no_pass() {
        let mut unread = facts(control_plane("default", TAG), &[]);
        unread.inventory = Observed::Unknown("forbidden".into());
        let outcome = support::run_after(run, &unread, TAG);
        assert_eq!(outcome, Outcome::Unknown("forbidden".into()));
        unread.control_planes = Observed::Known(vec![control_plane("default", "1.20.0")]);
        assert!(found(
            &support::run_after(run, &unread, TAG),
            "runs 1.20.0,"
        ));
    }

    #[test]
    fn what_only_calls_itself_istiod_is_named_and_counts_for_nothing() {
        let mut facts = facts(control_plane("default", TAG), &[]);
        if let Observed::Known(inventory) = &mut facts.inventory {
            let pod = group(Role::Istiod, "shop", TAG);
            inventory.groups.insert(pod, members(1, "istiod"));
        }
        let places = vec![("shop".to_owned(), "istiod".to_owned())];
        facts.unconnected = Observed::Known(Names { places, more: true });
        let outcome = support::run_after(run, &facts, TAG);
        for words in [
            "no pod of istiod runs",
            "outside of the namespaces",
            "is not a known control plane",
            "more Deployments",
        ] {
            assert!(found(&outcome, words), "{outcome:?}");
        }
    }

    #[test]
    fn a_control_plane_of_another_revision_is_not_judged() {
        let mut facts = facts(control_plane("default", TAG), &[TAG]);
        let theirs = control_plane("theirs", "1.20.0");
        let pod = PodGroupKey {
            revision: "theirs".into(),
            ..group(Role::Istiod, "istio-system", "1.20.0")
        };
        facts.control_planes = Observed::Known(vec![control_plane("default", TAG), theirs]);
        if let Observed::Known(inventory) = &mut facts.inventory {
            inventory.groups.insert(pod, members(1, "istiod"));
        }
        assert!(passed(&support::run_after(run, &facts, TAG)));
    }
}
