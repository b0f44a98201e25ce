//! Which cryptographic libraries there are, and how they are recognised.

use serde::Deserialize;

use crate::istio::{Source, SourceQuality};

/// A cryptographic library: a row of `data/libraries.yaml`, which says what each field means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LibraryRow {
    pub key: String,
    /// As its makers write it: `GnuTLS`.
    pub name: String,
    /// Beginnings of the names of its shared libraries: `libgcrypt.so`.
    #[serde(default)]
    pub sonames: Vec<String>,
    /// Whole texts of C, each of which shows that it is linked.
    #[serde(default)]
    pub texts: Vec<String>,
    /// Beginnings of texts that its version follows.
    #[serde(default)]
    pub version_after: Vec<String>,
    /// Such a text ends with a year: `OpenSSL 3.0.2 15 Mar 2022`.
    #[serde(default)]
    pub dated: bool,
    /// Packages of Rust, each of which is a library of its own.
    #[serde(default)]
    pub crates: Vec<String>,
    /// Where the FIPS module of an ordinary build would be.
    #[serde(default)]
    pub elsewhere: Option<String>,
    #[serde(default)]
    pub fips: Option<FipsBuild>,
    pub source: Source,
    pub evidence: SourceQuality,
}

/// What makes a library a FIPS module.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FipsBuild {
    /// Where it is not that of the library.
    #[serde(default)]
    pub name: Option<String>,
    /// Beginnings of the names of shared libraries that are always FIPS modules.
    #[serde(default)]
    pub sonames: Vec<String>,
    /// Whole texts of C that only this build has all of.
    #[serde(default)]
    pub texts: Vec<String>,
    /// A word in its version, whatever its case.
    #[serde(default)]
    pub version_says: Option<String>,
    /// Parts of the text by which the build names itself and its maker.
    #[serde(default)]
    pub named_by: Vec<String>,
    /// A word of that text that only builds other than FIPS builds have.
    #[serde(default)]
    pub denied_by: Option<String>,
    /// Its version is a text by itself, and the only one of that form.
    #[serde(default)]
    pub version_alone: bool,
    /// Where the value of its integrity test is kept.
    pub integrity: String,
}

impl LibraryRow {
    /// Every text that shows something of it.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        let fips = self.fips.iter();
        let fips = fips.flat_map(|fips| fips.texts.iter().chain(&fips.named_by));
        let own = self.texts.iter().chain(&self.version_after);
        own.chain(fips).map(String::as_str)
    }

    /// Whether a shared library of this name is one of its own.
    pub(super) fn is_named(&self, soname: &str) -> bool {
        begins_with_any(soname, &self.sonames)
    }
}

impl FipsBuild {
    pub(super) fn is_named(&self, soname: &str) -> bool {
        begins_with_any(soname, &self.sonames)
    }
}

fn begins_with_any(name: &str, starts: &[String]) -> bool {
    starts.iter().any(|start| name.starts_with(start.as_str()))
}
