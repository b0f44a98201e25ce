//! The output of well-known commands that auditors use, and where that output is wrong.

use serde::Serialize;

use super::verdict::{Toolchain, Verdict};
use super::{BinaryFacts, Format, Go, Label};
use crate::Assurance;

/// The minor version of Go 1 since which names of assembly functions have a suffix; `goversion` looks for the name
/// without it.
const SUFFIXED: u32 = 17;

/// A command and its answer for one program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Recipe {
    /// The command line.
    pub tool: &'static str,
    /// The output that the command would print.
    pub says: String,
    /// Why the output is wrong; absent if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub but: Option<&'static str>,
}

/// The statement that an answer makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    Fips,
    Standard,
    Nothing,
}

/// Returns what each command for this kind of program would print, according to its published rules.
pub fn recipes(evidence: &BinaryFacts, verdict: &Verdict) -> Vec<Recipe> {
    let recipe = |tool, (says, claim): (String, Claim)| Recipe {
        tool,
        says,
        but: wrong(claim, verdict.module),
    };
    if let Some(go) = &evidence.go {
        return vec![
            recipe("goversion -crypto FILE", goversion(evidence, go)),
            recipe("go version FILE", go_version(go)),
        ];
    }
    let tuple = evidence.labels.iter().find_map(envoy_version);
    tuple
        .map(|answer| recipe("envoy --version", answer))
        .into_iter()
        .collect()
}

fn wrong(claim: Claim, module: Assurance) -> Option<&'static str> {
    let fips = module >= Assurance::Declared;
    match claim {
        Claim::Fips if module == Assurance::Standard || module == Assurance::Contradicted => {
            Some("it reports FIPS where there is none")
        }
        Claim::Standard if fips => Some("it does not see the module"),
        Claim::Nothing if fips => Some("it gives no verdict, and still exits with 0"),
        _ => None,
    }
}

fn goversion(evidence: &BinaryFacts, go: &Go) -> (String, Claim) {
    if !matches!(evidence.format, Format::Elf { .. }) {
        return ("not a Go executable".to_owned(), Claim::Nothing);
    }
    if !go.symbols {
        let headerless = matches!(
            evidence.format,
            Format::Elf {
                headerless: true,
                ..
            }
        );
        let says = if headerless {
            "no symbol section"
        } else {
            "unknown Go version"
        };
        return (says.to_owned(), Claim::Nothing);
    }
    let names = go.names.as_ref();
    let foreign = names.is_some_and(|names| names.foreign.is_some() || names.backend);
    let boring = names.is_some_and(|names| names.boring || names.boring_calls > 0);
    let standard = names.is_some_and(|names| names.standard);
    let fipsonly = names.is_some_and(|names| names.fipsonly)
        && Toolchain::of_go(go)
            .version
            .is_some_and(|version| version.minor < SUFFIXED);
    let (word, claim) = match (boring, standard && !foreign) {
        (true, true) => (" (boring AND standard crypto!!!)", Claim::Fips),
        (true, false) => (" (boring crypto)", Claim::Fips),
        (false, true) => (" (standard crypto)", Claim::Standard),
        (false, false) => ("", Claim::Nothing),
    };
    let version = go.version.as_deref().unwrap_or("unknown Go version");
    let only = if fipsonly {
        " +crypto/tls/fipsonly"
    } else {
        ""
    };
    (format!("{version}{word}{only}"), claim)
}

fn go_version(go: &Go) -> (String, Claim) {
    let Some(version) = go.version.as_ref().filter(|_| go.buildinfo.is_some()) else {
        return ("could not read Go build info".to_owned(), Claim::Nothing);
    };
    let toolchain = Toolchain::of_go(go);
    let claim = if toolchain.boring.is_some() {
        Claim::Fips
    } else {
        Claim::Standard
    };
    (version.clone(), claim)
}

