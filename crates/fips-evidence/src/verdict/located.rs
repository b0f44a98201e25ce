//! The judgement of modules in C that were found in the code.

use super::{Finding, Ground, name_of, short, title};
use crate::Assurance;
use crate::{BinaryFacts, Integrity, Label, Located, ModuleRow, Modules};

impl Located {
    /// Checks whether it is a measured module with another value. Anyone can compute a value again, since the key
    /// is public.
    fn sealed_again(&self) -> bool {
        let measured = self.fingerprint.as_ref();
        measured.is_some_and(|measured| *measured != self.stored)
    }
}

/// Limits the finding for a module that no code calls. A certificate or an update stream does not apply to unused
/// bytes.
fn unused(finding: Finding) -> Finding {
    let reason = "no code of the program calls the module: its bytes are in the file, and that they are used could not be seen";
    Finding {
        module: finding.module.min(Assurance::Identified),
        standing: None,
        ..finding.because(reason)
    }
}

/// Returns the text with the version that is among the bytes of a module.
fn version_text<'a>(evidence: &'a BinaryFacts, module: &Located) -> Option<&'a str> {
    evidence.labels.iter().find_map(|label| match label {
        Label::Library { text, place } => {
            let inside = place.offset.checked_sub(module.place.offset);
            let is_inside = inside.is_some_and(|inside| inside < module.place.len);
            is_inside.then_some(text.as_str())
        }
        _ => None,
    })
}

impl Ground<'_> {
    /// Judges the modules in C that were found. The weakest finding counts.
    pub(super) fn located(&self, evidence: &BinaryFacts) -> Option<Finding> {
        let findings = evidence.modules.iter();
        let findings = findings.map(|one| self.one(one, version_text(evidence, one)));
        findings.min_by_key(|finding| finding.module)
    }

    /// Judges one module. `text` is the text with its version.
    fn one(&self, found: &Located, text: Option<&str>) -> Finding {
        let family = name_of(found.family);
        match &found.integrity {
            Integrity::Differs(computed) => Finding::new(
                Assurance::Contradicted,
                format!(
                    "the integrity value of its {family} module does not hold: {} is stored and {} is computed, so the module was changed after it was built; get the file from its publisher again",
                    short(&found.stored),
                    short(computed)
                ),
            )
            .named(family),
            Integrity::NotComputed(why) => Finding::new(
                Assurance::Declared,
                format!("a module of {family} is in it, but its integrity value could not be computed: {why}"),
            )
            .named(family),
            Integrity::Holds if found.sealed_again() => Finding::new(
                Assurance::Contradicted,
                format!(
                    "its {family} module has the code of a validated one but not its integrity value: {} is stored and holds, so the module was changed and the value computed again; get the file from its publisher again",
                    short(&found.stored)
                ),
            )
            .named(family),
            Integrity::Holds => {
                let finding = match self.modules.by_value(&found.stored) {
                    Some(row) => self.known_by(
                        row,
                        "the integrity value of its module was computed from the bytes and is that of",
                    ),
                    None => self.stranger(found, text),
                };
                match found.called {
                    Some(_) => finding,
                    None => unused(finding),
                }
            }
        }
    }

    /// Returns the finding for a module of a row. `seen` states how it was recognised.
    pub(super) fn known_by(&self, row: &ModuleRow, seen: &str) -> Finding {
        let standing = self.modules.standing(row, self.at);
        let certified = standing.as_ref().and_then(|one| one.certificate).is_some();
        let module = if certified {
            Assurance::Proven
        } else {
            Assurance::Identified
        };
        let name = title(row);
        let finding = Finding::new(module, format!("{seen} {name}")).named(name);
        // The statement has a part of its own for the certificate, so the reasons do not repeat it.
        let finding = match standing {
            None => finding.because(self.before(row)),
            standing => Finding {
                standing,
                ..finding
            },
        };
        if row.note.is_empty() {
            finding
        } else {
            finding.because(row.note.clone())
        }
    }

    /// Returns the finding for a module that matches its stored value, but that no row of the data has measured.
    fn stranger(&self, found: &Located, text: Option<&str>) -> Finding {
        let family = name_of(found.family);
        let reason = format!(
            "a module of {family} is in it and its integrity value holds, but {} is not a value of a validated module that the data knows: give a newer file of modules, or ask the publisher for the certificate",
            short(&found.stored)
        );
        let finding = Finding::new(Assurance::Identified, reason);
        let row = found
            .version
            .and_then(|version| self.modules.by_fips_version(found.family, version));
        match (row, found.version) {
            (Some(row), _) => {
                let standing = self.modules.standing(row, self.at);
                let standing = standing.filter(|one| one.certificate.is_none());
                Finding {
                    reasons: [
                        finding.reasons,
                        vec![format!("it calls itself {} {}", row.name, row.version)],
                    ]
                    .concat(),
                    name: Some(title(row)),
                    standing,
                    ..finding
                }
            }
            (None, Some(version)) => finding
                .named(family)
                .because(format!("it calls itself version {version}")),
            (None, None) => match text {
                Some(text) => finding
                    .named(text)
                    .because(format!("it calls itself {text}")),
                None => finding.named(family),
            },
        }
    }

    /// Returns why nothing is known about a certificate on the day of the judgement.
    fn before(&self, row: &ModuleRow) -> String {
        match Modules::first_day(row) {
            Some(first) => format!(
                "nothing is known of its state on {}: the first that is known is of {first}",
                self.at
            ),
            None => "nothing is known of its state".to_owned(),
        }
    }
}
