//! What a module states about itself: its name and its `FIPS_version()`.

use memchr::memmem;

use super::super::Family;
use super::reference::Machine;

const BORINGCRYPTO: &[u8] = b"BoringCrypto\0";
const AWS_LC: &[u8] = b"AWS-LC FIPS ";

/// Number of bytes after the reference in `FIPS_module_name` in which its neighbour `FIPS_version` is searched for.
const NEIGHBOUR: usize = 64;

/// Returns the line of modules that the bytes of a module belong to.
pub(super) fn family(module: &[u8]) -> Family {
    if memmem::find(module, AWS_LC).is_some() {
        Family::AwsLc
    } else {
        Family::BoringCrypto
    }
}

/// Returns the value that `FIPS_version()` of a module returns: a date in digits, or 0 in the update stream.
/// Modules before 2022 do not have this function, and AWS-LC's always returns 0.
pub(super) fn version(module: &[u8], family: Family, machine: Machine) -> Option<u32> {
    if family != Family::BoringCrypto {
        return None;
    }
    let name = memmem::find(module, BORINGCRYPTO)? as u64;
    let mut version = None;
    machine.references(module, 0, |reference| {
        let from = usize::try_from(reference.from).unwrap_or(usize::MAX);
        let after = module.get(from..).unwrap_or_default();
        let after = &after[..after.len().min(NEIGHBOUR)];
        if reference.to == name && version.is_none() {
            version = machine.constant(after, |value| value == 0 || is_date(value));
        }
    });
    version
}

/// Checks whether the value is a date: `20240407`, or `2022061300` with a counter at the end.
fn is_date(value: u32) -> bool {
    let date = if value > 1_000_000_000 {
        value / 100
    } else {
        value
    };
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    (2017..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

impl Machine {
    /// Returns the value of the first function in `code` that only returns a constant for which `wanted` returns
    /// true.
    fn constant(self, code: &[u8], wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let ret: &[u8] = match self {
            Machine::Amd64 => &[0xc3],
            Machine::Arm64 => &[0xc0, 0x03, 0x5f, 0xd6],
        };
        let returned = |at: usize| match self {
            Machine::Amd64 => amd64_constant(&code[..at]),
            Machine::Arm64 => arm64_constant(&code[..at]),
        };
        memmem::find_iter(code, ret).find_map(|at| returned(at).filter(|value| wanted(*value)))
    }
}

/// Decodes `mov eax, imm32` or `xor eax, eax` at the end of `code`.
fn amd64_constant(code: &[u8]) -> Option<u32> {
    if code.ends_with(&[0x31, 0xc0]) {
        return Some(0);
    }
    let &[opcode, a, b, c, d] = code.last_chunk()?;
    (opcode == 0xb8).then_some(u32::from_le_bytes([a, b, c, d]))
}

/// Decodes `movz w0, low; movk w0, high, lsl #16` or `mov w0, wzr` at the end of `code`.
fn arm64_constant(code: &[u8]) -> Option<u32> {
    let &last = code.last_chunk::<4>()?;
    let high = u32::from_le_bytes(last);
    if matches!(high, 0x2a1f_03e0 | 0x5280_0000) {
        return Some(0);
    }
    let &[a, b, c, d, ..] = code.last_chunk::<8>()?;
    let low = u32::from_le_bytes([a, b, c, d]);
    let is_pair = low & 0xffe0_001f == 0x5280_0000 && high & 0xffe0_001f == 0x72a0_0000;
    is_pair.then_some((high >> 5 & 0xffff) << 16 | low >> 5 & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(machine: Machine, code: &[u8]) -> Option<u32> {
        machine.constant(code, |value| value == 0 || is_date(value))
    }

    #[test]
    fn a_dated_version_is_read_on_both_machines() {
        // objdump of Go's modules
        let amd64 = [0xb8, 1, 0, 0, 0, 0xc3, 0xb8, 0xf4, 0x34, 0x86, 0x78, 0xc3];
        let arm64 = [0x5286_9e80_u32, 0x72af_10c0, 0xd65f_03c0].map(u32::to_le_bytes);
        assert_eq!(constant(Machine::Amd64, &amd64), Some(2_022_061_300));
        assert_eq!(
            constant(Machine::Arm64, &arm64.concat()),
            Some(2_022_061_300)
        );
        assert_eq!(constant(Machine::Arm64, &amd64), None);
    }

    #[test]
    fn the_update_stream_returns_zero_on_both_machines() {
        assert_eq!(constant(Machine::Amd64, &[0x31, 0xc0, 0xc3]), Some(0));
        for zero in [0x2a1f_03e0_u32, 0x5280_0000] {
            let code = [zero, 0xd65f_03c0].map(u32::to_le_bytes).concat();
            assert_eq!(constant(Machine::Arm64, &code), Some(0));
        }
    }

    #[test]
    fn a_constant_that_is_no_date_is_no_version() {
        for (value, date) in [
            (20_240_407, true),
            (2_023_042_800, true),
            (1, false),
            (20_241_340, false),
            (19_990_101, false),
            (2_022_003_200, false),
        ] {
            assert_eq!(is_date(value), date, "{value}");
        }
    }

    #[test]
    fn a_version_counts_only_beside_the_name_of_the_module() {
        let zero = [0x31, 0xc0, 0xc3];
        // lea rax, [rip + 13]; ret; 5 bytes; xor eax, eax; ret
        let mut module = vec![
            0x48, 0x8d, 0x05, 9, 0, 0, 0, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90,
        ];
        module.extend(zero);
        module.extend(BORINGCRYPTO);
        let version = |module: &[u8]| version(module, Family::BoringCrypto, Machine::Amd64);
        assert_eq!(version(&module), Some(0));
        module[3] = 8;
        assert_eq!(version(&module), None);
        assert_eq!(super::version(&zero, Family::AwsLc, Machine::Amd64), None);
    }
}
