//! What the bytes of one program say, and where they say it. Nothing in here is a judgement.
//!
//! The types are written to the cache of images as they are, so all of them can be read back.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Everything that was read of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryFacts {
    /// Bytes of the file.
    pub size: u64,
    pub format: Format,
    /// Where the header tells it.
    pub arch: Option<Arch>,
    /// Why no statement can be made of what is inside, where that is so.
    pub opaque: Option<Unreadable>,
    /// Present for everything that the Go linker made.
    pub go: Option<Go>,
    /// FIPS modules of C that were found in the code, each with its integrity value computed again.
    /// A module whose own value no longer fits is among them.
    pub modules: Vec<Located>,
    /// Texts that only a FIPS build contains, without a place in a module that could be located.
    pub marks: Vec<Mark>,
    /// What the program says of itself to a person: the five words of `envoy --version`, ztunnel's
    /// provider, the version of AWS-LC.
    pub labels: Vec<Label>,
    /// Cryptographic libraries that the file is, has linked or loads.
    pub libraries: Vec<Library>,
    /// Texts of integrity tests that code refers to, for which no module was found the value of which fits: the
    /// module was changed, or its test names its bounds in a way that is not understood.
    pub unmatched_tests: Vec<Place>,
}

/// A cryptographic library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// `OpenSSL`, `ring`.
    pub name: String,
    /// Of its row in the data; empty where the code knows it.
    pub key: String,
    /// As its text has it: `1.1.1k  FIPS 25 Mar 2021`.
    pub version: Option<String>,
    pub link: Link,
    /// It is a build that is a FIPS module, by its own texts and name.
    pub is_fips: bool,
    /// What such a build calls itself: `Red Hat Enterprise Linux 9 - OpenSSL FIPS Provider`.
    pub module: Option<String>,
    /// What shows it.
    pub shown_by: String,
    pub place: Option<Place>,
}

/// How a file has a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The file is the library, by the name that it gives itself.
    Itself(String),
    Static,
    /// The name of the file that is loaded: `libcrypto.so.3`.
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
    /// Whether it is a program that was read whole and shows no cryptography of any kind.
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

/// Cryptography that is linked into a program and is no part of a FIPS module: a package or a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherCryptography {
    /// `golang.org/x/crypto/chacha20poly1305`, `ring 0.17.14`.
    pub name: String,
    /// What shows that it is linked: a function (`golang.org/x/crypto/chacha20poly1305.New`) or a text.
    pub shown_by: String,
    pub place: Option<Place>,
}

/// What kind of file it is, by its first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Elf {
        /// 32 or 64.
        bits: u8,
        big_endian: bool,
        /// The section headers are gone or damaged; what could be read came from segments or a raw scan.
        headerless: bool,
    },
    MachO,
    Pe,
    /// `#!`, with its interpreter.
    Script(String),
    Empty,
    Other,
}

/// Processor, by Go's name for it: `amd64`, `arm64`, `386`, `ppc64le`, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arch(pub String);

/// Why the inside cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unreadable {
    /// A packer made the file: its name, where it left that.
    Packed(Option<String>),
    /// Cut off, or its headers contradict each other: what is wrong.
    Damaged(String),
    /// A part for the linker, or the memory of a program that crashed.
    Unlinked,
    /// A format that is named and not read.
    Foreign,
}

/// Bytes of the file that a statement rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// From the start of the file.
    pub offset: u64,
    pub len: u64,
}

/// What the Go linker left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Go {
    /// As the linker wrote it: `go1.26.6-X:boringcrypto`, `go1.14.12b4`, Google's decorated ones too.
    pub version: Option<String>,
    /// Build settings: `GOFIPS140`, `GOEXPERIMENT`, `CGO_ENABLED`, `DefaultGODEBUG`, `-tags`, …
    pub settings: BTreeMap<String, String>,
    /// Path of the main package or module, where it was recorded.
    pub path: Option<String>,
    /// Where the build information stands.
    pub buildinfo: Option<Place>,
    /// What the program carries of its build for its own use; absent where nobody asked for it.
    #[serde(default)]
    pub carried: Option<Carried>,
    /// What the function names say; absent where no table of them was found.
    pub names: Option<Names>,
    /// The 32-byte sequences of `crypto/internal/boring/sig`; amd64 only.
    pub signatures: Signatures,
    /// `.go.fipsinfo` of Go 1.24 and later: FIPS build or not.
    pub fipsinfo: Option<Fipsinfo>,
    /// The symbol table (`.symtab`) is there: `goversion` gives no verdict without one.
    #[serde(default)]
    pub symbols: bool,
}

/// What a program carries of its build among its constants, where `runtime/debug` and the runtime itself
/// read it; the build information is a copy of that, for tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The build settings; none where no text has them, or several do that differ.
    pub settings: Option<BTreeMap<String, String>>,
    /// Where that text stands.
    pub place: Option<Place>,
    /// Where the GODEBUG stands that the runtime begins with: the whole value of `DefaultGODEBUG`.
    pub godebug: Option<Place>,
    /// The GODEBUG that the runtime begins with, located by the code that reads it: empty where the linker gave
    /// it none, absent where it could not be located.
    #[serde(default)]
    pub begins: Option<String>,
}

