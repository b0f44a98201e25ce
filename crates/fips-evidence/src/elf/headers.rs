//! The header tables of an ELF file. Every value in them may be wrong.

use std::io;

use memchr::memchr;
use object::Endianness;
use object::elf;
use object::pod::{self, Pod};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _, SectionHeader as _};

use super::{Flaw, Layout, Section, Segment, loader};
use crate::bytes::Bytes;
use crate::{Arch, Place};

/// Maximum size of the program header table; the kernel does not read more.
const PROGRAMS_LIMIT: u64 = 64 << 10;
/// Maximum size of the section header table and of the section names: 65535 sections have 4 MiB of headers.
const SECTIONS_LIMIT: u64 = 8 << 20;
/// Maximum size of the dynamic table, and of the name of a section, a library or the interpreter.
const DYNAMIC_LIMIT: u64 = 64 << 10;
const NAME_LIMIT: u64 = 256;
/// The flag of `DT_FLAGS` that has the same meaning as `DT_TEXTREL`.
const TEXTREL: u64 = 4;
/// Smallest unit that is mapped: no processor has smaller pages.
const PAGE: u64 = 4096;

/// What is needed to read the tables of one file.
struct Tables<'a, H> {
    bytes: &'a Bytes<'a>,
    header: &'a H,
    endian: Endianness,
}

pub(super) fn read<H: FileHeader<Endian = Endianness>>(
    bytes: &Bytes<'_>,
    head: &[u8],
) -> io::Result<Result<Layout, String>> {
    let Ok(header) = H::parse(head) else {
        return Ok(Err("its header is not that of an ELF file".to_owned()));
    };
    let Ok(endian) = header.endian() else {
        return Ok(Err("its header names no byte order".to_owned()));
    };
    let tables = Tables {
        bytes,
        header,
        endian,
    };
    let programs = tables.programs()?;
    let sections = tables.sections()?;
    let mut layout = Layout {
        arch: arch(header, endian),
        bits: if header.is_type_64() { 64 } else { 32 },
        big_endian: header.is_big_endian(),
        ..Layout::default()
    };
    let unlinked = matches!(header.e_type(endian), elf::ET_REL | elf::ET_CORE);
    layout.note(Flaw::Unlinked, unlinked);
    layout.note(Flaw::Rewritten, overlaid::<H>(&programs, endian));
    for program in &programs {
        if program.p_type(endian) == elf::PT_LOAD {
            tables.load(program, &mut layout);
        }
    }
    let loadable = !layout.segments.is_empty();
    for (section, name) in sections {
        if !loadable {
            layout.segments.extend(tables.stand_in(&section));
        }
        tables.place(&section, name, &mut layout);
    }
    if layout.segments.is_empty() && layout.sections.is_empty() {
        return Ok(Err("its header tables are outside of the file".to_owned()));
    }
    // A program has one of each. Reading all of them would let a file with thousands of them cause as many reads.
    for kind in [elf::PT_INTERP, elf::PT_DYNAMIC] {
        let mut programs = programs.iter();
        if let Some(program) = programs.find(|program| program.p_type(endian) == kind) {
            tables.describe(program, &mut layout)?;
        }
    }
    if let Some(path) = &layout.interpreter {
        let known = loader::is_known(path, layout.arch.as_ref());
        // Linkers name a loader in position-independent files, and in files with libraries to load.
        let fixed = header.e_type(endian) == elf::ET_EXEC && layout.libraries.is_empty();
        layout.note(Flaw::Loader, !known || fixed);
    }
    Ok(Ok(layout))
}

/// Checks whether two segments share a page in memory: the loader then uses the later one.
fn overlaid<H: FileHeader<Endian = Endianness>>(
    programs: &[H::ProgramHeader],
    endian: Endianness,
) -> bool {
    let loaded = programs.iter().filter(|program| {
        program.p_type(endian) == elf::PT_LOAD && program.p_memsz(endian).into() > 0
    });
    let mut pages: Vec<(u64, u64)> = loaded
        .map(|program| {
            let start: u64 = program.p_vaddr(endian).into();
            let end = start.saturating_add(program.p_memsz(endian).into());
            (start / PAGE, end.div_ceil(PAGE))
        })
        .collect();
    pages.sort_unstable();
    pages.windows(2).any(|pair| pair[1].0 < pair[0].1)
}

