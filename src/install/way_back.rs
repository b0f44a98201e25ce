//! The way back: what a person does after an install that was not proved.

use super::Session;
use super::prepare::Prepared;
use crate::facts::{self, ControlPlane};
use crate::istio::{Hub, ImageTag, Matrix};
use crate::sys::cluster::KubeTarget;
use crate::sys::process::quoted;

/// The commands that bring back what ran before, and judge it; none where that is not known.
pub(super) fn commands(
    session: &Session<'_>,
    prepared: &Prepared,
    before: &facts::Before,
) -> Vec<String> {
    let Some(planes) = before.control_planes.known() else {
        return Vec::new();
    };
    let (revision, namespace) = (prepared.plan.revision_label(), &prepared.plan.namespace);
    let mut planes = planes.iter();
    let plane = planes.find(|one| one.revision == revision && one.namespace == *namespace);
    let Some(plane) = plane else {
        return vec![uninstall(&session.target, revision, namespace)];
    };
    let way = WayBack {
        target: &session.target,
        matrix: session.matrix,
        upgraded: session.report.command == "upgrade",
        planned: &prepared.plan.tag,
        plane,
    };
    let verify = format!("glooistio verify{}   # then judges what runs", way.place());
    way.install().into_iter().chain([verify]).collect()
}

/// Removes the control plane that nothing ran before, with its gateways and webhooks.
fn uninstall(target: &KubeTarget, revision: &str, namespace: &str) -> String {
    let command = format!(
        "istioctl uninstall --revision {}{}{}",
        quoted(revision),
        in_namespace(namespace),
        on_cluster(target)
    );
    format!("{command}   # nothing of this revision ran before")
}

/// What brings back a control plane that was replaced.
struct WayBack<'a> {
    target: &'a KubeTarget,
    matrix: &'a Matrix,
    /// The record that was upgraded is applied again by an upgrade.
    upgraded: bool,
    /// The tag that was not proved.
    planned: &'a ImageTag,
    plane: &'a ControlPlane,
}

impl WayBack<'_> {
    fn install(&self) -> Option<String> {
        let tag = self.plane.tag.as_ref().ok()?;
        let tag_of = quoted(&tag.to_string());
        let hub = self.hub().map(|hub| format!(" --hub {}", quoted(hub)));
        let command = if self.upgraded {
            format!("glooistio upgrade --to {tag_of}{}", self.place())
        } else {
            let hub = hub.unwrap_or_default();
            format!("glooistio install --istio {tag_of}{hub}{}", self.place())
        };
        let notes = self.notes(tag);
        if notes.is_empty() {
            return Some(command);
        }
        Some(format!("{command}   # {}", notes.join("; ")))
    }

    /// The hub, unless a key is part of its name: a key is not for a screen.
    fn hub(&self) -> Option<&str> {
        let hub: Hub = self.plane.hub.parse().ok()?;
        let keyed = self.matrix.key_in(&hub).is_some();
        (!keyed).then_some(self.plane.hub.as_str())
    }

    /// What a person has to add.
    fn notes(&self, tag: &ImageTag) -> Vec<String> {
        let mut notes = Vec::new();
        if tag.minor() != self.planned.minor() {
            notes.push(format!("with an istioctl of {}", tag.minor()));
        }
        if !self.upgraded && self.hub().is_none() {
            notes.push("with the --repo-key of that install".to_owned());
        }
        // A record may have been changed by a stranger: what it says is for no command line.
        if !self.upgraded {
            notes.push("with the -f, --set and options of that install".to_owned());
        }
        notes
    }

    /// Revision, namespace and cluster, where they are not the default.
    fn place(&self) -> String {
        let revision = &self.plane.revision;
        let revision = if revision == "default" {
            String::new()
        } else {
            format!(" -r {}", quoted(revision))
        };
        let namespace = in_namespace(&self.plane.namespace);
        format!("{revision}{namespace}{}", on_cluster(self.target))
    }
}

fn in_namespace(namespace: &str) -> String {
    if namespace == crate::plan::DEFAULT_NAMESPACE {
        return String::new();
    }
    format!(" -i {}", quoted(namespace))
}

fn on_cluster(target: &KubeTarget) -> String {
    let kubeconfig = target.kubeconfig.as_ref();
    let kubeconfig = kubeconfig.map(|path| ("--kubeconfig", path.display().to_string()));
    let context = target.context.as_ref();
    let context = context.map(|name| ("--context", name.clone()));
    let flags = [kubeconfig, context].into_iter().flatten();
    let flags: Vec<String> = flags
        .map(|(flag, value)| format!(" {flag} {}", quoted(&value)))
        .collect();
    flags.concat()
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
            target: &KubeTarget::default(),
            matrix: Matrix::builtin(),
            upgraded,
            planned: &planned,
            plane,
        };
        way.install()
    }

    #[test]
    fn replaced_install_comes_back_with_its_tag_and_hub() {
        let command = back(false, &plane("default", "1.31.0-solo"));
        assert_eq!(
            command.as_deref(),
            Some(
                "glooistio install --istio 1.31.0-solo --hub h.io/mirror   # with the -f, --set and options of that install"
            )
        );
        assert_eq!(back(false, &plane("default", "custom")), None);
    }

    #[test]
    fn upgrade_goes_back_by_its_own_record() {
        let command = back(true, &plane("1-30", "1.30.5-solo-fips"));
        assert_eq!(
            command.as_deref(),
            Some("glooistio upgrade --to 1.30.5-solo-fips -r 1-30   # with an istioctl of 1.30")
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
        let target = KubeTarget {
            context: Some("my cluster".to_owned()),
            ..KubeTarget::default()
        };
        assert_eq!(
            uninstall(&target, "1-31", "mesh"),
            "istioctl uninstall --revision 1-31 -i mesh --context 'my cluster'   # nothing of this revision ran before"
        );
    }
}
