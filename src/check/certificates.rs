//! Checks that the certificates of the modules that run are active on the given date and were confirmed
//! recently.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::statements;
use super::fips::is_judged;
use super::{After, Check, Outcome, Run};
use crate::facts::MeshInventory;
use crate::report::{Assurance, Finding, ModuleStatement, Proof, Remark, RemarkKind, Subject};

pub(super) const CHECK: Check = Check {
    id: "certificates",
    title: "the certificates of the FIPS modules that run are active",
    category: "fips",
    run: Run::After(run),
    page: include_str!("certificates.md"),
};

fn run(after: &After<'_>) -> Outcome {
    if !after.expected.revisions.values().any(|wanted| wanted.fips) {
        return Outcome::NotApplicable("no FIPS build is expected".to_owned());
    }
    after
        .facts
        .inventory
        .judge(|inventory| of_census(after, inventory))
}

fn of_census(after: &After<'_>, inventory: &MeshInventory) -> Outcome {
    let mut remarks = Remarks::default();
    for (group, members) in &inventory.groups {
        if is_judged(after, group, members) {
            remarks.add(&statements(after, group), members.pods);
        }
    }
    remarks.outcome("pods", "no image that runs was read")
}

/// The remarks on the modules of many programs, each remark once.
#[derive(Default)]
pub(super) struct Remarks {
    found: BTreeMap<(Remark, Option<String>), Programs>,
    /// States of certificates, shown if the check passes.
    states: BTreeSet<String>,
    read: usize,
}

/// The programs that a remark applies to.
#[derive(Default)]
struct Programs {
    binaries: BTreeSet<String>,
    /// Number of pods or images.
    count: u64,
}

impl Remarks {
    /// Adds the statements of a group of pods, or of an image.
    pub(super) fn add(&mut self, statements: &[ModuleStatement], count: u64) {
        let mut of_group = BTreeSet::new();
        for (one, proof) in read(statements) {
            self.read += 1;
            // No certificate applies to a program that another one replaces, or that is contradicted.
            if one.module < Assurance::Standard {
                continue;
            }
            self.states.insert(state(proof));
            for remark in &proof.remarks {
                let key = (remark.clone(), proof.name.clone());
                let programs = self.found.entry(key.clone()).or_default();
                programs.binaries.insert(one.binary.clone());
                of_group.insert(key);
            }
        }
        for key in of_group {
            self.found.entry(key).or_default().count += count;
        }
    }

    /// Returns the outcome of a check; `counted` is what was counted: pods or images.
    pub(super) fn outcome(self, counted: &str, unread: &str) -> Outcome {
        if self.read == 0 {
            return Outcome::NotChecked(unread.to_owned());
        }
        let findings = self.found.into_iter().map(|((remark, module), programs)| {
            let binaries: Vec<String> = programs.binaries.into_iter().collect();
            let module = module.unwrap_or_default();
            let count = programs.count;
            Finding::new(remark.kind.code(), remark.severity, remark.message)
                .subject(Subject::named(
                    "Module",
                    format!("{module} in {}", binaries.join(", ")),
                ))
                .found(format!("{count} {counted}"))
                .why(format!("read in {}", remark.source))
                .fix(fix(remark.kind))
        });
        let states: Vec<String> = self.states.into_iter().collect();
        let seen = if states.is_empty() {
            "no module that could have a certificate".to_owned()
        } else {
            states.join(", ")
        };
        Outcome::of(findings.collect(), seen)
    }
}

/// Returns the statements that are based on the content of a program.
fn read(statements: &[ModuleStatement]) -> impl Iterator<Item = (&ModuleStatement, &Proof)> {
    let read = statements.iter();
    read.filter_map(|one| Some((one, one.proof.as_deref()?)))
}

