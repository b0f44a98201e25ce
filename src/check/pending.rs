//! Which pods run what they should not, and the command that gives them what they should.

use std::collections::BTreeMap;

use super::expectation::{Wanted, serves_all};
use super::mismatch::Mismatch;
use super::{After, Outcome, Scope};
use crate::facts::{Address, Class, Fact, Members, Role};
use crate::istio::ImageRef;
use crate::report::PendingRestart;
use crate::workload::WorkloadRef;

/// The workloads whose pods still run another proxy than a new pod would get.
pub fn pending(after: &After<'_>) -> Vec<PendingRestart> {
    let Some(census) = after.facts.census.known() else {
        return Vec::new();
    };
    let mut restarts: BTreeMap<(String, Option<WorkloadRef>), PendingRestart> = BTreeMap::new();
    for (class, members) in &census.classes {
        let Some(reason) = stale(after, class) else {
            continue;
        };
        if judged_now(after, class, members) {
            continue;
        }
        for (workload, pods) in &members.owners {
            let key = (class.namespace.clone(), workload.clone());
            restarts
                .entry(key)
                .or_insert_with(|| restart(class, workload.as_ref(), &reason))
                .pods += pods;
        }
    }
    restarts.into_values().collect()
}

fn restart(class: &Class, workload: Option<&WorkloadRef>, reason: &Mismatch) -> PendingRestart {
    PendingRestart {
        namespace: class.namespace.clone(),
        workload: workload.cloned(),
        pods: 0,
        reason: reason.to_string(),
        command: workload.and_then(WorkloadRef::restart_command),
    }
}

/// Whether the install itself brought this pod up, so that a wrong image in it is a finding.
pub(super) fn judged_now(after: &After<'_>, class: &Class, members: &Members) -> bool {
    class.role == Role::Gateway
        && members.workloads().any(|owner| {
            let gateway = format!("{}/{}", class.namespace, owner.name());
            after.expected.gateways.contains(&gateway)
        })
}

/// Why a proxy is not what it should be; `None` for those out of scope, too.
pub(super) fn stale(after: &After<'_>, class: &Class) -> Option<Mismatch> {
    if !matches!(
        class.role,
        Role::Sidecar | Role::Gateway | Role::Agentgateway
    ) {
        return None;
    }
    if let Some(asked) = asked(after, &class.namespace)
        && asked != class.revision
        && after.expected.revisions.contains_key(&asked)
    {
        return Some(Mismatch::Revision {
            runs: class.revision.clone(),
            requested: asked,
        });
    }
    let wanted = wanted(after, class)?;
    let different = images(class).find_map(|image| wanted.differs(image));
    different
        .or_else(|| renamed(after, class))
        .or_else(|| contradicted(after, class))
}

/// Whether a proxy gets its configuration from another istiod than the one that its pod names. A restart
/// changes nothing about it, so that an install does not list it.
fn contradicted(after: &After<'_>, class: &Class) -> Option<Mismatch> {
    if after.scope == Scope::Changed {
        return None;
    }
    let other = class.connects.iter().find_map(|address| match address {
        Address::Istiod {
            namespace,
            revision,
        } => (*revision != class.revision).then(|| format!("{revision} in {namespace}")),
        Address::Other => None,
    });
    other.map(|connects| Mismatch::Connection {
        named: class.revision.clone(),
        connects,
    })
}

/// Whether a sidecar's image has another name than that of a new pod: hub and tag may be right all the
/// same. A mirror may rename what it holds, so that only the injector knows the name.
fn renamed(after: &After<'_>, class: &Class) -> Option<Mismatch> {
    let injected = after.facts.injected.get(&class.revision)?.known()?;
    let new: ImageRef = injected.images.get("istio-proxy")?.parse().ok()?;
    let running: ImageRef = class.image.parse().ok()?;
    let (runs, wanted) = (running.name().to_owned(), new.name().to_owned());
    (class.role == Role::Sidecar && runs != wanted).then_some(Mismatch::Name { runs, wanted })
}

/// The proxy's image and those of the other mesh containers beside it.
fn images(class: &Class) -> impl Iterator<Item = &str> {
    let others = class.others.iter().map(|other| other.image.as_str());
    std::iter::once(class.image.as_str()).chain(others)
}

/// The revision that the namespace asks for, revision tags resolved.
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

/// No pass of proxies where it could not be seen which revision their namespaces ask for.
pub(super) fn unless_unasked(after: &After<'_>, outcome: Outcome) -> Outcome {
    let facts = after.facts;
    match (outcome, &facts.namespaces, &facts.webhooks) {
        (Outcome::Passed(_), Fact::Unknown(why), _)
        | (Outcome::Passed(_), _, Fact::Unknown(why)) => {
            Outcome::Unknown(format!("which revision a namespace asks for: {why}"))
        }
        (outcome, ..) => outcome,
    }
}

/// The wanted build of a class in scope. An install answers for what names its revision alone.
pub(super) fn wanted<'a>(after: &'a After<'_>, class: &Class) -> Option<&'a Wanted> {
    let planes = after.facts.control_planes.known();
    let claimed = after.expected.revisions.contains_key(&class.revision);
    if after.scope == Scope::Changed && !claimed && !serves_all(class) {
        return None;
    }
    after.expected.of(class, planes.map_or(&[], Vec::as_slice))
}
