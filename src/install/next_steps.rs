//! The next steps after an install that was verified.

use std::collections::{BTreeMap, BTreeSet};

use super::prepare::Prepared;
use crate::facts::{self, ControlPlane, Manager, Namespace};
use crate::report::NextStep;
use crate::request::Revision;
use istio_builds::Capability;

/// How many namespaces get a line of their own for their move.
const NAMED: usize = 5;

const DEFAULT: &str = Revision::DEFAULT;

/// Returns the next steps in order.
pub(super) fn next_steps(prepared: &Prepared, before: &facts::Before) -> Vec<NextStep> {
    let plan = &prepared.plan;
    let revision = plan.revision_label();
    let namespaces = before.namespaces.known().map_or(&[][..], Vec::as_slice);
    match followed(prepared, before) {
        Some(old) => Move {
            prepared,
            before,
            old,
        }
        .steps(namespaces),
        None => first_namespace(revision, namespaces)
            .into_iter()
            .chain(verify(revision))
            .collect(),
    }
}

/// Returns the control plane from which workloads move to the new revision: an older one in the same namespace.
///
/// If the revision existed before and has its own gateways, nothing moves to it: both may be permanent.
fn followed<'a>(prepared: &Prepared, before: &'a facts::Before) -> Option<&'a ControlPlane> {
    let plan = &prepared.plan;
    let revision = plan.revision.as_ref()?.as_str();
    let planes = before.control_planes.known()?;
    let was_there = planes
        .iter()
        .any(|plane| plane.namespace == plan.namespace && plane.revision == revision);
    let takes_from = takes_gateways_from(prepared, before);
    let is_new = !was_there || !prepared.manifest.gateways_left_out.is_empty();
    if !is_new && takes_from.is_empty() {
        return None;
    }
    let older = |plane: &&ControlPlane| {
        plane.namespace == plan.namespace
            && plane.revision != revision
            && (is_new || takes_from.contains(plane.revision.as_str()))
            && !matches!(plane.manager, Manager::Operator { .. })
            && plane
                .tag
                .as_ref()
                .is_ok_and(|tag| tag.rebuild() <= plan.tag.rebuild())
    };
    planes
        .iter()
        .filter(older)
        .min_by_key(|plane| plane.revision != DEFAULT)
}

/// Returns the other revisions from which this install takes gateways.
fn takes_gateways_from<'a>(prepared: &Prepared, before: &'a facts::Before) -> BTreeSet<&'a str> {
    let Some(running) = before.gateways.known() else {
        return BTreeSet::new();
    };
    let revision = prepared.plan.revision_label();
    let planned = prepared.gateways();
    let taken = planned.iter().filter_map(|gateway| running.get(gateway));
    let revisions = taken.map(|gateway| gateway.revision.as_str());
    revisions.filter(|other| *other != revision).collect()
}

fn verify(revision: &str) -> Option<NextStep> {
    let text = "judges every proxy, strictly";
    if revision == DEFAULT {
        NextStep::command(text, "glooistio verify", &[])
    } else {
        NextStep::command(text, "glooistio verify -r {}", &[revision])
    }
}

/// Returns the label that gives a namespace proxies, unless a namespace has it already.
fn first_namespace(revision: &str, namespaces: &[Namespace]) -> Option<NextStep> {
    let is_used = |it: &Namespace| it.injection.as_deref() == Some(revision) || it.ambient;
    if namespaces.iter().any(is_used) {
        return None;
    }
    let is_free = |it: &&Namespace| it.name == DEFAULT && it.injection.is_none() && !it.opted_out;
    let text = "its new pods get a proxy; so for every other namespace";
    let Some(namespace) = namespaces.iter().find(is_free) else {
        let label = label(revision);
        return Some(NextStep::text(format!(
            "label a namespace {label}: its new pods get a proxy"
        )));
    };
    if revision == DEFAULT {
        let template = "kubectl label namespace {} istio-injection=enabled";
        NextStep::command(text, template, &[&namespace.name])
    } else {
        let template = "kubectl label namespace {} istio.io/rev={}";
        NextStep::command(text, template, &[&namespace.name, revision])
    }
}

fn label(revision: &str) -> String {
    if revision == DEFAULT {
        "istio-injection=enabled".to_owned()
    } else {
        format!("istio.io/rev={revision}")
    }
}

/// The migration from one revision to another: namespaces, gateways, the default tag, and the removal of the old one.
struct Move<'a> {
    prepared: &'a Prepared,
    before: &'a facts::Before,
    old: &'a ControlPlane,
}

