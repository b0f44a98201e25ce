//! Computes digests.

use oci_spec::image::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256, Sha512};

/// A hash function for digests.
pub enum Hasher {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    /// Returns the hasher for a digest, or `None` for an unknown algorithm.
    pub fn of(digest: &Digest) -> Option<Hasher> {
        Hasher::by(digest.algorithm())
    }

    fn by(algorithm: &DigestAlgorithm) -> Option<Hasher> {
        match algorithm {
            DigestAlgorithm::Sha256 => Some(Hasher::Sha256(Sha256::new())),
            DigestAlgorithm::Sha512 => Some(Hasher::Sha512(Sha512::new())),
            _ => None,
        }
    }

    pub fn sha256() -> Hasher {
        Hasher::Sha256(Sha256::new())
    }

    pub fn is_sha256(&self) -> bool {
        matches!(self, Hasher::Sha256(_))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Returns the hash in hexadecimal, as in a digest after the algorithm.
    pub fn hex(self) -> String {
        match self {
            Hasher::Sha256(hasher) => hex(&hasher.finalize()),
            Hasher::Sha512(hasher) => hex(&hasher.finalize()),
        }
    }
}

/// Returns the digest of `bytes`, or `None` for an unknown algorithm.
pub(super) fn digest_of(algorithm: &DigestAlgorithm, bytes: &[u8]) -> Option<Digest> {
    let mut hasher = Hasher::by(algorithm)?;
    hasher.update(bytes);
    format!("{algorithm}:{}", hasher.hex()).parse().ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_its_algorithm() {
        let of = |algorithm: &str| {
            let digest = digest_of(&DigestAlgorithm::from(algorithm), b"abc");
            digest.map(|digest| digest.to_string()[..15].to_owned())
        };
        assert_eq!(of("sha256").as_deref(), Some("sha256:ba7816bf"));
        assert_eq!(of("sha512").as_deref(), Some("sha512:ddaf35a1"));
        assert_eq!(of("md5"), None);
    }
}
