//! Checks that an ARM build runs on ARM nodes, and other builds on other nodes.

use super::{Before, Check, Outcome, Run};
use crate::facts::Nodes;
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "node-architecture",
    title: "the build supports the architectures of the nodes",
    category: "kubernetes",
    run: Run::Before(run),
    page: include_str!("node_architecture.md"),
};

const ARM: &str = "arm64";

fn run(before: &Before<'_>) -> Outcome {
    before.facts.nodes.judge(|nodes| {
        let arm = nodes.architectures.get(ARM).copied().unwrap_or(0);
        let others = nodes.architectures.values().sum::<u64>() - arm;
        let found = match (before.plan.tag.flavor.arm, arm, others) {
            (true, 0, 1..) => Finding::error("no-arm-node", "an ARM build, and no node is arm64"),
            (true, 1.., 1..) => Finding::warning("some-arm-nodes", "an ARM build, and only some nodes are arm64")
                .fix("keep its pods on those by a node selector or affinity for kubernetes.io/arch"),
            (false, 1.., 0) => Finding::info("arm-build-by-name", "every node is arm64")
                .why("old lines publish ARM images under tags of their own, later ones under the same tag")
                .fix("give --arm where your line has such a tag"),
            _ => return Outcome::Passed(seen(nodes)),
        };
        Outcome::Found(vec![found.found(seen(nodes)).expected(format!("a fit for {}", before.plan.tag))])
    })
}

fn seen(nodes: &Nodes) -> String {
    let each = nodes
        .architectures
        .iter()
        .map(|(name, count)| format!("{count} {name}"));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Observed;

    #[test]
    fn tag_and_nodes_must_fit() {
        for (tag, nodes, words) in [
            ("1.15.3-solo-arm", &[("amd64", 2)][..], "no node is arm64"),
            (
                "1.15.3-solo-arm",
                &[("amd64", 2), ("arm64", 1)],
                "only some nodes",
            ),
            ("1.15.3-solo-arm", &[("arm64", 1)], ""),
            ("1.31.0-solo", &[("amd64", 2)], ""),
            ("1.31.0-solo", &[("amd64", 2), ("arm64", 1)], ""),
            ("1.31.0-solo", &[("arm64", 2)], "every node is arm64"),
        ] {
            let mut given = Given::tag(tag);
            let architectures = nodes
                .iter()
                .map(|(name, count)| ((*name).to_owned(), *count))
                .collect();
            given.facts.nodes = Observed::Known(Nodes {
                architectures,
                ..Nodes::default()
            });
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{tag} {nodes:?}"
            );
        }
    }
}
