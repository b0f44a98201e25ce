//! How the environment of a container affects the module of its binary.
//!
//! This is separate from the module statement: a binary can contain a validated module that is switched off, and a
//! setting can look like FIPS although there is no module.

use super::go;
use super::verdict::{AtStart, Kind, Unsupported, Verdict};
use crate::{Assurance, Severity};

/// The settings of one container that determine the cryptography.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The value of `fips140` in `GODEBUG`.
    pub fips140: Option<String>,
    /// The value of `COMPLIANCE_POLICY`.
    pub compliance: Option<String>,
    /// Whether `TLS12_ENABLED` is `true`; only ztunnel reads it.
    pub tls12: bool,
}

const GODEBUG: &str = "GODEBUG";
const COMPLIANCE_POLICY: &str = "COMPLIANCE_POLICY";
const TLS12_ENABLED: &str = "TLS12_ENABLED";

impl Environment {
    /// The environment variables that are read.
    pub const VARIABLES: [&str; 3] = [GODEBUG, COMPLIANCE_POLICY, TLS12_ENABLED];

    /// Reads the environment of a container. If a name occurs twice, the later value counts.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in variables {
            match name {
                GODEBUG => environment.fips140 = go::fips140(value).map(str::to_owned),
                COMPLIANCE_POLICY => {
                    environment.compliance = (!value.is_empty()).then(|| value.to_owned());
                }
                TLS12_ENABLED => environment.tls12 = value == "true",
                _ => {}
            }
        }
        environment
    }
}

/// The properties of a binary that determine the effect of its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    pub kind: Kind,
    pub module: Assurance,
    /// Whether its runtime supports `GODEBUG=fips140`.
    pub knows_fips140: bool,
    /// Whether its runtime supports `GODEBUG=fips140=auto`.
    pub knows_auto: bool,
    pub at_start: AtStart,
    /// Why its module cannot be switched on; absent if it can.
    pub unsupported: Option<Unsupported>,
    pub fipsonly: bool,
}

impl From<&Verdict> for Build {
    fn from(verdict: &Verdict) -> Self {
        Build {
            kind: verdict.kind,
            module: verdict.module,
            knows_fips140: verdict.knows_fips140,
            knows_auto: verdict.knows_auto,
            at_start: verdict.at_start,
            unsupported: verdict.unsupported,
            fipsonly: verdict.fipsonly == Some(true),
        }
    }
}

/// The values of `COMPLIANCE_POLICY` that a version of Istio supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompliancePolicies {
    /// `fips-140-2`
    pub fips_140_2: bool,
    /// `fips-140-3`
    pub fips_140_3: bool,
    /// `pqc`
    pub pqc: bool,
}

impl CompliancePolicies {
    /// Checks whether this Istio supports a policy of that name.
    pub fn knows(self, policy: &str) -> bool {
        match policy {
            FIPS_140_2 => self.fips_140_2,
            FIPS_140_3 => self.fips_140_3,
            "pqc" => self.pqc,
            _ => false,
        }
    }
}

const FIPS_140_2: &str = "fips-140-2";

const FIPS_140_3: &str = "fips-140-3";

/// The effect of a setting on a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// What it is, in kebab-case, for programs.
    pub code: &'static str,
    pub severity: Severity,
    /// One sentence, in lower case, without a full stop.
    pub message: String,
    /// The next step for the user.
    pub fix: &'static str,
    /// Whether it depends on the host if the module is on. The state of the host is not visible here.
    pub depends_on_host: bool,
}

impl Effect {
    fn new(
        code: &'static str,
        severity: Severity,
        message: impl Into<String>,
        fix: &'static str,
    ) -> Effect {
        Effect {
            code,
            severity,
            message: message.into(),
            fix,
            depends_on_host: false,
        }
    }
}

