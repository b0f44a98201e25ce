//! The entries of a tar stream, read as the container runtimes' tar does and in bounded memory.
//!
//! The `tar` crate knows the header; its own iterator keeps long names of any length in memory.

use std::io::{self, Read};

use ::tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use super::path;

const BLOCK: usize = 512;

/// Bytes of a long name, or of the extended header that an entry may have.
const EXTENSION_LIMIT: u64 = 256 << 10;

/// Pieces that a sparse file may have.
const SEGMENT_LIMIT: usize = 16 << 10;

/// One entry, its data still unread.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Cleaned: neither slash in front nor `.` nor `..`; empty for the root.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    /// Bytes that the file has when it is written out.
    pub(super) size: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A file with holes: where its stored pieces belong.
    Sparse(Vec<Segment>),
    /// A file with holes in the form of pax, which is not read.
    PaxSparse,
    Directory,
    /// Where it leads, as it stands there.
    Symlink(Vec<u8>),
    /// Cleaned path of the file that it is another name of.
    Hardlink(Vec<u8>),
    /// A device, a pipe.
    Special,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    offset: u64,
    len: u64,
}

pub(super) struct Entries<R> {
    input: R,
    /// Stored bytes of the entry that are still to come, without and with what fills its last block.
    data: u64,
    padding: u64,
}

