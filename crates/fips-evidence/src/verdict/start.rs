//! What a Go program does with its module at start.

use serde::Serialize;

use super::go::calls_boring;
use crate::Go;
use crate::go::fips140;

/// The value of `fips140` at start if the environment does not set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AtStart {
    On,
    /// On, and algorithms that are not approved are refused.
    Only,
    Off,
    /// On if the host is in FIPS mode: `fips140=auto` of Red Hat's toolchain.
    HostMode,
    /// A value that the runtime does not support: the program panics.
    Panics,
    /// Neither the build information nor the constants show it.
    Unknown,
}

/// Why the module cannot be switched on: the program panics if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsupported {
    AddressSanitizer,
    /// The operating system of the build (`GOOS`).
    System,
    BoringCrypto,
}

impl Unsupported {
    /// Returns what the module does not support, as text for users.
    pub(crate) fn with(self) -> &'static str {
        match self {
            Self::AddressSanitizer => "the address sanitizer (-asan)",
            Self::System => "the system that it is built for (GOOS)",
            Self::BoringCrypto => "BoringCrypto",
        }
    }
}

/// The systems with ELF files on which Go's own module refuses to start.
const SYSTEMS: [&str; 1] = ["openbsd"];

pub(super) fn of(go: &Go) -> AtStart {
    let begins = go.carried.as_ref().map(|carried| carried.begins.as_deref());
    let settings = go.build_settings();
    let value = match begins {
        // The value of the variable itself overrides everything else in the file.
        Some(Some(begins)) => fips140(begins).unwrap_or("off"),
        // The build settings are a copy for tools. `-X runtime.godebugDefault` does not change them.
        Some(None) if knows_fips140(go) => return AtStart::Unknown,
        // An ordinary build, in which the variable is not searched for.
        _ if !settings.is_empty() => {
            let built = settings.get("DefaultGODEBUG");
            built.and_then(|text| fips140(text)).unwrap_or("off")
        }
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

/// Checks whether the runtime supports `GODEBUG=fips140`.
pub(super) fn knows_fips140(go: &Go) -> bool {
    go.fipsinfo.is_some()
}

/// Checks whether the runtime supports `fips140=auto`.
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
    use crate::{Carried, Fipsinfo, Integrity, Names, Place};

    /// Returns a program with a seal, with its build settings and the GODEBUG that its runtime starts with.
    fn program(settings: &[(&str, &str)], begins: Option<&str>) -> Go {
        let place = Place { offset: 0, len: 0 };
        let settings = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Go {
            settings: settings.collect(),
            carried: Some(Carried {
                begins: begins.map(str::to_owned),
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
    fn decides_by_variable_of_runtime_whatever_settings_say() {
        for (begins, expected) in [
            ("", AtStart::Off),
            ("a=1", AtStart::Off),
            ("a=1,fips140=off", AtStart::Off),
            ("fips140=on,fips140=off", AtStart::Off),
            ("fips140=", AtStart::Off),
            ("fips140=on", AtStart::On),
            ("fips140=debug", AtStart::On),
            ("a=1,fips140=only,b=2", AtStart::Only),
            ("fips140=auto", AtStart::Panics),
            ("fips140=ON", AtStart::Panics),
        ] {
            for settings in [
                &[("DefaultGODEBUG", "fips140=on")][..],
                &[("DefaultGODEBUG", "fips140=off")],
                &[],
            ] {
                let go = program(settings, Some(begins));
                assert_eq!(of(&go), expected, "{begins} {settings:?}");
            }
        }
    }

    #[test]
    fn believes_no_settings_where_variable_was_not_located() {
        for settings in [
            &[("DefaultGODEBUG", "fips140=on")][..],
            &[("DefaultGODEBUG", "a=1")],
            &[],
        ] {
            assert_eq!(of(&program(settings, None)), AtStart::Unknown);
        }
    }

    #[test]
    fn reads_settings_of_ordinary_build() {
        for (settings, expected) in [
            (&[("DefaultGODEBUG", "fips140=on")][..], AtStart::On),
            (&[("CGO_ENABLED", "0")], AtStart::Off),
            (&[], AtStart::Unknown),
        ] {
            let mut go = program(settings, None);
            go.carried = None;
            assert_eq!(of(&go), expected, "{settings:?}");
        }
    }

    #[test]
    fn auto_is_known_where_the_functions_for_it_are_linked() {
        let mut go = program(&[("DefaultGODEBUG", "fips140=auto")], Some("fips140=auto"));
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
        let unsupported = |key, value| unsupported(&program(&[(key, value)], None));
        assert_eq!(
            unsupported("-asan", "true"),
            Some(Unsupported::AddressSanitizer)
        );
        assert_eq!(unsupported("-asan", "false"), None);
        assert_eq!(unsupported("GOOS", "openbsd"), Some(Unsupported::System));
        assert_eq!(unsupported("GOOS", "linux"), None);
    }
}
