//! Probes and lifecycle hooks do not call programs that a distroless image lacks.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::walk::walk;
use super::{Before, Check, Outcome, Run};
use crate::render::Rendered;
use crate::report::{Finding, Severity};

pub(super) const CHECK: Check = Check {
    id: "distroless-exec",
    title: "commands in proxy containers exist in distroless images",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("distroless_exec.md"),
};

/// What a distroless image has; everything else is taken as missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "evidence")]
    _evidence: String,
    #[serde(rename = "date")]
    _date: jiff::civil::Date,
    programs: Vec<String>,
}

static CONTENTS: LazyLock<Contents> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "embedded data, parsed by a test")]
    serde_yaml::from_str(include_str!("distroless_exec.yaml")).expect("embedded data is valid")
});

fn run(before: &Before<'_>) -> Outcome {
    let distroless = |document: &&Rendered| {
        before.plan.tag.flavor.distroless || document.effective.variant.as_deref() == Some("distroless")
    };
    let mut judged = before.documents.iter().filter(distroless).peekable();
    if judged.peek().is_none() {
        return Outcome::NotApplicable("the images are not distroless".to_owned());
    }
    let mut findings = Vec::new();
    for document in judged {
        walk(&document.value, &mut |path, value| {
            let command = value["exec"]["command"].as_array();
            findings.extend(command.and_then(|argv| missing(path, argv, document)));
        });
    }
    Outcome::of(findings, "no command needs a program that the images lack")
}

fn missing(path: &str, argv: &[Value], document: &Rendered) -> Option<Finding> {
    let program = argv.first()?.as_str()?;
    let name = program.rsplit('/').next()?;
    if CONTENTS.programs.iter().any(|known| known == name) {
        return None;
    }
    let words: Vec<&str> = argv.iter().filter_map(Value::as_str).collect();
    let (severity, effect, fix) = effect(path);
    let finding = Finding::new(severity, format!("`{name}` is not in a distroless image"))
        .subject(format!("document {}: {path}", document.name))
        .found(words.join(" "))
        .wanted(format!("one of {}", CONTENTS.programs.join(", ")))
        .why(effect)
        .fix(fix);
    Some(finding)
}

/// What a command that cannot be started does there.
fn effect(path: &str) -> (Severity, &'static str, &'static str) {
    if path.ends_with("preStop") {
        let fix = "use preStop.sleep.seconds, which needs no program (Kubernetes 1.30), or meshConfig.defaultConfig.terminationDrainDuration";
        return (Severity::Warning, "the hook fails at once, so that connections are cut instead of drained", fix);
    }
    if path.ends_with("postStart") {
        return (Severity::Error, "the container is killed each time it starts", "call pilot-agent, or leave the hook away");
    }
    (Severity::Error, "the probe never succeeds, so that the pod never gets ready", "use httpGet or tcpSocket")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    fn outcome(tag: &str, at: &str, argv: &str) -> Outcome {
        let spec = format!(
            "{{components: {{ingressGateways: [{{name: x, k8s: {{overlays: [{{patches: [{{path: p, value: {{{at}: {{exec: {{command: {argv}}}}}}}}}]}}]}}}}]}}}}"
        );
        Given::tag(tag).document("one", &spec).run(run)
    }

    #[test]
    fn programs_that_are_missing_are_found_wherever_they_are_called() {
        let distroless = "1.31.0-solo-fips-distroless";
        for (tag, at, argv, words) in [
            (distroless, "preStop", "[sleep, '25']", "`sleep`"),
            (distroless, "preStop", "[/bin/sh, -c, 'sleep 25']", "`sh`"),
            (distroless, "readinessProbe", "[curl, localhost]", "`curl`"),
            (distroless, "postStart", "[pilot-agent, wait]", ""),
            (distroless, "postStart", "[/usr/local/bin/pilot-agent, wait]", ""),
        ] {
            let outcome = outcome(tag, at, argv);
            assert!(if words.is_empty() { passed(&outcome) } else { found(&outcome, words) }, "{argv}: {outcome:?}");
        }
        assert!(matches!(outcome("1.31.0-solo", "preStop", "[sleep]"), Outcome::NotApplicable(_)));
    }

    #[test]
    fn only_a_hook_before_the_end_is_a_warning() {
        let severity = |at: &str| match outcome("1.31.0-distroless", at, "[cat]") {
            Outcome::Found(findings) => findings[0].severity,
            other => panic!("{other:?}"),
        };
        assert_eq!(severity("preStop"), Severity::Warning);
        assert_eq!(severity("postStart"), Severity::Error);
        assert_eq!(severity("livenessProbe"), Severity::Error);
    }
}
