//! Tests of every level of assurance with hand-made evidence.

mod boring;
mod edited;
mod native;
mod other;
mod own;

use std::collections::BTreeMap;

use super::*;
use crate::{
    Arch, Carried, Coverage, Fipsinfo, Go, Integrity, Library, Link, Located, Mark, Names,
    Signatures,
};

const PLACE: Place = Place {
    offset: 64,
    len: 32,
};

/// Module of certificate #4735, as in Go 1.24 to 1.27 on amd64.
const KNOWN: &str = "2a218ae635bf1cd56624875de07c6571cde7367369f1d865cb9898158edf8b81";

/// Returns a day long after every statement of the data and long before any sunset date.
fn today() -> Date {
    "2026-11-23".parse().unwrap()
}

fn elf() -> BinaryFacts {
    BinaryFacts {
        size: 1000,
        format: Format::Elf {
            bits: 64,
            big_endian: false,
            headerless: false,
        },
        arch: Some(Arch("amd64".into())),
        opaque: None,
        go: None,
        modules: Vec::new(),
        marks: Vec::new(),
        labels: Vec::new(),
        libraries: Vec::new(),
        unmatched_tests: Vec::new(),
    }
}

fn located(stored: &str, integrity: Integrity, version: Option<u32>) -> Located {
    Located {
        family: Family::BoringCrypto,
        place: PLACE,
        algorithm: "sha256".into(),
        stored: stored.into(),
        integrity,
        fingerprint: None,
        version,
        called: Some(PLACE),
    }
}

fn uncalled(module: Located) -> Located {
    Located {
        called: None,
        ..module
    }
}

/// Returns a Go program with this version, these settings `key=value`, and these function names.
fn go(version: &str, settings: &[&str], names: Option<Names>) -> BinaryFacts {
    let settings: BTreeMap<String, String> = settings
        .iter()
        .map(|setting| {
            let (key, value) = setting.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        })
        .collect();
    BinaryFacts {
        go: Some(Go {
            version: (!version.is_empty()).then(|| version.to_owned()),
            settings,
            buildinfo: (!version.is_empty()).then_some(PLACE),
            names,
            ..Go::default()
        }),
        ..elf()
    }
}

fn crypto() -> Names {
    Names {
        told: true,
        cryptography: true,
        ..Names::default()
    }
}

fn boring() -> Names {
    Names {
        boring: true,
        boring_calls: 109,
        ..crypto()
    }
}

fn frozen(version: &str) -> Names {
    Names {
        frozen: Some(version.into()),
        ..crypto()
    }
}

fn unfrozen() -> Names {
    Names {
        unfrozen: true,
        standard: true,
        ..crypto()
    }
}

impl BinaryFacts {
    fn sealed(self, integrity: Integrity) -> BinaryFacts {
        self.sealed_as("ab", integrity)
    }

    fn sealed_as(mut self, stored: &str, integrity: Integrity) -> BinaryFacts {
        self.go.as_mut().unwrap().fipsinfo = Some(Fipsinfo {
            place: PLACE,
            stored: stored.into(),
            ranges: vec![Place {
                len: 1 << 20,
                ..PLACE
            }],
            integrity,
            coverage: Some(covered()),
        });
        self
    }

    /// Sets what the function table shows about the sealed code.
    fn with_coverage(mut self, coverage: Option<Coverage>) -> BinaryFacts {
        self.go
            .as_mut()
            .unwrap()
            .fipsinfo
            .as_mut()
            .unwrap()
            .coverage = coverage;
        self
    }

    /// Sets the number of bytes of code that the seal covers.
    fn covering(mut self, len: u64) -> BinaryFacts {
        let seal = self.go.as_mut().unwrap().fipsinfo.as_mut().unwrap();
        seal.ranges[0].len = len;
        self
    }

    fn with(mut self, module: Located) -> BinaryFacts {
        self.modules.push(module);
        self
    }

    fn labelled(mut self, label: Label) -> BinaryFacts {
        self.labels.push(label);
        self
    }

    fn marked(mut self, family: Family) -> BinaryFacts {
        self.marks.push(Mark {
            family,
            text: "FIPS integrity test".into(),
            place: PLACE,
        });
        self
    }

    fn having(mut self, library: Library) -> BinaryFacts {
        self.libraries.push(library);
        self
    }

    /// Adds a reference from code to the text of an integrity test that no module matches.
    fn unmatched(mut self) -> BinaryFacts {
        self.unmatched_tests.push(PLACE);
        self
    }

    fn loading(mut self, library: &str) -> BinaryFacts {
        let link = Link::Loaded(library.into());
        self.libraries.push(library_of("OpenSSL", "openssl", link));
        self
    }
}

fn library_of(name: &str, key: &str, link: Link) -> Library {
    Library {
        name: name.into(),
        key: key.into(),
        version: None,
        link,
        is_fips: false,
        module: None,
        shown_by: "a text".into(),
        place: None,
    }
}

/// Returns the coverage of sealed code that is exactly the code of the module.
fn covered() -> Coverage {
    Coverage {
        functions: 100,
        edges: true,
        ..Coverage::default()
    }
}

