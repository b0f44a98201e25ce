//! The flags of ours that several commands share.

use std::path::PathBuf;

use crate::ui::ColorChoice;

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
    Yaml,
    /// One line.
    Short,
}

/// How things are said.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Format of the result on stdout
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// Say nothing but warnings, errors and the result
    #[arg(short, long)]
    pub quiet: bool,
    /// When to use colour (`NO_COLOR` is respected)
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// What to install.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "What to install")]
pub struct PlanArgs {
    /// Version (`1.31`, `1.31.0`, `1.30.2-patch1`) or tag (`1.31.0-solo-fips-distroless`) of Istio
    #[arg(long, value_name = "VERSION|TAG")]
    pub istio: Option<String>,
    #[command(flatten)]
    pub flavor: FlavorArgs,
    /// Registry and path that the images are pulled from
    #[arg(long, value_name = "HUB")]
    pub hub: Option<String>,
    /// Key of Solo's registry, part of the hub for some minors
    #[arg(long, value_name = "KEY", env = "GLOOISTIO_REPO_KEY", hide_env_values = true, conflicts_with = "repo_key_file")]
    pub repo_key: Option<String>,
    /// File that holds the repo key
    #[arg(long, value_name = "FILE")]
    pub repo_key_file: Option<PathBuf>,
    /// Platform of the cluster, such as `openshift` or `gke`
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Preset that the documents start from [default: default, or openshift on that platform]
    #[arg(long, value_name = "NAME", conflicts_with = "template")]
    pub preset: Option<String>,
    /// Template of your own, instead of a preset
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Parameter of the preset or template; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub param: Vec<String>,
    /// Version of Gloo Mesh that the cluster is registered with
    #[arg(long, value_name = "VERSION")]
    pub gloo_mesh: Option<String>,
    /// Feature that must work with the chosen version; repeatable (`glooistio matrix features`)
    #[arg(long, value_name = "FEATURE")]
    pub feature: Vec<String>,
}

/// Which variety of the build.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "What to install")]
pub struct FlavorArgs {
    /// `solo` or `standard` [default: solo where that version has one]
    #[arg(long, value_name = "DISTRIBUTION")]
    pub distribution: Option<String>,
    /// The FIPS build
    #[arg(long)]
    pub fips: bool,
    /// The distroless build
    #[arg(long)]
    pub distroless: bool,
    /// The ARM build
    #[arg(long)]
    pub arm: bool,
}

/// What is judged, and how strictly.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Checks")]
pub struct CheckArgs {
    /// Leave a check out, and say why; repeatable
    #[arg(long, value_name = "ID=REASON")]
    pub skip: Vec<String>,
    /// Change how much a check matters: `info`, `warning` or `error`; repeatable
    #[arg(long, value_name = "ID=LEVEL")]
    pub severity: Vec<String>,
    /// Take warnings for errors
    #[arg(long)]
    pub strict: bool,
    /// YAML file whose rows replace those of the built-in matrix
    #[arg(long, value_name = "FILE")]
    pub matrix: Option<PathBuf>,
    /// Show every check, also those that passed or do not apply
    #[arg(short, long)]
    pub verbose: bool,
}

/// How our own reads and waits are bounded, and which istioctl is run.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// The istioctl to run [default: the first on PATH]
    #[arg(long, value_name = "PATH", env = "GLOOISTIO_ISTIOCTL")]
    pub istioctl: Option<PathBuf>,
    /// Bound of our own reads and waits
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: std::time::Duration,
}

/// Reads a duration as Go writes it: `90s`, `5m0s`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "write it like 90s or 5m0s".to_owned())?;
    std::time::Duration::try_from(parsed)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "it must be longer than nothing".to_owned())
}
