//! Control planes, gateways and node agents are ready; else the reason that the cluster gives.

use super::pending::wanted;
use super::{After, Check, Outcome, Run};
use crate::facts::{Census, Class, Members, Role};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "pods-ready",
    title: "the mesh's own pods are ready",
    category: "gateways",
    run: Run::After(run),
    page: include_str!("pods_ready.md"),
};

/// Reasons of the kubelet and scheduler, with what they mostly mean.
const REASONS: &[(&str, &str)] = &[
    (
        "ImagePullBackOff",
        "the image is not at this hub, or the pull secret or repo key is missing",
    ),
    (
        "ErrImagePull",
        "the image is not at this hub, or the pull secret or repo key is missing",
    ),
    ("InvalidImageName", "hub or tag is no valid image name"),
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
    after.facts.census.judge(|census| judge(after, census))
}

fn judge(after: &After<'_>, census: &Census) -> Outcome {
    let own: Vec<(&Class, &Members)> = census
        .classes
        .iter()
        .filter(|(class, _)| class.role != Role::Sidecar && wanted(after, class).is_some())
        .collect();
    let findings = own
        .iter()
        .filter(|(class, _)| !class.ready)
        .map(|(class, members)| finding(class, members));
    let pods: u64 = own.iter().map(|(_, members)| members.pods).sum();
    Outcome::of(findings.collect(), format!("{pods} pods ready"))
}

fn finding(class: &Class, members: &Members) -> Finding {
    let example = members.examples.first().cloned().unwrap_or_default();
    let finding = Finding::error(format!(
        "{} pods are not ready: {}",
        members.pods, class.status
    ))
    .subject(format!("{}/{example}", class.namespace))
    .found(&class.image)
    .command(
        "kubectl describe pod {} -n {}",
        &[&example, &class.namespace],
    );
    match REASONS
        .iter()
        .find(|(reason, _)| class.status.ends_with(reason))
    {
        Some((_, meaning)) => finding.why(*meaning),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, class, found, members, passed};
    use crate::facts::Fact;

    fn outcome(role: Role, ready: bool, revision: &str) -> Outcome {
        let mut census = Census::default();
        let class = Class {
            ready,
            status: "Init:ImagePullBackOff".into(),
            revision: revision.into(),
            ..class(role, "istio-system", "1.31.0")
        };
        census.classes.insert(class, members(1, "istiod"));
        let mut facts = support::after();
        facts.census = Fact::Known(census);
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
