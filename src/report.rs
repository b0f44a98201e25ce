//! The result of a run: one value, and one file per format that writes it.
//!
//! Between versions with the same [`SCHEMA`] number, fields are only added, never renamed or removed.

use serde::Serialize;

mod counts;
pub mod csv;
mod deviation;
mod ending;
mod finding;
#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub mod json;
mod module_statement;
mod next_step;
pub mod short;
mod subject;
pub mod text;

use crate::suggestion::{CommandContext, SuggestedCommand};
use crate::workload::WorkloadRef;

pub use counts::{Count, Counts};
pub use deviation::{Deviation, Deviations, SettingKind};
pub use ending::Ending;
pub use finding::Finding;
// What was read from a program is reported as it was judged.
pub use fips_evidence::proof::{
    Certificate, Judgement, OtherCryptography, Proof, Remark, RemarkKind, Statement,
};
pub use fips_evidence::{Assurance, Recipe, Severity, Strength};
pub use module_statement::{ModuleStatement, RunsIn};
pub use next_step::NextStep;
pub use subject::Subject;

/// Number of the JSON contract.
pub const SCHEMA: u32 = 1;

/// The phase of a check: before anything is changed, or after, on what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Before,
    After,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunResult {
    Passed,
    /// Checks found errors, or what was compared differs.
    Failed,
    /// The run ended before it had a result; `error` has the reason.
    Error,
    /// Interrupted, or declined at the question.
    Interrupted,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Passed,
    /// Does not apply to this cluster or plan; the result gives the reason.
    NotApplicable,
    /// The command cannot observe it by design, for example because it reads no cluster.
    NotChecked,
    /// Should have been observed and could not be. Never a pass.
    Unknown,
    Warned,
    Failed,
    /// Left out by `--skip ID=REASON`.
    Skipped,
}

/// One check of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// In kebab case; the file name of the check and of its page: `glooistio explain ID`.
    pub id: &'static str,
    pub title: &'static str,
    pub category: &'static str,
    pub phase: Phase,
    pub status: Status,
    /// How serious the outcome is: the severity of the worst finding, or `error` for an unknown, unless `--severity`
    /// lowered it. Absent if there is no finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What was observed, or why nothing was: never empty unless there are findings.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// A workload with pods that still run an old proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingRestart {
    pub namespace: String,
    /// Absent where the owner of the pods has an unknown kind or an invalid name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadRef>,
    pub pods: u64,
    /// The reason: `runs 1.31.0-solo-fips, wanted 1.31.1-solo-fips`.
    pub reason: String,
    /// The command that restarts it; absent where there is none for its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<SuggestedCommand>,
}

/// A pod of the control plane or a gateway, as `kubectl get pods` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodRow {
    pub namespace: String,
    pub name: String,
    /// `1/1`.
    pub ready: String,
    /// `Running`, `ImagePullBackOff`, …
    pub status: String,
    pub restarts: u32,
}

/// A document, with the command that it is passed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    pub name: String,
    /// Hex sha256 of `yaml`.
    pub sha256: String,
    /// The command as a person would type it.
    pub command: String,
    pub yaml: String,
}

/// The request with its reasons, or what a run was judged by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expected {
    pub hub: Option<String>,
    pub tag: Option<String>,
    pub revision: Option<String>,
    pub namespace: Option<String>,
    /// Every choice with its reason.
    pub chosen: Vec<Choice>,
    /// What was interpreted in an unexpected way, and what was left out.
    pub notes: Vec<String>,
    /// The inputs that an upgrade takes from the record of the install.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applied_again: Vec<AppliedAgain>,
    /// The images of the plan, or the inspected ones, with their digests where these are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<PinnedImage>,
}

/// An input of an earlier install that is applied again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppliedAgain {
    /// `overlay 1 (base.yaml)`, `--set`, `options`, `template prod.hbs`.
    pub source: String,
    pub settings: Vec<String>,
}

/// The image that a tag refers to at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PinnedImage {
    /// `hub/name:tag`, or the name in an archive.
    pub reference: String,
    /// Digest of the index, or of the manifest where there is no index.
    pub digest: String,
    /// `linux/amd64`, …
    pub platforms: Vec<String>,
}

/// One choice and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// `tag`, `hub`, `revision 1-31`, …
    pub what: String,
    pub value: String,
    pub why: String,
}

/// The cluster that the run connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    pub context: String,
    pub server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
}

/// A data file that a run was judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataFile {
    pub name: String,
    pub date: String,
    /// Its age in days, if it is older than data may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_old: Option<i64>,
}

/// A check that the user skipped, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    pub check: String,
    pub reason: String,
}

/// The error that stopped a run before its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    /// The exit code of the process.
    pub exit: u8,
    pub message: String,
    pub hints: Vec<String>,
}

/// The program that wrote the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tool {
    pub name: &'static str,
    pub version: &'static str,
}

/// The whole result of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub schema: u32,
    pub tool: Tool,
    pub command: &'static str,
    pub result: RunResult,
    /// The exit code of the process.
    pub exit: u8,
    /// The end of the run in UTC, to the second: `2026-12-01T06:25:46Z`. Absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    pub data: Vec<DataFile>,
    pub cluster: Option<Cluster>,
    /// Whether the run changed, or may have changed, something in the cluster.
    pub changed: bool,
    pub expected: Expected,
    pub checks: Vec<CheckResult>,
    pub evidence: Vec<ModuleStatement>,
    pub counts: Counts,
    pub skipped: Vec<Skipped>,
    /// Why an upgrade had nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_to_date: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<PendingRestart>,
    /// The next steps, as commands where possible.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<NextStep>,
    /// The options of the run that every suggested command needs too.
    #[serde(skip)]
    pub context: CommandContext,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

impl Report {
    /// Creates an empty report of `command`.
    pub fn new(command: &'static str) -> Self {
        Report {
            schema: SCHEMA,
            tool: Tool {
                name: env!("CARGO_PKG_NAME"),
                version: env!("CARGO_PKG_VERSION"),
            },
            command,
            result: RunResult::Passed,
            exit: 0,
            time: None,
            data: Vec::new(),
            cluster: None,
            changed: false,
            expected: Expected::default(),
            checks: Vec::new(),
            evidence: Vec::new(),
            counts: Counts::new(),
            skipped: Vec::new(),
            up_to_date: None,
            documents: Vec::new(),
            pods: Vec::new(),
            pending: Vec::new(),
            next: Vec::new(),
            context: CommandContext::default(),
            error: None,
        }
    }

    /// Whether a check found an error, or could not observe something that it should have, or an inspected program is
    /// not acceptable.
    pub fn failed(&self) -> bool {
        let found = |check: &CheckResult| check.severity == Some(Severity::Error);
        self.checks.iter().any(found) || self.inspected().any(|proof| !proof.judgement.accepted)
    }

    /// Returns the proofs of files and images that were inspected as such; running programs are judged by checks.
    pub fn inspected(&self) -> impl Iterator<Item = &Proof> {
        let idle = self.evidence.iter().filter(|evidence| evidence.count == 0);
        idle.filter_map(|evidence| evidence.proof.as_deref())
    }

    /// Returns how many checks ended in `status`.
    pub fn ended(&self, status: Status) -> usize {
        self.checks
            .iter()
            .filter(|check| check.status == status)
            .count()
    }
}

/// Sample reports for the tests of every format.
#[cfg(test)]
pub(crate) mod samples;