/// What the extended headers in front of an entry say of it.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// GNU's long names stand above those of pax.
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl<R: Read> Entries<R> {
    pub(super) fn new(input: R) -> Self {
        Entries {
            input,
            data: 0,
            padding: 0,
        }
    }

    pub(super) fn get_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Bytes that follow before the next header; the caller has passed over them.
    pub(super) fn passed(&mut self) -> u64 {
        let left = self.data.saturating_add(self.padding);
        (self.data, self.padding) = (0, 0);
        left
    }

    /// The next entry; what is left of the one before is passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut extended = Extended::default();
        loop {
            let left = self.passed();
            skip(&mut self.input, left)?;
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let kind = header.entry_type();
            let size = header.entry_size()?;
            if !self.extend(kind, size, &mut extended)? {
                return self.entry(&header, size, extended).map(Some);
            }
        }
    }

    /// The next header whose checksum is right; none at the end.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut block = [0; BLOCK];
        if !fill(&mut self.input, &mut block)? {
            return Ok(None);
        }
        if block == [0; BLOCK] {
            if fill(&mut self.input, &mut block)? && block != [0; BLOCK] {
                return Err(malformed("something follows a block of zeros"));
            }
            return Ok(None);
        }
        if !is_header(&block) {
            return Err(malformed("the checksum of a header is wrong"));
        }
        Ok(Some(Header::from_byte_slice(&block).clone()))
    }

    /// Whether the header only says something of the next one.
    fn extend(&mut self, kind: EntryType, size: u64, extended: &mut Extended) -> io::Result<bool> {
        match kind {
            EntryType::GNULongName => extended.long_path = Some(self.text(size)?),
            EntryType::GNULongLink => extended.long_link = Some(self.text(size)?),
            EntryType::XHeader => {
                let records = self.extension(size)?;
                let kept = (extended.long_path.take(), extended.long_link.take());
                *extended = records_of(&records)?;
                (extended.long_path, extended.long_link) = kept;
            }
            // The runtimes know no global headers.
            EntryType::XGlobalHeader => self.stored(size),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn entry(&mut self, header: &Header, stored: u64, extended: Extended) -> io::Result<Entry> {
        let stored = extended.size.unwrap_or(stored);
        let named = extended.long_path.or(extended.path);
        let raw = named.unwrap_or_else(|| header.path_bytes().into_owned());
        let linked = extended.long_link.or(extended.link);
        let linked = linked.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
        let link = || linked.clone().unwrap_or_default();
        let mut size = stored;
        let old_directory = header.as_bytes()[156] == 0 && raw.ends_with(b"/");
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(path::limited(link())?),
            EntryType::Link => Kind::Hardlink(path::clean(&link())?),
            EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Special,
            EntryType::GNUSparse => {
                let segments;
                (segments, size) = self.segments(header, stored)?;
                Kind::Sparse(segments)
            }
            _ if extended.sparse => Kind::PaxSparse,
            _ if old_directory => Kind::Directory,
            _ => Kind::File,
        };
        match kind {
            Kind::Directory if !old_directory => size = 0,
            Kind::Symlink(_) | Kind::Hardlink(_) | Kind::Special => size = 0,
            _ => self.stored(stored),
        }
        Ok(Entry {
            path: path::clean(&raw)?,
            kind,
            size,
        })
    }

    fn segments(&mut self, header: &Header, stored: u64) -> io::Result<(Vec<Segment>, u64)> {
        let Some(gnu) = header.as_gnu() else {
            return Err(malformed("a sparse file without GNU's header"));
        };
        let size = gnu.real_size()?;
        let mut segments = Vec::new();
        push(&mut segments, &gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut extension = GnuExtSparseHeader::new();
            if !fill(&mut self.input, extension.as_mut_bytes())? {
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

    /// The first bytes of the entry, where they are stored: at most `N`, taken from its data.
    pub(super) fn start<const N: usize>(&mut self, entry: &Entry) -> io::Result<Vec<u8>> {
        let first = match &entry.kind {
            Kind::File => self.data,
            Kind::Sparse(segments) => segments
                .first()
                .filter(|segment| segment.offset == 0)
                .map_or(0, |segment| segment.len),
            _ => 0,
        };
        self.take(first.min(N as u64))
    }

    /// The whole file, whose first bytes were taken by [`start`](Self::start). The caller has
    /// bounded its size.
    pub(super) fn content(&mut self, entry: &Entry, start: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut content = start;
        let size = usize::try_from(entry.size).map_err(io::Error::other)?;
        content.try_reserve_exact(size.saturating_sub(content.len()))?;
        let whole = [Segment {
            offset: 0,
            len: entry.size,
        }];
        let segments = match &entry.kind {
            Kind::Sparse(segments) => segments.as_slice(),
            _ => whole.as_slice(),
        };
        for segment in segments {
            let end = segment.offset + segment.len;
            let at = (content.len() as u64).max(segment.offset);
            content.resize(usize::try_from(at).map_err(io::Error::other)?, 0);
            let wanted = end.saturating_sub(at);
            let read = (&mut self.input).take(wanted).read_to_end(&mut content)?;
            if read as u64 != wanted {
                return Err(cut());
            }
            self.data = self.data.saturating_sub(wanted);
        }
        content.resize(size, 0);
        Ok(content)
    }

    /// The data of the entry as it is stored.
    pub(super) fn data(&mut self) -> Data<'_, R> {
        Data { entries: self }
    }

    fn stored(&mut self, size: u64) {
        let block = BLOCK as u64;
        (self.data, self.padding) = (size, (block - size % block) % block);
    }

    /// A name that ends at its first zero.
    fn text(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut text = self.extension(size)?;
        if let Some(end) = memchr::memchr(0, &text) {
            text.truncate(end);
        }
        Ok(text)
    }

    fn extension(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > EXTENSION_LIMIT {
            return Err(malformed("an extended header has more than 256 KiB"));
        }
        self.stored(size);
        self.take(size)
    }

    fn take(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut taken = Vec::new();
        (&mut self.input).take(size).read_to_end(&mut taken)?;
        if (taken.len() as u64) < size {
            return Err(cut());
        }
        self.data = self.data.saturating_sub(size);
        Ok(taken)
    }
}

pub(super) struct Data<'a, R> {
    entries: &'a mut Entries<R>,
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.entries.data;
        let wanted = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self
            .entries
            .input
            .read(buffer.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 && wanted > 0 {
            return Err(cut());
        }
        self.entries.data = left.saturating_sub(read as u64);
        Ok(read)
    }
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

/// The records of pax that matter: `LENGTH KEY=VALUE\n`.
fn records_of(mut records: &[u8]) -> io::Result<Extended> {
    let bad = || malformed("an extended header is no list of records");
    let mut extended = Extended::default();
    let mut sparse_name = None;
    while !records.is_empty() {
        let space = memchr::memchr(b' ', records).ok_or_else(bad)?;
        let length = number(&records[..space]).ok_or_else(bad)?;
        let length = usize::try_from(length).map_err(|_| bad())?;
        let record = records.get(space + 1..length).ok_or_else(bad)?;
        let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
        let equals = memchr::memchr(b'=', record).ok_or_else(bad)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let text = || (!value.is_empty()).then(|| value.to_vec());
        match key {
            b"path" => extended.path = text(),
            b"linkpath" => extended.link = text(),
            b"size" => extended.size = Some(number(value).ok_or_else(bad)?),
            b"GNU.sparse.name" => sparse_name = text(),
            _ => {}
        }
        if (key == b"path" || key == b"linkpath") && value.contains(&0) {
            return Err(malformed("a name has a zero in it"));
        }
        extended.sparse |= key.starts_with(b"GNU.sparse.");
        records = &records[length..];
    }
    extended.path = sparse_name.or(extended.path);
    Ok(extended)
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}

/// Whether a block is a header: its checksum is right.
pub(super) fn is_header(start: &[u8]) -> bool {
    let Some(block) = start.first_chunk::<BLOCK>() else {
        return false;
    };
    let (unsigned, signed) = checksums(block);
    let stored = Header::from_byte_slice(block).cksum().ok();
    stored.is_some_and(|stored| stored == unsigned || i64::from(stored) == signed)
}

/// The sum of a header's bytes, its own place counted as blanks; some old programs took the bytes as signed.
fn checksums(block: &[u8; BLOCK]) -> (u32, i64) {
    let counted = |(at, byte): (usize, &u8)| {
        if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        }
    };
    let bytes = || block.iter().enumerate().map(counted);
    (
        bytes().map(u32::from).sum(),
        bytes().map(|byte| i64::from(byte.cast_signed())).sum(),
    )
}

/// Fills `buffer`; `false` where the stream ends before its first byte.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(cut()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn skip(input: &mut impl Read, bytes: u64) -> io::Result<()> {
    if io::copy(&mut input.take(bytes), &mut io::sink())? < bytes {
        return Err(cut());
    }
    Ok(())
}

pub(super) fn malformed(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

pub(super) fn cut() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "it ends in the middle of an entry",
    )
}
