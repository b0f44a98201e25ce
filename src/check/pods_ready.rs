//! Checks that control planes, gateways and node agents are ready; otherwise reports the reason that the
//! cluster gives.

use super::pending::wanted;
use super::proxies::pods_of;
use super::{After, Check, Outcome, Run};
use crate::facts::{MeshInventory, PodGroup, PodGroupKey, Role};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "pods-ready",
    title: "pods of the mesh are ready",
    category: "gateways",
    run: Run::After(run),
    page: include_str!("pods_ready.md"),
};

/// Reasons of the kubelet and scheduler, with their most common causes.
const REASONS: &[(&str, &str)] = &[
    (
        "ImagePullBackOff",
        "the image is not at this hub, or the pull secret or repo key is missing",
    ),
    (
        "ErrImagePull",
        "the image is not at this hub, or the pull secret or repo key is missing",
    ),
    (
        "InvalidImageName",
        "hub or tag is not valid in an image name",
    ),
    (
        "CrashLoopBackOff",
        "the program ends at once: its log says why",
    ),
    (
        "CreateContainerConfigError",
        "a Secret or ConfigMap that it mounts is missing",
    ),
    (
        "RunContainerError",
        "the program could not be started: a command that the image lacks",
    ),
    (
        "Pending",
        "no node takes it: resources, taints, affinity or a volume",
    ),
];

fn run(after: &After<'_>) -> Outcome {
    after
        .facts
        .inventory
        .judge(|inventory| judge(after, inventory))
}

fn judge(after: &After<'_>, inventory: &MeshInventory) -> Outcome {
    let own: Vec<(&PodGroupKey, &PodGroup)> = inventory
        .groups
        .iter()
        .filter(|(group, _)| group.role != Role::Sidecar && wanted(after, group).is_some())
        .collect();
    let findings = own
        .iter()
        .filter(|(group, _)| !group.ready)
        .map(|(group, members)| finding(group, members));
    let pods: u64 = own.iter().map(|(_, members)| members.pods).sum();
    Outcome::of(findings.collect(), format!("{pods} pods ready"))
}

fn finding(group: &PodGroupKey, members: &PodGroup) -> Finding {
    let example = members.examples.first().cloned().unwrap_or_default();
    let finding = Finding::error(
        "not-ready",
        format!("{} pods are not ready: {}", members.pods, group.status),
    )
    .subject(pods_of(group, members))
    .found(&group.image)
    .command(
        "kubectl describe pod {} -n {}",
        &[&example, &group.namespace],
    );
    match REASONS
        .iter()
        .find(|(reason, _)| group.status.ends_with(reason))
    {
        Some((_, meaning)) => finding.why(*meaning),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, found, group, members, passed};
    use crate::facts::Observed;

    fn outcome(role: Role, ready: bool, revision: &str) -> Outcome {
        let mut inventory = MeshInventory::default();
        let group = PodGroupKey {
            ready,
            status: "Init:ImagePullBackOff".into(),
            revision: revision.into(),
            ..group(role, "istio-system", "1.31.0")
        };
        inventory.groups.insert(group, members(1, "istiod"));
        let mut facts = support::after();
        facts.inventory = Observed::Known(inventory);
        support::run_after(run, &facts, "1.31.0")
    }

    #[test]
    fn a_waiting_pod_of_the_mesh_is_found_with_its_reason() {
        assert!(found(
            &outcome(Role::Istiod, false, "default"),
            "ImagePullBackOff"
        ));
        assert!(found(
            &outcome(Role::Gateway, false, "default"),
            "not ready"
        ));
        assert!(passed(&outcome(Role::Istiod, true, "default")));
    }

    #[test]
    fn applications_and_other_meshes_are_not_judged() {
        assert!(passed(&outcome(Role::Sidecar, false, "default")));
        assert!(passed(&outcome(Role::Istiod, false, "theirs")));
    }
}
