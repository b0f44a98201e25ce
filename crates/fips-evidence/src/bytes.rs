//! Bounded windows over the bytes of a program, which is never loaded into memory as a whole.

use std::io;
use std::ops::Range;

use positioned_io::ReadAt;

use super::{Place, Work};

/// Maximum number of bytes of one window, which is enough for the largest table of function names.
pub(super) const WINDOW_LIMIT: u64 = 64 << 20;

/// Maximum number of bytes that one search covers. This is several times the size of the largest program of
/// a mesh. The limit exists because the holes of a sparse file cost time as well.
pub(super) const SCAN_LIMIT: u64 = 512 << 20;

/// Number of bytes that are searched at a time: they fit into the processor's cache.
const STEP: usize = 256 << 10;

/// Fixed cost of one read, as the number of bytes that cost the same.
const CALL: u64 = 64;

/// The bytes of one file.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a> {
    source: &'a (dyn ReadAt + Sync),
    size: u64,
    /// The budget that reads are charged to; `None` if the bytes are trusted.
    work: Option<&'a Work>,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(source: &'a (dyn ReadAt + Sync), size: u64) -> Self {
        Bytes {
            source,
            size,
            work: None,
        }
    }

    /// Returns the same bytes, with every read charged to `work`.
    pub(super) fn within(self, work: &'a Work) -> Self {
        Bytes {
            work: Some(work),
            ..self
        }
    }

    /// Charges for bytes that are searched or hashed again after they were read.
    pub(super) fn pay(&self, bytes: u64) -> io::Result<()> {
        self.work.map_or(Ok(()), |work| work.spend(bytes))
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the bytes at `place`; fewer if the file ends earlier or `place` is longer than
    /// [`WINDOW_LIMIT`].
    pub(super) fn window(&self, place: Place) -> io::Result<Vec<u8>> {
        let start = place.offset.min(self.size);
        let len = place.len.min(self.size - start).min(WINDOW_LIMIT);
        let mut window = vec![0; usize::try_from(len).unwrap_or(0)];
        let read = self.fill(start, &mut window)?;
        window.truncate(read);
        Ok(window)
    }

    /// Passes the bytes of `place` to `each` in order, in pieces without gaps or overlaps.
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

    /// Passes overlapping pieces of `place` with their offsets to `each` until it returns true. Any
    /// sequence of at most `longest` bytes is completely contained in at least one piece; it can be
    /// contained in two.
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
