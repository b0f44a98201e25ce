//! What the evidence means: the module statement, based on dated data.
//!
//! The levels are those of [`Assurance`]. A module is proven only by an integrity value that was computed
//! again, together with a certificate. A label alone never counts for more than a label.

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
use crate::Assurance;

pub use start::{AtStart, Unsupported};
pub(super) use toolchain::Toolchain;

/// The judgement of one program: which module it contains, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub module: Assurance,
    /// Name of the module, such as `BoringCrypto fips-20220613`; absent if there is none.
    pub name: Option<String>,
    pub kind: Kind,
    /// Name of the program: `Go 1.26.6`, `Envoy 1.40.0`, `ztunnel`.
    pub program: String,
    /// The state of that module on the day of the judgement; absent if nothing is known about it.
    pub standing: Option<Standing>,
    /// Whether the program refuses algorithms that are not approved (`crypto/tls/fipsonly`,
    /// `fips140=only`); absent if the question does not apply to this kind of program or cannot be
    /// answered.
    pub fipsonly: Option<bool>,
    /// What a Go program does with its module at start if its environment does not set `fips140`.
    pub at_start: AtStart,
    /// Why the module cannot be switched on; absent if it can.
    pub unsupported: Option<Unsupported>,
    /// Whether the runtime supports `fips140=auto`.
    pub knows_auto: bool,
    /// Whether the runtime supports `GODEBUG=fips140`, as every Go version does that seals its
    /// cryptographic code.
    pub knows_fips140: bool,
    /// Cryptography that is linked into the program and does not belong to its module; empty if it has no
    /// module.
    pub other_cryptography: Vec<OtherCryptography>,
    /// The configuration at build time: `GOFIPS140=v1.0.0-c2097c7c`, `DefaultGODEBUG fips140=on`.
    pub configuration: Vec<String>,
    /// The reasons in short sentences, with the next step if there is one; never empty.
    pub reasons: Vec<String>,
    /// The chain of statements from the file to the certificate.
    pub chain: Vec<Step>,
}

/// The kind of a program, which determines how its configuration and keys are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A Go program that uses the ordinary cryptography of Go.
    GoStandard,
    /// A Go program that calls BoringCrypto.
    GoBoring,
    /// A Go program with Go's own cryptographic module (`GOFIPS140`).
    GoModule,
    /// A Go program that calls the cryptographic library of its image.
    GoForeign,
    Envoy,
    Ztunnel,
    /// Any other program that the Go linker did not make.
    Native,
    ProgramReadError,
}

/// One statement of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub what: String,
    /// The bytes that the statement is based on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The data that the statement is based on, with the source and its quality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    pub strength: Strength,
}

/// The strength of a statement of the chain. Ordered from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Words that anyone can write: a version text, a tag, a marker.
    Label,
    /// A row of the dated data.
    Data,
    /// Code, or the table of its functions.
    Code,
    /// An integrity value or a digest that was computed again from the bytes.
    Recomputed,
}

impl Strength {
    /// Returns the word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Strength::Label => "label",
            Strength::Code => "code",
            Strength::Data => "data",
            Strength::Recomputed => "recomputed",
        }
    }
}

/// The result of one method of judging the evidence.
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

    /// Limits the assurance to `module`, and adds the reason if that lowers it.
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
    /// Judges the evidence of one program by the data, for the day `at`.
    ///
    /// Does not consider configuration from outside of the program (`GODEBUG`, `COMPLIANCE_POLICY`).
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
                // A certificate or an update stream does not apply to bytes that may never be loaded.
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

/// Returns a finding with the reason why nothing can be stated about the program, if there is one.
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

/// Returns name and version of a module, such as `BoringCrypto fips-20220613`.
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

/// Returns the first digits of a long value, which are enough to compare by eye.
fn short(value: &str) -> &str {
    value.get(..16).unwrap_or(value)
}

#[cfg(test)]
mod tests;
