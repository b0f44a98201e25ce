//! Cryptographic modules and their certificates: dated data that a user's file can replace.
//!
//! The status comes from statements with a date and a source (`data/modules.yaml`). The assignment of bytes to
//! modules comes from `data/fingerprints.yaml`. Nothing here reads a program.

mod row;
mod standing;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

pub use row::{Certificate, Limitation, ModuleRow, Rule};
pub use standing::{Standard, Standing, Statement, Status};

use super::Family;
use super::fingerprint::Fingerprint;
use super::keys::KeyRow;
use super::libraries::LibraryRow;
use super::other::OtherRow;
use dated_data::DataDate;
use dated_data::{DataError, parse};

/// The data that is built into the program, `[[file name, file], …]` as `build.rs` writes it.
const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/fips.json"));

/// Why a file of modules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    #[error(transparent)]
    Parse(#[from] DataError),
    #[error("{name}: {section} names `{key}` twice; keep one of them")]
    Doubled {
        name: String,
        section: &'static str,
        key: String,
    },
    #[error("{name}: a fingerprint is of `{key}`, which no row of modules has; add that row")]
    Stray { name: String, key: String },
}

/// One data file: a date, and any of the sections.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    date: Date,
    #[serde(default)]
    modules: Vec<ModuleRow>,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    keys: Vec<KeyRow>,
    #[serde(default)]
    fingerprints: Vec<Fingerprint>,
    #[serde(default, rename = "other-cryptography")]
    other: Vec<OtherRow>,
    #[serde(default)]
    libraries: Vec<LibraryRow>,
}

/// All data about modules. Its methods are the queries.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    dates: Vec<DataDate>,
    rows: Vec<ModuleRow>,
    rules: Vec<Rule>,
    keys: Vec<KeyRow>,
    fingerprints: Vec<Fingerprint>,
    other: Vec<OtherRow>,
    libraries: Vec<LibraryRow>,
}

static BUILTIN_MODULES: LazyLock<Modules> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "embedded data; a test reads every file of it"
    )]
    let files: Vec<(String, File)> = serde_json::from_str(BUILTIN).expect("valid embedded data");
    let mut modules = Modules::default();
    for (name, file) in files {
        modules.date(&name, file.date, true);
        modules.replace(file);
    }
    modules
});

