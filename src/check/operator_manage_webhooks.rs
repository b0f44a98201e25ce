//! Checks that documents with istiod create its webhooks, and that all others do not change them.

use serde_json::Value;

use super::{Before, Check, Outcome, Run};
use crate::render::Rendered;
use crate::report::{Finding, Subject};
use istio_builds::Capability;

pub(super) const CHECK: Check = Check {
    id: "operator-manage-webhooks",
    title: "only documents with istiod manage webhooks",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("operator_manage_webhooks.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let has = |capability| before.plan.capabilities.contains(&capability);
    if !has(Capability::OperatorManageWebhooks) {
        return Outcome::NotApplicable("this Istio has no such switch".to_owned());
    }
    let takes_tag = has(Capability::DefaultRevisionTag);
    let findings = before.documents.iter().filter_map(|document| {
        let set = is_set(document);
        match (document.has_control_plane(), set) {
            (true, true) => Some(removed(document)),
            (false, false) if takes_tag => Some(taken(document)),
            _ => None,
        }
    });
    Outcome::of(findings.collect(), "none is lost, none is taken over")
}

/// Checks whether the switch is set. istioctl merges `unvalidatedValues` over `values` before it reads it.
fn is_set(document: &Rendered) -> bool {
    let spec = &document.value["spec"];
    let said = ["unvalidatedValues", "values"]
        .into_iter()
        .map(|root| &spec[root]["global"]["operatorManageWebhooks"])
        .find(|value| !value.is_null());
    said == Some(&Value::Bool(true))
}

fn removed(document: &Rendered) -> Finding {
    Finding::error("injector-removed", "the document would remove the injector of its own istiod")
        .subject(Subject::document(&document.name))
        .found("values.global.operatorManageWebhooks: true")
        .expected("not set, in a document with istiod")
        .why("istioctl then renders no injection webhook, and removes the one that is there: new pods get no proxy")
        .fix("remove it here; only documents without istiod need it")
}

fn taken(document: &Rendered) -> Finding {
    Finding::warning("default-taken-over", "the document would take over the default revision")
        .subject(Subject::document(&document.name))
        .found("values.global.operatorManageWebhooks: not true")
        .expected("values.global.operatorManageWebhooks: true, in a document without istiod")
        .why("installing it moves the default tag and the default validator to its own revision, or creates them for it")
        .fix("set spec.values.global.operatorManageWebhooks: true there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::report::Severity;

    #[test]
    fn switch_belongs_to_documents_without_istiod_alone() {
        let on = "values: {global: {operatorManageWebhooks: true}}";
        for (spec, words) in [
            ("{}".to_owned(), ""),
            (format!("{{{on}}}"), "remove the injector"),
            (
                "{unvalidatedValues: {global: {operatorManageWebhooks: true}}}".to_owned(),
                "remove the injector",
            ),
            (format!("{{profile: remote, {on}}}"), "remove the injector"),
            (
                format!("{{profile: empty, components: {{pilot: {{enabled: true}}}}, {on}}}"),
                "remove the injector",
            ),
            ("{profile: empty}".to_owned(), "take over the default"),
            (format!("{{profile: empty, {on}}}"), ""),
            (
                "{components: {pilot: {enabled: false}}}".to_owned(),
                "take over the default",
            ),
        ] {
            let mut given = Given::tag("1.31.0").document("one", &spec);
            given.plan.capabilities.extend([
                Capability::OperatorManageWebhooks,
                Capability::DefaultRevisionTag,
            ]);
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{spec}: {outcome:?}"
            );
            if let Outcome::Found(findings) = outcome {
                let lost = words == "remove the injector";
                assert_eq!(findings[0].severity == Severity::Error, lost, "{spec}");
            }
        }
    }
}
