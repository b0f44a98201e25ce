//! Checks that probes and lifecycle hooks do not call programs that a distroless image lacks.

use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::Value;

use super::walk::walk;
use super::{Before, Check, Outcome, Run};
use crate::render::Rendered;
use crate::report::{Finding, Severity, Subject};
use istio_builds::{Source, SourceQuality};

pub(super) const CHECK: Check = Check {
    id: "distroless-exec",
    title: "commands in proxy containers exist in distroless images",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("distroless_exec.md"),
};

/// Programs that distroless images contain, with the source; any other program counts as missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    source: Source,
    evidence: SourceQuality,
    date: Date,
    programs: Vec<String>,
}

static CONTENTS: LazyLock<Contents> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "embedded data, parsed by a test")]
    serde_yaml::from_str(include_str!("distroless_exec.yaml")).expect("embedded data is valid")
});

fn run(before: &Before<'_>) -> Outcome {
    let distroless = |document: &&Rendered| {
        before.plan.tag.flavor.distroless
            || document.effective.variant.as_deref() == Some("distroless")
    };
    let mut judged = before.documents.iter().filter(distroless).peekable();
    if judged.peek().is_none() {
        return Outcome::NotApplicable("the images are not distroless".to_owned());
    }
    let mut findings = Vec::new();
    for document in judged {
        walk(&document.value, &mut |path, value| {
            let called = command(path, value);
            findings.extend(called.and_then(|(place, argv)| missing(place, argv, document)));
        });
    }
    Outcome::of(findings, "no command needs a program that the images lack")
}

/// Returns a command and its path. A patch contains its own path, so its value is not visited again.
fn command<'v>(path: &'v str, value: &'v Value) -> Option<(&'v str, &'v Vec<Value>)> {
    if let Some(target) = value["path"].as_str() {
        return match target.strip_suffix(".exec.command") {
            Some(target) => Some((target, value["value"].as_array()?)),
            None => Some((target, value["value"]["exec"]["command"].as_array()?)),
        };
    }
    let patched = path.contains(".patches[") && path.ends_with("].value");
    Some((
        path,
        value["exec"]["command"].as_array().filter(|_| !patched)?,
    ))
}

fn missing(path: &str, argv: &[Value], document: &Rendered) -> Option<Finding> {
    let program = argv.first()?.as_str()?;
    let name = program.rsplit('/').next()?;
    if CONTENTS.programs.iter().any(|known| known == name) {
        return None;
    }
    let words: Vec<&str> = argv.iter().filter_map(Value::as_str).collect();
    let (severity, effect, fix) = effect(path);
    let finding = Finding::new(
        "program-missing",
        severity,
        format!("`{name}` is not in a distroless image"),
    )
    .subject(Subject::place(&document.name, path))
    .found(words.join(" "))
    .expected(format!("one of {}", CONTENTS.programs.join(", ")))
    .why(format!(
        "{effect} ({}, {}, {})",
        CONTENTS.source,
        CONTENTS.evidence.name(),
        CONTENTS.date
    ))
    .fix(fix);
    Some(finding)
}

/// Returns the effect of a command that cannot be started at a path, with severity and fix.
fn effect(path: &str) -> (Severity, &'static str, &'static str) {
    if path.ends_with("preStop") {
        let fix = "use preStop.sleep.seconds, which needs no program where Kubernetes has it, or meshConfig.defaultConfig.terminationDrainDuration";
        return (
            Severity::Warning,
            "the hook fails at once, so that connections are cut instead of drained",
            fix,
        );
    }
    if path.ends_with("postStart") {
        return (
            Severity::Error,
            "the container is killed each time it starts",
            "call pilot-agent, or remove the hook",
        );
    }
    (
        Severity::Error,
        "the probe never succeeds, so that the pod never gets ready",
        "use httpGet or tcpSocket",
    )
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
            (
                distroless,
                "postStart",
                "[/usr/local/bin/pilot-agent, wait]",
                "",
            ),
        ] {
            let outcome = outcome(tag, at, argv);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{argv}: {outcome:?}"
            );
        }
        assert!(matches!(
            outcome("1.31.0-solo", "preStop", "[sleep]"),
            Outcome::NotApplicable(_)
        ));
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

    #[test]
    fn a_patch_is_judged_by_the_place_that_it_names_and_once() {
        let hook = "lifecycle.preStop, value: {exec: {command: [sleep, '25']}}";
        let argv = "lifecycle.preStop.exec.command, value: [sleep, '25']";
        for patch in [hook, argv] {
            let spec = format!(
                "{{components: {{pilot: {{k8s: {{overlays: [{{patches: [{{path: {patch}}}]}}]}}}}}}}}"
            );
            let outcome = Given::tag("1.31.0-distroless")
                .document("one", &spec)
                .run(run);
            assert!(
                matches!(&outcome, Outcome::Found(findings) if findings.len() == 1 && findings[0].severity == Severity::Warning),
                "{patch}: {outcome:?}"
            );
        }
    }
}
