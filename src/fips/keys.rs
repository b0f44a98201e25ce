//! Keys of certificates, and which FIPS builds refuse them.
//!
//! Only certificates are read here, never a private key.

use std::fmt;

use serde::Deserialize;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Header, SliceReader};

use super::Modules;
use crate::istio::{Evidence as Grade, Rebuild, Source, Spans};

/// Bytes of PEM that are looked at: no chain of certificates is longer.
const LIMIT: usize = 1 << 20;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const CURVES: [(ObjectIdentifier, &str); 4] = [
    (ObjectIdentifier::new_unwrap("1.3.132.0.33"), "P-224"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), "P-256"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "P-384"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "P-521"),
];

/// Why a certificate cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("no certificate is in it")]
    Empty,
    #[error("no X.509 certificate: {0}")]
    Certificate(String),
    #[error("longer than {LIMIT} bytes")]
    TooLong,
}

/// The public key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Bits of the modulus.
    Rsa(u32),
    /// The curve: `P-256`, or its object identifier.
    Ecdsa(String),
    Ed25519,
    /// The object identifier of another algorithm.
    Other(String),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Ecdsa(curve) => write!(f, "ECDSA {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(algorithm) => write!(f, "a key of algorithm {algorithm}"),
        }
    }
}

impl Key {
    /// The keys of every certificate of a PEM text, in its order.
    pub fn of_pem(pem: &[u8]) -> Result<Vec<Key>, KeyError> {
        if pem.len() > LIMIT {
            return Err(KeyError::TooLong);
        }
        let certificates = Certificate::load_pem_chain(pem)
            .map_err(|error| KeyError::Certificate(error.to_string()))?;
        if certificates.is_empty() {
            return Err(KeyError::Empty);
        }
        certificates.iter().map(Key::of).collect()
    }

    fn of(certificate: &Certificate) -> Result<Key, KeyError> {
        let info = certificate.tbs_certificate().subject_public_key_info();
        let algorithm = info.algorithm.oid;
        if algorithm == RSA {
            let key = info.subject_public_key.raw_bytes();
            let bits = modulus(key).map_err(|error| KeyError::Certificate(error.to_string()))?;
            return Ok(Key::Rsa(bits));
        }
        if algorithm == EC {
            let parameters = info.algorithm.parameters.as_ref();
            let curve = parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
            return Ok(Key::Ecdsa(curve.map_or_else(
                || "explicit parameters".to_owned(),
                |curve| {
                    let known = CURVES.iter().find(|(oid, _)| *oid == curve);
                    known.map_or_else(|| curve.to_string(), |(_, name)| (*name).to_owned())
                },
            )));
        }
        Ok(if algorithm == ED25519 {
            Key::Ed25519
        } else {
            Key::Other(algorithm.to_string())
        })
    }
}

/// Bits of the modulus, the first number of an RSA key.
fn modulus(key: &[u8]) -> x509_cert::der::Result<u32> {
    let mut reader = SliceReader::new(key)?;
    let _sequence = Header::decode(&mut reader)?;
    let modulus = UintRef::decode(&mut reader)?;
    let bytes = modulus.as_bytes();
    let leading = bytes.first().map_or(0, |byte| byte.leading_zeros());
    let bits = u32::try_from(bytes.len())
        .unwrap_or(u32::MAX)
        .saturating_mul(8);
    Ok(bits.saturating_sub(leading))
}

/// Where a certificate is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// The chain of istiod's own authority.
    Cacerts,
    /// What a gateway shows to its clients.
    Gateway,
}

/// What one kind of build accepts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeyRow {
    pub key: String,
    /// The build, as a person names it.
    pub program: String,
    /// Its own versions: of Go, of Envoy.
    pub versions: Spans,
    /// The versions of Istio that are built with it.
    pub istio: Spans,
    /// Only the builds that refuse what is not approved, or only the others; else both.
    #[serde(default)]
    pub fipsonly: Option<bool>,
    pub secrets: Vec<Secret>,
    /// Sizes of RSA keys, where they are limited.
    #[serde(default)]
    pub rsa: Vec<u32>,
    /// Curves, where they are limited.
    #[serde(default)]
    pub curves: Vec<String>,
    pub ed25519: bool,
    #[serde(default)]
    pub note: String,
    pub source: Source,
    pub evidence: Grade,
}

impl KeyRow {
    fn accepts(&self, key: &Key) -> bool {
        match key {
            Key::Rsa(bits) => self.rsa.is_empty() || self.rsa.contains(bits),
            Key::Ecdsa(curve) => self.curves.is_empty() || self.curves.contains(curve),
            Key::Ed25519 => self.ed25519,
            Key::Other(_) => false,
        }
    }

    /// What it takes: `RSA 2048, 3072; P-256, P-384`.
    pub fn accepted(&self) -> String {
        let sizes: Vec<String> = self.rsa.iter().map(u32::to_string).collect();
        let rsa = if sizes.is_empty() {
            "RSA".to_owned()
        } else {
            format!("RSA {}", sizes.join(", "))
        };
        let curves = if self.curves.is_empty() {
            "ECDSA".to_owned()
        } else {
            format!("ECDSA {}", self.curves.join(", "))
        };
        let edwards = if self.ed25519 { "; Ed25519" } else { "" };
        format!("{rsa}; {curves}{edwards}")
    }
}

impl Modules {
    /// The builds of this version of Istio that are known to refuse `key`, where `secret` is used.
    ///
    /// `fipsonly` is whether the build is one that refuses what is not approved.
    pub fn refusals<'m>(
        &'m self,
        key: &Key,
        secret: Secret,
        build: &Rebuild,
        fipsonly: bool,
    ) -> Vec<&'m KeyRow> {
        let concerns = |row: &&KeyRow| {
            row.secrets.contains(&secret)
                && row.istio.contains(build)
                && row.fipsonly.is_none_or(|only| only == fipsonly)
        };
        let rows = self.keys().iter().filter(concerns);
        rows.filter(|row| !row.accepts(key)).collect()
    }
}
