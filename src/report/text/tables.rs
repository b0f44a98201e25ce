//! The pods as kubectl shows them, and the pending restarts.

use std::io;

use super::page::{Page, Tone};
use crate::report::{PendingRestart, PodRow};

/// Restarts shown, unless the mode is verbose.
const SHOWN: usize = 20;

/// Pods shown, unless the mode is verbose: two pages of a terminal. Tenants can have any number of pods that look like
/// gateways.
const PODS_SHOWN: usize = 100;

pub(super) fn pods(page: &mut Page<'_>, pods: &[PodRow]) -> io::Result<()> {
    // In quiet mode the checks report pods with problems.
    if pods.is_empty() || page.is_quiet() {
        return Ok(());
    }
    let heading = ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS"].map(str::to_owned);
    let shown = if page.is_verbose() {
        pods.len()
    } else {
        PODS_SHOWN
    };
    let rows = pods.iter().take(shown).map(|pod| {
        [
            pod.namespace.clone(),
            pod.name.clone(),
            pod.ready.clone(),
            pod.status.clone(),
            pod.restarts.to_string(),
        ]
    });
    page.heading("pods")?;
    page.table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())?;
    left_out(page, pods.len(), shown)?;
    page.blank()
}

pub(super) fn pending(page: &mut Page<'_>, pending: &[PendingRestart]) -> io::Result<()> {
    if pending.is_empty() {
        return Ok(());
    }
    page.heading("pending restarts")?;
    let shown = if page.is_verbose() {
        pending.len()
    } else {
        SHOWN
    };
    for restart in pending.iter().take(shown) {
        let pods = if restart.pods == 1 { "pod" } else { "pods" };
        let owner = match &restart.workload {
            Some(workload) => workload.to_string(),
            None => format!("namespace {}, an owner of another kind", restart.namespace),
        };
        let line = format!("{owner}: {} {pods}: {}", restart.pods, restart.reason);
        page.marked(Tone::Warned, &line)?;
        match &restart.command {
            Some(command) => page.verbatim(4, command.as_str())?,
            None => page.paragraph(
                4,
                Tone::Plain,
                "no command restarts these: have their owner create new pods",
            )?,
        }
    }
    left_out(page, pending.len(), shown)?;
    page.blank()
}

/// Writes how many rows of `all` were not shown.
pub(super) fn left_out(page: &mut Page<'_>, all: usize, shown: usize) -> io::Result<()> {
    match all.saturating_sub(shown) {
        0 => Ok(()),
        more => page.paragraph(
            0,
            Tone::Dim,
            &format!("and {more} more: --verbose shows them"),
        ),
    }
}
