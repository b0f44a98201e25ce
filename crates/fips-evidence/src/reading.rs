//! The result of reading one program: its evidence and, if requested, its digest.

use std::panic::resume_unwind;
use std::{io, thread};

use positioned_io::ReadAt;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{BinaryFacts, Modules, Work, read};

/// Number of bytes that are read at a time for the digest.
const PIECE: usize = 256 << 10;

/// What was read from one program. The image cache stores it unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What its bytes contain, or why they could not be read.
    pub evidence: Result<BinaryFacts, String>,
    /// Hex SHA-256 of all its bytes, which identifies the evidence. Absent if it was not requested.
    pub sha256: Option<String>,
}

impl Reading {
    /// Reads the `size` bytes of a program within the budget `work`, and hashes all of them if `digest` is
    /// true.
    pub fn of(
        source: &(dyn ReadAt + Sync),
        size: u64,
        modules: &Modules,
        digest: bool,
        work: &Work,
    ) -> Reading {
        let (evidence, sha256) = thread::scope(|scope| {
            let sha256 = digest.then(|| scope.spawn(|| sha256(source, size)));
            let evidence = read(source, size, modules, work);
            (evidence, sha256.map(join).transpose())
        });
        let (evidence, sha256) = match sha256 {
            Ok(sha256) => (evidence, sha256),
            Err(error) => (Err(error), None),
        };
        Reading {
            evidence: evidence.map_err(|error| error.to_string()),
            sha256,
        }
    }

    /// Returns the reading, or a reading that contains the reason why there is none.
    pub fn or<E: std::fmt::Display>(read: Result<Reading, E>) -> Reading {
        read.unwrap_or_else(|why| Reading {
            evidence: Err(why.to_string()),
            sha256: None,
        })
    }
}

/// Hashes every byte, including those that no search covers.
fn sha256(source: &dyn ReadAt, size: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    for at in (0..size).step_by(PIECE) {
        let len = usize::try_from(size - at).map_or(PIECE, |left| left.min(PIECE));
        source.read_exact_at(at, &mut piece[..len])?;
        hash.update(&piece[..len]);
    }
    let hex = |hex: String, byte: &u8| hex + &format!("{byte:02x}");
    Ok(hash.finalize().iter().fold(String::new(), hex))
}

/// Returns the result of a thread, or continues its panic.
pub(super) fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::SCAN_LIMIT;

    /// An endless source of zeros.
    struct Hole;

    impl ReadAt for Hole {
        fn read_at(&self, _: u64, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0);
            Ok(buffer.len())
        }
    }

    #[test]
    fn the_digest_is_that_of_every_byte_however_many_are_searched() {
        let whole = sha256(&Hole, SCAN_LIMIT + 1).unwrap();
        assert_ne!(whole, sha256(&Hole, SCAN_LIMIT).unwrap());
        let text: &[u8] = b"abc";
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&text, 3).unwrap(), known);
        assert!(sha256(&text, 4).is_err(), "a file that became shorter");
    }
}