/// Returns a short form such as `#4735 active`.
fn state(proof: &Proof) -> String {
    let certificate = proof.certificate.as_ref();
    let number = certificate.and_then(|it| it.number);
    match (number, certificate) {
        (Some(number), Some(certificate)) => format!("#{number} {}", certificate.status),
        (None, Some(certificate)) => certificate.status.clone(),
        (_, None) => "no certificate".to_owned(),
    }
}

const fn fix(kind: RemarkKind) -> &'static str {
    match kind {
        RemarkKind::NotActive => {
            "take a build with a module on the CMVP's active list, or write down why this one stays"
        }
        RemarkKind::Outdated => {
            "look it up on NIST's page and give what it says by --modules FILE (glooistio explain modules), or take a newer glooistio"
        }
        RemarkKind::Limitation => {
            "take a build with a module that has it tested, or limit TLS to 1.2 where the program can"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{
        JUDGE, boring, expecting, holding, own_module, program, running, standard, whole,
    };
    use crate::facts::Role;
    use crate::report::Severity;
    use fips_evidence::Judge;

    const FIPS: &str = "1.31.0-solo-fips";

    const PATH: &str = "/usr/local/bin/pilot-discovery";

    fn outcome(evidence: fips_evidence::BinaryFacts, at: &str, max_age: u32) -> Outcome {
        let facts = holding(
            &running(Role::Istiod, FIPS),
            vec![program(PATH, PATH, Ok(evidence))],
        );
        let judge = Judge {
            at: at.parse().unwrap(),
            max_age,
            ..JUDGE.clone()
        };
        let expected = expecting(FIPS);
        run(&After {
            judge: &judge,
            ..whole(&expected, &facts)
        })
    }

    fn said(outcome: &Outcome) -> Vec<(Severity, String)> {
        match outcome {
            Outcome::Found(findings) => findings
                .iter()
                .map(|one| (one.severity, one.message.clone()))
                .collect(),
            Outcome::Passed(_) => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn active_certificate_that_was_seen_lately_passes_and_an_old_status_warns() {
        assert_eq!(said(&outcome(own_module(), "2026-11-30", 90)), []);
        let old = said(&outcome(own_module(), "2026-11-30", 60));
        let [(Severity::Warning, message)] = old.as_slice() else {
            panic!("{old:?}");
        };
        assert!(
            message.contains("#5247") && message.contains("2026-09-30"),
            "{message}"
        );
    }

    #[test]
    fn limitation_is_shown_and_weighs_nothing() {
        let Outcome::Found(findings) = outcome(boring(true), "2026-11-30", 90) else {
            panic!("the limitation is missing");
        };
        let [one] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        assert_eq!(one.severity, Severity::Info);
        assert!(one.message.contains("no TLS 1.3 key derivation"), "{one:?}");
        assert_eq!(one.found.as_deref(), Some("3 pods"));
        let subject = one.subject.as_ref().unwrap().to_string();
        assert!(subject.ends_with(" in pilot-discovery"), "{subject}");
    }

    #[test]
    fn certificate_that_is_over_warns() {
        let past = said(&outcome(own_module(), "2031-05-01", 3650));
        let [(Severity::Warning, message)] = past.as_slice() else {
            panic!("{past:?}");
        };
        assert!(
            message.contains("#5247 is historical since 2031-04-26"),
            "{message}"
        );
    }

    #[test]
    fn only_what_was_read_and_must_be_fips_is_judged() {
        assert_eq!(said(&outcome(standard(), "2026-11-30", 90)), []);
        let istiod = running(Role::Istiod, FIPS);
        let programs = vec![program(PATH, PATH, Ok(boring(true)))];
        let mut facts = holding(&istiod, programs);
        let plain = expecting("1.31.0-solo");
        let idle = run(&whole(&plain, &facts));
        assert!(matches!(idle, Outcome::NotApplicable(_)), "{idle:?}");
        facts.images.clear();
        let unread = run(&whole(&expecting(FIPS), &facts));
        assert!(matches!(unread, Outcome::NotChecked(_)), "{unread:?}");
    }
}
