//! The question before a cluster is changed: from which build, to which, with which inputs, and what must be done
//! afterwards.

use super::prepare::Prepared;
use super::{Install, RunContext};
use crate::exit::{Exit, Failure};
use crate::facts::{self, ControlPlane};
use crate::request::InstallRequest;
use crate::ui::ConfirmError;
use istio_builds::ImageRef;
use terminal_text::escape_line;

/// How many overlays the question names; the plan above it lists all of them.
const NAMED: usize = 5;

/// Asks whether the cluster may be changed.
pub(super) fn confirm(
    ctx: &RunContext<'_>,
    install: &Install<'_>,
    prepared: &Prepared,
    before: &facts::Before,
) -> Result<(), Failure> {
    let cluster = ctx.report.cluster.as_ref();
    let question = Question {
        verb: if install.origin.is_some() {
            "Upgrade"
        } else {
            "Install"
        },
        context: cluster.map_or("", |cluster| cluster.context.as_str()),
        prepared,
        request: install.request,
        before,
    };
    let answer = ctx.ui.confirm(&question.text());
    answer.map_err(|error| match error {
        ConfirmError::Declined => {
            Failure::message(Exit::Interrupted, "declined: nothing was changed")
        }
        error => Failure::new(Exit::Usage, &error).hint("give -y to install without asking"),
    })
}

/// The contents of the question.
struct Question<'a> {
    /// `Install` or `Upgrade`.
    verb: &'static str,
    context: &'a str,
    prepared: &'a Prepared,
    request: &'a InstallRequest,
    before: &'a facts::Before,
}

impl Question<'_> {
    /// Returns `14 pods must be restarted afterwards. Upgrade revision default …?`
    fn text(&self) -> String {
        let plan = &self.prepared.plan;
        let (tag, verb) = (plan.tag.to_string(), self.verb);
        let revision = plan.revision_label();
        let place = format!("{} on context {}", plan.namespace, self.context);
        let step = match self.replaced().map(shown_tag) {
            Some(running) if running == tag => {
                format!("{verb} {tag} again over revision {revision} in {place}")
            }
            Some(running) => {
                format!("{verb} revision {revision} in {place} from {running} to {tag}")
            }
            None => format!("{verb} {tag} as revision {revision} in {place}"),
        };
        let inputs = self.inputs().unwrap_or_default();
        let restarts = self.restarts().unwrap_or_default();
        escape_line(&format!("{restarts}{step}{inputs}?"))
    }

    /// Returns the control plane that the install replaces.
    fn replaced(&self) -> Option<&ControlPlane> {
        let plan = &self.prepared.plan;
        let mut planes = self.before.control_planes.known()?.iter();
        planes.find(|it| it.revision == plan.revision_label() && it.namespace == plan.namespace)
    }

    /// Returns `, with the overlay base.yaml and 2 --set`.
    fn inputs(&self) -> Option<String> {
        let files = &self.request.overlays;
        let mut names: Vec<&str> = files.iter().map(|overlay| overlay.name.as_str()).collect();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let mut inputs = Vec::new();
        if !names.is_empty() {
            let noun = if files.len() == 1 {
                "overlay"
            } else {
                "overlays"
            };
            let rest = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            inputs.push(format!("the {noun} {}{rest}", names.join(" ")));
        }
        if !self.request.sets.is_empty() {
            inputs.push(format!("{} --set", self.request.sets.len()));
        }
        (!inputs.is_empty()).then(|| format!(", with {}", inputs.join(" and ")))
    }

    /// Returns how many pods keep the old proxy until they are restarted.
    fn restarts(&self) -> Option<String> {
        let plan = &self.prepared.plan;
        let revision = plan.revision_label();
        let tag = plan.tag.to_string();
        let behind = self.before.proxies.known()?.iter();
        let behind = behind.filter(|(key, _)| key.revision == revision && key.tag != tag);
        let all: u64 = behind.map(|(_, pods)| *pods).sum();
        let running = self.before.gateways.known()?;
        let own = self.prepared.gateways();
        let own = own.iter().filter_map(|gateway| running.get(gateway));
        let is_behind = |image: &str| {
            let image = image.parse::<ImageRef>();
            image.map_or(true, |image| image.tag() != Some(tag.as_str()))
        };
        let rolled = own.filter(|it| it.revision == revision && is_behind(&it.image));
        let rolled: u64 = rolled.map(|gateway| gateway.pods).sum();
        match all.saturating_sub(rolled) {
            0 => None,
            1 => Some("1 pod must be restarted afterwards. ".to_owned()),
            pods => Some(format!("{pods} pods must be restarted afterwards. ")),
        }
    }
}

