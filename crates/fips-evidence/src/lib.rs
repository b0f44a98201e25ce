//! FIPS evidence from the bytes of a program: `impl ReadAt → BinaryFacts → Verdict`. Pure.
//!
//! [`read()`] records what the bytes contain and at which offset, and judges nothing.
//! [`BinaryFacts::judge`] states what that means, based on dated data ([`Modules`]). No program is run and
//! no text is trusted: a label is only a claim. The only proof of a module is an integrity value that was
//! computed again from the bytes.

mod assurance;
mod binary_facts;
mod boring;
mod bytes;
mod certificate;
mod configuration;
mod elf;
mod fingerprint;
#[cfg(any(test, fuzzing, feature = "test-support"))]
pub mod fuzz;
mod go;
mod judge;
mod keys;
mod libraries;
mod modules;
mod native;
mod other;
mod packed;
mod policy;
pub mod proof;
mod read;
mod reading;
mod recipes;
#[cfg(test)]
mod sample;
mod verdict;
mod work;

pub use assurance::{Assurance, Severity};
pub use binary_facts::{
    Arch, BinaryFacts, Carried, Coverage, Family, Fipsinfo, Format, Go, Integrity, Label, Library,
    Link, Located, Mark, Names, OtherCryptography, Place, Signatures, Unreadable,
};
pub use configuration::{
    Build, CompliancePolicies, Effect, Environment, ambient, approved_only, effects,
};
pub use elf::read_loaders;
pub use fingerprint::{Algorithm, Anchor, Fingerprint, Hex};
pub use go::GoVersion;
pub use judge::{Judge, ProgramRole, ProgramStatement, Subject};
pub use keys::{Key, KeyError, KeyRow, Secret};
pub use libraries::{FipsBuild, LibraryRow};
pub use modules::{
    Certificate, Limitation, ModuleRow, Modules, ModulesError, Rule, Standard, Standing, Statement,
    Status,
};
pub use other::OtherRow;
pub use policy::{CertificatePolicy, RequiredAssurance, UnknownName};

pub use read::{READER, read};
pub use reading::Reading;
pub use recipes::{Recipe, recipes};
pub use verdict::{AtStart, Kind, Step, Strength, Unsupported, Verdict};
pub use work::Work;

/// The dates of the data files of this crate: `[[file name, date], …]`, for [`dated_data::DataDate::embedded`].
pub const DATA_DATES: &str = include_str!(concat!(env!("OUT_DIR"), "/dates.json"));

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