/// Returns `REVISION/VERSION/STATUS/BUILD/SSL`, as far as the bytes contain it.
fn envoy_version(label: &Label) -> Option<(String, Claim)> {
    let Label::Envoy {
        revision,
        version,
        status,
        build,
        ssl,
        ..
    } = label
    else {
        return None;
    };
    let words = [revision, version, status, build, ssl].map(|word| word.as_deref().unwrap_or("?"));
    let claim = match ssl {
        Some(ssl) if ssl.contains("-FIPS") => Claim::Fips,
        Some(_) => Claim::Standard,
        None => Claim::Nothing,
    };
    Some((words.join("/"), claim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Modules, Names, Place};

    const PLACE: Place = Place { offset: 0, len: 1 };

    fn elf(headerless: bool) -> BinaryFacts {
        BinaryFacts {
            size: 0,
            format: Format::Elf {
                bits: 64,
                big_endian: false,
                headerless,
            },
            arch: None,
            opaque: None,
            go: None,
            modules: Vec::new(),
            marks: Vec::new(),
            labels: Vec::new(),
            libraries: Vec::new(),
            unmatched_tests: Vec::new(),
        }
    }

    fn go(version: &str, symbols: bool, names: Names) -> BinaryFacts {
        BinaryFacts {
            go: Some(Go {
                version: Some(version.into()),
                buildinfo: Some(PLACE),
                names: Some(names),
                symbols,
                ..Go::default()
            }),
            ..elf(false)
        }
    }

    fn names(boring: bool, standard: bool, fipsonly: bool) -> Names {
        Names {
            boring,
            boring_calls: 109 * u32::from(boring),
            standard,
            fipsonly,
            cryptography: true,
            ..Names::default()
        }
    }

    fn said(evidence: &BinaryFacts) -> Vec<(String, Option<&'static str>)> {
        let verdict = evidence.judge(Modules::builtin(), "2026-11-23".parse().unwrap());
        let recipes = recipes(evidence, &verdict);
        recipes.into_iter().map(|one| (one.says, one.but)).collect()
    }

    #[test]
    fn goversion_speaks_by_its_published_rules() {
        let table = [
            (
                go("go1.27.3", true, names(false, true, false)),
                "go1.27.3 (standard crypto)",
                None,
            ),
            (
                go("go1.23.9 X:boringcrypto", true, names(true, false, true)),
                "go1.23.9 X:boringcrypto (boring crypto)",
                None,
            ),
            (
                go("go1.16.1b7", true, names(true, false, true)),
                "go1.16.1b7 (boring crypto) +crypto/tls/fipsonly",
                None,
            ),
            (
                go("go1.23.9 X:boringcrypto", true, names(true, true, false)),
                "go1.23.9 X:boringcrypto (boring AND standard crypto!!!)",
                None,
            ),
            (
                go("go1.23.9 X:boringcrypto", false, names(true, false, true)),
                "unknown Go version",
                Some("it gives no verdict, and still exits with 0"),
            ),
            (
                go("go1.27.3", false, names(false, true, false)),
                "unknown Go version",
                None,
            ),
            (
                go("go1.27.3", true, names(false, false, false)),
                "go1.27.3",
                None,
            ),
        ];
        for (evidence, says, wrong) in table {
            assert_eq!(said(&evidence)[0], (says.to_owned(), wrong));
        }
        let headerless = BinaryFacts {
            format: elf(true).format,
            ..go("go1.27.3", false, Names::default())
        };
        assert_eq!(said(&headerless)[0].0, "no symbol section");
    }

    #[test]
    fn a_recipe_that_misses_a_module_or_sees_one_is_called_wrong() {
        let mut own = go("go1.27.3", true, names(false, true, false));
        let inner = own.go.as_mut().unwrap();
        inner.settings.insert("GOFIPS140".into(), "latest".into());
        let names_of_own = inner.names.as_mut().unwrap();
        names_of_own.frozen = Some("latest".into());
        let misses = Some("it does not see the module");
        assert_eq!(said(&own)[0], ("go1.27.3 (standard crypto)".into(), misses));
        assert_eq!(said(&own)[1], ("go1.27.3".into(), misses));
        let without_c = go("go1.27.3-X:boringcrypto", false, names(false, true, false));
        let sees = Some("it reports FIPS where there is none");
        assert_eq!(
            said(&without_c)[1],
            ("go1.27.3-X:boringcrypto".into(), sees)
        );
    }

    #[test]
    fn go_version_needs_its_build_information() {
        let mut evidence = go("go1.27.3", true, names(false, true, false));
        evidence.go.as_mut().unwrap().buildinfo = None;
        assert_eq!(said(&evidence)[1].0, "could not read Go build info");
    }

    #[test]
    fn envoy_says_the_words_that_it_has() {
        let label = |ssl: &str| Label::Envoy {
            revision: Some("ab".into()),
            version: Some("1.40.0".into()),
            status: Some("Clean".into()),
            build: None,
            ssl: Some(ssl.into()),
            place: PLACE,
        };
        let with = |ssl| BinaryFacts {
            labels: vec![label(ssl)],
            ..elf(false)
        };
        let plain = said(&with("BoringSSL"));
        assert_eq!(plain, [("ab/1.40.0/Clean/?/BoringSSL".to_owned(), None)]);
        let forged = said(&with("BoringSSL-FIPS"));
        assert_eq!(forged[0].1, Some("it reports FIPS where there is none"));
        assert_eq!(said(&elf(false)), []);
    }
}