impl Modules {
    /// Returns the data that is built into the program. It is parsed once.
    pub fn builtin() -> &'static Self {
        &BUILTIN_MODULES
    }

    /// Returns the built-in data, with rows replaced by the rows of a user's file that have the same keys.
    ///
    /// Errors and reports use `name` for the file. The file has the format of the built-in files.
    pub fn with_file(name: &str, text: &str) -> Result<Self, ModulesError> {
        let file: File = parse(name, text)?;
        if let Some((section, key)) = file.doubled() {
            return Err(ModulesError::Doubled {
                name: name.into(),
                section,
                key,
            });
        }
        let mut modules = Self::builtin().clone();
        modules.date(name, file.date, false);
        modules.replace(file);
        match modules.stray() {
            Some(key) => Err(ModulesError::Stray {
                name: name.into(),
                key,
            }),
            None => Ok(modules),
        }
    }

    /// Returns every data file with its date, for reports.
    pub fn dates(&self) -> &[DataDate] {
        &self.dates
    }

    /// Returns the integrity values and anchors of known modules, which the reader searches for.
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.fingerprints
    }

    /// Returns the packages that compute cryptography outside of any module, which the reader searches for.
    pub(super) fn other(&self) -> &[OtherRow] {
        &self.other
    }

    /// Returns the cryptographic libraries that the reader searches for.
    pub(super) fn libraries(&self) -> &[LibraryRow] {
        &self.libraries
    }

    pub(super) fn library(&self, key: &str) -> Option<&LibraryRow> {
        self.libraries.iter().find(|row| row.key == key)
    }

    /// Returns the module that has exactly this name, and this version if the row has a version.
    pub(super) fn by_name(&self, name: &str, version: &str) -> Option<&ModuleRow> {
        let has = |row: &&ModuleRow| {
            let mut versions = row.version.split([',', ' ']);
            row.name == name && (row.version.is_empty() || versions.any(|one| one == version))
        };
        self.rows.iter().find(has)
    }

    /// Returns a key that changes if a reading would change: cached readings are valid for this data only.
    pub fn reader_key(&self) -> String {
        let fingerprints = self.fingerprints.iter().map(|one| one.hash.to_string());
        let other = self.other.iter().map(|row| {
            let functions = &row.functions;
            format!(
                "{:?}",
                (&row.packages, &row.algorithms, &row.helpers, functions)
            )
        });
        let libraries = self.libraries.iter().map(|row| {
            let patterns: Vec<&str> = row.patterns().collect();
            let fips = row.fips.as_ref();
            let fips = fips.map(|fips| {
                let word = (&fips.version_says, &fips.denied_by);
                (&fips.sonames, word, fips.version_alone)
            });
            let shape = (&row.name, &row.sonames, row.dated, &row.crates);
            format!("{:?}", (&row.key, shape, patterns, fips))
        });
        let all = fingerprints.chain(other).chain(libraries);
        all.collect::<Vec<_>>().join(" ")
    }

    /// Returns which keys builds are known to accept.
    pub fn keys(&self) -> &[KeyRow] {
        &self.keys
    }

    /// Returns the module with this key.
    #[cfg(test)]
    pub(super) fn by_key(&self, key: &str) -> Option<&ModuleRow> {
        self.rows.iter().find(|row| row.key == key)
    }

    /// Returns the module with this integrity value, given in hex.
    pub fn by_value(&self, value: &str) -> Option<&ModuleRow> {
        let found = self
            .fingerprints
            .iter()
            .find(|one| one.hash.to_string() == value)?;
        self.rows.iter().find(|row| row.key == found.module)
    }

    /// Returns the version of Go's own module that has `frozen` in its package path.
    pub fn by_frozen(&self, frozen: &str) -> Option<&ModuleRow> {
        self.rows
            .iter()
            .find(|row| row.frozen.as_deref() == Some(frozen))
    }

    /// Returns the limitations that all validated modules of a family have in common.
    pub(super) fn shared_limitations(&self, family: Family) -> Vec<&Limitation> {
        let rows = self.rows.iter().filter(|row| row.family == family);
        let mut rows = rows.filter(|row| !row.certificates.is_empty());
        let Some(first) = rows.next() else {
            return Vec::new();
        };
        let others: Vec<&ModuleRow> = rows.collect();
        let has = |row: &ModuleRow, what: &str| row.limitations.iter().any(|one| one.what == what);
        let shared = first.limitations.iter();
        shared
            .filter(|one| others.iter().all(|row| has(row, &one.what)))
            .collect()
    }

    /// Returns the module for which `FIPS_version()` returns `version`.
    pub fn by_fips_version(&self, family: Family, version: u32) -> Option<&ModuleRow> {
        self.rows
            .iter()
            .find(|row| row.family == family && row.fips_version == Some(version))
    }

    /// Returns the module of a dev.boringcrypto release such as `b5`.
    pub fn by_toolchain(&self, name: &str) -> Option<&ModuleRow> {
        self.rows
            .iter()
            .find(|row| row.toolchains.iter().any(|toolchain| toolchain == name))
    }

    /// Returns what is known about a module on a day: its best certificate on that day, or else the statements
    /// about the module without a certificate. Returns `None` if no statement applies to that day.
    pub fn standing(&self, row: &ModuleRow, at: Date) -> Option<Standing> {
        let certified = row.certificates.iter().filter_map(|certificate| {
            let standing =
                Standing::of(Some(certificate), newest(&certificate.statements, at)?, at);
            let rule = self
                .rules
                .iter()
                .filter(|rule| rule.standard == certificate.standard && rule.from <= at)
                .max_by_key(|rule| rule.from);
            Some(match rule {
                Some(rule) => standing.under(rule),
                None => standing,
            })
        });
        let best = certified.max_by_key(|standing| {
            let full = standing.status == Status::Active;
            (standing.is_active(), full, standing.certificate)
        });
        let standing =
            best.or_else(|| Some(Standing::of(None, newest(&row.statements, at)?, at)))?;
        Some(Standing {
            vendor: row.vendor.clone(),
            algorithms: row.algorithms.clone(),
            limitations: row.limitations.clone(),
            ..standing
        })
    }

    /// Returns the first day for which anything is known about a module.
    pub(super) fn first_day(row: &ModuleRow) -> Option<Date> {
        let certified = row.certificates.iter().flat_map(|one| &one.statements);
        certified
            .chain(&row.statements)
            .map(Statement::starts)
            .min()
    }

    fn date(&mut self, file: &str, date: Date, builtin: bool) {
        self.dates.push(DataDate {
            file: file.into(),
            date,
            builtin,
        });
    }

    /// Adds the rows of `file`, and removes existing rows with the same keys.
    fn replace(&mut self, file: File) {
        replace(&mut self.rows, file.modules, |row| row.key.clone());
        replace(&mut self.rules, file.rules, |rule| rule.key.clone());
        replace(&mut self.keys, file.keys, |row| row.key.clone());
        replace(&mut self.fingerprints, file.fingerprints, |one| {
            one.hash.to_string()
        });
        replace(&mut self.other, file.other, |row| row.key.clone());
        replace(&mut self.libraries, file.libraries, |row| row.key.clone());
    }

    /// Returns the module key of a fingerprint that no module has.
    fn stray(&self) -> Option<String> {
        let keys: BTreeSet<&str> = self.rows.iter().map(|row| row.key.as_str()).collect();
        let mut named = self.fingerprints.iter().map(|one| &one.module);
        named.find(|key| !keys.contains(key.as_str())).cloned()
    }
}

