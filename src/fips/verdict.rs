//! What the evidence means: the module statement, by dated data.
//!
//! The rungs are those of [`Assurance`]. Nothing is proven without an integrity value that was computed
//! again and a certificate; a label alone never counts for more than a label.

mod chain;
mod go;
mod located;
mod native;
mod other;
mod start;
mod toolchain;

use jiff::civil::Date;
use serde::Serialize;

use super::go::{DECIDING, fips140};
use super::modules::{ModuleRow, Modules, Standing};
use super::{BinaryFacts, Family, Format, Label, OtherCryptography, Place, Unreadable};
use crate::report::Assurance;

pub use start::{AtStart, Unsupported};
pub(super) use toolchain::Toolchain;

/// What is in one program, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub module: Assurance,
    /// `BoringCrypto fips-20220613`; absent where there is none.
    pub name: Option<String>,
    pub kind: Kind,
    /// `Go 1.26.6`, `Envoy 1.40.0`, `ztunnel`.
    pub program: String,
    /// The state of that module on the day that is judged, where something is known of it.
    pub standing: Option<Standing>,
    /// The program refuses what is not approved (`crypto/tls/fipsonly`, `fips140=only`); absent where
    /// the question has no meaning.
    pub fipsonly: Option<bool>,
    /// What a Go program does with its module at start, where its environment does not say that.
    pub at_start: AtStart,
    /// Why its module cannot be switched on.
    pub unsupported: Option<Unsupported>,
    /// Its runtime knows `fips140=auto`.
    pub knows_auto: bool,
    /// Its runtime knows `GODEBUG=fips140`: every build of Go that seals its cryptographic code.
    pub knows_fips140: bool,
    /// Cryptography that is linked into the program and is no part of its module; empty where it has no module.
    pub other_cryptography: Vec<OtherCryptography>,
    /// Configuration as built: `GOFIPS140=v1.0.0-c2097c7c`, `DefaultGODEBUG fips140=on`.
    pub configuration: Vec<String>,
    /// Why, in short sentences, with the next step where there is one; never empty.
    pub reasons: Vec<String>,
    /// From the file to the certificate.
    pub chain: Vec<Step>,
}

/// What kind of program it is: the build that configuration and keys are judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Go with its own cryptography.
    GoStandard,
    /// Go whose functions call BoringCrypto.
    GoBoring,
    /// Go with its own cryptographic module (`GOFIPS140`).
    GoModule,
    /// Go that calls the library of its image.
    GoForeign,
    Envoy,
    Ztunnel,
    /// Another program of the C linker.
    Native,
    ProgramReadError,
}

/// One statement of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub what: String,
    /// The bytes it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The data it rests on, with its date and how that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    pub strength: Strength,
}

/// How strong a statement of the chain is. Ordered from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Words that anybody can write into a file.
    Claimed,
    /// A row of data.
    Data,
    /// Code, or the table of its functions.
    Code,
    /// Computed again from the bytes.
    Computed,
}

/// What one way of looking at the evidence gives.
#[derive(Debug, Clone)]
struct Finding {
    module: Assurance,
    name: Option<String>,
    standing: Option<Standing>,
    reasons: Vec<String>,
}

impl Finding {
    fn new(module: Assurance, reason: impl Into<String>) -> Finding {
        Finding {
            module,
            name: None,
            standing: None,
            reasons: vec![reason.into()],
        }
    }

    fn named(self, name: impl Into<String>) -> Finding {
        Finding {
            name: Some(name.into()),
            ..self
        }
    }

    fn because(mut self, reason: impl Into<String>) -> Finding {
        self.reasons.push(reason.into());
        self
    }

    /// At most `module`, with the reason where that takes something away.
    fn at_most(self, module: Assurance, reason: impl Into<String>) -> Finding {
        if self.module <= module {
            return self;
        }
        Finding { module, ..self }.because(reason)
    }
}

/// The data and the day that a program is judged by.
#[derive(Clone, Copy)]
struct Ground<'a> {
    modules: &'a Modules,
    at: Date,
}

