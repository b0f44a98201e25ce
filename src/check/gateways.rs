//! The gateways that the install changed run the expected build.

use super::pending::{judged_now, stale, unless_unasked, wanted};
use super::{After, Check, Outcome, Run, Scope};
use crate::facts::{Census, Role};
use crate::report::Finding;
use crate::workload::WorkloadRef;

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
        .census
        .judge(|census| unless_unasked(after, judge(after, census)))
}

fn judge(after: &After<'_>, census: &Census) -> Outcome {
    let mut findings = missing(after, census);
    let mut judged = 0;
    for (class, members) in &census.classes {
        let counts = class.role == Role::Gateway
            && (after.scope == Scope::Everything || judged_now(after, class, members));
        if !counts || wanted(after, class).is_none() {
            continue;
        }
        judged += members.pods;
        if let Some(reason) = stale(after, class) {
            let owner = members.workloads().next();
            let named = owner.map_or_else(|| class.namespace.clone(), WorkloadRef::to_string);
            let finding = Finding::error(reason.to_string())
                .subject(format!("{named} ({} pods)", members.pods))
                .found(&class.image)
                .suggest(owner.and_then(WorkloadRef::restart_command));
            findings.push(finding);
        }
    }
    if judged == 0 && findings.is_empty() {
        return Outcome::NotApplicable("no gateways in scope".to_owned());
    }
    Outcome::of(findings, format!("{judged} gateway pods"))
}

/// Gateways that the install should have brought up, without a single pod.
fn missing(after: &After<'_>, census: &Census) -> Vec<Finding> {
    let running = |gateway: &String| {
        census.classes.iter().any(|(class, members)| {
            class.role == Role::Gateway
                && members
                    .workloads()
                    .any(|owner| *gateway == format!("{}/{}", class.namespace, owner.name()))
        })
    };
    let gone = after
        .expected
        .gateways
        .iter()
        .filter(|gateway| !running(gateway));
    gone.map(|gateway| {
        let (namespace, name) = gateway.split_once('/').unwrap_or(("default", gateway));
        Finding::error("the gateway has no pods")
            .subject(gateway)
            .command("kubectl describe deployment {} -n {}", &[name, namespace])
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, class, expecting, found, members, passed};
    use crate::facts::Fact;

    fn outcome(tag: &str, scope: Scope, installed: &[&str]) -> Outcome {
        let mut census = Census::default();
        census.classes.insert(
            class(Role::Gateway, "istio-ingress", tag),
            members(2, "istio-ingressgateway"),
        );
        let mut facts = support::after();
        facts.census = Fact::Known(census);
        let mut expected = expecting("1.31.0-solo-fips");
        expected.gateways = installed.iter().map(|name| (*name).to_owned()).collect();
        run(&After {
            scope,
            ..support::whole(&expected, &facts)
        })
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
