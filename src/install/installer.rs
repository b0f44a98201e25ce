//! The installer of the istioctl at hand: the objects that it makes from the documents.

use super::prepare::Prepared;
use crate::action::{self, Action, Part, Place};
use crate::facts::{self, Istioctl, Manifest, Observed};
use crate::render::Rendered;
use crate::report;
use crate::workload::{WorkloadKind, WorkloadRef};

/// Returns a document with its workloads: those that its installer makes, or the planned ones if the installer was not
/// run.
pub(super) fn part<'a>(
    document: &'a Rendered,
    manifests: &Observed<Vec<Manifest>>,
    place: Place<'_>,
) -> Part<'a> {
    let gateways = document.gateways(place.namespace);
    let mut made = manifests.known().into_iter().flatten();
    let made = made.find(|it| it.document == document.name);
    let made = made.and_then(|it| it.outcome.as_ref().ok());
    let planned = || {
        let istiod = document.installs.istiod.then(|| action::istiod(place));
        let gateways = gateways
            .iter()
            .map(|(namespace, name)| WorkloadRef::new(WorkloadKind::Deployment, namespace, name));
        istiod.into_iter().chain(gateways).flatten().collect()
    };
    Part {
        document,
        workloads: made.map_or_else(planned, |objects| objects.workloads.clone()),
        namespaces: gateways
            .iter()
            .map(|(namespace, _)| namespace.clone())
            .collect(),
    }
}

/// Runs the installer of an istioctl on the documents of a plan, and returns what it makes of them.
///
/// Not for an istioctl of another minor version: a check refuses it, and it would interpret the documents by other
/// rules.
pub(super) fn manifests(
    prepared: &Prepared,
    istioctl: &Observed<Istioctl>,
    flags: &[String],
) -> Observed<Vec<Manifest>> {
    let Some(istioctl) = istioctl.known() else {
        return Observed::NotCollected("there is no istioctl");
    };
    let planned = prepared.plan.tag.minor();
    if istioctl
        .version
        .minor()
        .is_some_and(|minor| minor != planned)
    {
        return Observed::NotCollected("this istioctl is of another minor version than the plan");
    }
    let documents = &prepared.manifest.documents;
    Observed::Known(facts::manifests(istioctl, flags, documents))
}

/// Returns the documents for the report, each with its command.
pub(super) fn documents(rendered: &[Rendered], actions: &[Action]) -> Vec<report::Document> {
    let command = |name: &str| {
        actions
            .iter()
            .find(|action| matches!(action, Action::Istioctl { document, .. } if document == name))
            .map(ToString::to_string)
    };
    let document = |rendered: &Rendered| report::Document {
        name: rendered.name.clone(),
        sha256: rendered.sha256(),
        command: command(&rendered.name).unwrap_or_default(),
        yaml: rendered.yaml.clone(),
    };
    rendered.iter().map(document).collect()
}
