//! Finds the addresses that code computes relative to itself, without disassembling the machine code. Bytes that
//! only look like such an instruction add a false target, but no target is missed.

use memchr::{memchr_iter, memchr2_iter};

use super::super::Arch;

/// A processor with instructions that this module can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    Amd64,
    Arm64,
}

/// A position-independent reference or call, as file offsets. Within one segment, the distance between two
/// addresses is the distance between their offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference {
    /// Position of the last instruction of the reference.
    pub from: u64,
    pub to: u64,
}

impl Machine {
    /// Returns the machines that a program can be for: one, or all if its header does not name a processor.
    pub(super) fn of(arch: Option<&Arch>) -> &'static [Machine] {
        match arch.map(|arch| arch.0.as_str()) {
            Some("amd64") => &[Machine::Amd64],
            Some("arm64") => &[Machine::Arm64],
            Some(_) => &[],
            None => &[Machine::Amd64, Machine::Arm64],
        }
    }

    /// Passes every reference in `code` to `each`; `code` is at `offset`.
    pub(super) fn references(self, code: &[u8], offset: u64, each: impl FnMut(Reference)) {
        match self {
            Machine::Amd64 => amd64(code, offset, each),
            Machine::Arm64 => arm64(code, offset, each),
        }
    }

    /// Passes every place that `code` reads a word from to `each`; `code` is at `offset`. Where the linker leaves
    /// it to the loader to write an address, code reads the address from such a word.
    pub(super) fn loads(self, code: &[u8], offset: u64, each: impl FnMut(Reference)) {
        match self {
            Machine::Amd64 => amd64_loads(code, offset, each),
            Machine::Arm64 => arm64_loads(code, offset, each),
        }
    }

    /// Returns the body of the function at the start of `code`, without its return instruction, if the function
    /// only computes an address and returns it.
    pub(super) fn address_getter(self, code: &[u8]) -> Option<&[u8]> {
        match self {
            Machine::Amd64 => {
                const ENDBR64: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
                const LEN: usize = 7;
                let code = code.strip_prefix(ENDBR64).unwrap_or(code);
                (*code.get(LEN)? == 0xc3).then_some(&code[..LEN])
            }
            Machine::Arm64 => {
                // bti, adrp, add or ldr
                const LONGEST: usize = 3;
                let (words, _) = code.as_chunks::<4>();
                let words = &words[..words.len().min(LONGEST + 1)];
                let is_return = |word: &[u8; 4]| u32::from_le_bytes(*word) == 0xd65f_03c0;
                let end = words.iter().position(is_return)?;
                Some(&code[..4 * end])
            }
        }
    }

    /// Passes every call and jump to a fixed target in `code` to `each`; `code` is at `offset`.
    pub(super) fn calls(self, code: &[u8], offset: u64, each: impl FnMut(Reference)) {
        match self {
            Machine::Amd64 => amd64_calls(code, offset, each),
            Machine::Arm64 => arm64_calls(code, offset, each),
        }
    }

    /// Checks whether a function can begin after `before`: the previous function, or the padding after it, ends
    /// there.
    pub(super) fn function_ends(self, before: &[u8]) -> bool {
        match self {
            // ret, nop, int3, or the zeros that end a longer nop
            Machine::Amd64 => matches!(before.last(), Some(0xc3 | 0x90 | 0xcc | 0)),
            Machine::Arm64 => before.last_chunk().is_some_and(|&word| {
                let word = u32::from_le_bytes(word);
                // ret, nop, udf, brk, b
                matches!(word, 0xd65f_03c0 | 0xd503_201f | 0)
                    || word & 0xffe0_001f == 0xd420_0000
                    || word >> 26 == 0x05
            }),
        }
    }

    /// Returns the alignment of functions, in bytes.
    pub(super) fn function_alignment(self) -> u64 {
        match self {
            Machine::Amd64 => 16,
            Machine::Arm64 => 4,
        }
    }
}

/// Finds `lea r64, [rip + disp32]`.
fn amd64(code: &[u8], offset: u64, each: impl FnMut(Reference)) {
    amd64_relative(0x8d, code, offset, each);
}

