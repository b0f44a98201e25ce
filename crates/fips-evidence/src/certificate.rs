//! The part of a report about the validation of a module: its certificate, and what an auditor must know about it.

use std::collections::BTreeSet;

use super::verdict::name_of;
use super::{BinaryFacts, CertificatePolicy, Family, Judge, Standing, Verdict};
use crate::proof::{self, Remark, RemarkKind};
use crate::{Assurance, Severity};

impl Standing {
    /// Returns `certificate #4735`, or a general name if there is no certificate.
    fn title(&self) -> String {
        match self.certificate {
            Some(number) => format!("certificate #{number}"),
            None => "the module".to_owned(),
        }
    }
}

impl Judge {
    /// Returns remarks about the validation, the most important first.
    pub(super) fn remarks(&self, verdict: &Verdict, evidence: Option<&BinaryFacts>) -> Vec<Remark> {
        let Some(standing) = &verdict.standing else {
            return self.remarks_of_families(verdict, evidence);
        };
        let source = standing.source.to_string();
        let warning = |kind, message: Option<String>| {
            Some(Remark {
                kind,
                severity: Severity::Warning,
                message: message?,
                source: source.clone(),
            })
        };
        let warnings = [
            warning(RemarkKind::NotActive, not_active(standing)),
            warning(RemarkKind::Outdated, self.outdated(standing)),
        ];
        let limitations = standing.limitations.iter().map(|limitation| Remark {
            kind: RemarkKind::Limitation,
            severity: Severity::Info,
            message: format!("{} ({})", limitation.what, standing.title()),
            source: limitation.source.to_string(),
        });
        warnings.into_iter().flatten().chain(limitations).collect()
    }

    /// Returns remarks that apply to every validated module of a family, for a module that was not identified.
    fn remarks_of_families(
        &self,
        verdict: &Verdict,
        evidence: Option<&BinaryFacts>,
    ) -> Vec<Remark> {
        let held = evidence.filter(|_| verdict.module >= Assurance::Declared);
        let located = held.into_iter().flat_map(|evidence| &evidence.modules);
        let families: BTreeSet<Family> = located.map(|located| located.family).collect();
        let limitations = families.into_iter().flat_map(|family| {
            let shared = self.modules.shared_limitations(family).into_iter();
            shared.map(move |limitation| Remark {
                kind: RemarkKind::Limitation,
                severity: Severity::Info,
                message: format!(
                    "{} (of any {} module with a certificate)",
                    limitation.what,
                    name_of(family)
                ),
                source: limitation.source.to_string(),
            })
        });
        limitations.collect()
    }

    /// Returns why the policy cannot be decided: with `--strict`, an outdated status does not decide a policy.
    pub(super) fn undecided(&self, verdict: &Verdict) -> Vec<String> {
        let standing = verdict.standing.as_ref();
        let asks = self.strict && self.policy != CertificatePolicy::Any;
        let outdated = standing.filter(|_| asks).and_then(|it| self.outdated(it));
        let unknown =
            outdated.map(|why| format!("whether policy {} holds is unknown: {why}", self.policy));
        unknown.into_iter().collect()
    }

    /// Returns a message if the status was last seen too long ago.
    fn outdated(&self, standing: &Standing) -> Option<String> {
        let (age, seen) = (standing.age()?, standing.seen?);
        let (title, at, limit) = (standing.title(), standing.at, self.max_age);
        (age > limit).then(|| {
            format!(
                "the status of {title} ({}) was last seen on {seen}, {age} days before {at}; the limit is {limit} days",
                standing.status
            )
        })
    }
}

fn not_active(standing: &Standing) -> Option<String> {
    let number = standing.certificate.filter(|_| !standing.is_active())?;
    let since = standing.from.map(|from| format!(" since {from}"));
    let note = (!standing.note.is_empty()).then(|| format!(": {}", standing.note));
    Some(format!(
        "certificate #{number} is {}{}{}",
        standing.status,
        since.unwrap_or_default(),
        note.unwrap_or_default()
    ))
}

