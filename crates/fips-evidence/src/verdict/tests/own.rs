//! Tests of programs with Go's own module.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn the_module_of_go_itself() {
    use Assurance::{Contradicted, Declared, Identified, Proven, Standard};
    use Integrity::Holds;
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
            "leaves the module switched off",
        ),
        (
            "left off",
            go(v, &[KEY], Some(frozen(FROZEN))).sealed(Holds),
            Identified,
            "leaves the module switched off",
        ),
        (
            "a value that stock Go does not know",
            go(
                v,
                &[KEY, "DefaultGODEBUG=fips140=auto"],
                Some(frozen(FROZEN)),
            )
            .sealed(Holds),
            Identified,
            "panics at start",
        ),
        (
            "a value that the toolchain of Red Hat knows",
            go(
                v,
                &[KEY, "DefaultGODEBUG=fips140=auto"],
                Some(Names {
                    host_fips: true,
                    ..frozen(FROZEN)
                }),
            )
            .sealed(Holds),
            Proven,
            "where the host is in FIPS mode",
        ),
        (
            "with the address sanitizer",
            go(v, &[KEY, ON, "-asan=true"], Some(frozen(FROZEN))).sealed(Holds),
            Identified,
            "-asan",
        ),
        (
            "for a system without support",
            go(v, &[KEY, ON, "GOOS=openbsd"], Some(frozen(FROZEN))).sealed(Holds),
            Identified,
            "GOOS",
        ),
        (
            "a tag of Red Hat's toolchain",
            go(
                v,
                &[KEY, ON, "-tags=strictfipsruntime,no_openssl"],
                Some(frozen(FROZEN)),
            )
            .sealed(Holds),
            Proven,
            "#5247",
        ),
        (
            "a tag of Microsoft's toolchain",
            go(v, &[KEY, ON, "-tags=requirefips"], Some(frozen(FROZEN))).sealed(Holds),
            Proven,
            "#5247",
        ),
        (
            "what stays of a toolchain without its library",
            go(
                v,
                &[KEY, ON, "-tags=no_openssl"],
                Some(Names {
                    backend: true,
                    ..frozen(FROZEN)
                }),
            )
            .sealed(Holds),
            Proven,
            "#5247",
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
            go(v, &["GOFIPS140=v1.0.0", ON], Some(frozen(FROZEN))).sealed(Holds),
            Proven,
            "#5247",
        ),
        (
            "the snapshot before the certified one",
            go(
                "go1.24.1",
                &["GOFIPS140=v1.0.0", ON],
                Some(frozen("v1.0.0")),
            )
            .sealed(Holds),
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
            go(v, &[KEY, ON], Some(frozen(FROZEN)))
                .sealed(Holds)
                .with_coverage(None),
            Identified,
            "could not be compared",
        ),
        (
            "functions without names of the module",
            go(v, &[KEY, ON], Some(frozen(FROZEN)))
                .sealed(Holds)
                .with_coverage(Some(Coverage::default())),
            Identified,
            "could not be compared",
        ),
        (
            "a function outside of the seal",
            go(v, &[KEY, ON], Some(frozen(FROZEN)))
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
            go(v, &[KEY, ON], Some(frozen(FROZEN)))
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
            go(v, &[KEY, ON], Some(Names::default()))
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
            go(v, &[KEY, ON], Some(frozen(FROZEN))).sealed(differs()),
            Contradicted,
            "does not hold",
        ),
        (
            "not computed",
            go(v, &[KEY, ON], Some(frozen(FROZEN))).sealed(not_computed()),
            Declared,
            "could not be computed",
        ),
        (
            "no seal",
            go(v, &[KEY, ON], Some(frozen(FROZEN))),
            Declared,
            "could not be computed",
        ),
        (
            "edited names",
            go(
                v,
                &[KEY, ON],
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
            go(v, &[KEY, ON], Some(frozen(FROZEN)))
                .sealed(Holds)
                .covering(64),
            Declared,
            "could not be computed",
        ),
        (
            "sealed with zeros",
            go(v, &[KEY, ON], Some(frozen(FROZEN))).sealed_as("0000", Holds),
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
            "an unknown version",
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
            go(v, &[KEY, ON], Some(unfrozen())).sealed(Holds),
            Contradicted,
            "ordinary build",
        ),
        (
            "forged key of an old Go",
            go("go1.22.1", &[KEY, ON], Some(crypto())),
            Contradicted,
            "not in it",
        ),
        (
            "key alone",
            go(v, &[KEY, ON], None).sealed(Holds),
            Declared,
            "only its build information",
        ),
        (
            "key, no cryptography",
            go(v, &[KEY, ON], Some(Names::default())).sealed(Holds),
            Standard,
            "links no cryptography",
        ),
        (
            "key, other cryptography",
            go(v, &[KEY, ON], Some(crypto())).sealed(Holds),
            Declared,
            "no function of the module",
        ),
    ]);
}
