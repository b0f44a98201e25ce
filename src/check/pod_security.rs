//! Reports pod security standards that would reject injected containers, or the CNI agent.

use serde_json::Value;

use super::{Before, Check, Outcome, Run};
use crate::facts::Namespace;
use crate::render::Rendered;
use crate::report::{Finding, Subject};
use istio_operator::Engine;

pub(super) const CHECK: Check = Check {
    id: "pod-security",
    title: "Pod Security admission admits the mesh",
    category: "kubernetes",
    run: Run::Before(run),
    page: include_str!("pod_security.md"),
};

/// Levels that reject `NET_ADMIN` and host paths.
const REFUSING: [&str; 2] = ["baseline", "restricted"];

fn run(before: &Before<'_>) -> Outcome {
    before.facts.namespaces.judge(|namespaces| {
        let cni = before
            .documents
            .iter()
            .find_map(|document| cni(document, &before.plan.namespace));
        let refusing = namespaces
            .iter()
            .filter_map(|namespace| Some((namespace, refuses(namespace)?)));
        let findings = match &cni {
            Some(home) => refusing
                .filter(|(namespace, _)| namespace.name == *home)
                .map(|(namespace, level)| agent(namespace, level))
                .collect(),
            None if before.documents.iter().any(|one| uses_cni(before, one)) => Vec::new(),
            None => refusing
                .filter(|(namespace, _)| namespace.injection.is_some())
                .map(|(namespace, level)| init(namespace, level))
                .collect(),
        };
        Outcome::of(findings, format!("{} namespaces", namespaces.len()))
    })
}

fn refuses(namespace: &Namespace) -> Option<&str> {
    namespace
        .enforce
        .as_deref()
        .filter(|level| REFUSING.contains(level))
}

fn init(namespace: &Namespace, level: &str) -> Finding {
    Finding::error(
        "init-refused",
        "new pods would be refused: istio-init needs NET_ADMIN and NET_RAW",
    )
    .subject(Subject::namespace(&namespace.name))
    .found(format!("pod-security.kubernetes.io/enforce={level}"))
    .expected("the CNI agent, which needs nothing in the pod, or the level privileged")
    .fix("enable the CNI: --set components.cni.enabled=true")
}

fn agent(namespace: &Namespace, level: &str) -> Finding {
    Finding::error(
        "cni-refused",
        "the CNI agent would be refused: it mounts directories of the node",
    )
    .subject(Subject::namespace(&namespace.name))
    .found(format!("pod-security.kubernetes.io/enforce={level}"))
    .expected("pod-security.kubernetes.io/enforce=privileged")
    .command(
        "kubectl label namespace {} pod-security.kubernetes.io/enforce=privileged --overwrite",
        &[&namespace.name],
    )
}

/// Checks whether injected pods depend on a CNI agent that another tool installs. From 1.24 on, istioctl
/// overwrites the switch in `values` with that of its own component, but not the one in `unvalidatedValues`.
fn uses_cni(before: &Before<'_>, document: &Rendered) -> bool {
    let spec = &document.value["spec"];
    let switches: &[&str] = match before.plan.rules.engine {
        Engine::Map => &["/unvalidatedValues/pilot/cni/enabled"],
        Engine::Strategic => &[
            "/unvalidatedValues/pilot/cni/enabled",
            "/values/pilot/cni/enabled",
            "/values/istio_cni/enabled",
        ],
    };
    switches
        .iter()
        .any(|path| spec.pointer(path) == Some(&Value::Bool(true)))
}

/// Returns the namespace of the CNI agent, if the document has one.
fn cni(document: &Rendered, control_plane: &str) -> Option<String> {
    let spec = &document.value["spec"];
    let own = spec["components"]["cni"]["namespace"].as_str();
    let profile = spec["profile"].as_str().unwrap_or_default();
    let usual = if profile.starts_with("openshift") {
        "kube-system"
    } else {
        control_plane
    };
    document.has_cni().then(|| own.unwrap_or(usual).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, namespace, passed};
    use crate::facts::Observed;

    fn outcome(spec: &str, name: &str, injection: Option<&str>, enforce: &str) -> Outcome {
        let mut given = Given::tag("1.31.0").document("one", spec);
        given.facts.namespaces = Observed::Known(vec![Namespace {
            enforce: Some(enforce.into()),
            ..namespace(name, injection)
        }]);
        given.run(run)
    }

    #[test]
    fn injection_and_the_agent_need_their_level() {
        let cni = "{components: {cni: {enabled: true}}}";
        for (spec, name, injection, enforce, words) in [
            ("{}", "a", Some("default"), "restricted", "istio-init"),
            ("{}", "a", Some("default"), "baseline", "istio-init"),
            ("{}", "a", Some("default"), "privileged", ""),
            ("{}", "a", None, "restricted", ""),
            (cni, "a", Some("default"), "restricted", ""),
            (cni, "istio-system", None, "baseline", "CNI agent"),
            (
                "{profile: openshift}",
                "kube-system",
                None,
                "baseline",
                "CNI agent",
            ),
            (
                "{profile: ambient}",
                "istio-system",
                None,
                "restricted",
                "CNI agent",
            ),
            (
                "{profile: ambient, components: {cni: {enabled: false}}}",
                "a",
                Some("x"),
                "restricted",
                "istio-init",
            ),
            (
                "{values: {pilot: {cni: {enabled: true}}}}",
                "a",
                Some("x"),
                "restricted",
                "istio-init",
            ),
            (
                "{unvalidatedValues: {pilot: {cni: {enabled: true}}}}",
                "a",
                Some("x"),
                "restricted",
                "",
            ),
        ] {
            let outcome = outcome(spec, name, injection, enforce);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{spec} {name} {enforce}: {outcome:?}"
            );
        }
    }
}
