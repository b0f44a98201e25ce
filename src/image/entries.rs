//! Reads the entries of a tar stream as the tar readers of the container runtimes do, in bounded
//! memory.
//!
//! The `tar` crate parses the headers. Its own iterator is not used, because it keeps long names of
//! any length in memory.

use std::io::{self, Read};

use ::tar::{EntryType, Header};

pub(super) use self::block::is_header;
use self::block::{BLOCK, disputed, fill, skip};
use self::pax::Extended;
use self::sparse::{Segment, Sparse};
use super::path;

mod block;
mod pax;
mod sparse;

/// The maximum number of bytes of a long name or of an extended header of an entry.
const EXTENSION_LIMIT: u64 = 256 << 10;

/// An entry with unread data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The cleaned path: without a leading slash, `.` and `..`; empty for the root.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    /// The number of bytes of the extracted file.
    pub(super) size: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A file with holes: the positions of its stored segments.
    Sparse(Vec<Segment>),
    Directory,
    /// The target of the link, unchanged.
    Symlink(Vec<u8>),
    /// The cleaned path of the file that has this additional name.
    Hardlink(Vec<u8>),
    /// A device or a pipe.
    Special,
}

pub(super) struct Entries<R> {
    input: R,
    /// The number of unread bytes of the entry: its data, and the padding of its last block.
    data: u64,
    padding: u64,
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

    /// Returns the number of bytes before the next header, which the caller skips, and marks them
    /// as read.
    pub(super) fn passed(&mut self) -> u64 {
        let left = self.data.saturating_add(self.padding);
        (self.data, self.padding) = (0, 0);
        left
    }

    /// Returns the next entry. Skips the unread data of the previous one.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut extended = Extended::default();
        loop {
            skip(&mut self.input, self.data)?;
            let padding = self.padding;
            (self.data, self.padding) = (0, 0);
            // Some writers do not pad the last block of the stream.
            if self.ends_in(padding)? {
                return Ok(None);
            }
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

    /// Skips the padding of a block. Returns true if the stream ends where the padding begins.
    fn ends_in(&mut self, padding: u64) -> io::Result<bool> {
        let mut block = [0; BLOCK];
        let padding = usize::try_from(padding).unwrap_or(BLOCK);
        let rest = block.get_mut(..padding).unwrap_or_default();
        Ok(!rest.is_empty() && !fill(&mut self.input, rest)?)
    }

    /// Returns the next header, or `None` at the end of the archive. Checks its checksum.
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
        if let Some(why) = disputed(&block) {
            return Err(malformed(why));
        }
        Ok(Some(Header::from_byte_slice(&block).clone()))
    }

    /// Returns true if the header only describes the next one, and adds it to `extended`.
    fn extend(&mut self, kind: EntryType, size: u64, extended: &mut Extended) -> io::Result<bool> {
        match kind {
            EntryType::GNULongName => extended.long_path = Some(self.text(size)?),
            EntryType::GNULongLink => extended.long_link = Some(self.text(size)?),
            EntryType::XHeader => {
                let records = self.extension(size)?;
                let kept = (extended.long_path.take(), extended.long_link.take());
                *extended = Extended::parse(&records)?;
                (extended.long_path, extended.long_link) = kept;
            }
            // The runtimes treat a global header as an entry of its own: headers in front of it
            // belong to it.
            EntryType::XGlobalHeader => {
                self.stored(size);
                *extended = Extended::default();
            }
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
        let old_directory = header.as_bytes()[156] == 0 && raw.ends_with(b"/");
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(path::limited(link())?),
            EntryType::Link => Kind::Hardlink(path::clean(&link())?),
            EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Special,
            EntryType::GNUSparse => {
                let sparse = sparse::of_header(&mut self.input, header, stored)?;
                return self.sparse(&raw, sparse, stored);
            }
            EntryType::Regular if old_directory => Kind::Directory,
            EntryType::Regular => Kind::File,
            // Some readers treat such an entry as a file; the runtimes refuse it.
            _ => {
                return Err(malformed(
                    "an entry is neither a file nor a directory nor a link",
                ));
            }
        };
        if let Some(map) = extended.sparse.map()? {
            if kind != Kind::File {
                return Err(malformed("a sparse file is not a file"));
            }
            let sparse = sparse::of_records(&mut self.input, &extended.sparse, &map, stored)?;
            return self.sparse(extended.sparse.name().unwrap_or(&raw), sparse, stored);
        }
        let size = if kind == Kind::File { stored } else { 0 };
        self.stored(size);
        Ok(Entry {
            path: path::clean(&raw)?,
            kind,
            size,
        })
    }

