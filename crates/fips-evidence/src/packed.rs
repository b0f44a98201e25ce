//! Detection of packers: the content of a packed file is visible only at run time, so nothing can be stated
//! about it.

use std::io;

use memchr::memmem;

use super::bytes::Bytes;
use super::elf::Layout;
use super::{Place, boring};

/// Returns the packer by its mark: UPX writes its name after the program headers, `AppImage` into the ELF
/// header.
pub(super) fn mark(bytes: &Bytes<'_>) -> io::Result<Option<String>> {
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

/// Number of bytes of a sample.
const SAMPLE: u64 = 4 << 10;
/// Maximum number of samples per range, and minimum number of samples of all ranges together.
const SAMPLES: (u64, u64) = (256, 4);
/// Entropy of a sample in bits per byte. Machine code has at most 6.8, compressed or encrypted data 7.9.
const COMPRESSED: f64 = 7.5;

/// Checks whether nearly all of the code is compressed or encrypted: a packer can omit its mark, but not
/// this.
pub(super) fn is_compressed(bytes: &Bytes<'_>, layout: &Layout) -> io::Result<bool> {
    let (mut samples, mut dense) = (0u64, 0u64);
    for place in boring::executable(bytes, Some(layout)) {
        let count = (place.len / SAMPLE).min(SAMPLES.0);
        let step = place.len.checked_div(count).unwrap_or(0);
        for index in 0..count {
            let offset = place.offset + index * step;
            let sample = bytes.window(Place {
                offset,
                len: SAMPLE,
            })?;
            dense += u64::from(entropy(&sample) > COMPRESSED);
        }
        samples += count;
    }
    // The code that unpacks is short, so a small part may be uncompressed.
    Ok(samples >= SAMPLES.1 && dense * 8 > samples * 7)
}

/// Computes the Shannon entropy of the sample, in bits per byte.
fn entropy(sample: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    let all: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let parts = counts.iter().filter(|count| **count > 0);
    parts
        .map(|count| f64::from(*count) / all)
        .map(|part| -part * part.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::sample::{SHAPES, Sample};

    fn marked(file: &[u8]) -> Option<String> {
        mark(&Bytes::new(&file, file.len() as u64)).unwrap()
    }

    #[test]
    fn a_packer_is_known_by_its_mark_at_the_start_only() {
        let mut file = vec![0; 4096];
        assert_eq!(marked(&file), None);
        file[2000..2004].copy_from_slice(b"UPX!");
        assert_eq!(marked(&file), None);
        file[236..240].copy_from_slice(b"UPX!");
        assert_eq!(marked(&file).as_deref(), Some("UPX"));
        file[236] = 0;
        file[8..11].copy_from_slice(b"AI\x02");
        assert_eq!(marked(&file).as_deref(), Some("AppImage"));
    }

    /// Returns bytes without any pattern.
    fn noise(len: usize) -> Vec<u8> {
        let blocks = (0u64..).flat_map(|index| Sha256::digest(index.to_le_bytes()));
        blocks.take(len).collect()
    }

    #[test]
    fn without_a_mark_a_packer_is_known_by_code_that_is_none() {
        let compressed = |parts: &[&[u8]], data: &[u8]| {
            let file = Sample::new(SHAPES[0])
                .text(".text", 0x40_0000, &parts.concat())
                .data(".data", 0x80_0000, data)
                .build();
            let bytes = Bytes::new(&file, file.len() as u64);
            is_compressed(&bytes, &Layout::read(&bytes).unwrap().unwrap()).unwrap()
        };
        let noise = noise(100 << 10);
        let code: Vec<u8> = (0..100u8).flat_map(|byte| [byte; 1024]).collect();
        assert!(compressed(&[&noise, &code[..4096]], &code));
        assert!(!compressed(&[&code], &noise));
        assert!(!compressed(&[&noise, &code[..30 << 10]], &[]));
        assert!(!compressed(&[&noise[..12 << 10]], &[]));
    }
}
