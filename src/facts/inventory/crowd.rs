//! Pods with more programs or settings of a mesh than any injector creates: they are not compared, and so
//! unknown.
//!
//! Each program of a pod is compared with the others, so the cost would grow with the square of their number.

use std::collections::{BTreeMap, BTreeSet};

use super::common::Common;
use super::placement::MeshPod;
use super::{Address, Role};
use crate::report::{Deviation, Deviations, SettingKind};
use crate::sys::cluster::Container;

/// Programs of a mesh in one pod. The largest normal pod has four: a proxy, and the containers that prepare for
/// it.
const MOST_PROGRAMS: usize = 16;

/// Settings that these programs have in total. A proxy has about one hundred.
const MOST_SETTINGS: usize = 2000;

/// Replaces the image if programs run different ones. No real reference has this form.
const SEVERAL_IMAGES: &str = "(several images)";

/// Returns the limit that a pod exceeds, as text.
pub(super) fn excess(mains: &[(Role, &Container)], beside: &[&Container]) -> Option<String> {
    let programs = mains.len() + beside.len();
    if programs > MOST_PROGRAMS {
        return Some(format!(
            "{programs} programs of a mesh, and at most {MOST_PROGRAMS} are compared"
        ));
    }
    let settings: usize = all(mains, beside).map(settings).sum();
    (settings > MOST_SETTINGS)
        .then(|| format!("{settings} settings of a mesh, and at most {MOST_SETTINGS} are compared"))
}

/// Returns one program for each role that the pod has: it is counted and reported, and never passes.
pub(super) fn mesh_pod(
    common: &Common<'_>,
    mains: &[(Role, &Container)],
    beside: &[&Container],
    excess: &str,
) -> Vec<MeshPod> {
    let first: BTreeMap<Role, &Container> = mains.iter().rev().copied().collect();
    let one = |(role, container): (Role, &Container)| {
        let mut mesh_pod = common.mesh_pod(role, container);
        mesh_pod.shared = true;
        let group = &mut mesh_pod.group;
        let deviation = Deviation::new(&container.name, SettingKind::TooMany, excess);
        group.deviations = Deviations::of([deviation]);
        // The addresses are not read, so nothing shows that the program belongs to another mesh.
        group.connects = BTreeSet::from([Address::Other]);
        if all(mains, beside).any(|other| other.image != container.image) {
            SEVERAL_IMAGES.clone_into(&mut group.image);
            group.image_id.clear();
        }
        mesh_pod
    };
    first.into_iter().map(one).collect()
}

fn all<'a>(
    mains: &[(Role, &'a Container)],
    beside: &[&'a Container],
) -> impl Iterator<Item = &'a Container> {
    let mains = mains.iter().map(|(_, container)| *container);
    mains.chain(beside.iter().copied())
}

/// Counts the settings of a container in all lists of unlimited length.
fn settings(container: &Container) -> usize {
    let context = container.security_context.as_ref();
    let added = context.and_then(|it| it.capabilities.as_ref());
    container.env.len()
        + container.env_from.len()
        + container.args.len()
        + container.volume_mounts.len()
        + container.volume_devices.len()
        + added.map_or(0, |it| it.add.len())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::placement::{PodPlacement, classify_pod};
    use super::*;
    use crate::facts::inventory::ClusterIndex;

    fn placed(containers: &[Value]) -> Vec<MeshPod> {
        let pod = json!({"metadata": {"name": "p", "namespace": "shop"},
            "status": {"phase": "Running"}, "spec": {"containers": containers}});
        let index = ClusterIndex::new(&[], BTreeMap::new(), BTreeSet::new());
        match classify_pod(&serde_json::from_value(pod).unwrap(), &index).0 {
            PodPlacement::Mesh(all) => all,
            other => panic!("{other:?}"),
        }
    }

    fn proxies(number: usize, image: fn(usize) -> String) -> Vec<Value> {
        let one =
            |n| json!({"name": format!("c{n}"), "image": image(n), "args": ["proxy", "sidecar"]});
        (0..number).map(one).collect()
    }

    #[test]
    fn a_pod_with_thousands_of_programs_is_one_unknown_program() {
        let same = |_| "r/proxyv2:1".to_owned();
        assert_eq!(placed(&proxies(MOST_PROGRAMS, same)).len(), MOST_PROGRAMS);
        let all = placed(&proxies(5000, same));
        let [mesh_pod] = &all[..] else {
            panic!("{} programs", all.len());
        };
        let group = &mesh_pod.group;
        assert_eq!(
            (group.image.as_str(), group.deviations.total),
            ("r/proxyv2:1", 1)
        );
        assert_eq!(group.connects, BTreeSet::from([Address::Other]));
        let why = group.deviations.to_string();
        assert!(why.contains("5000 programs of a mesh"), "{why}");
        let other = |n| format!("r/proxyv2:{n}");
        assert_eq!(placed(&proxies(5000, other))[0].group.image, SEVERAL_IMAGES);
    }

    #[test]
    fn each_role_in_a_crowd_counts_and_companions_are_part_of_it() {
        let mut containers = proxies(20, |_| "r/x:1".to_owned());
        containers.push(json!({"name": "n", "image": "r/x:1", "args": ["proxy", "ztunnel"]}));
        let roles: Vec<Role> = placed(&containers).iter().map(|it| it.group.role).collect();
        assert_eq!(roles, [Role::Sidecar, Role::Ztunnel]);
        let mut few = proxies(1, |_| "r/x:1".to_owned());
        few.extend((0..20).map(
            |n| json!({"name": format!("i{n}"), "image": "r/y:1", "args": ["istio-iptables"]}),
        ));
        let all = placed(&few);
        assert_eq!(
            (all.len(), all[0].group.image.as_str()),
            (1, SEVERAL_IMAGES)
        );
        assert!(all[0].group.others.is_empty() && !all[0].group.deviations.is_empty());
    }

    #[test]
    fn settings_without_number_make_a_program_unknown() {
        let mounts = |number: usize| {
            let mount = |n| json!({"name": "v", "mountPath": format!("/{n}")});
            let mounts: Vec<Value> = (0..number).map(mount).collect();
            let proxy = json!({"name": "istio-proxy", "image": "r/x:1", "volumeMounts": mounts});
            placed(&[proxy])[0].group.deviations.clone()
        };
        assert!(mounts(MOST_SETTINGS).is_empty(), "nothing is compared here");
        assert_eq!(mounts(MOST_SETTINGS + 1).total, 1);
    }
}
