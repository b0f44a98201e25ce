//! Reading the evidence of a file: which kind of file it is, and which of its parts are worth reading.

use std::{io, thread};

use memchr::memchr;
use positioned_io::ReadAt;

use super::boring::{self, Hint};
use super::bytes::{Bytes, SCAN_LIMIT};
use super::elf::{Flaw, Layout};
use super::native;
use super::reading::join;
use super::verdict::Toolchain;
use super::{BinaryFacts, Format, Go, Library, Link, Modules, Place, Unreadable, Work, go, packed};

/// Version of the reader. Cached readings with another version are made again. Increase it with every
/// change to [`BinaryFacts`] or to how its values are read.
pub const READER: u32 = 8;

/// Reads what the `size` bytes of a program contain. `modules` has the values and names to search for.
///
/// # Errors
/// Returns the errors of `source`, and an error if `work` does not suffice. Any other content of the bytes
/// is evidence, not an error.
pub fn read(
    source: &(dyn ReadAt + Sync),
    size: u64,
    modules: &Modules,
    work: &Work,
) -> io::Result<BinaryFacts> {
    let bytes = Bytes::new(source, size).within(work);
    let head = bytes.window(Place {
        offset: 0,
        len: 256,
    })?;
    let mut evidence = BinaryFacts {
        size,
        format: sniff(&head),
        arch: None,
        opaque: None,
        go: None,
        modules: Vec::new(),
        marks: Vec::new(),
        labels: Vec::new(),
        libraries: Vec::new(),
        unmatched_tests: Vec::new(),
    };
    match evidence.format {
        Format::Elf { .. } => elf(&bytes, modules, &mut evidence)?,
        Format::MachO | Format::Pe => evidence.opaque = Some(Unreadable::Foreign),
        // Zeros over the ELF header do not hide a program: the file is read as ELF anyway.
        Format::Other if head.starts_with(&[0; 16]) => elf(&bytes, modules, &mut evidence)?,
        Format::Script(_) | Format::Empty | Format::Other => {}
    }
    Ok(evidence)
}

fn elf(bytes: &Bytes<'_>, modules: &Modules, evidence: &mut BinaryFacts) -> io::Result<()> {
    let headers = Layout::read(bytes)?;
    let layout = headers.as_ref().ok();
    if let Some(layout) = layout {
        evidence.arch.clone_from(&layout.arch);
        evidence.format = Format::Elf {
            bits: layout.bits,
            big_endian: layout.big_endian,
            headerless: layout.sections.is_empty(),
        };
    }
    evidence.go = go::read(bytes, layout, modules.other())?;
    evidence.libraries = native::loaded(layout, modules.libraries());
    code(bytes, layout, modules, evidence)?;
    let holds_none = |library: &Library| matches!(library.link, Link::Loaded(_));
    let nothing = evidence.go.is_none()
        && evidence.modules.is_empty()
        && evidence.marks.is_empty()
        && evidence.labels.is_empty()
        && evidence.libraries.iter().all(holds_none);
    let damaged = |reason: String| Some(Unreadable::Damaged(reason));
    let all = layout.map_or(bytes.size(), Layout::mapped);
    let searched =
        (all > SCAN_LIMIT).then(|| format!("only {SCAN_LIMIT} of {all} bytes were searched"));
    if let Some(name) = packed::mark(bytes)? {
        evidence.opaque = Some(Unreadable::Packed(Some(name)));
        return Ok(());
    }
    evidence.opaque = match &headers {
        Ok(Layout {
            flaw: Some(Flaw::Loader),
            interpreter,
            ..
        }) => damaged(format!(
            "its headers (PT_INTERP) name {:?} as the program that is started to load it, which is not the loader of a known system for its processor: that program runs in its place",
            interpreter.as_deref().unwrap_or_default()
        )),
        Ok(Layout {
            flaw: Some(flaw), ..
        }) => Some(opaque(*flaw)),
        Err(reason) if nothing => damaged(match searched {
            Some(searched) => format!("{reason}; {searched}"),
            None => reason.clone(),
        }),
        Ok(layout) if nothing && packed::is_compressed(bytes, layout)? => {
            Some(Unreadable::Packed(None))
        }
        Ok(_) if nothing => searched.and_then(damaged),
        _ => None,
    };
    Ok(())
}

