//! Finds why a pod is not ready: from the logs of its programs, its status and its events.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Event, Pod};
use kube::ResourceExt;

use super::{Cause, shorten};
use crate::suggestion::SuggestedCommand;
use crate::sys::cluster::Session;
use crate::workload::WorkloadRef;

/// Number of log lines that are shown.
const LOG_LINES: usize = 3;

/// Returns why a pod is not ready, starting with the log lines of its programs that have ended.
pub(super) async fn of_pod(
    session: &Session,
    pod: &Pod,
    workload: &WorkloadRef,
    events: &[Event],
) -> Vec<Cause> {
    let (name, namespace) = (pod.name_any(), workload.namespace());
    let mut found = Vec::new();
    for ended in containers(pod).filter(|status| has_ended(status)) {
        let previous = is_started_again(ended);
        let log = session.log_tail(namespace, &name, (&ended.name, previous));
        let log = log.await.map(|text| last_lines(&text));
        let template = if previous {
            "kubectl logs {} -n {} -c {} --previous"
        } else {
            "kubectl logs {} -n {} -c {}"
        };
        let why = container_cause(ended).unwrap_or_else(|| ending(ended));
        found.push(Cause::NotReady {
            workload: workload.clone(),
            why: shorten(&why),
            log: log.unwrap_or_default(),
            command: SuggestedCommand::new(template, &[&name, namespace, &ended.name]),
        });
    }
    let mut said = pod_causes(pod);
    if said.is_empty() && found.is_empty() {
        said = last_warning(&name, events);
    }
    let command = SuggestedCommand::new("kubectl describe pod {} -n {}", &[&name, namespace]);
    found.extend(said.into_iter().map(|why| Cause::NotReady {
        workload: workload.clone(),
        why: shorten(&why),
        log: Vec::new(),
        command: command.clone(),
    }));
    found
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|it| it.init_container_statuses.as_ref());
    let main = status.and_then(|it| it.container_statuses.as_ref());
    init.into_iter().chain(main).flatten()
}

/// Checks whether the program of a container ended with an error and does not run now.
fn has_ended(status: &ContainerStatus) -> bool {
    let state = status.state.as_ref();
    let failed = |ended: &ContainerStateTerminated| ended.exit_code != 0;
    let now = state
        .and_then(|it| it.terminated.as_ref())
        .is_some_and(failed);
    let waits = state.is_some_and(|it| it.waiting.is_some());
    now || waits && is_started_again(status)
}

/// Checks whether the log of the container that failed is that of an earlier start.
fn is_started_again(status: &ContainerStatus) -> bool {
    let waits = status.state.as_ref().is_some_and(|it| it.waiting.is_some());
    let last = status.last_state.as_ref();
    let last = last.and_then(|it| it.terminated.as_ref());
    waits && last.is_some_and(|ended| ended.exit_code != 0)
}

fn ending(status: &ContainerStatus) -> String {
    format!("container {} ({}) ended", status.name, status.image)
}

/// Prefixes of the log lines in which a program gives the reason for its end.
const LAST_WORDS: [&str; 3] = ["panic: ", "fatal error: ", "Error: "];

/// The same within a log line of istiod, between its time and its text.
const FATAL: &str = "\tfatal\t";

/// Returns the log lines that show why a program ended: its panic or error, otherwise the last lines.
pub(super) fn last_lines(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let says_why =
        |line: &&&str| LAST_WORDS.iter().any(|word| line.starts_with(word)) || line.contains(FATAL);
    let reason = lines.iter().rfind(says_why);
    let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
    let shown = reason.map_or_else(|| last.to_vec(), |line| vec![*line]);
    shown.into_iter().map(shorten).collect()
}

pub(super) fn ready(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let mut conditions = status.conditions.iter().flatten();
    status.phase.as_deref() == Some("Succeeded")
        || conditions.any(|it| it.type_ == "Ready" && it.status == "True")
}

/// Returns the causes in the status of a pod that is not ready, except for its programs that have ended.
pub(super) fn pod_causes(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let unscheduled = status.conditions.iter().flatten().filter_map(|it| {
        let waits = it.type_ == "PodScheduled" && it.status == "False";
        let reason = it.reason.as_deref().unwrap_or("Unschedulable");
        waits.then(|| {
            format!(
                "{reason}: {}",
                it.message.as_deref().unwrap_or("no reason given")
            )
        })
    });
    let waiting = containers(pod).filter(|it| !has_ended(it));
    unscheduled
        .chain(waiting.filter_map(container_cause))
        .collect()
}

fn container_cause(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    let (reason, message) = match (&state.waiting, &state.terminated) {
        (Some(waiting), _) => (waiting.reason.clone()?, waiting.message.clone()),
        (None, Some(ended)) if ended.exit_code != 0 => {
            let reason = ended.reason.clone().unwrap_or_else(|| "ended".to_owned());
            (
                format!("{reason} (exit code {})", ended.exit_code),
                ended.message.clone(),
            )
        }
        _ => return None,
    };
    // The container waits for others, which report their own reason.
    if ["ContainerCreating", "PodInitializing"].contains(&reason.as_str()) {
        return None;
    }
    let previous = status
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let previous = previous.map(|ended| {
        format!(
            "last ended with {} {}",
            ended.exit_code,
            ended.reason.as_deref().unwrap_or_default()
        )
    });
    let said = [message, previous]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ");
    let colon = if said.is_empty() { "" } else { ": " };
    Some(format!(
        "{reason} in container {} ({}){colon}{}",
        status.name,
        status.image,
        said.trim()
    ))
}

/// Returns the newest warning about a pod that has no other cause: a volume, a probe.
fn last_warning(pod: &str, events: &[Event]) -> Vec<String> {
    let ours = events
        .iter()
        .filter(|event| event.involved_object.name.as_deref() == Some(pod));
    let newest = ours.max_by_key(|event| {
        event
            .last_timestamp
            .as_ref()
            .map(|time| time.0)
            .or(event.event_time.as_ref().map(|time| time.0))
    });
    let line = newest.map(|event| {
        let reason = event.reason.as_deref().unwrap_or("Warning");
        format!(
            "{reason}: {}",
            event.message.as_deref().unwrap_or("no message")
        )
    });
    line.into_iter().collect()
}
