//! Keys of certificates, and which FIPS builds refuse them.
//!
//! This module reads only certificates, never a private key.

use std::fmt;

use serde::Deserialize;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::oid::db::{rfc5912, rfc8410};
use x509_cert::der::{Decode, Header, SliceReader};

use super::Modules;
use dated_data::{Source, SourceQuality};

/// Maximum size of a PEM text in bytes: no certificate chain is longer.
const LIMIT: usize = 1 << 20;

const CURVES: [(ObjectIdentifier, &str); 4] = [
    (rfc5912::SECP_224_R_1, "P-224"),
    (rfc5912::SECP_256_R_1, "P-256"),
    (rfc5912::SECP_384_R_1, "P-384"),
    (rfc5912::SECP_521_R_1, "P-521"),
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
    /// An RSA key, with the bits of its modulus.
    Rsa(u32),
    /// An ECDSA key, with its curve (`P-256`) or the object identifier of the curve.
    Ecdsa(String),
    Ed25519,
    /// A key of another algorithm, with its object identifier.
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
    /// Returns the keys of all certificates of a PEM text, in their order.
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
        if algorithm == rfc5912::RSA_ENCRYPTION {
            let key = info.subject_public_key.raw_bytes();
            let bits = modulus(key).map_err(|error| KeyError::Certificate(error.to_string()))?;
            return Ok(Key::Rsa(bits));
        }
        if algorithm == rfc5912::ID_EC_PUBLIC_KEY {
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
        Ok(if algorithm == rfc8410::ID_ED_25519 {
            Key::Ed25519
        } else {
            Key::Other(algorithm.to_string())
        })
    }
}

/// Returns the number of bits of the modulus, which is the first number of an RSA key.
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

/// The use of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// The certificate chain of istiod's own CA.
    Cacerts,
    /// The certificate that a gateway presents to its clients.
    Gateway,
}

