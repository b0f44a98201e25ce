//! Streams of layers: counts, limits, hashes and decompresses them.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::meter::Meter;
use crate::sys::registry::Hasher;
use crate::sys::signal;

/// The log2 of the largest zstd window that is accepted, 32 MiB. `zstd -19` uses 8 MiB.
const WINDOW_LOG: u32 = 25;

const BUFFER: usize = 128 << 10;

/// The number of first bytes that are enough to recognize every compression.
const LONGEST_MAGIC: u64 = 6;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Compressions that layers of registries do not use, by their first bytes.
const OTHERS: [(&[u8], &str); 3] = [
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
];

/// Returns true if these are the first bytes of a compressed file.
pub(super) fn is_compressed(start: &[u8]) -> bool {
    let others = OTHERS.iter().map(|(magic, _)| *magic);
    [GZIP, ZSTD]
        .into_iter()
        .chain(others)
        .any(|magic| start.starts_with(magic))
}

/// The reasons that end a stream, apart from its own errors.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("all that was read unpacks to more than {0} bytes: inspect fewer images at once")]
    Bomb(u64),
    #[error("it unpacks to more than {0} times its size")]
    Ratio(u64),
    #[error("it is longer than the {0} bytes that were declared")]
    Longer(u64),
    #[error("it is compressed with {0}")]
    Compression(&'static str),
    #[error("it has too many members, or too many bytes in small ones")]
    TooManyMembers,
    #[error("what is known of its programs takes more than {0} bytes")]
    Kept(u64),
    #[error("interrupted")]
    Interrupted,
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        io::Error::other(stop)
    }
}

/// A reader that counts and hashes what it reads, up to a limit.
pub(super) struct Tally<'m, R> {
    input: R,
    hasher: Option<Hasher>,
    pub(super) count: u64,
    bound: Bound<'m>,
}

enum Bound<'m> {
    /// The number of bytes that were declared.
    Declared(u64),
    Metered(&'m Meter<'m>),
}

impl<'m, R: Read> Tally<'m, R> {
    /// Returns a reader of stored bytes, up to the number of bytes that were declared.
    pub(super) fn stored(input: R, hasher: Option<Hasher>, declared: u64) -> Self {
        Tally {
            input,
            hasher,
            count: 0,
            bound: Bound::Declared(declared),
        }
    }

    /// Returns a reader of decompressed bytes, up to the limit of the meter.
    pub(super) fn unpacked(input: R, hasher: Option<Hasher>, meter: &'m Meter<'m>) -> Self {
        Tally {
            input,
            hasher,
            count: 0,
            bound: Bound::Metered(meter),
        }
    }

    /// Returns the input and the hash of all bytes that were read.
    pub(super) fn into_parts(self) -> (R, Option<String>) {
        (self.input, self.hasher.map(Hasher::hex))
    }

    /// Counts bytes that are not read but cost as much, such as the holes of a sparse file.
    pub(super) fn charge(&mut self, bytes: u64) -> io::Result<()> {
        self.count = self.count.saturating_add(bytes);
        match self.bound {
            Bound::Declared(size) if self.count > size => Err(Stop::Longer(size).into()),
            Bound::Declared(_) => Ok(()),
            Bound::Metered(meter) => meter.spend(bytes),
        }
    }

    /// Reads the rest and discards it.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }
}

