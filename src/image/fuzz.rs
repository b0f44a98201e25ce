//! The fuzz target of layers, and the properties that hold for any bytes.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ::tar::Header;
use sha2::{Digest as _, Sha256};

use super::layer::{Expected, Reader};
use super::meter::Budget;
use super::read::{Layer, Search};
use super::{Digest, ImageError, Limits, Program, ProgramBytes, Want};

const BLOCK: usize = 512;

const LIMITS: Limits = Limits {
    program: 256 << 10,
    unpacked: 4 << 20,
    ratio: 256,
    entries: 4096,
    names: 256 << 10,
};

/// The paths of the wanted program, or of a link to it, in the seeds.
const WANTED: [&str; 3] = ["/bin/envoy", "/usr/local/bin/envoy", "/opt/../a"];

/// A path that no image contains. To look for it, the reader reads every layer.
const NOWHERE: &str = "/nowhere/at/all";

/// Checks an image of up to two layers. The first byte is the number of blocks of the lower one.
///
/// # Panics
///
/// Panics if a property does not hold.
pub fn layer(bytes: &[u8]) {
    let Some((split, rest)) = bytes.split_first() else {
        return;
    };
    let middle = rest.len().min(usize::from(*split) * BLOCK);
    let (lower, upper) = rest.split_at(middle);
    let layers = [lower, upper].map(summed);
    let layers: Vec<&[u8]> = layers
        .iter()
        .filter(|layer| !layer.is_empty())
        .map(Vec::as_slice)
        .collect();
    let wanted = |more: &[&str]| {
        let paths = WANTED.iter().chain(more).map(|path| (*path).to_owned());
        Want::Paths(paths.collect())
    };
    let (some, every) = (
        image(&layers, &wanted(&[])),
        image(&layers, &wanted(&[NOWHERE])),
    );
    // The result does not change if the reader stops early or reads twice.
    if let (Ok(some), Ok(every)) = (some, every) {
        assert_eq!(some.as_slice(), &every[..some.len()]);
    }
    // This may fail, but must not panic.
    drop(image(&layers, &Want::All));
}

/// Returns the programs of an image, each as its size and a hash.
fn image(layers: &[&[u8]], want: &Want) -> Result<Vec<Program<(u64, u64)>>, ImageError> {
    let bytes = Cell::new(0_u64);
    let mut each = |program: &ProgramBytes<'_>| {
        assert!(program.size <= LIMITS.program);
        bytes.set(bytes.get() + program.size);
        (program.size, hash(program))
    };
    let budget = Budget::default();
    let mut reader = Reader::new(LIMITS, &budget, &mut each);
    let layers: Vec<Layer<'_>> = layers.iter().filter_map(|bytes| stored(bytes)).collect();
    let search = Search {
        name: "image",
        want,
        sought: &want.anywhere(),
        budget: &budget,
    };
    let found = search.run(&layers, &mut reader);
    // A program is read once, and a second time if links lead to it.
    let all = 2 * (LIMITS.unpacked + LIMITS.program);
    assert!(bytes.get() <= all, "{} bytes of programs", bytes.get());
    found
}

fn stored(bytes: &[u8]) -> Option<Layer<'_>> {
    let hash = Sha256::digest(bytes);
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    let digest: Digest = hash.iter().fold("sha256:".to_owned(), hex).parse().ok()?;
    Some(Layer {
        expected: Expected {
            name: "layer".to_owned(),
            size: bytes.len() as u64,
            stored: Some(digest.clone()),
            unpacked: digest.clone(),
        },
        digest,
        open: Box::new(move || Ok(Box::new(bytes))),
    })
}

fn hash(program: &ProgramBytes<'_>) -> u64 {
    let mut content = vec![0; usize::try_from(program.size).unwrap_or_default()];
    let read = program.source.read_at(0, &mut content);
    assert!(read.is_ok_and(|read| read == content.len()));
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// Returns the bytes with correct checksums in blocks that look like headers: a fuzzer does not
/// guess them.
fn summed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.as_chunks_mut::<BLOCK>().0 {
        if block[257..].starts_with(b"ustar") {
            let mut header = Header::from_byte_slice(block).clone();
            header.set_cksum();
            *block = *header.as_bytes();
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_holds_on_small_layers() {
        let mut header = Header::new_ustar();
        header.set_path("bin/envoy").unwrap();
        header.set_size(5);
        let entry = [header.as_bytes(), b"\x7fELF?".as_slice(), &[0; 507]].concat();
        for bytes in [
            &[&[0][..], &entry].concat(),
            &[&[2][..], &entry, &entry].concat(),
            &vec![],
        ] {
            layer(bytes);
        }
    }
}