/// What the names in the function table tell.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a name of its own that is there or not"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Where the names stand.
    pub place: Option<Place>,
    /// The runtime of the program is told of this table, so that it is the program's own.
    pub told: bool,
    /// `crypto/internal/boring/sig.BoringCrypto`.
    pub boring: bool,
    /// `crypto/internal/boring/sig.StandardCrypto`.
    pub standard: bool,
    /// `crypto/internal/boring/sig.FIPSOnly`, or `crypto/tls/fipsonly`.
    pub fipsonly: bool,
    /// Number of calls into BoringCrypto: `crypto/internal/boring._Cfunc__goboringcrypto_*`.
    pub boring_calls: u32,
    /// The frozen version in the path of Go's own module: `v1.0.0-c2097c7c`.
    pub frozen: Option<String>,
    /// `crypto/internal/fips140/…` without a version.
    pub unfrozen: bool,
    /// A package of another FIPS toolchain: golang-fips/openssl, Microsoft's systemcrypto.
    pub foreign: Option<String>,
    /// `crypto/internal/backend`: what such a toolchain puts between its packages and the library, and what stays
    /// of it where a build has no library.
    #[serde(default)]
    pub backend: bool,
    /// `crypto/internal/fips140deps/hostfips`, with which a runtime knows `fips140=auto`.
    #[serde(default)]
    pub host_fips: bool,
    /// Any function of a package below `crypto/`, `vendor/golang.org/x/crypto/` or `golang.org/x/crypto/`
    /// that computes something; without one the program links no cryptography.
    pub cryptography: bool,
    /// The program calls C (`runtime/cgo`), so a module of C may be in it.
    pub cgo: bool,
    /// Packages outside the standard library that compute cryptography, in the order of their names.
    #[serde(default)]
    pub other: Vec<OtherCryptography>,
}

/// Which of the 32-byte sequences were found, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    pub boring: Option<Place>,
    pub standard: Option<Place>,
    pub fipsonly: Option<Place>,
}

/// Go's own module, as its linker sealed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fipsinfo {
    pub place: Place,
    /// Hex HMAC-SHA256 as it is stored.
    pub stored: String,
    /// The sealed ranges in the file: text, rodata, noptrdata, data.
    pub ranges: Vec<Place>,
    pub integrity: Integrity,
    /// What the function table says of the sealed code: looked at where the value holds and anything
    /// says FIPS build, absent where the table tells nothing.
    pub coverage: Option<Coverage>,
}

/// The functions in and around sealed code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Functions of Go's module that begin in it.
    pub functions: u32,
    /// The name of one that begins outside of it.
    pub outside: Option<String>,
    /// The name of a function of another package that begins in it.
    pub stranger: Option<String>,
    /// It begins where a function begins, and ends where one does.
    pub edges: bool,
}

/// An integrity value, computed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Integrity {
    Holds,
    /// The bytes give another value: hex.
    Differs(String),
    /// Why it could not be computed.
    NotComputed(String),
}

/// Which line of modules it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    BoringCrypto,
    AwsLc,
    Go,
    OpenSsl,
}

/// A module of C that was found in the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    pub family: Family,
    /// From the module's first to its last byte.
    pub place: Place,
    /// `sha256` or `sha512`.
    pub algorithm: String,
    /// Hex of the whole value that the file stores; for a module that was recognised although its
    /// stored value was changed, that changed value.
    pub stored: String,
    pub integrity: Integrity,
    /// Hex of the value that a known module of this shape has, where this is a damaged copy of one
    /// or the module itself; absent for a module that no row of the data knows.
    pub fingerprint: Option<String>,
    /// `FIPS_version()`: 2022061300; 0 is the update stream.
    pub version: Option<u32>,
    /// Where code outside of it calls its functions: the first such call that was seen. It is looked
    /// for where the value holds; absent, the module lies there unused.
    pub called: Option<Place>,
}

/// A text that only a FIPS build contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub family: Family,
    pub text: String,
    pub place: Place,
}

/// Words that a program says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// `envoy --version`, as far as the bytes tell it.
    Envoy {
        /// 40 hex digits.
        revision: Option<String>,
        version: Option<String>,
        /// `Clean`, `Modified`, `Distribution`.
        status: Option<String>,
        /// `RELEASE`, `DEBUG`.
        build: Option<String>,
        /// `BoringSSL`, `BoringSSL-FIPS`, …
        ssl: Option<String>,
        place: Place,
    },
    /// ztunnel's `tls-boring`, `tls-aws-lc`, `tls-ring`, `tls-openssl`.
    Ztunnel { provider: String, place: Place },
    /// `AWS-LC FIPS 3.0.0`.
    Library { text: String, place: Place },
}
