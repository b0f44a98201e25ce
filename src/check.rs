//! The checks: pure functions over facts that were gathered before.
//!
//! A check is one file here with its page beside it, and one line in [`CHECKS`]. Its id is the file
//! name in kebab-case. Severities are overridden here and nowhere else: a check never knows.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::facts::{self, Fact};
use crate::istio::Matrix;
use crate::plan::Plan;
use crate::render::Rendered;
use crate::report::{CheckResult, Finding, Severity, Skipped, Status};

/// What a Before check looks at.
pub struct Before<'a> {
    pub plan: &'a Plan,
    pub documents: &'a [Rendered],
    pub facts: &'a facts::Before,
    pub matrix: &'a Matrix,
    /// The day that end of life is judged for.
    pub today: Date,
}

/// What an After check looks at.
pub struct After<'a> {
    pub expected: &'a Expectation,
    pub facts: &'a facts::After,
    pub scope: Scope,
}

/// How much an After check judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What an install changed; proxies that were not restarted are pending, not wrong.
    Changed,
    /// Every proxy, strictly.
    Everything,
}

/// How a check ended, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What was seen.
    Passed(String),
    NotApplicable(String),
    NotChecked(String),
    Unknown(String),
    Found(Vec<Finding>),
}

/// The phase is the type: a Before check cannot see what runs afterwards.
#[derive(Clone, Copy)]
pub enum Run {
    Before(fn(&Before<'_>) -> Outcome),
    After(fn(&After<'_>) -> Outcome),
}

/// One check.
pub struct Check {
    /// Kebab-case; the file name.
    pub id: &'static str,
    /// What holds when it passes: `istioctl is of the planned minor`.
    pub title: &'static str,
    /// Heading that it stands under: `istioctl`, `kubernetes`, `images`, …
    pub category: &'static str,
    pub run: Run,
    /// The page that `explain` shows.
    pub page: &'static str,
}

/// What the user changed about severities.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// `--severity ID=LEVEL`.
    pub levels: BTreeMap<String, Severity>,
    /// `--skip ID=REASON`.
    pub skips: BTreeMap<String, String>,
    /// `--strict`: warnings are errors.
    pub strict: bool,
}
