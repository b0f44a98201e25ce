//! A layer on its way: counted, bounded, its digest computed, unpacked.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use oci_spec::image::DigestAlgorithm;
use sha2::{Digest as _, Sha256, Sha512};

use super::Digest;
use crate::sys::signal;

/// Window of zstd that is still unpacked: 32 MiB. `zstd -19` uses 8.
const WINDOW_LOG: u32 = 25;

const BUFFER: usize = 128 << 10;

/// Bytes that tell every compression.
const LONGEST_MAGIC: u64 = 6;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Compressions that no registry's layers have, and that are told by their first bytes.
const OTHERS: [(&[u8], &str); 3] = [
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4"),
];

/// Whether these first bytes are those of something packed.
pub(super) fn is_compressed(start: &[u8]) -> bool {
    let others = OTHERS.iter().map(|(magic, _)| *magic);
    [GZIP, ZSTD]
        .into_iter()
        .chain(others)
        .any(|magic| start.starts_with(magic))
}

/// What ends a stream besides its own errors.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("it unpacks to more than {0} bytes")]
    Bomb(u64),
    #[error("it is longer than the {0} bytes that were declared")]
    Longer(u64),
    #[error("it is compressed with {0}")]
    Compression(&'static str),
    #[error("interrupted")]
    Interrupted,
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        io::Error::other(stop)
    }
}

/// A hash that digests are written in.
pub(super) enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// None for an algorithm that is not known here.
    pub(super) fn of(digest: &Digest) -> Option<Hasher> {
        match digest.algorithm() {
            DigestAlgorithm::Sha256 => Some(Hasher::Sha256(Sha256::new())),
            DigestAlgorithm::Sha512 => Some(Hasher::Sha512(Sha512::new())),
            _ => None,
        }
    }

    pub(super) fn sha256() -> Hasher {
        Hasher::Sha256(Sha256::new())
    }

    pub(super) fn is_sha256(&self) -> bool {
        matches!(self, Hasher::Sha256(_))
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// As it is written in a digest, without the algorithm.
    fn hex(self) -> String {
        match self {
            Hasher::Sha256(hasher) => hex(&hasher.finalize()),
            Hasher::Sha512(hasher) => hex(&hasher.finalize()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A string takes everything.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// Counts and hashes what passes, and ends it at a bound.
pub(super) struct Tally<R> {
    input: R,
    hasher: Option<Hasher>,
    pub(super) count: u64,
    limit: u64,
    over: fn(u64) -> Stop,
}

impl<R: Read> Tally<R> {
    /// What is stored: as many bytes as were declared.
    pub(super) fn stored(input: R, hasher: Option<Hasher>, declared: u64) -> Self {
        Tally {
            input,
            hasher,
            count: 0,
            limit: declared,
            over: Stop::Longer,
        }
    }

    /// What it unpacks to: at most `limit` bytes.
    pub(super) fn unpacked(input: R, hasher: Option<Hasher>, limit: u64) -> Self {
        Tally {
            input,
            hasher,
            count: 0,
            limit,
            over: Stop::Bomb,
        }
    }

    /// What it reads from, and the hash of all that passed.
    pub(super) fn into_parts(self) -> (R, Option<String>) {
        (self.input, self.hasher.map(Hasher::hex))
    }

    /// Counts bytes that do not pass and cost as much: the holes of a sparse file.
    pub(super) fn charge(&mut self, bytes: u64) -> io::Result<()> {
        self.count = self.count.saturating_add(bytes);
        if self.count > self.limit {
            return Err((self.over)(self.limit).into());
        }
        Ok(())
    }

    /// Lets the rest pass.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }
}

impl<R: Read> Read for Tally<R> {
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

/// A stream with the bytes that were read ahead of it.
type Ahead<R> = BufReader<io::Chain<Cursor<Vec<u8>>, R>>;

/// Unpacks by the first bytes, whatever the media type says.
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

    /// What is packed, past what was read of it.
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
