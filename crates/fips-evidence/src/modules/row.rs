//! The rows of the data: modules, their certificates, and the limitations of a validation.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Standard, Statement, Status};
use crate::Family;
use dated_data::{Source, SourceQuality};

/// One module in one version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModuleRow {
    /// The name that fingerprints and a user's file use for it: `boringcrypto-20220613`.
    pub key: String,
    pub family: Family,
    /// Name as in the certificate.
    pub name: String,
    /// Version, such as `fips-20220613` or `v1.0.0`; empty if the source has none.
    #[serde(default)]
    pub version: String,
    /// Vendor as in the CMVP's list.
    #[serde(default)]
    pub vendor: Option<String>,
    /// Return value of `FIPS_version()`; 0 means the update stream.
    #[serde(default)]
    pub fips_version: Option<u32>,
    /// The version in the package path of Go's own module: `v1.0.0-c2097c7c`.
    #[serde(default)]
    pub frozen: Option<String>,
    /// Releases of dev.boringcrypto that contained it: `b5`.
    #[serde(default)]
    pub toolchains: Vec<String>,
    /// CAVP numbers.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// ESV numbers.
    #[serde(default)]
    pub entropy: Vec<String>,
    /// Which products contain it.
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
    /// Statements about the module that do not refer to a certificate.
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
    /// Absent if none of the sources lists them.
    #[serde(default)]
    pub environments: Option<Environments>,
    pub statements: Vec<Statement>,
}

/// The operational environments that a module was tested on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environments {
    /// One entry for each combination of operating system and hardware.
    pub tested: Vec<String>,
    pub source: Source,
    pub evidence: SourceQuality,
}

/// Something that a validation does not cover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limitation {
    /// A phrase, such as `no TLS 1.3 key derivation among the tested algorithms`.
    pub what: String,
    pub source: Source,
    pub evidence: SourceQuality,
}

/// A change of status for all certificates of one standard.
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
