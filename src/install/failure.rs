//! The explanation of a failed install: why it failed, what is in place, and what to do.

use std::collections::BTreeSet;
use std::time::Duration;

use super::RunContext;
use super::apply::Progress;
use super::prepare::Prepared;
use crate::action::Action;
use crate::check;
use crate::exit::{Exit, Failure, Hint};
use crate::facts::{self, Cause};
use crate::report::Severity;
use crate::sys::cluster::Cluster;
use crate::sys::signal;
use crate::workload::WorkloadRef;

/// An install that stopped.
pub(super) struct Failed<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) prepared: &'a Prepared,
    /// The facts from before anything changed.
    pub(super) before: &'a facts::Before,
    pub(super) actions: &'a [Action],
    pub(super) stopped_at: &'a Action,
    pub(super) progress: &'a Progress,
}

/// Advice on how to continue after a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Advice {
    /// The same command continues.
    Again,
    /// The same command continues once the cause is gone.
    AgainWithoutCause,
    /// The same command continues once the API server answers.
    AgainWithCluster,
    /// The same command would be refused, by this check and for this reason.
    Refused { check: &'static str, why: String },
    /// istioctl does not accept its command line: the same command would fail in the same way.
    OtherFlags,
}

impl Advice {
    fn text(&self) -> String {
        const AGAIN: &str = "run the same command again: it continues where it stopped";
        match self {
            Advice::Again => AGAIN.to_owned(),
            Advice::AgainWithoutCause => format!("remove the cause, then {AGAIN}"),
            Advice::AgainWithCluster => format!("once the cluster answers, {AGAIN}"),
            Advice::Refused { check, why } => format!(
                "the same command would be refused now by check {check}: {why}; see `glooistio explain {check}`"
            ),
            Advice::OtherFlags => {
                "change the flags that istioctl does not accept: see `istioctl install --help`"
                    .to_owned()
            }
        }
    }
}

impl Failed<'_> {
    /// Adds to a failure its causes, what is in place, and how to continue.
    pub(super) fn explain(&self, ctx: &RunContext<'_>, failure: Failure) -> Failure {
        let mut failure = failure;
        let usage = failure.exit == Exit::Istioctl(Exit::Usage.code());
        let causes = if signal::interrupted() || usage {
            Vec::new()
        } else {
            let namespaces = self.prepared.namespaces();
            facts::causes(self.cluster, &namespaces, &self.workloads())
        };
        failure.hints.extend(hints(&causes));
        failure.hints.push(self.place(ctx).into());
        let advice = if usage {
            Advice::OtherFlags
        } else {
            self.advice(ctx, &causes)
        };
        failure.hints.push(advice.text().into());
        failure
    }

    /// Returns all workloads that the install waits for.
    fn workloads(&self) -> BTreeSet<WorkloadRef> {
        let rollouts = self.actions.iter().filter_map(|action| match action {
            Action::Rollout { workloads } => Some(workloads),
            _ => None,
        });
        rollouts.flatten().cloned().collect()
    }

    fn place(&self, ctx: &RunContext<'_>) -> String {
        let finished = &self.progress.finished;
        let place = match (ctx.report.changed, finished.is_empty()) {
            (false, _) => "nothing was changed".to_owned(),
            (true, true) => "no step was finished, but objects may have been created".to_owned(),
            (true, false) => format!("in place: {}", finished.join(", ")),
        };
        format!("{place}; stopped at: {}", self.stopped_at)
    }

    fn advice(&self, ctx: &RunContext<'_>, causes: &[Cause]) -> Advice {
        if signal::interrupted() {
            return Advice::Again;
        }
        if causes.iter().any(|it| matches!(it, Cause::ClusterGone(_))) {
            return Advice::AgainWithCluster;
        }
        match self.refusal(ctx) {
            Some(refused) => refused,
            None if causes.is_empty() => Advice::Again,
            None => Advice::AgainWithoutCause,
        }
    }

    /// Returns the first check that the same command would fail now. Registries and istioctl are not read again.
    fn refusal(&self, ctx: &RunContext<'_>) -> Option<Advice> {
        let plan = &self.prepared.plan;
        let licences = self.prepared.licence_secrets(ctx.matrix);
        let asked = facts::ObservationScope {
            namespace: &plan.namespace,
            fips: plan.tag.flavor.is_fips(),
            licences: &licences,
        };
        let now = facts::Before {
            images: self.before.images.clone(),
            manifests: self.before.manifests.clone(),
            ..facts::before(self.cluster, self.before.istioctl.clone(), asked)
        };
        now.cluster.known()?;
        let ran = check::before(&ctx.subject(self.prepared, &now), ctx.policy);
        let mut failed = ran.results.into_iter();
        let failed = failed.find(|it| it.severity == Some(Severity::Error))?;
        let mut findings = failed.findings.iter();
        let error = findings.find(|finding| finding.severity == Severity::Error);
        Some(Advice::Refused {
            check: failed.id,
            why: error.map_or(failed.detail, |finding| finding.message.clone()),
        })
    }
}

/// Returns the causes, each with the command that shows more.
pub(super) fn hints(causes: &[Cause]) -> Vec<Hint> {
    let mut hints = Vec::new();
    for cause in causes {
        let text = match cause {
            Cause::ClusterGone(_) => cause.to_string(),
            _ => format!("the cluster says: {cause}"),
        };
        hints.push(Hint::from(text));
        if let Cause::NotReady {
            command: Some(command),
            ..
        } = cause
        {
            hints.push(Hint::command("see more", command.clone()));
        }
    }
    hints
}

/// Returns the failure of an install without other errors in which old pods may still run.
pub(super) fn unfinished(late: &BTreeSet<WorkloadRef>, limit: Duration) -> Failure {
    let name = |it: &WorkloadRef| format!("{}/{}", it.namespace(), it.name());
    let names: Vec<String> = late.iter().map(name).collect();
    let (names, seconds) = (names.join(", "), limit.as_secs());
    let message = format!("not rolled out within {seconds} s: {names}");
    Failure::message(Exit::Findings, message)
        .hint_command(
            "judge what runs once it is rolled out",
            "glooistio verify",
            &[],
        )
        .hint("--timeout waits longer")
}
