//! Invariants of the inventory that hold for all pods.

use std::collections::{BTreeMap, BTreeSet};

use super::placement::PodPlacement;
use super::{ClusterIndex, Fold, Item, MeshInventory, NAMED, PodGroup, items};
use crate::facts::genuine::{Permitted, Reference};
use crate::facts::platform::NodeInfo;
use crate::facts::{Namespace, Observed};
use crate::report::{
    CheckResult, Deviations, Finding, PendingRestart, Phase, Report, Severity, Status, Subject,
    json, short, text,
};
use crate::sys::cluster::{Container, Listed, Pages, Pod, fuzz};
use crate::workload::WorkloadRef;
use terminal_text::fuzz::assert_shown;

/// 2026-01-01T00:00:00Z
const NOW: i64 = 1_767_225_600;

/// Seconds for which a pod may be excluded after its deletion time.
const LATEST: i64 = 60;

/// Characters of the longest text that is kept from a container.
const LONGEST: usize = 641;

/// Checks a response of the API server: every pod is counted once, no proxy is left out, and a report of the
/// pods contains no terminal control sequences.
///
/// # Panics
///
/// Panics if an invariant does not hold.
pub fn pods(bytes: &[u8]) {
    let Some(pods) = fuzz::pods(bytes) else {
        return;
    };
    let index = index();
    let mut fold = Fold::default();
    let (mut proxies, mut elsewhere, mut unreadable) = (0, 0, 0);
    for pod in &pods {
        let page = Pages::Pods(vec![pod.clone()]);
        for item in items(Ok(page), &index) {
            match &item {
                Item::PodPlacement(placement) => {
                    judge(pod, placement);
                    elsewhere += u64::from(*placement == PodPlacement::Elsewhere);
                    proxies += programs(placement);
                }
                Item::Unreadable(_) => {
                    unreadable += 1;
                    assert!(pod.is_err(), "{pod:?}");
                }
                Item::Unrelated(_) => {}
                Item::Gone | Item::Restarted | Item::Failed(_) => {
                    unreachable!("no server was asked")
                }
            }
            assert!(fold.count(0, item).is_ok());
        }
    }
    let counted: u64 = fold
        .inventory
        .groups
        .values()
        .map(|members| members.pods)
        .sum();
    assert_eq!(counted, proxies);
    let inventory = fold.finish();
    let seen = (inventory.seen, inventory.unreadable.0);
    assert_eq!(seen, (pods.len() as u64, unreadable));
    let named = inventory.unreadable.1.len() as u64;
    assert_eq!(named, unreadable.min(NAMED as u64));
    let outside: u64 = inventory
        .uninjected
        .values()
        .chain(inventory.not_applicable.values())
        .sum();
    assert!(outside + unreadable + elsewhere <= inventory.seen);
    bounded(&inventory);
    shown(&inventory);
}

/// Counts the programs of a mesh.
fn programs(placement: &PodPlacement) -> u64 {
    match placement {
        PodPlacement::Mesh(all) => all.len() as u64,
        _ => 0,
    }
}

/// Compares the placement of a pod with what is obvious about it.
fn judge(pod: &Listed, placement: &PodPlacement) {
    let Ok(pod) = pod else {
        return;
    };
    match placement {
        PodPlacement::Mesh(all) => assert!(!all.is_empty()),
        PodPlacement::NotApplicable("finished") => {
            assert!(["Succeeded", "Failed"].contains(&pod.status.phase.as_str()));
        }
        PodPlacement::NotApplicable("being deleted") => {
            let end = pod
                .metadata
                .deletion_timestamp
                .as_ref()
                .map(|it| it.seconds);
            assert!(
                end.is_some_and(|end| NOW <= end.saturating_add(LATEST)),
                "{end:?}"
            );
        }
        PodPlacement::NotApplicable(_) | PodPlacement::Uninjected(_) | PodPlacement::Elsewhere => {
            let mut containers = pod.spec.containers.iter();
            assert!(!containers.any(is_proxy), "{pod:?}");
        }
    }
    if containers(pod).any(is_proxy) {
        assert!(
            matches!(
                placement,
                PodPlacement::Mesh(_) | PodPlacement::NotApplicable("finished" | "being deleted")
            ),
            "{pod:?}"
        );
    }
}

/// Returns the containers that run as long as the pod.
fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let native = pod
        .spec
        .init_containers
        .iter()
        .filter(|it| it.restart_policy == "Always");
    pod.spec.containers.iter().chain(native)
}

/// Checks whether name or image alone show that a container is a proxy.
fn is_proxy(container: &Container) -> bool {
    let told_nothing = container.command.is_empty() && container.args.is_empty();
    let image = container.image.split(['@', ':']).next().unwrap_or_default();
    let named = container.name == "istio-proxy" && image == "r/app";
    told_nothing && (named || image == "r/proxyv2" || image == "r/ztunnel")
}

/// Checks that texts of pods are cut before they are kept.
fn bounded(inventory: &MeshInventory) {
    for (group, members) in &inventory.groups {
        assert!(members.examples.len() <= PodGroup::EXAMPLES);
        assert!(group.deviations.first.len() <= Deviations::MOST);
        let texts = [&group.image, &group.image_id, &group.status].into_iter();
        let others = group.others.iter().flat_map(|it| [&it.image, &it.image_id]);
        for text in texts.chain(others).chain(group.settings.values()) {
            assert!(text.chars().count() <= LONGEST, "{} bytes", text.len());
        }
    }
}

