//! Paths inside of an image: bytes, relative to the root and never above it.

use std::io;

/// The maximum number of bytes of a path, as in the kernel.
pub(super) const LONGEST: usize = 4096;

/// Returns `path` without `.`, `..` and redundant slashes. A `..` at the root stays at the root.
pub(super) fn clean(path: &[u8]) -> io::Result<Vec<u8>> {
    let mut clean: Vec<u8> = Vec::with_capacity(path.len().min(LONGEST));
    for part in parts(path) {
        if part == b".." {
            let parent = clean.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            clean.truncate(parent);
            continue;
        }
        if !clean.is_empty() {
            clean.push(b'/');
        }
        clean.extend_from_slice(part);
    }
    limited(clean)
}

/// Returns `path`, or an error if it is too long for the kernel.
pub(super) fn limited(path: Vec<u8>) -> io::Result<Vec<u8>> {
    if path.len() > LONGEST {
        let why = "a name has more than 4096 bytes";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(path)
}

/// Returns the components of a path, without empty ones and `.`.
pub(super) fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
}

/// Splits a path into directory and name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}
