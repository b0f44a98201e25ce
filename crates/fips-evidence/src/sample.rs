//! Small ELF files, built by hand for the tests.

use object::elf;

use super::Place;

/// A part of a program, which has a segment and a section.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub name: &'static str,
    pub address: u64,
    pub bytes: Vec<u8>,
    pub flags: elf::ProgramFlags,
}

/// A program that can be built into an ELF file.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub bits: u8,
    pub big_endian: bool,
    pub machine: elf::Machine,
    pub parts: Vec<Part>,
    pub interpreter: Option<&'static str>,
    pub libraries: Vec<&'static str>,
    /// Address and addend.
    pub relocations: Vec<(u64, u64)>,
    pub section_headers: bool,
    pub program_headers: bool,
}

/// The four ways in which an ELF file encodes numbers.
pub(super) const SHAPES: [(u8, bool, elf::Machine); 4] = [
    (64, false, elf::EM_X86_64),
    (64, true, elf::EM_S390),
    (32, false, elf::EM_386),
    (32, true, elf::EM_MIPS),
];

impl Sample {
    pub(super) fn new((bits, big_endian, machine): (u8, bool, elf::Machine)) -> Self {
        Sample {
            bits,
            big_endian,
            machine,
            parts: Vec::new(),
            interpreter: None,
            libraries: Vec::new(),
            relocations: Vec::new(),
            section_headers: true,
            program_headers: true,
        }
    }

    pub(super) fn text(mut self, name: &'static str, address: u64, bytes: &[u8]) -> Self {
        self.add(name, address, bytes, elf::PF_R | elf::PF_X);
        self
    }

    pub(super) fn rodata(mut self, name: &'static str, address: u64, bytes: &[u8]) -> Self {
        self.add(name, address, bytes, elf::PF_R);
        self
    }

    pub(super) fn data(mut self, name: &'static str, address: u64, bytes: &[u8]) -> Self {
        self.add(name, address, bytes, elf::PF_R | elf::PF_W);
        self
    }

    fn add(&mut self, name: &'static str, address: u64, bytes: &[u8], flags: elf::ProgramFlags) {
        let bytes = bytes.to_vec();
        self.parts.push(Part {
            name,
            address,
            bytes,
            flags,
        });
    }

    pub(super) fn width(&self) -> usize {
        usize::from(self.bits / 8)
    }

