//! Runs the actions of an install, one after the other, and says what is in place when one fails.

use super::prepare::Prepared;
use super::{Install, Session};
use crate::action::{Action, namespace, progress};
use crate::escape::escape_line;
use crate::exit::{Exit, Failure};
use crate::facts;
use crate::options::{Gateways, Template};
use crate::sys::cluster::Cluster;
use crate::sys::process::{self, Status};
use crate::sys::signal;
use crate::ui::Event;

/// Lines of istioctl's stderr that are kept for the message of a failure.
const KEPT: usize = 8;

/// Runs `actions` in order, and gives the Deployments that were not rolled out in time: what keeps them
/// is found by the checks.
pub fn apply(
    session: &mut Session<'_>,
    cluster: &Cluster,
    prepared: &Prepared,
    actions: &[Action],
    install: &Install<'_>,
) -> Result<Vec<String>, Failure> {
    let mut in_place: Vec<String> = Vec::new();
    let mut late: Vec<String> = Vec::new();
    for action in actions {
        let done = match action {
            _ if signal::interrupted() => Err(Failure::message(Exit::Interrupted, "interrupted")),
            Action::Istioctl { invocation, .. } => run(session, invocation, &mut in_place),
            Action::Namespace { name } => namespace::ensure(cluster, name).map_err(Failure::from),
            Action::Rollout { deployments } => {
                session
                    .ui
                    .event(&Event::Working("Waiting for rollouts".to_owned()));
                facts::rolled_out(cluster, deployments, session.timeout)
                    .map(|names| late.extend(names))
                    .map_err(Failure::from)
            }
            Action::Webhooks { revision } => {
                session.ui.event(&Event::Working(format!(
                    "Waiting for the webhooks of revision {revision}"
                )));
                facts::webhooks_filled(cluster, revision, session.timeout)
                    .map(drop)
                    .map_err(Failure::from)
            }
            Action::Record { .. } => {
                record(session, cluster, prepared, install);
                Ok(())
            }
        };
        match (done, action) {
            (Ok(()), _) => {}
            (Err(failure), action) => {
                return Err(explained(cluster, prepared, failure, (&in_place, action)));
            }
        }
    }
    session.ui.clear();
    Ok(late)
}

/// Runs istioctl; what it finished is in place, also when it fails later.
fn run(
    session: &Session<'_>,
    invocation: &process::Invocation,
    in_place: &mut Vec<String>,
) -> Result<(), Failure> {
    let mut last: Vec<String> = Vec::new();
    let status = process::stream(invocation, &mut |_, line| {
        let Some(event) = progress::event(line) else {
            return;
        };
        if let Event::Said(text) | Event::Gave(text) = &event {
            last.push(text.clone());
            if last.len() > KEPT {
                last.remove(0);
            }
        }
        if let Event::Done(text) = &event {
            in_place.push(text.clone());
        }
        session.ui.event(&event);
    })?;
    let exit = match status {
        Status::Code(0) => return Ok(()),
        Status::Code(code) => Exit::Istioctl(code),
        Status::Signal(signal) => Exit::signalled(signal),
    };
    // Its last line of progress and its error may share a line.
    let errors = last
        .iter()
        .rev()
        .find_map(|line| Some(&line[line.find("Error: ")?..]));
    let said = errors.or(last.last().map(String::as_str));
    let ended = match status {
        Status::Signal(signal) => format!("istioctl was ended by signal {signal}"),
        Status::Code(code) => format!("istioctl failed with exit code {code}"),
    };
    Err(Failure::message(
        exit,
        said.map_or(ended.clone(), |said| format!("{ended}: {said}")),
    ))
}

/// A failed record never undoes an install: it is said, with what it means.
fn record(
    session: &mut Session<'_>,
    cluster: &Cluster,
    prepared: &Prepared,
    install: &Install<'_>,
) {
    let plan = &prepared.plan;
    let record = facts::Record {
        revision: plan.revision_label().to_owned(),
        hub: plan.hub.to_string(),
        tag: plan.tag.clone(),
        overlays: install
            .options
            .files
            .iter()
            .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
            .collect(),
        overlay_names: install
            .options
            .files
            .iter()
            .map(|(name, _)| name.clone())
            .collect(),
        sets: install.options.sets.clone(),
        options: install.typed.clone(),
        template: match &plan.template {
            Template::File { name, text } => Some((name.clone(), text.clone())),
            Template::Preset(_) | Template::None => None,
        },
        without_gateways: install.options.gateways == Gateways::LeaveOut,
        documents: prepared
            .manifest
            .documents
            .iter()
            .map(|one| (one.name.clone(), one.sha256()))
            .collect(),
        data: session
            .report
            .data
            .iter()
            .map(|file| (file.name.clone(), file.date.clone()))
            .collect(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
    };
    if let Err(error) = facts::write_record(cluster, &plan.namespace, &record) {
        let why = escape_line(&error.to_string());
        session.ui.event(&Event::Warning(format!(
            "the record of this install could not be written: {why}; `verify` and `upgrade` will judge by istiod's own tag"
        )));
    }
}

/// Adds to a failure what the cluster says of it, what is in place, and how to go on.
fn explained(
    cluster: &Cluster,
    prepared: &Prepared,
    failure: Failure,
    (in_place, failed): (&[String], &Action),
) -> Failure {
    let mut failure = failure;
    if !signal::interrupted() {
        let causes = facts::causes(cluster, &prepared.namespaces());
        failure.hints.extend(
            causes
                .into_iter()
                .map(|cause| format!("the cluster says: {cause}").into()),
        );
    }
    let place = if in_place.is_empty() {
        "nothing was finished".to_owned()
    } else {
        format!("in place: {}", in_place.join(", "))
    };
    failure
        .hint(format!("{place}; stopped at: {failed}"))
        .hint("run the same command again: it goes on where it stopped")
}
