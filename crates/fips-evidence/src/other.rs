//! Packages that compute cryptography outside of any FIPS module.

use std::collections::BTreeMap;

use serde::Deserialize;

use dated_data::{Source, SourceQuality};

/// Packages that compute cryptography outside of any FIPS module: a row of `data/other-cryptography.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherRow {
    pub key: String,
    /// Import paths, each of which includes all packages below it.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Last elements of import paths outside of the standard library.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// Packages that compute nothing themselves, each of which includes all packages below it.
    #[serde(default)]
    pub helpers: Vec<String>,
    /// For packages that are mainly wrappers: prefixes of the names of the functions that compute cryptography.
    #[serde(default)]
    pub functions: BTreeMap<String, Vec<String>>,
    pub source: Source,
    pub evidence: SourceQuality,
}