    /// Encodes a number of `len` bytes.
    pub(super) fn number(&self, value: u64, len: usize) -> Vec<u8> {
        let bytes = value.to_le_bytes();
        let mut bytes = bytes[..len].to_vec();
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    pub(super) fn words(&self, values: &[u64]) -> Vec<u8> {
        let word = |value: &u64| self.number(*value, self.width());
        values.iter().flat_map(word).collect()
    }

    /// Returns the bytes of the file.
    pub(super) fn build(&self) -> Vec<u8> {
        let sample = self.linked();
        let (header, program, _) = self.sizes();
        let count = sample.programs(&vec![0; sample.parts.len()]).len() / program;
        let mut body = vec![0; header + program * count];
        let mut offsets = Vec::new();
        for part in &sample.parts {
            body.resize(body.len().next_multiple_of(16), 0);
            offsets.push(body.len() as u64);
            body.extend_from_slice(&part.bytes);
        }
        let strings = body.len() as u64;
        let names = sample
            .parts
            .iter()
            .flat_map(|part| [b"\0", part.name.as_bytes()].concat());
        body.extend(names);
        body.push(0);
        let sections = sample.sections(&offsets, (strings, body.len() as u64 - strings));
        let table = body.len() as u64;
        body.extend(sections);
        let programs = sample.programs(&offsets);
        body[header..header + programs.len()].copy_from_slice(&programs);
        let programs = if self.program_headers {
            (header as u64, count as u64)
        } else {
            (0, 0)
        };
        let entries = sample.parts.len() as u64 + 2;
        let sections = if self.section_headers {
            (table, entries)
        } else {
            (0, 0)
        };
        body[..header].copy_from_slice(&self.header(programs, sections));
        body
    }

    /// Returns the sizes of the header, of a program header and of a section header, in bytes.
    fn sizes(&self) -> (usize, usize, usize) {
        if self.bits == 64 {
            (64, 56, 64)
        } else {
            (52, 32, 40)
        }
    }

    /// Returns the program headers of the parts at `offsets`.
    fn programs(&self, offsets: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        for (part, offset) in self.parts.iter().zip(offsets) {
            let mut kinds = vec![elf::PT_LOAD];
            kinds.extend((part.name == ".interp").then_some(elf::PT_INTERP));
            kinds.extend((part.name == ".dynamic").then_some(elf::PT_DYNAMIC));
            for kind in kinds {
                out.extend(self.program(kind, part, *offset));
            }
        }
        out
    }

    /// Returns the section headers: an empty one, the parts, and the section names, which are at `strings`.
    fn sections(&self, offsets: &[u64], strings: (u64, u64)) -> Vec<u8> {
        let mut out = vec![0; self.sizes().2];
        let mut name = 1;
        for (part, offset) in self.parts.iter().zip(offsets) {
            out.extend(self.section(
                (name, part.address),
                part.flags,
                (*offset, part.bytes.len() as u64),
            ));
            name += part.name.len() as u64 + 1;
        }
        out.extend(self.section((0, 0), elf::ProgramFlags(0), strings));
        out
    }

    fn dynamic(&self) -> Option<()> {
        (!self.libraries.is_empty() || !self.relocations.is_empty()).then_some(())
    }

    /// Returns the program with the parts that the linker adds.
    fn linked(&self) -> Sample {
        let mut sample = self.clone();
        if let Some(interpreter) = self.interpreter {
            sample.add(
                ".interp",
                0x70_0000,
                &[interpreter.as_bytes(), b"\0"].concat(),
                elf::PF_R,
            );
        }
        if self.dynamic().is_some() {
            let strings: Vec<u8> = self
                .libraries
                .iter()
                .flat_map(|name| [b"\0", name.as_bytes()].concat())
                .collect();
            let table: Vec<u64> = self
                .relocations
                .iter()
                .flat_map(|(at, addend)| [*at, 8, *addend])
                .collect();
            let table = self.words(&table);
            let mut entries = vec![5, 0x71_0000, 7, 0x72_0000, 8, table.len() as u64];
            let mut at = 1;
            for name in &self.libraries {
                entries.extend([1, at]);
                at += name.len() as u64 + 1;
            }
            entries.extend([0, 0]);
            sample.add(
                ".dynstr",
                0x71_0000,
                &[&strings[..], b"\0"].concat(),
                elf::PF_R,
            );
            sample.add(".rela.dyn", 0x72_0000, &table, elf::PF_R);
            sample.add(
                ".dynamic",
                0x73_0000,
                &self.words(&entries),
                elf::PF_R | elf::PF_W,
            );
        }
        sample
    }

    fn header(&self, programs: (u64, u64), sections: (u64, u64)) -> Vec<u8> {
        let class = if self.bits == 64 { 2 } else { 1 };
        let mut out = vec![
            0x7f,
            b'E',
            b'L',
            b'F',
            class,
            1 + u8::from(self.big_endian),
            1,
        ];
        out.resize(16, 0);
        out.extend(self.number(2, 2));
        out.extend(self.number(self.machine.0.into(), 2));
        out.extend(self.number(1, 4));
        out.extend(self.words(&[0, programs.0, sections.0]));
        out.extend(self.number(0, 4));
        let (header, program, section) = self.sizes();
        let [header, program, section] = [header, program, section].map(|size| size as u64);
        let last = sections.1.saturating_sub(1);
        for half in [header, program, programs.1, section, sections.1, last] {
            out.extend(self.number(half, 2));
        }
        out
    }

    fn program(&self, kind: elf::ProgramType, part: &Part, offset: u64) -> Vec<u8> {
        let len = part.bytes.len() as u64;
        let kind = self.number(kind.0.into(), 4);
        let flags = self.number(part.flags.0.into(), 4);
        let place = self.words(&[offset, part.address, part.address, len, len]);
        let align = self.words(&[1]);
        if self.bits == 64 {
            [kind, flags, place, align].concat()
        } else {
            [kind, place, flags, align].concat()
        }
    }

    fn section(
        &self,
        (name, address): (u64, u64),
        flags: elf::ProgramFlags,
        (offset, len): (u64, u64),
    ) -> Vec<u8> {
        let bit = |flag, value: u64| if flags.contains(flag) { value } else { 0 };
        let flags = bit(elf::PF_W, 1) | bit(elf::PF_R, 2) | bit(elf::PF_X, 4);
        let mut out = self.number(name, 4);
        out.extend(self.number(1, 4));
        out.extend(self.words(&[flags, address, offset, len]));
        out.extend(self.number(0, 8));
        out.extend(self.words(&[1, 0]));
        out
    }
}

/// Returns the bytes of `file` at `place`.
pub(super) fn at(file: &[u8], place: Place) -> &[u8] {
    let [start, len] = [place.offset, place.len].map(|number| usize::try_from(number).unwrap());
    &file[start..start + len]
}
