//! What the bytes of one program contain, and at which offset. Nothing here is a judgement.
//!
//! The image cache stores these types unchanged, so all of them can be deserialized.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Everything that was read from one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryFacts {
    /// Size of the file in bytes.
    pub size: u64,
    pub format: Format,
    /// Absent if the header does not name a known processor.
    pub arch: Option<Arch>,
    /// Why nothing can be stated about the content; absent if the content could be read.
    pub opaque: Option<Unreadable>,
    /// Present for every program that the Go linker made.
    pub go: Option<Go>,
    /// FIPS modules in C that were found in the code, each with its integrity value computed again. A
    /// module that no longer matches its own value is included.
    pub modules: Vec<Located>,
    /// Texts that only a FIPS build contains, whether or not a module could be located.
    pub marks: Vec<Mark>,
    /// What the program tells users about itself: the five words of `envoy --version`, ztunnel's provider,
    /// the version of AWS-LC.
    pub labels: Vec<Label>,
    /// Cryptographic libraries that the file is, has linked or loads.
    pub libraries: Vec<Library>,
    /// Texts of integrity tests that code refers to, but for which no module with a matching value was
    /// found: the module was changed, or its test names its bounds in a form that is not supported.
    pub unmatched_tests: Vec<Place>,
}

/// A cryptographic library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// Name, such as `OpenSSL` or `ring`.
    pub name: String,
    /// Key of its row in the data; empty for a library that is recognised without a row.
    pub key: String,
    /// Version as its text has it, such as `1.1.1k  FIPS 25 Mar 2021`.
    pub version: Option<String>,
    pub link: Link,
    /// Whether it is a build that is a FIPS module, according to its own texts and name.
    pub is_fips: bool,
    /// Name that such a build gives itself: `Red Hat Enterprise Linux 9 - OpenSSL FIPS Provider`.
    pub module: Option<String>,
    /// The text, path or library name that shows it.
    pub shown_by: String,
    pub place: Option<Place>,
}

/// How a file contains or uses a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The file is the library, under the name that it gives itself (`DT_SONAME`).
    Itself(String),
    Static,
    /// The name of the file that is loaded, such as `libcrypto.so.3`.
    Loaded(String),
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.link, &self.version) {
            (Link::Loaded(soname), _) => f.write_str(soname),
            (_, Some(version)) => write!(f, "{} {version}", self.name),
            (_, None) => f.write_str(&self.name),
        }
    }
}

impl BinaryFacts {
    /// Checks whether this is an ELF program that was read completely and contains no cryptography of any
    /// kind.
    pub fn has_no_cryptography(&self) -> bool {
        let of_go = |go: &Go| {
            let names = go.names.as_ref();
            !names
                .is_some_and(|names| !names.cryptography && !names.boring && names.other.is_empty())
        };
        matches!(self.format, Format::Elf { .. })
            && self.opaque.is_none()
            && self.modules.is_empty()
            && self.marks.is_empty()
            && self.labels.is_empty()
            && self.libraries.is_empty()
            && !self.go.as_ref().is_some_and(of_go)
    }
}

/// Cryptography that is linked into a program and does not belong to a FIPS module: a package or a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherCryptography {
    /// Name, such as `golang.org/x/crypto/chacha20poly1305` or `ring 0.17.14`.
    pub name: String,
    /// What shows that it is linked: a function (`golang.org/x/crypto/chacha20poly1305.New`) or a text.
    pub shown_by: String,
    pub place: Option<Place>,
}

/// The kind of a file, detected from its first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Elf {
        /// 32 or 64.
        bits: u8,
        big_endian: bool,
        /// The section headers are missing or damaged. What could be read comes from segments or a raw
        /// scan.
        headerless: bool,
    },
    MachO,
    Pe,
    /// A script (`#!`), with its interpreter.
    Script(String),
    Empty,
    Other,
}

/// A processor by Go's name for it: `amd64`, `arm64`, `386`, `ppc64le`, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arch(pub String);

/// Why the content of a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unreadable {
    /// The file was packed. Contains the name of the packer if its mark is present.
    Packed(Option<String>),
    /// The file is cut off, or its headers contradict each other. Contains the reason.
    Damaged(String),
    /// An object file for the linker, or a core dump.
    Unlinked,
    /// A format that is recognised but not read.
    Foreign,
}

/// A range of the file that a statement is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Offset from the start of the file.
    pub offset: u64,
    pub len: u64,
}

/// What the Go linker left in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Go {
    /// Version as the linker wrote it: `go1.26.6-X:boringcrypto`, `go1.14.12b4`; also Google's decorated
    /// versions.
    pub version: Option<String>,
    /// Build settings: `GOFIPS140`, `GOEXPERIMENT`, `CGO_ENABLED`, `DefaultGODEBUG`, `-tags`, …
    pub settings: BTreeMap<String, String>,
    /// Path of the main package or module, if it was recorded.
    pub path: Option<String>,
    /// Position of the build information.
    pub buildinfo: Option<Place>,
    /// What the program contains about its build for its own use. It is read only if the program may
    /// contain Go's own FIPS module, and absent otherwise.
    #[serde(default)]
    pub carried: Option<Carried>,
    /// What the function names show; absent if no function table was found.
    pub names: Option<Names>,
    /// The 32-byte sequences of `crypto/internal/boring/sig`; amd64 only.
    pub signatures: Signatures,
    /// The seal `.go.fipsinfo` of Go 1.24 and later, which every build has, FIPS build or not.
    pub fipsinfo: Option<Fipsinfo>,
    /// Whether the symbol table (`.symtab`) is present: `goversion` gives no verdict without one.
    #[serde(default)]
    pub symbols: bool,
}

