//! What Go's version text and build settings say.

use crate::fips::configuration::godebug;
use crate::fips::{Evidence, Go};
use crate::istio::Minor;

/// Experiments and tags that build against another FIPS module than Go's own.
const FOREIGN: [&str; 6] = [
    "systemcrypto",
    "opensslcrypto",
    "cngcrypto",
    "darwincrypto",
    "strictfipsruntime",
    "requirefips",
];

/// The toolchain of a Go program, as it says itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::fips) struct Toolchain {
    /// `1.26.6`, of `go1.26.6-X:boringcrypto`.
    pub number: Option<String>,
    /// `b4` of a release of dev.boringcrypto.
    pub branch: Option<String>,
    /// A version text or a setting names the experiment `boringcrypto`.
    pub boring: Option<String>,
    /// An experiment or tag of a vendor's FIPS toolchain.
    pub foreign: Option<String>,
    /// `GOFIPS140`, unless it is `off`.
    pub gofips140: Option<String>,
    /// `fips140` of the GODEBUG that the program was built with.
    pub default_fips140: Option<String>,
    /// C was switched off, so that BoringCrypto could not be linked.
    pub without_cgo: bool,
}

impl Toolchain {
    pub(in crate::fips) fn of(evidence: &Evidence) -> Toolchain {
        evidence
            .go
            .as_ref()
            .map(Toolchain::of_go)
            .unwrap_or_default()
    }

    pub(in crate::fips) fn of_go(go: &Go) -> Toolchain {
        let version = go.version.as_deref().unwrap_or_default();
        let setting = |key: &str| go.settings.get(key).map(String::as_str);
        let experiments = setting("GOEXPERIMENT").unwrap_or_default();
        let boring = if listed(experiments, "boringcrypto") {
            Some("GOEXPERIMENT=boringcrypto".to_owned())
        } else if listed(experiments_of(version), "boringcrypto") {
            Some(version.to_owned())
        } else {
            branch(version).map(|_| version.to_owned())
        };
        let tags = setting("-tags").unwrap_or_default();
        let words = [experiments, experiments_of(version), tags];
        let foreign = FOREIGN
            .iter()
            .find(|name| words.iter().any(|words| listed(words, name)));
        Toolchain {
            number: number(version).map(str::to_owned),
            branch: branch(version).map(str::to_owned),
            boring,
            foreign: foreign.map(|name| (*name).to_owned()),
            gofips140: setting("GOFIPS140")
                .filter(|value| !["", "off"].contains(value))
                .map(str::to_owned),
            default_fips140: setting("DefaultGODEBUG")
                .and_then(|text| godebug(text, "fips140"))
                .map(str::to_owned),
            without_cgo: setting("CGO_ENABLED") == Some("0"),
        }
    }
}

fn listed(list: &str, name: &str) -> bool {
    list.split([',', ' ']).any(|one| one == name)
}

/// What stands behind `X:`: after a blank up to Go 1.25, after a dash since.
fn experiments_of(version: &str) -> &str {
    let behind = [" X:", "-X:"]
        .iter()
        .find_map(|mark| Some(version.split_once(mark)?.1));
    let list = behind.and_then(|rest| rest.split_whitespace().next());
    list.unwrap_or_default()
}

/// The digits and dots behind the first `go`, and the rest.
fn split(version: &str) -> Option<(&str, &str)> {
    let (_, behind) = version.split_once("go")?;
    let end = behind
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(behind.len());
    let (number, rest) = behind.split_at(end);
    number
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some((number, rest))
}

fn number(version: &str) -> Option<&str> {
    split(version).map(|(number, _)| number)
}

/// `b4`, of `go1.14.12b4`; `beta1` is something else.
fn branch(version: &str) -> Option<&str> {
    let word = split(version)?.1.split_whitespace().next()?;
    let digits = word.strip_prefix('b')?;
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    whole.then_some(word)
}

/// `1.26`, of `1.26.6`.
pub(super) fn minor(number: &str) -> Option<Minor> {
    let mut parts = number.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    format!("{major}.{minor}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_version_text_is_read() {
        // text, number, branch, boring
        let table = [
            ("go1.27.3", Some("1.27.3"), None, false),
            ("go1.25.5 X:boringcrypto", Some("1.25.5"), None, true),
            ("go1.26.6-X:boringcrypto", Some("1.26.6"), None, true),
            (
                "go1.25-20250209-RC00 cl/724970549 +ff27d270c9 X:fieldtrack,boringcrypto",
                Some("1.25"),
                None,
                true,
            ),
            ("go1.26.6-X:fieldtrack", Some("1.26.6"), None, false),
            ("go1.14.12b4", Some("1.14.12"), Some("b4"), true),
            ("go1.14beta1", Some("1.14"), None, false),
            ("go1.18b7 X:loopvar", Some("1.18"), Some("b7"), true),
            (
                "devel go1.28-0123abcd Sat Oct 3 00:00:00 2026 +0000",
                Some("1.28"),
                None,
                false,
            ),
            ("go1.25.5 X:notboringcrypto", Some("1.25.5"), None, false),
            ("", None, None, false),
            ("gone", None, None, false),
        ];
        for (text, number, branch, boring) in table {
            let go = Go {
                version: Some(text.to_owned()),
                ..Go::default()
            };
            let toolchain = Toolchain::of_go(&go);
            assert_eq!(
                (
                    toolchain.number.as_deref(),
                    toolchain.branch.as_deref(),
                    toolchain.boring.is_some()
                ),
                (number, branch, boring),
                "{text}"
            );
        }
    }

    #[test]
    fn settings_are_read_word_by_word() {
        let go = |settings: &[(&str, &str)]| {
            let settings = settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            Toolchain::of_go(&Go {
                settings: settings.collect(),
                ..Go::default()
            })
        };
        assert!(
            go(&[("GOEXPERIMENT", "loopvar,boringcrypto")])
                .boring
                .is_some()
        );
        assert!(go(&[("GOEXPERIMENT", "boringcryptox")]).boring.is_none());
        assert_eq!(go(&[("GOFIPS140", "off")]).gofips140, None);
        assert_eq!(
            go(&[("GOFIPS140", "v1.26.0")]).gofips140.as_deref(),
            Some("v1.26.0")
        );
        assert_eq!(
            go(&[("-tags", "strictfipsruntime,netgo")])
                .foreign
                .as_deref(),
            Some("strictfipsruntime")
        );
        assert_eq!(
            go(&[("DefaultGODEBUG", "fips140=on,x=1,fips140=off")])
                .default_fips140
                .as_deref(),
            Some("off")
        );
        assert!(go(&[("CGO_ENABLED", "0")]).without_cgo);
        assert!(!go(&[("CGO_ENABLED", "1")]).without_cgo);
    }

    #[test]
    fn a_minor_is_read_of_two_numbers_at_least() {
        assert_eq!(minor("1.26.6"), Some(Minor::new(1, 26)));
        assert_eq!(minor("1.26"), Some(Minor::new(1, 26)));
        assert_eq!(minor("1"), None);
        assert_eq!(minor("99999999999.1"), None);
    }
}
