//! FIPS evidence out of the bytes of a program: `impl ReadAt → Evidence → Verdict`. Pure.
//!
//! [`read`] takes down what the bytes say and where, and judges nothing; [`Evidence::judge`] says what
//! that means by dated data ([`Modules`]). Nothing is run, nothing is trusted: a label is a label,
//! and only an integrity value that was computed again from the bytes proves a module.

mod boring;
mod bytes;
mod elf;
mod evidence;
mod fingerprint;
mod go;
mod native;
mod read;
#[cfg(test)]
mod sample;

pub use evidence::{
    Arch, Evidence, Family, Fipsinfo, Format, Go, Integrity, Label, Located, Mark, Names, Opaque,
    Place, Signatures,
};
pub use fingerprint::{Algorithm, Anchor, Fingerprint, Hex};
pub use go::GoVersion;
pub use read::read;
