//! What the build information of a Go program states about its toolchain.

use crate::{BinaryFacts, Go, GoVersion};

/// The experiment that builds against BoringCrypto.
const BORING: &str = "boringcrypto";

/// Experiments and tags that build against a FIPS module other than Go's own.
const FOREIGN: [&str; 6] = [
    "systemcrypto",
    "opensslcrypto",
    "cngcrypto",
    "darwincrypto",
    "strictfipsruntime",
    "requirefips",
];

/// The setting that Microsoft's toolchain records for a build that calls the library of its image.
const SYSTEM_CRYPTO: &str = "microsoft_systemcrypto";

/// The experiment that turns this off, which only Microsoft's toolchain supports.
const NO_SYSTEM_CRYPTO: &str = "nosystemcrypto";

/// The toolchain of a Go program according to the program's build information.
#[derive(Debug, Default)]
pub(crate) struct Toolchain {
    pub version: Option<GoVersion>,
    /// The version or setting that indicates BoringCrypto.
    pub boring: Option<String>,
    /// An experiment or tag of a vendor's FIPS toolchain.
    pub foreign: Option<&'static str>,
    /// `GOFIPS140`, unless it is `off`.
    pub gofips140: Option<String>,
    /// The vendor that modified the toolchain so that programs call the library of the image.
    pub vendor: Option<&'static str>,
    /// Whether cgo was disabled, so that BoringCrypto could not be linked.
    pub without_cgo: bool,
}

impl Toolchain {
    pub(crate) fn of(evidence: &BinaryFacts) -> Toolchain {
        evidence
            .go
            .as_ref()
            .map(Toolchain::of_go)
            .unwrap_or_default()
    }

    pub(crate) fn of_go(go: &Go) -> Toolchain {
        let text = go.version.as_deref().unwrap_or_default();
        let version = GoVersion::parse(text);
        let setting = |key: &str| go.build_settings().get(key).map(String::as_str);
        let experiments = setting("GOEXPERIMENT").unwrap_or_default();
        let tags = setting("-tags").unwrap_or_default();
        let called = |name: &str| version.as_ref().is_some_and(|one| one.has_experiment(name));
        let branch = version.as_ref().and_then(|one| one.boring_release);
        let boring = if listed(experiments, BORING) {
            Some(format!("GOEXPERIMENT={experiments}"))
        } else {
            (called(BORING) || branch.is_some()).then(|| text.to_owned())
        };
        // Microsoft's toolchain also accepts an experiment as a tag.
        let tagged =
            |name: &str| listed(tags, name) || listed(tags, &format!("goexperiment.{name}"));
        let foreign = FOREIGN
            .into_iter()
            .find(|name| listed(experiments, name) || tagged(name) || called(name))
            .or_else(|| (setting(SYSTEM_CRYPTO) == Some("1")).then_some(SYSTEM_CRYPTO));
        Toolchain {
            boring,
            foreign,
            gofips140: setting("GOFIPS140")
                .filter(|value| !["", "off"].contains(value))
                .map(str::to_owned),
            vendor: vendor(text, go.build_settings().keys())
                .or_else(|| listed(experiments, NO_SYSTEM_CRYPTO).then_some("Microsoft")),
            without_cgo: setting("CGO_ENABLED") == Some("0"),
            version,
        }
    }

    /// Returns the release of dev.boringcrypto, such as `b4`.
    pub(super) fn branch(&self) -> Option<String> {
        let release = self.version.as_ref()?.boring_release?;
        Some(format!("b{release}"))
    }

    /// Returns the name with the version, such as `Go 1.26.6`.
    pub(super) fn name(&self) -> String {
        match &self.version {
            Some(GoVersion {
                minor, patch: 0, ..
            }) => format!("Go 1.{minor}"),
            Some(GoVersion { minor, patch, .. }) => format!("Go 1.{minor}.{patch}"),
            None => "Go".to_owned(),
        }
    }
}

/// Returns the vendor. Vendors add their name to the version or to settings of their own.
fn vendor<'a>(
    version: &str,
    mut settings: impl Iterator<Item = &'a String>,
) -> Option<&'static str> {
    if version.contains("(Red Hat ") {
        Some("Red Hat")
    } else if version.contains("-microsoft") || settings.any(|key| key.starts_with("microsoft_")) {
        Some("Microsoft")
    } else {
        None
    }
}

fn listed(list: &str, name: &str) -> bool {
    list.split([',', ' ']).any(|one| one == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_are_known_by_their_versions_and_settings() {
        let vendor = |version: &str, key: &str| {
            Toolchain::of_go(&Go {
                version: Some(version.to_owned()),
                settings: [(key.to_owned(), "1".to_owned())].into(),
                ..Go::default()
            })
            .vendor
        };
        assert_eq!(vendor("go1.26.6", "CGO_ENABLED"), None);
        assert_eq!(
            vendor("go1.22.9 (Red Hat 1.22.9-1.el9)", ""),
            Some("Red Hat")
        );
        assert_eq!(vendor("go1.26.8-microsoft", ""), Some("Microsoft"));
        assert_eq!(
            vendor("go1.26.8", "microsoft_systemcrypto"),
            Some("Microsoft")
        );
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
        let boring = go(&[("GOEXPERIMENT", "loopvar,boringcrypto")]).boring;
        assert_eq!(boring.as_deref(), Some("GOEXPERIMENT=loopvar,boringcrypto"));
        assert!(go(&[("GOEXPERIMENT", "boringcryptox")]).boring.is_none());
        assert_eq!(go(&[("GOFIPS140", "off")]).gofips140, None);
        assert_eq!(
            go(&[("GOFIPS140", "v1.26.0")]).gofips140.as_deref(),
            Some("v1.26.0")
        );
        let tags = "netgo,strictfipsruntime";
        assert_eq!(go(&[("-tags", tags)]).foreign, Some("strictfipsruntime"));
        let tags = "cgo,goexperiment.systemcrypto";
        assert_eq!(go(&[("-tags", tags)]).foreign, Some("systemcrypto"));
        let system = |value| go(&[(SYSTEM_CRYPTO, value)]);
        assert_eq!(system("1").foreign, Some(SYSTEM_CRYPTO));
        assert_eq!(system("0").foreign, None);
        let without = go(&[("GOEXPERIMENT", NO_SYSTEM_CRYPTO)]);
        assert_eq!((without.foreign, without.vendor), (None, Some("Microsoft")));
        assert!(go(&[("CGO_ENABLED", "0")]).without_cgo);
        assert!(!go(&[("CGO_ENABLED", "1")]).without_cgo);
    }
}
