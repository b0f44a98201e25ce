//! Reports a change of flavour or hub, so that it does not surprise the user.

use super::{Before, Check, Outcome, Run};
use crate::facts::ControlPlane;
use crate::report::{Finding, Subject};
use istio_builds::mask;

pub(super) const CHECK: Check = Check {
    id: "build-change",
    title: "changes of hub, distribution and flavour are listed",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("build_change.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.control_planes.judge(|planes| {
        let own = planes.iter().filter(|plane| {
            plane.revision == before.plan.revision_label()
                && plane.namespace == before.plan.namespace
        });
        Outcome::of(
            own.flat_map(|plane| changes(before, plane)).collect(),
            "same flavour and hub",
        )
    })
}

fn changes(before: &Before<'_>, plane: &ControlPlane) -> Vec<Finding> {
    let plan = before.plan;
    let subject = Subject::deployment(&plane.namespace, &plane.name);
    let flavour = plane
        .tag
        .as_ref()
        .ok()
        .filter(|running| running.flavor != plan.tag.flavor)
        .map(|running| {
            let lost = running.flavor.is_fips() && !plan.tag.flavor.is_fips();
            let message = "the mesh would no longer be a FIPS build";
            let finding = if lost && plan.consent.fips_loss {
                Finding::warning("fips-lost", message)
            } else if lost {
                let change = plan.tag_chosen_by.change("tag", "a FIPS build", "--fips");
                Finding::error("fips-lost", message)
                    .fix(format!("{change}, or agree to it by --allow-fips-loss"))
            } else {
                Finding::info("flavour-changes", "the flavour changes")
            };
            finding
                .subject(subject.clone())
                .found(running.to_string())
                .expected(plan.tag.to_string())
        });
    let hub = (plane.hub != plan.hub.as_str()).then(|| {
        Finding::info("hub-changes", "images will come from another hub")
            .subject(subject.clone())
            .found(mask(&plane.hub, plan.key.as_ref()))
            .expected(mask(plan.hub.as_str(), plan.key.as_ref()))
    });
    flavour.into_iter().chain(hub).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, control_plane, found, passed};
    use crate::facts::Observed;
    use crate::report::Severity;

    #[test]
    fn fips_is_lost_with_a_flag_of_its_own_alone() {
        for (allowed, severity) in [(false, Severity::Error), (true, Severity::Warning)] {
            let mut given = Given::tag("1.31.0-solo");
            given.plan.consent.fips_loss = allowed;
            let planes = vec![control_plane("default", "1.30.0-solo-fips")];
            given.facts.control_planes = Observed::Known(planes);
            let Outcome::Found(findings) = given.run(run) else {
                panic!("{allowed}");
            };
            assert_eq!(findings[0].severity, severity, "{allowed}");
        }
    }

    #[test]
    fn flavour_and_hub_are_named_and_lost_fips_warns() {
        for (planned, plane, words) in [
            (
                "1.31.0-solo-fips",
                control_plane("default", "1.30.0-solo-fips"),
                "",
            ),
            (
                "1.31.0-solo-fips",
                control_plane("default", "1.30.0-solo"),
                "the flavour changes",
            ),
            (
                "1.31.0-solo",
                control_plane("default", "1.30.0-solo-fips"),
                "no longer be a FIPS build",
            ),
            (
                "1.31.0-solo",
                ControlPlane {
                    hub: "x.io/a".into(),
                    ..control_plane("default", "1.31.0-solo")
                },
                "another hub",
            ),
            ("1.31.0-solo", control_plane("theirs", "1.30.0"), ""),
        ] {
            let mut given = Given::tag(planned);
            given.facts.control_planes = Observed::Known(vec![plane]);
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{planned}: {outcome:?}"
            );
        }
    }
}
