//! Sparse files (files with holes) in tar archives: the old format of GNU, and the pax formats 0.0,
//! 0.1 and 1.0.

use std::io::{self, Read};

use ::tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::block::{BLOCK, fill};
use super::pax::{SparseMap, SparseRecords, number};
use super::{cut, malformed};

/// The maximum number of segments of a sparse file.
const SEGMENT_LIMIT: usize = 16 << 10;

/// The maximum number of bytes of a map in front of the data. Each segment has two numbers of up to
/// 20 digits.
const MAP_LIMIT: usize = 1 << 20;

/// A range of stored bytes, by its position in the extracted file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Segment {
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// A sparse file: its segments, its extracted size, and the number of its stored bytes that are the
/// map.
pub(super) struct Sparse {
    pub(super) segments: Vec<Segment>,
    pub(super) size: u64,
    pub(super) map: u64,
}

/// Reads the map of GNU's old format, which begins in the header.
pub(super) fn of_header(input: &mut impl Read, header: &Header, stored: u64) -> io::Result<Sparse> {
    let Some(gnu) = header.as_gnu() else {
        return Err(malformed("a sparse file without GNU's header"));
    };
    let size = gnu.real_size()?;
    let mut segments = Vec::new();
    push_stored(&mut segments, &gnu.sparse)?;
    let mut more = gnu.is_extended();
    while more {
        let mut extension = GnuExtSparseHeader::new();
        if !fill(input, extension.as_mut_bytes())? {
            return Err(cut());
        }
        push_stored(&mut segments, &extension.sparse)?;
        more = extension.is_extended();
    }
    Sparse::new(segments, size, stored, 0)
}

/// Reads the map of an entry from the place that its records name.
pub(super) fn of_records(
    input: &mut impl Read,
    records: &SparseRecords,
    map: &SparseMap<'_>,
    stored: u64,
) -> io::Result<Sparse> {
    let size = records.size()?.unwrap_or(stored);
    let bad = || malformed("the map of a sparse file is not a list of numbers");
    match map {
        SparseMap::Records { map, pieces } => {
            let numbers = map.split(|byte| *byte == b',').filter(|_| !map.is_empty());
            let numbers = numbers.map(|digits| number(digits).ok_or_else(bad));
            let segments = paired(numbers)?;
            if segments.len() as u64 != *pieces {
                return Err(malformed(
                    "a sparse file has another number of pieces than it says",
                ));
            }
            Sparse::new(segments, size, stored, 0)
        }
        SparseMap::Data => {
            let mut lines = Lines {
                input,
                left: stored,
                text: Vec::new(),
                at: 0,
            };
            let pieces = lines.number()?;
            if pieces > SEGMENT_LIMIT as u64 {
                return Err(too_many());
            }
            let numbers = (0..pieces * 2).map(|_| lines.number());
            let segments = paired(numbers)?;
            let map = lines.text.len() as u64;
            Sparse::new(segments, size, stored - map, map)
        }
    }
}

/// The lines of a map in front of the data. The map is read in whole blocks, and only as far as
/// needed.
struct Lines<'a, R> {
    input: &'a mut R,
    /// The number of stored bytes that have not been read.
    left: u64,
    text: Vec<u8>,
    /// The offset of the next line in `text`.
    at: usize,
}

impl<R: Read> Lines<'_, R> {
    fn number(&mut self) -> io::Result<u64> {
        let bad = || malformed("the map of a sparse file is not a list of numbers");
        let end = loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', rest) {
                break self.at + end;
            }
            // No valid number has this many digits.
            if self.text.len() > MAP_LIMIT || rest.len() > BLOCK {
                return Err(bad());
            }
            let mut block = [0; BLOCK];
            let Some(left) = self.left.checked_sub(BLOCK as u64) else {
                return Err(cut());
            };
            if !fill(self.input, &mut block)? {
                return Err(cut());
            }
            self.left = left;
            self.text.extend_from_slice(&block);
        };
        let line = self.text.get(self.at..end).unwrap_or_default();
        self.at = end + 1;
        number(line).ok_or_else(bad)
    }
}

fn paired(numbers: impl Iterator<Item = io::Result<u64>>) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut offset = None;
    for number in numbers {
        let number = number?;
        match offset.take() {
            None => offset = Some(number),
            Some(offset) => push(
                &mut segments,
                Segment {
                    offset,
                    len: number,
                },
            )?,
        }
    }
    if offset.is_some() {
        return Err(malformed("the pieces of a sparse file are not in pairs"));
    }
    Ok(segments)
}

impl Sparse {
    fn new(segments: Vec<Segment>, size: u64, stored: u64, map: u64) -> io::Result<Sparse> {
        let (mut end, mut total) = (0_u64, 0_u64);
        for segment in &segments {
            if segment.offset < end {
                return Err(malformed("the pieces of a sparse file overlap"));
            }
            end = segment.offset.saturating_add(segment.len);
            total = total.saturating_add(segment.len);
        }
        if end > size || total != stored {
            return Err(malformed("the pieces of a sparse file are not its size"));
        }
        Ok(Sparse {
            segments,
            size,
            map,
        })
    }
}

fn push_stored(segments: &mut Vec<Segment>, stored: &[GnuSparseHeader]) -> io::Result<()> {
    for piece in stored.iter().filter(|piece| !piece.is_empty()) {
        let (offset, len) = (piece.offset()?, piece.length()?);
        push(segments, Segment { offset, len })?;
    }
    Ok(())
}

fn push(segments: &mut Vec<Segment>, segment: Segment) -> io::Result<()> {
    if segments.len() == SEGMENT_LIMIT {
        return Err(too_many());
    }
    segments.push(segment);
    Ok(())
}

fn too_many() -> io::Error {
    malformed("a sparse file has too many pieces")
}
