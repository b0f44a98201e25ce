//! Cryptography from outside of the standard library, recognised by the packages of the functions that a program
//! links.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::FinderRev;

use super::names::split;
use crate::other::OtherRow;
use crate::{OtherCryptography, Place};

/// Maximum number of bytes of a function's name that are kept.
const NAME_LIMIT: usize = 200;

/// Maximum number of packages that are kept: real programs link fewer than 30 of them.
const LIMIT: usize = 64;

/// A collector of the cryptographic packages of one program.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    packages: Vec<&'a str>,
    algorithms: Vec<&'a str>,
    helpers: Vec<&'a str>,
    functions: BTreeMap<&'a str, &'a [String]>,
    /// The package of the last function; the table lists the functions of a package together.
    last: Vec<u8>,
    /// Whether that package is cryptographic and was not recorded yet.
    matched: bool,
    found: Vec<OtherCryptography>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(rows: &'a [OtherRow]) -> Self {
        fn all<'a>(
            rows: &'a [OtherRow],
            list: impl Fn(&'a OtherRow) -> &'a [String],
        ) -> Vec<&'a str> {
            rows.iter().flat_map(list).map(String::as_str).collect()
        }
        let functions = rows.iter().flat_map(|row| &row.functions);
        Collector {
            packages: all(rows, |row| &row.packages),
            algorithms: all(rows, |row| &row.algorithms),
            helpers: all(rows, |row| &row.helpers),
            functions: functions
                .map(|(package, names)| (package.as_str(), names.as_slice()))
                .collect(),
            last: Vec::new(),
            matched: false,
            found: Vec::new(),
        }
    }

    /// Records what the name of one function shows.
    pub(super) fn take(&mut self, name: &[u8], place: Option<Place>) {
        let rest = name.strip_prefix(self.last.as_slice());
        let same = !self.last.is_empty() && rest.is_some_and(|rest| rest.starts_with(b"."));
        if same && !self.matched {
            return;
        }
        let Some((package, function)) = split(name) else {
            return;
        };
        // What the compiler adds to a package (`type:.eq.…`) lies between the functions of other packages.
        if memchr(b':', package).is_some() {
            return;
        }
        if package != self.last {
            self.last.clear();
            self.last.extend_from_slice(package);
            self.matched = self.is_cryptography(&import_path(package));
        }
        if self.matched {
            self.keep(name, function, place);
        }
    }

    fn keep(&mut self, name: &[u8], function: &[u8], place: Option<Place>) {
        let package = import_path(&self.last);
        let function = String::from_utf8_lossy(function);
        let computes = self
            .functions
            .get(package.as_str())
            .is_none_or(|names| names.iter().any(|name| function.starts_with(name.as_str())));
        // A program that imports a package links its initialisation, even if it calls no function of the package.
        let initialises = function == "init"
            || function.starts_with("init.")
            || function.starts_with("map.init.");
        if !computes || initialises || self.found.len() == LIMIT {
            return;
        }
        self.matched = false;
        if self.found.iter().all(|one| one.name != package) {
            let name = &name[..name.len().min(NAME_LIMIT)];
            self.found.push(OtherCryptography {
                name: package,
                shown_by: String::from_utf8_lossy(name).into_owned(),
                place,
            });
        }
    }

    fn is_cryptography(&self, package: &str) -> bool {
        let Some((first, _)) = package.split_once('/') else {
            return false;
        };
        // Paths of the standard library do not have a dot in their first element.
        if !first.contains('.') || self.helpers.iter().any(|helper| is_below(package, helper)) {
            return false;
        }
        let named = self.packages.iter().any(|parent| is_below(package, parent));
        named || self.algorithms.contains(&last_element(package))
    }

    /// Returns the packages, sorted by name.
    pub(super) fn finish(mut self) -> Vec<OtherCryptography> {
        self.found.sort_by(|one, other| one.name.cmp(&other.name));
        self.found
    }
}

/// Converts a package path as the linker writes it to an import path. The linker escapes the dots of the last
/// element. A package that was vendored without modules is below a `vendor` directory of the program.
fn import_path(package: &[u8]) -> String {
    static VENDOR: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("/vendor/"));
    let package = &package[..package.len().min(NAME_LIMIT)];
    let start = VENDOR
        .rfind(package)
        .map_or(0, |at| at + VENDOR.needle().len());
    let path = String::from_utf8_lossy(&package[start..]);
    // Most packages have no such dot, and a program has thousands of packages.
    match memchr(b'%', path.as_bytes()) {
        Some(_) => path.replace("%2e", "."),
        None => path.into_owned(),
    }
}

