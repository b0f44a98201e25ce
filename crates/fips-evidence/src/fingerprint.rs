//! Modules that were measured: how a copy of one is recognised, and which integrity value it must have.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use sha2::{Digest, Sha256, Sha512};

use super::{Arch, Family};

/// Maximum size of a module in bytes. No module is larger, so a row with a larger one is a mistake.
pub(super) const MODULE_LIMIT: u64 = 64 << 20;

/// One module for one processor, as it is in every program that links it: its code and constants have no
/// relocations, so the bytes are the same in each. A row of `data/fingerprints.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fingerprint {
    /// Key of the module's own row: `boringcrypto-20220613`.
    pub module: String,
    pub family: Family,
    pub arch: Arch,
    pub algorithm: Algorithm,
    /// Size from the module's first to its last byte, over which the HMAC is computed.
    pub bytes: u64,
    /// The complete integrity value.
    pub hash: Hex,
    /// Position of the stored value relative to the module's first byte; negative if it is before the module.
    pub hash_at: i64,
    /// Pieces of the module that are far from each other: if any single byte of a copy was changed, all of them
    /// except one are still unchanged and at their expected positions.
    pub anchors: Vec<Anchor>,
    /// Return value of its `FIPS_version()`; older modules do not have this function.
    pub fips_version: Option<u32>,
    /// The programs that contain it: `Go 1.24 to 1.27 with GOEXPERIMENT=boringcrypto`.
    pub seen_in: String,
    /// The file that was measured.
    pub source: String,
    /// `measured`, or another kind of evidence for the row.
    pub evidence: String,
    /// Date of the measurement: `2026-11-23`.
    pub date: String,
}

/// A piece of a module.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Distance from the module's first byte.
    pub at: u64,
    pub bytes: Hex,
}

/// The hash function of a module's HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    /// Returns the size of a value in bytes.
    pub(super) fn len(self) -> usize {
        match self {
            Algorithm::Sha256 => Sha256::output_size(),
            Algorithm::Sha512 => Sha512::output_size(),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        })
    }
}

/// Bytes that are displayed as hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Hex(Vec<u8>);

impl Hex {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Hex {
    fn from(bytes: Vec<u8>) -> Self {
        Hex(bytes)
    }
}

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.as_bytes().chunks(2).map(|pair| {
            let digits = str::from_utf8(pair).ok().filter(|_| pair.len() == 2);
            digits
                .filter(|digits| !digits.starts_with('+'))
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        });
        let bytes: Option<Vec<u8>> = digits.collect();
        bytes
            .map(Hex)
            .ok_or_else(|| format!("{text:?} is not a row of hexadecimal bytes"))
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let row = Fingerprint::deserialize(deserializer)?;
        match row.mistake() {
            None => Ok(row),
            Some(mistake) => Err(D::Error::custom(format_args!(
                "the fingerprint of {} for {}: {mistake}",
                row.module, row.arch.0
            ))),
        }
    }
}

impl Fingerprint {
    fn mistake(&self) -> Option<&'static str> {
        let limit = MODULE_LIMIT.cast_signed();
        if self.bytes == 0 || self.bytes > MODULE_LIMIT {
            Some("no module has that many bytes")
        } else if self.hash.0.len() != self.algorithm.len() {
            Some("the hash is not as long as its algorithm makes it")
        } else if !(-limit..=2 * limit).contains(&self.hash_at) {
            Some("the hash is too far from its module")
        } else if self.anchors.len() < 3 || !self.anchors.iter().all(|a| a.fits(self.bytes)) {
            Some("three anchors of 16 to 64 bytes inside the module are needed")
        } else {
            None
        }
    }
}

impl Anchor {
    fn fits(&self, bytes: u64) -> bool {
        let len = self.bytes.0.len() as u64;
        (16..=64).contains(&len) && self.at <= bytes.saturating_sub(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[expect(dead_code, reason = "it must be there")]
        date: String,
        fingerprints: Vec<Fingerprint>,
    }

    const BUILTIN: &str = include_str!("../data/fingerprints.yaml");

    #[test]
    fn every_row_parses_and_is_there_once() {
        let file: File = serde_yaml::from_str(BUILTIN).unwrap();
        let mut keys: Vec<(&str, &str)> = Vec::new();
        for row in &file.fingerprints {
            keys.push((&row.module, &row.arch.0));
        }
        let rows = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), rows);
        assert!(rows >= 5);
    }

    #[test]
    fn the_hash_of_a_row_stands_outside_its_module() {
        let file: File = serde_yaml::from_str(BUILTIN).unwrap();
        for row in &file.fingerprints {
            let bytes = row.bytes.cast_signed();
            assert!(!(0..bytes).contains(&row.hash_at), "{}", row.module);
        }
    }

    #[test]
    fn a_row_that_cannot_be_is_refused_with_its_reason() {
        for (from, to, reason) in [
            ("bytes: 733200", "bytes: 0", "no module has that many bytes"),
            (
                "bytes: 733200",
                "bytes: 99999999999",
                "no module has that many bytes",
            ),
            (
                "algorithm: sha512",
                "algorithm: sha256",
                "not as long as its algorithm",
            ),
            (
                "algorithm: sha512",
                "algorithm: md5",
                "unknown variant `md5`",
            ),
            (
                "hash-at: 734350",
                "hash-at: 9999999999",
                "far from its module",
            ),
            ("at: 7424", "at: 733190", "three anchors of 16 to 64 bytes"),
            (
                "bytes: 418a",
                "bytes: 418",
                "not a row of hexadecimal bytes",
            ),
            (
                "bytes: 418a",
                "bytes: +18a",
                "not a row of hexadecimal bytes",
            ),
            ("seen-in:", "seen_in:", "unknown field `seen_in`"),
        ] {
            let text = BUILTIN.replacen(from, to, 1);
            assert_ne!(text, BUILTIN, "{from}");
            let error = serde_yaml::from_str::<File>(&text)
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn hexadecimal_bytes_come_back_as_they_were() {
        for text in ["", "00", "ff0a"] {
            assert_eq!(text.parse::<Hex>().unwrap().to_string(), text);
        }
        for text in ["f", "fg", "+f", "0x", "é0"] {
            assert!(text.parse::<Hex>().is_err(), "{text}");
        }
    }
}
