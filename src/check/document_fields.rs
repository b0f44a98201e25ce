//! Checks that the installer of this Istio reads every field as the documents mean it.

use super::{Before, Check, Outcome, Run};
use crate::render::Rendered;
use crate::report::{Finding, Subject};
use istio_builds::Minor;
use istio_operator::Origin;
use istio_operator::schema::{Deviation, Problem, Release, Unknown, deviations};

pub(super) const CHECK: Check = Check {
    id: "document-fields",
    title: "istioctl reads every field as written",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("document_fields.md"),
};

const SILENT: &str = "istioctl refuses the document, mostly without the path of the field";

fn run(before: &Before<'_>) -> Outcome {
    let version = &before.plan.tag.version;
    let findings = before.documents.iter().flat_map(|document| {
        let deviations = deviations(&document.value, Release::from(version));
        let of_document = move |deviation| finding(version.minor(), document, &deviation);
        deviations.into_iter().map(of_document)
    });
    Outcome::of(
        findings.collect(),
        "every field is known and has a value of its kind; unvalidatedValues are not looked at",
    )
}

fn finding(minor: Minor, document: &Rendered, deviation: &Deviation) -> Finding {
    let subject = match document.origins.of(&deviation.path) {
        Origin::Base(_) => Subject::document(&document.name),
        origin => Subject::input(&document.name, origin.clone()),
    };
    judged(minor, &deviation.path, &deviation.problem).subject(subject)
}

fn judged(minor: Minor, path: &str, problem: &Problem) -> Finding {
    match problem {
        Problem::UnknownField(unknown) => Finding::error(
            "unknown-field",
            format!("Istio {minor} has no field {path}"),
        )
        .why(SILENT)
        .fix(correction(path, unknown)),
        Problem::ToleratedField(unknown) => Finding::warning(
            "tolerated-field",
            format!("Istio {minor} ignores {path}, a field that it does not have"),
        )
        .why("istioctl takes unknown fields of the mesh configuration without a word")
        .fix(correction(path, unknown)),
        Problem::ChartOnly => Finding::error(
            "chart-only-field",
            format!("istioctl {minor} refuses {path}, which only the charts have"),
        )
        .why(SILENT)
        .fix(format!(
            "move it to {}",
            path.replacen("values", "unvalidatedValues", 1)
        )),
        Problem::WrongKind { found, expected } => Finding::error(
            "wrong-kind",
            format!("{path} has a value of the wrong kind"),
        )
        .found(found)
        .expected(expected)
        .why(SILENT)
        .fix(format!("write {expected}")),
        Problem::Misspelled { right } => {
            Finding::warning("misspelled-field", format!("nothing reads {path}"))
                .why("istioctl takes this spelling, and the charts read another one")
                .fix(format!("write {right}"))
        }
        Problem::Ignored { write } => {
            Finding::warning("ignored-field", format!("istioctl {minor} ignores {path}"))
                .why("istioctl takes the field and uses it nowhere")
                .fix(*write)
        }
        Problem::Unusable { write } => Finding::error(
            "unusable-value",
            format!("Kubernetes refuses what istioctl {minor} makes of {path}"),
        )
        .why("istioctl writes the field into the object as it is")
        .fix(format!("write {write}")),
        Problem::Exclusive { other } => Finding::error(
            "exclusive-fields",
            format!("{path} and {other} are both set"),
        )
        .why("this istioctl joins the two lists wrongly and refuses the result")
        .fix("keep one of the two"),
        other => judged_value(minor, path, other),
    }
}

/// Returns the finding for a value of the right kind.
fn judged_value(minor: Minor, path: &str, problem: &Problem) -> Finding {
    match problem {
        Problem::NotAChoice {
            found,
            choices,
            nearest,
            when,
        } => {
            let fix = match (nearest, when) {
                (Some(nearest), _) => format!("write {nearest}"),
                (None, Some(when)) => format!("remove it: Istio has {found} {when}"),
                (None, None) => "write one of these".to_owned(),
            };
            Finding::error(
                "unknown-word",
                format!("{found} is not a value of {path} in Istio {minor}"),
            )
            .found(found)
            .expected(choices.join(", "))
            .fix(fix)
        }
        Problem::Refused { found, write } => Finding::error(
            "refused-value",
            format!("istioctl {minor} refuses {path}: {found}"),
        )
        .found(found)
        .fix(*write),
        Problem::Reread {
            found,
            becomes,
            refused,
            write,
        } => {
            let title = if *refused {
                format!("istioctl {minor} refuses {path}: {found:?}")
            } else {
                format!("istioctl {minor} changes {path} from {found:?} to {becomes}")
            };
            Finding::error("reread-value", title)
                .found(format!("the text {found:?}"))
                .why(format!(
                    "this istioctl reads the text once more, as {becomes}"
                ))
                .fix(format!("use {write}"))
        }
        _ => Finding::error("refused-field", format!("istioctl {minor} refuses {path}")),
    }
}

