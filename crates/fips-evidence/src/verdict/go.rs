//! The judgement of Go programs.

mod boring;
mod own;

use super::{AtStart, Finding, Ground, Kind, Toolchain, native, start};
use crate::Assurance;
use crate::{BinaryFacts, Fipsinfo, Go, Integrity, Names};

/// The evidence of one Go program, with what its build information states.
struct Program<'a> {
    go: &'a Go,
    toolchain: Toolchain,
    ground: Ground<'a>,
}

pub(super) fn judge(
    evidence: &BinaryFacts,
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
    let finding = match &go.names {
        Some(names) if !names.told => finding.at_most(
            Assurance::Identified,
            "its runtime does not reference the function table that was read, so that the table may belong to another program",
        ),
        _ => finding,
    };
    let label = native::claims(evidence).into_iter().next();
    match label {
        Some(claim) if finding.module == Assurance::Standard => Finding::new(
            Assurance::Contradicted,
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
    if foreign_package(go).is_some() {
        Kind::GoForeign
    } else if calls_boring(go) {
        Kind::GoBoring
    } else if toolchain.gofips140.is_some() || names.is_some_and(|names| names.frozen.is_some()) {
        Kind::GoModule
    } else {
        Kind::GoStandard
    }
}

/// Returns whether the program refuses algorithms that are not approved; `None` if it is not a FIPS build of Go.
pub(super) fn fipsonly(evidence: &BinaryFacts, kind: Kind) -> Option<bool> {
    let go = evidence.go.as_ref()?;
    match kind {
        Kind::GoBoring => {
            let named = go.names.as_ref().map(|names| names.fipsonly);
            let signed = go.signatures.fipsonly.is_some();
            named
                .map(|named| named || signed)
                .or(signed.then_some(true))
        }
        Kind::GoModule => Some(start::of(go) == AtStart::Only),
        _ => None,
    }
}

/// Returns the package through which the program calls the library of its image. A build without that library
/// (`-tags no_openssl`) still has the backend package, which calls nothing if there is a frozen module.
fn foreign_package(go: &Go) -> Option<&str> {
    let names = go.names.as_ref()?;
    let backend = names.backend && names.frozen.is_none();
    let backend = backend.then_some("crypto/internal/backend");
    names.foreign.as_deref().or(backend)
}

/// Checks whether code of the program calls BoringCrypto.
pub(super) fn calls_boring(go: &Go) -> bool {
    let named = |names: &Names| names.boring || names.boring_calls > 0;
    go.names.as_ref().is_some_and(named) || go.signatures.boring.is_some()
}

impl Program<'_> {
    fn judge(&self, located: Option<Finding>, evidence: &BinaryFacts) -> Finding {
        if let Some(broken) = located
            .as_ref()
            .filter(|finding| finding.module == Assurance::Contradicted)
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
            return self.boring(finding, evidence);
        }
        let finding = self
            .boring_unlocated()
            .or_else(|| self.own_module())
            .unwrap_or_else(|| self.standard(evidence));
        self.of_vendor(finding)
    }

    /// Limits the finding for a program of Red Hat's or Microsoft's toolchain that does not call the library of the
    /// image: its other code is validated only if it is a frozen module of Go.
    fn of_vendor(&self, finding: Finding) -> Finding {
        let seen = self.go.names.is_some() && self.frozen().is_none();
        let Some(vendor) = self.toolchain.vendor.filter(|_| seen) else {
            return finding;
        };
        let reason = format!(
            "it was built with the toolchain of {vendor}, which calls the cryptographic library of the image, but no function calls it"
        );
        if finding.module > Assurance::Declared {
            finding.at_most(Assurance::Declared, reason)
        } else {
            finding.because(reason)
        }
    }

    /// Returns a finding if Go's own seal does not hold: in a FIPS build the module was changed, in any other build
    /// the file.
    fn broken_seal(&self) -> Option<Finding> {
        let seal = self.go.fipsinfo.as_ref()?;
        if is_blank(seal) {
            return self.is_own().then(|| Finding::new(
                Assurance::Contradicted,
                "its linker stored no integrity value for its module, as in archives for C, so that the program ends when its module is switched on; link it as a program of Go",
            ));
        }
        let Integrity::Differs(computed) = &seal.integrity else {
            return None;
        };
        if seal.stored == NOTHING {
            return self.is_own().then(|| Finding::new(
                Assurance::Contradicted,
                "its linker sealed nothing, since it could not read what another linker wrote, so that the program ends when its module is switched on; link it with the linker of Go or GNU",
            ));
        }
        Some(Finding::new(
            Assurance::Contradicted,
            format!(
                "the integrity value of Go's cryptographic code does not hold: {} is stored and {} is computed, so the file was changed after it was linked; get it from its publisher again",
                super::short(&seal.stored),
                super::short(computed)
            ),
        ))
    }

    /// Returns a finding if there are signs of both BoringCrypto and GOFIPS140, which the toolchain refuses to
    /// build together.
    fn two_modules(&self, located: Option<&Finding>) -> Option<Finding> {
        let boring = self.toolchain.boring.is_some() || calls_boring(self.go) || located.is_some();
        (boring && self.is_own()).then(|| {
            Finding::new(
                Assurance::Contradicted,
                "its sources disagree: it has the signs of both BoringCrypto and GOFIPS140, which no toolchain builds together",
            )
        })
    }

    /// Judges programs of Red Hat's and Microsoft's toolchains, which call the library of the image.
    fn foreign(&self, located: Option<&Finding>) -> Option<Finding> {
        if located.is_some() {
            return None;
        }
        match (foreign_package(self.go), self.toolchain.foreign) {
            (Some(package), _) => Some(
                Finding::new(
                    Assurance::Declared,
                    format!("it calls the cryptographic library of its image through {package}, so the module is in libcrypto there: inspect that library"),
                )
                .named(format!("the library behind {package}")),
            ),
            // The functions and the seal of Go's own module are stronger evidence than a word in the build
            // settings, which any toolchain accepts.
            (None, Some(_)) if self.is_own() => None,
            (None, Some(word)) if self.go.names.is_none() => Some(Finding::new(
                Assurance::Declared,
                format!("only its build settings ({word}) say that it calls the cryptographic library of its image"),
            )),
            (None, Some(word)) if self.cryptography() && !calls_boring(self.go) => Some(Finding::new(
                Assurance::Contradicted,
                format!("its build settings say {word}, and no function of it calls the cryptographic library of its image"),
            )),
            _ => None,
        }
    }

    fn standard(&self, evidence: &BinaryFacts) -> Finding {
        if let Some(finding) = native::marked(evidence) {
            return finding;
        }
        let Some(names) = &self.go.names else {
            return self.by_build_information();
        };
        if !names.cryptography {
            return Finding::new(Assurance::Standard, "it links no cryptography");
        }
        let finding = Finding::new(
            Assurance::Standard,
            "the cryptography of Go's standard library, no FIPS module",
        );
        match (start::of(self.go), sealed(self.go)) {
            (AtStart::On | AtStart::Only | AtStart::HostMode, _) => finding.because(
                "its build settings switch its module on without GOFIPS140: it looks enabled, and the module is not a validated one; build it with GOFIPS140=certified",
            ),
            (_, Some(seal)) if seal.integrity == Integrity::Holds => finding.because(
                "the integrity value of Go's cryptographic code holds, as in every build of this toolchain: this is not a FIPS build",
            ),
            _ => finding,
        }
    }

    fn by_build_information(&self) -> Finding {
        let signed = self.go.signatures.standard.is_some();
        if self.go.buildinfo.is_none() && !signed {
            return Finding::new(
                Assurance::Unknown,
                "a Go program without build information and without a function table: ask its publisher for an unaltered one",
            );
        }
        Finding::new(
            Assurance::Standard,
            "nothing in it says FIPS; the table of its functions could not be read",
        )
    }

    /// Checks whether there is any sign that the program was built with Go's own module.
    fn is_own(&self) -> bool {
        self.toolchain.gofips140.is_some() || self.frozen().is_some()
    }

    fn frozen(&self) -> Option<&str> {
        self.go.names.as_ref()?.frozen.as_deref()
    }

    fn cryptography(&self) -> bool {
        self.names(|names| names.cryptography)
    }

    fn names(&self, has: fn(&Names) -> bool) -> bool {
        self.go.names.as_ref().is_some_and(has)
    }
}