impl<H: FileHeader<Endian = Endianness>> Tables<'_, H> {
    fn programs(&self) -> io::Result<Vec<H::ProgramHeader>> {
        let place = Place {
            offset: self.header.e_phoff(self.endian).into(),
            len: PROGRAMS_LIMIT,
        };
        let count = self.header.e_phnum(self.endian);
        self.table(place, self.header.e_phentsize(self.endian), count)
    }

    /// Returns the sections with their names.
    fn sections(&self) -> io::Result<Vec<(H::SectionHeader, String)>> {
        let place = Place {
            offset: self.header.e_shoff(self.endian).into(),
            len: SECTIONS_LIMIT,
        };
        let count = self.header.e_shnum(self.endian);
        let entry = self.header.e_shentsize(self.endian);
        let sections: Vec<H::SectionHeader> = self.table(place, entry, count)?;
        let index = usize::from(self.header.e_shstrndx(self.endian).0);
        let Some(strings) = sections.get(index) else {
            return Ok(Vec::new());
        };
        let strings = self.bytes.window(Place {
            offset: strings.sh_offset(self.endian).into(),
            len: strings.sh_size(self.endian).into().min(SECTIONS_LIMIT),
        })?;
        let named = sections.into_iter().filter_map(|section| {
            let start = usize::try_from(section.sh_name(self.endian)).ok()?;
            Some((section, text(strings.get(start..)?)?))
        });
        Ok(named.collect())
    }

    /// Returns the entries of a table of at most `place.len` bytes; none if the table is incomplete.
    fn table<T: Pod>(&self, place: Place, entry: u16, count: u16) -> io::Result<Vec<T>> {
        let len = u64::from(entry) * u64::from(count);
        if usize::from(entry) != size_of::<T>() || place.offset == 0 || len > place.len {
            return Ok(Vec::new());
        }
        let window = self.bytes.window(Place { len, ..place })?;
        Ok(match pod::slice_from_all_bytes::<T>(&window) {
            Ok(table) if table.len() == usize::from(count) => table.to_vec(),
            _ => Vec::new(),
        })
    }

    fn load(&self, program: &H::ProgramHeader, layout: &mut Layout) {
        let (offset, len) = program.file_range(self.endian);
        let place = self.inside(Place { offset, len });
        layout.note(Flaw::Cut, place.len < len);
        if place.len > 0 {
            let flags = program.p_flags(self.endian);
            layout.segments.push(Segment {
                address: program.p_vaddr(self.endian).into(),
                place,
                executable: flags.contains(elf::PF_X),
                writable: flags.contains(elf::PF_W),
            });
        }
    }

    fn place(&self, section: &H::SectionHeader, name: String, layout: &mut Layout) {
        let endian = self.endian;
        let len = match section.sh_type(endian) {
            elf::SHT_NULL => return,
            elf::SHT_NOBITS => {
                // Excludes a table that the loader fills in, as on 32-bit PowerPC.
                let flags = section.sh_flags(endian);
                let code = flags.contains(elf::SHF_EXECINSTR) && !flags.contains(elf::SHF_WRITE);
                layout.note(Flaw::Codeless, code);
                0
            }
            _ => section.sh_size(endian).into(),
        };
        let offset = section.sh_offset(endian).into();
        let place = self.inside(Place { offset, len });
        layout.sections.push(Section { name, place });
    }

    /// Returns the segment that a program header for the section would describe.
    fn stand_in(&self, section: &H::SectionHeader) -> Option<Segment> {
        let (offset, len) = section.file_range(self.endian)?;
        let flags = section.sh_flags(self.endian);
        let segment = Segment {
            address: section.sh_addr(self.endian).into(),
            place: self.inside(Place { offset, len }),
            executable: flags.contains(elf::SHF_EXECINSTR),
            writable: flags.contains(elf::SHF_WRITE),
        };
        (segment.address > 0 && segment.place.len > 0).then_some(segment)
    }

    fn inside(&self, place: Place) -> Place {
        let offset = place.offset.min(self.bytes.size());
        let len = place.len.min(self.bytes.size() - offset);
        Place { offset, len }
    }

    /// Reads `PT_INTERP` and `PT_DYNAMIC`.
    fn describe(&self, program: &H::ProgramHeader, layout: &mut Layout) -> io::Result<()> {
        let (offset, len) = program.file_range(self.endian);
        match program.p_type(self.endian) {
            elf::PT_INTERP => {
                let window = self.bytes.window(Place {
                    offset,
                    len: len.min(NAME_LIMIT),
                })?;
                // The kernel accepts paths that are longer than those of loaders.
                let path = text(&window);
                let path = path.unwrap_or_else(|| String::from_utf8_lossy(&window).into_owned());
                layout.interpreter = Some(path);
            }
            elf::PT_DYNAMIC => {
                let len = len.min(DYNAMIC_LIMIT);
                let window = self.bytes.window(Place { offset, len })?;
                self.dynamic(&window, layout)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn dynamic(&self, window: &[u8], layout: &mut Layout) -> io::Result<()> {
        let count = window.len() / size_of::<H::Dyn>();
        let Ok((entries, _)) = pod::slice_from_bytes::<H::Dyn>(window, count) else {
            return Ok(());
        };
        let value = |tag| {
            let entry = entries.iter().find(|entry| entry.tag(self.endian) == tag)?;
            Some(entry.val(self.endian))
        };
        if let Some(strings) = value(elf::DT_STRTAB).and_then(|address| layout.offset(address)) {
            let name = |at: u64| {
                let place = Place {
                    offset: strings.saturating_add(at),
                    len: NAME_LIMIT,
                };
                self.bytes.window(place).map(|window| text(&window))
            };
            for entry in entries {
                if entry.tag(self.endian) == elf::DT_NEEDED {
                    layout.libraries.extend(name(entry.val(self.endian))?);
                }
            }
            if let Some(at) = value(elf::DT_SONAME) {
                layout.soname = name(at)?;
            }
        }
        let flagged = value(elf::DT_FLAGS).is_some_and(|flags| flags & TEXTREL > 0);
        layout.note(Flaw::Rewritten, flagged || value(elf::DT_TEXTREL).is_some());
        let table = value(elf::DT_RELA).and_then(|address| layout.offset(address));
        layout.relocations = table
            .zip(value(elf::DT_RELASZ))
            .map(|(offset, len)| Place { offset, len });
        Ok(())
    }
}

/// Returns the text up to the first NUL; `None` if there is no NUL or the text is longer than [`NAME_LIMIT`].
fn text(bytes: &[u8]) -> Option<String> {
    let limit = bytes.len().min(usize::try_from(NAME_LIMIT).ok()?);
    let end = memchr(0, &bytes[..limit])?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// Returns Go's name of the processor.
fn arch<H: FileHeader<Endian = Endianness>>(header: &H, endian: Endianness) -> Option<Arch> {
    let wide = header.is_type_64();
    let big = header.is_big_endian();
    let name = match (header.e_machine(endian), wide, big) {
        (elf::EM_X86_64, true, _) => "amd64",
        (elf::EM_X86_64, false, _) => "amd64p32",
        (elf::EM_386, ..) => "386",
        (elf::EM_AARCH64, _, false) => "arm64",
        (elf::EM_AARCH64, _, true) => "arm64be",
        (elf::EM_ARM, _, false) => "arm",
        (elf::EM_ARM, _, true) => "armbe",
        (elf::EM_PPC64, _, true) => "ppc64",
        (elf::EM_PPC64, _, false) => "ppc64le",
        (elf::EM_PPC, ..) => "ppc",
        (elf::EM_S390, true, _) => "s390x",
        (elf::EM_S390, false, _) => "s390",
        (elf::EM_RISCV, true, _) => "riscv64",
        (elf::EM_RISCV, false, _) => "riscv",
        (elf::EM_LOONGARCH, ..) => "loong64",
        (elf::EM_MIPS, true, true) => "mips64",
        (elf::EM_MIPS, true, false) => "mips64le",
        (elf::EM_MIPS, false, true) => "mips",
        (elf::EM_MIPS, false, false) => "mipsle",
        (elf::EM_SPARCV9, ..) => "sparc64",
        (elf::EM_SPARC, ..) => "sparc",
        _ => return None,
    };
    Some(Arch(name.to_owned()))
}
