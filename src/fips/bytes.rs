//! Bounded windows over the bytes of a program, which is never read whole.

use std::io;
use std::ops::Range;

use positioned_io::ReadAt;

use super::{Place, Work};

/// Bytes that one window may have: enough for the largest table of function names.
pub(super) const WINDOW_LIMIT: u64 = 64 << 20;

/// Bytes that one search goes through, several times what a program of a mesh has: the holes of a sparse
/// file cost time as well.
pub(super) const SCAN_LIMIT: u64 = 512 << 20;

/// Bytes that are searched at once: they stay in the processor's cache.
const STEP: usize = 256 << 10;

/// What it costs to read at all, in bytes that could be read instead.
const CALL: u64 = 64;

/// The bytes of one file.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    source: &'a dyn ReadAt,
    size: u64,
    /// What reading them is paid from; nothing where they are trusted.
    work: Option<&'a Work>,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(source: &'a dyn ReadAt, size: u64) -> Self {
        Bytes {
            source,
            size,
            work: None,
        }
    }

    /// The same bytes, each reading of which is paid from `work`.
    pub(super) fn within(self, work: &'a Work) -> Self {
        Bytes {
            work: Some(work),
            ..self
        }
    }

    /// Pays for bytes that are searched or hashed once more after they were read.
    pub(super) fn pay(&self, bytes: u64) -> io::Result<()> {
        self.work.map_or(Ok(()), |work| work.spend(bytes))
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes at `place`, fewer where the file ends before it does or [`WINDOW_LIMIT`] is reached.
    pub(super) fn window(&self, place: Place) -> io::Result<Vec<u8>> {
        let start = place.offset.min(self.size);
        let len = place.len.min(self.size - start).min(WINDOW_LIMIT);
        let mut window = vec![0; usize::try_from(len).unwrap_or(0)];
        let read = self.fill(start, &mut window)?;
        window.truncate(read);
        Ok(window)
    }

    /// Gives the bytes of `place` in order, in pieces that follow each other without a gap.
    pub(super) fn stream(&self, place: Place, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let range = self.clip(place);
        let mut step = vec![0; STEP];
        let mut at = range.start;
        while at < range.end {
            let want = usize::try_from(range.end - at).map_or(STEP, |left| left.min(STEP));
            let read = self.fill(at, &mut step[..want])?;
            if read == 0 {
                break;
            }
            each(&step[..read]);
            at += read as u64;
        }
        Ok(())
    }

    /// Gives overlapping pieces of `place` with their offsets until `each` says that it has seen
    /// enough. Whatever is at most `longest` bytes long stands whole in some piece; it can stand in
    /// two of them.
    pub(super) fn search(
        &self,
        place: Place,
        longest: usize,
        mut each: impl FnMut(u64, &[u8]) -> bool,
    ) -> io::Result<()> {
        let range = self.clip(place);
        let overlap = longest.saturating_sub(1);
        let mut piece = vec![0; STEP + overlap];
        let mut kept = 0;
        let mut at = range.start;
        while at < range.end {
            let want = usize::try_from(range.end - at).map_or(STEP, |left| left.min(STEP));
            let read = self.fill(at, &mut piece[kept..kept + want])?;
            if read == 0 || each(at - kept as u64, &piece[..kept + read]) {
                break;
            }
            let filled = kept + read;
            let keep = filled.min(overlap);
            piece.copy_within(filled - keep..filled, 0);
            kept = keep;
            at += read as u64;
        }
        Ok(())
    }

    fn clip(&self, place: Place) -> Range<u64> {
        let len = place.len.min(SCAN_LIMIT);
        let end = place.offset.saturating_add(len).min(self.size);
        place.offset.min(end)..end
    }

    /// Reads until `buffer` is full or the file ends.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.pay(buffer.len() as u64 + CALL)?;
        let mut filled = 0;
        while filled < buffer.len() {
            match self
                .source
                .read_at(offset + filled as u64, &mut buffer[filled..])
            {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use memchr::memmem::Finder;

    use super::*;

    fn everything(bytes: &[u8]) -> Place {
        Place {
            offset: 0,
            len: bytes.len() as u64,
        }
    }

    #[test]
    fn a_needle_is_found_across_the_edge_of_two_pieces() {
        let finder = Finder::new(b"needle");
        for at in [0, 1, STEP - 6, STEP - 3, STEP, 2 * STEP - 1] {
            let mut hay = vec![b'.'; 3 * STEP];
            hay[at..at + 6].copy_from_slice(b"needle");
            let bytes = Bytes::new(&hay, hay.len() as u64);
            let mut found = Vec::new();
            bytes
                .search(everything(&hay), 6, |start, piece| {
                    found.extend(finder.find_iter(piece).map(|at| start + at as u64));
                    false
                })
                .unwrap();
            found.dedup();
            assert_eq!(found, [at as u64]);
        }
    }

    #[test]
    fn a_window_ends_with_the_file_and_never_wraps() {
        let text: &[u8] = b"0123456789";
        let bytes = Bytes::new(&text, 10);
        let window = |offset, len| bytes.window(Place { offset, len }).unwrap();
        assert_eq!(window(8, 5), b"89");
        assert_eq!(window(20, 5), b"");
        assert_eq!(window(2, u64::MAX), b"23456789");
    }

    #[test]
    fn a_stream_gives_every_byte_once() {
        let hay: Vec<u8> = (0..=u8::MAX).cycle().take(STEP * 2 + 17).collect();
        let mut seen = Vec::new();
        Bytes::new(&hay, hay.len() as u64)
            .stream(everything(&hay), |piece| seen.extend_from_slice(piece))
            .unwrap();
        assert_eq!(seen, hay);
    }
}
