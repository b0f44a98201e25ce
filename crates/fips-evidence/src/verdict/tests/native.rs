//! Tests of programs of the C linker.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn programs_of_the_c_linker() {
    use Assurance::{Contradicted, Declared, Identified, Proven, Standard};
    use Integrity::Holds;
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
            "a snapshot that was not measured",
            elf().with(located("ff", Holds, Some(20_240_407))),
            Identified,
            "fips-20240407",
        ),
        (
            "an unknown version",
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
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn fips_builds_of_other_makers_are_declared_with_their_version_and_where_their_value_is() {
    let build = |name, key, version: &str, link: Link| Library {
        version: Some(version.into()),
        is_fips: true,
        ..library_of(name, key, link)
    };
    let own = |name: &str| Link::Itself(name.into());
    for (library, title, reasons) in [
        (
            build(
                "OpenSSL",
                "openssl",
                "1.1.1k  FIPS 25 Mar 2021",
                own("libcrypto.so.1.1"),
            ),
            "OpenSSL 1.1.1k  FIPS 25 Mar 2021",
            &["it is libcrypto.so.1.1 of OpenSSL", ".hmac"][..],
        ),
        (
            build(
                "OpenSSL",
                "openssl",
                "1.0.2k-fips  26 Jan 2017",
                Link::Static,
            ),
            "OpenSSL 1.0.2k-fips  26 Jan 2017",
            &[
                "it has the texts of OpenSSL 1.0.2k-fips",
                "linked statically",
            ],
        ),
        (
            build(
                "OpenSSL FIPS Provider",
                "openssl-fips-provider",
                "3.1.2",
                Link::Static,
            ),
            "OpenSSL FIPS Provider 3.1.2",
            &["fipsmodule.cnf", "#4985"],
        ),
        (
            build("NSS", "nss", "3.87.1", own("libsoftokn3.so")),
            "NSS cryptographic module 3.87.1",
            &["libsoftokn3.chk"],
        ),
        (
            build("Libgcrypt", "libgcrypt", "1.9.4", own("libgcrypt.so.20")),
            "Libgcrypt 1.9.4",
            &[".libgcrypt.so.20.hmac"],
        ),
    ] {
        let verdict = elf().having(library).judge(Modules::builtin(), today());
        assert_eq!(verdict.module, Assurance::Declared, "{title}");
        assert_eq!(verdict.name.as_deref(), Some(title));
        // A certificate is reported only for a module with bytes that were found.
        assert_eq!(verdict.standing, None);
        let text = verdict.reasons.join("; ");
        for part in reasons {
            assert!(text.contains(part), "{title}: {text}");
        }
        assert!(verdict.other_cryptography.is_empty(), "{title}");
    }
}

#[test]
fn provider_of_another_maker_has_no_certificate_of_the_version_it_was_made_from() {
    let library = Library {
        version: Some("3.1.2".into()),
        is_fips: true,
        module: Some("Example Linux 9 - OpenSSL FIPS Provider".into()),
        ..library_of(
            "OpenSSL FIPS Provider",
            "openssl-fips-provider",
            Link::Static,
        )
    };
    let verdict = elf().having(library).judge(Modules::builtin(), today());
    let text = verdict.reasons.join("; ");
    assert!(
        text.contains("\"Example Linux 9 - OpenSSL FIPS Provider\""),
        "{text}"
    );
    assert!(!text.contains('#'), "{text}");
}

#[test]
fn provider_that_the_data_names_has_the_state_of_its_own_row() {
    let name = "Red Hat Enterprise Linux 9 - OpenSSL FIPS Provider";
    let library = Library {
        version: Some("3.0.7-395c1a24".into()),
        is_fips: true,
        module: Some(name.into()),
        ..library_of(
            "OpenSSL FIPS Provider",
            "openssl-fips-provider",
            Link::Static,
        )
    };
    let verdict = elf().having(library).judge(Modules::builtin(), today());
    let text = verdict.reasons.join("; ");
    assert!(text.contains("no certificate: pending review"), "{text}");
    assert_eq!(verdict.standing, None);
}

#[test]
fn libraries_without_a_fips_build_are_standard_by_their_name() {
    for (library, part) in [
        (
            library_of("GnuTLS", "gnutls", Link::Itself("libgnutls.so.30".into())),
            "GnuTLS: no FIPS module",
        ),
        (library_of("ring", "", Link::Static), "ring: no FIPS module"),
        (
            library_of("OpenSSL", "openssl", Link::Itself("libcrypto.so.3".into())),
            "ossl-modules/fips.so",
        ),
    ] {
        let verdict = elf().having(library).judge(Modules::builtin(), today());
        assert_eq!(verdict.module, Assurance::Standard);
        let text = verdict.reasons.join("; ");
        assert!(text.contains(part), "{text}");
    }
    // A library that is linked statically is not loaded.
    let linked = library_of("OpenSSL", "openssl", Link::Static);
    let verdict = elf().having(linked).judge(Modules::builtin(), today());
    assert_eq!(verdict.reasons, ["OpenSSL: no FIPS module"]);
}

#[test]
fn integrity_test_that_nothing_fits_is_named_and_counts_as_declared() {
    let label = || Label::Library {
        text: "AWS-LC FIPS 3.0.0".into(),
        place: PLACE,
    };
    for evidence in [
        elf().labelled(label()).marked(Family::AwsLc).unmatched(),
        elf().marked(Family::BoringCrypto).unmatched(),
    ] {
        let verdict = evidence.judge(Modules::builtin(), today());
        assert_eq!(verdict.module, Assurance::Declared);
        assert!(
            verdict.reasons[0].contains("no value in the file fits"),
            "{:?}",
            verdict.reasons
        );
    }
}

#[test]
fn module_has_the_version_of_the_text_among_its_bytes_and_of_no_other() {
    let label = |offset| Label::Library {
        text: "AWS-LC FIPS 3.0.0".into(),
        place: Place { offset, len: 17 },
    };
    let module = || Located {
        family: Family::AwsLc,
        ..located("ff", Integrity::Holds, None)
    };
    for (offset, name) in [
        (PLACE.offset + 1, "AWS-LC FIPS 3.0.0"),
        (PLACE.offset + PLACE.len, "AWS-LC"),
    ] {
        let verdict = elf()
            .with(module())
            .labelled(label(offset))
            .judge(Modules::builtin(), today());
        assert_eq!(verdict.module, Assurance::Identified);
        assert_eq!(verdict.name.as_deref(), Some(name));
    }
}

#[test]
fn libraries_in_addition_to_a_module_are_other_cryptography() {
    let other = |evidence: BinaryFacts| {
        let verdict = evidence.judge(Modules::builtin(), today());
        let names = verdict.other_cryptography.into_iter();
        names.map(|one| one.name).collect::<Vec<_>>()
    };
    let linked = |name, key| library_of(name, key, Link::Static);
    let boring = || {
        elf()
            .with(located(KNOWN, Integrity::Holds, None))
            .having(linked("BoringSSL", ""))
    };
    assert_eq!(other(boring()), [""; 0]);
    let all = boring()
        .having(linked("ring", ""))
        .having(linked("AWS-LC", ""))
        .loading("libcrypto.so.3");
    assert_eq!(other(all), ["ring", "AWS-LC", "libcrypto.so.3"]);
    // Without a module, all libraries are the program's ordinary cryptography.
    assert_eq!(other(elf().having(linked("ring", ""))), [""; 0]);
    // The rest of OpenSSL belongs to the same library as its module.
    let openssl = Library {
        is_fips: true,
        ..linked("OpenSSL", "openssl")
    };
    let both = elf()
        .having(openssl)
        .loading("libssl.so.1.1")
        .having(linked("libsodium", "libsodium"));
    assert_eq!(other(both), ["libsodium"]);
}