impl BinaryFacts {
    /// Judges the evidence of one program by the data, for a day.
    ///
    /// Configuration that is given from outside (`GODEBUG`, `COMPLIANCE_POLICY`) is not looked at.
    pub fn judge(&self, modules: &Modules, at: Date) -> Verdict {
        let ground = Ground { modules, at };
        let toolchain = Toolchain::of(self);
        let finding = unreadable(self).unwrap_or_else(|| {
            let located = ground.located(self);
            let finding = match &self.go {
                Some(go) => go::judge(self, go, located, ground),
                None => native::judge(self, located, ground),
            };
            match self.arch {
                Some(_) => finding,
                // No certificate and no stream is for bytes of which nobody knows whether they run.
                None => Finding {
                    standing: None,
                    ..finding.at_most(
                        Assurance::Declared,
                        "its headers cannot be read, so that which of its bytes are loaded is not known",
                    )
                },
            }
        });
        let kind = kind(self, &finding);
        Verdict {
            module: finding.module,
            kind,
            program: program(self, &toolchain),
            fipsonly: go::fipsonly(self, kind),
            at_start: self.go.as_ref().map_or(AtStart::Unknown, start::of),
            unsupported: self.go.as_ref().and_then(start::unsupported),
            knows_auto: self.go.as_ref().is_some_and(start::knows_auto),
            knows_fips140: self.go.as_ref().is_some_and(start::knows_fips140),
            other_cryptography: other::besides_module(self, kind, finding.module),
            configuration: configuration(self),
            chain: chain::chain(self, ground, finding.standing.as_ref()),
            name: finding.name,
            standing: finding.standing,
            reasons: finding.reasons,
        }
    }
}

/// Why no statement can be made, where that is so.
fn unreadable(evidence: &BinaryFacts) -> Option<Finding> {
    let why = match (&evidence.format, &evidence.opaque) {
        (Format::Script(interpreter), _) => format!(
            "a script for {interpreter}, not a program: what it prints of itself proves nothing; inspect what it starts"
        ),
        (Format::Empty, _) => "the file is empty".to_owned(),
        (Format::MachO, _) => "a program for macOS (Mach-O): only ELF is read".to_owned(),
        (Format::Pe, _) => "a program for Windows (PE): only ELF is read".to_owned(),
        (Format::Other, _) if evidence.go.is_some() || !evidence.marks.is_empty() => {
            "no header of a program, which was wiped: no system runs it; get the file from its source again"
                .to_owned()
        }
        (Format::Other, _) => "no program: neither ELF nor a script".to_owned(),
        (_, Some(Unreadable::Packed(packer))) => {
            let by = packer.as_deref().unwrap_or("a packer that left no name");
            format!("packed with {by}, which hides all that is inside: unpack it and inspect that")
        }
        (_, Some(Unreadable::Damaged(what))) => {
            format!("damaged ({what}): get the file from its source again")
        }
        (_, Some(Unreadable::Unlinked)) => {
            "no program, but a part for the linker or what a crash left: inspect the program itself"
                .to_owned()
        }
        (_, Some(Unreadable::Foreign)) => "a format that is not read".to_owned(),
        (Format::Elf { .. }, None) => return None,
    };
    Some(Finding::new(Assurance::Unknown, why))
}

fn kind(evidence: &BinaryFacts, finding: &Finding) -> Kind {
    if finding.module == Assurance::Unknown {
        return Kind::ProgramReadError;
    }
    if let Some(go) = &evidence.go {
        return go::kind(go);
    }
    let label = evidence.labels.iter().find_map(|label| match label {
        Label::Envoy { .. } => Some(Kind::Envoy),
        Label::Ztunnel { .. } => Some(Kind::Ztunnel),
        Label::Library { .. } => None,
    });
    label.unwrap_or(Kind::Native)
}

fn program(evidence: &BinaryFacts, toolchain: &Toolchain) -> String {
    if evidence.go.is_some() {
        return toolchain.name();
    }
    let named = evidence.labels.iter().find_map(|label| match label {
        Label::Envoy { version, .. } => Some(match version {
            Some(version) => format!("Envoy {version}"),
            None => "Envoy".to_owned(),
        }),
        Label::Ztunnel { .. } => Some("ztunnel".to_owned()),
        Label::Library { .. } => None,
    });
    named.unwrap_or_else(|| match &evidence.format {
        Format::Elf { .. } => "native program".to_owned(),
        Format::Script(_) => "script".to_owned(),
        _ => "file".to_owned(),
    })
}

fn configuration(evidence: &BinaryFacts) -> Vec<String> {
    let Some(go) = &evidence.go else {
        return Vec::new();
    };
    let named = DECIDING
        .iter()
        .filter_map(|key| Some((*key, go.build_settings().get(*key)?)));
    let said = named.filter_map(|(key, value)| match key {
        "DefaultGODEBUG" => {
            let value = fips140(value)?;
            Some(format!("DefaultGODEBUG fips140={value}"))
        }
        _ => Some(format!("{key}={value}")),
    });
    said.collect()
}

/// `BoringCrypto fips-20220613`.
fn title(row: &ModuleRow) -> String {
    format!("{} {}", row.name, row.version)
        .trim_end()
        .to_owned()
}

pub(super) fn name_of(family: Family) -> &'static str {
    match family {
        Family::BoringCrypto => "BoringCrypto",
        Family::AwsLc => "AWS-LC",
        Family::Go => "Go Cryptographic Module",
        Family::OpenSsl => "OpenSSL",
    }
}

/// The first digits of a long value: enough to compare by eye.
fn short(value: &str) -> &str {
    value.get(..16).unwrap_or(value)
}

#[cfg(test)]
mod tests;
