//! glooistio's own flags that several commands share.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::civil::Date;

use crate::exit::{Exit, Failure};
use crate::request::Consent;
use crate::ui::ColorChoice;
use fips_evidence::{CertificatePolicy, RequiredAssurance};

/// The variable that names the istioctl to run if no flag does.
pub(super) const ISTIOCTL: &str = "GLOOISTIO_ISTIOCTL";

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
    Yaml,
    /// One line.
    Short,
    /// The statements about modules, a line for each program and place.
    Csv,
}

/// How the output looks.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Format of the result on stdout
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Format,
    /// Show only warnings, errors, and requested documents
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// When to use colour (`NO_COLOR` is respected)
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: ColorChoice,
}

/// What to install.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "What to install")]
pub(super) struct PlanArgs {
    /// Version (`1.31`, `1.31.0`, `1.30.2-patch1`) or tag (`1.31.0-solo-fips-distroless`) of Istio
    #[arg(long, value_name = "VERSION|TAG")]
    pub(super) istio: Option<String>,
    #[command(flatten)]
    pub(super) flavor: FlavorArgs,
    /// Registry and path that the images are pulled from
    #[arg(long, value_name = "HUB")]
    pub(super) hub: Option<String>,
    /// Key of Solo's registry, part of the hub for some minors [env: `GLOOISTIO_REPO_KEY`, unset if empty]
    #[arg(long, value_name = "KEY", conflicts_with = "repo_key_file")]
    pub(super) repo_key: Option<String>,
    /// File that contains the repo key
    #[arg(long, value_name = "FILE")]
    pub(super) repo_key_file: Option<PathBuf>,
    /// Platform of the cluster, such as `openshift`, if it needs settings (`glooistio matrix platforms`)
    #[arg(long, value_name = "PLATFORM")]
    pub(super) platform: Option<String>,
    /// Preset that the documents start from [default: default, or openshift on that platform]
    #[arg(long, value_name = "NAME", conflicts_with = "template")]
    pub(super) preset: Option<String>,
    /// Template of your own, instead of a preset
    #[arg(long, value_name = "FILE")]
    pub(super) template: Option<PathBuf>,
    /// Parameter of the preset or template; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) param: Vec<String>,
    /// Version of Gloo Mesh that the cluster is registered with
    #[arg(long, value_name = "VERSION")]
    pub(super) gloo_mesh: Option<String>,
    /// Feature that must work with the chosen version; repeatable (`glooistio matrix features`)
    #[arg(long, value_name = "FEATURE")]
    pub(super) feature: Vec<String>,
}

/// Permissions for risky changes, which an install makes only if the user gives them.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Checks")]
pub(super) struct ConsentArgs {
    /// Install an older build than the running one
    #[arg(long)]
    allow_downgrade: bool,
    /// Replace a FIPS build by one without FIPS
    #[arg(long)]
    allow_fips_loss: bool,
}

impl ConsentArgs {
    pub(super) fn consent(&self, gateways: bool) -> Consent {
        Consent {
            downgrade: self.allow_downgrade,
            fips_loss: self.allow_fips_loss,
            gateways,
        }
    }
}

/// The flavour of the build.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "What to install")]
pub(super) struct FlavorArgs {
    /// Distribution: `solo` or `standard` [default: solo if that version has one]
    #[arg(long, value_name = "DISTRIBUTION")]
    pub(super) distribution: Option<String>,
    /// Use the FIPS build
    #[arg(long)]
    pub(super) fips: bool,
    /// Use the distroless build
    #[arg(long)]
    pub(super) distroless: bool,
    /// Use the ARM build
    #[arg(long)]
    pub(super) arm: bool,
}

/// What is checked, and how strictly.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Checks")]
pub(super) struct CheckArgs {
    /// Skip a check, with the reason; repeatable
    #[arg(long, value_name = "ID=REASON")]
    pub(super) skip: Vec<String>,
    /// Change the severity of a check: `info`, `warning` or `error`; repeatable
    #[arg(long, value_name = "ID=LEVEL")]
    pub(super) severity: Vec<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub(super) strict: bool,
    /// YAML file with rows that replace those of the built-in matrix
    #[arg(long, value_name = "FILE")]
    pub(super) matrix: Option<PathBuf>,
    /// Show everything: checks that do not apply, whole lists, and the sources of the data
    #[arg(short, long, conflicts_with = "quiet", help_heading = "Output")]
    pub(super) verbose: bool,
}

/// The limits of our own reads and waits, and which istioctl is run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Run")]
pub(super) struct RunArgs {
    /// The istioctl to run [env: `GLOOISTIO_ISTIOCTL`, unset if empty] [default: the first on PATH]
    #[arg(long, value_name = "PATH")]
    pub(super) istioctl: Option<PathBuf>,
    /// Time limit for glooistio's own reads and waits
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(super) timeout: std::time::Duration,
    #[command(flatten)]
    pub(super) proof: ProofArgs,
    #[command(flatten)]
    pub(super) registry: RegistryArgs,
    /// Do not contact registries: images are neither searched for nor read (an empty variable is unset)
    #[arg(long, help_heading = "Registry", env = "GLOOISTIO_NO_REGISTRY", value_parser = clap::builder::FalseyValueParser::new())]
    pub(super) no_registry: bool,
}

