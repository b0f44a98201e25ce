//! Checks that a revision tag points to an existing control plane.

use super::{After, Check, Outcome, Run};
use crate::facts::ControlPlane;
use crate::report::{Finding, Subject};
use crate::suggestion::SuggestedCommand;

pub(super) const CHECK: Check = Check {
    id: "revision-tags",
    title: "revision tags point to existing revisions",
    category: "control plane",
    run: Run::After(run),
    page: include_str!("revision_tags.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.webhooks.judge(|webhooks| {
        let tags: Vec<_> = webhooks
            .iter()
            .filter_map(|hook| Some((hook, hook.tag.as_deref()?)))
            .collect();
        if tags.is_empty() {
            return Outcome::NotApplicable("no revision tags".to_owned());
        }
        after.facts.control_planes.judge(|planes| {
            let findings =
                tags.iter()
                    .filter(|(hook, _)| !planes.iter().any(|plane| plane.revision == hook.revision))
                    .map(|(hook, tag)| {
                        Finding::error("revision-missing", format!(
                        "points to revision {}, which does not exist",
                        hook.revision
                    ))
                    .subject(Subject::named("Revision tag", format!("revision tag {tag}")))
                    .why(
                        "new pods of the namespaces that use this tag get no proxy, or are refused",
                    )
                    .suggest(moved(tag, planes))
                    });
            Outcome::of(findings.collect(), format!("{} tags", tags.len()))
        })
    })
}

/// Returns the command that moves a tag to the newest existing revision.
fn moved(tag: &str, planes: &[ControlPlane]) -> Option<SuggestedCommand> {
    let newest = planes.iter().max_by_key(|plane| plane.tag.as_ref().ok())?;
    let values = [tag, newest.revision.as_str()];
    SuggestedCommand::new("istioctl tag set {} --revision {} --overwrite", &values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, control_plane, found, passed, webhook};
    use crate::facts::{Observed, Webhook};

    #[test]
    fn a_tag_needs_its_revision() {
        let tagged = |revision: &str| Webhook {
            tag: Some("prod".into()),
            ..webhook(revision)
        };
        for (hooks, words) in [
            (vec![tagged("default")], ""),
            (vec![tagged("1-20")], "points to revision 1-20"),
        ] {
            let mut facts = support::after();
            facts.control_planes = Observed::Known(vec![control_plane("default", "1.31.0")]);
            facts.webhooks = Observed::Known(hooks);
            let outcome = support::run_after(run, &facts, "1.31.0");
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{outcome:?}"
            );
        }
        let mut facts = support::after();
        facts.webhooks = Observed::Known(vec![webhook("default")]);
        assert!(matches!(
            support::run_after(run, &facts, "1.31.0"),
            Outcome::NotApplicable(_)
        ));
    }
}