/// Returns the fix for a field that a release does not have.
fn correction(path: &str, unknown: &Unknown) -> String {
    match unknown {
        Unknown {
            write: Some(write), ..
        } => format!("write {write}"),
        Unknown {
            nearest: Some(nearest),
            ..
        } => match nearest.strip_prefix("k8s.") {
            Some(_) => format!("it belongs one level deeper: {nearest}"),
            None => format!("it is spelled {nearest}"),
        },
        Unknown {
            when: Some(when), ..
        } => format!("remove it: Istio has this field {when}"),
        _ if path.starts_with("spec.values.") => {
            "fix the spelling, or move chart-only values under spec.unvalidatedValues".to_owned()
        }
        _ => "fix the spelling, or remove it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, passed};
    use crate::report::Severity;

    fn outcome(tag: &str, spec: &str) -> Outcome {
        Given::tag(tag).document("one", spec).run(run)
    }

    #[test]
    fn passes_when_every_field_is_known() {
        let spec =
            "{profile: default, values: {pilot: {autoscaleMin: 2}}, unvalidatedValues: {any: 1}}";
        assert!(passed(&outcome("1.31.0", spec)));
    }

    /// Shows every kind of problem once.
    #[test]
    fn finding_names_path_reason_and_correction() {
        let mut shown = Vec::new();
        for (tag, spec) in [
            ("1.31.0", "{bogus: 1}"),
            ("1.31.0", "{components: {pilot: {replicaCount: 2}}}"),
            ("1.31.0", "{values: {pilot: {autoscaleMn: 2}}}"),
            ("1.31.0", "{values: {other: {}}}"),
            (
                "1.31.0",
                "{values: {telemetry: {v2: {prometheus: {wasmEnabled: false}}}}}",
            ),
            ("1.31.0", "{values: {cni: {tolerations: []}}}"),
            ("1.31.0", "{meshConfig: {bogus: 1}}"),
            ("1.31.0", "{meshConfig: {accessLogEncoding: json}}"),
            ("1.31.0", "{values: {pilot: {autoscaleMin: x}}}"),
            ("1.31.0", "{profile: Minimal}"),
            ("1.31.0", "{profile: external}"),
            ("1.31.0", "{components: {pilot: {tag: '1.20'}}}"),
            ("1.31.0", "{revision: '110'}"),
            (
                "1.31.0",
                "{values: {global: {pilotCertProvider: kubernetes}}}",
            ),
            ("1.31.0", "{components: {pilot: {k8s: {volumes: []}}}}"),
            (
                "1.31.0",
                "{components: {pilot: {k8s: {hpaSpec: {metrics: [{resource: {targetAverageUtilization: 60}}]}}}}}",
            ),
            ("1.20.8", "{values: {cni: {pspClusterRole: x}}}"),
            (
                "1.20.8",
                "{components: {pilot: {k8s: {env: [{name: A, valueFrom: {secretKeyRef: {localObjectReference: {name: s}}}}]}}}}",
            ),
            (
                "1.20.8",
                "{components: {pilot: {k8s: {tolerations: [{key: a}]}}}, values: {pilot: {tolerations: [{key: q}]}}}",
            ),
        ] {
            let Outcome::Found(findings) = outcome(tag, spec) else {
                panic!("{spec}");
            };
            for finding in findings {
                let mark = if finding.severity == Severity::Error {
                    "×"
                } else {
                    "‼"
                };
                let parts = [finding.found, finding.expected, finding.why, finding.fix];
                let parts: Vec<String> = parts.into_iter().flatten().collect();
                shown.push(format!(
                    "{mark} {}\n  {}",
                    finding.message,
                    parts.join("\n  ")
                ));
            }
        }
        insta::assert_snapshot!(shown.join("\n"));
    }
}
