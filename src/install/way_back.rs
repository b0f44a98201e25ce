//! The next steps after an install that could not be verified, which restore what ran before.

use super::RunContext;
use super::prepare::Prepared;
use crate::facts::{self, ControlPlane};
use crate::report::NextStep;
use crate::suggestion::SuggestedCommand;
use istio_builds::{Hub, ImageTag, Matrix};

/// Returns the commands that restore what ran before and verify it; none if that is not known.
pub(super) fn commands(
    ctx: &RunContext<'_>,
    prepared: &Prepared,
    before: &facts::Before,
) -> Vec<NextStep> {
    let Some(planes) = before.control_planes.known() else {
        return Vec::new();
    };
    let (revision, namespace) = (prepared.plan.revision_label(), &prepared.plan.namespace);
    let mut planes = planes.iter();
    let plane = planes.find(|one| one.revision == revision && one.namespace == *namespace);
    let Some(plane) = plane else {
        return uninstall(revision, namespace).into_iter().collect();
    };
    let way = WayBack {
        matrix: ctx.matrix,
        upgraded: ctx.report.command == "upgrade",
        planned: &prepared.plan.tag,
        plane,
    };
    let verify = NextStep::command(
        "then judges what runs",
        "glooistio verify -r {} -i {}",
        &[revision, namespace],
    );
    way.install().into_iter().chain(verify).collect()
}

/// Returns the command that applies the documents of a plan again that was already in place, which repairs later
/// changes.
pub(super) fn apply_again(prepared: &Prepared) -> Option<NextStep> {
    let plan = &prepared.plan;
    NextStep::command(
        "applies the same documents again, with the -f, --set and options of the last install",
        "glooistio install --istio {} -r {} -i {}",
        &[
            &plan.tag.to_string(),
            plan.revision_label(),
            &plan.namespace,
        ],
    )
}

/// Removes a control plane, with its gateways and webhooks, if none ran before.
fn uninstall(revision: &str, namespace: &str) -> Option<NextStep> {
    NextStep::command(
        "nothing of this revision ran before",
        "istioctl uninstall --revision {} -i {}",
        &[revision, namespace],
    )
}

/// The command that restores a control plane that was replaced.
///
/// The record of that install is not read, because whoever can write the record would write the command.
struct WayBack<'a> {
    matrix: &'a Matrix,
    /// An upgrade applies the recorded inputs again.
    upgraded: bool,
    /// The tag that could not be verified.
    planned: &'a ImageTag,
    plane: &'a ControlPlane,
}

impl WayBack<'_> {
    fn install(&self) -> Option<NextStep> {
        let tag = self.plane.tag.as_ref().ok()?;
        let mut command = self.command(&tag.to_string())?;
        if tag.rebuild() < self.planned.rebuild() {
            command = command.followed_by("--allow-downgrade", &[])?;
        }
        if self.planned.flavor.is_fips() && !tag.flavor.is_fips() {
            command = command.followed_by("--allow-fips-loss", &[])?;
        }
        if !self.upgraded {
            // The install that could not be verified has written its own record.
            command = command.followed_by("--forget-overlays", &[])?;
        }
        let notes = self.notes(tag);
        Some(NextStep {
            command: Some(command),
            text: notes.join("; "),
        })
    }

    fn command(&self, tag: &str) -> Option<SuggestedCommand> {
        let (revision, namespace) = (&self.plane.revision, &self.plane.namespace);
        match self.hub() {
            _ if self.upgraded => SuggestedCommand::new(
                "glooistio upgrade --to {} -r {} -i {}",
                &[tag, revision, namespace],
            ),
            Some(hub) => SuggestedCommand::new(
                "glooistio install --istio {} --hub {} -r {} -i {}",
                &[tag, hub, revision, namespace],
            ),
            None => SuggestedCommand::new(
                "glooistio install --istio {} -r {} -i {}",
                &[tag, revision, namespace],
            ),
        }
    }

    /// Returns the hub, unless a key is part of its name, because a key must not be shown.
    fn hub(&self) -> Option<&str> {
        let hub: Hub = self.plane.hub.parse().ok()?;
        let keyed = self.matrix.key_in(&hub).is_some();
        (!keyed).then_some(self.plane.hub.as_str())
    }

    /// Returns what the user must add.
    fn notes(&self, tag: &ImageTag) -> Vec<String> {
        let mut notes = Vec::new();
        if tag.minor() != self.planned.minor() {
            notes.push(format!("with an istioctl of {}", tag.minor()));
        }
        if !self.upgraded && self.hub().is_none() {
            notes.push("with the hub or --repo-key of that install".to_owned());
        }
        if !self.upgraded {
            notes.push("with the -f, --set and options of that install".to_owned());
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Manager;

    fn plane(revision: &str, tag: &str) -> ControlPlane {
        ControlPlane {
            namespace: "istio-system".to_owned(),
            name: "istiod".to_owned(),
            uid: String::new(),
            revision: revision.to_owned(),
            image: String::new(),
            hub: "h.io/mirror".to_owned(),
            tag: tag.parse().map_err(|_| tag.to_owned()),
            manager: Manager::Unknown,
            replicas: 1,
            ready: 1,
            lacks: None,
        }
    }

    fn back(upgraded: bool, plane: &ControlPlane) -> Option<String> {
        let planned = "1.31.0-solo-fips".parse().unwrap();
        let way = WayBack {
            matrix: Matrix::builtin(),
            upgraded,
            planned: &planned,
            plane,
        };
        way.install().map(|step| step.to_string())
    }

    #[test]
    fn replaced_install_comes_back_with_its_tag_and_hub() {
        let command = back(false, &plane("default", "1.31.0-solo"));
        assert_eq!(
            command.as_deref(),
            Some(
                "glooistio install --istio 1.31.0-solo --hub h.io/mirror -r default -i istio-system --allow-fips-loss --forget-overlays   # with the -f, --set and options of that install"
            )
        );
        assert_eq!(back(false, &plane("default", "custom")), None);
    }

    #[test]
    fn upgrade_goes_back_by_its_own_record() {
        let command = back(true, &plane("1-30", "1.30.5-solo-fips"));
        assert_eq!(
            command.as_deref(),
            Some(
                "glooistio upgrade --to 1.30.5-solo-fips -r 1-30 -i istio-system --allow-downgrade   # with an istioctl of 1.30"
            )
        );
    }

    #[test]
    fn what_a_cluster_names_is_one_word_of_the_command() {
        let hostile = ControlPlane {
            namespace: "a; rm -rf b".to_owned(),
            hub: "h.io/$(touch x)".to_owned(),
            ..plane("default", "1.31.0-solo")
        };
        let command = back(false, &hostile).unwrap();
        assert!(command.contains(" -i 'a; rm -rf b'"), "{command}");
        assert!(!command.contains(" h.io/$("), "{command}");
    }

    #[test]
    fn key_in_the_name_of_a_hub_is_not_shown() {
        let keyed = ControlPlane {
            hub: "us-docker.pkg.dev/gloo-mesh/istio-0123456789ab".to_owned(),
            ..plane("default", "1.31.0-solo")
        };
        let command = back(false, &keyed).unwrap();
        assert!(!command.contains("0123456789ab"), "{command}");
        assert!(command.contains("--repo-key of that install"), "{command}");
    }

    #[test]
    fn first_install_is_taken_away_again() {
        let command = uninstall("1-31", "mesh").map(|step| step.to_string());
        assert_eq!(
            command.as_deref(),
            Some(
                "istioctl uninstall --revision 1-31 -i mesh   # nothing of this revision ran before"
            )
        );
    }
}
