//! Files with holes, as GNU's tar stores them.

use std::io::{self, Read};

use ::tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::block::fill;
use super::{cut, malformed};

/// Pieces that a sparse file may have.
const SEGMENT_LIMIT: usize = 16 << 10;

/// Bytes that are stored, and where in the file they belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Segment {
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// Where the stored pieces of a sparse file belong, and its size when it is written out.
pub(super) fn segments(
    input: &mut impl Read,
    header: &Header,
    stored: u64,
) -> io::Result<(Vec<Segment>, u64)> {
    let Some(gnu) = header.as_gnu() else {
        return Err(malformed("a sparse file without GNU's header"));
    };
    let size = gnu.real_size()?;
    let mut segments = Vec::new();
    push(&mut segments, &gnu.sparse)?;
    let mut more = gnu.is_extended();
    while more {
        let mut extension = GnuExtSparseHeader::new();
        if !fill(input, extension.as_mut_bytes())? {
            return Err(cut());
        }
        push(&mut segments, &extension.sparse)?;
        more = extension.is_extended();
    }
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
    Ok((segments, size))
}

fn push(segments: &mut Vec<Segment>, stored: &[GnuSparseHeader]) -> io::Result<()> {
    for piece in stored.iter().filter(|piece| !piece.is_empty()) {
        if segments.len() == SEGMENT_LIMIT {
            return Err(malformed("a sparse file has too many pieces"));
        }
        segments.push(Segment {
            offset: piece.offset()?,
            len: piece.length()?,
        });
    }
    Ok(())
}
