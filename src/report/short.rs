//! The report in one line, for prompts, logs and chat: how it ended, the counts, the worst finding.
//! Programs that were inspected have a line each.

use std::io::{self, Write};

use super::{Certificate, CheckResult, Module, Report, Severity, Status};
use crate::escape::escape_line;

/// Writes one line, or one for each program that was inspected.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.inspected().next().is_some() {
        programs(report, out)?;
        if report.error.is_none() {
            return Ok(());
        }
    }
    let verdict = if report.command == "usage" {
        "error"
    } else if report.error.is_some() || report.failed() {
        "failed"
    } else {
        "ok"
    };
    let stopped = report.checks.is_empty() && report.error.is_some();
    let parts = [(!stopped).then(|| counts(report)), worst(report)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let line = format!("{} {verdict}: {}", report.command, parts.join("; "));
    writeln!(out, "{}", escape_line(&line))
}

/// `proven #4735 BoringCrypto 2022-06-13: IMAGE linux/amd64 PATH`; what is not acceptable has `refused`
/// before it, and why behind it.
fn programs(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for evidence in &report.evidence {
        let Some(proof) = &evidence.proof else {
            continue;
        };
        let certificate = proof.certificate.as_ref();
        let words = [
            (!proof.judgement.accepted).then(|| "refused".to_owned()),
            Some(evidence.module.word().to_owned()),
            certificate.and_then(numbered),
            proof.name.clone(),
        ];
        let what: Vec<String> = words.into_iter().flatten().collect();
        let places = [
            proof.image.as_deref(),
            evidence.arch.as_deref(),
            Some(proof.path.as_str()),
        ];
        let places: Vec<&str> = places.into_iter().flatten().collect();
        let mut line = format!("{}: {}", what.join(" "), places.join(" "));
        // Floor and policy only repeat what such a statement already is.
        let why = match evidence.module {
            Module::Contradicted | Module::Unknown => &proof.reasons,
            _ => &proof.judgement.because,
        };
        if !why.is_empty() {
            line = format!("{line}: {}", why.join("; "));
        }
        writeln!(out, "{}", escape_line(&line))?;
    }
    Ok(())
}

/// `#4735`, with its status where that is not plainly active.
fn numbered(certificate: &Certificate) -> Option<String> {
    let number = certificate.number?;
    Some(match certificate.status.as_str() {
        "active" => format!("#{number}"),
        status => format!("#{number} ({status})"),
    })
}

fn counts(report: &Report) -> String {
    let mut parts = vec![format!("{} passed", report.ended(Status::Passed))];
    for (status, word) in [
        (Status::Warned, "warned"),
        (Status::Failed, "failed"),
        (Status::Unknown, "unknown"),
        (Status::Skipped, "skipped"),
    ] {
        let number = report.ended(status);
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    if !report.pending.is_empty() {
        let pods: u64 = report.pending.iter().map(|pending| pending.pods).sum();
        let noun = if pods == 1 { "pod" } else { "pods" };
        parts.push(format!("{pods} {noun} to restart"));
    }
    parts.join(", ")
}

/// What weighs most: the error that stopped the run, else the first check of the highest severity.
fn worst(report: &Report) -> Option<String> {
    if let Some(error) = &report.error {
        return Some(error.message.clone());
    }
    let weight = report
        .checks
        .iter()
        .filter_map(|check| check.severity)
        .max()?;
    if weight == Severity::Info {
        return None;
    }
    let check = report
        .checks
        .iter()
        .find(|check| check.severity == Some(weight))?;
    Some(format!("{}: {}", check.id, headline(check, weight)))
}

fn headline(check: &CheckResult, weight: Severity) -> &str {
    let finding = check
        .findings
        .iter()
        .find(|finding| finding.severity == weight);
    finding.map_or(check.detail.as_str(), |finding| finding.message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{ErrorReport, samples};

    fn line(report: &Report) -> String {
        let mut bytes = Vec::new();
        write(report, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_clean_run_is_one_short_line() {
        assert_eq!(line(&Report::new("check")), "check ok: 0 passed\n");
    }

    #[test]
    fn the_worst_finding_stands_behind_the_counts() {
        insta::assert_snapshot!(line(&samples::full()), @r#"install failed: 3 passed, 1 warned, 1 failed, 1 unknown, 1 skipped, 3 pods to restart; kubernetes-range: Kubernetes 1.22 is newer than Istio 1.9 supports"#);
    }

    #[test]
    fn the_error_that_stopped_the_run_outweighs_every_finding() {
        let mut report = samples::full();
        report.error = Some(ErrorReport {
            exit: 69,
            message: "no istioctl\nfound".into(),
            hints: vec![],
        });
        assert!(
            line(&report).ends_with("; no istioctl found\n"),
            "{}",
            line(&report)
        );
    }

    #[test]
    fn what_stopped_before_any_check_counts_none() {
        let mut report = Report::new("verify");
        report.error = Some(ErrorReport {
            exit: 69,
            message: "no cluster".into(),
            hints: vec![],
        });
        assert_eq!(line(&report), "verify failed: no cluster\n");
    }

    #[test]
    fn one_pod_is_one() {
        let mut report = samples::full();
        report.pending[0].pods = 1;
        assert!(
            line(&report).contains(", 1 pod to restart;"),
            "{}",
            line(&report)
        );
    }

    #[test]
    fn every_refusal_is_said() {
        let mut report = samples::inspected();
        report.evidence.truncate(1);
        let judgement = &mut report.evidence[0].proof.as_mut().unwrap().judgement;
        judgement.accepted = false;
        judgement.because = vec!["one".into(), "another".into()];
        assert!(
            line(&report).ends_with(": one; another\n"),
            "{}",
            line(&report)
        );
    }

    #[test]
    fn programs_have_a_line_each() {
        let mut bytes = Vec::new();
        write(&samples::inspected(), &mut bytes).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap(), @r#"
        proven #4735 BoringCrypto 2022-06-13: r.io/istio/pilot:1 amd64 /usr/local/bin/pilot-discovery
        refused contradicted: r.io/istio/pilot:1 amd64 /usr/local/bin/pilot-agent: its version says boringcrypto, and no module is in its code
        proven #4735 BoringCrypto 2022-06-13: amd64 ./pilot-discovery
        "#);
    }
}
