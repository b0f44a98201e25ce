//! Programs of the Go linker.

use super::{Finding, Ground, Kind, Toolchain, native, title};
use crate::fips::{Evidence, Fipsinfo, Go, Integrity, Names};
use crate::report::Module;

/// The evidence of one Go program, with what it says of itself.
struct Program<'a> {
    go: &'a Go,
    toolchain: Toolchain,
    ground: Ground<'a>,
}

pub(super) fn judge(
    evidence: &Evidence,
    go: &Go,
    located: Option<Finding>,
    ground: Ground<'_>,
) -> Finding {
    let program = Program {
        go,
        toolchain: Toolchain::of_go(go),
        ground,
    };
    let finding = program.judge(located, evidence);
    let label = native::claims(evidence).into_iter().next();
    match label {
        Some(claim) if finding.module == Module::Standard => Finding::new(
            Module::Contradicted,
            format!(
                "it calls itself {}, and it is a Go program without a FIPS module: the label is forged",
                claim.text
            ),
        ),
        _ => finding,
    }
}

pub(super) fn kind(go: &Go) -> Kind {
    let toolchain = Toolchain::of_go(go);
    let names = go.names.as_ref();
    if names.is_some_and(|names| names.foreign.is_some()) {
        Kind::GoForeign
    } else if calls_boring(go) {
        Kind::GoBoring
    } else if toolchain.gofips140.is_some() || names.is_some_and(|names| names.frozen.is_some()) {
        Kind::GoModule
    } else {
        Kind::GoStandard
    }
}

/// Whether it refuses what is not approved; only a FIPS build of Go can be asked.
pub(super) fn fipsonly(evidence: &Evidence, kind: Kind) -> Option<bool> {
    let go = evidence.go.as_ref()?;
    match kind {
        Kind::GoBoring => {
            let named = go.names.as_ref().map(|names| names.fipsonly);
            let signed = go.signatures.fipsonly.is_some();
            named
                .map(|named| named || signed)
                .or(signed.then_some(true))
        }
        Kind::GoModule => Some(Toolchain::of_go(go).default_fips140.as_deref() == Some("only")),
        _ => None,
    }
}

/// Whether code of it calls BoringCrypto.
fn calls_boring(go: &Go) -> bool {
    let named = |names: &Names| names.boring || names.boring_calls > 0;
    go.names.as_ref().is_some_and(named) || go.signatures.boring.is_some()
}

