//! What the name of a function tells of the cryptography in its program.

use memchr::{memchr, memchr2, memrchr};

use crate::fips::Names;

/// Packages that only a FIPS toolchain of somebody else has in its standard library.
const FOREIGN: [&str; 5] = [
    "vendor/github.com/golang-fips/openssl",
    "vendor/github.com/microsoft/go-crypto-openssl",
    "vendor/github.com/microsoft/go-crypto-winnative",
    "vendor/github.com/microsoft/go-crypto-darwin",
    "crypto/internal/backend",
];

/// Packages below the cryptographic ones that compute nothing: helpers, formats, and what starts with
/// every program that so much as compares two values in constant time.
const HELPERS: [&str; 24] = [
    "crypto/internal/boring",
    "crypto/internal/boring/bcache",
    "crypto/internal/boring/sig",
    "crypto/internal/entropy",
    "crypto/internal/fips140",
    "crypto/internal/fips140/alias",
    "crypto/internal/fips140/check",
    "crypto/internal/fips140/subtle",
    "crypto/internal/fips140cache",
    "crypto/internal/fips140hash",
    "crypto/internal/fips140only",
    "crypto/internal/fips140deps/byteorder",
    "crypto/internal/fips140deps/cpu",
    "crypto/internal/fips140deps/godebug",
    "crypto/internal/impl",
    "crypto/internal/randutil",
    "crypto/internal/sysrand",
    "crypto/subtle",
    "crypto/tls/fipsonly",
    "crypto/x509/pkix",
    "x/crypto/cryptobyte",
    "x/crypto/cryptobyte/asn1",
    "x/crypto/internal/alias",
    "x/crypto/ssh/terminal",
];

impl Names {
    /// Takes down what one function name tells.
    pub(super) fn take(&mut self, name: &[u8]) {
        let Some((package, function)) = split(name) else {
            return;
        };
        match (package, function) {
            (b"runtime/cgo", _) => self.cgo = true,
            (b"crypto/internal/boring/sig", b"BoringCrypto") => self.boring = true,
            (b"crypto/internal/boring/sig", b"StandardCrypto") => self.standard = true,
            (b"crypto/internal/boring/sig", b"FIPSOnly") | (b"crypto/tls/fipsonly", _) => {
                self.fipsonly = true;
            }
            (b"crypto/internal/boring", call) => self.call(call),
            _ => {}
        }
        if let Some(inner) = package.strip_prefix(b"crypto/internal/fips140/") {
            self.module(inner);
        }
        let below = |parent: &&&str| {
            let rest = package.strip_prefix(parent.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        if let Some(foreign) = FOREIGN.iter().find(below) {
            self.foreign.get_or_insert_with(|| (*foreign).to_owned());
        }
        self.cryptography |= computes(package);
    }

    fn call(&mut self, function: &[u8]) {
        match function.strip_prefix(b"_Cfunc__goboringcrypto_") {
            // Red Hat's toolchains before Go 1.22 put OpenSSL behind the names of BoringCrypto.
            Some(b"DLOPEN_OPENSSL") => {
                let package = "crypto/internal/boring._Cfunc__goboringcrypto_DLOPEN_OPENSSL";
                self.foreign.get_or_insert_with(|| package.to_owned());
            }
            Some(name) if memchr(b'.', name).is_none() => {
                self.boring_calls = self.boring_calls.saturating_add(1);
            }
            _ => {}
        }
    }

    /// A package of Go's own module: below a version where it is a frozen one.
    fn module(&mut self, package: &[u8]) {
        let first = package
            .split(|byte| *byte == b'/')
            .next()
            .unwrap_or(package);
        if matches!(first, [b'v', b'0'..=b'9', ..]) {
            let version = String::from_utf8_lossy(first).replace("%2e", ".");
            self.frozen.get_or_insert(version);
        } else {
            self.unfrozen = true;
        }
    }
}

/// The package of a function and the name it has there: `crypto/sha256` and `(*digest).Write`.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = &name[..memchr2(b'[', b'(', name).unwrap_or(name.len())];
    let last = memrchr(b'/', head).map_or(0, |slash| slash + 1);
    let dot = last + memchr(b'.', &head[last..])?;
    Some((&name[..dot], &name[dot + 1..]))
}

fn computes(package: &[u8]) -> bool {
    let package = [&b"vendor/golang.org/"[..], b"golang.org/"]
        .iter()
        .find_map(|prefix| package.strip_prefix(*prefix))
        .unwrap_or(package);
    let cryptographic = package.starts_with(b"crypto/") || package.starts_with(b"x/crypto/");
    cryptographic && !HELPERS.iter().any(|helper| helper.as_bytes() == package)
}