/// Builds a report with every text that the creator of a pod can choose.
fn report(inventory: &MeshInventory) -> Report {
    let mut report = Report::new("verify");
    report.pods.clone_from(&inventory.rows);
    let finding = |subject: String, found: String| {
        Finding::error("pod", "pod")
            .subject(Subject::named("Pod", subject))
            .found(found)
    };
    let unreadable = inventory
        .unreadable
        .1
        .iter()
        .map(|name| finding(name.clone(), String::new()));
    let uninjected = inventory
        .uninjected
        .keys()
        .map(|name| finding(name.clone(), String::new()));
    let groups = inventory.groups.iter().map(|(group, members)| {
        let subject = format!("{} {} {}", group.namespace, group.revision, group.container);
        let words = [&group.image, &group.image_id, &group.status]
            .map(String::as_str)
            .join(" ");
        let found = format!(
            "{words}; {}; {}",
            group.deviations,
            members.examples.join(", ")
        );
        finding(subject, found).command("kubectl get pods -n {}", &[&group.namespace])
    });
    report.checks.push(CheckResult {
        id: "proxies",
        title: "pods",
        category: "mesh",
        phase: Phase::After,
        status: Status::Failed,
        severity: Some(Severity::Error),
        detail: String::new(),
        findings: unreadable.chain(uninjected).chain(groups).collect(),
    });
    for (group, members) in &inventory.groups {
        report
            .pending
            .extend(members.owners.iter().map(|(owner, pods)| PendingRestart {
                namespace: group.namespace.clone(),
                workload: owner.clone(),
                pods: *pods,
                reason: group.status.clone(),
                command: owner.as_ref().and_then(WorkloadRef::restart_command),
            }));
    }
    report
}

/// Writes the report of an inventory in every format.
fn shown(inventory: &MeshInventory) {
    let report = report(inventory);
    let style = text::Style {
        color: false,
        width: 80,
        ascii: false,
        detail: text::Detail::Verbose,
    };
    let (mut page, mut line, mut document) = (Vec::new(), Vec::new(), Vec::new());
    let written = [
        text::write(&report, &style, &mut page),
        short::write(&report, &mut line),
        json::write(&report, &mut document),
    ];
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    for (bytes, lines) in [(&page, true), (&line, true), (&document, true)] {
        assert_shown(&String::from_utf8_lossy(bytes), lines);
    }
    assert_eq!(String::from_utf8_lossy(&line).lines().count(), 1);
    let value: Result<serde_json::Value, _> = serde_json::from_slice(&document);
    assert_eq!(value.ok(), serde_json::to_value(&report).ok());
}

/// Returns two namespaces with injection and without, one that opted out, two nodes, and one revision in scope.
fn index() -> ClusterIndex {
    let namespace = |name: &str, injection: Option<&str>| Namespace {
        name: name.to_owned(),
        enforce: None,
        injection: injection.map(str::to_owned),
        opted_out: name == "out",
        ignored_revision: None,
        ambient: false,
        deletion: None,
    };
    let namespaces = [
        namespace("shop", Some("default")),
        namespace("free", None),
        namespace("out", None),
    ];
    let node = |virtual_node| NodeInfo {
        arch: Some("amd64".to_owned()),
        virtual_node,
    };
    let nodes = BTreeMap::from([
        ("real".to_owned(), node(false)),
        ("virtual".to_owned(), node(true)),
    ]);
    let mut permitted = Permitted::default();
    let known = ("default".to_owned(), Observed::Known(Reference::default()));
    permitted.references.extend([known]);
    permitted.uncompared.insert("a".to_owned());
    ClusterIndex {
        permitted,
        now: NOW,
        ..ClusterIndex::new(&namespaces, nodes, BTreeSet::new())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_on_any_bytes(first: u8, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            pods(&[&[first], bytes.as_slice()].concat());
        }
    }

    #[test]
    fn holds_on_numbers_of_any_size() {
        // Three statuses with the largest number of restarts; a pod with a deletion time long ago, and a
        // negative grace period.
        let restarts = [0x08, 0x41, 0x80, 0x85, 0xa1, 0xfe];
        let proxy = [0x02, 0x02, 0x41, 0x80, 0xfe, 0xfe];
        let ended = [0x01, 0x09, 0x81, 0xc1, 0xfe, 0x8a, 0xea, 0xfe];
        pods(&[&[0][..], &proxy, &[0x03], &restarts.repeat(3)].concat());
        pods(&[&[0][..], &ended, &proxy].concat());
    }

    #[test]
    fn holds_on_pods_of_json() {
        let hostile = "a\u{202e}\u{1b}[2J\n";
        let list = serde_json::json!({"items": [
            {"metadata": {"name": hostile, "namespace": "shop", "labels": {"istio.io/rev": hostile}},
                "spec": {"containers": [{"name": "istio-proxy", "image": hostile, "command": [hostile]}]}},
            {"metadata": {"name": hostile, "namespace": "shop", "labels": 7}},
            {"metadata": {"name": "x", "namespace": "shop"}},
        ]});
        pods(&[&[255], list.to_string().as_bytes()].concat());
    }
}
