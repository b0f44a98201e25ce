//! The names, kinds and link targets of the entries of all layers, small enough to be kept in
//! memory.

use std::io;
use std::ops::Range;

use super::Limits;
use super::entries::{Entry, Kind};

/// The entries that were read so far. Entries of one layer are contiguous and in its order.
#[derive(Default)]
pub(super) struct Names {
    text: Vec<u8>,
    entries: Vec<Named>,
}

/// The number of an entry.
pub(super) type Id = u32;

#[derive(Clone)]
struct Named {
    path: Range<u32>,
    what: What,
}

#[derive(Clone)]
enum What {
    File,
    Directory,
    Special,
    Symlink(Range<u32>),
    Hardlink(Range<u32>),
}

/// The kind of file that an entry creates at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put<'a> {
    File,
    Directory,
    Special,
    Symlink(&'a [u8]),
    Hardlink(&'a [u8]),
}

/// An image has more names than the limit.
#[derive(Debug, thiserror::Error)]
#[error("more names than the {entries}, or bytes of names than the {bytes}, that are kept")]
pub(super) struct TooManyEntries {
    entries: usize,
    bytes: usize,
}

impl Names {
    /// Returns the number that the next entry gets.
    pub(super) fn next(&self) -> Id {
        // `add` limits the number of entries.
        Id::try_from(self.entries.len()).unwrap_or(Id::MAX)
    }

    pub(super) fn add(&mut self, entry: &Entry, limits: &Limits) -> io::Result<Id> {
        let id = self.next();
        let path = self.keep(&entry.path);
        let what = match &entry.kind {
            Kind::File | Kind::Sparse(_) => What::File,
            Kind::Directory => What::Directory,
            Kind::Special => What::Special,
            Kind::Symlink(target) => What::Symlink(self.keep(target)),
            Kind::Hardlink(target) => What::Hardlink(self.keep(target)),
        };
        self.entries.push(Named { path, what });
        let (entries, bytes) = (limits.entries, limits.names.min(u32::MAX as usize));
        if self.entries.len() > entries || self.text.len() > bytes {
            return Err(io::Error::other(TooManyEntries { entries, bytes }));
        }
        Ok(id)
    }

    pub(super) fn get(&self, id: Id) -> Option<(&[u8], Put<'_>)> {
        let named = self.entries.get(usize::try_from(id).ok()?)?;
        let put = match &named.what {
            What::File => Put::File,
            What::Directory => Put::Directory,
            What::Special => Put::Special,
            What::Symlink(target) => Put::Symlink(self.text(target)),
            What::Hardlink(target) => Put::Hardlink(self.text(target)),
        };
        Some((self.text(&named.path), put))
    }

    fn keep(&mut self, text: &[u8]) -> Range<u32> {
        let end = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let start = end(self.text.len());
        self.text.extend_from_slice(text);
        start..end(self.text.len())
    }

    fn text(&self, range: &Range<u32>) -> &[u8] {
        self.text
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }
}
