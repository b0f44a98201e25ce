//! Which packages compute cryptography outside of any FIPS module.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::istio::{Source, SourceQuality};

/// Packages that compute cryptography outside of any FIPS module: a row of `data/other-cryptography.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherRow {
    pub key: String,
    /// Import paths, each with all packages below it.
    #[serde(default)]
    pub packages: Vec<String>,
    /// Last elements of import paths outside the standard library.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// Packages that compute nothing themselves, each with all packages below it.
    #[serde(default)]
    pub helpers: Vec<String>,
    /// The beginnings of the names of those functions that compute, for packages that are wrappers otherwise.
    #[serde(default)]
    pub functions: BTreeMap<String, Vec<String>>,
    pub source: Source,
    pub evidence: SourceQuality,
}
