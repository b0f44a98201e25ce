//! The judgement of programs with Go's own module.

use super::{Program, nothing_linked, seal_holds};
use crate::Assurance;
use crate::Coverage;
use crate::go::fips140;
use crate::verdict::{AtStart, Finding, start};

/// Checks whether `frozen` is the version that the `GOFIPS140` key names. A modified toolchain records the name of
/// the module (`v1.0.0`); other toolchains resolve it to the snapshot (`v1.0.0-c2097c7c`).
fn is_snapshot(frozen: &str, key: &str) -> bool {
    let hash = frozen.strip_prefix(key);
    hash.is_some_and(|hash| hash.is_empty() || hash.starts_with('-'))
}

impl Program<'_> {
    /// Judges Go's own module by the build setting, the version in the package path, and the seal.
    pub(super) fn own_module(&self) -> Option<Finding> {
        let key = self.toolchain.gofips140.as_deref();
        if let Some(carried) = key.and_then(|key| self.edited(key)) {
            return Some(Finding::new(
                Assurance::Contradicted,
                format!(
                    "its sources disagree: its build information says {carried}, and the copy of it that the program itself reads does not: it was edited"
                ),
            ));
        }
        if self.is_own()
            && let Some(finding) = self.sealed_elsewhere()
        {
            return Some(finding);
        }
        match (self.frozen(), key) {
            (None, None) => None,
            (Some(frozen), _) if self.names(|names| names.unfrozen) => Some(Finding::new(
                Assurance::Contradicted,
                format!(
                    "its sources disagree: some of its functions are of {frozen}, and others of no frozen module: names were edited"
                ),
            )),
            (Some(frozen), Some(key)) if !is_snapshot(frozen, key) => Some(Finding::new(
                Assurance::Contradicted,
                format!(
                    "its sources disagree: it was built with GOFIPS140={key}, and its functions are of {frozen}"
                ),
            )),
            (Some(_), None) if !self.go.build_settings().is_empty() => Some(Finding::new(
                Assurance::Contradicted,
                "its sources disagree: its functions are of a frozen module, and its build information has no GOFIPS140",
            )),
            (Some(frozen), key) => Some(self.frozen_module(frozen, key.is_some())),
            (None, Some(key)) => Some(self.unfrozen_module(key)),
        }
    }

    /// Returns a finding if the seal covers something other than the functions of the module.
    fn sealed_elsewhere(&self) -> Option<Finding> {
        let coverage = self.coverage()?;
        let what = match (&coverage.outside, &coverage.stranger) {
            (Some(name), _) => format!("{name} begins outside of the code that its seal covers"),
            // Without function names of the module, there is nothing to compare.
            (None, _) if coverage.functions == 0 => return None,
            (None, Some(name)) => format!("{name}, which is not of the module, begins in it"),
            (None, None) if coverage.edges => return None,
            (None, None) => "the code that its seal covers is not that of the module".to_owned(),
        };
        Some(Finding::new(
            Assurance::Contradicted,
            format!(
                "its sources disagree: by the table of its functions {what}, so its module was changed and the value computed again"
            ),
        ))
    }

    fn coverage(&self) -> Option<&Coverage> {
        self.go.fipsinfo.as_ref()?.coverage.as_ref()
    }

    /// Returns a setting of the build information that the program's own copy of it does not have.
    fn edited(&self, key: &str) -> Option<String> {
        let carried = self.go.carried.as_ref()?;
        let default = self.go.build_settings().get("DefaultGODEBUG");
        let copied = |name: &str, value: &str| match &carried.settings {
            Some(settings) => settings.get(name).is_some_and(|copy| copy == value),
            None => true,
        };
        if !copied("GOFIPS140", key) {
            return Some(format!("GOFIPS140={key}"));
        }
        let default = default?;
        // If the variable itself was read, it decides: -ldflags can change it after the go command set it.
        let found = carried.begins.is_some() || carried.godebug.is_some();
        let same = copied("DefaultGODEBUG", default) && found;
        (!same).then(|| format!("DefaultGODEBUG={default}"))
    }

    fn frozen_module(&self, frozen: &str, key: bool) -> Finding {
        let Some(finding) = self.seal(frozen) else {
            return Finding::new(
                Assurance::Declared,
                format!("its functions are of Go's module {frozen}, but its integrity value could not be computed"),
            )
            .named(format!("Go Cryptographic Module {frozen}"));
        };
        let compared = |coverage: &Coverage| coverage.functions > 0;
        let finding = if self.coverage().is_some_and(compared) {
            finding
        } else {
            finding.at_most(
                Assurance::Identified,
                "which functions its seal covers could not be compared with the table of its functions",
            )
        };
        let finding = if key {
            finding
        } else {
            finding.at_most(
                Assurance::Identified,
                "its build information is gone, so that it was built with GOFIPS140 could not be seen",
            )
        };
        self.switched_on(finding)
    }

    /// Describes the `fips140` setting of the variable if -ldflags changed it from the one in the build
    /// information.
    fn set_by_linker_flag(&self) -> Option<String> {
        let begins = self.go.carried.as_ref()?.begins.as_deref()?;
        let default = self.go.build_settings().get("DefaultGODEBUG")?;
        let (begins, default) = (fips140(begins), fips140(default));
        let named = |value: Option<&str>| match value {
            Some(value) => format!("fips140={value}"),
            None => "no fips140".to_owned(),
        };
        (begins != default).then(|| {
            format!(
                "its runtime begins with {}, which was set by -ldflags (-X runtime.godebugDefault); its build information (DefaultGODEBUG) has {}",
                named(begins),
                named(default)
            )
        })
    }

    /// Limits the finding if the program does not run with its module: such a module is not proven.
    fn switched_on(&self, finding: Finding) -> Finding {
        let finding = match self.set_by_linker_flag() {
            Some(reason) => finding.because(reason),
            None => finding,
        };
        let finding = match start::unsupported(self.go) {
            Some(unsupported) => finding.at_most(
                Assurance::Identified,
                format!(
                    "the program panics when its module is switched on: the module does not support {}",
                    unsupported.with()
                ),
            ),
            None => finding,
        };
        match start::of(self.go) {
            AtStart::On | AtStart::Only => finding,
            AtStart::Off => finding.at_most(
                Assurance::Identified,
                "its own build leaves the module switched off: the GODEBUG that its runtime begins with does not switch it on",
            ),
            AtStart::HostMode => finding.because(
                "its module is switched on where the host is in FIPS mode (DefaultGODEBUG fips140=auto)",
            ),
            AtStart::Panics => finding.at_most(
                Assurance::Identified,
                "its own build settings give fips140 a value that its runtime does not know, so that the program panics at start; build it with fips140=on",
            ),
            AtStart::Unknown => finding.at_most(
                Assurance::Identified,
                "the GODEBUG that its runtime begins with could not be read from its code, as it can be on amd64 and arm64, so it is not known whether the module is switched on at start: let the program print crypto/fips140.Enabled()",
            ),
        }
    }

    /// Returns the finding for a seal that holds.
    fn seal(&self, frozen: &str) -> Option<Finding> {
        if !seal_holds(self.go) {
            return None;
        }
        Some(match self.ground.modules.by_frozen(frozen) {
            Some(row) => self.ground.known_by(
                row,
                "the integrity value of Go's module was computed from the bytes, and its functions are of",
            ),
            None => Finding::new(
                Assurance::Identified,
                format!("the integrity value of Go's module holds, and no row of the data knows {frozen}: give a newer file of modules"),
            )
            .named(format!("Go Cryptographic Module {frozen}")),
        })
    }

    /// Judges a program with GOFIPS140 and without a frozen version in the package path.
    fn unfrozen_module(&self, key: &str) -> Finding {
        let Some(names) = &self.go.names else {
            return Finding::new(
                Assurance::Declared,
                format!(
                    "only its build information (GOFIPS140={key}) says so; the table of its functions could not be read"
                ),
            )
            .named(format!("Go Cryptographic Module {key}"));
        };
        let holds = seal_holds(self.go);
        match (names.unfrozen, key == "latest") {
            (true, true) if holds => Finding::new(
                Assurance::Identified,
                "it was built with GOFIPS140=latest and the integrity value holds: Go's module as it was that day, which no certificate covers; build it with GOFIPS140=certified",
            )
            .named(self.not_frozen()),
            (true, true) => Finding::new(
                Assurance::Declared,
                "it was built with GOFIPS140=latest, and its integrity value could not be computed",
            )
            .named(self.not_frozen()),
            (true, false) => Finding::new(
                Assurance::Contradicted,
                format!("its build information says GOFIPS140={key}, and its functions are those of an ordinary build"),
            ),
            (false, _) if !self.cryptography() => {
                nothing_linked(&format!("GOFIPS140={key}"))
            }
            (false, _) if holds => Finding::new(
                Assurance::Declared,
                format!("it was built with GOFIPS140={key}, and no function of the module is linked"),
            )
            .named(format!("Go Cryptographic Module {key}")),
            (false, _) => Finding::new(
                Assurance::Contradicted,
                format!("its build information says GOFIPS140={key}, and the module is not in it"),
            ),
        }
    }

    /// Returns the name of a module that is not frozen: its version is that of the toolchain.
    fn not_frozen(&self) -> String {
        match &self.toolchain.version {
            Some(_) => format!(
                "Go Cryptographic Module of {}, not frozen",
                self.toolchain.name()
            ),
            None => "Go Cryptographic Module, not frozen".to_owned(),
        }
    }
}
