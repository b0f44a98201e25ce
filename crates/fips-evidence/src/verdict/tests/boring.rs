//! Tests of Go programs with BoringCrypto.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn boringcrypto_in_go() {
    use Assurance::{Contradicted, Declared, Identified, Proven, Standard};
    use Integrity::Holds;
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
            "does not reference the function table",
        ),
        (
            "GODEBUG of its own that it refuses",
            go(X, &["DefaultGODEBUG=fips140=only"], Some(boring()))
                .sealed(Holds)
                .with(known()),
            Identified,
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
            "uncalled bytes in a program with C",
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
            BinaryFacts {
                arch: None,
                ..go(X, &[], Some(boring())).with(known())
            },
            Declared,
            "which of its bytes are loaded",
        ),
        (
            "uncalled bytes",
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
            "an unknown value",
            go(X, &[], Some(boring())).with(located("ff", Holds, None)),
            Identified,
            "not a value of a validated module",
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
