//! What the environment of a container does to the module of its binary.
//!
//! Apart from the module statement: a binary may hold a validated module that is switched off, and
//! a setting may look like FIPS where there is no module.

use super::verdict::{Kind, Verdict};
use crate::istio::{Capability, IstioVersion, Matrix};
use crate::report::{Module, Severity};

/// The settings of one container that decide about cryptography.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `fips140` of `GODEBUG`.
    pub fips140: Option<String>,
    /// `COMPLIANCE_POLICY`.
    pub compliance: Option<String>,
    /// `TLS12_ENABLED`, which only ztunnel reads.
    pub tls12: bool,
}

impl Environment {
    /// Reads the environment of a container: of a name that stands twice the later value counts.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in variables {
            match name {
                "GODEBUG" => environment.fips140 = godebug(value, "fips140").map(str::to_owned),
                "COMPLIANCE_POLICY" => {
                    environment.compliance = (!value.is_empty()).then(|| value.to_owned());
                }
                "TLS12_ENABLED" => environment.tls12 = value == "true",
                _ => {}
            }
        }
        environment
    }
}

/// The value of a key of `GODEBUG`: `key=value,…`, of which the last counts.
pub(super) fn godebug<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut pairs = text.rsplit(',').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// What a binary is made of, as far as its settings concern it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    pub kind: Kind,
    pub module: Module,
    /// Its runtime knows `GODEBUG=fips140`.
    pub knows_fips140: bool,
    pub switched_off: bool,
    pub fipsonly: bool,
}

impl From<&Verdict> for Build {
    fn from(verdict: &Verdict) -> Self {
        Build {
            kind: verdict.kind,
            module: verdict.module,
            knows_fips140: verdict.knows_fips140,
            switched_off: verdict.switched_off,
            fipsonly: verdict.fipsonly == Some(true),
        }
    }
}

/// Which values of `COMPLIANCE_POLICY` a version of Istio knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    fips_140_2: bool,
    fips_140_3: bool,
    pqc: bool,
}

impl Policies {
    pub fn of(matrix: &Matrix, version: &IstioVersion) -> Policies {
        let has = |capability| matrix.has(capability, version);
        Policies {
            fips_140_2: has(Capability::ComplianceFips1402),
            fips_140_3: has(Capability::ComplianceFips1403),
            pqc: has(Capability::CompliancePqc),
        }
    }

    fn knows(self, policy: &str) -> bool {
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

/// What a setting does to a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub severity: Severity,
    /// One sentence, lower case, without a full stop.
    pub message: String,
    /// The next step.
    pub fix: &'static str,
}

impl Effect {
    fn new(severity: Severity, message: impl Into<String>, fix: &'static str) -> Effect {
        Effect {
            severity,
            message: message.into(),
            fix,
        }
    }
}

/// Everything that the settings of a container do to its binary, and must be said.
///
/// `known` says what this Istio knows; without a version nothing is said of that.
pub fn effects(environment: &Environment, build: Build, known: Option<Policies>) -> Vec<Effect> {
    let of_fips140 = environment
        .fips140
        .as_deref()
        .and_then(|value| fips140(value, build));
    let policy = environment.compliance.as_deref();
    let of_policy = policy.and_then(|policy| compliance(policy, build, of_fips140.is_some()));
    let of_version = policy.and_then(|policy| {
        let known = known?;
        (!known.knows(policy)).then(|| {
            Effect::new(
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

/// `GODEBUG=fips140=…` against the build.
fn fips140(value: &str, build: Build) -> Option<Effect> {
    let wanted = ["on", "only", "debug"].contains(&value);
    match build.kind {
        Kind::GoBoring if wanted && build.knows_fips140 => Some(Effect::new(
            Severity::Error,
            format!("GODEBUG=fips140={value} and a BoringCrypto build: it panics at start"),
            "take the setting away, or a build with GOFIPS140",
        )),
        Kind::GoStandard if wanted && build.knows_fips140 => Some(Effect::new(
            Severity::Warning,
            format!(
                "GODEBUG=fips140={value} looks enabled, but the module of an ordinary build is not a validated one"
            ),
            "take a FIPS build",
        )),
        Kind::GoBoring | Kind::GoStandard | Kind::GoForeign if wanted && !build.knows_fips140 => {
            Some(Effect::new(
                Severity::Warning,
                format!(
                    "GODEBUG=fips140={value} has no effect: this build is older than that setting"
                ),
                "take the setting away",
            ))
        }
        Kind::GoModule if value == "off" => Some(Effect::new(
            Severity::Error,
            "GODEBUG=fips140=off switches the module of a GOFIPS140 build off",
            "take the setting away",
        )),
        _ => None,
    }
}

/// `COMPLIANCE_POLICY` against the build.
fn compliance(policy: &str, build: Build, said: bool) -> Option<Effect> {
    if ![FIPS_140_2, FIPS_140_3].contains(&policy) {
        return None;
    }
    match build.kind {
        Kind::GoBoring if policy == FIPS_140_3 && !said => Some(Effect::new(
            Severity::Error,
            "COMPLIANCE_POLICY=fips-140-3 is not for BoringCrypto builds: the GODEBUG=fips140=only that comes with it makes them panic at start",
            "take fips-140-2, or a build with GOFIPS140",
        )),
        _ if build.module == Module::Standard && !said => Some(Effect::new(
            Severity::Warning,
            format!(
                "COMPLIANCE_POLICY={policy} limits TLS to approved algorithms, but no FIPS module computes them"
            ),
            "take a FIPS build",
        )),
        _ => None,
    }
}

/// The mesh's policy against a ztunnel, which speaks only TLS 1.3 unless it is told otherwise.
pub fn ambient(policy: Option<&str>, ztunnel: &Environment) -> Option<Effect> {
    (policy == Some(FIPS_140_2) && !ztunnel.tls12).then(|| {
        Effect::new(
            Severity::Error,
            "COMPLIANCE_POLICY=fips-140-2 lets istiod speak TLS 1.2 only, and ztunnel speaks 1.3 only: it gets no configuration",
            "set TLS12_ENABLED=true on ztunnel, or take fips-140-3",
        )
    })
}

/// What limits a container to approved algorithms, where something does.
pub fn approved_only(
    environment: &Environment,
    build: Build,
    known: Option<Policies>,
) -> Option<String> {
    if build.module < Module::Declared {
        return None;
    }
    let on = !build.switched_off && environment.fips140.as_deref() != Some("off");
    let only = environment.fips140.as_deref() == Some("only");
    match environment.compliance.as_deref() {
        _ if build.kind == Kind::GoBoring && build.fipsonly => {
            Some("crypto/tls/fipsonly is built in".to_owned())
        }
        _ if build.kind == Kind::GoModule && only => Some("GODEBUG=fips140=only".to_owned()),
        _ if build.kind == Kind::GoModule
            && build.fipsonly
            && on
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