impl File {
    /// Returns a key that appears twice in a section, with the name of the section.
    fn doubled(&self) -> Option<(&'static str, String)> {
        let twice = |section, key: Option<String>| key.map(|key| (section, key));
        twice("modules", doubled(&self.modules, |row| row.key.clone()))
            .or_else(|| twice("rules", doubled(&self.rules, |rule| rule.key.clone())))
            .or_else(|| twice("keys", doubled(&self.keys, |row| row.key.clone())))
            .or_else(|| {
                twice(
                    "fingerprints",
                    doubled(&self.fingerprints, |one| one.hash.to_string()),
                )
            })
            .or_else(|| {
                twice(
                    "other-cryptography",
                    doubled(&self.other, |row| row.key.clone()),
                )
            })
    }
}

/// Returns the statement with the latest start, of those that have started on the day `at`.
fn newest(statements: &[Statement], at: Date) -> Option<&Statement> {
    let spoken = statements.iter().filter(|one| one.starts() <= at);
    spoken.max_by_key(|one| one.starts())
}

fn replace<R>(mine: &mut Vec<R>, theirs: Vec<R>, key: impl Fn(&R) -> String) {
    let keys: BTreeSet<String> = theirs.iter().map(&key).collect();
    mine.retain(|row| !keys.contains(&key(row)));
    mine.extend(theirs);
}

