//! What programs say that the Go linker did not make: texts of FIPS modules, the words of `envoy
//! --version`, ztunnel's provider, cryptographic libraries, packers. One pass over what the loader maps.
//!
//! A text proves nothing: this very program holds all that are looked for.

mod envoy;
mod library;
mod mark;
mod text;
mod ztunnel;

use std::io;

use memchr::memmem;

use super::bytes::Bytes;
use super::elf::Layout;
use super::{Label, Mark, Place};
use text::Texts;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Native {
    /// Empty, or several different texts that only FIPS builds contain.
    pub marks: Vec<Mark>,
    pub labels: Vec<Label>,
    /// Linked statically, recognised by their texts: `BoringSSL`, `ring 0.17.14`.
    pub libraries: Vec<String>,
    /// The packer that made the file, and that must be undone before anything can be said.
    pub packed: Option<String>,
}

/// Reads the texts of a program; of the whole file where its headers tell nothing.
pub(super) fn scan(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Native> {
    let mut mapped = layout.map_or_else(Vec::new, |layout| layout.places(|_| true));
    if mapped.is_empty() {
        mapped.push(Place {
            offset: 0,
            len: bytes.size(),
        });
    }
    let texts = Texts::read(bytes, &mapped)?;
    let mut labels = Vec::new();
    labels.extend(envoy::label(bytes, &texts, &mapped)?);
    labels.extend(ztunnel::label(&texts));
    labels.extend(library::labels(&texts));
    Ok(Native {
        marks: mark::marks(&texts),
        labels,
        libraries: library::names(&texts),
        packed: packed(bytes)?,
    })
}

/// UPX writes its name behind the program headers, AppImage into the header itself.
fn packed(bytes: &Bytes<'_>) -> io::Result<Option<String>> {
    const HEAD: u64 = 1024;
    let head = bytes.window(Place {
        offset: 0,
        len: HEAD,
    })?;
    let packer = if memmem::find(&head, b"UPX!").is_some() {
        Some("UPX")
    } else if matches!(head.get(8..11), Some(b"AI\x01" | b"AI\x02")) {
        Some("AppImage")
    } else {
        None
    };
    Ok(packer.map(str::to_owned))
}
