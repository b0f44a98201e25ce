//! What a Go program does with its module at start.

use serde::Serialize;

use super::go::calls_boring;
use crate::fips::Go;
use crate::fips::go::fips140;

/// What `fips140` is at start where the environment does not set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtStart {
    On,
    /// On, and what is not approved is refused.
    Only,
    Off,
    /// On where the host is in FIPS mode: `fips140=auto` of Red Hat's toolchain.
    HostMode,
    /// A value that its runtime does not know: the program panics.
    Panics,
    /// Neither its build information nor its constants tell.
    Unknown,
}

/// Why the module cannot be switched on: the program panics where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsupported {
    AddressSanitizer,
    /// The system that it is built for.
    System,
    BoringCrypto,
}

impl Unsupported {
    /// What the module is not supported with, as a person names it.
    pub(in crate::fips) fn with(self) -> &'static str {
        match self {
            Self::AddressSanitizer => "the address sanitizer (-asan)",
            Self::System => "the system that it is built for (GOOS)",
            Self::BoringCrypto => "BoringCrypto",
        }
    }
}

/// The systems on which Go's own module refuses to start, of those with ELF files.
const SYSTEMS: [&str; 1] = ["openbsd"];

pub(super) fn of(go: &Go) -> AtStart {
    let settings = go.build_settings();
    let built = settings
        .get("DefaultGODEBUG")
        .and_then(|text| fips140(text));
    let carried = go.carried.as_ref();
    let begins = carried.and_then(|carried| carried.begins.as_deref());
    let texts = carried.map(|carried| &carried.fips140[..]);
    let value = match (built, texts.unwrap_or_default()) {
        // The variable itself, whatever else the file says.
        _ if let Some(begins) = begins => fips140(begins).unwrap_or("off"),
        (Some(built), texts) if texts.iter().all(|text| text == built) => built,
        (None, []) if !settings.is_empty() => "off",
        // Without build information there is no other word for what the variable of the runtime says.
        (None, [text]) if settings.is_empty() => text,
        _ => return AtStart::Unknown,
    };
    match value {
        "on" | "debug" => AtStart::On,
        "only" => AtStart::Only,
        "auto" if knows_auto(go) => AtStart::HostMode,
        value if value == "off" || !knows_fips140(go) => AtStart::Off,
        _ => AtStart::Panics,
    }
}

/// Whether its runtime knows `GODEBUG=fips140`.
pub(super) fn knows_fips140(go: &Go) -> bool {
    go.fipsinfo.is_some()
}

/// Whether its runtime knows `fips140=auto`.
pub(super) fn knows_auto(go: &Go) -> bool {
    go.names.as_ref().is_some_and(|names| names.host_fips)
}

pub(super) fn unsupported(go: &Go) -> Option<Unsupported> {
    let setting = |key: &str| go.build_settings().get(key).map(String::as_str);
    if !knows_fips140(go) {
        None
    } else if setting("-asan") == Some("true") {
        Some(Unsupported::AddressSanitizer)
    } else if setting("GOOS").is_some_and(|system| SYSTEMS.contains(&system)) {
        Some(Unsupported::System)
    } else if calls_boring(go) {
        Some(Unsupported::BoringCrypto)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fips::{Carried, Fipsinfo, Integrity, Names, Place};

    /// A program with a seal: its build settings, and what its variables say of `fips140`.
    fn program(settings: &[(&str, &str)], texts: &[&str]) -> Go {
        let place = Place { offset: 0, len: 0 };
        let settings = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Go {
            settings: settings.collect(),
            carried: Some(Carried {
                fips140: texts.iter().map(|&text| text.to_owned()).collect(),
                ..Carried::default()
            }),
            fipsinfo: Some(Fipsinfo {
                place,
                stored: String::new(),
                ranges: Vec::new(),
                integrity: Integrity::Holds,
                coverage: None,
            }),
            ..Go::default()
        }
    }

    #[test]
    fn build_settings_and_texts_of_variables_have_to_agree() {
        let default = |text| vec![("DefaultGODEBUG", text)];
        for (settings, texts, expected) in [
            (default("fips140=on"), &["on"][..], AtStart::On),
            (default("a=1,fips140=only,b=2"), &["only"], AtStart::Only),
            (default("fips140=debug"), &[], AtStart::On),
            (default("fips140=on,fips140=off"), &["off"], AtStart::Off),
            (default("fips140="), &["off"], AtStart::Off),
            (default("fips140=auto"), &["auto"], AtStart::Panics),
            (default("fips140=ON"), &["ON"], AtStart::Panics),
            (default("a=1"), &[], AtStart::Off),
            (vec![("CGO_ENABLED", "0")], &[], AtStart::Off),
            // Another variable, or one that was set by hand.
            (default("fips140=on"), &["on", "off"], AtStart::Unknown),
            (default("fips140=on"), &["off"], AtStart::Unknown),
            (default("a=1"), &["on"], AtStart::Unknown),
            // Without build information.
            (vec![], &["on"], AtStart::On),
            (vec![], &["off"], AtStart::Off),
            (vec![], &["only", "off"], AtStart::Unknown),
            (vec![], &[], AtStart::Unknown),
        ] {
            let go = program(&settings, texts);
            assert_eq!(of(&go), expected, "{settings:?} {texts:?}");
        }
    }

    #[test]
    fn the_variable_of_the_runtime_outweighs_every_other_text() {
        for (begins, expected) in [
            ("", AtStart::Off),
            ("a=1", AtStart::Off),
            ("a=1,fips140=off", AtStart::Off),
            ("fips140=on", AtStart::On),
        ] {
            for settings in [&[("DefaultGODEBUG", "fips140=on")][..], &[]] {
                let mut go = program(settings, &["on"]);
                go.carried.as_mut().unwrap().begins = Some(begins.to_owned());
                assert_eq!(of(&go), expected, "{begins}");
            }
        }
    }

    #[test]
    fn auto_is_known_where_the_functions_for_it_are_linked() {
        let mut go = program(&[("DefaultGODEBUG", "fips140=auto")], &["auto"]);
        go.names = Some(Names {
            host_fips: true,
            ..Names::default()
        });
        assert_eq!((of(&go), knows_auto(&go)), (AtStart::HostMode, true));
        go.fipsinfo = None;
        go.names = None;
        assert_eq!(of(&go), AtStart::Off, "older than the setting");
    }

    #[test]
    fn names_what_the_module_is_not_supported_with() {
        let unsupported = |key, value| unsupported(&program(&[(key, value)], &[]));
        assert_eq!(
            unsupported("-asan", "true"),
            Some(Unsupported::AddressSanitizer)
        );
        assert_eq!(unsupported("-asan", "false"), None);
        assert_eq!(unsupported("GOOS", "openbsd"), Some(Unsupported::System));
        assert_eq!(unsupported("GOOS", "linux"), None);
    }
}