/// Converts to the certificate of the report.
pub(super) fn of(standing: &Standing) -> proof::Certificate {
    proof::Certificate {
        number: standing.certificate,
        standard: standing.standard.map(|standard| standard.to_string()),
        level: standing.level,
        vendor: standing.vendor.clone(),
        algorithms: standing.algorithms.clone(),
        environments: standing.environments.clone(),
        page: standing.page(),
        security_policy: standing.security_policy(),
        status: standing.status.to_string(),
        active: standing.is_active(),
        stage: standing.stage.clone(),
        from: standing.from.map(|date| date.to_string()),
        until: standing.until.map(|date| date.to_string()),
        seen: standing.seen.map(|date| date.to_string()),
        age_days: standing.age(),
        source: standing.source.to_string(),
        evidence: standing.evidence.name().to_owned(),
        note: (!standing.note.is_empty()).then(|| standing.note.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, Modules};

    /// Returns the verdict on a program that contains the module of that row.
    fn verdict(key: &str, at: &str) -> Verdict {
        let nothing = BinaryFacts {
            size: 0,
            format: Format::Empty,
            arch: None,
            opaque: None,
            go: None,
            modules: Vec::new(),
            marks: Vec::new(),
            labels: Vec::new(),
            libraries: Vec::new(),
            unmatched_tests: Vec::new(),
        };
        let at = at.parse().unwrap();
        let modules = Modules::builtin();
        let standing = modules.standing(modules.by_key(key).unwrap(), at);
        Verdict {
            module: Assurance::Proven,
            standing,
            ..nothing.judge(modules, at)
        }
    }

    fn judge(policy: CertificatePolicy, max_age: u32, strict: bool) -> Judge {
        Judge {
            modules: Modules::builtin().clone(),
            at: "2026-11-30".parse().unwrap(),
            policy,
            floor: None,
            max_age,
            strict,
        }
    }

    #[test]
    fn remarks_name_the_certificate_the_day_and_the_limitation() {
        use RemarkKind::{Limitation, NotActive, Outdated};
        type Remarks<'a> = &'a [(RemarkKind, &'a str)];
        // module, day, limit in days, remarks with a part of their message
        let table: [(&str, &str, u32, Remarks<'_>); 6] = [
            ("boringcrypto-20240805", "2026-11-30", 90, &[]),
            (
                "boringcrypto-20240805",
                "2026-12-30",
                90,
                &[(
                    Outdated,
                    "last seen on 2026-09-30, 91 days before 2026-12-30",
                )],
            ),
            ("boringcrypto-20240805", "2026-12-30", 91, &[]),
            (
                "boringcrypto-20210429",
                "2026-11-30",
                90,
                &[(
                    NotActive,
                    "certificate #4407 is historical since 2026-09-21",
                )],
            ),
            (
                "aws-lc-3.1-static",
                "2026-11-30",
                60,
                &[
                    (Outdated, "the status of certificate #5314 (active)"),
                    (
                        Limitation,
                        "no TLS 1.3 key derivation among the tested algorithms",
                    ),
                ],
            ),
            (
                "boringcrypto-main",
                "2026-11-30",
                90,
                &[(Outdated, "the status of the module (update stream)")],
            ),
        ];
        for (key, at, limit, expected) in table {
            let remarks =
                judge(CertificatePolicy::Any, limit, false).remarks(&verdict(key, at), None);
            assert_eq!(remarks.len(), expected.len(), "{key}: {remarks:?}");
            for (remark, (kind, part)) in remarks.iter().zip(expected) {
                assert_eq!(remark.kind, *kind, "{key}");
                assert!(remark.message.contains(part), "{key}: {}", remark.message);
                let weighs = remark.severity >= Severity::Warning;
                assert_eq!(weighs, *kind != Limitation, "{key}");
            }
        }
    }

    #[test]
    fn module_of_unknown_version_has_the_limitations_of_its_family() {
        let place = serde_json::json!({"offset": 64, "len": 32});
        let held = |family: &str| -> BinaryFacts {
            let evidence = serde_json::json!({
                "size": 1 << 20, "arch": "arm64", "opaque": null, "go": null, "marks": [],
                "labels": [], "libraries": [], "unmatched_tests": [],
                "modules": [{
                    "family": family, "place": place, "algorithm": "sha256",
                    "integrity": "holds", "stored": "ab", "version": null, "called": place,
                }],
                "format": {"elf": {"bits": 64, "big_endian": false, "headerless": false}},
            });
            serde_json::from_value(evidence).unwrap()
        };
        for (family, remarked) in [("aws-lc", 1), ("boring-crypto", 0)] {
            let evidence = held(family);
            let judge = judge(CertificatePolicy::Any, 90, false);
            let verdict = evidence.judge(&judge.modules, judge.at);
            assert_eq!(verdict.module, Assurance::Identified, "{family}");
            let remarks = judge.remarks(&verdict, Some(&evidence));
            assert_eq!(remarks.len(), remarked, "{family}: {remarks:?}");
            let kdf = |one: &Remark| one.message.starts_with("no TLS 1.3 key derivation");
            assert!(remarks.iter().all(kdf), "{remarks:?}");
        }
    }

    #[test]
    fn old_status_leaves_a_policy_unknown_only_where_it_is_asked_strictly() {
        let (young, old) = ("2026-12-29", "2026-12-30");
        for (policy, strict, at, undecided) in [
            (CertificatePolicy::Active140_3, true, old, true),
            (CertificatePolicy::FedRamp2026, true, old, true),
            (CertificatePolicy::Active140_3, true, young, false),
            (CertificatePolicy::Active140_3, false, old, false),
            (CertificatePolicy::Any, true, old, false),
        ] {
            let verdict = verdict("go-v1.0.0", at);
            let why = judge(policy, 90, strict).undecided(&verdict);
            assert_eq!(
                !why.is_empty(),
                undecided,
                "{policy} {strict} {at}: {why:?}"
            );
            assert!(why.iter().all(|why| why.contains("2026-09-30")), "{why:?}");
        }
    }
}
