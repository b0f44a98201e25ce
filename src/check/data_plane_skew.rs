//! The proxies that are there can be served by the planned control plane.

use super::{Before, Check, Outcome, Run};
use crate::istio::ImageTag;
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "data-plane-skew",
    title: "no proxy would be ahead of its control plane, or too far behind",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("data_plane_skew.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.proxies.judge(|proxies| {
        let own = proxies
            .iter()
            .filter(|((revision, _), _)| revision == before.plan.revision_label());
        let mut seen = 0;
        let findings = own
            .filter_map(|((_, tag), pods)| {
                seen += pods;
                finding(&before.plan.tag, tag, *pods)
            })
            .collect();
        Outcome::of(findings, format!("{seen} proxies"))
    })
}

fn finding(planned: &ImageTag, tag: &str, pods: u64) -> Option<Finding> {
    let Ok(running) = tag.parse::<ImageTag>() else {
        let untold = format!("the version of {pods} proxies cannot be told by their tag");
        let finding = Finding::warning(untold).found(if tag.is_empty() { "no tag" } else { tag });
        return Some(finding.fix("`istioctl version` asks the proxies themselves"));
    };
    let finding = match planned.minor().above(running.minor()) {
        Some(0 | 1) => return None,
        Some(minors) if minors > 1 => {
            Finding::error(format!("{pods} proxies would be {minors} minors behind"))
                .why("a control plane serves proxies of its own minor and the one below")
                .fix("restart their workloads with the mesh that runs, then go on")
        }
        _ => Finding::error(format!(
            "{pods} proxies would be ahead of their control plane"
        ))
        .why("Istio does not support a proxy that is newer than its control plane")
        .fix("move them back first, or install beside the mesh with -r NAME"),
    };
    Some(finding.found(tag).wanted(planned.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Fact;

    #[test]
    fn proxies_of_the_revision_must_fit() {
        for (revision, tag, words) in [
            ("default", "1.31.0-solo", ""),
            ("default", "1.30.0-solo", ""),
            ("default", "1.29.0-solo", "2 minors behind"),
            ("default", "1.32.0-solo", "ahead of"),
            ("theirs", "1.20.0", ""),
            ("default", "custom", "cannot be told"),
            ("default", "", "cannot be told"),
            ("theirs", "custom", ""),
        ] {
            let mut given = Given::tag("1.31.0-solo");
            given.facts.proxies =
                Fact::Known(BTreeMap::from([((revision.to_owned(), tag.to_owned()), 4)]));
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{tag}"
            );
        }
    }
}