/// Returns all effects of a container's settings on its binary that must be reported.
///
/// `known` is what this version of Istio supports. Without it, unsupported policies are not reported.
pub fn effects(
    environment: &Environment,
    build: Build,
    known: Option<CompliancePolicies>,
) -> Vec<Effect> {
    let of_fips140 = match environment.fips140.as_deref() {
        Some(value) => fips140(value, build),
        None => by_default(build),
    };
    let policy = environment.compliance.as_deref();
    let of_policy = policy.and_then(|policy| compliance(policy, build, of_fips140.is_some()));
    let of_version = policy.and_then(|policy| {
        let known = known?;
        (!known.knows(policy)).then(|| {
            Effect::new(
"unknown-policy",
                Severity::Warning,
                format!("this Istio does not know COMPLIANCE_POLICY={policy}: it only logs that, and limits nothing"),
                "take a policy that this version knows, or another version",
            )
        })
    });
    [of_fips140, of_policy, of_version]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns the effect of `GODEBUG=fips140=…` on the build.
fn fips140(value: &str, build: Build) -> Option<Effect> {
    let of_host = value == "auto" && build.knows_auto;
    if of_host && build.kind == Kind::GoModule {
        return Some(host_mode());
    }
    if build.knows_fips140 && !of_host && !["on", "only", "debug", "off"].contains(&value) {
        return Some(Effect::new(
            "unknown-fips140",
            Severity::Error,
            format!(
                "GODEBUG=fips140={value} is not a value that Go knows: the program panics at start"
            ),
            "set fips140 to on, only or off, or remove the setting",
        ));
    }
    let wanted = ["on", "only", "debug"].contains(&value);
    if let Some(unsupported) = build
        .unsupported
        .filter(|_| wanted && build.kind == Kind::GoModule)
    {
        return Some(panics(unsupported));
    }
    match build.kind {
        Kind::GoBoring if wanted && build.knows_fips140 => Some(Effect::new(
            "fips140-and-boringcrypto",
            Severity::Error,
            format!("GODEBUG=fips140={value} and a BoringCrypto build: it panics at start"),
            "remove the setting, or use a build with GOFIPS140",
        )),
        Kind::GoStandard if wanted && build.knows_fips140 => Some(Effect::new(
            "fips140-without-module",
            Severity::Warning,
            format!(
                "GODEBUG=fips140={value} looks enabled, but the module of an ordinary build is not a validated one"
            ),
            "take a FIPS build",
        )),
        Kind::GoBoring | Kind::GoStandard | Kind::GoForeign if wanted && !build.knows_fips140 => {
            Some(Effect::new(
                "fips140-too-old",
                Severity::Warning,
                format!(
                    "GODEBUG=fips140={value} has no effect: this build is older than that setting"
                ),
                "remove the setting",
            ))
        }
        Kind::GoModule if value == "off" => Some(Effect::new(
            "module-switched-off",
            Severity::Error,
            "GODEBUG=fips140=off switches the module of a GOFIPS140 build off",
            "remove the setting",
        )),
        _ => None,
    }
}

/// Returns the effect of the build's default if the environment does not set `fips140`.
fn by_default(build: Build) -> Option<Effect> {
    let on = matches!(build.at_start, AtStart::On | AtStart::Only);
    let supported = [Kind::GoModule, Kind::GoBoring].contains(&build.kind);
    if let Some(unsupported) = build.unsupported.filter(|_| on && supported) {
        return Some(panics(unsupported));
    }
    if build.at_start == AtStart::Panics {
        return Some(Effect::new(
            "default-fips140-unknown",
            Severity::Error,
            "its own build settings (DefaultGODEBUG) give fips140 a value that its runtime does not know: the program panics at start",
            "build it with fips140=on, or set GODEBUG=fips140=on",
        ));
    }
    if build.kind != Kind::GoModule {
        return None;
    }
    match build.at_start {
        AtStart::Off => Some(Effect::new(
            "module-left-off",
            Severity::Error,
            "its own build leaves the module switched off: the GODEBUG that its runtime begins with does not switch it on",
            "set GODEBUG=fips140=on, or take a build that switches it on",
        )),
        AtStart::Unknown => Some(Effect::new(
            "switch-not-seen",
            Severity::Error,
            "nothing that was read shows that the module is switched on: the GODEBUG that its runtime begins with could not be read from its code, and its environment does not set it",
            "set GODEBUG=fips140=on, or take a build for amd64 or arm64",
        )),
        AtStart::HostMode => Some(host_mode()),
        AtStart::On | AtStart::Only | AtStart::Panics => None,
    }
}

fn panics(unsupported: Unsupported) -> Effect {
    Effect::new(
        "unsupported-setting",
        Severity::Error,
        format!(
            "the program panics at start: its module is switched on, and does not support {}",
            unsupported.with()
        ),
        "take a build for which the module is supported",
    )
}

/// Returns the effect of `fips140=auto`: it is not visible here whether the host is in FIPS mode.
fn host_mode() -> Effect {
    Effect {
        depends_on_host: true,
        ..Effect::new(
            "auto-needs-host",
            Severity::Warning,
            "fips140=auto switches the module on only where the host is in FIPS mode (/proc/sys/crypto/fips_enabled), which is not seen here",
            "set GODEBUG=fips140=on, which does not depend on the host",
        )
    }
}

/// Returns the effect of `COMPLIANCE_POLICY` on the build.
fn compliance(policy: &str, build: Build, said: bool) -> Option<Effect> {
    if ![FIPS_140_2, FIPS_140_3].contains(&policy) {
        return None;
    }
    match build.kind {
        Kind::GoBoring if policy == FIPS_140_3 && !said => Some(Effect::new(
            "policy-and-boringcrypto",
            Severity::Error,
            "COMPLIANCE_POLICY=fips-140-3 is not for BoringCrypto builds: the GODEBUG=fips140=only that comes with it makes them panic at start",
            "take fips-140-2, or a build with GOFIPS140",
        )),
        _ if build.module == Assurance::Standard && !said => Some(Effect::new(
            "policy-without-module",
            Severity::Warning,
            format!(
                "COMPLIANCE_POLICY={policy} limits TLS to approved algorithms, but no FIPS module computes them"
            ),
            "take a FIPS build",
        )),
        _ => None,
    }
}

/// Returns the effect of the mesh's policy on a ztunnel, which supports only TLS 1.3 unless TLS 1.2 is enabled.
pub fn ambient(policy: Option<&str>, ztunnel: &Environment) -> Option<Effect> {
    (policy == Some(FIPS_140_2) && !ztunnel.tls12).then(|| {
        Effect::new(
"ambient-tls",
            Severity::Error,
            "COMPLIANCE_POLICY=fips-140-2 lets istiod speak TLS 1.2 only, and ztunnel speaks 1.3 only: it gets no configuration",
            "set TLS12_ENABLED=true on ztunnel, or take fips-140-3",
        )
    })
}

/// Returns the setting that limits a container to approved algorithms, if there is one.
pub fn approved_only(
    environment: &Environment,
    build: Build,
    known: Option<CompliancePolicies>,
) -> Option<String> {
    if build.module < Assurance::Declared {
        return None;
    }
    let only = environment.fips140.as_deref() == Some("only");
    match environment.compliance.as_deref() {
        _ if build.kind == Kind::GoBoring && build.fipsonly => {
            Some("crypto/tls/fipsonly is built in".to_owned())
        }
        _ if build.kind == Kind::GoModule && only => Some("GODEBUG=fips140=only".to_owned()),
        _ if build.kind == Kind::GoModule
            && build.at_start == AtStart::Only
            && environment.fips140.is_none() =>
        {
            Some("fips140=only is built in".to_owned())
        }
        Some(policy @ (FIPS_140_2 | FIPS_140_3))
            if known.is_none_or(|known| known.knows(policy)) =>
        {
            Some(format!(
                "COMPLIANCE_POLICY={policy}, for the TLS of the mesh"
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORING: Build = Build {
        kind: Kind::GoBoring,
        module: Assurance::Proven,
        knows_fips140: true,
        knows_auto: false,
        at_start: AtStart::Off,
        unsupported: Some(Unsupported::BoringCrypto),
        fipsonly: false,
    };

    const OWN: Build = Build {
        kind: Kind::GoModule,
        at_start: AtStart::On,
        unsupported: None,
        ..BORING
    };

    const OFF: Build = Build {
        at_start: AtStart::Off,
        ..OWN
    };

    const UNKNOWN: Build = Build {
        at_start: AtStart::Unknown,
        ..OWN
    };

    const AUTO: Build = Build {
        at_start: AtStart::HostMode,
        knows_auto: true,
        ..OWN
    };

    const STOCK_AUTO: Build = Build {
        at_start: AtStart::Panics,
        ..OWN
    };

    const ASAN: Build = Build {
        unsupported: Some(Unsupported::AddressSanitizer),
        ..OWN
    };

    const PLAIN: Build = Build {
        kind: Kind::GoStandard,
        module: Assurance::Standard,
        unsupported: None,
        ..BORING
    };

    const ENVOY: Build = Build {
        kind: Kind::Envoy,
        knows_fips140: false,
        ..BORING
    };

    const OLD: Build = Build {
        knows_fips140: false,
        ..BORING
    };

    fn environment(text: &str) -> Environment {
        Environment::of(
            text.split_whitespace()
                .filter_map(|one| one.split_once('=')),
        )
    }

    /// Returns what these versions of Istio know.
    fn known(version: &str) -> CompliancePolicies {
        CompliancePolicies {
            fips_140_2: version != "1.19.0",
            fips_140_3: version == "1.31.0",
            pqc: matches!(version, "1.30.0" | "1.31.0"),
        }
    }

    #[test]
    fn an_environment_is_read_as_go_and_istio_read_it() {
        // text, fips140, policy, tls12
        let table = [
            ("", None, None, false),
            ("GODEBUG=fips140=on", Some("on"), None, false),
            (
                "GODEBUG=x=1,fips140=on,fips140=off,y=2",
                Some("off"),
                None,
                false,
            ),
            ("GODEBUG=fips140=off#3", Some("off"), None, false),
            ("GODEBUG=fips140=on,fips140=", Some("off"), None, false),
            ("GODEBUG=fips140=on GODEBUG=x=1", None, None, false),
            ("GODEBUG=xfips140=on", None, None, false),
            ("GODEBUG=fips140", None, None, false),
            (
                "COMPLIANCE_POLICY=pqc COMPLIANCE_POLICY=fips-140-2",
                None,
                Some("fips-140-2"),
                false,
            ),
            ("COMPLIANCE_POLICY=", None, None, false),
            ("TLS12_ENABLED=true", None, None, true),
            ("TLS12_ENABLED=false godebug=fips140=on", None, None, false),
        ];
        for (text, fips140, compliance, tls12) in table {
            let read = environment(text);
            assert_eq!(
                (
                    read.fips140.as_deref(),
                    read.compliance.as_deref(),
                    read.tls12
                ),
                (fips140, compliance, tls12),
                "{text}"
            );
        }
    }

    type Said<'a> = &'a [(Severity, &'a str)];

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn every_pair_that_deceives_is_said() {
        use Severity::{Error, Warning};
        // build, environment, Istio, severities with a part of the message
        let table: &[(Build, &str, &str, Said<'_>)] = &[
            (BORING, "GODEBUG=fips140=on", "1.31.0", &[(Error, "panics")]),
            (
                BORING,
                "GODEBUG=fips140=only",
                "1.31.0",
                &[(Error, "panics")],
            ),
            (BORING, "GODEBUG=fips140=off", "1.31.0", &[]),
            (
                OLD,
                "GODEBUG=fips140=on",
                "1.22.0",
                &[(Warning, "no effect")],
            ),
            (
                BORING,
                "COMPLIANCE_POLICY=fips-140-3",
                "1.31.0",
                &[(Error, "BoringCrypto")],
            ),
            (
                BORING,
                "GODEBUG=fips140=only COMPLIANCE_POLICY=fips-140-3",
                "1.31.0",
                &[(Error, "panics")],
            ),
            (BORING, "COMPLIANCE_POLICY=fips-140-2", "1.31.0", &[]),
            (
                BORING,
                "COMPLIANCE_POLICY=fips-140-2",
                "1.19.0",
                &[(Warning, "does not know")],
            ),
            (
                OWN,
                "COMPLIANCE_POLICY=fips-140-3",
                "1.30.0",
                &[(Warning, "does not know")],
            ),
            (
                OWN,
                "COMPLIANCE_POLICY=fips-140-3 GODEBUG=fips140=only",
                "1.31.0",
                &[],
            ),
            (OWN, "GODEBUG=fips140=off", "1.31.0", &[(Error, "off")]),
            (OFF, "", "1.31.0", &[(Error, "its own build")]),
            (OFF, "GODEBUG=fips140=on", "1.31.0", &[]),
            (UNKNOWN, "", "1.31.0", &[(Error, "nothing that was read")]),
            (
                UNKNOWN,
                "GODEBUG=x=1",
                "1.31.0",
                &[(Error, "nothing that was read")],
            ),
            (UNKNOWN, "GODEBUG=fips140=only", "1.31.0", &[]),
            (UNKNOWN, "GODEBUG=fips140=off", "1.31.0", &[(Error, "off")]),
            (AUTO, "", "1.31.0", &[(Warning, "host is in FIPS mode")]),
            (AUTO, "GODEBUG=fips140=on", "1.31.0", &[]),
            (
                AUTO,
                "GODEBUG=fips140=auto",
                "1.31.0",
                &[(Warning, "host is in FIPS mode")],
            ),
            (AUTO, "GODEBUG=fips140=off", "1.31.0", &[(Error, "off")]),
            (
                AUTO,
                "GODEBUG=fips140=atuo",
                "1.31.0",
                &[(Error, "is not a value that Go knows")],
            ),
            (
                OWN,
                "GODEBUG=fips140=auto",
                "1.31.0",
                &[(Error, "is not a value that Go knows")],
            ),
            (STOCK_AUTO, "", "1.31.0", &[(Error, "panics at start")]),
            (STOCK_AUTO, "GODEBUG=fips140=on", "1.31.0", &[]),
            (
                Build {
                    kind: Kind::GoStandard,
                    module: Assurance::Standard,
                    ..STOCK_AUTO
                },
                "",
                "1.31.0",
                &[(Error, "panics at start")],
            ),
            (ASAN, "", "1.31.0", &[(Error, "-asan")]),
            (ASAN, "GODEBUG=fips140=on", "1.31.0", &[(Error, "-asan")]),
            (
                Build {
                    at_start: AtStart::On,
                    ..BORING
                },
                "",
                "1.31.0",
                &[(Error, "BoringCrypto")],
            ),
            (
                Build {
                    at_start: AtStart::Unknown,
                    ..BORING
                },
                "",
                "1.31.0",
                &[],
            ),
            (
                PLAIN,
                "GODEBUG=fips140=onyl",
                "1.31.0",
                &[(Error, "is not a value that Go knows")],
            ),
            (OLD, "GODEBUG=fips140=onyl", "1.22.0", &[]),
            (
                OWN,
                "COMPLIANCE_POLICY=fips-1403",
                "1.31.0",
                &[(Warning, "fips-1403")],
            ),
            (
                PLAIN,
                "GODEBUG=fips140=on",
                "1.31.0",
                &[(Warning, "looks enabled")],
            ),
            (PLAIN, "GODEBUG=fips140=off", "1.31.0", &[]),
            (
                PLAIN,
                "COMPLIANCE_POLICY=fips-140-3 GODEBUG=fips140=only",
                "1.31.0",
                &[(Warning, "looks enabled")],
            ),
            (
                PLAIN,
                "COMPLIANCE_POLICY=fips-140-2",
                "1.31.0",
                &[(Warning, "no FIPS module")],
            ),
            (PLAIN, "COMPLIANCE_POLICY=pqc", "1.31.0", &[]),
            (
                PLAIN,
                "COMPLIANCE_POLICY=pqc",
                "1.26.0",
                &[(Warning, "does not know")],
            ),
            (ENVOY, "GODEBUG=fips140=on", "1.31.0", &[]),
            (
                Build {
                    module: Assurance::Standard,
                    ..ENVOY
                },
                "COMPLIANCE_POLICY=fips-140-2",
                "1.31.0",
                &[(Warning, "no FIPS module")],
            ),
        ];
        for (build, text, version, expected) in table {
            let effects = effects(&environment(text), *build, Some(known(version)));
            assert_eq!(effects.len(), expected.len(), "{text}: {effects:?}");
            for (effect, (severity, part)) in effects.iter().zip(*expected) {
                assert_eq!(effect.severity, *severity, "{text}: {effect:?}");
                assert!(effect.message.contains(part), "{text}: {effect:?}");
            }
        }
        let unknown = effects(&environment("COMPLIANCE_POLICY=fips-1403"), OWN, None);
        assert_eq!(unknown, []);
    }

    #[test]
    fn a_ztunnel_under_fips_140_2_needs_tls_1_2() {
        let with = |policy, text| ambient(policy, &environment(text)).is_some();
        assert!(with(Some("fips-140-2"), ""));
        assert!(!with(Some("fips-140-2"), "TLS12_ENABLED=true"));
        assert!(!with(Some("fips-140-3"), ""));
        assert!(!with(None, ""));
    }

    #[test]
    fn what_limits_to_approved_algorithms_is_named() {
        let only = |build| Build {
            fipsonly: true,
            ..build
        };
        let own_only = Build {
            at_start: AtStart::Only,
            ..only(OWN)
        };
        let table = [
            (only(BORING), "", Some("crypto/tls/fipsonly")),
            (BORING, "", None),
            (OWN, "GODEBUG=fips140=only", Some("GODEBUG=fips140=only")),
            (OWN, "GODEBUG=fips140=on", None),
            (BORING, "GODEBUG=fips140=only", None),
            (own_only, "", Some("built in")),
            (own_only, "GODEBUG=fips140=on", None),
            (own_only, "GODEBUG=fips140=off", None),
            (UNKNOWN, "", None),
            (
                ENVOY,
                "COMPLIANCE_POLICY=fips-140-2",
                Some("COMPLIANCE_POLICY=fips-140-2"),
            ),
            (ENVOY, "COMPLIANCE_POLICY=pqc", None),
            (PLAIN, "COMPLIANCE_POLICY=fips-140-2", None),
        ];
        for (build, text, expected) in table {
            let said = approved_only(&environment(text), build, Some(known("1.31.0")));
            let right = match (&said, expected) {
                (Some(said), Some(part)) => said.contains(part),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(right, "{build:?} {text}: {said:?}");
        }
        let older = environment("COMPLIANCE_POLICY=fips-140-3");
        assert_eq!(approved_only(&older, ENVOY, Some(known("1.30.0"))), None);
        assert!(approved_only(&older, ENVOY, None).is_some());
    }
}
