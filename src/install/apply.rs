//! Runs the actions of an install in order, and reports what is in place when one fails.

use super::failure::Failed;
use super::prepare::Prepared;
use super::{Install, RunContext};
use crate::action::{Action, namespace, progress};
use crate::exit::{Exit, Failure};
use crate::facts::{self, Changed};
use crate::sys::cluster::Cluster;
use crate::sys::process::{self, Status};
use crate::sys::signal;
use crate::ui::Event;
use crate::workload::WorkloadRef;
use terminal_text::escape_line;

/// Lines of istioctl's stderr that are kept for the message of a failure.
const KEPT: usize = 8;

/// The progress of an install.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The components that istioctl reported as finished.
    pub(super) finished: Vec<String>,
    /// Workloads that were not rolled out in time; checks find the reason.
    late: Vec<WorkloadRef>,
}

/// Runs `actions` in order, and returns the workloads that were not rolled out in time.
pub fn apply(
    ctx: &mut RunContext<'_>,
    cluster: &Cluster,
    prepared: &Prepared,
    actions: &[Action],
    (install, before): (&Install<'_>, &facts::Before),
) -> Result<Vec<WorkloadRef>, Failure> {
    let mut progress = Progress::default();
    let webhooks = facts::webhook_versions(cluster);
    for action in actions {
        let done = match action {
            _ if signal::interrupted() => Err(Failure::message(Exit::Interrupted, "interrupted")),
            Action::Istioctl { invocation, .. } => run(ctx, invocation, &mut progress),
            Action::Namespace { name } => namespace::ensure(cluster, name)
                .map(|created| ctx.report.changed |= created)
                .map_err(Failure::from),
            Action::Rollout { workloads } => {
                ctx.ui
                    .event(&Event::Working("Waiting for rollouts".to_owned()));
                facts::rolled_out(cluster, workloads, ctx.timeout)
                    .map(|late| progress.late.extend(late))
                    .map_err(Failure::from)
            }
            Action::Webhooks { revision } => {
                ctx.ui.event(&Event::Working(format!(
                    "Waiting for the webhooks of revision {revision}"
                )));
                let changed = Changed {
                    revision,
                    namespace: &prepared.plan.namespace,
                    before: &webhooks,
                };
                facts::wait_until_complete(cluster, changed, ctx.timeout).map_err(Failure::from)
            }
            Action::Record { .. } => {
                record(ctx, cluster, prepared, install);
                Ok(())
            }
        };
        if let Err(failure) = done {
            let failed = Failed {
                cluster,
                prepared,
                before,
                actions,
                stopped_at: action,
                progress: &progress,
            };
            return Err(failed.explain(ctx, failure));
        }
    }
    ctx.ui.clear();
    Ok(progress.late)
}

/// Runs istioctl; what it finished stays in place even if it fails later.
fn run(
    ctx: &mut RunContext<'_>,
    invocation: &process::Invocation,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut last: Vec<String> = Vec::new();
    let mut step: Option<String> = None;
    let ui = ctx.ui;
    let status = process::stream(invocation, &mut |_, line| {
        for event in progress::events(line) {
            if let Event::Said(text) | Event::Gave(text) = &event {
                last.push(text.clone());
                if last.len() > KEPT {
                    last.remove(0);
                }
            }
            match &event {
                Event::Done(text) => progress.finished.push(text.clone()),
                Event::Gave(text) => step = Some(text.clone()),
                _ => {}
            }
            ui.event(&event);
        }
    })?;
    // With flags that it does not know, istioctl ends before it does anything.
    ctx.report.changed |= status != Status::Code(Exit::Usage.code());
    let exit = match status {
        Status::Code(0) => return Ok(()),
        Status::Code(code) => Exit::Istioctl(code),
        Status::Signal(signal) => Exit::signalled(signal),
    };
    let ended = match status {
        Status::Signal(signal) => format!("istioctl was ended by signal {signal}"),
        Status::Code(code) => format!("istioctl failed with exit code {code}"),
    };
    let message = match complaint(&last, step) {
        Some(complaint) => format!("{ended}: {complaint}"),
        None => ended,
    };
    Err(Failure::message(exit, message))
}

/// The last message of istioctl up to 1.23, whatever went wrong.
const SAYS_NOTHING: &str = "errors occurred during operation";

/// Returns the most useful line of istioctl: its error, or the failed step if the error gives no reason.
fn complaint(last: &[String], step: Option<String>) -> Option<String> {
    // Its last line of progress and its error may share a line.
    let error = last
        .iter()
        .rev()
        .find_map(|line| Some(&line[line.find("Error: ")?..]));
    match (error, step) {
        (Some(error), Some(step)) if error.trim_end().ends_with(SAYS_NOTHING) => Some(step),
        (Some(error), _) => Some(error.to_owned()),
        (None, _) => last.last().cloned(),
    }
}

/// Writes the record. A failure to do so does not undo the install: it is a warning that names the consequence.
fn record(ctx: &mut RunContext<'_>, cluster: &Cluster, prepared: &Prepared, install: &Install<'_>) {
    let plan = &prepared.plan;
    let record = facts::Record {
        revision: plan.revision_label().to_owned(),
        hub: plan.hub.to_string(),
        tag: plan.tag.clone(),
        request: install.request.clone(),
        documents: prepared
            .manifest
            .documents
            .iter()
            .map(|one| (one.name.clone(), one.sha256()))
            .collect(),
        data: ctx
            .report
            .data
            .iter()
            .map(|file| (file.name.clone(), file.date.clone()))
            .collect(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
    };
    if let Err(error) = facts::write_record(cluster, &plan.namespace, &record) {
        let why = escape_line(&error.to_string());
        ctx.ui.event(&Event::Warning(format!(
            "the record of this install could not be written: {why}; `verify` and `upgrade` will judge by istiod's own tag"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_that_failed_stands_for_an_error_that_names_no_reason() {
        let lines =
            |lines: &[&str]| -> Vec<String> { lines.iter().map(|it| (*it).to_owned()).collect() };
        let step = || Some("Istiod encountered an error: no matches for kind".to_owned());
        let vague = "Error: failed to install manifests: errors occurred during operation";
        assert_eq!(complaint(&lines(&[vague]), step()), step());
        assert_eq!(complaint(&lines(&[vague]), None).as_deref(), Some(vague));
        let clear = "- Pruning Error: no such flag";
        assert_eq!(
            complaint(&lines(&[clear, "help"]), step()).as_deref(),
            Some("Error: no such flag")
        );
        assert_eq!(complaint(&lines(&["a", "b"]), None).as_deref(), Some("b"));
        assert_eq!(complaint(&[], None), None);
    }
}
