//! Checks the version step: one minor in place, two by a new revision, and no downgrade without a flag.

use super::{Before, Check, Outcome, Run};
use crate::facts::ControlPlane;
use crate::plan::Plan;
use crate::report::{Finding, Subject};
use istio_builds::ImageTag;

pub(super) const CHECK: Check = Check {
    id: "upgrade-skew",
    title: "the version step is supported",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("upgrade_skew.md"),
};

/// Number of minors that an upgrade may go up: in place, and to a new revision next to the old one.
const IN_PLACE: i64 = 1;
const BESIDE: i64 = 2;

fn run(before: &Before<'_>) -> Outcome {
    before.facts.control_planes.judge(|planes| {
        let own = planes.iter().filter(|plane| {
            plane.revision == before.plan.revision_label()
                && plane.namespace == before.plan.namespace
        });
        let findings: Vec<Finding> = match own.clone().next() {
            Some(_) => own
                .filter_map(|plane| in_place(before.plan, plane))
                .collect(),
            None => beside(&before.plan.tag, planes).into_iter().collect(),
        };
        let seen = if planes.is_empty() {
            "no mesh yet"
        } else {
            "within the rules"
        };
        Outcome::of(findings, seen)
    })
}

fn in_place(plan: &Plan, plane: &ControlPlane) -> Option<Finding> {
    let planned = &plan.tag;
    let finding = match &plane.tag {
        Err(text) => Finding::warning(
            "version-unknown",
            "what runs has a tag that no rule can judge",
        )
        .found(text),
        Ok(running) => step(plan, running)?.found(running.to_string()),
    };
    Some(
        finding
            .subject(Subject::deployment(&plane.namespace, &plane.name))
            .expected(planned.to_string()),
    )
}

/// Reports the step to an older build, which needs a flag of its own: an older istioctl plans a downgrade by
/// default.
fn downgrade(plan: &Plan, message: &str, why: &str) -> Finding {
    if plan.consent.downgrade {
        return Finding::warning("older-build", message).why(why);
    }
    Finding::error("older-build", message).why(why).fix(
        "name a newer build by --to or --istio, take a newer istioctl, or give --allow-downgrade",
    )
}

fn step(plan: &Plan, running: &ImageTag) -> Option<Finding> {
    let planned = &plan.tag;
    let up = planned.minor().above(running.minor());
    let finding = match up {
        Some(0) if planned.rebuild() < running.rebuild() => downgrade(
            plan,
            "this goes back to an older build",
            "fixes of the newer build are lost",
        ),
        Some(0..=IN_PLACE) => return None,
        Some(minors) if minors > IN_PLACE => Finding::error(
            "too-many-minors",
            format!("{minors} minors at once, in place"),
        )
        .why("Istio supports one minor at a time in place, two minors with a second revision")
        .fix(format!(
            "upgrade to {} first, or install a second revision with -r NAME",
            planned.minor().back(u32::try_from(minors - 1).unwrap_or(1))
        )),
        Some(-1) => downgrade(
            plan,
            "this goes one minor back",
            "Istio supports one minor back at most, with the istioctl of the lower version",
        ),
        _ => Finding::error("too-far-back", "this goes back further than Istio supports")
            .why("Istio supports one minor back at most")
            .fix("install a second revision with -r NAME and move the workloads"),
    };
    Some(finding)
}

/// Judges a new revision by the newest existing control plane.
fn beside(planned: &ImageTag, planes: &[ControlPlane]) -> Option<Finding> {
    let newest = planes
        .iter()
        .filter_map(|plane| plane.tag.as_ref().ok())
        .max()?;
    let minors = planned.minor().above(newest.minor())?;
    (minors > BESIDE).then(|| {
        Finding::warning(
            "ahead-of-other-mesh",
            format!("{minors} minors above the other mesh"),
        )
        .found(newest.to_string())
        .expected(planned.to_string())
        .why(
            "moving workloads over more than two minors is neither tested nor recommended by Istio",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, control_plane, found, passed};
    use crate::facts::Observed;
    use crate::report::Severity;

    #[test]
    fn steps_are_judged_by_minor_and_build() {
        for (running, revision, words) in [
            ("1.31.0-solo", "default", ""),
            ("1.30.5-solo", "default", ""),
            ("1.29.0-solo", "default", "2 minors at once"),
            ("1.32.0-solo", "default", "one minor back"),
            ("1.33.0-solo", "default", "further than"),
            ("1.31.2-solo", "default", "older build"),
            ("1.31.0-patch1-solo", "default", "older build"),
            ("custom", "default", "no rule can judge"),
            ("1.29.0-solo", "old", ""),
            ("1.28.0-solo", "old", "3 minors above"),
        ] {
            let mut given = Given::tag("1.31.0-solo");
            given.facts.control_planes = Observed::Known(vec![control_plane(revision, running)]);
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{running}: {outcome:?}"
            );
        }
    }

    #[test]
    fn an_older_build_needs_a_flag_of_its_own() {
        for (running, allowed, severity) in [
            ("1.31.2-solo", false, Severity::Error),
            ("1.31.2-solo", true, Severity::Warning),
            ("1.32.0-solo", false, Severity::Error),
            ("1.32.0-solo", true, Severity::Warning),
            ("1.33.0-solo", true, Severity::Error),
        ] {
            let mut given = Given::tag("1.31.0-solo");
            given.plan.consent.downgrade = allowed;
            given.facts.control_planes = Observed::Known(vec![control_plane("default", running)]);
            let Outcome::Found(findings) = given.run(run) else {
                panic!("{running}");
            };
            assert_eq!(findings[0].severity, severity, "{running} {allowed}");
        }
    }

    #[test]
    fn a_cluster_without_a_mesh_passes() {
        assert!(passed(&Given::tag("1.31.0").run(run)));
    }
}