fn envoy(ssl: &str) -> Label {
    Label::Envoy {
        revision: None,
        version: Some("1.40.0".into()),
        status: None,
        build: None,
        ssl: Some(ssl.into()),
        place: PLACE,
    }
}

fn ztunnel(provider: &str) -> Label {
    Label::Ztunnel {
        provider: provider.into(),
        place: PLACE,
    }
}

fn judged(evidence: &BinaryFacts) -> Verdict {
    let verdict = evidence.judge(Modules::builtin(), today());
    assert!(!verdict.reasons.is_empty());
    for reason in &verdict.reasons {
        assert!(!reason.is_empty() && !reason.ends_with('.'), "{reason}");
    }
    verdict
}

/// Judges each row, and compares the assurance and a part of the reasons or of the state of the module.
fn table(rows: Vec<(&str, BinaryFacts, Assurance, &str)>) {
    for (case, evidence, module, reason) in rows {
        let verdict = judged(&evidence);
        let standing = verdict.standing.iter().map(ToString::to_string);
        let said: Vec<String> = verdict.reasons.iter().cloned().chain(standing).collect();
        let reasons = said.join("; ");
        assert_eq!(verdict.module, module, "{case}: {reasons}");
        assert!(reasons.contains(reason), "{case}: {reasons}");
    }
}

fn differs() -> Integrity {
    Integrity::Differs("cd".into())
}

fn not_computed() -> Integrity {
    Integrity::NotComputed("no range".into())
}

/// The integrity value of four empty ranges.
const NOTHING: &str = "5bfb56251f1cb36dde368c0bc98bf6b0ded874dfa5a2d3fab76e326fff6c112a";

const X: &str = "go1.26.6-X:boringcrypto";

const KEY: &str = "GOFIPS140=v1.0.0-c2097c7c";

/// The setting that the build of a FIPS module switches on.
const ON: &str = "DefaultGODEBUG=fips140=on";

const FROZEN: &str = "v1.0.0-c2097c7c";

#[test]
fn code_signatures_count_as_code() {
    let mut evidence = go(X, &[], Some(crypto())).with(located(KNOWN, Integrity::Holds, None));
    evidence.go.as_mut().unwrap().signatures = Signatures {
        boring: Some(PLACE),
        ..Signatures::default()
    };
    assert_eq!(judged(&evidence).module, Assurance::Proven);
}

#[test]
fn what_cannot_be_read_is_unknown_whatever_it_says() {
    let of = |format| BinaryFacts { format, ..elf() };
    let opaque = |opaque| BinaryFacts {
        opaque: Some(opaque),
        ..elf().with(located(KNOWN, Integrity::Holds, None))
    };
    table(vec![
        (
            "script",
            of(Format::Script("/bin/sh".into())).labelled(envoy("BoringSSL-FIPS")),
            Assurance::Unknown,
            "a script",
        ),
        ("macOS", of(Format::MachO), Assurance::Unknown, "macOS"),
        ("Windows", of(Format::Pe), Assurance::Unknown, "Windows"),
        ("empty", of(Format::Empty), Assurance::Unknown, "empty"),
        ("text", of(Format::Other), Assurance::Unknown, "no program"),
        (
            "packed",
            opaque(Unreadable::Packed(Some("UPX".into()))),
            Assurance::Unknown,
            "UPX",
        ),
        (
            "object",
            opaque(Unreadable::Unlinked),
            Assurance::Unknown,
            "for the linker",
        ),
        (
            "damaged",
            opaque(Unreadable::Damaged("cut off".into())),
            Assurance::Unknown,
            "cut off",
        ),
        (
            "foreign",
            opaque(Unreadable::Foreign),
            Assurance::Unknown,
            "not read",
        ),
    ]);
}

#[test]
fn what_nothing_calls_has_no_standing() {
    for (stored, version) in [(KNOWN, None), ("ff", Some(0))] {
        let module = located(stored, Integrity::Holds, version);
        let standing = |module| judged(&elf().with(module)).standing;
        assert!(standing(module.clone()).is_some(), "{stored}");
        assert_eq!(standing(uncalled(module)), None, "{stored}");
    }
}

#[test]
fn a_certificate_counts_from_its_own_day() {
    let evidence = go("go1.27.3", &[KEY, ON], Some(frozen(FROZEN))).sealed(Integrity::Holds);
    let on = |day: &str| evidence.judge(Modules::builtin(), day.parse().unwrap());
    assert_eq!(on("2026-04-26").module, Assurance::Identified);
    assert_eq!(on("2026-04-27").module, Assurance::Proven);
    let long_after = on("2031-05-01");
    assert_eq!(long_after.module, Assurance::Proven);
    assert_eq!(
        long_after.standing.unwrap().status,
        crate::Status::Historical
    );
}

#[test]
fn headers_that_cannot_be_read_leave_no_certificate() {
    let module = located(KNOWN, Integrity::Holds, None);
    let whole = go(X, &[], Some(boring())).with(module);
    assert!(judged(&whole).standing.is_some());
    let bare = BinaryFacts {
        arch: None,
        ..whole
    };
    assert_eq!(judged(&bare).standing, None);
}