impl Move<'_> {
    fn steps(&self, namespaces: &[Namespace]) -> Vec<NextStep> {
        let revision = self.prepared.plan.revision_label();
        let mut steps = self.namespaces(namespaces);
        if steps.is_empty() {
            steps.extend(first_namespace(revision, namespaces));
        }
        steps.extend(verify(revision));
        steps.extend(self.gateways());
        steps.extend(self.tags());
        steps.extend(self.removal());
        steps
    }

    /// Returns one command for each namespace that uses the old revision.
    fn namespaces(&self, all: &[Namespace]) -> Vec<NextStep> {
        let revision = self.prepared.plan.revision_label();
        let old = self.old.revision.as_str();
        let uses_old = |it: &&Namespace| it.injection.as_deref() == Some(old);
        let users: Vec<&Namespace> = all.iter().filter(uses_old).collect();
        let named = users.iter().take(NAMED).filter_map(|namespace| {
            let name = namespace.name.as_str();
            NextStep::command(
                format!("moves namespace {name} to revision {revision}"),
                "kubectl label namespace {} istio-injection- istio.io/rev={} --overwrite && kubectl rollout restart deployment,statefulset,daemonset -n {}",
                &[name, revision, name],
            )
        });
        let mut steps: Vec<NextStep> = named.collect();
        if let Some(more @ 1..) = users.len().checked_sub(NAMED) {
            let rest: Vec<&str> = users
                .iter()
                .skip(NAMED)
                .map(|it| it.name.as_str())
                .collect();
            steps.push(NextStep::text(format!(
                "the same for {more} more namespaces: {}",
                rest.join(" ")
            )));
        }
        steps
    }

    /// Returns the command for gateways that this install left with the old revision.
    fn gateways(&self) -> Option<NextStep> {
        let running = self.before.gateways.known()?;
        let stays = |gateway: &&(String, String)| running.contains_key(gateway);
        let left: BTreeSet<&str> = self
            .prepared
            .manifest
            .gateways_left_out
            .iter()
            .filter(stays)
            .map(|(_, name)| name.as_str())
            .collect();
        if left.is_empty() {
            return None;
        }
        let names: Vec<&str> = left.into_iter().collect();
        NextStep::command(
            format!("moves the gateways: {}", names.join(" ")),
            "glooistio upgrade --to {} -r {} --gateways",
            &[
                &self.prepared.plan.tag.to_string(),
                self.prepared.plan.revision_label(),
            ],
        )
    }

    /// Returns one command for each revision tag of the old revision, the default one first.
    ///
    /// Namespaces with `istio-injection=enabled` follow the default tag, those with `istio.io/rev=TAG` follow that tag.
    fn tags(&self) -> Vec<NextStep> {
        let plan = &self.prepared.plan;
        let hooks = self.before.webhooks.known().map_or(&[][..], Vec::as_slice);
        let tagged = |hook: &facts::Webhook| Some((hook.tag.clone()?, hook.revision.clone()));
        let mut tags: BTreeMap<String, String> = hooks.iter().filter_map(tagged).collect();
        let default = tags.remove(DEFAULT);
        let default = default.unwrap_or_else(|| DEFAULT.to_owned());
        let has_default = plan.capabilities.contains(&Capability::DefaultRevisionTag);
        let moves_default = has_default && default == self.old.revision;
        let named = tags
            .iter()
            .filter(|(_, revision)| **revision == self.old.revision);
        let named = named.map(|(tag, _)| {
            (
                tag.as_str(),
                "gives namespaces with this tag the new revision; restart their workloads",
            )
        });
        let default = (
            DEFAULT,
            "gives namespaces with istio-injection=enabled the new revision; label Gateways of the Gateway API with it first",
        );
        let all = moves_default.then_some(default).into_iter().chain(named);
        all.filter_map(|(tag, text)| {
            NextStep::command(
                text,
                "istioctl tag set {} --revision {} --overwrite",
                &[tag, plan.revision_label()],
            )
        })
        .collect()
    }

    /// Returns the removal of the old revision, with the tool that installed it.
    fn removal(&self) -> Option<NextStep> {
        let old = self.old.revision.as_str();
        let when = "once no namespace and no gateway uses it";
        match &self.old.manager {
            Manager::Helm { release } => Some(NextStep::text(format!(
                "remove revision {old} with Helm (release {release}), {when}"
            ))),
            _ => NextStep::command(
                format!("removes revision {old}, {when}"),
                "istioctl uninstall --revision {}",
                &[old],
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Before, Observed, RunningGateway};
    use crate::install::prepare::prepare;
    use crate::request::{Gateways, InstallRequest};
    use istio_builds::Matrix;

    fn plane(revision: &str, tag: &str) -> ControlPlane {
        ControlPlane {
            namespace: "istio-system".to_owned(),
            name: "istiod".to_owned(),
            uid: String::new(),
            revision: revision.to_owned(),
            image: String::new(),
            hub: String::new(),
            tag: tag.parse().map_err(|_| tag.to_owned()),
            manager: Manager::Unknown,
            replicas: 1,
            ready: 1,
            lacks: None,
        }
    }

    fn namespace(name: &str, injection: Option<&str>) -> Namespace {
        Namespace {
            name: name.to_owned(),
            enforce: None,
            injection: injection.map(str::to_owned),
            opted_out: false,
            ignored_revision: None,
            ambient: false,
            deletion: None,
        }
    }

    fn steps(revision: &str, planes: Vec<ControlPlane>, namespaces: Vec<Namespace>) -> Vec<String> {
        steps_with(revision, planes, namespaces, Vec::new())
    }

    fn steps_with(
        revision: &str,
        planes: Vec<ControlPlane>,
        namespaces: Vec<Namespace>,
        webhooks: Vec<facts::Webhook>,
    ) -> Vec<String> {
        let request = InstallRequest {
            build: Some("1.31.0-solo".parse().unwrap()),
            revision: revision.parse().unwrap(),
            gateways: if revision == DEFAULT {
                Gateways::Install
            } else {
                Gateways::LeaveOut
            },
            ..InstallRequest::default()
        };
        let client = Observed::NotCollected("in this test");
        let prepared = prepare(&request, Matrix::builtin(), &client).unwrap();
        let gateway = RunningGateway {
            revision: DEFAULT.to_owned(),
            image: String::new(),
            pods: 1,
        };
        let place = ("istio-system".to_owned(), "istio-ingressgateway".to_owned());
        let before = Before {
            control_planes: Observed::Known(planes),
            namespaces: Observed::Known(namespaces),
            webhooks: Observed::Known(webhooks),
            gateways: Observed::Known(BTreeMap::from([(place, gateway)])),
            ..Before::not_asked("in this test", Observed::NotCollected("in this test"))
        };
        let steps = next_steps(&prepared, &before);
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_first_install_is_followed_by_a_namespace_that_exists() {
        let free = || vec![namespace("default", None), namespace("kube-system", None)];
        assert_eq!(
            steps(DEFAULT, Vec::new(), free())[0],
            "kubectl label namespace default istio-injection=enabled   # its new pods get a proxy; so for every other namespace"
        );
        let used = vec![namespace("default", None), namespace("shop", Some(DEFAULT))];
        assert_eq!(
            steps(DEFAULT, Vec::new(), used),
            ["glooistio verify   # judges every proxy, strictly"]
        );
    }

    #[test]
    fn a_canary_is_followed_by_every_step_to_its_end() {
        let old = || vec![plane(DEFAULT, "1.30.2-solo")];
        let users = vec![namespace("shop", Some(DEFAULT)), namespace("free", None)];
        insta::assert_snapshot!(steps("canary", old(), users).join("\n"));
    }

    #[test]
    fn a_newer_revision_beside_is_nothing_to_move_from() {
        let newer = vec![plane(DEFAULT, "1.32.0-solo")];
        let all = steps("canary", newer, vec![namespace("shop", Some(DEFAULT))]).join("\n");
        assert!(!all.contains("uninstall") && !all.contains("shop"), "{all}");
    }

    #[test]
    fn named_tags_move_before_the_old_revision_ends() {
        let tagged = |tag: &str, revision: &str| facts::Webhook {
            kind: facts::WebhookKind::Mutating,
            name: format!("istio-revision-tag-{tag}"),
            revision: revision.to_owned(),
            tag: Some(tag.to_owned()),
            service: None,
            service_ready: Observed::Known(true),
            ca_bundle: true,
            deactivated: false,
            fail_closed: true,
        };
        let old = plane(DEFAULT, "1.30.2-solo");
        let hooks = vec![tagged("prod", DEFAULT), tagged("other", "theirs")];
        let all = steps_with("canary", vec![old.clone()], Vec::new(), hooks);
        let at = |text: &str| all.iter().position(|step| step.starts_with(text));
        let moved = at("istioctl tag set prod --revision canary --overwrite");
        assert!(
            moved.is_some() && moved < at("istioctl uninstall"),
            "{all:?}"
        );
        assert_eq!(at("istioctl tag set other"), None);

        let helm = ControlPlane {
            manager: Manager::Helm {
                release: "mesh".to_owned(),
            },
            ..old
        };
        let all = steps("canary", vec![helm], Vec::new()).join("\n");
        assert!(
            !all.contains("uninstall") && all.contains("release mesh"),
            "{all}"
        );
    }

    #[test]
    fn two_revisions_that_were_there_before_are_both_kept() {
        let both = vec![
            plane(DEFAULT, "1.31.0-solo"),
            plane("team-b", "1.31.0-solo"),
        ];
        let request = InstallRequest {
            build: Some("1.31.0-solo".parse().unwrap()),
            revision: "team-b".parse().unwrap(),
            ..InstallRequest::default()
        };
        let client = Observed::NotCollected("in this test");
        let prepared = prepare(&request, Matrix::builtin(), &client).unwrap();
        let before = Before {
            control_planes: Observed::Known(both),
            ..Before::not_asked("in this test", Observed::NotCollected("in this test"))
        };
        assert_eq!(followed(&prepared, &before), None);
        // Gateways that this install takes over from the old revision show that workloads leave it.
        let gateway = ("istio-system".to_owned(), "istio-ingressgateway".to_owned());
        let running = RunningGateway {
            revision: DEFAULT.to_owned(),
            image: "h/proxyv2:1.31.0-solo".to_owned(),
            pods: 1,
        };
        let before = Before {
            gateways: Observed::Known(BTreeMap::from([(gateway, running)])),
            ..before
        };
        let followed = followed(&prepared, &before).map(|plane| plane.revision.as_str());
        assert_eq!(followed, Some(DEFAULT));
    }
}