/// Returns the finding for a program with a FIPS label that links no cryptography to which the label could apply.
fn nothing_linked(label: &str) -> Finding {
    Finding::new(
        Assurance::Standard,
        format!("it links no cryptography, so that {label} of its build has nothing to act on"),
    )
}

/// Minimum size of the sealed code in bytes. Every build of the module has more code, so a seal over less proves
/// nothing.
const LEAST_CODE: u64 = 4096;

/// The integrity value of four empty ranges. Go's linker computes it if the loader still has to write the addresses
/// in its seal (position-independent programs of LLVM's linker).
const NOTHING: &str = "5bfb56251f1cb36dde368c0bc98bf6b0ded874dfa5a2d3fab76e326fff6c112a";

/// Returns Go's seal over its cryptographic code, if the linker wrote one.
fn sealed(go: &Go) -> Option<&Fipsinfo> {
    go.fipsinfo.as_ref().filter(|seal| !is_blank(seal))
}

/// Checks whether the stored value consists of zeros, which the linker leaves if it does not seal.
fn is_blank(seal: &Fipsinfo) -> bool {
    seal.stored.bytes().all(|digit| digit == b'0')
}

/// Checks whether the seal holds and covers code: a seal that covers nothing can be written into any file.
fn seal_holds(go: &Go) -> bool {
    sealed(go).is_some_and(|seal| {
        let code = seal.ranges.first().map_or(0, |text| text.len);
        seal.integrity == Integrity::Holds && code >= LEAST_CODE
    })
}
