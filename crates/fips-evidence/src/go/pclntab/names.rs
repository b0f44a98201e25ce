//! What the name of a function shows about the cryptography in its program.

use memchr::{memchr, memchr2, memmem, memrchr};

use crate::Names;

/// Prefixes of all names that are examined; few names of a program have one of them.
const ROOTS: [&[u8]; 4] = [b"crypto/", b"vendor/", b"golang.org/", b"x/crypto/"];

/// Packages that only another vendor's FIPS toolchain has in its standard library.
const FOREIGN: [&str; 4] = [
    "vendor/github.com/golang-fips/openssl",
    "vendor/github.com/microsoft/go-crypto-openssl",
    "vendor/github.com/microsoft/go-crypto-winnative",
    "vendor/github.com/microsoft/go-crypto-darwin",
];

/// The package that those toolchains put in front of their library.
const BACKEND: &str = "crypto/internal/backend";

/// The package with which Red Hat's toolchain reads the FIPS mode of the host.
const HOST_FIPS: &str = "crypto/internal/fips140deps/hostfips";

/// Packages that have a cryptographic path but compute nothing, including all packages below them: helpers,
/// formats, and packages that a program links if it only reads random numbers or compares in constant time.
const HELPERS: [&str; 18] = [
    "crypto/fips140",
    "crypto/internal/boring",
    "crypto/internal/entropy",
    "crypto/internal/fips140",
    "crypto/internal/fips140cache",
    "crypto/internal/fips140deps",
    "crypto/internal/fips140hash",
    "crypto/internal/fips140only",
    "crypto/internal/impl",
    "crypto/internal/randutil",
    "crypto/internal/rand",
    "crypto/internal/sysrand",
    "crypto/subtle",
    "crypto/tls/fipsonly",
    "crypto/x509/pkix",
    "x/crypto/cryptobyte",
    "x/crypto/internal/alias",
    "x/crypto/ssh/terminal",
];

/// The same for packages below Go's own module.
const MODULE_HELPERS: [&str; 4] = ["alias", "check", "deps", "subtle"];

impl Names {
    /// Records what one function name shows.
    pub(super) fn take(&mut self, name: &[u8]) {
        // The entry point from C to Go, which only a program with C has.
        self.cgo |= name == b"crosscall2";
        if !ROOTS.iter().any(|root| name.starts_with(root)) {
            return;
        }
        let Some((package, function)) = split(name) else {
            return;
        };
        match (package, function) {
            (b"crypto/internal/boring/sig", b"BoringCrypto") => self.boring = true,
            (b"crypto/internal/boring/sig", b"StandardCrypto") => self.standard = true,
            (b"crypto/internal/boring/sig", b"FIPSOnly") | (b"crypto/tls/fipsonly", _) => {
                self.fipsonly = true;
            }
            (b"crypto/internal/boring", call) => self.call(call),
            _ => {}
        }
        if let Some(foreign) = FOREIGN.iter().find(|parent| below(package, parent)) {
            self.foreign.get_or_insert_with(|| (*foreign).to_owned());
        }
        self.backend |= below(package, BACKEND);
        self.host_fips |= below(package, HOST_FIPS);
        self.cryptography |= match package.strip_prefix(b"crypto/internal/fips140/") {
            Some(inner) => self.module(inner),
            None => computes(package),
        };
    }

