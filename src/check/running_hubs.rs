//! Checks that no pod of the mesh depends on a hub that is about to be retired.

use std::collections::BTreeMap;

use super::hub_retirement::finding;
use super::pending::{stale, wanted};
use super::{After, Check, Outcome, Run, Scope};
use crate::facts::MeshInventory;
use crate::report::Finding;
use istio_builds::{HubRetirement, ImageRef};

pub(super) const CHECK: Check = Check {
    id: "running-hubs",
    title: "no pod of the mesh depends on a retired hub",
    category: "data plane",
    run: Run::After(run),
    page: include_str!("running_hubs.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.inventory.judge(|inventory| {
        Outcome::of(
            findings(after, inventory),
            "no hub of a running image is to be retired",
        )
    })
}

fn findings(after: &After<'_>, inventory: &MeshInventory) -> Vec<Finding> {
    let mut retired: BTreeMap<String, (HubRetirement, u64)> = BTreeMap::new();
    for (group, members) in &inventory.groups {
        // A pod that still runs the previous build is listed as a pending restart.
        let old = after.scope == Scope::Changed && stale(after, group).is_some();
        if old || wanted(after, group).is_none() {
            continue;
        }
        let Ok(image) = group.image.parse::<ImageRef>() else {
            continue;
        };
        let hub = image.hub();
        if let Some(retirement) = after.matrix.hub_retirement(hub, after.judge.at) {
            retired.entry(hub.to_owned()).or_insert((retirement, 0)).1 += members.pods;
        }
    }
    let found = retired.into_iter().map(|(hub, (retirement, pods))| {
        let instead = retirement.instead.clone();
        let dates = retirement.dates.clone();
        finding(&hub, retirement)
            .found(format!("{pods} pods run images from there; {dates}"))
            .fix(format!(
                "install again with --hub {instead}, and restart the pods before that day"
            ))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{after, expecting, found, group, members, passed, whole};
    use crate::facts::{Observed, PodGroupKey, Role};
    use istio_builds::Matrix;

    const DATA: &str = "
date: 2026-11-01
retirements:
  - source: https://example.com/retirement
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {hub: gcr.example/istio, removed: 2026-12, instead: stays.example/istio, text: x}
";

    fn outcome(image: &str) -> Outcome {
        let mut facts = after();
        let group = PodGroupKey {
            image: image.to_owned(),
            ..group(Role::Sidecar, "a", "1.30.0")
        };
        let inventory = MeshInventory {
            groups: BTreeMap::from([(group, members(3, "x"))]),
            ..MeshInventory::default()
        };
        facts.inventory = Observed::Known(inventory);
        let matrix = Matrix::only(DATA).unwrap();
        let expected = expecting("1.30.0");
        run(&After {
            matrix: &matrix,
            ..whole(&expected, &facts)
        })
    }

    #[test]
    fn hub_of_the_running_image_decides() {
        let retired = outcome("gcr.example/istio/proxyv2:1.30.0");
        assert!(found(
            &retired,
            "hub gcr.example/istio is about to be removed"
        ));
        let Outcome::Found(findings) = retired else {
            panic!("not found");
        };
        let seen = findings[0].found.as_deref().unwrap_or_default();
        assert!(seen.starts_with("3 pods run images from there"), "{seen}");
        assert!(passed(&outcome("stays.example/istio/proxyv2:1.30.0")));
    }
}
