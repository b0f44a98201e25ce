//! The known cryptographic libraries, and how they are recognised.

use serde::Deserialize;

use dated_data::{Source, SourceQuality};

/// A cryptographic library: a row of `data/libraries.yaml`, which documents the fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LibraryRow {
    pub key: String,
    /// Name as its developers write it: `GnuTLS`.
    pub name: String,
    /// Prefixes of the names of its shared libraries: `libgcrypt.so`.
    #[serde(default)]
    pub sonames: Vec<String>,
    /// Complete C strings, each of which shows that the library is linked.
    #[serde(default)]
    pub texts: Vec<String>,
    /// Prefixes of C strings that are followed by its version.
    #[serde(default)]
    pub version_after: Vec<String>,
    /// Whether the version ends with a year: `OpenSSL 3.0.2 15 Mar 2022`.
    #[serde(default)]
    pub dated: bool,
    /// Rust packages, each of which is a library of its own.
    #[serde(default)]
    pub crates: Vec<String>,
    /// Where an ordinary build has its FIPS module.
    #[serde(default)]
    pub elsewhere: Option<String>,
    #[serde(default)]
    pub fips: Option<FipsBuild>,
    pub source: Source,
    pub evidence: SourceQuality,
}

/// How a build of a library that is a FIPS module is recognised.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FipsBuild {
    /// Name of the module, if it is not that of the library.
    #[serde(default)]
    pub name: Option<String>,
    /// Prefixes of the names of shared libraries that are always FIPS modules.
    #[serde(default)]
    pub sonames: Vec<String>,
    /// Complete C strings; only this build contains all of them.
    #[serde(default)]
    pub texts: Vec<String>,
    /// A word in its version, in lower case; the comparison ignores case.
    #[serde(default)]
    pub version_says: Option<String>,
    /// Parts of the text by which the build names itself and its vendor.
    #[serde(default)]
    pub named_by: Vec<String>,
    /// A word of that text that only builds other than FIPS builds have.
    #[serde(default)]
    pub denied_by: Option<String>,
    /// Whether its version is a C string of its own, and the only one of that form.
    #[serde(default)]
    pub version_alone: bool,
    /// Where the value of its integrity test is stored.
    pub integrity: String,
}

impl LibraryRow {
    /// Returns every text that shows something about the library.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        let fips = self.fips.iter();
        let fips = fips.flat_map(|fips| fips.texts.iter().chain(&fips.named_by));
        let own = self.texts.iter().chain(&self.version_after);
        own.chain(fips).map(String::as_str)
    }

    /// Checks whether a shared library of this name belongs to this library.
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