    fn call(&mut self, function: &[u8]) {
        match function.strip_prefix(b"_Cfunc__goboringcrypto_") {
            // Red Hat's toolchains before Go 1.22 use the names of BoringCrypto for OpenSSL.
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

    /// Records a package of Go's own module, which is below a version if it is a frozen one. Returns whether it
    /// computes.
    fn module(&mut self, package: &[u8]) -> bool {
        let mut package = package;
        let end = memchr(b'/', package).unwrap_or(package.len());
        if let [b'v', b'0'..=b'9', ..] = package[..end] {
            let version = String::from_utf8_lossy(&package[..end]);
            // The last element of a package path has its dots escaped.
            self.frozen
                .get_or_insert_with(|| version.replace("%2e", "."));
            package = package.get(end + 1..).unwrap_or_default();
        } else {
            self.unfrozen = true;
        }
        !package.is_empty() && !MODULE_HELPERS.iter().any(|helper| below(package, helper))
    }
}

/// Checks whether it is a function of Go's own module. A trampoline, which the linker puts between two functions
/// that are far apart, has the name of the second one and is not.
pub(super) fn is_own(name: &[u8]) -> bool {
    let inner = name.strip_prefix(b"crypto/internal/fips140");
    inner.is_some_and(|inner| inner.starts_with(b"/") || inner.starts_with(b"."))
        && !is_trampoline(name)
}

/// Checks whether it is a function of another package than Go's module. Assembly has names without a package.
pub(super) fn is_foreign(name: &[u8]) -> bool {
    split(name).is_some() && !is_own(name) && !is_trampoline(name)
}

fn is_trampoline(name: &[u8]) -> bool {
    memmem::find(name, b"-tramp").is_some()
}

/// Splits the name of a function into its package and the rest: `crypto/sha256` and `(*digest).Write`.
pub(super) fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = &name[..memchr2(b'[', b'(', name).unwrap_or(name.len())];
    let last = memrchr(b'/', head).map_or(0, |slash| slash + 1);
    let dot = last + memchr(b'.', &head[last..])?;
    Some((&name[..dot], &name[dot + 1..]))
}

fn computes(package: &[u8]) -> bool {
    let package = package.strip_prefix(b"vendor/").unwrap_or(package);
    let package = package.strip_prefix(b"golang.org/").unwrap_or(package);
    let cryptographic = package.starts_with(b"crypto/") || package.starts_with(b"x/crypto/");
    cryptographic && !HELPERS.iter().any(|helper| below(package, helper))
}

/// Checks whether it is this package or one below it.
fn below(package: &[u8], parent: &str) -> bool {
    let rest = package.strip_prefix(parent.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Names {
        let mut found = Names::default();
        for name in names {
            found.take(name.as_bytes());
        }
        found
    }

    #[test]
    fn each_mark_comes_from_its_own_function_and_no_other() {
        let sig = |name: &str| format!("crypto/internal/boring/sig.{name}");
        let none = Names::default();
        for (name, expected) in [
            (
                sig("BoringCrypto"),
                Names {
                    boring: true,
                    ..none.clone()
                },
            ),
            (
                sig("StandardCrypto"),
                Names {
                    standard: true,
                    ..none.clone()
                },
            ),
            (
                sig("FIPSOnly"),
                Names {
                    fipsonly: true,
                    ..none.clone()
                },
            ),
            (sig("Other"), none.clone()),
            (
                "crypto/tls/fipsonly.init.0".to_owned(),
                Names {
                    fipsonly: true,
                    ..none.clone()
                },
            ),
            (
                "crosscall2".to_owned(),
                Names {
                    cgo: true,
                    ..none.clone()
                },
            ),
            ("main.crosscall2".to_owned(), none.clone()),
            (
                "example.test/crypto/internal/boring/sig.BoringCrypto".to_owned(),
                none.clone(),
            ),
            (String::new(), none.clone()),
        ] {
            assert_eq!(of(&[&name]), expected, "{name}");
        }
    }

    #[test]
    fn calls_into_the_module_are_counted_once_each() {
        let names = of(&[
            "crypto/internal/boring._Cfunc__goboringcrypto_SHA256_Init",
            "crypto/internal/boring._Cfunc__goboringcrypto_SHA256_Final",
            "crypto/internal/boring._Cfunc__goboringcrypto_SHA256_Final.func1",
            "crypto/internal/boring.NewSHA256",
            "_cgo_32f3ac20d4c4_Cfunc__goboringcrypto_SHA256_Init",
        ]);
        assert_eq!((names.boring_calls, names.foreign), (2, None));
    }

    #[test]
    fn the_module_of_go_is_frozen_below_a_version_and_only_there() {
        for (name, frozen, unfrozen) in [
            (
                "crypto/internal/fips140/v1.0.0-c2097c7c/sha256.New",
                Some("v1.0.0-c2097c7c"),
                false,
            ),
            (
                "crypto/internal/fips140/v1%2e26%2e0.init.0",
                Some("v1.26.0"),
                false,
            ),
            ("crypto/internal/fips140/sha256.New", None, true),
            ("crypto/internal/fips140/verify.New", None, true),
            ("crypto/internal/fips140deps/cpu.init", None, false),
            ("crypto/internal/entropy/v1%2e0%2e0.Seed", None, false),
            (
                "type:.eq.crypto/internal/fips140/v1.0.0/sha256.Digest",
                None,
                false,
            ),
        ] {
            let names = of(&[name]);
            assert_eq!(
                (names.frozen.as_deref(), names.unfrozen),
                (frozen, unfrozen),
                "{name}"
            );
        }
    }

    #[test]
    fn what_belongs_to_the_module_is_told_by_its_whole_path() {
        for (name, own, foreign) in [
            ("crypto/internal/fips140/sha256.New", true, false),
            ("crypto/internal/fips140.init", true, false),
            (
                "crypto/internal/fips140/v1.0.0-c2097c7c/aes.New",
                true,
                false,
            ),
            ("crypto/internal/fips140/sha256.New-tramp0", false, false),
            ("crypto/internal/fips140deps/cpu.init", false, true),
            ("runtime.morestack", false, true),
            ("runtime.morestack-tramp0", false, false),
            ("_expand_key_128", false, false),
            ("go:textfipsstart", false, false),
        ] {
            let name = name.as_bytes();
            assert_eq!((is_own(name), is_foreign(name)), (own, foreign));
        }
    }

    #[test]
    fn toolchains_of_others_are_named_by_their_package() {
        for (name, expected) in [
            (
                "vendor/github.com/golang-fips/openssl/v2.dlopen",
                Some("vendor/github.com/golang-fips/openssl"),
            ),
            (
                "vendor/github.com/microsoft/go-crypto-openssl/openssl.Init",
                Some("vendor/github.com/microsoft/go-crypto-openssl"),
            ),
            (
                "crypto/internal/boring._Cfunc__goboringcrypto_DLOPEN_OPENSSL",
                Some("crypto/internal/boring._Cfunc__goboringcrypto_DLOPEN_OPENSSL"),
            ),
            ("github.com/golang-fips/openssl/v2.dlopen", None),
            ("crypto/internal/backends.Enabled", None),
        ] {
            assert_eq!(of(&[name]).foreign.as_deref(), expected, "{name}");
        }
        for (name, backend) in [
            ("crypto/internal/backend.Enabled", true),
            ("crypto/internal/backends.Enabled", false),
        ] {
            let names = of(&[name]);
            assert_eq!((names.backend, names.foreign), (backend, None), "{name}");
        }
        assert!(of(&["crypto/internal/fips140deps/hostfips.Enabled"]).host_fips);
        assert!(!of(&["crypto/internal/fips140deps/godebug.Value"]).host_fips);
        let red_hat = of(&["crypto/internal/boring._Cfunc__goboringcrypto_DLOPEN_OPENSSL"]);
        assert_eq!(red_hat.boring_calls, 0);
    }

    #[test]
    fn only_what_computes_is_cryptography() {
        for name in [
            "crypto/sha256.(*digest).Write",
            "crypto/internal/fips140/sha256.New",
            "crypto/internal/fips140/v1.0.0-c2097c7c/aes.New",
            "vendor/golang.org/x/crypto/chacha20.quarterRound",
            "golang.org/x/crypto/blake2b.Sum256",
            "crypto/rand.Read",
            "crypto/ecdsa.generate[go.shape.*example.test/a.B]",
        ] {
            assert!(of(&[name]).cryptography, "{name}");
        }
        for name in [
            "crypto.RegisterHash",
            "crypto/fips140.init",
            "crypto/internal/fips140.init.0",
            "crypto/internal/fips140/check.init.0",
            "crypto/internal/fips140/v1.0.0-c2097c7c/check.init.0",
            "crypto/internal/fips140/subtle.ConstantTimeCompare",
            "crypto/internal/fips140deps/godebug.Value",
            "crypto/internal/entropy/v1%2e0%2e0.Seed",
            "crypto/internal/boring/bcache.New",
            "crypto/internal/sysrand.Read",
            "crypto/subtle.XORBytes",
            "vendor/golang.org/x/crypto/cryptobyte/asn1.x",
            "slices.Sort[go.shape.[]crypto/tls.Curve]",
            "example.test/crypto/sha256.New",
            "main.crypto/sha256",
        ] {
            assert!(!of(&[name]).cryptography, "{name}");
        }
    }
}
