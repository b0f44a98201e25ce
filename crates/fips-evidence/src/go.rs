//! What the Go linker leaves in a program, whether stripped or not.

mod buildinfo;
mod carried;
mod fipsinfo;
#[cfg(any(test, fuzzing, feature = "test-support"))]
pub(super) mod fuzz;
mod pclntab;
mod quoted;
mod signature;
mod version;

use std::collections::BTreeMap;
use std::io;

use super::bytes::{Bytes, SCAN_LIMIT};
use super::elf::Layout;
use super::other::OtherRow;
use super::{Arch, Go, Integrity, Place};
use buildinfo::Build;
use pclntab::Tables;

pub use version::GoVersion;

/// Build settings that determine the cryptography; the last two are those of Microsoft's toolchain.
pub(super) const DECIDING: [&str; 7] = [
    "GOEXPERIMENT",
    "CGO_ENABLED",
    "GOFIPS140",
    "-tags",
    "DefaultGODEBUG",
    "microsoft_systemcrypto",
    "microsoft_toolset_version",
];

/// Reads everything that the Go linker left. Returns `None` if there is no build information, no function table and
/// no seal of the FIPS module: another linker made the program.
pub(super) fn read(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    other: &[OtherRow],
) -> io::Result<Option<Go>> {
    let functions = match pclntab::read(bytes, layout, other)? {
        Tables::Own(functions) => Some(functions),
        Tables::None => None,
        // All other data of Go in the file belongs to the embedded programs as well.
        Tables::Carried => return Ok(None),
    };
    let build = buildinfo::read(bytes, layout)?;
    let mut fipsinfo = fipsinfo::read(bytes, layout)?;
    if build.is_none() && functions.is_none() && fipsinfo.is_none() {
        return Ok(None);
    }
    let frozen = functions
        .as_ref()
        .is_some_and(|functions| functions.names.frozen.is_some());
    let keyed = frozen
        || build.as_ref().is_none_or(|build| {
            build.settings.is_empty() || build.settings.contains_key("GOFIPS140")
        });
    if let (Some(functions), Some(layout), Some(seal)) = (&functions, layout, &mut fipsinfo)
        && keyed
        && seal.integrity == Integrity::Holds
        && let Some(&code) = seal.ranges.first()
    {
        seal.coverage = functions.coverage(bytes, layout, code)?;
    }
    let mut carried = keyed
        .then(|| carried::read(bytes, layout, build.as_ref()))
        .transpose()?;
    if let (Some(carried), Some(functions), Some(layout)) = (&mut carried, &functions, layout) {
        carried.begins = functions.godebug(bytes, layout)?;
    }
    let names = functions.map(|functions| functions.names);
    let arch = layout.and_then(|layout| layout.arch.as_ref());
    let signatures = match arch {
        Some(Arch(name)) if name != "amd64" => super::Signatures::default(),
        _ => signature::read(bytes, layout, names.as_ref())?,
    };
    let build: Build = build.unwrap_or_default();
    Ok(Some(Go {
        version: build.version,
        settings: build.settings,
        path: build.path,
        buildinfo: build.place,
        carried,
        names,
        signatures,
        fipsinfo,
        symbols: layout.is_some_and(Layout::has_symbols),
    }))
}

impl Go {
    /// Returns the build settings from the build information or, if it has none, from the program's own copy of it.
    pub(super) fn build_settings(&self) -> &BTreeMap<String, String> {
        let carried = self.carried.as_ref();
        let carried = carried.and_then(|carried| carried.settings.as_ref());
        carried
            .filter(|_| self.settings.is_empty())
            .unwrap_or(&self.settings)
    }
}

/// Returns the value of `fips140` in a `GODEBUG` (`key=value#pattern,…`). The last one counts, and an empty one is
/// `off`.
pub(super) fn fips140(godebug: &str) -> Option<&str> {
    let mut pairs = godebug.rsplit(',').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == "fips140")?;
    let value = value.split('#').next()?;
    Some(if value.is_empty() { "off" } else { value })
}

/// Returns where to search for data if its section is not known: in the segments for which `which` returns true, or
/// in the whole file if it has no usable header.
fn anywhere(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    which: impl Fn(&super::elf::Segment) -> bool,
) -> Vec<Place> {
    let whole = Place {
        offset: 0,
        len: bytes.size().min(SCAN_LIMIT),
    };
    layout.map_or_else(|| vec![whole], |layout| layout.places(which))
}
