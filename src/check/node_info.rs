//! Checks that the nodes of the pods could be listed.

use super::{After, Check, Outcome, Run};

pub(super) const CHECK: Check = Check {
    id: "node-info",
    title: "the nodes of all pods are known",
    category: "data plane",
    run: Run::After(run),
    page: include_str!("node_info.md"),
};

fn run(after: &After<'_>) -> Outcome {
    if !after.expected.revisions.values().any(|wanted| wanted.fips) {
        return Outcome::NotApplicable("no FIPS build is expected".to_owned());
    }
    after
        .facts
        .nodes
        .judge(|nodes| Outcome::Passed(format!("{} nodes", nodes.total)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, passed};
    use crate::facts::Observed;

    #[test]
    fn nodes_that_cannot_be_listed_are_unknown_where_their_architecture_decides() {
        let mut facts = support::after();
        assert!(passed(&support::run_after(run, &facts, "1.31.0-solo-fips")));
        facts.nodes = Observed::Unknown("forbidden; allow list of nodes".to_owned());
        let outcome = |tag| support::run_after(run, &facts, tag);
        assert!(
            matches!(outcome("1.31.0-solo-fips"), Outcome::Unknown(why) if why.contains("allow list"))
        );
        assert!(matches!(outcome("1.31.0-solo"), Outcome::NotApplicable(_)));
    }
}
