//! Checks that no two documents share a name: each would prune the objects of the other.

use std::collections::BTreeMap;

use super::{Before, Check, Outcome, Run};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "document-names",
    title: "every document has a unique name",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("document_names.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for document in before.documents {
        *names.entry(&document.name).or_default() += 1;
    }
    let twice = names.iter().filter(|(_, count)| **count > 1).map(|(name, count)| {
        Finding::error("duplicate-name", format!("{count} documents have the same metadata.name"))
            .found(*name)
            .why("istioctl deletes what carries this owner and is not in the document at hand: the last one removes the gateways of the others")
            .fix("give each document a metadata.name of its own")
    });
    Outcome::of(
        twice.collect(),
        format!("{} documents", before.documents.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    #[test]
    fn the_same_name_twice_is_found() {
        let given = || Given::tag("1.31.0").document("istiod", "{}");
        assert!(passed(&given().document("ingress", "{}").run(run)));
        assert!(found(
            &given().document("istiod", "{}").run(run),
            "same metadata.name"
        ));
    }
}
