//! Every rung of the table, by evidence made by hand.

use std::collections::BTreeMap;

use super::*;
use crate::fips::{
    Arch, Carried, Coverage, Fipsinfo, Go, Integrity, Located, Mark, Names, Signatures,
};

const PLACE: Place = Place {
    offset: 64,
    len: 32,
};

/// Go 1.24 to 1.27 on amd64: the module of certificate #4735.
const KNOWN: &str = "2a218ae635bf1cd56624875de07c6571cde7367369f1d865cb9898158edf8b81";

/// Long after every statement of the data, long before any sunset.
fn today() -> Date {
    "2026-11-23".parse().unwrap()
}

fn elf() -> Evidence {
    Evidence {
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

/// A Go program: version, settings `key=value`, function names.
fn go(version: &str, settings: &[&str], names: Option<Names>) -> Evidence {
    let settings: BTreeMap<String, String> = settings
        .iter()
        .map(|setting| {
            let (key, value) = setting.split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        })
        .collect();
    Evidence {
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

impl Evidence {
    fn sealed(self, integrity: Integrity) -> Evidence {
        self.sealed_as("ab", integrity)
    }

    fn sealed_as(mut self, stored: &str, integrity: Integrity) -> Evidence {
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

    /// Lets the function table say something else of the sealed code.
    fn with_coverage(mut self, coverage: Option<Coverage>) -> Evidence {
        self.go
            .as_mut()
            .unwrap()
            .fipsinfo
            .as_mut()
            .unwrap()
            .coverage = coverage;
        self
    }

    /// Lets the seal cover so many bytes of code.
    fn covering(mut self, len: u64) -> Evidence {
        let seal = self.go.as_mut().unwrap().fipsinfo.as_mut().unwrap();
        seal.ranges[0].len = len;
        self
    }

    fn with(mut self, module: Located) -> Evidence {
        self.modules.push(module);
        self
    }

    fn labelled(mut self, label: Label) -> Evidence {
        self.labels.push(label);
        self
    }

    fn marked(mut self, family: Family) -> Evidence {
        self.marks.push(Mark {
            family,
            text: "FIPS integrity test".into(),
            place: PLACE,
        });
        self
    }

    fn loading(mut self, library: &str) -> Evidence {
        self.libraries.push(library.into());
        self
    }
}

/// The sealed code is that of the module.
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

fn judged(evidence: &Evidence) -> Verdict {
    let verdict = evidence.judge(Modules::builtin(), today());
    assert!(!verdict.reasons.is_empty());
    for reason in &verdict.reasons {
        assert!(!reason.is_empty() && !reason.ends_with('.'), "{reason}");
    }
    verdict
}

/// Judges each row and compares the rung and a part of the reasons, or of what is known of the module.
fn table(rows: Vec<(&str, Evidence, Module, &str)>) {
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

/// The value of four empty ranges.
const NOTHING: &str = "5bfb56251f1cb36dde368c0bc98bf6b0ded874dfa5a2d3fab76e326fff6c112a";

const X: &str = "go1.26.6-X:boringcrypto";

const KEY: &str = "GOFIPS140=v1.0.0-c2097c7c";

const FROZEN: &str = "v1.0.0-c2097c7c";

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn boringcrypto_in_go() {
    use Integrity::Holds;
    use Module::{Contradicted, Declared, Identified, Proven, Standard};
    let known = || located(KNOWN, Holds, Some(2_022_061_300));
    table(vec![
        (
            "all of it",
            go(X, &["CGO_ENABLED=1"], Some(boring())).with(known()),
            Proven,
            "#4735",
        ),
        (
            "no build information",
            go("", &[], Some(boring())).with(known()),
            Proven,
            "#4735",
        ),
        (
            "no function table",
            go(X, &[], None).with(known()),
            Identified,
            "could not be read",
        ),
        (
            "a function table that nothing leads to",
            go(
                X,
                &[],
                Some(Names {
                    told: false,
                    ..boring()
                }),
            )
            .with(known()),
            Identified,
            "nothing tells its runtime",
        ),
        (
            "GODEBUG of its own that it refuses",
            go(X, &["DefaultGODEBUG=fips140=only"], Some(boring()))
                .sealed(Holds)
                .with(known()),
            Proven,
            "panic at start",
        ),
        (
            "a module of its C code",
            go(
                "go1.26.6",
                &[],
                Some(Names {
                    cgo: true,
                    ..crypto()
                }),
            )
            .with(known()),
            Declared,
            "no function of Go does",
        ),
        (
            "a label and a module of its C code",
            go(
                X,
                &[],
                Some(Names {
                    cgo: true,
                    ..crypto()
                }),
            )
            .with(known()),
            Contradicted,
            "no function of the program",
        ),
        (
            "bytes in a program with C that nobody calls",
            go(
                "go1.26.6",
                &[],
                Some(Names {
                    cgo: true,
                    ..crypto()
                }),
            )
            .with(uncalled(known())),
            Contradicted,
            "no function of the program",
        ),
        (
            "headers that cannot be read",
            Evidence {
                arch: None,
                ..go(X, &[], Some(boring())).with(known())
            },
            Declared,
            "which of its bytes are loaded",
        ),
        (
            "bytes nobody calls",
            go("go1.26.6", &[], Some(crypto())).with(known()),
            Contradicted,
            "no function",
        ),
        (
            "bytes and a label",
            go(X, &[], Some(crypto())).with(known()),
            Contradicted,
            "no function",
        ),
        (
            "bytes that only names call",
            go(X, &[], Some(boring())).with(uncalled(known())),
            Identified,
            "no code of the program calls the module",
        ),
        (
            "an unused copy beside a changed one",
            go(X, &[], Some(boring()))
                .with(uncalled(known()))
                .with(located(KNOWN, differs(), None)),
            Contradicted,
            "does not hold",
        ),
        (
            "a value nobody knows",
            go(X, &[], Some(boring())).with(located("ff", Holds, None)),
            Identified,
            "no value of a validated module",
        ),
        (
            "a changed module",
            go(X, &[], Some(boring())).with(located(KNOWN, differs(), None)),
            Contradicted,
            "does not hold",
        ),
        (
            "a value that was not computed",
            go(X, &[], Some(boring())).with(located(KNOWN, not_computed(), None)),
            Declared,
            "no range",
        ),
        (
            "one of two changed",
            go(X, &[], Some(boring()))
                .with(known())
                .with(located("ff", differs(), None)),
            Contradicted,
            "does not hold",
        ),
        (
            "calls, no module",
            go(X, &[], Some(boring())),
            Declared,
            "109 entry points",
        ),
        (
            "label without C",
            go(X, &["CGO_ENABLED=0"], Some(crypto())),
            Contradicted,
            "CGO_ENABLED=1",
        ),
        (
            "label with C",
            go(X, &["CGO_ENABLED=1"], Some(crypto())),
            Contradicted,
            "no function calls it",
        ),
        (
            "label alone",
            go(X, &[], None),
            Declared,
            "only its build information",
        ),
        (
            "label, no cryptography",
            go(X, &[], Some(Names::default())),
            Standard,
            "links no cryptography",
        ),
        (
            "setting alone",
            go("go1.26.6", &["GOEXPERIMENT=boringcrypto"], Some(crypto())),
            Contradicted,
            "GOEXPERIMENT=boringcrypto",
        ),
        (
            "changed Go code beside it",
            go(X, &[], Some(boring())).with(known()).sealed(differs()),
            Contradicted,
            "Go's cryptographic code",
        ),
        (
            "Go code beside it that was sealed over nothing",
            go(X, &[], Some(boring()))
                .with(known())
                .sealed_as(NOTHING, differs()),
            Proven,
            "#4735",
        ),
        (
            "both modules",
            go(X, &[KEY], Some(frozen(FROZEN)))
                .sealed(Holds)
                .with(known()),
            Contradicted,
            "both",
        ),
        (
            "both labels",
            go(X, &[KEY], Some(unfrozen())),
            Contradicted,
            "both",
        ),
        (
            "b4",
            go("go1.14.12b4", &[], Some(boring())),
            Declared,
            "2018-07-30",
        ),
        (
            "b7",
            go("go1.16.1b7", &[], Some(boring())),
            Declared,
            "fips-20190808",
        ),
        (
            "b9",
            go("go1.16.1b9", &[], Some(boring())),
            Declared,
            "not known",
        ),
        (
            "b4 without C",
            go("go1.14.12b4", &[], Some(crypto())),
            Contradicted,
            "go1.14.12b4",
        ),
    ]);
}

#[test]
fn code_signatures_count_as_code() {
    let mut evidence = go(X, &[], Some(crypto())).with(located(KNOWN, Integrity::Holds, None));
    evidence.go.as_mut().unwrap().signatures = Signatures {
        boring: Some(PLACE),
        ..Signatures::default()
    };
    assert_eq!(judged(&evidence).module, Module::Proven);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn the_module_of_go_itself() {
    use Integrity::Holds;
    use Module::{Contradicted, Declared, Identified, Proven, Standard};
    let v = "go1.27.3";
    table(vec![
        (
            "all of it",
            go(v, &[KEY, "DefaultGODEBUG=fips140=on"], Some(frozen(FROZEN))).sealed(Holds),
            Proven,
            "#5247",
        ),
        (
            "switched off",
            go(
                v,
                &[KEY, "DefaultGODEBUG=fips140=on,fips140=off"],
                Some(frozen(FROZEN)),
            )
            .sealed(Holds),
            Identified,
            "fips140=off",
        ),
        (
            "no build information",
            go("", &[], Some(frozen(FROZEN))).sealed(Holds),
            Identified,
            "build information is gone",
        ),
        (
            "other settings without the key",
            go(v, &["CGO_ENABLED=0"], Some(frozen(FROZEN))).sealed(Holds),
            Contradicted,
            "has no GOFIPS140",
        ),
        (
            "another version",
            go(v, &["GOFIPS140=v1.26.0"], Some(frozen(FROZEN))).sealed(Holds),
            Contradicted,
            "GOFIPS140=v1.26.0",
        ),
        (
            "the name of the module for its snapshot",
            go(v, &["GOFIPS140=v1.0.0"], Some(frozen(FROZEN))).sealed(Holds),
            Proven,
            "#5247",
        ),
        (
            "the snapshot before the certified one",
            go("go1.24.1", &["GOFIPS140=v1.0.0"], Some(frozen("v1.0.0"))).sealed(Holds),
            Identified,
            "v1.0.0-c2097c7c",
        ),
        (
            "a snapshot of another version",
            go(v, &["GOFIPS140=v1.0"], Some(frozen(FROZEN))).sealed(Holds),
            Contradicted,
            "GOFIPS140=v1.0,",
        ),
        (
            "functions that could not be compared",
            go(v, &[KEY], Some(frozen(FROZEN)))
                .sealed(Holds)
                .with_coverage(None),
            Identified,
            "could not be compared",
        ),
        (
            "functions without names of the module",
            go(v, &[KEY], Some(frozen(FROZEN)))
                .sealed(Holds)
                .with_coverage(Some(Coverage::default())),
            Identified,
            "could not be compared",
        ),
        (
            "a function outside of the seal",
            go(v, &[KEY], Some(frozen(FROZEN)))
                .sealed(Holds)
                .with_coverage(Some(Coverage {
                    outside: Some("a.b".into()),
                    ..covered()
                })),
            Contradicted,
            "a.b begins outside",
        ),
        (
            "another package under the seal",
            go(v, &["GOFIPS140=latest"], Some(unfrozen()))
                .sealed(Holds)
                .with_coverage(Some(Coverage {
                    stranger: Some("a.b".into()),
                    ..covered()
                })),
            Contradicted,
            "a.b, which is not of the module",
        ),
        (
            "a seal that begins within a function",
            go(v, &[KEY], Some(frozen(FROZEN)))
                .sealed(Holds)
                .with_coverage(Some(Coverage {
                    edges: false,
                    ..covered()
                })),
            Contradicted,
            "is not that of the module",
        ),
        (
            "a seal without a function to cover",
            go(v, &[KEY], Some(Names::default()))
                .sealed(Holds)
                .covering(1)
                .with_coverage(Some(Coverage {
                    stranger: Some("a.b".into()),
                    ..Coverage::default()
                })),
            Standard,
            "links no cryptography",
        ),
        (
            "changed",
            go(v, &[KEY], Some(frozen(FROZEN))).sealed(differs()),
            Contradicted,
            "does not hold",
        ),
        (
            "not computed",
            go(v, &[KEY], Some(frozen(FROZEN))).sealed(not_computed()),
            Declared,
            "could not be computed",
        ),
        (
            "no seal",
            go(v, &[KEY], Some(frozen(FROZEN))),
            Declared,
            "could not be computed",
        ),
        (
            "edited names",
            go(
                v,
                &[KEY],
                Some(Names {
                    unfrozen: true,
                    ..frozen(FROZEN)
                }),
            )
            .sealed(Holds),
            Contradicted,
            "names were edited",
        ),
        (
            "sealed over nothing",
            go(v, &[KEY], Some(frozen(FROZEN)))
                .sealed(Holds)
                .covering(64),
            Declared,
            "could not be computed",
        ),
        (
            "sealed with zeros",
            go(v, &[KEY], Some(frozen(FROZEN))).sealed_as("0000", Holds),
            Contradicted,
            "stored no integrity value",
        ),
        (
            "pending",
            go(v, &["GOFIPS140=v1.26.0"], Some(frozen("v1.26.0"))).sealed(Holds),
            Identified,
            "pending review",
        ),
        (
            "a version nobody knows",
            go(v, &["GOFIPS140=v9.9.9"], Some(frozen("v9.9.9"))).sealed(Holds),
            Identified,
            "no row of the data",
        ),
        (
            "latest",
            go(v, &["GOFIPS140=latest"], Some(unfrozen())).sealed(Holds),
            Identified,
            "GOFIPS140=latest",
        ),
        (
            "latest, changed",
            go(v, &["GOFIPS140=latest"], Some(unfrozen())).sealed(differs()),
            Contradicted,
            "does not hold",
        ),
        (
            "latest, not computed",
            go(v, &["GOFIPS140=latest"], Some(unfrozen())).sealed(not_computed()),
            Declared,
            "could not be computed",
        ),
        (
            "forged key",
            go(v, &[KEY], Some(unfrozen())).sealed(Holds),
            Contradicted,
            "ordinary build",
        ),
        (
            "forged key of an old Go",
            go("go1.22.1", &[KEY], Some(crypto())),
            Contradicted,
            "not in it",
        ),
        (
            "key alone",
            go(v, &[KEY], None).sealed(Holds),
            Declared,
            "only its build information",
        ),
        (
            "key, no cryptography",
            go(v, &[KEY], Some(Names::default())).sealed(Holds),
            Standard,
            "links no cryptography",
        ),
        (
            "key, other cryptography",
            go(v, &[KEY], Some(crypto())).sealed(Holds),
            Declared,
            "no function of the module",
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn other_programs_of_go() {
    use Integrity::Holds;
    use Module::{Contradicted, Declared, Proven, Standard, Unknown};
    let openssl = "vendor/github.com/golang-fips/openssl/v2";
    let foreign = || Names {
        foreign: Some(openssl.into()),
        ..crypto()
    };
    let v = "go1.27.3";
    table(vec![
        (
            "plain",
            go(v, &["CGO_ENABLED=0"], Some(unfrozen())).sealed(Holds),
            Standard,
            "no FIPS build",
        ),
        (
            "plain, before the seal",
            go("go1.21.13", &[], Some(crypto())),
            Standard,
            "standard library",
        ),
        (
            "plain, changed",
            go(v, &[], Some(unfrozen())).sealed(differs()),
            Contradicted,
            "does not hold",
        ),
        (
            "sealed by a linker that read nothing",
            go(v, &[], Some(unfrozen())).sealed_as(NOTHING, differs()),
            Standard,
            "standard library",
        ),
        (
            "a FIPS build sealed by such a linker",
            go(v, &[KEY], Some(frozen(FROZEN))).sealed_as(NOTHING, differs()),
            Contradicted,
            "sealed nothing",
        ),
        (
            "race build",
            go(v, &[], Some(unfrozen())).sealed_as("0000", differs()),
            Standard,
            "standard library",
        ),
        (
            "looks enabled",
            go(v, &["DefaultGODEBUG=fips140=on"], Some(unfrozen())).sealed(Holds),
            Standard,
            "looks enabled",
        ),
        (
            "off is off",
            go(
                v,
                &["GOFIPS140=off", "DefaultGODEBUG=fips140=off"],
                Some(unfrozen()),
            )
            .sealed(Holds),
            Standard,
            "no FIPS build",
        ),
        (
            "no cryptography",
            go(v, &[], Some(Names::default())),
            Standard,
            "links no cryptography",
        ),
        (
            "no function table",
            go(v, &[], None),
            Standard,
            "could not be read",
        ),
        ("nothing left", go("", &[], None), Unknown, "both gone"),
        (
            "golang-fips",
            go("go1.22.1", &[], Some(foreign())),
            Declared,
            openssl,
        ),
        (
            "golang-fips with a boring name",
            go(
                "go1.21.1 X:boringcrypto",
                &[],
                Some(Names {
                    boring_calls: 1,
                    ..foreign()
                }),
            ),
            Declared,
            openssl,
        ),
        (
            "systemcrypto",
            go("go1.25.1 X:systemcrypto", &[], Some(foreign())),
            Declared,
            openssl,
        ),
        (
            "systemcrypto, no table",
            go("go1.25.1 X:systemcrypto", &[], None),
            Declared,
            "systemcrypto",
        ),
        (
            "Microsoft's, with the key that its toolchain sets",
            go(
                "go1.26.8",
                &[
                    "microsoft_systemcrypto=1",
                    "GOEXPERIMENT=systemcrypto",
                    "GOFIPS140=latest",
                ],
                Some(foreign()),
            )
            .sealed(Holds),
            Declared,
            openssl,
        ),
        (
            "Microsoft's, without its library",
            go(
                "go1.26.8-microsoft",
                &["GOFIPS140=latest"],
                Some(unfrozen()),
            )
            .sealed(Holds),
            Declared,
            "the toolchain of Microsoft made it",
        ),
        (
            "Red Hat's, without its library",
            go(
                "go1.22.9 (Red Hat 1.22.9-1.el9)",
                &["-tags=no_openssl"],
                Some(crypto()),
            ),
            Standard,
            "the toolchain of Red Hat made it",
        ),
        (
            "Red Hat's, with the frozen module",
            go(
                "go1.27.1 (Red Hat 1.27.1-1.el10)",
                &[KEY],
                Some(frozen(FROZEN)),
            )
            .sealed(Holds),
            Proven,
            "#5247",
        ),
        (
            "systemcrypto, not there",
            go("go1.25.1 X:systemcrypto", &[], Some(crypto())),
            Contradicted,
            "systemcrypto",
        ),
        (
            "envoy's words in Go",
            go(v, &[], Some(unfrozen())).labelled(envoy("BoringSSL-FIPS")),
            Contradicted,
            "forged",
        ),
        (
            "texts in Go",
            go(v, &[], Some(crypto())).marked(Family::BoringCrypto),
            Declared,
            "could not be located",
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn programs_of_the_c_linker() {
    use Integrity::Holds;
    use Module::{Contradicted, Declared, Identified, Proven, Standard};
    let known = || located(KNOWN, Holds, None);
    table(vec![
        (
            "envoy",
            elf().labelled(envoy("BoringSSL")),
            Standard,
            "BoringSSL, no FIPS module",
        ),
        (
            "forged",
            elf().labelled(envoy("BoringSSL-FIPS")),
            Contradicted,
            "label is wrong or forged",
        ),
        (
            "forged, with a vendor's suffix",
            elf().labelled(envoy("BoringSSL-FIPS-2023042800")),
            Contradicted,
            "forged",
        ),
        (
            "a known module",
            elf().labelled(envoy("BoringSSL-FIPS")).with(known()),
            Proven,
            "#4735",
        ),
        (
            "a known module that nothing calls",
            elf()
                .labelled(envoy("BoringSSL-FIPS"))
                .with(uncalled(known())),
            Identified,
            "no code of the program calls the module",
        ),
        (
            "a known module without words",
            elf().with(known()),
            Proven,
            "#4735",
        ),
        (
            "update stream",
            elf()
                .labelled(envoy("BoringSSL-FIPS"))
                .with(located("ff", Holds, Some(0))),
            Identified,
            "update stream",
        ),
        (
            "update stream that nothing calls",
            elf().with(uncalled(located("ff", Holds, Some(0)))),
            Identified,
            "no code of the program calls the module",
        ),
        (
            "a snapshot nobody measured",
            elf().with(located("ff", Holds, Some(20_240_407))),
            Identified,
            "fips-20240407",
        ),
        (
            "a version nobody knows",
            elf().with(located("ff", Holds, Some(7))),
            Identified,
            "version 7",
        ),
        (
            "another label",
            elf().labelled(envoy("BoringSSL")).with(known()),
            Contradicted,
            "calls itself BoringSSL,",
        ),
        (
            "another family",
            elf().labelled(envoy("AWS-LC-FIPS")).with(known()),
            Contradicted,
            "AWS-LC-FIPS",
        ),
        (
            "another provider",
            elf().labelled(ztunnel("tls-ring")).with(known()),
            Contradicted,
            "tls-ring",
        ),
        (
            "changed stays changed",
            elf()
                .labelled(envoy("BoringSSL"))
                .with(located(KNOWN, differs(), None)),
            Contradicted,
            "does not hold",
        ),
        (
            "texts",
            elf()
                .labelled(envoy("BoringSSL-FIPS"))
                .marked(Family::BoringCrypto),
            Declared,
            "texts of a FIPS module",
        ),
        (
            "texts of another",
            elf()
                .labelled(envoy("BoringSSL-FIPS"))
                .marked(Family::AwsLc),
            Contradicted,
            "forged",
        ),
        (
            "texts alone",
            elf().marked(Family::AwsLc),
            Declared,
            "AWS-LC",
        ),
        (
            "ztunnel",
            elf().labelled(ztunnel("tls-boring")).with(known()),
            Proven,
            "#4735",
        ),
        (
            "forged ztunnel",
            elf().labelled(ztunnel("tls-boring")),
            Contradicted,
            "tls-boring",
        ),
        (
            "plain ztunnel",
            elf().labelled(ztunnel("tls-aws-lc")),
            Standard,
            "tls-aws-lc",
        ),
        (
            "dynamic AWS-LC",
            elf().labelled(envoy("AWS-LC-FIPS")).loading("libcrypto.so"),
            Declared,
            "libcrypto.so",
        ),
        (
            "forged AWS-LC",
            elf().labelled(envoy("AWS-LC-FIPS")),
            Contradicted,
            "forged",
        ),
        (
            "forged BoringSSL beside a library",
            elf()
                .labelled(envoy("BoringSSL-FIPS"))
                .loading("libcrypto.so.3"),
            Contradicted,
            "forged",
        ),
        (
            "OpenSSL",
            elf().labelled(envoy("OpenSSL")).loading("libcrypto.so.3"),
            Standard,
            "libcrypto.so.3",
        ),
        (
            "a library by its text",
            elf().loading("ring"),
            Standard,
            "ring",
        ),
        ("nothing", elf(), Standard, "no cryptographic library"),
    ]);
}

#[test]
fn what_cannot_be_read_is_unknown_whatever_it_says() {
    let of = |format| Evidence { format, ..elf() };
    let opaque = |opaque| Evidence {
        opaque: Some(opaque),
        ..elf().with(located(KNOWN, Integrity::Holds, None))
    };
    table(vec![
        (
            "script",
            of(Format::Script("/bin/sh".into())).labelled(envoy("BoringSSL-FIPS")),
            Module::Unknown,
            "a script",
        ),
        ("macOS", of(Format::MachO), Module::Unknown, "macOS"),
        ("Windows", of(Format::Pe), Module::Unknown, "Windows"),
        ("empty", of(Format::Empty), Module::Unknown, "empty"),
        ("text", of(Format::Other), Module::Unknown, "no program"),
        (
            "packed",
            opaque(Opaque::Packed(Some("UPX".into()))),
            Module::Unknown,
            "UPX",
        ),
        (
            "object",
            opaque(Opaque::Unlinked),
            Module::Unknown,
            "for the linker",
        ),
        (
            "damaged",
            opaque(Opaque::Damaged("cut off".into())),
            Module::Unknown,
            "cut off",
        ),
        (
            "foreign",
            opaque(Opaque::Foreign),
            Module::Unknown,
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
    let evidence = go("go1.27.3", &[KEY], Some(frozen(FROZEN))).sealed(Integrity::Holds);
    let on = |day: &str| evidence.judge(Modules::builtin(), day.parse().unwrap());
    assert_eq!(on("2026-04-26").module, Module::Identified);
    assert_eq!(on("2026-04-27").module, Module::Proven);
    let long_after = on("2031-05-01");
    assert_eq!(long_after.module, Module::Proven);
    assert_eq!(
        long_after.standing.unwrap().status,
        crate::fips::Status::Historical
    );
}

#[test]
fn headers_that_cannot_be_read_leave_no_certificate() {
    let module = located(KNOWN, Integrity::Holds, None);
    let whole = go(X, &[], Some(boring())).with(module);
    assert!(judged(&whole).standing.is_some());
    let bare = Evidence {
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
        (go("go1.27.3", &[KEY, off], Some(frozen(FROZEN))), true),
        (go("go1.27.3", &[KEY], Some(frozen(FROZEN))), false),
        (go(X, &[off], Some(boring())), false),
        (go("go1.27.3", &[off], Some(unfrozen())), false),
    ];
    for (evidence, expected) in table {
        assert_eq!(judged(&evidence).switched_off, expected);
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
            Evidence {
                format: Format::Script("/bin/sh".into()),
                ..elf()
            },
            Kind::Unread,
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
            Strength::Claimed,
        ),
        ("Go build setting: CGO_ENABLED=1", Strength::Claimed),
        (
            "Go build setting: DefaultGODEBUG=x=1,fips140=off",
            Strength::Claimed,
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
            Strength::Computed,
        ),
        (
            "functions in the sealed code: 100 of the module",
            Strength::Code,
        ),
        (
            &format!(
                "BoringCrypto module of 32 bytes: HMAC-sha256 computed again: {KNOWN}, as stored"
            ),
            Strength::Computed,
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

const LATEST: [&str; 2] = ["GOFIPS140=latest", "DefaultGODEBUG=fips140=on"];

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn edited_labels_and_names_are_seen_by_what_they_disagree_with() {
    let settings = |all: &[&str]| {
        let pairs = all.iter().filter_map(|setting| setting.split_once('='));
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let carrying = |said: &[&str], copy: Option<&[&str]>, godebug: bool| {
        let mut evidence = go("go1.26.6", said, Some(unfrozen())).sealed(Integrity::Holds);
        if said.is_empty() {
            evidence.go.as_mut().unwrap().buildinfo = None;
        }
        evidence.go.as_mut().unwrap().carried = Some(Carried {
            settings: copy.map(settings),
            place: None,
            godebug: godebug.then_some(PLACE),
        });
        evidence
    };
    let mut resealed = located(&"ab".repeat(32), Integrity::Holds, Some(2_022_061_300));
    resealed.fingerprint = Some(KNOWN.to_owned());
    let uncalled = Names {
        boring_calls: 0,
        ..boring()
    };
    table(vec![
        (
            "the copy agrees",
            carrying(&LATEST, Some(&LATEST), true),
            Module::Identified,
            "which no certificate covers",
        ),
        (
            "only the copy is left",
            carrying(&[], Some(&LATEST), true),
            Module::Identified,
            "which no certificate covers",
        ),
        (
            "the copy has no key",
            carrying(&LATEST, Some(&["CGO_ENABLED=0"]), true),
            Module::Contradicted,
            "GOFIPS140=latest, and the copy",
        ),
        (
            "the copy has another GODEBUG",
            carrying(&LATEST, Some(&["GOFIPS140=latest"]), true),
            Module::Contradicted,
            "DefaultGODEBUG=fips140=on, and the copy",
        ),
        (
            "the runtime begins with another GODEBUG",
            carrying(&LATEST, None, false),
            Module::Contradicted,
            "DefaultGODEBUG=fips140=on, and the copy",
        ),
        (
            "sealed again",
            go("go1.26.6 X:boringcrypto", &[], Some(boring())).with(resealed),
            Module::Contradicted,
            "computed again",
        ),
        (
            "a mark that nothing uses",
            go("go1.26.6", &[], Some(uncalled)),
            Module::Contradicted,
            "names or code were edited",
        ),
    ]);
}