/// Finds `mov r64, [rip + disp32]`.
fn amd64_loads(code: &[u8], offset: u64, each: impl FnMut(Reference)) {
    amd64_relative(0x8b, code, offset, each);
}

/// Finds REX.W, the opcode, a `ModRM` byte of mode 0 and base 5, and the distance.
fn amd64_relative(opcode: u8, code: &[u8], offset: u64, mut each: impl FnMut(Reference)) {
    const AFTER_OPCODE: u64 = 6;
    for at in memchr_iter(opcode, code) {
        let rex = at.checked_sub(1).and_then(|before| code.get(before));
        let rest = code.get(at + 1..).and_then(|rest| rest.first_chunk());
        let (Some(0x48 | 0x4c), Some(&[modrm, a, b, c, d])) = (rex, rest) else {
            continue;
        };
        if modrm & 0xc7 != 0x05 {
            continue;
        }
        let from = offset + at as u64;
        let distance = i64::from(i32::from_le_bytes([a, b, c, d]));
        if let Some(to) = (from + AFTER_OPCODE).checked_add_signed(distance) {
            each(Reference { from, to });
        }
    }
}

/// Finds `call` and `jmp` with a distance of 32 bits.
fn amd64_calls(code: &[u8], offset: u64, mut each: impl FnMut(Reference)) {
    const LEN: u64 = 5;
    for at in memchr2_iter(0xe8, 0xe9, code) {
        let Some(&distance) = code.get(at + 1..).and_then(<[u8]>::first_chunk) else {
            continue;
        };
        let from = offset + at as u64;
        let distance = i64::from(i32::from_le_bytes(distance));
        if let Some(to) = (from + LEN).checked_add_signed(distance) {
            each(Reference { from, to });
        }
    }
}

/// Finds `bl` and `b`.
fn arm64_calls(code: &[u8], offset: u64, mut each: impl FnMut(Reference)) {
    for (from, word) in words(code, offset) {
        let distance = i64::from(word.cast_signed() << 6 >> 4);
        if word & 0x7c00_0000 == 0x1400_0000
            && let Some(to) = from.checked_add_signed(distance)
        {
            each(Reference { from, to });
        }
    }
}

/// Returns the instructions of `code` with their positions; `code` is at `offset`.
fn words(code: &[u8], offset: u64) -> impl Iterator<Item = (u64, u32)> {
    let skip = usize::try_from(offset.wrapping_neg() % 4).unwrap_or(0);
    let words = code.get(skip..).unwrap_or_default().chunks_exact(4);
    let words = words.map(|word| u32::from_le_bytes(word.try_into().unwrap_or_default()));
    (offset + skip as u64..).step_by(4).zip(words)
}

/// Finds `adr`, and `adrp` with the `add` that follows it for the same register.
fn arm64(code: &[u8], offset: u64, mut each: impl FnMut(Reference)) {
    arm64_relative(code, offset, |reference, is_load| {
        if !is_load {
            each(reference);
        }
    });
}

/// Finds `adrp` with the 64-bit `ldr` that follows it for the same register.
fn arm64_loads(code: &[u8], offset: u64, mut each: impl FnMut(Reference)) {
    arm64_relative(code, offset, |reference, is_load| {
        if is_load {
            each(reference);
        }
    });
}

/// Finds references and loads; the second argument of `each` is true for a load.
fn arm64_relative(code: &[u8], offset: u64, mut each: impl FnMut(Reference, bool)) {
    let mut pages: [Option<u64>; 32] = [None; 32];
    for (from, word) in words(code, offset) {
        let target = word as usize % 32;
        match word >> 24 {
            0x10 | 0x30 | 0x50 | 0x70 => {
                if let Some(to) = from.checked_add_signed(adr_distance(word)) {
                    each(Reference { from, to }, false);
                }
            }
            0x90 | 0xb0 | 0xd0 | 0xf0 => {
                pages[target] = (from & !0xfff).checked_add_signed(adr_distance(word) << 12);
            }
            0x91 if word & 0x00c0_0000 == 0 => {
                let low = u64::from(word >> 10 & 0xfff);
                let page = pages[word as usize >> 5 & 31];
                if let Some(to) = page.and_then(|page| page.checked_add(low)) {
                    each(Reference { from, to }, false);
                }
            }
            0xf9 if word & 0x00c0_0000 == 0x0040_0000 => {
                let low = u64::from(word >> 10 & 0xfff) * 8;
                let page = pages[word as usize >> 5 & 31];
                if let Some(to) = page.and_then(|page| page.checked_add(low)) {
                    each(Reference { from, to }, true);
                }
            }
            _ => {}
        }
    }
}