/// What a program contains about its build among its constants, where `runtime/debug` and the runtime
/// itself read it. The build information is a copy of it for tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The build settings; absent if no text contains them, or if several texts contain different ones.
    pub settings: Option<BTreeMap<String, String>>,
    /// Position of that text.
    pub place: Option<Place>,
    /// Position of the GODEBUG that the runtime starts with: the whole value of `DefaultGODEBUG`.
    pub godebug: Option<Place>,
    /// The GODEBUG that the runtime starts with, located through the code that reads it. Empty if the
    /// linker did not set it, absent if it could not be located.
    #[serde(default)]
    pub begins: Option<String>,
}

/// What the names in the function table show.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a name of its own that is there or not"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Position of the names.
    pub place: Option<Place>,
    /// Whether the program's runtime references this table, which shows that the table is the program's
    /// own.
    pub told: bool,
    /// `crypto/internal/boring/sig.BoringCrypto`.
    pub boring: bool,
    /// `crypto/internal/boring/sig.StandardCrypto`.
    pub standard: bool,
    /// `crypto/internal/boring/sig.FIPSOnly`, or `crypto/tls/fipsonly`.
    pub fipsonly: bool,
    /// Number of functions that call into BoringCrypto: `crypto/internal/boring._Cfunc__goboringcrypto_*`.
    pub boring_calls: u32,
    /// The frozen version in the package path of Go's own module: `v1.0.0-c2097c7c`.
    pub frozen: Option<String>,
    /// `crypto/internal/fips140/…` without a version.
    pub unfrozen: bool,
    /// A package of another FIPS toolchain: golang-fips/openssl, Microsoft's systemcrypto.
    pub foreign: Option<String>,
    /// `crypto/internal/backend`: the package that such a toolchain puts between its packages and the
    /// library. It remains in a build without the library.
    #[serde(default)]
    pub backend: bool,
    /// `crypto/internal/fips140deps/hostfips`: a runtime with this package supports `fips140=auto`.
    #[serde(default)]
    pub host_fips: bool,
    /// Whether there is any function of a package below `crypto/`, `vendor/golang.org/x/crypto/` or
    /// `golang.org/x/crypto/` that computes something. Without one, the program links no cryptography.
    pub cryptography: bool,
    /// Whether the program uses C (`runtime/cgo`), so that a module in C may be linked into it.
    pub cgo: bool,
    /// Packages outside the standard library that compute cryptography, sorted by name.
    #[serde(default)]
    pub other: Vec<OtherCryptography>,
}

/// Which of the 32-byte sequences were found, and at which position.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    pub boring: Option<Place>,
    pub standard: Option<Place>,
    pub fipsonly: Option<Place>,
}

/// The seal of Go's own module, as Go's linker writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fipsinfo {
    pub place: Place,
    /// Hex HMAC-SHA256 as stored in the file.
    pub stored: String,
    /// The sealed ranges in the file: text, rodata, noptrdata, data.
    pub ranges: Vec<Place>,
    pub integrity: Integrity,
    /// What the function table shows about the sealed code. It is read only if the value holds and the
    /// program may be a FIPS build; absent if the table does not show it.
    pub coverage: Option<Coverage>,
}

/// Which functions begin inside and outside of the sealed code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Number of functions of Go's module that begin in the sealed code.
    pub functions: u32,
    /// Name of a function of Go's module that begins outside of the sealed code.
    pub outside: Option<String>,
    /// Name of a function of another package that begins in the sealed code.
    pub stranger: Option<String>,
    /// Whether a function begins at the start of the sealed code, and one at its end.
    pub edges: bool,
}

/// The result of computing an integrity value again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrity {
    Holds,
    /// The bytes give another value, in hex.
    Differs(String),
    /// Why the value could not be computed.
    NotComputed(String),
}

/// A line of cryptographic modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    BoringCrypto,
    AwsLc,
    Go,
    OpenSsl,
}

/// A module in C that was found in the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    pub family: Family,
    /// From the first to the last byte of the module.
    pub place: Place,
    /// `sha256` or `sha512`.
    pub algorithm: String,
    /// Hex of the complete value that the file stores. If the stored value of a recognised module was
    /// changed, this is the changed value.
    pub stored: String,
    pub integrity: Integrity,
    /// Hex of the integrity value of the known module that this is, or is a damaged copy of; absent for a
    /// module that was not recognised by a row of the data.
    pub fingerprint: Option<String>,
    /// Return value of `FIPS_version()`, such as 2022061300; 0 means the update stream.
    pub version: Option<u32>,
    /// The first call that was seen from code outside of the module to one of its functions. It is searched
    /// for only if the value holds. If it is then absent, no code was seen to use the module.
    pub called: Option<Place>,
}

/// A text that only a FIPS build contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub family: Family,
    pub text: String,
    pub place: Place,
}

/// A text by which a program describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// The words of `envoy --version`, as far as the file contains them.
    Envoy {
        /// 40 hex digits.
        revision: Option<String>,
        version: Option<String>,
        /// One of `Clean`, `Modified`, `Distribution`.
        status: Option<String>,
        /// One of `RELEASE`, `DEBUG`.
        build: Option<String>,
        /// The library: `BoringSSL`, `BoringSSL-FIPS`, …
        ssl: Option<String>,
        place: Place,
    },
    /// The provider of a ztunnel: `tls-boring`, `tls-aws-lc`, `tls-ring`, `tls-openssl`.
    Ztunnel { provider: String, place: Place },
    /// The version text of AWS-LC: `AWS-LC FIPS 3.0.0`.
    Library { text: String, place: Place },
}
