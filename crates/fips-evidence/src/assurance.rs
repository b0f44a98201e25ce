//! The words of the proof scale, and how serious something is.

use serde::Serialize;

/// The statement about the cryptographic module in a program. Ordered from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// Could not be read.
    Unknown,
    /// A label says FIPS and the module is missing, the integrity value of a located module differs, or sources
    /// disagree.
    Contradicted,
    /// No FIPS module, or no cryptography at all.
    Standard,
    /// Only labels, build information, metrics, or texts of a module that could not be located say FIPS.
    Declared,
    /// The integrity value is correct, but the module is not, or not yet, validated.
    Identified,
    /// The integrity value was recomputed from the bytes, and the module has a certificate.
    Proven,
}

impl Assurance {
    /// Returns the word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Assurance::Unknown => "unknown",
            Assurance::Contradicted => "contradicted",
            Assurance::Standard => "standard",
            Assurance::Declared => "declared",
            Assurance::Identified => "identified",
            Assurance::Proven => "proven",
        }
    }
}

/// How serious a finding is. Ordered from the least to the most serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Error,
}
