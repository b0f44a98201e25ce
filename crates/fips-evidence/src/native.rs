//! What programs contain that the Go linker did not make: texts of FIPS modules, the words of `envoy --version`,
//! ztunnel's provider, cryptographic libraries. All of them are found in one pass over the bytes that the loader
//! maps.
//!
//! A text does not prove anything: this program itself contains all the texts that are searched for.

mod envoy;
mod library;
mod mark;
mod text;
mod ztunnel;

use std::io;

use super::boring;
use super::bytes::Bytes;
use super::elf::{Layout, Segment};
use super::libraries::LibraryRow;
use super::{Label, Library, Mark, Place};
use text::Texts;

pub(super) use library::loaded;

/// What was found in a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Native {
    /// Either empty, or several different texts that only FIPS builds contain.
    pub marks: Vec<Mark>,
    pub labels: Vec<Label>,
    pub libraries: Vec<Library>,
}

/// Returns everything that the loader maps, or the whole file if its headers do not describe it.
pub(super) fn mapped(bytes: &Bytes<'_>, layout: Option<&Layout>) -> Vec<Place> {
    let mapped = layout.map_or_else(Vec::new, |layout| layout.places(|_| true));
    if mapped.is_empty() {
        return vec![Place {
            offset: 0,
            len: bytes.size(),
        }];
    }
    mapped
}

/// Returns the parts that contain the constants of a Go program and of the C libraries in it, without Go's function
/// table, which can be as large as all of them. `names` is the position of the names in that table.
///
/// A linker puts constants into the code segment only if no other segment is read-only. The integrity test of a
/// module covers constants among its code, but a library also has constants outside of it.
pub(super) fn constants(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    names: Option<Place>,
) -> Vec<Place> {
    let read_only = |it: &Segment| !it.executable && !it.writable;
    let Some(layout) = layout.filter(|layout| layout.segments.iter().any(read_only)) else {
        return mapped(bytes, layout);
    };
    let table = names.map(|names| {
        // The names are at the start of the table; a section that ends before them belongs to another table.
        let section = layout.section(".gopclntab").map(|section| section.place);
        let end = section.map_or(0, |it| it.offset.saturating_add(it.len));
        Place {
            len: names.len.max(end.saturating_sub(names.offset)),
            ..names
        }
    });
    let places = layout.places(|segment| !segment.executable);
    places
        .into_iter()
        .flat_map(|place| without(place, table))
        .collect()
}

/// Returns the parts of `place` before and after `hole`.
fn without(place: Place, hole: Option<Place>) -> impl Iterator<Item = Place> {
    let end = place.offset.saturating_add(place.len);
    let hole = hole.unwrap_or(Place {
        offset: end,
        len: 0,
    });
    let hole_end = hole.offset.saturating_add(hole.len);
    [
        (place.offset, end.min(hole.offset)),
        (place.offset.max(hole_end), end),
    ]
    .into_iter()
    .filter(|(from, to)| from < to)
    .map(|(from, to)| Place {
        offset: from,
        len: to - from,
    })
}

