//! From a file to its evidence: what kind of file it is, and which of its parts are worth reading.

use std::io;

use memchr::memchr;
use positioned_io::ReadAt;

use super::bytes::{Bytes, SCAN_LIMIT};
use super::elf::Layout;
use super::{Evidence, Format, Opaque, Place, go};

/// Reads what the `size` bytes of a program say.
///
/// # Errors
/// Only those of `source`; whatever the bytes are, that is evidence.
pub fn read(source: &dyn ReadAt, size: u64) -> io::Result<Evidence> {
    let bytes = Bytes::new(source, size);
    let head = bytes.window(Place {
        offset: 0,
        len: 256,
    })?;
    let mut evidence = Evidence {
        size,
        format: sniff(&head),
        arch: None,
        opaque: None,
        go: None,
        modules: Vec::new(),
        marks: Vec::new(),
        labels: Vec::new(),
        libraries: Vec::new(),
    };
    match evidence.format {
        Format::Elf { .. } => elf(&bytes, &mut evidence)?,
        Format::MachO | Format::Pe => evidence.opaque = Some(Opaque::Foreign),
        Format::Script(_) | Format::Empty | Format::Other => {}
    }
    Ok(evidence)
}

fn elf(bytes: &Bytes<'_>, evidence: &mut Evidence) -> io::Result<()> {
    let layout = Layout::read(bytes)?;
    if let Ok(layout) = &layout {
        evidence.arch.clone_from(&layout.arch);
        evidence.libraries.clone_from(&layout.libraries);
        evidence.format = Format::Elf {
            bits: layout.bits,
            big_endian: layout.big_endian,
            headerless: layout.sections.is_empty(),
        };
    }
    evidence.go = go::read(bytes, layout.as_ref().ok())?;
    evidence.opaque = match layout {
        Err(reason) if evidence.go.is_none() => Some(Opaque::Damaged(reason)),
        Ok(layout) if layout.cut => {
            let reason = "its segments reach beyond the end of the file: it is cut off";
            Some(Opaque::Damaged(reason.to_owned()))
        }
        _ if evidence.go.is_none() && bytes.size() > SCAN_LIMIT => {
            let reason = format!(
                "it has {} bytes, of which the first {SCAN_LIMIT} were searched",
                bytes.size()
            );
            Some(Opaque::Damaged(reason))
        }
        _ => None,
    };
    Ok(())
}

/// The kind of file by its first bytes.
fn sniff(head: &[u8]) -> Format {
    match head {
        [] => Format::Empty,
        [0x7f, b'E', b'L', b'F', class, data, ..] => Format::Elf {
            bits: if *class == 1 { 32 } else { 64 },
            big_endian: *data == 2,
            headerless: true,
        },
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => Format::MachO,
        // A class file of Java begins alike; its version stands where this has the number of its
        // programs, and begins at 45.
        [0xca, 0xfe, 0xba, 0xbe | 0xbf, 0, 0, 0, 0..45, ..] => Format::MachO,
        [b'M', b'Z', ..] => Format::Pe,
        [b'#', b'!', line @ ..] => Format::Script(interpreter(line)),
        _ => Format::Other,
    }
}

/// The program that a script names in its first line.
fn interpreter(line: &[u8]) -> String {
    let line = &line[..memchr(b'\n', line).unwrap_or(line.len())];
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().next().unwrap_or("").to_owned()
}
