//! A program with a hand-made module: noise, an integrity test that refers to the module's bounds, and the value of
//! its HMAC after the module.

use object::elf;

use super::super::fingerprint::{Algorithm, Anchor, Fingerprint, Hex};
use super::super::sample::Sample as Program;
use super::super::{Arch, Family, Place};
use super::mac::Mac;
use super::reference::Machine;
use super::selftest;

pub(super) const START: usize = 0x1000;
pub(super) const BYTES: usize = 0x28000;
pub(super) const END: usize = START + BYTES;
pub(super) const STORED: usize = END + 0x40;
const TEXT: usize = START + 0x1000;
const NAME: usize = START + 0x1100;
const TEST: usize = START + 0x20000;
const MODULE_NAME: usize = START + 0x22000;
/// Code of the program that calls the test.
pub(super) const CALLER: usize = END + 0x800;
const SIZE: usize = END + 0x1000;

pub(super) struct Sample {
    pub file: Vec<u8>,
    machine: Machine,
    algorithm: Algorithm,
    /// Addresses of words that the loader writes, and the values that it writes there.
    bounds: Vec<(u64, u64)>,
}

impl Sample {
    pub(super) fn new(machine: Machine, algorithm: Algorithm) -> Self {
        let mut sample = Sample {
            file: noise(SIZE),
            machine,
            algorithm,
            bounds: Vec::new(),
        };
        sample.put(TEXT, selftest::TEXT.as_bytes());
        sample.put(NAME, b"BoringCrypto\0");
        for (index, target) in [START, END, STORED, TEXT].into_iter().enumerate() {
            sample.refer(TEST + 16 * index, target);
        }
        sample.refer(MODULE_NAME, NAME);
        // mov eax, 20240407; ret, or the same with w0
        let version: &[u8] = match machine {
            Machine::Amd64 => &[0xb8, 0x17, 0xd8, 0x34, 0x01, 0xc3],
            Machine::Arm64 => &[
                0xe0, 0x02, 0x9b, 0x52, 0x80, 0x26, 0xa0, 0x72, 0xc0, 0x03, 0x5f, 0xd6,
            ],
        };
        sample.put(MODULE_NAME + 16, version);
        let end = sample.end_of_a_function();
        sample.put(TEST - end.len(), &end);
        sample.call(TEST);
        sample.seal();
        sample
    }