    /// Returns a sparse entry. Its map has been read from its data.
    fn sparse(&mut self, name: &[u8], sparse: Sparse, stored: u64) -> io::Result<Entry> {
        let path = path::clean(name)?;
        self.stored(stored);
        self.data = self.data.saturating_sub(sparse.map);
        Ok(Entry {
            path,
            kind: Kind::Sparse(sparse.segments),
            size: sparse.size,
        })
    }

    /// Reads the first bytes of the entry, at most `N`, if they are stored.
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

    /// Reads the whole file. `start` contains the bytes that [`start`](Self::start) returned. The
    /// caller has checked the size.
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

    /// Returns a reader of the data of the entry as it is stored.
    pub(super) fn data(&mut self) -> Data<'_, R> {
        Data { entries: self }
    }

    fn stored(&mut self, size: u64) {
        let block = BLOCK as u64;
        (self.data, self.padding) = (size, (block - size % block) % block);
    }

    /// Reads a long name, which only zero bytes may follow. It must not be empty: some readers
    /// ignore an empty long name and use another name.
    fn text(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut text = self.extension(size)?;
        let end = memchr::memchr(0, &text).unwrap_or(text.len());
        if end == 0 || text[end..].iter().any(|byte| *byte != 0) {
            return Err(malformed("a long name is empty, or has a zero in it"));
        }
        text.truncate(end);
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

pub(super) fn malformed(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

pub(super) fn cut() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "it ends in the middle of an entry",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tar::Builder;

    use super::*;

    fn header(path: &[u8], kind: u8, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path);
        header.as_mut_bytes()[156] = kind;
        header.set_size(size);
        header.set_mode(0o755);
        header.set_cksum();
        header
    }

    fn file(path: &[u8], content: &[u8]) -> Vec<u8> {
        let mut bytes = header(path, b'0', content.len() as u64).as_bytes().to_vec();
        bytes.extend(padded(content));
        bytes
    }

    fn padded(content: &[u8]) -> Vec<u8> {
        let mut padded = content.to_vec();
        padded.resize(content.len().next_multiple_of(BLOCK), 0);
        padded
    }

    fn extended(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = header(b"x", kind, content.len() as u64).as_bytes().to_vec();
        bytes.extend(padded(content));
        bytes
    }

    fn pax(key: &str, value: &str) -> Vec<u8> {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length != rest.len() + length.to_string().len() {
            length = rest.len() + length.to_string().len();
        }
        format!("{length}{rest}").into_bytes()
    }

    /// Returns `path kind content` for every entry.
    fn list(bytes: &[u8]) -> io::Result<Vec<String>> {
        let mut entries = Entries::new(bytes);
        let mut list = Vec::new();
        while let Some(entry) = entries.next()? {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            list.push(match &entry.kind {
                Kind::File | Kind::Sparse(_) => {
                    let start = entries.start::<2>(&entry)?;
                    let content = entries.content(&entry, start)?;
                    format!("{path} file {}", String::from_utf8_lossy(&content))
                }
                Kind::Symlink(to) => format!("{path} -> {}", String::from_utf8_lossy(to)),
                Kind::Hardlink(to) => format!("{path} => {}", String::from_utf8_lossy(to)),
                kind => format!("{path} {kind:?}"),
            });
        }
        Ok(list)
    }

    #[test]
    fn names_are_brought_to_one_form_and_never_leave_the_root() {
        for (raw, wanted) in [
            ("./usr//bin/./x", "usr/bin/x"),
            ("/usr/bin/x", "usr/bin/x"),
            ("../../etc/x", "etc/x"),
            ("a/../../../b", "b"),
            ("a/b/../c", "a/c"),
        ] {
            let list = list(&file(raw.as_bytes(), b"!")).unwrap();
            assert_eq!(list, [format!("{wanted} file !")], "{raw}");
        }
    }

    #[test]
    fn long_names_of_gnu_and_pax_are_put_together() {
        let long = format!("{}/end", "d".repeat(200));
        let mut builder = Builder::new(Vec::new());
        let mut gnu = Header::new_gnu();
        gnu.set_size(2);
        builder.append_data(&mut gnu, &long, &b"ab"[..]).unwrap();
        let mut link = Header::new_gnu();
        link.set_entry_type(EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, "l", &long).unwrap();
        let gnu = builder.into_inner().unwrap();
        assert_eq!(
            list(&gnu).unwrap(),
            [format!("{long} file ab"), format!("l -> {long}")]
        );

        let records = [pax("path", &long), pax("mtime", "1")].concat();
        let both = [
            extended(b'x', &records),
            file(b"short", b"c"),
            file(b"next", b"d"),
        ]
        .concat();
        assert_eq!(
            list(&both).unwrap(),
            [format!("{long} file c"), "next file d".to_owned()]
        );
    }

    #[test]
    fn the_size_in_a_pax_record_is_the_size() {
        let mut small = header(b"a", b'0', 0).as_bytes().to_vec();
        small.extend(padded(b"abc"));
        let bytes = [extended(b'x', &pax("size", "3")), small, file(b"b", b"d")].concat();
        assert_eq!(list(&bytes).unwrap(), ["a file abc", "b file d"]);
    }

    #[test]
    fn entries_without_data_have_none_whatever_their_size_says() {
        let mut link = header(b"a", b'2', 512);
        link.set_link_name("/b").unwrap();
        link.set_cksum();
        let bytes = [link.as_bytes().to_vec(), file(b"c", b"d")].concat();
        assert_eq!(list(&bytes).unwrap(), ["a -> /b", "c file d"]);
        let global = [extended(b'g', &pax("path", "no")), file(b"c", b"d")].concat();
        assert_eq!(list(&global).unwrap(), ["c file d"]);
    }

    #[test]
    fn a_header_that_readers_name_differently_is_refused() {
        let of = |magic: &[u8; 8], prefix: &[u8], trailer: &[u8]| {
            let mut header = header(b"app", b'0', 0);
            let bytes = header.as_mut_bytes();
            bytes[257..265].copy_from_slice(magic);
            bytes[345..500].fill(0);
            bytes[345..345 + prefix.len()].copy_from_slice(prefix);
            bytes[512 - trailer.len()..].copy_from_slice(trailer);
            header.set_cksum();
            list(header.as_bytes()).map(|list| list.concat())
        };
        let named = |name: &str| Some(format!("{name} file "));
        let long = "d/".repeat(66);
        let binary = [0x80, 0, 0, 0, 0x7f, 1, 2, 3, 4, 5, 6, 7];
        let large = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        for (magic, prefix, trailer, wanted) in [
            (
                b"ustar\x0000",
                &b"usr/bin"[..],
                &b""[..],
                named("usr/bin/app"),
            ),
            (b"ustar\x0000", b"usr/bin", b"tar\0", named("usr/bin/app")),
            (b"ustar\x0000", long.as_bytes(), b"tar\0", None),
            (b"ustar\0  ", b"", b"", named("app")),
            (b"ustar\0  ", b"usr", b"", None),
            (
                b"ustar  \0",
                b"00000000017\0 00000000017",
                b"",
                named("app"),
            ),
            (b"ustar  \0", b" 17 ", b"", named("app")),
            (b"ustar  \0", &binary, b"", named("app")),
            (b"ustar  \0", &large, b"", None),
            (b"ustar  \0", b"usr", b"", None),
            (b"ustar  \0", b"\t17", b"", None),
            (b"ustar  \0", b"1 7", b"", None),
            (b"ustar  \0", b"00000000017\0usr", b"", None),
            (b"\0\0\0\0\0\0\0\0", b"usr", b"", named("app")),
        ] {
            let prefix_text = String::from_utf8_lossy(prefix);
            assert_eq!(
                of(magic, prefix, trailer).ok(),
                wanted,
                "{magic:?} {prefix_text}"
            );
        }
    }

    #[test]
    fn a_long_name_that_readers_do_not_agree_on_is_refused() {
        for (name, wanted) in [
            (&b"long"[..], Some("long file ")),
            (b"long\0", Some("long file ")),
            (b"long\0\0", Some("long file ")),
            (b"", None),
            (b"\0", None),
            (b"\0long\0", None),
            (b"long\0er\0", None),
        ] {
            let bytes = [extended(b'L', name), file(b"short", b"")].concat();
            let listed = list(&bytes).ok().map(|list| list.concat());
            assert_eq!(listed.as_deref(), wanted, "{name:?}");
        }
        let mut link = header(b"a", b'2', 0);
        link.set_link_name("/b").unwrap();
        link.set_cksum();
        let bytes = [extended(b'K', b"\0c"), link.as_bytes().to_vec()].concat();
        assert!(list(&bytes).is_err());
    }

    #[test]
    fn an_entry_of_a_kind_that_the_runtimes_refuse_is_refused() {
        for (kind, known) in [
            (b'0', true),
            (b'\0', true),
            (b'5', true),
            (b'6', true),
            (b'7', false),
            (b'D', false),
            (b'M', false),
            (b'N', false),
            (b'V', false),
            (b'X', false),
            (b'Z', false),
            (0xff, false),
        ] {
            let bytes = header(b"app", kind, 0).as_bytes().to_vec();
            assert_eq!(list(&bytes).is_ok(), known, "{kind}");
        }
    }

    #[test]
    fn holes_are_zeros() {
        let mut sparse = header(b"a", b'S', 4);
        {
            let gnu = sparse.as_gnu_mut().unwrap();
            gnu.set_real_size(8);
            for (piece, (offset, length)) in gnu.sparse.iter_mut().zip([(1, 2), (5, 2)]) {
                piece
                    .offset
                    .copy_from_slice(format!("{offset:011o}\0").as_bytes());
                piece
                    .numbytes
                    .copy_from_slice(format!("{length:011o}\0").as_bytes());
            }
        }
        sparse.set_cksum();
        let whole = [
            sparse.as_bytes().to_vec(),
            padded(b"abcd"),
            file(b"b", b"e"),
        ]
        .concat();
        assert_eq!(list(&whole).unwrap(), ["a file \0ab\0\0cd\0", "b file e"]);
        sparse.as_gnu_mut().unwrap().set_real_size(6);
        sparse.set_cksum();
        let short = [sparse.as_bytes().to_vec(), padded(b"abcd")].concat();
        assert!(list(&short).unwrap_err().to_string().contains("sparse"));
    }

    /// Returns, for each sparse format of pax, its records and the data after them, for a file
    /// `\0ab\0\0cd\0`.
    fn sparse_of_pax() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
        let records = |records: &[(&str, &str)]| {
            let records = records
                .iter()
                .map(|(key, value)| pax(&format!("GNU.sparse.{key}"), value));
            records.collect::<Vec<_>>().concat()
        };
        let pairs = [
            ("offset", "1"),
            ("numbytes", "2"),
            ("offset", "5"),
            ("numbytes", "2"),
        ];
        let first = [&[("size", "8"), ("numblocks", "2")][..], &pairs].concat();
        let map = padded(b"2\n1\n2\n5\n2\n");
        vec![
            ("0.0", records(&first), padded(b"abcd")),
            (
                "0.1",
                records(&[
                    ("name", "real"),
                    ("size", "8"),
                    ("numblocks", "2"),
                    ("map", "1,2,5,2"),
                ]),
                padded(b"abcd"),
            ),
            (
                "1.0",
                records(&[
                    ("major", "1"),
                    ("minor", "0"),
                    ("name", "real"),
                    ("realsize", "8"),
                ]),
                [map, padded(b"abcd")].concat(),
            ),
        ]
    }

    #[test]
    fn reads_every_sparse_format_of_pax() {
        for (format, records, data) in sparse_of_pax() {
            let stored = data.len() - padded(b"abcd").len() + 4;
            let whole = [
                extended(b'x', &records),
                header(b"real", b'0', stored as u64).as_bytes().to_vec(),
                data,
                file(b"b", b"e"),
            ]
            .concat();
            assert_eq!(
                list(&whole).unwrap(),
                ["real file \0ab\0\0cd\0", "b file e"],
                "{format}"
            );
        }
    }

    #[test]
    fn takes_an_entry_with_an_unknown_sparse_format_for_the_file_that_runtimes_write() {
        for records in [
            pax("GNU.sparse.name", "other"),
            [
                pax("GNU.sparse.major", "2"),
                pax("GNU.sparse.minor", "0"),
                pax("GNU.sparse.name", "other"),
            ]
            .concat(),
            [pax("GNU.sparse.map", ""), pax("GNU.sparse.name", "other")].concat(),
        ] {
            let bytes = [extended(b'x', &records), file(b"real", b"1\n")].concat();
            assert_eq!(list(&bytes).unwrap(), ["real file 1\n"]);
        }
    }

    #[test]
    fn refuses_sparse_maps_that_do_not_fit() {
        let sparse = |records: &[(&str, &str)], data: &[u8]| {
            let records = records
                .iter()
                .map(|(key, value)| pax(&format!("GNU.sparse.{key}"), value));
            let bytes = [
                extended(b'x', &records.collect::<Vec<_>>().concat()),
                file(b"a", data),
            ]
            .concat();
            list(&bytes).unwrap_err().to_string()
        };
        let one = |data: &[u8]| {
            sparse(
                &[("major", "1"), ("minor", "0"), ("realsize", "9")],
                &padded(data),
            )
        };
        for (error, wanted) in [
            (
                sparse(&[("map", "0,1"), ("numblocks", "2")], b"a"),
                "another number",
            ),
            (sparse(&[("map", "0,1")], b"a"), "how many pieces"),
            (
                sparse(&[("map", "0,1,5"), ("numblocks", "1")], b"a"),
                "pairs",
            ),
            (
                sparse(&[("map", "0,-1"), ("numblocks", "1")], b"a"),
                "list of numbers",
            ),
            (
                sparse(&[("map", "0,2"), ("numblocks", "1"), ("size", "9")], b"a"),
                "not its size",
            ),
            (sparse(&[("numbytes", "1")], b"a"), "pairs"),
            (sparse(&[("offset", "1"), ("offset", "1")], b"a"), "pairs"),
            (one(b"x\n"), "list of numbers"),
            (one(b"2\n0\n1"), "middle of an entry"),
            (one(b"99999999\n"), "too many pieces"),
            (one(b"1\n0\n5\n"), "not its size"),
        ] {
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
    }

    #[test]
    fn global_header_ends_what_was_said_of_the_next_entry() {
        let bytes = [
            extended(b'x', &pax("path", "other")),
            extended(b'g', &pax("comment", "c")),
            file(b"real", b"1"),
        ]
        .concat();
        assert_eq!(list(&bytes).unwrap(), ["real file 1"]);
    }

    #[test]
    fn old_directory_has_no_data_whatever_its_size_is() {
        let mut directory = header(b"d/", 0, 512);
        directory.set_cksum();
        let bytes = [directory.as_bytes().to_vec(), file(b"c", b"d")].concat();
        assert_eq!(list(&bytes).unwrap(), ["d Directory", "c file d"]);
    }

    #[test]
    fn what_is_no_archive_is_refused_with_the_reason() {
        let good = file(b"a", b"bc");
        let mut bad_sum = good.clone();
        bad_sum[0] = b'z';
        let zero = [vec![0; BLOCK], good.clone()].concat();
        let long = header(b"x", b'L', EXTENSION_LIMIT + 1).as_bytes().to_vec();
        let name = "n".repeat(5000);
        for (bytes, wanted) in [
            (bad_sum, "checksum"),
            (zero, "block of zeros"),
            (good[..=BLOCK].to_vec(), "in the middle"),
            (good[..100].to_vec(), "in the middle"),
            (long, "256 KiB"),
            (
                [extended(b'x', &pax("path", &name)), good.clone()].concat(),
                "4096",
            ),
            (
                [extended(b'x', b"99 path=a\n"), good.clone()].concat(),
                "list of records",
            ),
            (
                [extended(b'x', &pax("path", "a\0b")), good.clone()].concat(),
                "a zero in it",
            ),
        ] {
            let mut entries = Entries::new(bytes.as_slice());
            let error = loop {
                match entries.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{wanted}"),
                    Err(error) => break error.to_string(),
                }
            };
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn an_archive_ends_with_its_zeros_or_with_its_last_byte() {
        let entry = file(b"a", b"b");
        let with_zeros = [entry.clone(), vec![0; 2 * BLOCK]].concat();
        for bytes in [with_zeros.as_slice(), &entry, &entry[..=BLOCK]] {
            assert_eq!(list(bytes).unwrap(), ["a file b"]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(noise in proptest::collection::vec(any::<u8>(), 0..2048), at in 0..1500_usize) {
            let mut bytes = [
                extended(b'x', &pax("path", "a")),
                file(b"b", b"content"),
                header(b"c", b'S', 4).as_bytes().to_vec(),
            ].concat();
            for (_, records, data) in sparse_of_pax() {
                bytes.extend(extended(b'x', &records));
                bytes.extend(file(b"d", &data));
            }
            for (place, byte) in bytes.iter_mut().skip(at).zip(&noise) {
                *place = *byte;
            }
            for start in [0, BLOCK, 2 * BLOCK] {
                // With a correct checksum the reader accepts the random header.
                if let Some(block) = bytes.get_mut(start..start + BLOCK) {
                    let mut header = Header::new_old();
                    header.as_mut_bytes().copy_from_slice(block);
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
            let mut entries = Entries::new(bytes.as_slice());
            while let Ok(Some(entry)) = entries.next() {
                if entry.size < 1 << 20 {
                    let start = entries.start::<4>(&entry).unwrap_or_default();
                    drop(entries.content(&entry, start));
                }
            }
        }
    }
}
