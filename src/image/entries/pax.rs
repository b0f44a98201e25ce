//! The extended headers of pax and the long names of GNU, which describe the entry after them.

use std::io;

use super::malformed;

/// What the extended headers in front of an entry state about it.
#[derive(Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    /// The long names of GNU take precedence over those of pax.
    pub(super) long_path: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) sparse: SparseRecords,
}

/// The `GNU.sparse.*` records of an entry. An empty value counts as absent, as in Go's reader.
#[derive(Default)]
pub(super) struct SparseRecords {
    major: Vec<u8>,
    minor: Vec<u8>,
    name: Vec<u8>,
    size: Vec<u8>,
    real_size: Vec<u8>,
    blocks: Vec<u8>,
    map: Vec<u8>,
    /// The pairs of format 0.0 (offset and length alternate), and the number of values in them.
    pairs: Vec<u8>,
    numbers: usize,
}

/// Where a sparse entry stores the map of its segments.
pub(super) enum SparseMap<'a> {
    /// Formats 0.0 and 0.1: in the records, as `OFFSET,LENGTH,…` for this number of segments.
    Records { map: &'a [u8], pieces: u64 },
    /// Format 1.0: in front of the data.
    Data,
}

impl Extended {
    /// Parses the pax records that are used here, each of the form `LENGTH KEY=VALUE
    /// `.
    pub(super) fn parse(mut records: &[u8]) -> io::Result<Extended> {
        let bad = || malformed("an extended header is not a list of records");
        let mut extended = Extended::default();
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
                b"size" if value.is_empty() => extended.size = None,
                b"size" => extended.size = Some(number(value).ok_or_else(bad)?),
                _ => {}
            }
            if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                extended.sparse.take(key, value)?;
            }
            let names: [&[u8]; 3] = [b"path", b"linkpath", b"GNU.sparse.name"];
            if names.contains(&key) && value.contains(&0) {
                return Err(malformed("a name has a zero in it"));
            }
            records = &records[length..];
        }
        Ok(extended)
    }
}

impl SparseRecords {
    fn take(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let kept = match key {
            b"major" => &mut self.major,
            b"minor" => &mut self.minor,
            b"name" => &mut self.name,
            b"size" => &mut self.size,
            b"realsize" => &mut self.real_size,
            b"numblocks" => &mut self.blocks,
            b"map" => &mut self.map,
            b"offset" | b"numbytes" => {
                let in_turn = (key == b"offset") == self.numbers.is_multiple_of(2);
                if !in_turn || value.contains(&b',') {
                    return Err(malformed("the pieces of a sparse file are not in pairs"));
                }
                if self.numbers > 0 {
                    self.pairs.push(b',');
                }
                self.pairs.extend_from_slice(value);
                self.numbers += 1;
                return Ok(());
            }
            _ => return Ok(()),
        };
        kept.clear();
        kept.extend_from_slice(value);
        Ok(())
    }

    /// Returns where the map is, or `None` if the runtimes' reader treats the entry as an ordinary
    /// file: its format has another number, or its records have only names.
    pub(super) fn map(&self) -> io::Result<Option<SparseMap<'_>>> {
        let map = if self.numbers > 0 {
            &self.pairs
        } else {
            &self.map
        };
        match (self.major.as_slice(), self.minor.as_slice()) {
            (b"1", b"0") => return Ok(Some(SparseMap::Data)),
            (b"0", b"0" | b"1") => {}
            (b"", b"") if !map.is_empty() => {}
            _ => return Ok(None),
        }
        let pieces = number(&self.blocks)
            .ok_or_else(|| malformed("a sparse file does not say how many pieces it has"))?;
        Ok(Some(SparseMap::Records { map, pieces }))
    }

    /// Returns the name of the extracted file.
    pub(super) fn name(&self) -> Option<&[u8]> {
        (!self.name.is_empty()).then_some(&self.name)
    }

    /// Returns the number of bytes of the extracted file, if the records state it.
    pub(super) fn size(&self) -> io::Result<Option<u64>> {
        let size = if self.size.is_empty() {
            &self.real_size
        } else {
            &self.size
        };
        if size.is_empty() {
            return Ok(None);
        }
        let size =
            number(size).ok_or_else(|| malformed("the size of a sparse file is not a number"))?;
        Ok(Some(size))
    }
}

/// Parses a decimal number without a sign.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}
