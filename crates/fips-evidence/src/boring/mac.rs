//! The HMAC that a module computes over itself when it starts.

use hmac::digest::Key;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Sha256, Sha512};

use super::super::fingerprint::Algorithm;

/// An HMAC that more bytes can be added to. A copy of it gives the value of the bytes so far.
#[derive(Clone)]
pub(super) enum Mac {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Mac {
    /// Starts an HMAC. The key is public: 64 zero bytes, which HMAC pads with zeros. So the value proves that the
    /// module was not changed by accident or by patching, but not who built it.
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
