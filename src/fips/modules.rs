//! Cryptographic modules and their certificates: dated data, replaceable by a user's file.
//!
//! Status comes from statements with their day and source (`data/modules.yaml`); which bytes are which
//! module comes from `data/fingerprints.yaml`. Nothing here looks at a program.

mod standing;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

pub use standing::{Standard, Standing, Statement, Status};

use super::Family;
use super::fingerprint::Fingerprint;
use super::keys::KeyRow;
use crate::istio::matrix::{MatrixError, parse};
use crate::istio::{DataDate, Evidence as Grade, Source};

/// The data that is part of the program, `[[file name, file], …]` as `build.rs` wrote it.
const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/fips.json"));

/// Why a file of modules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    #[error(transparent)]
    Parse(#[from] MatrixError),
    #[error("{name}: {section} names `{key}` twice; keep one of them")]
    Doubled {
        name: String,
        section: &'static str,
        key: String,
    },
    #[error("{name}: a fingerprint is of `{key}`, which no row of modules has; add that row")]
    Stray { name: String, key: String },
}

/// One module in one version.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModuleRow {
    /// What fingerprints and a user's file name it by: `boringcrypto-20220613`.
    pub key: String,
    pub family: Family,
    /// As its certificate names it.
    pub name: String,
    /// `fips-20220613`, `v1.0.0`.
    pub version: String,
    /// What `FIPS_version()` answers; 0 is the update stream.
    #[serde(default)]
    pub fips_version: Option<u32>,
    /// The version in the package path of Go's own module: `v1.0.0-c2097c7c`.
    #[serde(default)]
    pub frozen: Option<String>,
    /// Releases of dev.boringcrypto that had it: `b5`.
    #[serde(default)]
    pub toolchains: Vec<String>,
    /// CAVP numbers.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// ESV numbers.
    #[serde(default)]
    pub entropy: Vec<String>,
    /// Which products have it.
    #[serde(default)]
    pub contains: String,
    #[serde(default)]
    pub note: String,
    pub source: Source,
    pub evidence: Grade,
    #[serde(default)]
    pub certificates: Vec<Certificate>,
    /// What is said of a module without a certificate.
    #[serde(default)]
    pub statements: Vec<Statement>,
}

/// A certificate of the CMVP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    pub number: u32,
    pub standard: Standard,
    /// Overall security level.
    #[serde(default)]
    pub level: Option<u8>,
    pub statements: Vec<Statement>,
}

/// Something that happens to all certificates of one standard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub key: String,
    pub standard: Standard,
    pub status: Status,
    pub from: Date,
    #[serde(default)]
    pub note: String,
    pub source: Source,
    pub evidence: Grade,
}

/// One file of data: a date, and any of the sections.
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
}

/// All that is known of modules; the queries are the methods.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    dates: Vec<DataDate>,
    modules: Vec<ModuleRow>,
    rules: Vec<Rule>,
    keys: Vec<KeyRow>,
    fingerprints: Vec<Fingerprint>,
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
    /// The data that is part of the program; parsed once.
    pub fn builtin() -> &'static Self {
        &BUILTIN_MODULES
    }

    /// The built-in data with the rows of a user's file in place of those with the same keys.
    ///
    /// `name` is what errors and reports call the file; its form is that of the built-in files.
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

    /// Every file of data with its date, for reports.
    pub fn dates(&self) -> &[DataDate] {
        &self.dates
    }

    /// Values that known modules have, for the reader of bytes.
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.fingerprints
    }

    /// What builds are known to accept as keys, for [`super::keys`].
    pub(super) fn keys(&self) -> &[KeyRow] {
        &self.keys
    }

    /// The module whose integrity value this is, in hex.
    pub fn by_value(&self, value: &str) -> Option<&ModuleRow> {
        let found = self
            .fingerprints
            .iter()
            .find(|one| one.hash.to_string() == value)?;
        self.modules.iter().find(|row| row.key == found.module)
    }

    /// Go's own module by the version in its package path.
    pub fn by_frozen(&self, frozen: &str) -> Option<&ModuleRow> {
        self.modules
            .iter()
            .find(|row| row.frozen.as_deref() == Some(frozen))
    }

    /// The module that answers `version` when it is asked for its own.
    pub fn by_fips_version(&self, family: Family, version: u32) -> Option<&ModuleRow> {
        self.modules
            .iter()
            .find(|row| row.family == family && row.fips_version == Some(version))
    }

    /// The module of a release of dev.boringcrypto: `b5`.
    pub fn by_toolchain(&self, name: &str) -> Option<&ModuleRow> {
        self.modules
            .iter()
            .find(|row| row.toolchains.iter().any(|toolchain| toolchain == name))
    }

    /// What is known of a module on a day: its best certificate then, else what is said of it without
    /// one; `None` where nothing speaks for that day.
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
        certified
            .max_by_key(|standing| {
                let full = standing.status == Status::Active;
                (standing.is_active(), full, standing.certificate)
            })
            .or_else(|| Some(Standing::of(None, newest(&row.statements, at)?, at)))
    }

    fn date(&mut self, file: &str, date: Date, builtin: bool) {
        self.dates.push(DataDate {
            file: file.into(),
            date,
            builtin,
        });
    }

    /// Puts the rows of `file` in the place of those with the same keys.
    fn replace(&mut self, file: File) {
        replace(&mut self.modules, file.modules, |row| row.key.clone());
        replace(&mut self.rules, file.rules, |rule| rule.key.clone());
        replace(&mut self.keys, file.keys, |row| row.key.clone());
        replace(&mut self.fingerprints, file.fingerprints, |one| {
            one.hash.to_string()
        });
    }

    /// The key of a fingerprint that no module has.
    fn stray(&self) -> Option<String> {
        let keys: BTreeSet<&str> = self.modules.iter().map(|row| row.key.as_str()).collect();
        let mut named = self.fingerprints.iter().map(|one| &one.module);
        named.find(|key| !keys.contains(key.as_str())).cloned()
    }
}

impl File {
    /// A key that stands twice, with its section.
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
    }
}

/// The statement that speaks last of those that speak for this day at all.
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