fn shown_tag(plane: &ControlPlane) -> String {
    match &plane.tag {
        Ok(tag) => tag.to_string(),
        Err(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::facts::{Before, Manager, Observed, ProxyKey, RunningGateway};
    use crate::install::prepare::prepare;
    use crate::request::Overlay;
    use istio_builds::Matrix;

    fn plane(tag: &str) -> ControlPlane {
        ControlPlane {
            namespace: "istio-system".to_owned(),
            name: "istiod".to_owned(),
            uid: String::new(),
            revision: "default".to_owned(),
            image: String::new(),
            hub: String::new(),
            tag: tag.parse().map_err(|_| tag.to_owned()),
            manager: Manager::Unknown,
            replicas: 1,
            ready: 1,
            lacks: None,
        }
    }

    fn asked(verb: &'static str, request: &InstallRequest, before: &Before) -> String {
        let client = Observed::NotCollected("in this test");
        let prepared = prepare(request, Matrix::builtin(), &client).unwrap();
        let question = Question {
            verb,
            context: "prod",
            prepared: &prepared,
            request,
            before,
        };
        question.text()
    }

    fn before() -> Before {
        Before::not_asked("in this test", Observed::NotCollected("in this test"))
    }

    #[test]
    fn a_first_install_names_what_and_where() {
        let request = InstallRequest {
            build: Some("1.31.0-solo".parse().unwrap()),
            ..InstallRequest::default()
        };
        assert_eq!(
            asked("Install", &request, &before()),
            "Install 1.31.0-solo as revision default in istio-system on context prod?"
        );
    }

    #[test]
    fn an_upgrade_names_from_to_inputs_and_pods() {
        let request = InstallRequest {
            build: Some("1.31.0-solo".parse().unwrap()),
            overlays: ["base.yaml", "prod.yaml"]
                .map(|name| Overlay {
                    name: name.to_owned(),
                    text: b"spec: {}\n".to_vec(),
                })
                .into(),
            sets: vec!["values.pilot.replicaCount=2".into()],
            ..InstallRequest::default()
        };
        let key = |tag: &str, namespace: &str| ProxyKey {
            revision: "default".to_owned(),
            tag: tag.to_owned(),
            namespace: namespace.to_owned(),
        };
        let gateway = RunningGateway {
            revision: "default".to_owned(),
            image: "r.io/istio/proxyv2:1.30.2-solo".to_owned(),
            pods: 2,
        };
        let place = ("istio-system".to_owned(), "istio-ingressgateway".to_owned());
        let before = Before {
            control_planes: Observed::Known(vec![plane("1.30.2-solo")]),
            proxies: Observed::Known(BTreeMap::from([
                (key("1.30.2-solo", "shop"), 14),
                (key("1.30.2-solo", "istio-system"), 2),
                (key("1.31.0-solo", "new"), 5),
            ])),
            gateways: Observed::Known(BTreeMap::from([(place, gateway)])),
            ..before()
        };
        assert_eq!(
            asked("Upgrade", &request, &before),
            "14 pods must be restarted afterwards. Upgrade revision default in istio-system on context prod \
             from 1.30.2-solo to 1.31.0-solo, with the overlays base.yaml prod.yaml and 1 --set?"
        );
    }
}
