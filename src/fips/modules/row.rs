//! The rows of the data: modules, their certificates, and what a validation leaves out.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Standard, Statement, Status};
use crate::fips::Family;
use crate::istio::{Source, SourceQuality};

/// One module in one version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModuleRow {
    /// What fingerprints and a user's file name it by: `boringcrypto-20220613`.
    pub key: String,
    pub family: Family,
    /// As its certificate names it.
    pub name: String,
    /// `fips-20220613`, `v1.0.0`; empty where the source names none.
    #[serde(default)]
    pub version: String,
    /// As the CMVP's list names it.
    #[serde(default)]
    pub vendor: Option<String>,
    /// What `FIPS_version()` answers; 0 is the update stream.
    #[serde(default)]
    pub fips_version: Option<u32>,
    /// The version in the package path of Go's own module: `v1.0.0-c2097c7c`.
    #[serde(default)]
    pub frozen: Option<String>,
    /// Releases of dev.boringcrypto that had it: `b5`.
    #[serde(default)]
    pub toolchains: Vec<String>,
    /// CAVP numbers.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// ESV numbers.
    #[serde(default)]
    pub entropy: Vec<String>,
    /// Which products have it.
    #[serde(default)]
    pub contains: String,
    #[serde(default)]
    pub note: String,
    /// What the validation does not cover, although programs with the module may do it.
    #[serde(default)]
    pub limitations: Vec<Limitation>,
    pub source: Source,
    pub evidence: SourceQuality,
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// What is said of a module without a certificate.
    #[serde(default)]
    pub statements: Vec<Statement>,
}

/// A certificate of the CMVP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub number: u32,
    pub standard: Standard,
    /// Overall security level.
    #[serde(default)]
    pub level: Option<u8>,
    /// Absent where no source that was read lists them.
    #[serde(default)]
    pub environments: Option<Environments>,
    pub statements: Vec<Statement>,
}

/// The operational environments that a module was tested on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environments {
    /// One for each combination of operating system and hardware.
    pub tested: Vec<String>,
    pub source: Source,
    pub evidence: SourceQuality,
}

/// Something that a validation does not cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limitation {
    /// A phrase: `no TLS 1.3 key derivation among the tested algorithms`.
    pub what: String,
    pub source: Source,
    pub evidence: SourceQuality,
}

/// Something that happens to all certificates of one standard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub key: String,
    pub standard: Standard,
    pub status: Status,
    pub from: Date,
    #[serde(default)]
    pub note: String,
    pub source: Source,
    pub evidence: SourceQuality,
}
