//! Programs of the C linker.

use super::*;

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
