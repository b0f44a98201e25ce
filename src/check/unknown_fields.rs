//! The documents have no field that this Istio's installer does not know.

use super::{Before, Check, Outcome, Run};
use crate::istio::Capability;
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "unknown-fields",
    title: "the installer knows every field",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("unknown_fields.md"),
};

/// Fields of `spec`, and what an Istio must have for them.
const SPEC: &[(&str, Option<Capability>)] = &[
    ("profile", None),
    ("installPackagePath", None),
    ("hub", None),
    ("tag", None),
    ("namespace", None),
    ("revision", None),
    ("meshConfig", None),
    ("components", None),
    ("values", None),
    ("unvalidatedValues", None),
    ("addonComponents", Some(Capability::AddonComponents)),
    ("resourceSuffix", Some(Capability::AddonComponents)),
    ("defaultRevision", Some(Capability::DefaultRevisionField)),
    (
        "compatibilityVersion",
        Some(Capability::CompatibilityVersion),
    ),
];

/// Fields of `spec.components`.
const COMPONENTS: &[(&str, Option<Capability>)] = &[
    ("base", None),
    ("pilot", None),
    ("cni", None),
    ("istiodRemote", None),
    ("ingressGateways", None),
    ("egressGateways", None),
    ("ztunnel", Some(Capability::ZtunnelComponent)),
];

fn run(before: &Before<'_>) -> Outcome {
    let findings = before.documents.iter().flat_map(|document| {
        let unknown = |pointer: &str, known: &'static [(&str, Option<Capability>)]| {
            let fields = document
                .value
                .pointer(pointer)
                .and_then(serde_json::Value::as_object);
            let names = fields.into_iter().flat_map(serde_json::Map::keys);
            let unknown = names.filter(|name| !is_known(before, name, known));
            unknown
                .map(|name| finding(before, &document.name, &format!("{pointer}/{name}")))
                .collect::<Vec<_>>()
        };
        [
            unknown("/spec", SPEC),
            unknown("/spec/components", COMPONENTS),
        ]
        .concat()
    });
    Outcome::of(findings.collect(), "nothing unknown in spec and components")
}

fn is_known(before: &Before<'_>, name: &str, known: &[(&str, Option<Capability>)]) -> bool {
    known.iter().any(|(field, needs)| {
        *field == name
            && needs.is_none_or(|capability| before.plan.capabilities.contains(&capability))
    })
}

fn finding(before: &Before<'_>, document: &str, pointer: &str) -> Finding {
    let path = pointer.trim_start_matches('/').replace('/', ".");
    let minor = before.plan.tag.minor();
    Finding::error(format!("{path} is no field of Istio {minor}"))
        .subject(format!("document {document}"))
        .why("istioctl refuses the document, and names the field without its place")
        .fix("mend the spelling, or put a value that only the charts know below spec.unvalidatedValues")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    fn outcome(spec: &str, capability: Option<Capability>) -> Outcome {
        let mut given = Given::tag("1.31.0").document("one", spec);
        given.plan.capabilities.extend(capability);
        given.run(run)
    }

    #[test]
    fn a_field_that_never_was_is_refused_with_its_place() {
        assert!(found(
            &outcome("{bogus: 1}", None),
            "spec.bogus is no field"
        ));
        assert!(found(
            &outcome("{components: {bogus: {}}}", None),
            "spec.components.bogus"
        ));
        assert!(passed(&outcome(
            "{profile: default, values: {anything: 1}}",
            None
        )));
    }

    #[test]
    fn a_field_of_other_versions_needs_its_capability() {
        let spec = "{components: {ztunnel: {enabled: true}}}";
        assert!(found(&outcome(spec, None), "spec.components.ztunnel"));
        assert!(passed(&outcome(spec, Some(Capability::ZtunnelComponent))));
    }
}
