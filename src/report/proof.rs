//! What the bytes of one program gave: the module, its certificate, and the chain that leads there.

use serde::Serialize;

use super::Severity;

/// The reading of one program and what it means, apart from whether that is acceptable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Proof {
    /// The image as it was named; absent for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Digest of the manifest of this platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Of the file, or inside the image.
    pub path: String,
    /// Bytes of the program.
    pub size: u64,
    /// Hex, of the program: its identity. Absent where it was not computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// `ELF 64-bit amd64, Go go1.26.8-X:boringcrypto`.
    pub program: String,
    /// `BoringCrypto 2022-06-13`; absent where there is no module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// Whether the program accepts approved algorithms only by the way it was built; absent where the
    /// bytes do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fipsonly: Option<bool>,
    /// Cryptography that is linked into the program and is no part of its module; empty where none was seen, and
    /// where the program has no module.
    pub other_cryptography: Vec<OtherCryptography>,
    /// What an auditor has to know of the validation, whether the statement is acceptable or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// Why the statement is what it is, and the next step where there is one.
    pub reasons: Vec<String>,
    /// Each step from the file to the certificate.
    pub chain: Vec<Statement>,
    /// What the recipes that auditors know would have said.
    pub recipes: Vec<Recipe>,
    pub judgement: Judgement,
}

/// A package or library that computes cryptography without the module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OtherCryptography {
    /// `golang.org/x/crypto/chacha20poly1305`, `ring 0.17.14`.
    pub name: String,
    /// The function or text that shows it: `golang.org/x/crypto/chacha20poly1305.New`.
    pub shown_by: String,
    /// `36 bytes at offset 0x4000`.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Proof {
    /// The names of other cryptography as one line, where there is any.
    pub(super) fn other_names(&self) -> Option<String> {
        let names = self.other_cryptography.iter().map(|one| one.name.as_str());
        let names: Vec<&str> = names.take(NAMES_SHOWN).collect();
        let left = self.other_cryptography.len() - names.len();
        match (names.is_empty(), left) {
            (true, _) => None,
            (false, 0) => Some(names.join(", ")),
            (false, left) => Some(format!("{} and {left} more", names.join(", "))),
        }
    }
}

/// Names of other cryptography that fit into a paragraph of a terminal; JSON has all of them.
const NAMES_SHOWN: usize = 12;

/// What is known of a module's validation, for the day that was judged for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Certificate {
    /// In the list of the CMVP; absent for a module without a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// `FIPS 140-3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// Overall security level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// As the CMVP's list names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// CAVP numbers of the tested algorithms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// Operational environments that the module was tested on; empty where no source that was read lists
    /// them: the security policy does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// NIST's own page of the certificate, for a reader to follow; it was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// NIST's copy of the security policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_policy: Option<String>,
    /// `active`, `historical`, `pending review`, `update stream`, …
    pub status: String,
    /// Whether it is on the CMVP's active list, by that status.
    pub active: bool,
    /// Where a pending module stands in the CMVP's list: `Comment Resolution - Lab`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Since when, and until when, where that is known: `2026-09-21`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// When the source last said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Days from that to the day that is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_days: Option<u32>,
    /// Where the statement was read.
    pub source: String,
    /// How sure it is: `docs`, `second-hand`, …
    pub evidence: String,
    /// What else the source says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Something to know of a validation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    pub kind: RemarkKind,
    pub severity: Severity,
    /// One sentence, without a full stop.
    pub message: String,
    /// Where it was read.
    pub source: String,
}

/// What a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// The certificate is historical or revoked.
    NotActive,
    /// The status was last seen longer ago than the limit for the age of data.
    Outdated,
    /// The validation does not cover something that programs with the module may do.
    Limitation,
}

/// One step of the chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Statement {
    pub what: String,
    /// `offset 0x4000, 753552 bytes`, a section, a row of the data.
    #[serde(rename = "where")]
    pub place: String,
    pub strength: Strength,
}

/// How much a step can bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Words that anybody can write: a version text, a tag, a marker.
    Label,
    /// Looked up in dated data.
    Data,
    /// Code, or the table of its functions.
    Code,
    /// An integrity value or a digest that was computed again.
    Recomputed,
}

impl Strength {
    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Strength::Label => "label",
            Strength::Code => "code",
            Strength::Data => "data",
            Strength::Recomputed => "recomputed",
        }
    }
}

/// What a known recipe would have printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Recipe {
    /// `goversion -crypto`, `envoy --version`, …
    pub tool: String,
    pub says: String,
    /// What an auditor would have taken from it, and why that is wrong, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub but: Option<String>,
}

/// Whether the statement is acceptable, and by what that was judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Judgement {
    /// `any`, `140-3-active`, `fedramp-2026`.
    pub policy: String,
    /// The day: `2026-11-23`.
    pub at: String,
    /// The floor, where one was set: `declared`, `proven`, `fipsonly`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require: Option<String>,
    /// Days that the status of a certificate may be old.
    pub max_data_age: u32,
    pub accepted: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Why the policy cannot be decided: the statement is neither accepted nor refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}