/// Returns the signed 21-bit distance that `adr` and `adrp` encode in two parts.
fn adr_distance(word: u32) -> i64 {
    let high = (word.cast_signed() << 8 >> 13) << 2;
    i64::from(high | (word >> 29 & 3).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(machine: Machine, code: &[u8], offset: u64) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        machine.references(code, offset, |reference| {
            found.push((reference.from, reference.to));
        });
        found
    }

    #[test]
    fn a_lea_reaches_forwards_and_backwards() {
        // objdump of BORINGSSL_integrity_test: 11a92d: lea -0xb7914(%rip),%rbx  # 63020
        let back = [0x48, 0x8d, 0x1d, 0xec, 0x86, 0xf4, 0xff];
        assert_eq!(
            all(Machine::Amd64, &back, 0x0011_a92d),
            [(0x0011_a92e, 0x63020)]
        );
        let high_register = [0x4c, 0x8d, 0x3d, 0x02, 0, 0, 0];
        assert_eq!(all(Machine::Amd64, &high_register, 0), [(1, 9)]);
    }

    #[test]
    fn a_lea_of_another_form_is_no_reference() {
        for code in [
            [0x48, 0x8d, 0x44, 0x24, 0x30, 0, 0],
            [0x48, 0x8d, 0x85, 1, 0, 0, 0],
            [0x40, 0x8d, 0x05, 1, 0, 0, 0],
        ] {
            assert_eq!(all(Machine::Amd64, &code, 0), [], "{code:x?}");
        }
        assert_eq!(all(Machine::Amd64, &[0x48, 0x8d, 0x05, 1, 0], 0), []);
    }

    #[test]
    fn an_adr_reaches_forwards_and_backwards() {
        // objdump of Go's module: 3ac5c: 100c6920 adr x0, 53980; 3ac7c: 300c6881 adr x1, 5398d
        let code = [0x100c_6920_u32.to_le_bytes(), 0x300c_6881_u32.to_le_bytes()].concat();
        assert_eq!(
            all(Machine::Arm64, &code[..4], 0x3ac5c),
            [(0x3ac5c, 0x53980)]
        );
        assert_eq!(
            all(Machine::Arm64, &code[4..], 0x3ac7c),
            [(0x3ac7c, 0x5398d)]
        );
        // adr x0, . - 4
        let back = 0x10ff_ffe0_u32.to_le_bytes();
        assert_eq!(all(Machine::Arm64, &back, 0x100), [(0x100, 0xfc)]);
    }

    #[test]
    fn an_adrp_waits_for_the_add_of_its_register() {
        // adrp x1, . + 0x2000; add x2, x3, #8; add x0, x1, #0x123
        let code = [0xd000_0001_u32, 0x9100_2062, 0x9104_8c20].map(u32::to_le_bytes);
        let found = all(Machine::Arm64, &code.concat(), 0x5004);
        assert_eq!(found, [(0x500c, 0x7123)]);
    }

    fn loads(machine: Machine, code: &[u8], offset: u64) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        machine.loads(code, offset, |load| found.push((load.from, load.to)));
        found
    }

    #[test]
    fn loads_reach_the_table_of_addresses() {
        // mov rax, [rip + 0x10]; lea rax, [rip + 0x10]
        let code = [
            0x48, 0x8b, 0x05, 0x10, 0, 0, 0, 0x48, 0x8d, 0x05, 0x10, 0, 0, 0,
        ];
        assert_eq!(loads(Machine::Amd64, &code, 0x100), [(0x101, 0x117)]);
        // objdump of AWS-LC FIPS 3.0.0: 312024: adrp x0, 4fb000; 312028: ldr x0, [x0, #1616]
        let code = [0xb000_0f40_u32, 0xf943_2800]
            .map(u32::to_le_bytes)
            .concat();
        assert_eq!(
            loads(Machine::Arm64, &code, 0x31_2024),
            [(0x31_2028, 0x4f_b650)]
        );
        assert_eq!(all(Machine::Arm64, &code, 0x31_2024), []);
    }

    #[test]
    fn address_getters_end_after_one_address() {
        let arm64 = |words: &[u32]| {
            let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            Machine::Arm64.address_getter(&code).map(<[u8]>::len)
        };
        let (bti, adrp, ldr, ret) = (0xd503_245f, 0xb000_0f40, 0xf943_2800, 0xd65f_03c0);
        assert_eq!(arm64(&[bti, adrp, ldr, ret]), Some(12));
        assert_eq!(arm64(&[adrp, ldr, ret]), Some(8));
        assert_eq!(arm64(&[adrp, ldr, bti, bti, ret]), None);
        assert_eq!(arm64(&[adrp, ldr]), None);
        let amd64 = |code: &[u8]| Machine::Amd64.address_getter(code).map(<[u8]>::len);
        let lea = [0x48, 0x8d, 0x05, 1, 0, 0, 0];
        assert_eq!(amd64(&[&lea[..], &[0xc3]].concat()), Some(7));
        let marked = [&[0xf3, 0x0f, 0x1e, 0xfa], &lea[..], &[0xc3]].concat();
        assert_eq!(amd64(&marked), Some(7));
        assert_eq!(amd64(&[&lea[..], &[0x90]].concat()), None);
        assert_eq!(amd64(&lea), None);
    }

    fn calls(machine: Machine, code: &[u8], offset: u64) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        machine.calls(code, offset, |call| found.push((call.from, call.to)));
        found
    }

    #[test]
    fn calls_and_jumps_reach_forwards_and_backwards() {
        // objdump of a program: 4bbfe6: e8 35 c1 f4 ff call 408120; 4bbff0: e9 0b 00 00 00 jmp 4bc000
        let code = [
            0xe8, 0x35, 0xc1, 0xf4, 0xff, 0, 0, 0, 0, 0, 0xe9, 0x0b, 0, 0, 0,
        ];
        let expected = [(0x4b_bfe6, 0x40_8120), (0x4b_bff0, 0x4b_c000)];
        assert_eq!(calls(Machine::Amd64, &code, 0x4b_bfe6), expected);
        assert_eq!(calls(Machine::Amd64, &code[..4], 0), []);
        // bl . + 8; b . - 4; cbz, which is neither
        let code = [0x9400_0002_u32, 0x17ff_ffff, 0xb400_0040].map(u32::to_le_bytes);
        let expected = [(0x1000, 0x1008), (0x1004, 0x1000)];
        assert_eq!(calls(Machine::Arm64, &code.concat(), 0x1000), expected);
    }

    #[test]
    fn a_function_begins_behind_the_end_of_another() {
        for (before, ends) in [
            (&[0x5d, 0xc3][..], true),
            (&[0x0f, 0x1f, 0x40, 0], true),
            (&[0xcc], true),
            (&[0x5d], false),
            (&[], false),
        ] {
            assert_eq!(Machine::Amd64.function_ends(before), ends, "{before:x?}");
        }
        for (before, ends) in [
            (0xd65f_03c0_u32, true),
            (0xd503_201f, true),
            (0xd420_0020, true),
            (0x1400_0002, true),
            (0, true),
            (0x9400_0002, false),
            (0xd65f_03c1, false),
        ] {
            let word = before.to_le_bytes();
            assert_eq!(Machine::Arm64.function_ends(&word), ends, "{before:x}");
        }
        assert!(!Machine::Arm64.function_ends(&[0; 3]));
    }

    #[test]
    fn words_of_arm64_are_aligned_to_the_file() {
        let mut code = vec![0xff];
        code.extend(0x10ff_ffe0_u32.to_le_bytes());
        assert_eq!(all(Machine::Arm64, &code, 0x103), [(0x104, 0x100)]);
    }
}
