//! Tests of Go programs without either module, and of programs of other toolchains.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn other_programs_of_go() {
    use Assurance::{Contradicted, Declared, Proven, Standard, Unknown};
    use Integrity::Holds;
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
            "not a FIPS build",
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
            "not a FIPS build",
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
        (
            "nothing left",
            go("", &[], None),
            Unknown,
            "without build information",
        ),
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
            "it was built with the toolchain of Microsoft",
        ),
        (
            "Red Hat's, without its library",
            go(
                "go1.22.9 (Red Hat 1.22.9-1.el9)",
                &["-tags=no_openssl"],
                Some(crypto()),
            ),
            Standard,
            "it was built with the toolchain of Red Hat",
        ),
        (
            "Red Hat's, with the frozen module",
            go(
                "go1.27.1 (Red Hat 1.27.1-1.el10)",
                &[KEY, ON],
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