    /// Stores the integrity value of the current bytes.
    pub(super) fn seal(&mut self) {
        let mut mac = Mac::new(self.algorithm);
        mac.update(&self.file[START..END]);
        self.put(STORED, &mac.value());
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.file[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes code at `at` that refers to `target`.
    fn refer(&mut self, at: usize, target: usize) {
        let distance = signed(target) - signed(at);
        let code = match self.machine {
            Machine::Amd64 => {
                let after = i32::try_from(distance - 7).unwrap().to_le_bytes();
                [&[0x48, 0x8d, 0x05], &after[..], &[0xc3]].concat()
            }
            Machine::Arm64 => {
                let [low, high] = [distance & 3, distance >> 2 & 0x7_ffff];
                let word = 0x1000_0000 | u32::try_from(low << 29 | high << 5).unwrap();
                word.to_le_bytes().to_vec()
            }
        };
        self.put(at, &code);
    }

    fn end_of_a_function(&self) -> Vec<u8> {
        match self.machine {
            Machine::Amd64 => vec![0xc3],
            Machine::Arm64 => 0xd65f_03c0_u32.to_le_bytes().to_vec(),
        }
    }

    /// Writes code into the program that calls `target`.
    fn call(&mut self, target: usize) {
        self.call_from(CALLER, target);
    }

    fn call_from(&mut self, from: usize, target: usize) {
        let distance = signed(target) - signed(from);
        let code = match self.machine {
            Machine::Amd64 => {
                let after = i32::try_from(distance - 5).unwrap().to_le_bytes();
                [&[0xe8], &after[..]].concat()
            }
            Machine::Arm64 => {
                let word = 0x9400_0000 | u32::try_from(distance >> 2 & 0x3ff_ffff).unwrap();
                word.to_le_bytes().to_vec()
            }
        };
        self.put(from, &code);
    }

    /// Returns the same in a program in which the loader writes the bounds of the module into a table. Functions
    /// outside of the module read them from there for the module's test.
    pub(super) fn bounds_in_table(mut self) -> Vec<u8> {
        const ADDRESS: usize = 0x40_0190;
        const TABLE: usize = 0x60_0000 + (ADDRESS + SIZE) % 0x1000;
        for (index, bound) in [(0, START), (1, END)] {
            let getter = END + 0x100 + 16 * index;
            let slot = TABLE + 8 * index;
            self.put(TEST + 16 * index, &[0x90; 16]);
            self.call_from(TEST + 16 * index, getter);
            let code = match self.machine {
                Machine::Amd64 => {
                    let distance = signed(slot) - signed(ADDRESS + getter + 7);
                    let distance = i32::try_from(distance).unwrap().to_le_bytes();
                    [&[0x48, 0x8b, 0x05], &distance[..], &[0xc3]].concat()
                }
                Machine::Arm64 => {
                    // bti c; adrp x0, page; ldr x0, [x0, low]; ret
                    let pages = (slot >> 12) - ((ADDRESS + getter + 4) >> 12);
                    let pages = u32::try_from((pages & 3) << 29 | pages >> 2 << 5).unwrap();
                    let low = u32::try_from((slot & 0xfff) / 8).unwrap();
                    let words = [0xd503_245f, 0x9000_0000 | pages, 0xf940_0000 | low << 10];
                    let words = words.into_iter().chain([0xd65f_03c0]);
                    words.flat_map(u32::to_le_bytes).collect()
                }
            };
            self.put(getter, &code);
            self.bounds.push((slot as u64, (ADDRESS + bound) as u64));
        }
        self.seal();
        let machine = match self.machine {
            Machine::Amd64 => elf::EM_X86_64,
            Machine::Arm64 => elf::EM_AARCH64,
        };
        let mut program = Program::new((64, false, machine));
        program.relocations = self.bounds;
        let program = program.text(".text", ADDRESS as u64, &self.file);
        program.data(".got", TABLE as u64, &[0; 16]).build()
    }

    /// Returns the same module in a program that does not call it.
    pub(super) fn uncalled(mut self) -> Self {
        self.put(CALLER, &[0x90; 8]);
        self
    }

    pub(super) fn stored(&self) -> Vec<u8> {
        self.file[STORED..STORED + self.algorithm.len()].to_vec()
    }

    pub(super) fn arch(&self) -> Arch {
        Arch(
            if self.machine == Machine::Amd64 {
                "amd64"
            } else {
                "arm64"
            }
            .to_owned(),
        )
    }

    /// Returns the same in a program that has one segment with these flags: 4 is readable, 5 is readable and
    /// executable.
    pub(super) fn elf(&self, flags: u8) -> Vec<u8> {
        const HEADER: usize = START;
        let size = (HEADER + self.file.len()) as u64;
        let mut file = vec![0; HEADER];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &[2, 0, 62, 0, 1]);
        put(32, &[64]);
        put(52, &[64, 0, 56, 0, 1]);
        put(64, &[1, 0, 0, 0, flags]);
        for field in [96, 104] {
            put(field, &size.to_le_bytes());
        }
        file.extend(&self.file);
        file
    }

    pub(super) fn code(&self) -> Place {
        Place {
            offset: 0,
            len: self.file.len() as u64,
        }
    }

    /// Returns the fingerprint row for this module.
    pub(super) fn row(&self) -> Fingerprint {
        let anchors = [0x100, 0x9000, 0x18000, 0x27000];
        Fingerprint {
            module: "made-by-hand".to_owned(),
            family: Family::BoringCrypto,
            arch: self.arch(),
            algorithm: self.algorithm,
            bytes: BYTES as u64,
            hash: self.stored().into(),
            hash_at: signed(STORED - START),
            anchors: anchors
                .map(|at| Anchor {
                    at: at as u64,
                    bytes: Hex::from(self.file[START + at..START + at + 32].to_vec()),
                })
                .to_vec(),
            fips_version: Some(20_240_407),
            seen_in: String::new(),
            source: String::new(),
            evidence: String::new(),
            date: String::new(),
        }
    }
}

fn signed(place: usize) -> i64 {
    i64::try_from(place).unwrap()
}

/// Returns pseudorandom bytes, which are the same every time.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}
