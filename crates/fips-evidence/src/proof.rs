//! What was read from the bytes of one program: the module, its certificate, and the chain of statements from one to
//! the other.

use serde::Serialize;

use super::{Recipe, Severity, Strength};

/// The evidence read from one program: its meaning, and the judgement on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Proof {
    /// The image as the user or the plan names it; absent for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Digest of the image manifest for this platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Path of the file, or path inside the image.
    pub path: String,
    /// Size of the program in bytes.
    pub size: u64,
    /// SHA-256 of the program in hex, which identifies it. Absent if it was not computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// `ELF 64-bit amd64, Go go1.26.8-X:boringcrypto`.
    pub program: String,
    /// `BoringCrypto 2022-06-13`; absent if there is no module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// Whether the build of the program restricts it to approved algorithms; absent if the bytes do not show that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fipsonly: Option<bool>,
    /// Cryptography that is linked into the program and is not part of its module; empty if none was found, and if the
    /// program has no module.
    pub other_cryptography: Vec<OtherCryptography>,
    /// What an auditor must know about the validation, whether the statement is acceptable or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Remark>,
    /// Why the statement is what it is, and the next step if there is one.
    pub reasons: Vec<String>,
    /// Each step from the file to the certificate.
    pub chain: Vec<Statement>,
    /// What other tools that auditors know would report.
    pub recipes: Vec<Recipe>,
    pub judgement: Judgement,
}

/// A package or library that implements cryptography outside of the module.
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
    /// Joins the names of other cryptography into one line; `None` if there are none.
    pub fn other_names(&self) -> Option<String> {
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

/// How many names of other cryptography fit into a paragraph of a terminal; JSON has all of them.
const NAMES_SHOWN: usize = 12;

/// The validation of a module, as it is known on the day of the judgement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Certificate {
    /// Number in the CMVP's list; absent for a module without a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// `FIPS 140-3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// Overall security level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Name of the vendor in the CMVP's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// CAVP numbers of the tested algorithms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// Operational environments that the module was tested on; empty if no source that was read lists them. The
    /// security policy always does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// NIST's page of the certificate, as a link for the reader; this program did not read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// NIST's copy of the security policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_policy: Option<String>,
    /// `active`, `historical`, `pending review`, `update stream`, …
    pub status: String,
    /// Whether that status means that it is on the CMVP's active list.
    pub active: bool,
    /// The stage of a pending module in the CMVP's list: `Comment Resolution - Lab`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Start and end of the validity, if known: `2026-09-21`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Day on which the source was last seen to say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Days from `seen` to the day of the judgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_days: Option<u32>,
    /// Where the statement was read.
    pub source: String,
    /// Quality of the source: `docs`, `second-hand`, …
    pub evidence: String,
    /// What else the source says about the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A remark on a validation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Remark {
    pub kind: RemarkKind,
    pub severity: Severity,
    /// One sentence, without a full stop.
    pub message: String,
    /// Where the remark was read.
    pub source: String,
}

/// The subject of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// The certificate is historical or revoked.
    NotActive,
    /// The status was last seen longer ago than the limit for the age of data.
    Outdated,
    /// The validation does not cover something that programs with the module can do.
    Limitation,
}

impl RemarkKind {
    /// Returns the word that JSON has for it.
    pub fn code(self) -> &'static str {
        match self {
            RemarkKind::NotActive => "not-active",
            RemarkKind::Outdated => "outdated",
            RemarkKind::Limitation => "limitation",
        }
    }
}

/// One step of the chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Statement {
    pub what: String,
    /// Where it was found: `offset 0x4000, 753552 bytes`, a section, a row of the data.
    #[serde(rename = "where")]
    pub place: String,
    pub strength: Strength,
}

/// The judgement whether the statement is acceptable, and the rules for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Judgement {
    /// `any`, `140-3-active`, `fedramp-2026`.
    pub policy: String,
    /// The day of the judgement: `2026-11-23`.
    pub at: String,
    /// The required assurance, if one was set: `declared`, `proven`, `fipsonly`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require: Option<String>,
    /// How many days old the status of a certificate may be.
    pub max_data_age: u32,
    pub accepted: bool,
    /// Why the statement is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Why the policy cannot be decided: the statement is neither accepted nor refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}
