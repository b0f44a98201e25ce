//! Checks that at least one node accepts the pods of the mesh.

use super::{Before, Check, Outcome, Run};
use crate::facts::Nodes;
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "nodes",
    title: "nodes accept pods",
    category: "kubernetes",
    run: Run::Before(run),
    page: include_str!("nodes.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.nodes.judge(|nodes| match nodes.taking_pods {
        0 => Outcome::Found(vec![none(nodes)]),
        some => Outcome::Passed(format!("{some} of {}", nodes.total)),
    })
}

fn none(nodes: &Nodes) -> Finding {
    let refusals: Vec<String> = nodes
        .refusals
        .iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    let found = if nodes.total == 0 {
        "no nodes at all".to_owned()
    } else {
        refusals.join(", ")
    };
    Finding::error("no-schedulable-node", "no node takes pods")
        .found(found)
        .expected("one that is ready, not cordoned, and without a NoSchedule or NoExecute taint")
        .why("istioctl would wait its whole --readiness-timeout and then only say that resources are not ready")
        .command("kubectl get nodes -o custom-columns=NAME:.metadata.name,TAINTS:.spec.taints,CORDONED:.spec.unschedulable", &[])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Observed;

    #[test]
    fn one_free_node_is_enough() {
        let refusals = BTreeMap::from([("cordoned".to_owned(), 2)]);
        for (total, taking_pods, good) in [(3, 1, true), (2, 0, false), (0, 0, false)] {
            let mut given = Given::tag("1.31.0");
            let refusals = refusals.clone();
            given.facts.nodes = Observed::Known(Nodes {
                total,
                taking_pods,
                refusals,
                ..Nodes::default()
            });
            let outcome = given.run(run);
            assert!(if good {
                passed(&outcome)
            } else {
                found(&outcome, "no node takes pods")
            });
        }
    }
}
