//! Checks that a namespace names its revision in one way only: `istio-injection` disables `istio.io/rev`.

use super::{After, Check, Outcome, Run, Scope};
use crate::facts::Namespace;
use crate::report::{Finding, Severity, Subject};
use crate::request::Revision;

pub(super) const CHECK: Check = Check {
    id: "namespace-labels",
    title: "injection labels of namespaces take effect",
    category: "injection",
    run: Run::After(run),
    page: include_str!("namespace_labels.md"),
};

const DEFAULT: &str = Revision::DEFAULT;

fn run(after: &After<'_>) -> Outcome {
    after.facts.namespaces.judge(|namespaces| {
        let findings = namespaces.iter().filter_map(|it| judge(after, it));
        Outcome::of(
            findings.collect(),
            format!("{} namespaces", namespaces.len()),
        )
    })
}

fn judge(after: &After<'_>, namespace: &Namespace) -> Option<Finding> {
    let ignored = namespace.ignored_revision.as_deref()?;
    let named = resolve(after, ignored);
    let given = namespace.injection.as_deref().map(|it| resolve(after, it));
    let is_ours = |revision: &str| after.expected.revisions.contains_key(revision);
    if !is_ours(&named) && !given.as_deref().is_some_and(is_ours) {
        return None;
    }
    let name = namespace.name.as_str();
    let Some(given) = given else {
        return Some(
            finding(
                Severity::Warning,
                ignored,
                "istio-injection is there with another value than `enabled`, so new pods get no proxy",
            )
            .subject(Subject::namespace(name))
            .fix("remove the label that is not meant"),
        );
    };
    if given == named {
        return Some(
            finding(
                Severity::Info,
                ignored,
                "istio-injection=enabled gives new pods the same revision",
            )
            .subject(Subject::namespace(name)),
        );
    }
    // After an install, only a warning: the install did not change these labels.
    let severity = match after.scope {
        Scope::Everything => Severity::Error,
        Scope::Changed => Severity::Warning,
    };
    let why = format!("istio-injection=enabled counts alone: new pods get revision {given}");
    Some(
        finding(severity, ignored, &why)
            .subject(Subject::namespace(name))
            .found(format!("revision {given}"))
            .expected(format!("revision {named}"))
            .command(
                "kubectl label namespace {} istio-injection- istio.io/rev={} --overwrite && kubectl rollout restart deployment,statefulset,daemonset -n {}",
                &[name, ignored, name],
            ),
    )
}

fn finding(severity: Severity, ignored: &str, why: &str) -> Finding {
    Finding::new(
        "label-ignored",
        severity,
        format!("the label istio.io/rev={ignored} has no effect"),
    )
    .why(why)
}

/// Returns the revision that a label refers to, directly or through a revision tag.
fn resolve(after: &After<'_>, label: &str) -> String {
    let label = if label.is_empty() { DEFAULT } else { label };
    let hooks = after.facts.webhooks.known().into_iter().flatten();
    let mut tagged = hooks.filter(|hook| !hook.deactivated && hook.tag.as_deref() == Some(label));
    tagged
        .next()
        .map_or_else(|| label.to_owned(), |hook| hook.revision.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, namespace, webhook};
    use crate::facts::{Observed, Webhook};

    fn judged(both: &Namespace, tags: &[(&str, &str)], scope: Scope) -> Option<Severity> {
        let mut facts = support::after();
        facts.namespaces = Observed::Known(vec![both.clone(), namespace("plain", Some("default"))]);
        let tags = tags.iter().map(|(tag, revision)| Webhook {
            tag: Some((*tag).to_owned()),
            ..webhook(revision)
        });
        facts.webhooks = Observed::Known(tags.collect());
        let expected = support::expecting("1.31.0-solo-fips");
        let after = After {
            scope,
            ..support::whole(&expected, &facts)
        };
        match run(&after) {
            Outcome::Found(findings) => Some(findings[0].severity),
            Outcome::Passed(_) => None,
            other => panic!("{other:?}"),
        }
    }

    fn both(injection: Option<&str>, revision: &str) -> Namespace {
        Namespace {
            ignored_revision: Some(revision.to_owned()),
            ..namespace("shop", injection)
        }
    }

    #[test]
    fn two_labels_that_name_two_revisions_are_an_error() {
        let canary = both(Some("default"), "canary");
        assert_eq!(
            judged(&canary, &[], Scope::Everything),
            Some(Severity::Error)
        );
        assert_eq!(
            judged(&canary, &[], Scope::Changed),
            Some(Severity::Warning)
        );
        let off = both(None, "default");
        assert_eq!(
            judged(&off, &[], Scope::Everything),
            Some(Severity::Warning)
        );
    }

    #[test]
    fn labels_that_agree_are_a_note_and_those_of_another_mesh_are_not_judged() {
        let same = both(Some("default"), "default");
        assert_eq!(judged(&same, &[], Scope::Everything), Some(Severity::Info));
        let tag = both(Some("default"), "prod");
        let tags = [("prod", "default")];
        assert_eq!(judged(&tag, &tags, Scope::Everything), Some(Severity::Info));
        let moved = [("default", "canary")];
        let theirs = both(Some("default"), "other");
        assert_eq!(judged(&theirs, &moved, Scope::Everything), None);
    }

    #[test]
    fn the_fix_is_one_command_that_can_be_pasted() {
        let mut facts = support::after();
        facts.namespaces = Observed::Known(vec![both(Some("default"), "canary")]);
        let Outcome::Found(findings) = support::run_after(run, &facts, "1.31.0") else {
            panic!("found nothing");
        };
        assert_eq!(
            findings[0]
                .command
                .as_ref()
                .map(ToString::to_string)
                .as_deref(),
            Some(
                "kubectl label namespace shop istio-injection- istio.io/rev=canary --overwrite && kubectl rollout restart deployment,statefulset,daemonset -n shop"
            )
        );
    }
}