/// Options for judging statements about cryptographic modules.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "FIPS")]
pub(super) struct ProofArgs {
    /// Least assurance to accept: `declared`, `identified`, `proven` or `fipsonly`
    #[arg(long, value_name = "FLOOR")]
    pub(super) require: Option<RequiredAssurance>,
    /// Certificates to accept: `any`, `140-3-active` or `fedramp-2026`
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub(super) policy: CertificatePolicy,
    /// Day for which certificates are judged [default: today]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    pub(super) at: Option<Date>,
    /// Maximum age of the status of a certificate on that day; an older status is a warning, and with
    /// --strict the result of --policy is unknown
    #[arg(long, value_name = "DAYS", default_value_t)]
    pub(super) max_data_age: Days,
    /// YAML file with modules, certificates and fingerprints that replace the built-in ones
    #[arg(long, value_name = "FILE")]
    pub(super) modules: Option<PathBuf>,
}

/// A number of days, written as `90d` or `90`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days(pub(super) u32);

impl Default for Days {
    fn default() -> Self {
        /// A quarter, in which the CMVP's lists change many times.
        const QUARTER: u32 = 90;
        Days(QUARTER)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

impl FromStr for Days {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix('d').unwrap_or(text);
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let days = number.parse().ok().filter(|_| digits);
        days.map(Days)
            .ok_or("expected a number of days, such as 90d")
    }
}

/// Options for the access to registries.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Registry")]
pub(super) struct RegistryArgs {
    /// Contact this registry without TLS; repeatable (detected automatically on loopback)
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(super) plain_http: Vec<String>,
    /// Contact this registry, token service or blob store even if it is at a private address and
    /// neither plan nor record names it; repeatable
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(super) allow_registry: Vec<String>,
    /// Read images again, even if the cache contains results for their digests
    #[arg(long)]
    pub(super) no_cache: bool,
}

/// Options for reading the images of a plan in the Before checks.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Registry")]
pub(super) struct ImageArgs {
    /// Also read the programs in the images, which must be what their tag says (the default for a FIPS build,
    /// --require and --policy)
    #[arg(long)]
    inspect_images: bool,
}

impl ImageArgs {
    /// Whether they are read: tags and labels are not enough if the user requires more. `GLOOISTIO_NO_REGISTRY=0`
    /// counts as a given value too, so clap cannot check the conflict.
    pub(super) fn inspected(&self, run: &RunArgs) -> Result<bool, Failure> {
        if self.inspect_images && run.no_registry {
            let message = "--inspect-images asks the registry, and --no-registry or \
                           GLOOISTIO_NO_REGISTRY says not to: choose one";
            return Err(Failure::message(Exit::Usage, message));
        }
        let words = run.proof.policy.accepts_words(run.proof.require);
        Ok(self.inspect_images || !words)
    }
}

impl RunArgs {
    /// Whether the user names an istioctl, so that the first on PATH is not used.
    pub(super) fn names_istioctl(&self) -> bool {
        self.istioctl.is_some() || crate::sys::os::env(ISTIOCTL).is_some()
    }
}

impl Default for RunArgs {
    fn default() -> Self {
        RunArgs {
            istioctl: None,
            timeout: std::time::Duration::from_mins(1),
            proof: ProofArgs::default(),
            registry: RegistryArgs::default(),
            no_registry: false,
        }
    }
}

/// Parses a date without a time.
fn day(text: &str) -> Result<Date, String> {
    let shaped = text.len() == "2026-11-23".len();
    let day = text.parse().ok().filter(|_| shaped);
    day.ok_or_else(|| "expected a date as YYYY-MM-DD, such as 2026-11-23".to_owned())
}

/// Parses a duration as Go writes it: `90s`, `5m0s`.
pub(super) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "write it like 90s or 5m0s".to_owned())?;
    std::time::Duration::try_from(parsed)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "must be greater than 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_flags_is_the_default_run() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            run: RunArgs,
        }
        let typed = <Line as clap::Parser>::try_parse_from(["x"]).unwrap().run;
        let default = RunArgs::default();
        assert_eq!(typed.timeout, default.timeout);
        assert_eq!((typed.no_registry, default.no_registry), (false, false));
    }

    #[test]
    fn days_are_a_number_with_or_without_its_unit() {
        for (text, days) in [("90d", 90), ("90", 90), ("0d", 0), ("3650", 3650)] {
            assert_eq!(text.parse(), Ok(Days(days)), "{text}");
        }
        for wrong in [
            "",
            "d",
            "-1",
            "+1",
            "1.5d",
            "90 d",
            "12w",
            "90dd",
            "5000000000",
        ] {
            assert!(wrong.parse::<Days>().is_err(), "{wrong}");
        }
        assert_eq!(Days::default().to_string().parse(), Ok(Days(90)));
    }

    #[test]
    fn durations_are_written_as_in_go() {
        assert_eq!(duration("5m0s"), Ok(std::time::Duration::from_mins(5)));
        assert_eq!(duration("90s"), Ok(std::time::Duration::from_secs(90)));
        for wrong in ["", "abc", "0s", "-5s", "5"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