/// The keys that one kind of build accepts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KeyRow {
    pub key: String,
    /// Name of the build for users.
    pub program: String,
    /// Ranges of versions of the program itself: of Go, of Envoy.
    pub versions: String,
    /// Ranges of versions of Istio that are built with it: only the caller knows how to read them.
    pub istio: String,
    /// Applies only to builds that refuse algorithms that are not approved (true), or only to other builds (false);
    /// applies to both if absent.
    #[serde(default)]
    pub fipsonly: Option<bool>,
    pub secrets: Vec<Secret>,
    /// Accepted sizes of RSA keys; empty if they are not limited.
    #[serde(default)]
    pub rsa: Vec<u32>,
    /// Accepted curves; empty if they are not limited.
    #[serde(default)]
    pub curves: Vec<String>,
    pub ed25519: bool,
    #[serde(default)]
    pub note: String,
    pub source: Source,
    pub evidence: SourceQuality,
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

    /// Returns the accepted keys as text: `RSA 2048, 3072; P-256, P-384`.
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
    /// Returns the builds that are known to refuse `key` if it is used for `secret`.
    ///
    /// `fipsonly` is whether the build refuses algorithms that are not approved; `concerns` decides whether ranges of
    /// versions of Istio include the version that is judged.
    pub fn refusals<'m>(
        &'m self,
        key: &Key,
        secret: Secret,
        fipsonly: bool,
        concerns: impl Fn(&str) -> bool,
    ) -> Vec<&'m KeyRow> {
        let applies = |row: &&KeyRow| {
            row.secrets.contains(&secret)
                && concerns(&row.istio)
                && row.fipsonly.is_none_or(|only| only == fipsonly)
        };
        let rows = self.keys().iter().filter(applies);
        rows.filter(|row| !row.accepts(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl req -x509`, one of each kind, without their private keys.
    const CHAIN: &str = include_str!("../../../tests/data/certificates.pem");

    fn key(text: &str) -> Key {
        match text.split_once(' ') {
            Some(("RSA", bits)) => Key::Rsa(bits.parse().unwrap()),
            Some(("ECDSA", curve)) => Key::Ecdsa(curve.into()),
            _ => Key::Ed25519,
        }
    }

    #[test]
    fn the_key_of_every_certificate_of_a_chain_is_read() {
        let keys = Key::of_pem(CHAIN.as_bytes()).unwrap();
        let shown: Vec<String> = keys.iter().map(Key::to_string).collect();
        assert_eq!(
            shown,
            [
                "ECDSA P-256",
                "RSA 4096",
                "Ed25519",
                "ECDSA P-224",
                "RSA 1024",
                "ECDSA P-521",
                "ECDSA 1.3.36.3.3.2.8.1.1.7"
            ]
        );
    }

    #[test]
    fn what_is_no_chain_of_certificates_is_refused() {
        assert_eq!(Key::of_pem(b""), Err(KeyError::Empty));
        assert_eq!(Key::of_pem(&vec![b'\n'; LIMIT + 1]), Err(KeyError::TooLong));
        let cut = &CHAIN[..CHAIN.len() / 2];
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in [cut, private, "certificate"] {
            let error = Key::of_pem(text.as_bytes()).unwrap_err();
            assert!(matches!(error, KeyError::Certificate(_)), "{text}: {error}");
        }
    }

    #[test]
    fn a_damaged_chain_is_an_error_and_nothing_worse() {
        let whole = Key::of_pem(CHAIN.as_bytes()).unwrap();
        for at in (0..CHAIN.len()).step_by(61) {
            match Key::of_pem(&CHAIN.as_bytes()[..at]) {
                Ok(keys) => assert!(whole.starts_with(&keys), "cut at {at}"),
                Err(error) => assert_ne!(error, KeyError::TooLong, "cut at {at}"),
            }
            let mut damaged = CHAIN.as_bytes().to_vec();
            damaged[at] ^= 0x15;
            let _either = Key::of_pem(&damaged);
        }
    }

    /// Returns whether ranges of the data include a version of Istio; the caller of `refusals` reads them.
    fn includes(version: &str) -> impl Fn(&str) -> bool {
        let including: &[&str] = match version {
            "1.8.5" => &["..1.16", "..1.8"],
            "1.9.0" => &["..1.16", "1.9.."],
            _ => &["1.17..", "1.9.."],
        };
        |ranges| including.contains(&ranges)
    }

    #[test]
    fn each_build_refuses_what_its_row_does_not_take() {
        // key, secret, version of Istio, fipsonly, rows that refuse
        let table: &[(&str, Secret, &str, bool, &[&str])] = &[
            (
                "RSA 4096",
                Secret::Cacerts,
                "1.8.5",
                true,
                &["go-fipsonly-strict"],
            ),
            (
                "RSA 4096",
                Secret::Cacerts,
                "1.8.5",
                false,
                &["go-boring-old"],
            ),
            ("RSA 4096", Secret::Cacerts, "1.31.0", true, &[]),
            (
                "RSA 5120",
                Secret::Cacerts,
                "1.31.0",
                true,
                &["go-fipsonly"],
            ),
            ("RSA 5120", Secret::Cacerts, "1.31.0", false, &[]),
            ("RSA 3072", Secret::Cacerts, "1.8.5", true, &[]),
            (
                "ECDSA P-224",
                Secret::Cacerts,
                "1.31.0",
                true,
                &["go-fipsonly"],
            ),
            ("ECDSA P-224", Secret::Cacerts, "1.8.5", false, &[]),
            ("ECDSA P-521", Secret::Cacerts, "1.31.0", true, &[]),
            ("Ed25519", Secret::Cacerts, "1.31.0", true, &["go-fipsonly"]),
            ("Ed25519", Secret::Cacerts, "1.8.5", false, &[]),
            (
                "RSA 4096",
                Secret::Gateway,
                "1.8.5",
                false,
                &["envoy-fips-old"],
            ),
            ("RSA 4096", Secret::Gateway, "1.9.0", true, &[]),
            ("RSA 5120", Secret::Gateway, "1.9.0", true, &["envoy-fips"]),
            ("Ed25519", Secret::Gateway, "1.31.0", false, &["envoy-fips"]),
        ];
        for (text, secret, build, fipsonly, expected) in table {
            let key = key(text);
            let rows = Modules::builtin().refusals(&key, *secret, *fipsonly, includes(build));
            let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
            assert_eq!(keys, *expected, "{text} {secret:?} {build} {fipsonly}");
        }
        let strange = Key::Other("1.2.3".into());
        let rows =
            Modules::builtin().refusals(&strange, Secret::Gateway, false, includes("1.31.0"));
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn what_a_build_takes_is_said_in_words() {
        let said = |key: &str| {
            let rows = Modules::builtin().keys();
            rows.iter().find(|row| row.key == key).unwrap().accepted()
        };
        assert_eq!(
            said("go-fipsonly"),
            "RSA 2048, 3072, 4096; ECDSA P-256, P-384, P-521"
        );
        assert_eq!(said("go-boring-old"), "RSA 2048, 3072; ECDSA; Ed25519");
    }
}
