//! Reports if an install without a revision takes over the default revision, or if the default has two owners.

use super::{Before, Check, Outcome, Run};
use crate::facts::{Webhook, WebhookKind};
use crate::render::Rendered;
use crate::report::Finding;
use crate::request::Revision;
use istio_builds::Capability;

pub(super) const CHECK: Check = Check {
    id: "default-revision",
    title: "the default revision does not change",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("default_revision.md"),
};

const DEFAULT: &str = Revision::DEFAULT;

fn run(before: &Before<'_>) -> Outcome {
    if !before
        .plan
        .capabilities
        .contains(&Capability::DefaultRevisionTag)
    {
        return Outcome::NotApplicable("this Istio has no default revision tag".to_owned());
    }
    before.facts.webhooks.judge(|webhooks| {
        let live = || {
            webhooks
                .iter()
                .filter(|hook| hook.kind == WebhookKind::Mutating && !hook.deactivated)
        };
        let tagged = live().find(|hook| hook.tag.as_deref() == Some(DEFAULT));
        let plain = live().find(|hook| hook.tag.is_none() && hook.revision == DEFAULT);
        let findings = [
            tagged.zip(plain).map(conflict),
            tagged.and_then(|tag| moves(before, tag)),
        ];
        Outcome::of(findings.into_iter().flatten().collect(), "no conflict")
    })
}

fn conflict((tag, plain): (&Webhook, &Webhook)) -> Finding {
    Finding::error(
        "two-default-webhooks",
        "two webhooks inject the same namespaces",
    )
    .found(format!("{} and {}", tag.name, plain.name))
    .why(
        "istioctl stops with IST0139 (webhook overlaps with others), and so does every further try",
    )
    .command(
        "kubectl delete mutatingwebhookconfiguration {}",
        &[&tag.name],
    )
}

/// Reports that an install of istiod without a revision makes itself the default.
fn moves(before: &Before<'_>, tag: &Webhook) -> Option<Finding> {
    let installs = before.documents.iter().any(Rendered::has_control_plane);
    let away = installs && before.plan.revision.is_none() && tag.revision != DEFAULT;
    away.then(|| {
        Finding::warning("default-taken-over", "this install takes over the default revision")
            .found(format!("default is {}", tag.revision))
            .why("namespaces with istio-injection=enabled then get proxies of this install at their next restart")
            .fix("give the install a revision of its own: -r NAME")
            .command("istioctl tag set default --revision {} --overwrite", &[&tag.revision])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed, webhook};
    use crate::facts::Observed;

    fn given(hooks: Vec<Webhook>) -> Given {
        let mut given = Given::tag("1.31.0").document("one", "{}");
        given
            .plan
            .capabilities
            .insert(Capability::DefaultRevisionTag);
        given.facts.webhooks = Observed::Known(hooks);
        given
    }

    #[test]
    fn conflicts_and_moves_are_told_apart() {
        let tag = |revision: &str| Webhook {
            name: "istio-revision-tag-default".into(),
            tag: Some(DEFAULT.into()),
            ..webhook(revision)
        };
        let off = Webhook {
            deactivated: true,
            ..webhook(DEFAULT)
        };
        for (hooks, words) in [
            (vec![], ""),
            (vec![webhook(DEFAULT)], ""),
            (vec![tag(DEFAULT), off], ""),
            (vec![tag("1-30")], "takes over the default"),
            (vec![tag(DEFAULT), webhook(DEFAULT)], "same namespaces"),
        ] {
            let outcome = given(hooks).run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn a_revision_of_its_own_moves_nothing() {
        let hooks = vec![Webhook {
            tag: Some(DEFAULT.into()),
            ..webhook("1-30")
        }];
        let mut given = given(hooks);
        given.plan.revision = Revision::parse("1-31").unwrap();
        assert!(passed(&given.run(run)));
    }
}
