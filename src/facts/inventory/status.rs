//! READY, STATUS and RESTARTS of a pod, as `kubectl get pods` shows them.

use crate::sys::cluster::{ContainerStatus, Pod, Terminated};

/// The columns of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) ready: u32,
    pub(super) total: u32,
    pub(super) status: String,
    pub(super) restarts: u32,
}

/// Checks whether the condition of that kind is true.
pub(super) fn condition(pod: &Pod, kind: &str) -> bool {
    pod.status
        .conditions
        .iter()
        .any(|it| it.kind == kind && it.status == "True")
}

pub(super) fn columns(pod: &Pod) -> Columns {
    let native = pod
        .spec
        .init_containers
        .iter()
        .filter(|it| it.restart_policy == "Always");
    let total = pod.spec.containers.len() + native.count();
    let gated = |it: &&crate::sys::cluster::Condition| {
        it.kind == "PodScheduled" && it.reason == "SchedulingGated"
    };
    let phase = match pod.status.conditions.iter().find(gated) {
        Some(condition) => &condition.reason,
        None if pod.status.reason.is_empty() => &pod.status.phase,
        None => &pod.status.reason,
    };
    let mut columns = Columns {
        ready: 0,
        total: u32::try_from(total).unwrap_or(u32::MAX),
        status: phase.clone(),
        restarts: 0,
    };
    let (initializing, native_restarts) = initialization(pod, &mut columns);
    if !initializing || condition(pod, "Initialized") {
        columns.restarts = native_restarts;
        running(pod, &mut columns);
    }
    if pod.metadata.deletion_timestamp.is_some() {
        let lost = pod.status.reason == "NodeLost";
        if lost { "Unknown" } else { "Terminating" }.clone_into(&mut columns.status);
    }
    columns
}

/// Reads the init containers up to the first that is not done. Returns whether there is one, and the restarts
/// of native sidecars.
fn initialization(pod: &Pod, columns: &mut Columns) -> (bool, u32) {
    let statuses = &pod.status.init_container_statuses;
    let mut native_restarts = 0;
    for (at, status) in statuses.iter().enumerate() {
        columns.restarts = columns.restarts.saturating_add(restarts(status));
        let spec = pod
            .spec
            .init_containers
            .iter()
            .find(|it| it.name == status.name);
        let native = spec.is_some_and(|it| it.restart_policy == "Always");
        if native {
            native_restarts = restarts(status).saturating_add(native_restarts);
        }
        let state = status.state.clone().unwrap_or_default();
        match (state.terminated, state.waiting) {
            (Some(ended), _) if ended.exit_code == 0 => continue,
            (None, _) if native && status.started => {
                columns.ready += u32::from(status.ready);
                continue;
            }
            (Some(ended), _) => columns.status = format!("Init:{}", ending(&ended)),
            (None, Some(waiting))
                if !["", "PodInitializing"].contains(&waiting.reason.as_str()) =>
            {
                columns.status = format!("Init:{}", waiting.reason);
            }
            (None, _) => {
                columns.status = format!("Init:{at}/{}", pod.spec.init_containers.len());
            }
        }
        return (true, native_restarts);
    }
    (false, native_restarts)
}

/// Reads the main containers in reverse order, so that the status of the first one is kept.
fn running(pod: &Pod, columns: &mut Columns) {
    let mut any = false;
    for status in pod.status.container_statuses.iter().rev() {
        columns.restarts = columns.restarts.saturating_add(restarts(status));
        let state = status.state.clone().unwrap_or_default();
        match (state.waiting, state.terminated, state.running) {
            (Some(waiting), _, _) if !waiting.reason.is_empty() => columns.status = waiting.reason,
            (_, Some(ended), _) => columns.status = ending(&ended),
            (_, _, Some(_)) if status.ready => {
                any = true;
                columns.ready += 1;
            }
            _ => {}
        }
    }
    if columns.status == "Completed" && any {
        let ready = condition(pod, "Ready");
        if ready { "Running" } else { "NotReady" }.clone_into(&mut columns.status);
    }
}

fn ending(ended: &Terminated) -> String {
    match ended {
        Terminated { reason, .. } if !reason.is_empty() => reason.clone(),
        Terminated { signal, .. } if *signal != 0 => format!("Signal:{signal}"),
        Terminated { exit_code, .. } => format!("ExitCode:{exit_code}"),
    }
}

fn restarts(status: &ContainerStatus) -> u32 {
    u32::try_from(status.restart_count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(pod: Value) -> String {
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let Columns {
            ready,
            total,
            status,
            restarts,
        } = columns(&pod);
        format!("{ready}/{total} {status} {restarts}")
    }

    #[expect(clippy::needless_pass_by_value, reason = "literals are handed in")]
    fn pod(status: Value) -> Value {
        json!({"spec": {"initContainers": [{"name": "init"}, {"name": "istio-proxy", "restartPolicy": "Always"}],
            "containers": [{"name": "app"}]}, "status": status})
    }

    #[test]
    fn the_columns_are_those_of_kubectl() {
        let done = json!({"name": "init", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}});
        let native = json!({"name": "istio-proxy", "started": true, "ready": true, "restartCount": 2,
            "state": {"running": {}}});
        let app = |state: Value| json!([{"name": "app", "ready": true, "restartCount": 1, "state": state}]);
        for (status, expected) in [
            (json!({"phase": "Pending"}), "0/2 Pending 0"),
            (
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}),
                "0/2 SchedulingGated 0",
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"name": "init", "restartCount": 3,
                    "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
                "0/2 Init:ImagePullBackOff 3",
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"name": "init",
                    "state": {"waiting": {"reason": "PodInitializing"}}}]}),
                "0/2 Init:0/2 0",
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [{"name": "init",
                    "state": {"terminated": {"exitCode": 7}}}]}),
                "0/2 Init:ExitCode:7 0",
            ),
            (
                json!({"phase": "Running", "initContainerStatuses": [done, native],
                    "containerStatuses": app(json!({"running": {}}))}),
                "2/2 Running 3",
            ),
            (
                json!({"phase": "Running", "initContainerStatuses": [done, native],
                    "containerStatuses": app(json!({"waiting": {"reason": "CrashLoopBackOff"}}))}),
                "1/2 CrashLoopBackOff 3",
            ),
            (
                json!({"phase": "Failed", "reason": "Evicted"}),
                "0/2 Evicted 0",
            ),
        ] {
            assert_eq!(shown(pod(status.clone())), expected, "{status}");
        }
    }

    #[test]
    fn restarts_are_counted_up_to_the_largest_number() {
        let many =
            |name: &str| json!({"name": name, "restartCount": i32::MAX, "state": {"running": {}}});
        let init = json!({"name": "init", "restartCount": i32::MAX, "state": {"terminated": {"exitCode": 0}}});
        for status in [
            json!({"phase": "Running", "containerStatuses": [many("a"), many("b"), many("c")]}),
            json!({"phase": "Pending", "initContainerStatuses": [init, init, init, many("init")]}),
        ] {
            let shown = shown(pod(status));
            assert!(shown.ends_with(" 4294967295"), "{shown}");
        }
    }

    #[test]
    fn a_pod_that_is_being_deleted_is_terminating() {
        let mut leaving = pod(json!({"phase": "Running"}));
        leaving["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(shown(leaving.clone()), "0/2 Terminating 0");
        leaving["status"]["reason"] = json!("NodeLost");
        assert_eq!(shown(leaving), "0/2 Unknown 0");
    }
}
