//! The HMAC that a module computes over itself when it starts.

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Sha256, Sha512};

use super::super::fingerprint::Algorithm;

/// An HMAC that grows; a copy of it gives the value up to here.
#[derive(Clone)]
pub(super) enum Mac {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Mac {
    /// The key is public, 64 zero bytes, to which HMAC adds zeros: the value proves that nothing was
    /// changed by accident or by patching, not who built it.
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Mac::Sha256(Hmac::new(&Key::<Hmac<Sha256>>::default())),
            Algorithm::Sha512 => Mac::Sha512(Hmac::new(&Key::<Hmac<Sha512>>::default())),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Mac::Sha256(mac) => mac.update(bytes),
            Mac::Sha512(mac) => mac.update(bytes),
        }
    }

    pub(super) fn value(self) -> Vec<u8> {
        match self {
            Mac::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Mac::Sha512(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }
}
