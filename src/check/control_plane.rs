//! Every control plane in scope is there, ready, and runs the expected hub and tag.

use super::{After, Check, Outcome, Run, Wanted};
use crate::facts::ControlPlane;
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "control-plane",
    title: "the control plane is ready and of the expected build",
    category: "control plane",
    run: Run::After(run),
    page: include_str!("control_plane.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.control_planes.judge(|planes| {
        if after.expected.revisions.is_empty() {
            let missing =
                Finding::error("no control plane of Istio was found").command("glooistio install");
            return Outcome::Found(vec![missing]);
        }
        let findings = after
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
        Outcome::of(findings.collect(), seen(after))
    })
}

fn missing(revision: &str, wanted: &Wanted) -> Finding {
    Finding::error(format!("revision {revision} has no istiod"))
        .wanted(wanted.image())
        .fix("install it, or name the revision that is there by --revision")
}

fn judge(plane: &ControlPlane, wanted: &Wanted) -> Vec<Finding> {
    let subject = format!("Deployment {}/{}", plane.namespace, plane.name);
    let image = wanted.differs(&plane.image).map(|difference| {
        Finding::error(difference)
            .subject(&subject)
            .found(&plane.image)
            .wanted(wanted.image())
            .why(format!("judged by {}", wanted.source.words()))
    });
    let ready = (plane.ready == 0 || plane.ready < plane.replicas).then(|| {
        Finding::error("not all of its pods are ready")
            .subject(&subject)
            .found(format!("{} ready", plane.ready))
            .wanted(format!("{} ready", plane.replicas.max(1)))
            .command(format!(
                "kubectl describe deployment {} -n {}",
                plane.name, plane.namespace
            ))
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
    use crate::check::support::{self, control_plane, found, passed};
    use crate::facts::Fact;

    #[test]
    fn image_readiness_and_presence_are_judged() {
        for (planes, words) in [
            (vec![control_plane("default", "1.31.0-solo-fips")], ""),
            (
                vec![control_plane("default", "1.31.0-solo")],
                "runs 1.31.0-solo,",
            ),
            (
                vec![control_plane("other", "1.31.0-solo-fips")],
                "no istiod",
            ),
            (
                vec![ControlPlane {
                    ready: 0,
                    ..control_plane("default", "1.31.0-solo-fips")
                }],
                "not all",
            ),
            (
                vec![ControlPlane {
                    ready: 0,
                    replicas: 0,
                    ..control_plane("default", "1.31.0-solo-fips")
                }],
                "not all",
            ),
        ] {
            let mut facts = support::after();
            facts.control_planes = Fact::Known(planes);
            let outcome = support::run_after(run, &facts, "1.31.0-solo-fips");
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
    fn a_control_plane_of_another_revision_is_not_judged() {
        let mut facts = support::after();
        facts.control_planes = Fact::Known(vec![
            control_plane("default", "1.31.0-solo"),
            control_plane("theirs", "1.20.0"),
        ]);
        assert!(passed(&support::run_after(run, &facts, "1.31.0-solo")));
    }
}
