//! The report in one line, for prompts, logs and chat: the verdict, the counts, the worst finding. Each inspected
//! program has its own line.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::{Assurance, Certificate, CheckResult, Proof, RemarkKind, Report, Severity, Status};
use terminal_text::escape_line;

/// Writes one line, or one line for each inspected program.
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
    let parts = [
        report.up_to_date.clone(),
        (!stopped).then(|| counts(report)),
        worst(report),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let ending = report
        .ending()
        .map(|ending| format!(" ({})", ending.words()));
    let ending = ending.unwrap_or_default();
    let line = format!("{} {verdict}{ending}: {}", report.command, parts.join("; "));
    writeln!(out, "{}", escape_line(&line))
}

/// Writes `proven #4735 BoringCrypto 2022-06-13: IMAGE linux/amd64 PATH`; a program that is not acceptable has
/// `refused` at the start of its line and the reasons at the end.
fn programs(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for evidence in &report.evidence {
        let Some(proof) = &evidence.proof else {
            continue;
        };
        let certificate = proof.certificate.as_ref();
        let certificate = certificate.and_then(|it| numbered(it, evidence.module));
        let limits = limits(proof);
        let words = [
            judged(proof).map(str::to_owned),
            certificate.or_else(|| Some(evidence.module.word().to_owned())),
            proof.name.clone(),
        ];
        let what: Vec<String> = words.into_iter().flatten().collect();
        let what = [what.join(" "), limits]
            .into_iter()
            .filter(|it| !it.is_empty());
        let what = what.collect::<Vec<_>>().join(", ");
        let places = [
            proof.image.as_deref(),
            evidence.arch.as_deref(),
            Some(proof.path.as_str()),
        ];
        let places: Vec<&str> = places.into_iter().flatten().collect();
        let mut line = format!("{what}: {}", places.join(" "));
        // The required assurance and the policy would only repeat what such a statement says already.
        let why = match evidence.module {
            Assurance::Contradicted | Assurance::Unknown => &proof.reasons,
            _ if proof.judgement.because.is_empty() => &proof.judgement.unknown,
            _ => &proof.judgement.because,
        };
        if !why.is_empty() {
            line = format!("{line}: {}", why.join("; "));
        }
        writeln!(out, "{}", escape_line(&line))?;
    }
    Ok(())
}

/// Returns the word before that of the module, if the statement was not accepted.
fn judged(proof: &Proof) -> Option<&'static str> {
    match &proof.judgement {
        judgement if judgement.accepted => None,
        judgement if judgement.because.is_empty() && !judgement.unknown.is_empty() => {
            Some("unknown")
        }
        _ => Some("refused"),
    }
}

/// Returns `proven #4735`, or `proven, but its certificate is historical: #4407`, which cannot be mistaken for the
/// first.
fn numbered(certificate: &Certificate, module: Assurance) -> Option<String> {
    let (number, word) = (certificate.number?, module.word());
    Some(match certificate.status.as_str() {
        "active" => format!("{word} #{number}"),
        status if certificate.active => format!("{word} #{number} ({status})"),
        status => format!("{word}, but its certificate is {status}: #{number}"),
    })
}

/// Returns the remarks for an auditor that the rest of the line does not give: the certificate shows a status that is
/// not active, and the reasons of a refusal name an outdated one.
fn limits(proof: &Proof) -> String {
    let remarks = proof.remarks.iter();
    let remarks = remarks.filter(|remark| match remark.kind {
        RemarkKind::NotActive => false,
        RemarkKind::Outdated => proof.judgement.accepted,
        RemarkKind::Limitation => true,
    });
    let messages: Vec<&str> = remarks.map(|remark| remark.message.as_str()).collect();
    messages.join("; ")
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
    parts.extend(not_active(report));
    if !report.pending.is_empty() {
        let pods: u64 = report.pending.iter().map(|pending| pending.pods).sum();
        let noun = if pods == 1 { "pod" } else { "pods" };
        parts.push(format!("{pods} {noun} to restart"));
    }
    parts.join(", ")
}