fn doubled<R>(rows: &[R], key: impl Fn(&R) -> String) -> Option<String> {
    let mut seen = BTreeSet::new();
    rows.iter().map(key).find(|key| !seen.insert(key.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files themselves, so that a parse error has the line number of the file.
    const FILES: &[(&str, &str)] = &[
        (
            "fingerprints.yaml",
            include_str!("../data/fingerprints.yaml"),
        ),
        ("keys.yaml", include_str!("../data/keys.yaml")),
        ("libraries.yaml", include_str!("../data/libraries.yaml")),
        ("modules.yaml", include_str!("../data/modules.yaml")),
        (
            "other-cryptography.yaml",
            include_str!("../data/other-cryptography.yaml"),
        ),
    ];

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn standing(key: &str, at: &str) -> Option<Standing> {
        let modules = Modules::builtin();
        let row = modules.rows.iter().find(|row| row.key == key).unwrap();
        modules.standing(row, day(at))
    }

    #[test]
    fn every_builtin_file_is_read_and_names_nothing_twice() {
        for (name, text) in FILES {
            let file: File = parse(name, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(file.doubled(), None, "{name}");
        }
        let modules = Modules::builtin();
        let names: Vec<&str> = modules.dates.iter().map(|one| one.file.as_str()).collect();
        let files: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, files);
        assert_eq!(modules.stray(), None);
        let numbers = modules.rows.iter().flat_map(|row| &row.certificates);
        let mut numbers: Vec<u32> = numbers.map(|one| one.number).collect();
        numbers.sort_unstable();
        let count = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a certificate is in two rows");
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn a_certificate_has_its_state_of_the_day() {
        // module, day, text
        let table = [
            (
                "boringcrypto-20220613",
                "2026-11-23",
                Some(
                    "certificate #4735 (FIPS 140-3 level 1): active on 2026-11-23, since 2024-07-23, sunset 2029-07-22, last seen so on 2026-09-30 (second-hand)",
                ),
            ),
            (
                "boringcrypto-20220613",
                "2026-01-01",
                Some(
                    "certificate #4735 (FIPS 140-3 level 1): active on 2026-01-01, since 2024-07-23, sunset 2029-07-22 (second-hand)",
                ),
            ),
            ("boringcrypto-20220613", "2024-07-22", None),
            (
                "boringcrypto-20220613",
                "2029-07-23",
                Some(
                    "certificate #4735 (FIPS 140-3 level 1): historical on 2029-07-23, since 2029-07-22, last seen so on 2026-09-30 (second-hand)",
                ),
            ),
            (
                "boringcrypto-20210429",
                "2026-09-20",
                Some(
                    "certificate #4407 (FIPS 140-2 level 1): active on 2026-09-20, since 2023-01-04, sunset 2026-09-21, last seen so on 2026-04-14 (second-hand)",
                ),
            ),
            (
                "boringcrypto-20210429",
                "2026-09-21",
                Some(
                    "certificate #4407 (FIPS 140-2 level 1): historical on 2026-09-21, since 2026-09-21 (second-hand)",
                ),
            ),
            (
                "boringcrypto-20210429",
                "2026-11-30",
                Some(
                    "certificate #4407 (FIPS 140-2 level 1): historical on 2026-11-30, since 2026-09-21, last seen so on 2026-09-30 (second-hand)",
                ),
            ),
            (
                "openssl-3.0",
                "2026-11-30",
                Some(
                    "certificate #4282 (FIPS 140-2 level 1): historical on 2026-11-30, since 2026-09-21, last seen so on 2026-09-30 (second-hand)",
                ),
            ),
            (
                "boringcrypto-20190808",
                "2026-10-01",
                Some(
                    "certificate #3678 (FIPS 140-2 level 1): historical on 2026-10-01, last seen so on 2026-09-30 (second-hand)",
                ),
            ),
            (
                "boringcrypto-20230428",
                "2026-01-01",
                Some(
                    "certificate #4953 (FIPS 140-3 level 1): active (interim validation) on 2026-01-01, since 2025-01-27, sunset 2027-01-27 (second-hand)",
                ),
            ),
            (
                "boringcrypto-20230428",
                "2026-07-01",
                Some(
                    "certificate #5296 (FIPS 140-3 level 1): active on 2026-07-01, since 2026-06-02, sunset 2030-01-26 (second-hand)",
                ),
            ),
            (
                "go-v1.26.0",
                "2026-11-23",
                Some(
                    "no certificate: pending review (Comment Resolution - CMVP) on 2026-11-23, since 2026-09-10, last seen so on 2026-09-30 (second-hand)",
                ),
            ),
            (
                "go-v1.26.0",
                "2026-09-01",
                Some(
                    "no certificate: pending review on 2026-09-01, since 2026-04-28, last seen so on 2026-08-20 (docs)",
                ),
            ),
            (
                "aws-lc-4.0-static",
                "2026-11-30",
                Some(
                    "no certificate: pending review (Comment Resolution - Lab) on 2026-11-30, since 2026-08-14, last seen so on 2026-09-30 (second-hand)",
                ),
            ),
            ("go-v1.26.0", "2026-04-01", None),
            ("boringcrypto-20260721", "2026-11-23", None),
        ];
        for (key, at, expected) in table {
            let said = standing(key, at).map(|standing| standing.to_string());
            assert_eq!(said.as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn a_day_up_to_the_last_sighting_is_confirmed() {
        let confirmed = |at| {
            standing("boringcrypto-20220613", at)
                .unwrap()
                .is_confirmed()
        };
        assert!(confirmed("2026-09-30") && !confirmed("2026-10-01"));
        let past = standing("boringcrypto-20210429", "2030-01-01").unwrap();
        assert!(!past.is_confirmed() && !past.is_active());
        assert!(
            !standing("boringcrypto-main", "2026-11-23")
                .unwrap()
                .is_active()
        );
    }

    #[test]
    fn age_is_counted_from_the_last_sighting_to_the_day_that_is_judged() {
        let age = |at| standing("boringcrypto-20220613", at).unwrap().age();
        for (at, days) in [
            ("2026-09-29", 0),
            ("2026-09-30", 0),
            ("2026-11-30", 61),
            ("2026-12-29", 90),
            ("2026-12-30", 91),
            ("2027-09-30", 365),
        ] {
            assert_eq!(age(at), Some(days), "{at}");
        }
    }

    #[test]
    fn every_certificate_was_seen_lately_and_names_its_vendor_and_nists_page() {
        let modules = Modules::builtin();
        let at = day("2026-11-30");
        for row in modules
            .rows
            .iter()
            .filter(|row| !row.certificates.is_empty())
        {
            let standing = modules.standing(row, at).unwrap();
            assert_eq!(standing.seen, Some(day("2026-09-30")), "{}", row.key);
            assert!(standing.vendor.is_some(), "{}", row.key);
            assert_eq!(standing.level, Some(1), "{}", row.key);
            let page = standing.page().unwrap();
            assert!(page.starts_with("https://csrc.nist.gov/"), "{page}");
            let mirror = standing.source.to_string();
            assert!(
                !mirror.contains("nist.gov"),
                "that page was not read: {mirror}"
            );
        }
        let active = |row: &&ModuleRow| modules.standing(row, at).is_some_and(|it| it.is_active());
        let active = modules.rows.iter().filter(active).count();
        assert_eq!(active, 11, "active certificates on {at}");
    }

    #[test]
    fn modules_without_the_key_derivation_of_tls_1_3_say_so() {
        let modules = Modules::builtin();
        let limited = modules.rows.iter().filter(|row| {
            let mut limitations = row.limitations.iter();
            limitations.any(|one| one.what.contains("no TLS 1.3 key derivation"))
        });
        let keys: Vec<&str> = limited.map(|row| row.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "boringcrypto-20220613",
                "aws-lc-1.0",
                "aws-lc-2.0-static",
                "aws-lc-2.0-dynamic",
                "aws-lc-3.1-static",
                "aws-lc-3.1-dynamic",
            ]
        );
    }

    #[test]
    fn limitation_is_shared_where_every_certificate_of_a_family_has_it() {
        let shared = |family| Modules::builtin().shared_limitations(family).len();
        assert_eq!(shared(Family::AwsLc), 1);
        for other in [Family::BoringCrypto, Family::Go, Family::OpenSsl] {
            assert_eq!(shared(other), 0, "{other:?}");
        }
    }

    #[test]
    fn modules_are_found_by_each_of_their_marks() {
        let modules = Modules::builtin();
        let key = |row: Option<&ModuleRow>| row.map(|row| row.key.clone());
        for fingerprint in modules.fingerprints() {
            let value = fingerprint.hash.to_string();
            assert_eq!(
                key(modules.by_value(&value)),
                Some(fingerprint.module.clone())
            );
            assert_eq!(key(modules.by_value(&value[1..])), None);
        }
        let stream = modules.by_fips_version(Family::BoringCrypto, 0);
        assert_eq!(key(stream).as_deref(), Some("boringcrypto-main"));
        assert_eq!(key(modules.by_fips_version(Family::AwsLc, 0)), None);
        assert_eq!(key(modules.by_frozen("v1.0")), None);
        let own = modules.by_frozen("v1.0.0-c2097c7c");
        assert_eq!(key(own).as_deref(), Some("go-v1.0.0"));
        let branch = modules.by_toolchain("b7");
        assert_eq!(key(branch).as_deref(), Some("boringcrypto-20190808"));
    }

    const MINE: &str = "date: 2027-02-01\nmodules:\n  - key: go-v1.26.0\n    family: go\n    name: Go Cryptographic Module\n    version: v1.26.0\n    frozen: v1.26.0\n    source: mine\n    evidence: docs\n    certificates:\n      - number: 9999\n        standard: 140-3\n        statements:\n          - {status: active, from: 2027-01-15, seen: 2027-02-01, source: mine, evidence: docs}\n";

    #[test]
    fn a_users_file_replaces_by_key_and_is_named() {
        let modules = Modules::with_file("mine.yaml", MINE).unwrap();
        let row = modules.by_frozen("v1.26.0").unwrap();
        let standing = modules.standing(row, day("2027-02-01")).unwrap();
        assert_eq!(standing.certificate, Some(9999));
        assert!(standing.is_active() && standing.is_confirmed());
        assert_eq!(modules.rows.len(), Modules::builtin().rows.len());
        let last = modules.dates().last().unwrap();
        assert_eq!((last.file.as_str(), last.builtin), ("mine.yaml", false));
    }

    #[test]
    fn a_mistake_of_a_users_file_is_named_with_its_place() {
        let refused = |text: &str| {
            Modules::with_file("mine.yaml", text)
                .unwrap_err()
                .to_string()
        };
        let table = [
            (
                MINE.replace("status: active", "status: fine"),
                "mine.yaml:14:",
            ),
            (
                MINE.replace("number: 9999", "number: many"),
                "mine.yaml:11:",
            ),
            (
                MINE.replace("evidence: docs\n    cert", "evidence: rumour\n    cert"),
                "unknown variant …, expected one of `docs`",
            ),
            (MINE.replace("frozen:", "freezing:"), "freezing"),
            (
                format!("{MINE}{}", MINE.split_once("modules:\n").unwrap().1),
                "modules names `go-v1.26.0` twice",
            ),
            ("modules: []\n".to_owned(), "missing field `date`"),
        ];
        for (text, part) in table {
            let error = refused(&text);
            assert!(error.contains(part), "{error}\n{text}");
        }
    }

    #[test]
    fn a_fingerprint_of_no_module_is_refused() {
        let text = FILES[0]
            .1
            .replacen("module: boringcrypto-20190808", "module: unheard-of", 1);
        let error = Modules::with_file("mine.yaml", &text).unwrap_err();
        assert_eq!(
            error.to_string(),
            "mine.yaml: a fingerprint is of `unheard-of`, which no row of modules has; add that row"
        );
    }
}