impl Program<'_> {
    fn judge(&self, located: Option<Finding>, evidence: &Evidence) -> Finding {
        if let Some(broken) = located
            .as_ref()
            .filter(|finding| finding.module == Module::Contradicted)
        {
            return broken.clone();
        }
        if let Some(finding) = self
            .broken_seal()
            .or_else(|| self.two_modules(located.as_ref()))
        {
            return finding;
        }
        if let Some(finding) = self.foreign(located.as_ref()) {
            return finding;
        }
        if let Some(finding) = located {
            return self.boring(finding);
        }
        self.boring_unlocated()
            .or_else(|| self.own_module())
            .unwrap_or_else(|| self.standard(evidence))
    }

    /// Go's own seal does not hold: in a FIPS build the module was changed, in any other the file.
    fn broken_seal(&self) -> Option<Finding> {
        let Integrity::Differs(computed) = &sealed(self.go)?.integrity else {
            return None;
        };
        let stored = &sealed(self.go)?.stored;
        Some(Finding::new(
            Module::Contradicted,
            format!(
                "the integrity value of Go's cryptographic code does not hold: {} is stored and {} is computed, so the file was changed after it was linked; get it from its publisher again",
                super::short(stored),
                super::short(computed)
            ),
        ))
    }

    /// The toolchain refuses to build BoringCrypto and GOFIPS140 together.
    fn two_modules(&self, located: Option<&Finding>) -> Option<Finding> {
        let boring = self.toolchain.boring.is_some() || calls_boring(self.go) || located.is_some();
        let own = self.toolchain.gofips140.is_some() || self.frozen().is_some();
        (boring && own).then(|| {
            Finding::new(
                Module::Contradicted,
                "its sources disagree: it has the signs of both BoringCrypto and GOFIPS140, which no toolchain builds together",
            )
        })
    }

    /// The toolchains of Red Hat and Microsoft, which call the library of the image.
    fn foreign(&self, located: Option<&Finding>) -> Option<Finding> {
        if located.is_some() {
            return None;
        }
        let package = self
            .go
            .names
            .as_ref()
            .and_then(|names| names.foreign.as_deref());
        match (package, self.toolchain.foreign) {
            (Some(package), _) => Some(
                Finding::new(
                    Module::Declared,
                    format!("it calls the cryptographic library of its image through {package}, so the module is in libcrypto there: inspect that library"),
                )
                .named(format!("the library behind {package}")),
            ),
            (None, Some(word)) if self.go.names.is_none() => Some(Finding::new(
                Module::Declared,
                format!("only its build settings ({word}) say that it calls the cryptographic library of its image"),
            )),
            (None, Some(word)) if self.cryptography() && !calls_boring(self.go) => Some(Finding::new(
                Module::Contradicted,
                format!("its build settings say {word}, and no function of it calls the cryptographic library of its image"),
            )),
            _ => None,
        }
    }

    /// A module of C was found, and its value holds.
    fn boring(&self, finding: Finding) -> Finding {
        if calls_boring(self.go) {
            return finding;
        }
        match &self.go.names {
            None => finding.at_most(
                Module::Identified,
                "the table of its functions could not be read, so that they call the module could not be seen",
            ),
            Some(_) => Finding::new(
                Module::Contradicted,
                "its sources disagree: the bytes of a module are in the file, and no function of the program calls it",
            ),
        }
    }

    /// Signs of BoringCrypto without a module that could be located.
    fn boring_unlocated(&self) -> Option<Finding> {
        if calls_boring(self.go) {
            let calls = self.go.names.as_ref().map_or(0, |names| names.boring_calls);
            let finding = Finding::new(
                Module::Declared,
                format!(
                    "its functions call BoringCrypto ({calls} entry points), but the module itself could not be located in the bytes, so its integrity value is not known"
                ),
            );
            return Some(self.branch(finding.named("BoringCrypto")));
        }
        let label = self.toolchain.boring.as_ref()?;
        if self.go.names.is_none() {
            let finding = Finding::new(
                Module::Declared,
                format!(
                    "only its build information ({label}) says BoringCrypto; the table of its functions could not be read"
                ),
            );
            return Some(self.branch(finding.named("BoringCrypto")));
        }
        if !self.cryptography() {
            return Some(self.nothing_linked(label));
        }
        let finding = Finding::new(
            Module::Contradicted,
            format!(
                "its build information says {label}, and BoringCrypto is not in it: no function calls it"
            ),
        );
        Some(if self.toolchain.without_cgo {
            finding.because("it was built with CGO_ENABLED=0, which leaves BoringCrypto out without a word: build it again with CGO_ENABLED=1")
        } else {
            finding
        })
    }

    /// What can be said of a release of dev.boringcrypto.
    fn branch(&self, finding: Finding) -> Finding {
        let Some(branch) = self.toolchain.branch() else {
            return finding;
        };
        match self.ground.modules.by_toolchain(&branch) {
            Some(row) => finding.named(title(row)).because(format!(
                "{branch} is a release of dev.boringcrypto, which is known to have had {} {}",
                row.name, row.version
            )),
            None => finding.because(format!(
                "{branch} is a release of dev.boringcrypto, and which module that had is not known"
            )),
        }
    }

    /// Go's own module: the key of the build, the version in the package path, and the seal.
    fn own_module(&self) -> Option<Finding> {
        let key = self.toolchain.gofips140.as_deref();
        match (self.frozen(), key) {
            (None, None) => None,
            (Some(frozen), Some(key)) if frozen != key => Some(Finding::new(
                Module::Contradicted,
                format!(
                    "its sources disagree: it was built with GOFIPS140={key}, and its functions are of {frozen}"
                ),
            )),
            (Some(_), None) if !self.go.settings.is_empty() => Some(Finding::new(
                Module::Contradicted,
                "its sources disagree: its functions are of a frozen module, and its build information has no GOFIPS140",
            )),
            (Some(frozen), key) => Some(self.frozen_module(frozen, key.is_some())),
            (None, Some(key)) => Some(self.unfrozen_module(key)),
        }
    }

    fn frozen_module(&self, frozen: &str, key: bool) -> Finding {
        let Some(finding) = self.seal(frozen) else {
            return Finding::new(
                Module::Declared,
                format!("its functions are of Go's module {frozen}, but its integrity value could not be computed"),
            )
            .named(format!("Go Cryptographic Module {frozen}"));
        };
        let finding = if key {
            finding
        } else {
            finding.at_most(
                Module::Identified,
                "its build information is gone, so that it was built with GOFIPS140 could not be seen",
            )
        };
        if self.toolchain.default_fips140.as_deref() == Some("off") {
            return finding.at_most(
                Module::Identified,
                "its own build settings switch the module off (DefaultGODEBUG fips140=off)",
            );
        }
        finding
    }

    /// The finding of a seal that holds.
    fn seal(&self, frozen: &str) -> Option<Finding> {
        sealed(self.go).filter(|seal| seal.integrity == Integrity::Holds)?;
        Some(match self.ground.modules.by_frozen(frozen) {
            Some(row) => self.ground.known_by(
                row,
                "the integrity value of Go's module was computed from the bytes, and its functions are of",
            ),
            None => Finding::new(
                Module::Identified,
                format!("the integrity value of Go's module holds, and no row of the data knows {frozen}: give a newer file of modules"),
            )
            .named(format!("Go Cryptographic Module {frozen}")),
        })
    }

    /// GOFIPS140 without a frozen version in the package path.
    fn unfrozen_module(&self, key: &str) -> Finding {
        let Some(names) = &self.go.names else {
            return Finding::new(
                Module::Declared,
                format!(
                    "only its build information (GOFIPS140={key}) says so; the table of its functions could not be read"
                ),
            );
        };
        let holds = sealed(self.go).is_some_and(|seal| seal.integrity == Integrity::Holds);
        match (names.unfrozen, key == "latest") {
            (true, true) if holds => Finding::new(
                Module::Identified,
                "it was built with GOFIPS140=latest and the integrity value holds: Go's module as it was that day, which no certificate covers; build it with GOFIPS140=certified",
            )
            .named("Go Cryptographic Module, not frozen"),
            (true, true) => Finding::new(
                Module::Declared,
                "it was built with GOFIPS140=latest, and its integrity value could not be computed",
            ),
            (true, false) => Finding::new(
                Module::Contradicted,
                format!("its build information says GOFIPS140={key}, and its functions are those of an ordinary build"),
            ),
            (false, _) if !self.cryptography() => {
                self.nothing_linked(&format!("GOFIPS140={key}"))
            }
            (false, _) if holds => Finding::new(
                Module::Declared,
                format!("it was built with GOFIPS140={key}, and no function of the module is linked"),
            ),
            (false, _) => Finding::new(
                Module::Contradicted,
                format!("its build information says GOFIPS140={key}, and the module is not in it"),
            ),
        }
    }

    fn nothing_linked(&self, label: &str) -> Finding {
        Finding::new(
            Module::Standard,
            format!("it links no cryptography, so that {label} of its build has nothing to act on"),
        )
    }

    fn standard(&self, evidence: &Evidence) -> Finding {
        if let Some(mark) = evidence.marks.first() {
            return native::marked(mark);
        }
        let Some(names) = &self.go.names else {
            return self.by_build_information();
        };
        if !names.cryptography {
            return Finding::new(Module::Standard, "it links no cryptography");
        }
        let finding = Finding::new(
            Module::Standard,
            "the cryptography of Go's standard library, no FIPS module",
        );
        match (&self.toolchain.default_fips140, sealed(self.go)) {
            (Some(value), _) if value != "off" => finding.because(format!(
                "its build switches fips140={value} on without GOFIPS140: it looks enabled, and the module is not a validated one; build it with GOFIPS140=certified"
            )),
            (_, Some(_)) => finding.because(
                "the integrity value of Go's cryptographic code holds, as in every build of this toolchain: that is no FIPS build",
            ),
            _ => finding,
        }
    }

    fn by_build_information(&self) -> Finding {
        let signed = self.go.signatures.standard.is_some();
        if self.go.buildinfo.is_none() && !signed {
            return Finding::new(
                Module::Unknown,
                "a Go program whose build information and function table are both gone: ask its publisher for an unaltered one",
            );
        }
        Finding::new(
            Module::Standard,
            "nothing in it says FIPS; the table of its functions could not be read",
        )
    }

    fn frozen(&self) -> Option<&str> {
        self.go.names.as_ref()?.frozen.as_deref()
    }

    fn cryptography(&self) -> bool {
        self.go
            .names
            .as_ref()
            .is_some_and(|names| names.cryptography)
    }
}

/// Go's seal; the linker leaves zeros where it does not seal (race, msan and asan builds).
fn sealed(go: &Go) -> Option<&Fipsinfo> {
    let seal = go.fipsinfo.as_ref()?;
    seal.stored
        .bytes()
        .any(|digit| digit != b'0')
        .then_some(seal)
}