#[test]
fn fipsonly_is_said_only_of_builds_that_can_be_asked() {
    let only = Names {
        fipsonly: true,
        ..boring()
    };
    let default = |value: &str| format!("DefaultGODEBUG=fips140={value}");
    let table = [
        (go(X, &[], Some(only)), Some(true)),
        (go(X, &[], Some(boring())), Some(false)),
        (
            go("go1.27.3", &[KEY, &default("only")], Some(frozen(FROZEN))),
            Some(true),
        ),
        (
            go("go1.27.3", &[KEY, &default("on")], Some(frozen(FROZEN))),
            Some(false),
        ),
        (go("go1.27.3", &[], Some(unfrozen())), None),
        (elf().labelled(envoy("BoringSSL-FIPS")), None),
    ];
    for (evidence, expected) in table {
        assert_eq!(judged(&evidence).fipsonly, expected);
    }
}

#[test]
fn only_the_module_of_go_can_be_switched_off_by_its_build() {
    let off = "DefaultGODEBUG=fips140=off";
    let table = [
        (
            go("go1.27.3", &[KEY, off], Some(frozen(FROZEN))),
            Some("off"),
        ),
        (go("go1.27.3", &[KEY, ON], Some(frozen(FROZEN))), None),
        (go(X, &[off], Some(boring())), None),
        (go("go1.27.3", &[off], Some(unfrozen())), None),
    ];
    let nothing = crate::Environment::default();
    for (evidence, expected) in table {
        let verdict = judged(&evidence.sealed(Integrity::Holds));
        let effects = crate::effects(&nothing, (&verdict).into(), None);
        let said = effects.first().map(|effect| effect.message.as_str());
        assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
        assert!(
            said.is_none_or(|said| said.contains("switched off")),
            "{said:?}"
        );
    }
}

#[test]
fn a_program_is_called_by_its_name_and_kind() {
    let table = [
        (go(X, &[], Some(boring())), Kind::GoBoring, "Go 1.26.6"),
        (
            go("go1.27.3", &[KEY], Some(frozen(FROZEN))),
            Kind::GoModule,
            "Go 1.27.3",
        ),
        (go("", &[], Some(crypto())), Kind::GoStandard, "Go"),
        (
            elf().labelled(envoy("BoringSSL")),
            Kind::Envoy,
            "Envoy 1.40.0",
        ),
        (
            elf().labelled(ztunnel("tls-ring")),
            Kind::Ztunnel,
            "ztunnel",
        ),
        (elf(), Kind::Native, "native program"),
        (
            BinaryFacts {
                format: Format::Script("/bin/sh".into()),
                ..elf()
            },
            Kind::ProgramReadError,
            "script",
        ),
    ];
    for (evidence, kind, program) in table {
        let verdict = judged(&evidence);
        assert_eq!((verdict.kind, verdict.program.as_str()), (kind, program));
    }
}

#[test]
fn the_chain_leads_from_the_file_to_the_certificate() {
    let settings = ["CGO_ENABLED=1", "DefaultGODEBUG=x=1,fips140=off"];
    let evidence = go(X, &settings, Some(boring()))
        .with(located(KNOWN, Integrity::Holds, Some(2_022_061_300)))
        .sealed(Integrity::Holds);
    let verdict = judged(&evidence);
    let said: Vec<(&str, Strength)> = verdict
        .chain
        .iter()
        .map(|step| (step.what.as_str(), step.strength))
        .collect();
    let expected = [
        ("file: ELF 64 bit amd64 of 1000 bytes", Strength::Code),
        (
            "Go build information: go1.26.6-X:boringcrypto",
            Strength::Label,
        ),
        ("Go build setting: CGO_ENABLED=1", Strength::Label),
        (
            "Go build setting: DefaultGODEBUG=x=1,fips140=off",
            Strength::Label,
        ),
        (
            "functions: crypto/internal/boring/sig.BoringCrypto",
            Strength::Code,
        ),
        (
            "functions: 109 entry points of BoringCrypto",
            Strength::Code,
        ),
        (
            "Go's seal over its cryptographic code: HMAC-sha256 computed again: ab, as stored",
            Strength::Recomputed,
        ),
        (
            "functions in the sealed code: 100 of the module",
            Strength::Code,
        ),
        (
            &format!(
                "BoringCrypto module of 32 bytes: HMAC-sha256 computed again: {KNOWN}, as stored"
            ),
            Strength::Recomputed,
        ),
        (
            "code outside of the module calls its functions",
            Strength::Code,
        ),
        ("that value is BoringCrypto fips-20220613", Strength::Data),
        (
            &verdict.standing.as_ref().unwrap().to_string(),
            Strength::Data,
        ),
    ];
    assert_eq!(said, expected);
    assert_eq!(
        verdict.configuration,
        ["CGO_ENABLED=1", "DefaultGODEBUG fips140=off"]
    );
    assert_eq!(verdict.name.as_deref(), Some("BoringCrypto fips-20220613"));
}
