//! Finds pods that run something unexpected, and the command that replaces them.

use std::collections::BTreeMap;

use super::expectation::{Wanted, serves_all};
use super::mismatch::Mismatch;
use super::{After, Outcome, Scope};
use crate::facts::{Address, Observed, PodGroup, PodGroupKey, Role};
use crate::report::PendingRestart;
use crate::workload::WorkloadRef;
use istio_builds::ImageRef;

/// Returns the workloads with pods that still run another proxy than a new pod would get.
pub fn pending(after: &After<'_>) -> Vec<PendingRestart> {
    let Some(inventory) = after.facts.inventory.known() else {
        return Vec::new();
    };
    let mut restarts: BTreeMap<(String, Option<WorkloadRef>), PendingRestart> = BTreeMap::new();
    for (group, members) in &inventory.groups {
        let Some(reason) = stale(after, group) else {
            continue;
        };
        if judged_now(after, group, members) {
            continue;
        }
        for (workload, pods) in &members.owners {
            let key = (group.namespace.clone(), workload.clone());
            restarts
                .entry(key)
                .or_insert_with(|| restart(group, workload.as_ref(), &reason))
                .pods += pods;
        }
    }
    restarts.into_values().collect()
}

fn restart(
    group: &PodGroupKey,
    workload: Option<&WorkloadRef>,
    reason: &Mismatch,
) -> PendingRestart {
    PendingRestart {
        namespace: group.namespace.clone(),
        workload: workload.cloned(),
        pods: 0,
        reason: reason.to_string(),
        command: workload.and_then(WorkloadRef::restart_command),
    }
}

/// Checks whether the install itself created this pod, so that a wrong image in it is a finding.
pub(super) fn judged_now(after: &After<'_>, group: &PodGroupKey, members: &PodGroup) -> bool {
    group.role == Role::Gateway
        && members.workloads().any(|owner| {
            let gateway = format!("{}/{}", group.namespace, owner.name());
            after.expected.gateways.contains(&gateway)
        })
}

/// Returns how a proxy differs from what is expected; `None` for those out of scope, too.
pub(super) fn stale(after: &After<'_>, group: &PodGroupKey) -> Option<Mismatch> {
    if !matches!(
        group.role,
        Role::Sidecar | Role::Gateway | Role::Agentgateway
    ) {
        return None;
    }
    if let Some(asked) = asked(after, &group.namespace)
        && asked != group.revision
        && after.expected.revisions.contains_key(&asked)
    {
        return Some(Mismatch::Revision {
            runs: group.revision.clone(),
            requested: asked,
        });
    }
    let wanted = wanted(after, group)?;
    let different = images(group).find_map(|image| wanted.differs(image));
    different
        .or_else(|| renamed(after, group))
        .or_else(|| contradicted(after, group))
}

/// Returns a mismatch if a proxy gets its configuration from another istiod than the one for its pod's
/// revision. A restart does not change this, so an install does not list it.
fn contradicted(after: &After<'_>, group: &PodGroupKey) -> Option<Mismatch> {
    if after.scope == Scope::Changed {
        return None;
    }
    let other = group.connects.iter().find_map(|address| match address {
        Address::Istiod {
            namespace,
            revision,
        } => (*revision != group.revision).then(|| format!("{revision} in {namespace}")),
        Address::Other => None,
    });
    other.map(|connects| Mismatch::Connection {
        named: group.revision.clone(),
        connects,
    })
}

/// Returns a mismatch if a sidecar's image has another name than that of a new pod, even if hub and tag are
/// right. A mirror may rename its images, so only the injector knows the name.
fn renamed(after: &After<'_>, group: &PodGroupKey) -> Option<Mismatch> {
    let injected = after.facts.injected.get(&group.revision)?.known()?;
    let new: ImageRef = injected.images.get("istio-proxy")?.parse().ok()?;
    let running: ImageRef = group.image.parse().ok()?;
    let (runs, wanted) = (running.name().to_owned(), new.name().to_owned());
    (group.role == Role::Sidecar && runs != wanted).then_some(Mismatch::Name { runs, wanted })
}

/// Returns the proxy's image and those of the other mesh containers in the pod.
fn images(group: &PodGroupKey) -> impl Iterator<Item = &str> {
    let others = group.others.iter().map(|other| other.image.as_str());
    std::iter::once(group.image.as_str()).chain(others)
}

/// Returns the revision that the namespace requests, with revision tags resolved.
pub(super) fn asked(after: &After<'_>, namespace: &str) -> Option<String> {
    let namespaces = after.facts.namespaces.known()?;
    let label = namespaces
        .iter()
        .find(|known| known.name == namespace)?
        .injection
        .clone()?;
    let webhooks = after.facts.webhooks.known()?;
    let tagged = webhooks
        .iter()
        .find(|webhook| !webhook.deactivated && webhook.tag.as_deref() == Some(label.as_str()));
    Some(tagged.map_or(label, |webhook| webhook.revision.clone()))
}

/// Turns a pass into an unknown outcome if the revisions that namespaces request could not be read.
pub(super) fn unless_unasked(after: &After<'_>, outcome: Outcome) -> Outcome {
    let facts = after.facts;
    match (outcome, &facts.namespaces, &facts.webhooks) {
        (Outcome::Passed(_), Observed::Unknown(why), _)
        | (Outcome::Passed(_), _, Observed::Unknown(why)) => {
            Outcome::Unknown(format!("which revision a namespace asks for: {why}"))
        }
        (outcome, ..) => outcome,
    }
}

/// Returns the expected build of a group in scope. An install covers only groups that name its revision.
pub(super) fn wanted<'a>(after: &'a After<'_>, group: &PodGroupKey) -> Option<&'a Wanted> {
    let planes = after.facts.control_planes.known();
    let claimed = after.expected.revisions.contains_key(&group.revision);
    if after.scope == Scope::Changed && !claimed && !serves_all(group) {
        return None;
    }
    after.expected.of(group, planes.map_or(&[], Vec::as_slice))
}