fn opaque(flaw: Flaw) -> Unreadable {
    let reason = match flaw {
        Flaw::Unlinked => return Unreadable::Unlinked,
        Flaw::Rewritten => {
            "its headers let other bytes run than those of its code: segments over each other, or DT_TEXTREL"
        }
        Flaw::Loader => "its headers name another program as the one that loads it",
        Flaw::Cut => "its segments reach beyond the end of the file: it is cut off",
        Flaw::Codeless => "it has no code, only debug information",
    };
    Unreadable::Damaged(reason.to_owned())
}

/// Searches for modules and libraries in C, except in a Go program that was built without cgo.
fn code(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    modules: &Modules,
    evidence: &mut BinaryFacts,
) -> io::Result<()> {
    let (arch, known) = (evidence.arch.clone(), modules.fingerprints());
    let names = evidence.go.as_ref().and_then(|go| go.names.as_ref());
    let boring = evidence.go.as_ref().is_some_and(Go::promises_boring);
    if !boring && names.is_some_and(|names| !names.cgo) {
        return Ok(());
    }
    // Marks of a module in C can be anywhere in the code. Libraries that are linked in addition to a Go
    // program's module are recognised by their texts, which are among the constants.
    let places = if boring {
        native::constants(bytes, layout, names.and_then(|names| names.place))
    } else {
        native::mapped(bytes, layout)
    };
    let scan = || native::scan(bytes, layout, &places, modules.libraries());
    let locate = |hint: Hint<'_>| boring::locate(bytes, layout, arch.as_ref(), known, hint);
    let (native, located) = if boring {
        // The module is in the code and the texts are among the constants: neither search needs the other.
        thread::scope(|scope| {
            let native = scope.spawn(scan);
            let located = locate(Hint::Names);
            (join(native), located.map(Some))
        })
    } else {
        (scan(), Ok(None))
    };
    let native = native?;
    evidence.libraries.extend(native.libraries);
    let mut located = located?;
    if !boring {
        evidence.marks = native.marks;
        evidence.labels = native.labels;
        if !evidence.marks.is_empty() {
            located = Some(locate(Hint::Marks(&evidence.marks))?);
        }
    }
    if let Some(found) = located {
        evidence.modules = found.modules;
        evidence.unmatched_tests = found.unmatched_tests;
    }
    Ok(())
}

impl Go {
    /// Checks whether the program shows any sign of BoringCrypto, so that the module has to be searched
    /// for. Function names can be obfuscated, so the label alone is enough, unless cgo was disabled.
    fn promises_boring(&self) -> bool {
        let named = self
            .names
            .as_ref()
            .is_some_and(|names| names.boring || names.boring_calls > 0);
        let toolchain = Toolchain::of_go(self);
        let labelled = toolchain.boring.is_some() && !toolchain.without_cgo;
        named || self.signatures.boring.is_some() || labelled
    }
}

/// Detects the kind of file from its first bytes.
fn sniff(head: &[u8]) -> Format {
    match head {
        [] => Format::Empty,
        [0x7f, b'E', b'L', b'F', class, data, ..] => Format::Elf {
            bits: if *class == 1 { 32 } else { 64 },
            big_endian: *data == 2,
            headerless: true,
        },
        // A Java class file starts with the same magic as a Mach-O universal binary. Where a universal
        // binary has the number of its programs, a class file has its version, which is at least 45.
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..]
        | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..]
        | [0xca, 0xfe, 0xba, 0xbe | 0xbf, 0, 0, 0, 0..45, ..] => Format::MachO,
        [b'M', b'Z', ..] => Format::Pe,
        [b'#', b'!', line @ ..] => Format::Script(interpreter(line)),
        _ => Format::Other,
    }
}