/// Returns certificates of running programs that are no longer active, which are worth a note even if the run is fine.
fn not_active(report: &Report) -> BTreeSet<String> {
    let held = report.evidence.iter();
    let held = held.filter(|one| one.module >= Assurance::Declared);
    let proofs = held.filter_map(|one| one.proof.as_ref());
    let certificates = proofs.filter_map(|proof| proof.certificate.as_ref());
    let past = certificates.filter(|it| !it.active);
    past.filter_map(|it| Some(format!("certificate #{} is {}", it.number?, it.status)))
        .collect()
}

/// Returns the most serious problem: the error that stopped the run, else the first check of the highest severity.
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
    // Something that was found says more than something that could not be observed.
    let weighty = || {
        report
            .checks
            .iter()
            .filter(|check| check.severity == Some(weight))
    };
    let is_found = |check: &&CheckResult| check.status != Status::Unknown;
    let check = weighty().find(is_found).or_else(|| weighty().next())?;
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
        insta::assert_snapshot!(line(&samples::full()), @r#"install failed (installed, verification failed): 3 passed, 1 warned, 1 failed, 1 unknown, 1 skipped, 3 pods to restart; kubernetes-range: Kubernetes 1.22 is newer than Istio 1.9 supports"#);
    }

    #[test]
    fn a_check_that_failed_is_named_before_one_that_is_unknown() {
        let mut report = samples::full();
        report
            .checks
            .sort_by_key(|check| check.status != Status::Unknown);
        assert_eq!(report.checks[0].status, Status::Unknown);
        assert!(
            line(&report).contains("; kubernetes-range: "),
            "{}",
            line(&report)
        );
        report.checks.retain(|check| check.status != Status::Failed);
        assert!(
            !line(&report).contains("kubernetes-range"),
            "{}",
            line(&report)
        );
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
    fn install_that_changed_nothing_is_told_from_one_that_was_not_verified() {
        let mut report = samples::full();
        report.command = "install";
        report.changed = false;
        let said = line(&report);
        assert!(
            said.starts_with("install failed (nothing was changed): "),
            "{said}"
        );
        report.changed = true;
        let said = line(&report);
        let wanted = "install failed (installed, verification failed): ";
        assert!(said.starts_with(wanted), "{said}");
        report.error = Some(ErrorReport {
            exit: 1,
            message: "no".into(),
            hints: vec![],
        });
        let said = line(&report);
        assert!(
            said.starts_with("install failed (stopped in the middle): "),
            "{said}"
        );
        report.command = "verify";
        assert!(line(&report).starts_with("verify failed: "));
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
    fn certificate_that_is_not_active_is_told_from_every_other() {
        let mut report = samples::inspected();
        report.evidence.truncate(1);
        report = samples::with_certificate_status(report, "historical");
        let said = line(&report);
        let wanted = "proven, but its certificate is historical: #4735 BoringCrypto";
        assert!(said.starts_with(wanted), "{said}");
        report.evidence[0].count = 3;
        report.command = "verify";
        let said = line(&report);
        let wanted = "verify ok: 0 passed, certificate #4735 is historical";
        assert!(said.starts_with(wanted), "{said}");
    }

    #[test]
    fn what_a_policy_cannot_decide_is_unknown_with_its_reason() {
        let mut report = samples::inspected();
        report.evidence.truncate(1);
        report = samples::with_old_status(report);
        let said = line(&report);
        assert!(said.starts_with("unknown proven #4735 "), "{said}");
        assert!(said.ends_with(": its status is too old\n"), "{said}");
    }

    #[test]
    fn programs_have_a_line_each() {
        let mut bytes = Vec::new();
        write(&samples::inspected(), &mut bytes).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap(), @r#"
        proven #4735 BoringCrypto 2022-06-13, no TLS 1.3 key derivation among the tested algorithms (certificate #4735): r.io/istio/pilot:1 amd64 /usr/local/bin/pilot-discovery
        refused contradicted: r.io/istio/pilot:1 amd64 /usr/local/bin/pilot-agent: its version says boringcrypto, and no module is in its code
        proven #4735 BoringCrypto 2022-06-13, no TLS 1.3 key derivation among the tested algorithms (certificate #4735): amd64 ./pilot-discovery
        "#);
    }
}
