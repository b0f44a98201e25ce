//! The judgement of Go programs with BoringCrypto.

use super::{Program, calls_boring, nothing_linked};
use crate::Assurance;
use crate::BinaryFacts;
use crate::verdict::{AtStart, Finding, start, title};

fn is_called(evidence: &BinaryFacts) -> bool {
    evidence
        .modules
        .iter()
        .all(|module| module.called.is_some())
}

impl Program<'_> {
    /// Judges a program in which a module in C was found that matches its integrity value.
    pub(super) fn boring(&self, finding: Finding, evidence: &BinaryFacts) -> Finding {
        if calls_boring(self.go) {
            return self.own_default(finding);
        }
        match &self.go.names {
            None => finding.at_most(
                Assurance::Identified,
                "the table of its functions could not be read, so that they call the module could not be seen",
            ),
            Some(names) if names.cgo && self.toolchain.boring.is_none() && is_called(evidence) => finding.at_most(
                Assurance::Declared,
                "C code that is linked into it calls the module, and no function of Go does: what Go itself computes is not of the module",
            ),
            Some(_) => Finding::new(
                Assurance::Contradicted,
                "its sources disagree: the bytes of a module are in the file, and no function of the program calls it",
            ),
        }
    }

    /// Limits the finding if the build also switches Go's own module on: the runtime refuses that with
    /// BoringCrypto.
    fn own_default(&self, finding: Finding) -> Finding {
        let panics = matches!(
            start::of(self.go),
            AtStart::On | AtStart::Only | AtStart::Panics
        );
        if start::knows_fips140(self.go) && panics {
            return finding.at_most(
                Assurance::Identified,
                "its own build settings (DefaultGODEBUG with fips140) make a BoringCrypto build panic at start: build it without them",
            );
        }
        finding
    }

    /// Judges a program that has signs of BoringCrypto, but in which no module could be located.
    pub(super) fn boring_unlocated(&self) -> Option<Finding> {
        if calls_boring(self.go) {
            let calls = self.go.names.as_ref().map(|names| names.boring_calls);
            if calls == Some(0) {
                return Some(Finding::new(
                    Assurance::Contradicted,
                    "its sources disagree: it has the mark of BoringCrypto, no function of it calls that, and the module is not in it: names or code were edited",
                ));
            }
            let calls = calls.unwrap_or(0);
            let finding = Finding::new(
                Assurance::Declared,
                format!(
                    "its functions call BoringCrypto ({calls} entry points), but the module itself could not be located in the bytes, so its integrity value is not known"
                ),
            );
            return Some(self.branch(finding.named("BoringCrypto")));
        }
        let label = self.toolchain.boring.as_ref()?;
        if self.go.names.is_none() {
            let finding = Finding::new(
                Assurance::Declared,
                format!(
                    "only its build information ({label}) says BoringCrypto; the table of its functions could not be read"
                ),
            );
            return Some(self.branch(finding.named("BoringCrypto")));
        }
        if !self.cryptography() {
            return Some(nothing_linked(label));
        }
        let finding = Finding::new(
            Assurance::Contradicted,
            format!(
                "its build information says {label}, and BoringCrypto is not in it: no function calls it"
            ),
        );
        Some(if self.toolchain.without_cgo {
            finding.because("it was built with CGO_ENABLED=0, which leaves BoringCrypto out without a word: build it again with CGO_ENABLED=1")
        } else {
            finding
        })
    }

    /// Adds what is known about the release of dev.boringcrypto that built the program.
    fn branch(&self, finding: Finding) -> Finding {
        let Some(branch) = self.toolchain.branch() else {
            return finding;
        };
        match self.ground.modules.by_toolchain(&branch) {
            Some(row) => finding.named(title(row)).because(format!(
                "{branch} is a release of dev.boringcrypto, which is known to have had {} {}",
                row.name, row.version
            )),
            None => finding.because(format!(
                "{branch} is a release of dev.boringcrypto, and which module that had is not known"
            )),
        }
    }
}