/// Returns the last element without a version: `sm3` for `example.test/sm3/v2` and for `example.test/sm3.v2`.
fn last_element(package: &str) -> &str {
    let is_version = |text: &str| {
        let number = text.strip_prefix('v').unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut elements = package.rsplit('/');
    let last = elements.next().unwrap_or_default();
    let last = if is_version(last) {
        elements.next().unwrap_or_default()
    } else {
        last
    };
    match last.rsplit_once('.') {
        Some((name, version)) if is_version(version) => name,
        _ => last,
    }
}

/// Checks whether it is this package or one below it; a major version counts as below.
fn is_below(package: &str, parent: &str) -> bool {
    let rest = package.strip_prefix(parent);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Modules;

    /// Returns what is found among these functions.
    fn found(rows: &[OtherRow], names: &[&str]) -> Vec<(String, String)> {
        let mut collector = Collector::new(rows);
        for name in names {
            collector.take(name.as_bytes(), None);
        }
        let found = collector.finish().into_iter();
        found.map(|one| (one.name, one.shown_by)).collect()
    }

    fn packages(names: &[&str]) -> Vec<String> {
        let found = found(Modules::builtin().other(), names);
        found.into_iter().map(|(package, _)| package).collect()
    }

    #[test]
    fn lists_each_package_once_with_the_first_function_that_computes() {
        let names = [
            "golang.org/x/crypto/chacha20.init",
            "golang.org/x/crypto/chacha20.init.0",
            "golang.org/x/crypto/chacha20.(*Cipher).XORKeyStream",
            "golang.org/x/crypto/chacha20.quarterRound",
            "main.main",
            "filippo.io/edwards25519.(*Point).Add",
            "golang.org/x/crypto/chacha20.NewUnauthenticatedCipher",
        ];
        let expected = [
            ("filippo.io/edwards25519", names[5]),
            ("golang.org/x/crypto/chacha20", names[2]),
        ];
        let expected = expected.map(|(package, name)| (package.to_owned(), name.to_owned()));
        assert_eq!(found(Modules::builtin().other(), &names), expected);
    }

    #[test]
    fn recognises_packages_that_no_row_names_by_the_algorithm_in_their_path() {
        for (name, package) in [
            ("example.test/a/blake3.Sum256", "example.test/a/blake3"),
            ("example.test/sm3/v2.New", "example.test/sm3/v2"),
            (
                "example.test/b/sha256-simd.block",
                "example.test/b/sha256-simd",
            ),
            ("example.test/mlkem%2ev1.Do", "example.test/mlkem.v1"),
            (
                "example.test/a/vendor/golang.org/x/crypto/md4.New",
                "golang.org/x/crypto/md4",
            ),
            (
                "github.com/cloudflare/circl/ecc/p384.(*curve).Add",
                "github.com/cloudflare/circl/ecc/p384",
            ),
            (
                "filippo.io/age/internal/stream.New",
                "filippo.io/age/internal/stream",
            ),
        ] {
            assert_eq!(packages(&[name]), [package], "{name}");
        }
    }

    #[test]
    fn ignores_helpers_wrappers_initialisation_and_the_standard_library() {
        for name in [
            "crypto/sha256.New",
            "crypto/internal/fips140/v1.0.0-c2097c7c/sha256.New",
            "vendor/golang.org/x/crypto/chacha20poly1305.New",
            "golang.org/x/crypto/cryptobyte/asn1.Tag.Constructed",
            "golang.org/x/crypto/ssh/terminal.ReadPassword",
            "golang.org/x/crypto/sha3.New256",
            "golang.org/x/crypto/curve25519.X25519",
            "golang.org/x/crypto/scrypt.init",
            "golang.org/x/crypto/scrypt.init.1",
            "golang.org/x/crypto/scrypt.map.init.0",
            "golang.org/x/cryptography.New",
            "type:.eq.golang.org/x/crypto/ssh.channel",
            "type:.hash.example.test/a/blake3.key",
            "example.test/a/blake3x.Sum256",
            "example.test/blake3/cmd.Run",
            "main.blake3",
            "blake3.Sum256",
            "",
        ] {
            assert_eq!(packages(&[name]), [""; 0], "{name}");
        }
        assert_eq!(
            packages(&[
                "golang.org/x/crypto/sha3.New256",
                "golang.org/x/crypto/sha3.keccakF1600"
            ]),
            ["golang.org/x/crypto/sha3"]
        );
    }

    #[test]
    fn keeps_a_bounded_number_of_bounded_names() {
        let long = format!("golang.org/x/crypto/{}.A", "a".repeat(2 * NAME_LIMIT));
        let names: Vec<String> = (0..3 * LIMIT)
            .map(|number| format!("golang.org/x/crypto/p{number}.A"))
            .chain([long])
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).rev().collect();
        let found = found(Modules::builtin().other(), &names);
        assert_eq!(found.len(), LIMIT);
        assert!(
            found
                .iter()
                .all(|(package, name)| package.len().max(name.len()) <= NAME_LIMIT)
        );
    }
}