/// Returns the interpreter that the first line of a script names.
fn interpreter(line: &[u8]) -> String {
    let line = &line[..memchr(b'\n', line).unwrap_or(line.len())];
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().next().unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::Arch;
    use crate::sample::{SHAPES, Sample};

    fn evidence(file: &[u8]) -> BinaryFacts {
        read(
            &file,
            file.len() as u64,
            &Modules::default(),
            &Work::new(u64::MAX),
        )
        .unwrap()
    }

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let script = |text: &str| Format::Script(text.to_owned());
        for (bytes, format) in [
            (&b""[..], Format::Empty),
            (b"#!/bin/sh\nexec envoy", script("/bin/sh")),
            (b"#! /usr/bin/env bash -e\n", script("/usr/bin/env")),
            (b"#!", script("")),
            (b"MZ\x90\0", Format::Pe),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01", Format::MachO),
            (b"\xfe\xed\xfa\xce\0\0\0\x12", Format::MachO),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", Format::MachO),
            (b"\xca\xfe\xba\xbe\0\0\0\x34", Format::Other),
            (b"\x7fELX\x02\x01", Format::Other),
            (b"hello", Format::Other),
        ] {
            let evidence = evidence(bytes);
            let foreign = matches!(format, Format::MachO | Format::Pe);
            assert_eq!(
                evidence.opaque,
                foreign.then_some(Unreadable::Foreign),
                "{format:?}"
            );
            assert_eq!(
                (evidence.format, evidence.size),
                (format, bytes.len() as u64)
            );
        }
    }

    #[test]
    fn segments_that_are_loaded_over_each_other_are_not_believed() {
        let opaque = |address: u64| {
            let sample = Sample::new(SHAPES[0]).text(".text", 0x40_1800, &[0; 0x900]);
            evidence(&sample.data(".data", address, b"data").build()).opaque
        };
        // The first page after the code is also the last page of the code.
        for address in [0x40_1000, 0x40_1900, 0x40_2f00] {
            let opaque = opaque(address);
            assert!(
                matches!(&opaque, Some(Unreadable::Damaged(why)) if why.contains("other bytes")),
                "{address:x} {opaque:?}"
            );
        }
        for address in [0x40_0fff - 3, 0x40_3000] {
            assert_eq!(opaque(address), None, "{address:x}");
        }
    }

    #[test]
    fn does_not_believe_program_that_another_program_replaces() {
        const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
        let long: &'static str = Box::leak("/x".repeat(200).into_boxed_str());
        for (interpreter, libraries, replaced) in [
            (None, &[][..], false),
            (Some(LOADER), &["libc.so.6"][..], false),
            // Nothing to load, in a program that can be loaded to one address only.
            (Some(LOADER), &[], true),
            (Some("/tmp/evil"), &["libc.so.6"], true),
            (Some("/tmp/evil"), &[], true),
            (Some(""), &["libc.so.6"], true),
            (Some(long), &["libc.so.6"], true),
        ] {
            let mut sample = Sample::new(SHAPES[0]).text(".text", 0x40_1000, b"code");
            sample.interpreter = interpreter;
            sample.libraries = libraries.to_vec();
            let opaque = evidence(&sample.build()).opaque;
            let named = |why: &str| why.contains("PT_INTERP");
            let found = matches!(&opaque, Some(Unreadable::Damaged(why)) if named(why));
            assert_eq!(found, replaced, "{interpreter:?} {libraries:?} {opaque:?}");
        }
        // Go's linker names a loader in position-independent programs.
        let mut sample = Sample::new(SHAPES[0]).text(".text", 0x40_1000, b"code");
        sample.interpreter = Some(LOADER);
        let mut file = sample.build();
        file[16] = 3;
        assert_eq!(evidence(&file).opaque, None);
    }

    #[test]
    fn code_that_the_loader_writes_into_is_not_believed() {
        for (entry, expected) in [([22, 0], true), ([30, 4], true), ([30, 8], false)] {
            let sample = Sample::new(SHAPES[0]).text(".text", 0x40_1000, b"code");
            let words = sample.words(&[entry[0], entry[1], 0, 0]);
            let opaque = evidence(&sample.data(".dynamic", 0x73_0000, &words).build()).opaque;
            assert_eq!(opaque.is_some(), expected, "{entry:?}");
        }
    }

    #[test]
    fn parts_for_the_linker_and_dumps_are_no_programs() {
        for (kind, expected) in [
            (1, Some(Unreadable::Unlinked)),
            (4, Some(Unreadable::Unlinked)),
            (3, None),
        ] {
            let mut file = Sample::new(SHAPES[0])
                .text(".text", 0x40_1000, b"code")
                .build();
            file[16] = kind;
            assert_eq!(evidence(&file).opaque, expected, "{kind}");
        }
    }

    #[test]
    fn damaged_headers_and_cut_files_say_so() {
        let sample = Sample::new(SHAPES[3]).text(".text", 0x40_1000, b"code");
        let file = sample.build();
        let whole = evidence(&file);
        assert_eq!(
            whole.format,
            Format::Elf {
                bits: 32,
                big_endian: true,
                headerless: false
            }
        );
        assert_eq!(
            (whole.arch, whole.opaque),
            (Some(Arch("mips".to_owned())), None)
        );

        let mut bare = sample.clone();
        bare.section_headers = false;
        let format = evidence(&bare.build()).format;
        assert_eq!(
            format,
            Format::Elf {
                bits: 32,
                big_endian: true,
                headerless: true
            }
        );
        bare.program_headers = false;
        for (file, words) in [
            (bare.build(), "tables"),
            (file[..98].to_vec(), "cut"),
            (file[..20].to_vec(), "header"),
        ] {
            match evidence(&file).opaque {
                Some(Unreadable::Damaged(reason)) => assert!(reason.contains(words), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Counts the bytes that are read from a file.
    struct Counted<'a>(&'a [u8], AtomicU64);

    impl ReadAt for Counted<'_> {
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.fetch_add(buffer.len() as u64, Ordering::Relaxed);
            self.0.read_at(offset, buffer)
        }
    }

    /// Returns a Go program that contains everything the reader looks for, each reachable only through
    /// pointers.
    fn program() -> Vec<u8> {
        let mut info = b"\xff Go buildinf:\x08\0".to_vec();
        let mut sample = Sample::new(SHAPES[0]);
        info.extend(sample.words(&[0x50_1000, 0x50_1000]));
        let mut seal = b"\xff Go fipsinfo \xff\0".to_vec();
        seal.extend([1; 32]);
        seal.extend(sample.words(&[
            0x50_2000, 0x40_1000, 0x40_1010, 0x50_1000, 0x50_1000, 0x50_1000, 0x50_1004, 0x50_1000,
            0x50_1001,
        ]));
        let mut table = b"\xf1\xff\xff\xff\0\0\x01\x08".to_vec();
        table.extend(sample.words(&[1, 1, 0, 72, 82, 82, 82, 82]));
        table.extend(b"main.main\0........");
        sample.interpreter = Some("/lib/ld.so");
        sample.libraries = vec!["libc.so.6"];
        sample.relocations = vec![(0x50_2030, 0x50_2000)];
        let strings = sample.words(&[0x50_1010, 6]);
        sample
            .text(".text", 0x40_1000, &[0x90; 64])
            .rodata(".gopclntab", 0x48_0000, &table)
            .data(".go.buildinfo", 0x50_0000, &info)
            .data(".data", 0x50_1000, &[&strings[..], b"go1.17"].concat())
            .data(".go.fipsinfo", 0x50_2000, &seal)
            .build()
    }

    #[test]
    fn a_go_program_is_read_whole() {
        let go = evidence(&program()).go.unwrap();
        assert_eq!(go.version.as_deref(), Some("go1.17"));
        assert!(go.names.is_some());
        assert_eq!(go.fipsinfo.unwrap().ranges.len(), 4);
    }

    /// Returns a program with header tables that repeat the same entry a thousand times.
    fn repeated(kind: &str) -> Vec<u8> {
        let mut sample = Sample::new(SHAPES[0]);
        sample.libraries = vec!["libcrypto.so.3"; 3000];
        let mut file = sample
            .rodata(".gopclntab", 0x48_0000, &vec![b'.'; 0x1_0000])
            .build();
        let number = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
        // The header fields with the offset of the table, the number of its entries, and the length of an
        // entry.
        let (offset, count, len, copies) = match kind {
            "sections" => (40, 60, 64, 20_000),
            _ => (32, 56, 56, 1170),
        };
        let start = usize::try_from(u64::from_le_bytes(*file[offset..].first_chunk().unwrap()));
        let start = start.unwrap();
        let entries = file[start..start + number(count) * len].chunks(len);
        let entries: Vec<Vec<u8>> = entries.map(<[u8]>::to_vec).collect();
        let wanted = match kind {
            "dynamic" => entries.iter().find(|entry| entry[0] == 2).unwrap(),
            "load" => &entries[0],
            _ => &entries[1],
        };
        let end = file.len() as u64;
        file.extend(wanted.repeat(copies));
        // The section with the names of the sections is the last one.
        let last = if kind == "load" { "" } else { kind };
        if last == "sections" {
            file.extend(entries.last().unwrap());
        }
        let all = u16::try_from(copies + usize::from(last == "sections")).unwrap();
        file[offset..offset + 8].copy_from_slice(&end.to_le_bytes());
        file[count..count + 2].copy_from_slice(&all.to_le_bytes());
        if last == "sections" {
            file[62..64].copy_from_slice(&(all - 1).to_le_bytes());
        }
        file
    }

    #[test]
    fn tables_that_say_the_same_a_thousand_times_cost_what_one_costs() {
        for kind in ["dynamic", "load", "sections"] {
            let file = repeated(kind);
            let counted = Counted(&file, AtomicU64::new(0));
            let work = Work::new(u64::MAX);
            let evidence = read(&counted, file.len() as u64, &Modules::default(), &work).unwrap();
            assert!(matches!(evidence.format, Format::Elf { .. }), "{kind}");
            let size = file.len() as u64;
            assert!(
                counted.1.load(Ordering::Relaxed) <= 24 * size,
                "{kind}: {}",
                counted.1.load(Ordering::Relaxed) / size
            );
        }
    }

    #[test]
    fn boringcrypto_is_looked_for_where_anything_promises_it() {
        let go = |version: &str, settings: &[(&str, &str)]| Go {
            version: Some(version.to_owned()),
            settings: settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Go::default()
        };
        let experiment = ("GOEXPERIMENT", "boringcrypto");
        for (go, promises) in [
            (go("go1.26.6", &[]), false),
            (go("go1.26.6-X:boringcrypto", &[]), true),
            (go("go1.14.12b4", &[]), true),
            (go("go1.26.6", &[experiment]), true),
            (go("go1.26.6", &[experiment, ("CGO_ENABLED", "1")]), true),
            (go("go1.26.6", &[experiment, ("CGO_ENABLED", "0")]), false),
        ] {
            assert_eq!(go.promises_boring(), promises, "{go:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_the_work_is_bounded(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..24),
            header in prop::collection::vec((0usize..640, prop::sample::select(&[0u8, 1, 0x7f, 0x80, 0xff][..])), 0..6),
            len in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut file = program();
            for (at, value) in changes {
                let at = at.index(file.len());
                file[at] = value;
            }
            for (at, value) in header {
                file[at] = value;
            }
            if cut {
                file.truncate(len.index(file.len()));
            }
            let counted = Counted(&file, AtomicU64::new(0));
            let work = Work::new(u64::MAX);
            let evidence = read(&counted, file.len() as u64, &Modules::default(), &work).unwrap();
            prop_assert!(counted.1.load(Ordering::Relaxed) <= 64 * (file.len() as u64 + 4096));
            if let Some(place) = evidence.go.and_then(|go| go.names).and_then(|names| names.place) {
                prop_assert!(place.offset + place.len <= file.len() as u64);
            }
        }

        #[test]
        fn any_bytes_are_evidence(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            let file = [&b"\x7fELF\x02\x01\x01"[..], &bytes].concat();
            prop_assert_eq!(evidence(&file).size, file.len() as u64);
        }
    }
}