impl<R: Read> Read for Tally<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if signal::interrupted() {
            return Err(Stop::Interrupted.into());
        }
        let read = self.input.read(buffer)?;
        self.charge(read as u64)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(buffer.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

/// A stream with the bytes that were already read from its start.
type Ahead<R> = BufReader<io::Chain<Cursor<Vec<u8>>, R>>;

/// A decompressor, chosen by the first bytes and not by the media type.
pub(super) enum Unpacked<R: Read> {
    Plain(Ahead<R>),
    Gzip(Box<MultiGzDecoder<Ahead<R>>>),
    Zstd(zstd::Decoder<'static, Ahead<R>>),
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let mut start = Vec::new();
        (&mut input).take(LONGEST_MAGIC).read_to_end(&mut start)?;
        let begins = |magic: &[u8]| start.starts_with(magic);
        if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| begins(magic)) {
            return Err(Stop::Compression(name).into());
        }
        let (gzip, zstd) = (begins(GZIP), begins(ZSTD));
        let input = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(input));
        Ok(if gzip {
            Unpacked::Gzip(Box::new(MultiGzDecoder::new(input)))
        } else if zstd {
            let mut decoder = zstd::Decoder::with_buffer(input)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Unpacked::Zstd(decoder)
        } else {
            Unpacked::Plain(input)
        })
    }

    /// Returns the compressed input, positioned after what was read.
    pub(super) fn into_inner(self) -> R {
        match self {
            Unpacked::Plain(input) => input,
            Unpacked::Gzip(decoder) => decoder.into_inner(),
            Unpacked::Zstd(decoder) => decoder.finish(),
        }
        .into_inner()
        .into_inner()
        .1
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Unpacked::Plain(input) => input.read(buffer),
            Unpacked::Gzip(decoder) => decoder.read(buffer),
            Unpacked::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::Limits;
    use super::super::meter::Budget;
    use super::*;

    fn meter(unpacked: u64, budget: &Budget) -> Meter<'_> {
        let limits = Limits {
            unpacked,
            ..Limits::default()
        };
        Meter::new(limits, budget)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        Unpacked::new(bytes)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn every_compression_is_told_by_its_first_bytes() {
        assert_eq!(unpacked(b"plain").unwrap(), b"plain");
        assert_eq!(unpacked(b"").unwrap(), b"");
        assert_eq!(unpacked(&gzip(b"text")).unwrap(), b"text");
        let members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(unpacked(&members).unwrap(), b"one two");
        let zstd = zstd::encode_all(&b"text"[..], 3).unwrap();
        let frames = [zstd.clone(), zstd].concat();
        assert_eq!(unpacked(&frames).unwrap(), b"texttext");
        let error = unpacked(b"BZh91AY").unwrap_err().to_string();
        assert_eq!(error, "it is compressed with bzip2");
    }

    #[test]
    fn a_window_of_zstd_that_wants_much_memory_is_refused() {
        let packed = |log| {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(&[b'x'; 1000]).unwrap();
            encoder.finish().unwrap()
        };
        assert!(unpacked(&packed(WINDOW_LOG)).is_ok());
        assert!(unpacked(&packed(WINDOW_LOG + 1)).is_err());
    }

    #[test]
    fn what_is_longer_than_its_bound_ends_there() {
        let read = |limit| {
            let budget = Budget::default();
            let meter = meter(limit, &budget);
            let mut tally = Tally::unpacked(&b"abc"[..], Some(Hasher::sha256()), &meter);
            tally.drain().map(|()| tally.into_parts().1)
        };
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(read(3).unwrap().as_deref(), Some(hash));
        assert!(
            read(2)
                .unwrap_err()
                .to_string()
                .contains("more than 2 bytes")
        );
    }

    #[test]
    fn a_bomb_is_given_up_at_its_bound() {
        let bomb = gzip(&vec![0; 8 << 20]);
        let unpacked = Unpacked::new(bomb.as_slice()).unwrap();
        let budget = Budget::default();
        let meter = meter(1 << 20, &budget);
        let mut tally = Tally::unpacked(unpacked, None, &meter);
        assert!(tally.drain().is_err());
        assert!(tally.count < 2 << 20);
    }

    #[test]
    fn what_follows_the_packed_bytes_is_counted_too() {
        let bytes = [gzip(b"text"), vec![b'!'; 300_000]].concat();
        let stored = Tally::stored(bytes.as_slice(), Some(Hasher::sha256()), u64::MAX);
        let mut unpacked = Unpacked::new(stored).unwrap();
        let mut start = [0; 4];
        unpacked.read_exact(&mut start).unwrap();
        let mut stored = unpacked.into_inner();
        stored.drain().unwrap();
        assert_eq!(stored.count, bytes.len() as u64);
    }
}