/// Searches the parts `mapped` of a program for all known texts.
pub(super) fn scan(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    mapped: &[Place],
    rows: &[LibraryRow],
) -> io::Result<Native> {
    let patterns = rows.iter().flat_map(LibraryRow::patterns);
    let texts = Texts::read(bytes, mapped, patterns)?;
    let mut labels = Vec::new();
    labels.extend(envoy::label(bytes, &texts, mapped)?);
    labels.extend(ztunnel::label(&texts));
    labels.extend(library::labels(&texts));
    Ok(Native {
        marks: mark::marks(&texts, &boring::executable(bytes, layout)),
        labels,
        libraries: library::libraries(bytes, layout, &texts, rows)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::{SHAPES, Sample};
    use super::super::{Family, Link, Modules};
    use super::*;

    const REVISION: &str = "9e5580933739775e8bce696a57a2e1bc99368f23";

    fn scan_file(file: &[u8]) -> Native {
        let rows = Modules::builtin().libraries();
        let bytes = Bytes::new(&file, file.len() as u64);
        scan(&bytes, None, &mapped(&bytes, None), rows).unwrap()
    }

    /// Returns C strings, after some other bytes.
    fn texts(texts: &[&str]) -> Vec<u8> {
        let mut file = vec![b'.'; 2000];
        for text in texts {
            file.push(0);
            file.extend(text.as_bytes());
        }
        file.push(0);
        file.resize(file.len() + 2000, b'.');
        file
    }

    /// Returns a short string of libc++.
    fn short(text: &str) -> String {
        let len = char::from(u8::try_from(text.len()).unwrap() * 2);
        format!("{len}{text:\0<23}")
    }

    fn envoy(file: &[u8]) -> Option<Label> {
        let mut labels = scan_file(file).labels.into_iter();
        labels.find(|label| matches!(label, Label::Envoy { .. }))
    }

    /// Returns revision, version, status, build type, library.
    fn words(file: &[u8]) -> Option<[Option<String>; 5]> {
        let Label::Envoy {
            revision,
            version,
            status,
            build,
            ssl,
            ..
        } = envoy(file)?
        else {
            return None;
        };
        Some([revision, version, status, build, ssl])
    }

    #[test]
    fn two_texts_of_a_module_are_marks_and_one_is_a_quotation() {
        let marks = |given: &[&str]| {
            let marks = scan_file(&texts(given)).marks;
            marks
                .iter()
                .map(|mark| mark.text.clone())
                .collect::<Vec<_>>()
        };
        let two = ["FIPS integrity test", "FIPS self test"];
        assert_eq!(marks(&two), two);
        assert!(marks(&two[..1]).is_empty());
        assert!(marks(&["FIPS integrity test", "FIPS integrity test"]).is_empty());
        assert!(marks(&["FIPS integrity test", "BoringCrypto Key"]).is_empty());
        // Ordinary builds of BoringSSL and AWS-LC contain the self-tests as well.
        let ordinary = ["BoringCrypto Key", "FIPS self test", "DRBG Clear KAT"];
        assert!(marks(&ordinary).is_empty());
        assert!(marks(&["FIPS integrity tests", "FIPS self test, DRBG Clear KAT;"]).is_empty());
        let span = "FIPS module doesn't span expected symbol";
        assert_eq!(
            marks(&["DRBG Clear KAT", &format!("{span}. Expected %p")]).len(),
            2
        );
        assert_eq!(
            marks(&["DRBG Clear KAT", &format!("{span} (%s). Expected")]).len(),
            2
        );
        assert!(marks(&["DRBG Clear KAT", span]).is_empty());
    }

    #[test]
    fn texts_that_cannot_be_run_are_marks_only_all_together() {
        let span = "FIPS module doesn't span expected symbol. Expected %p";
        let all = [
            "FIPS integrity test",
            "FIPS self test",
            "DRBG Clear KAT",
            span,
        ];
        let count = |given: &[&str]| {
            let file = texts(given);
            let bytes = Bytes::new(&file, file.len() as u64);
            let texts = Texts::read(
                &bytes,
                &[Place {
                    offset: 0,
                    len: u64::MAX,
                }],
                std::iter::empty(),
            )
            .unwrap();
            mark::marks(
                &texts,
                &[Place {
                    offset: 0,
                    len: 2000,
                }],
            )
            .len()
        };
        assert_eq!(count(&all[..3]), 0);
        assert_eq!(count(&all), 4);
    }

    #[test]
    fn a_version_of_aws_lc_makes_the_marks_its_own() {
        let two = ["FIPS integrity test", "FIPS self test"];
        let family = |more: &str| scan_file(&texts(&[two[0], two[1], more])).marks[0].family;
        assert_eq!(family("AWS-LC FIPS 4.2.0"), Family::AwsLc);
        assert_eq!(
            family("AWS-LC FIPS failure caused by:"),
            Family::BoringCrypto
        );
    }

    #[test]
    fn a_mark_stands_where_it_says() {
        let file = texts(&["FIPS integrity test", "FIPS self test"]);
        for mark in scan_file(&file).marks {
            let start = usize::try_from(mark.place.offset).unwrap();
            let end = start + usize::try_from(mark.place.len).unwrap();
            assert_eq!(&file[start..end], mark.text.as_bytes());
        }
    }

    #[test]
    fn an_envoy_says_five_words() {
        let ssl = |ssl: &str| {
            let strings = short("RELEASE") + &short(ssl);
            words(&texts(&[REVISION, "Clean", "1.40.0", "1.3.1", &strings])).unwrap()
        };
        let expected = |ssl: &str| {
            [REVISION, "1.40.0", "Clean", "RELEASE", ssl].map(|word| Some(word.to_owned()))
        };
        for name in [
            "BoringSSL",
            "BoringSSL-FIPS",
            "AWS-LC-FIPS",
            "OpenSSL",
            "no-ssl",
            "Fork-1",
        ] {
            assert_eq!(ssl(name), expected(name));
        }
    }

    #[test]
    fn what_an_envoy_does_not_say_is_absent() {
        let library_first = short("BoringSSL-FIPS") + &short("DEBUG");
        let words_of =
            |given: &[&str]| words(&texts(given)).map(|words| words.map(Option::unwrap_or_default));
        let some = |words: [&str; 5]| Some(words.map(str::to_owned));
        assert_eq!(
            words_of(&[&library_first]),
            some(["", "", "", "DEBUG", "BoringSSL-FIPS"])
        );
        // Without libc++, the name of the library is a C string.
        assert_eq!(
            words_of(&[REVISION, "Modified", "BoringSSL-FIPS"]),
            some([REVISION, "", "Modified", "", "BoringSSL-FIPS"])
        );
        assert_eq!(
            words_of(&[REVISION, "Distribution", "no-BoringSSL-FIPS", "1.38.0-dev"]),
            some([REVISION, "1.38.0-dev", "Distribution", "", ""])
        );
        assert_eq!(
            words_of(&[REVISION, "Clean", "1.40.0", "1.41.0"]),
            some([REVISION, "", "Clean", "", ""])
        );
    }

    #[test]
    fn a_program_that_names_the_library_is_no_envoy() {
        let other = short("RELEASE");
        for given in [
            &["BoringSSL-FIPS", "Clean", "RELEASE"][..],
            &[&REVISION[1..], "Clean"],
            &["09e5580933739775e8bce696a57a2e1bc99368f23", "Clean"],
            &[
                &other,
                "and then something else that is not a string of libc++",
            ],
        ] {
            assert_eq!(envoy(&texts(given)), None, "{given:?}");
        }
    }

    #[test]
    fn a_ztunnel_names_one_provider() {
        let provider = |given: &[&str]| {
            let labels = scan_file(&texts(given)).labels;
            labels.into_iter().find_map(|label| match label {
                Label::Ztunnel { provider, .. } => Some(provider),
                _ => None,
            })
        };
        let version = "version.BuildInfo{Version:\"";
        assert_eq!(provider(&[version, "tls-boring"]).unwrap(), "tls-boring");
        assert_eq!(
            provider(&[version, "tls-aws-", "lc"]).unwrap(),
            "tls-aws-lc"
        );
        assert_eq!(
            provider(&[version, "tls-ring", "tls-ring"]).unwrap(),
            "tls-ring"
        );
        assert_eq!(provider(&[version, "tls-openssl", "tls-ring"]), None);
        assert_eq!(provider(&["Info{Version:\"", "tls-boring"]), None);
        assert_eq!(provider(&["tls-boring"]), None);
    }

    #[test]
    fn libraries_are_named_once_with_what_they_say_of_their_version() {
        let libraries = |given: &[&str]| {
            let found = scan_file(&texts(given)).libraries;
            found.iter().map(Library::to_string).collect::<Vec<_>>()
        };
        let openssl = "OpenSSL 3.0.19 27 Jan 2026";
        assert_eq!(libraries(&[openssl, openssl]), [openssl]);
        assert_eq!(libraries(&["OpenSSL RSA method"]), [""; 0]);
        assert_eq!(
            libraries(&["external/boringssl+/crypto/a.cc"]),
            ["BoringSSL"]
        );
        assert_eq!(libraries(&["OPENSSL_internal"]), ["BoringSSL"]);
        assert_eq!(libraries(&["OPENSSL_internals"]), [""; 0]);
        assert_eq!(
            libraries(&["OPENSSL_internal", "x/aws-lc/crypto/a.c"]),
            ["AWS-LC"]
        );
        assert_eq!(
            libraries(&["a/ring-0.17.14/src/digest.rs"]),
            ["ring 0.17.14"]
        );
        assert_eq!(
            libraries(&[
                "crates__ring-0.17.14/src/rsa.rs",
                "iri-string-0.7.14/src/lib.rs"
            ]),
            ["ring 0.17.14"]
        );
        assert_eq!(
            libraries(&["ring-0.5 metres", "ring-0.x/src/", "ring-0.1.2.3/src/"]),
            [""; 0]
        );
        assert_eq!(libraries(&["AWS-LC FIPS 4.2.0"]), ["AWS-LC FIPS 4.2.0"]);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn fips_builds_of_other_makers_are_named_by_their_own_texts() {
        // text, name, version, whether it is a FIPS build, the name that it gives itself
        for (given, name, version, is_fips, module) in [
            (
                &["OpenSSL 1.1.1k  FIPS 25 Mar 2021"][..],
                "OpenSSL",
                "1.1.1k  FIPS 25 Mar 2021",
                true,
                None,
            ),
            (
                &["OpenSSL 1.0.2k-fips  26 Jan 2017"],
                "OpenSSL",
                "1.0.2k-fips  26 Jan 2017",
                true,
                None,
            ),
            (
                &["OpenSSL 3.0.22 25 Aug 2026"],
                "OpenSSL",
                "3.0.22 25 Aug 2026",
                false,
                None,
            ),
            (
                &[
                    "Module_Integrity",
                    "module-mac",
                    "3.0.7-395c1a24",
                    "Red Hat Enterprise Linux 9 - OpenSSL FIPS Provider",
                ],
                "OpenSSL FIPS Provider",
                "3.0.7-395c1a24",
                true,
                Some("Red Hat Enterprise Linux 9 - OpenSSL FIPS Provider"),
            ),
            (
                &["This is Libgcrypt 1.10.1 - The GNU Crypto Library"],
                "Libgcrypt",
                "1.10.1",
                false,
                None,
            ),
            (
                &[
                    "This is Libgcrypt 1.10.1 - The GNU Crypto Library",
                    "What am I, a doctor or a moonshuttle conductor?",
                ],
                "Libgcrypt",
                "1.10.1",
                true,
                None,
            ),
            (
                &["Enabled GnuTLS 3.7.9 logging...\n"],
                "GnuTLS",
                "3.7.9",
                false,
                None,
            ),
            (
                &[
                    "Enabled GnuTLS 3.8.3 logging...\n",
                    "GNUTLS_FORCE_FIPS_MODE",
                ],
                "GnuTLS",
                "3.8.3",
                true,
                None,
            ),
            (
                &["Version: NSS 3.87.1 Basic ECC"],
                "NSS",
                "3.87.1",
                false,
                None,
            ),
            (&["mbed TLS 2.28.3"], "Mbed TLS", "2.28.3", false, None),
            (
                &["Botan 2.19.3 (unreleased, revision unknown)"],
                "Botan",
                "2.19.3",
                false,
                None,
            ),
            (&["LibreSSL 3.9.2"], "LibreSSL", "3.9.2", false, None),
        ] {
            let [library] = scan_file(&texts(given)).libraries.try_into().unwrap();
            assert_eq!(library.name, name);
            assert_eq!(library.version.as_deref(), Some(version));
            assert_eq!(
                (library.is_fips, library.module.as_deref()),
                (is_fips, module),
                "{name}"
            );
            assert_eq!(library.link, Link::Static);
        }
    }

    #[test]
    fn version_is_found_however_often_its_library_is_named() {
        let mut many = vec!["OpenSSL method"; 200];
        many.push("OpenSSL 3.5.9 29 Sep 2026");
        let [library] = scan_file(&texts(&many)).libraries.try_into().unwrap();
        assert_eq!(library.to_string(), "OpenSSL 3.5.9 29 Sep 2026");
    }

    #[test]
    fn texts_of_a_library_that_is_loaded_are_those_of_its_headers() {
        let rows = Modules::builtin().libraries();
        let text = b"\0OpenSSL 1.1.1k  FIPS 25 Mar 2021\0";
        for (libraries, found) in [(vec!["libcrypto.so.1.1"], 0), (vec!["libc.so.6"], 1)] {
            let mut sample = Sample::new(SHAPES[0]).rodata(".rodata", 0x40_1000, text);
            sample.libraries = libraries;
            let file = sample.build();
            let bytes = Bytes::new(&file, file.len() as u64);
            let layout = Layout::read(&bytes).unwrap().unwrap();
            let native = scan(&bytes, Some(&layout), &mapped(&bytes, Some(&layout)), rows).unwrap();
            assert_eq!(native.libraries.len(), found);
        }
    }

    #[test]
    fn constants_are_without_code_and_function_table_unless_code_holds_them() {
        let text = b"\0OpenSSL 3.5.1 1 Jul 2025\0";
        let code = Sample::new(SHAPES[0]).text(".text", 0x40_1000, text);
        let read = |sample: Sample, names: Option<&[u8]>| {
            let file = sample.build();
            let bytes = Bytes::new(&file, file.len() as u64);
            let layout = Layout::read(&bytes).unwrap().unwrap();
            let names = names.and_then(|names| {
                Some(Place {
                    offset: memchr::memmem::find(&file, names)? as u64,
                    len: names.len() as u64,
                })
            });
            let places = constants(&bytes, Some(&layout), names);
            let rows = Modules::builtin().libraries();
            let native = scan(&bytes, Some(&layout), &places, rows).unwrap();
            native.libraries.len()
        };
        // A linker that separates code and constants, and one that does not.
        assert_eq!(
            read(code.clone().rodata(".rodata", 0x48_0000, b"text"), None),
            0
        );
        assert_eq!(read(code.clone(), None), 1);
        let both = Sample::new(SHAPES[0])
            .text(".text", 0x40_1000, b"code")
            .rodata(".rodata", 0x48_0000, text);
        assert_eq!(read(both.clone(), None), 1);
        assert_eq!(read(both.clone(), Some(&text[1..])), 0);
        // The table ends with its section; the bytes before and after it are read.
        let table = |bytes: &[u8]| {
            let sample = code.clone().rodata(".gopclntab", 0x50_0000, bytes);
            read(sample, Some(b"names"))
        };
        assert_eq!(table(&[b"names", &text[..]].concat()), 0);
        assert_eq!(table(&[&text[..], b"names"].concat()), 1);
    }

    #[test]
    fn takes_no_library_for_fips_build_by_file_name_alone() {
        let rows = Modules::builtin().libraries();
        for (soname, given, expected) in [
            (
                "libsoftokn3.so",
                &["Version: NSS 3.87.1 Basic ECC"][..],
                false,
            ),
            (
                "libsoftokn3.so",
                &["Generic NSS 3.87.1 Basic ECC Unvalidated"],
                false,
            ),
            ("libfreeblpriv3.so", &["Version: NSS 3.87.1"], false),
            (
                "libsoftokn3.so",
                &["Red Hat Enterprise Linux 9 nss-softokn 3.90.0"],
                true,
            ),
            ("fips.so", &[], false),
            ("fips.so", &["Module_Integrity", "module-mac"], true),
            ("libbc-fips-avx.so", &[], false),
        ] {
            let sample = Sample::new(SHAPES[0]);
            let dynamic = sample.words(&[5, 0x71_0000, 14, 1, 0, 0]);
            let name = format!("\0{soname}\0");
            let file = sample
                .rodata(".rodata", 0x40_1000, &texts(given))
                .rodata(".dynstr", 0x71_0000, &[name.as_bytes(), &[0; 300]].concat())
                .data(".dynamic", 0x73_0000, &dynamic)
                .build();
            let bytes = Bytes::new(&file, file.len() as u64);
            let layout = Layout::read(&bytes).unwrap().unwrap();
            let found = scan(&bytes, Some(&layout), &mapped(&bytes, Some(&layout)), rows)
                .unwrap()
                .libraries;
            let [library] = found.try_into().unwrap();
            assert_eq!(library.link, Link::Itself(soname.to_owned()));
            assert_eq!(library.is_fips, expected, "{soname} {given:?}");
        }
    }

    #[test]
    fn texts_that_only_speak_of_a_library_show_none() {
        for given in [
            "SM2 signatures requires Botan 2.8 or higher",
            "OpenSSL 3.0 or higher is required",
            "OpenSSL 1.1.1 (compatible; BoringSSL)",
            "needs module-mac and Module_Integrity",
            "\"Module_Integrity\",\"module-mac\"",
        ] {
            assert_eq!(scan_file(&texts(&[given])).libraries, [], "{given}");
        }
    }

    #[test]
    fn packages_of_rust_are_named_by_the_paths_that_they_leave() {
        let found = |given: &[&str]| {
            let found = scan_file(&texts(given)).libraries;
            found.iter().map(Library::to_string).collect::<Vec<_>>()
        };
        let registry = "/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/";
        let path = |package: &str| format!("{registry}{package}/src/lib.rs");
        assert_eq!(
            found(&[&path("aes-gcm-0.10.3"), &path("sha2-0.11.0-rc.2")]),
            ["aes-gcm 0.10.3", "sha2 0.11.0-rc.2"]
        );
        assert_eq!(
            found(&["external/crates__ed25519-dalek-2.1.1/src/x.rs"]),
            ["ed25519-dalek 2.1.1"]
        );
        assert_eq!(
            found(&[&path("serde-1.0.1"), &path("aes-gcm"), registry]),
            [""; 0]
        );
        // Other packages do not displace it, however often they are named.
        let mut many = vec![path("serde-1.0.1"); 2 * 64];
        many.push(path("p256-0.13.2"));
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(found(&many), ["p256 0.13.2"]);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            parts in prop::collection::vec(prop::sample::select(vec![
                "FIPS integrity test", "AWS-LC FIPS ", "Clean\0", REVISION, "\u{e}RELEASE\0",
                "OpenSSL ", "ring-0.", "1.40.0", "\0", "/src/", "/aws-lc", "\u{12}BoringSSL",
            ]), 0..12),
        ) {
            let mut file = noise.clone();
            for part in parts {
                file.extend(part.as_bytes());
                file.extend(noise.iter().take(3));
            }
            scan_file(&file);
        }
    }
}
