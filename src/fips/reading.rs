//! A program as it was read: its evidence, and its digest where somebody wants to name it.

use std::io;

use positioned_io::ReadAt;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::bytes::Bytes;
use super::{Evidence, Fingerprint, Place, read};

/// What one program gave; kept in the cache of images as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What its bytes say, or why they could not be read.
    pub evidence: Result<Evidence, String>,
    /// Hex sha256 of all its bytes: the identity of the evidence. Absent where it was not asked for.
    pub sha256: Option<String>,
}

impl Reading {
    /// Reads the `size` bytes of a program, and all of them once more where the `digest` is wanted.
    pub fn of(source: &dyn ReadAt, size: u64, known: &[Fingerprint], digest: bool) -> Reading {
        let sha256 = digest.then(|| sha256(source, size)).transpose();
        let (evidence, sha256) = match sha256 {
            Ok(sha256) => (read(source, size, known), sha256),
            Err(error) => (Err(error), None),
        };
        Reading {
            evidence: evidence.map_err(|error| error.to_string()),
            sha256,
        }
    }

    /// The reading, or the reason why there is none in its place.
    pub fn or<E: std::fmt::Display>(read: Result<Reading, E>) -> Reading {
        read.unwrap_or_else(|why| Reading {
            evidence: Err(why.to_string()),
            sha256: None,
        })
    }
}

fn sha256(source: &dyn ReadAt, size: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    let whole = Place {
        offset: 0,
        len: size,
    };
    Bytes::new(source, size).stream(whole, |piece| hash.update(piece))?;
    Ok(hash
        .finalize()
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
}
