//! What headers of pax and long names of GNU say of the entry behind them.

use std::io;

use super::malformed;

/// What the extended headers in front of an entry say of it.
#[derive(Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    /// GNU's long names stand above those of pax.
    pub(super) long_path: Option<Vec<u8>>,
    pub(super) long_link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) sparse: bool,
}

impl Extended {
    /// The records of pax that matter: `LENGTH KEY=VALUE\n`.
    pub(super) fn parse(mut records: &[u8]) -> io::Result<Extended> {
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
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}
