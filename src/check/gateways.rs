//! Checks that the gateways that the install changed run the expected build.

use super::pending::{judged_now, stale, unless_unasked, wanted};
use super::proxies::pods_of;
use super::{After, Check, Outcome, Run, Scope};
use crate::facts::{MeshInventory, PodGroupKey, Role};
use crate::report::{Finding, Subject};
use crate::workload::WorkloadRef;
use istio_builds::ImageRef;

pub(super) const CHECK: Check = Check {
    id: "gateways",
    title: "gateways run the expected build",
    category: "gateways",
    run: Run::After(run),
    page: include_str!("gateways.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after
        .facts
        .inventory
        .judge(|inventory| unless_unasked(after, judge(after, inventory)))
}

fn judge(after: &After<'_>, inventory: &MeshInventory) -> Outcome {
    let mut findings = missing(after, inventory);
    let mut judged = 0;
    let mut unnamed: Option<String> = None;
    for (group, members) in &inventory.groups {
        let counts = matches!(group.role, Role::Gateway | Role::Agentgateway)
            && (after.scope == Scope::Everything || judged_now(after, group, members));
        if !counts || wanted(after, group).is_none() {
            continue;
        }
        judged += members.pods;
        if is_renamed_agentgateway(group) {
            let PodGroupKey {
                namespace, image, ..
            } = group;
            let pods = members.examples.join(", ");
            unnamed.get_or_insert_with(|| {
                format!("whether {image} of {pods} in {namespace} is the agentgateway of its mesh")
            });
        }
        if let Some(reason) = stale(after, group) {
            let owner = members.workloads().next();
            let sole = owner.filter(|_| members.owners.len() == 1);
            let subject = sole.map_or_else(|| pods_of(group, members), Subject::from);
            let finding =
                Finding::error("other-build", format!("{reason} ({} pods)", members.pods))
                    .subject(subject)
                    .found(&group.image)
                    .suggest(owner.and_then(WorkloadRef::restart_command));
            findings.push(finding);
        }
    }
    if judged == 0 && findings.is_empty() {
        return Outcome::NotApplicable("no gateways in scope".to_owned());
    }
    let seen = || Outcome::Passed(format!("{judged} gateway pods"));
    unnamed.map_or_else(seen, Outcome::Unknown).with(findings)
}

/// Checks whether an agentgateway runs from an image with another name than the charts set. The injector shows
/// only the name of the sidecar's image, so it is not known whether a mirror renamed the agentgateway image.
fn is_renamed_agentgateway(group: &PodGroupKey) -> bool {
    let image = group.image.parse::<ImageRef>();
    group.role == Role::Agentgateway && image.is_ok_and(|image| image.name() != "agentgateway")
}

/// Reports gateways that the install should have started and that have no pod.
fn missing(after: &After<'_>, inventory: &MeshInventory) -> Vec<Finding> {
    let running = |gateway: &String| {
        inventory.groups.iter().any(|(group, members)| {
            group.role == Role::Gateway
                && members
                    .workloads()
                    .any(|owner| *gateway == format!("{}/{}", group.namespace, owner.name()))
        })
    };
    let gone = after
        .expected
        .gateways
        .iter()
        .filter(|gateway| !running(gateway));
    gone.map(|gateway| {
        let (namespace, name) = gateway.split_once('/').unwrap_or(("default", gateway));
        Finding::error("no-pods", "the gateway has no pods")
            .subject(Subject::deployment(namespace, name))
            .command("kubectl describe deployment {} -n {}", &[name, namespace])
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, expecting, found, group, members, passed};
    use crate::facts::{Observed, PodGroup};

    fn outcome(tag: &str, scope: Scope, installed: &[&str]) -> Outcome {
        let mut inventory = MeshInventory::default();
        inventory.groups.insert(
            group(Role::Gateway, "istio-ingress", tag),
            members(2, "istio-ingressgateway"),
        );
        let mut facts = support::after();
        facts.inventory = Observed::Known(inventory);
        let mut expected = expecting("1.31.0-solo-fips");
        expected.gateways = installed.iter().map(|name| (*name).to_owned()).collect();
        run(&After {
            scope,
            ..support::whole(&expected, &facts)
        })
    }

    #[test]
    fn an_agentgateway_is_compared_like_any_other_gateway() {
        let outcome = |image: &str| {
            let mut inventory = MeshInventory::default();
            let gateway = PodGroupKey {
                image: image.to_owned(),
                ..group(Role::Agentgateway, "shop", "1.31.0-solo-fips")
            };
            inventory.groups.insert(gateway, members(2, "gateway"));
            let mut facts = support::after();
            facts.inventory = Observed::Known(inventory);
            support::run_after(run, &facts, "1.31.0-solo-fips")
        };
        let hub = support::HUB;
        let right = outcome(&format!("{hub}/agentgateway:1.31.0-solo-fips"));
        assert!(passed(&right), "{right:?}");
        for (image, words) in [
            ("evil.example/x:0.0.1".to_owned(), "runs 0.0.1, wanted"),
            (
                "evil.example/agentgateway:1.31.0-solo-fips".to_owned(),
                "runs from evil.example",
            ),
        ] {
            let wrong = outcome(&image);
            assert!(found(&wrong, words), "{wrong:?}");
        }
        let other = outcome(&format!("{hub}/other:1.31.0-solo-fips"));
        assert!(
            matches!(&other, Outcome::Unknown(why) if why.contains("agentgateway")),
            "{other:?}"
        );
    }

    #[test]
    fn pods_are_named_where_no_single_owner_can_be() {
        let subject = |members: PodGroup| {
            let mut facts = support::after();
            let mut inventory = MeshInventory::default();
            inventory
                .groups
                .insert(group(Role::Gateway, "a", "1.31.0-solo"), members);
            facts.inventory = Observed::Known(inventory);
            let outcome = support::run_after(run, &facts, "1.31.0-solo-fips");
            match outcome {
                Outcome::Found(findings) => findings[0].subject.clone(),
                other => panic!("{other:?}"),
            }
        };
        let mut foreign = members(1, "evil");
        foreign.owners = [(None, 1)].into();
        let pods = |count, example: &str| Some(Subject::pods("a", count, [example.to_owned()]));
        assert_eq!(subject(foreign), pods(1, "evil-1"));
        let mut two = members(2, "own");
        two.owners.insert(None, 1);
        assert_eq!(subject(two), pods(2, "own-1"));
        let one = subject(members(2, "own"));
        assert_eq!(one, Some(Subject::deployment("a", "own")));
    }

    const OURS: &[&str] = &["istio-ingress/istio-ingressgateway"];

    #[test]
    fn flavours_are_judged_where_the_install_or_verify_answers_for_them() {
        assert!(passed(&outcome("1.31.0-solo-fips", Scope::Changed, OURS)));
        assert!(found(
            &outcome("1.31.0-solo", Scope::Changed, OURS),
            "runs 1.31.0-solo,"
        ));
        assert!(found(
            &outcome("1.31.0-solo", Scope::Everything, &[]),
            "runs 1.31.0-solo,"
        ));
        assert!(matches!(
            outcome("1.31.0-solo", Scope::Changed, &[]),
            Outcome::NotApplicable(_)
        ));
    }

    #[test]
    fn an_installed_gateway_without_pods_is_found() {
        let both = [
            "istio-ingress/istio-ingressgateway",
            "istio-eastwest/eastwest",
        ];
        assert!(found(
            &outcome("1.31.0-solo-fips", Scope::Changed, &both),
            "no pods"
        ));
    }
}
