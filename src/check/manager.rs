//! Checks that istioctl manages the control plane that would be changed.

use super::expectation::unconnected;
use super::{Before, Check, Outcome, Run};
use crate::facts::{ControlPlane, Manager};
use crate::report::{Finding, Severity, Subject};

pub(super) const CHECK: Check = Check {
    id: "manager",
    title: "no other tool manages this revision",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("manager.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.control_planes.judge(|planes| {
        let findings = planes
            .iter()
            .filter_map(|plane| judge(before, plane))
            .collect();
        let others = before.facts.unconnected.known();
        let findings: Vec<Finding> = findings;
        Outcome::of(
            findings
                .into_iter()
                .chain(
                    others
                        .into_iter()
                        .flat_map(|named| unconnected(named, Severity::Info)),
                )
                .collect(),
            if planes.is_empty() {
                "no mesh yet"
            } else {
                "istioctl's own"
            },
        )
    })
}

fn judge(before: &Before<'_>, plane: &ControlPlane) -> Option<Finding> {
    let ours =
        plane.revision == before.plan.revision_label() && plane.namespace == before.plan.namespace;
    let subject = Subject::deployment(&plane.namespace, &plane.name);
    let owner = match &plane.manager {
        Manager::Helm { release } => format!("Helm, release {release}"),
        Manager::Operator { name } => format!("the operator {name}"),
        Manager::Unknown if ours => {
            let unknown = Finding::warning(
                "manager-unknown",
                "it is not known which tool manages this control plane",
            )
            .subject(subject)
            .why("istioctl would take it over; whoever installed it may take it back")
            .fix("install a revision of your own next to it with -r NAME");
            return Some(unknown);
        }
        Manager::Istioctl { .. } | Manager::Unknown => return None,
    };
    if !ours {
        return Some(
            Finding::info(
                "managed-by-other",
                format!("is managed by {owner}; it is not changed"),
            )
            .subject(subject),
        );
    }
    let finding = Finding::error("managed-by-other", format!("is managed by {owner}"))
        .subject(subject)
        .found(format!("revision {}", plane.revision))
        .expected("a control plane of istioctl's, or none")
        .why("two managers overwrite each other's objects")
        .fix("install a revision of your own next to it with -r NAME; or let its manager do the upgrade");
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, control_plane, found, passed};
    use crate::facts::Observed;

    #[test]
    fn another_manager_of_the_same_revision_is_an_error() {
        let helm = || Manager::Helm {
            release: "istiod".into(),
        };
        for (revision, manager, words) in [
            ("default", Manager::Istioctl { owner: "x".into() }, ""),
            ("default", helm(), "is managed by Helm, release istiod"),
            ("theirs", helm(), "is not changed"),
            (
                "default",
                Manager::Operator {
                    name: "sail".into(),
                },
                "the operator sail",
            ),
            ("default", Manager::Unknown, "it is not known which tool"),
            ("theirs", Manager::Unknown, ""),
        ] {
            let mut given = Given::tag("1.31.0");
            given.facts.control_planes = Observed::Known(vec![ControlPlane {
                manager: manager.clone(),
                ..control_plane(revision, "1.31.0")
            }]);
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{revision} {manager:?}"
            );
        }
    }
}
