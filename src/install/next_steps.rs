//! What a person does after an install that was verified.

use std::collections::BTreeSet;

use super::prepare::Prepared;
use crate::facts::{self, ControlPlane, Manager, Namespace};
use crate::istio::Capability;
use crate::report::NextStep;

/// Namespaces whose move has a line of its own.
const NAMED: usize = 5;

const DEFAULT: &str = "default";

/// Returns the next steps, in their order.
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

/// The control plane whose workloads move to the new revision: an older one in the same namespace.
fn followed<'a>(prepared: &Prepared, before: &'a facts::Before) -> Option<&'a ControlPlane> {
    let plan = &prepared.plan;
    let revision = plan.revision.as_ref()?.as_str();
    let older = |plane: &&ControlPlane| {
        plane.namespace == plan.namespace
            && plane.revision != revision
            && !matches!(plane.manager, Manager::Operator { .. })
            && plane
                .tag
                .as_ref()
                .is_ok_and(|tag| tag.rebuild() <= plan.tag.rebuild())
    };
    let planes = before.control_planes.known()?.iter().filter(older);
    planes.min_by_key(|plane| plane.revision != DEFAULT)
}

fn verify(revision: &str) -> Option<NextStep> {
    let text = "judges every proxy, strictly";
    if revision == DEFAULT {
        NextStep::command(text, "glooistio verify", &[])
    } else {
        NextStep::command(text, "glooistio verify -r {}", &[revision])
    }
}

/// The label that gives a namespace proxies, as long as no namespace has it.
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

/// The way from one revision to another: namespaces, gateways, the default tag, and the end of the old one.
struct Move<'a> {
    prepared: &'a Prepared,
    before: &'a facts::Before,
    old: &'a ControlPlane,
}

impl Move<'_> {
    fn steps(&self, namespaces: &[Namespace]) -> Vec<NextStep> {
        let revision = self.prepared.plan.revision_label();
        let old = self.old.revision.as_str();
        let mut steps = self.namespaces(namespaces);
        if steps.is_empty() {
            steps.extend(first_namespace(revision, namespaces));
        }
        steps.extend(verify(revision));
        steps.extend(self.gateways());
        steps.extend(self.default_tag());
        steps.extend(NextStep::command(
            format!("removes revision {old}, once no namespace and no gateway uses it"),
            "istioctl uninstall --revision {}",
            &[old],
        ));
        steps
    }

    /// One command for each namespace that names the old revision.
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

    /// The gateways that this install left to the old revision.
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

    /// Namespaces with `istio-injection=enabled` follow the default tag.
    fn default_tag(&self) -> Option<NextStep> {
        let plan = &self.prepared.plan;
        let has_tags = plan.capabilities.contains(&Capability::DefaultRevisionTag);
        let hooks = self.before.webhooks.known()?;
        let tagged = hooks
            .iter()
            .find(|hook| hook.tag.as_deref() == Some(DEFAULT));
        let is_default = match tagged {
            Some(tag) => tag.revision == self.old.revision,
            None => self.old.revision == DEFAULT,
        };
        if !has_tags || !is_default {
            return None;
        }
        NextStep::command(
            "gives namespaces with istio-injection=enabled the new revision; label Gateways of the Gateway API with it first",
            "istioctl tag set default --revision {} --overwrite",
            &[plan.revision_label()],
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::{Before, Fact, RunningGateway};
    use crate::install::prepare::prepare;
    use crate::istio::Matrix;
    use crate::options::{Gateways, Options, Revision};

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
        let options = Options {
            request: Some("1.31.0-solo".parse().unwrap()),
            revision: Some(Revision::parse(revision).unwrap()),
            gateways: if revision == DEFAULT {
                Gateways::Install
            } else {
                Gateways::LeaveOut
            },
            ..Options::default()
        };
        let client = Fact::NotAsked("in this test");
        let prepared = prepare(&options, Matrix::builtin(), &client).unwrap();
        let gateway = RunningGateway {
            revision: DEFAULT.to_owned(),
            image: String::new(),
            pods: 1,
        };
        let place = ("istio-system".to_owned(), "istio-ingressgateway".to_owned());
        let before = Before {
            control_planes: Fact::Known(planes),
            namespaces: Fact::Known(namespaces),
            webhooks: Fact::Known(Vec::new()),
            gateways: Fact::Known(BTreeMap::from([(place, gateway)])),
            ..Before::not_asked("in this test", Fact::NotAsked("in this test"))
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
}
