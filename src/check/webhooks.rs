//! Checks that every revision in scope has an active injection webhook, with a CA bundle and a ready Service.

use super::{After, Check, Outcome, Run};
use crate::facts::{Observed, Webhook, WebhookKind};
use crate::report::{Finding, Subject};
use crate::request::Revision;

pub(super) const CHECK: Check = Check {
    id: "webhooks",
    title: "injection and validation webhooks are reachable",
    category: "control plane",
    run: Run::After(run),
    page: include_str!("webhooks.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.webhooks.judge(|webhooks| {
        let live: Vec<&Webhook> = webhooks
            .iter()
            .filter(|hook| {
                !hook.deactivated && after.expected.revisions.contains_key(&hook.revision)
            })
            .collect();
        // New pods of the default revision depend on the webhook of the tag that replaces it.
        let mut revisions = after.expected.revisions.keys();
        let replacing = revisions.find_map(|revision| taken_over(webhooks, revision));
        let is_new = |hook: &&Webhook| !live.iter().any(|it| std::ptr::eq(*it, *hook));
        let judged: Vec<&Webhook> = live
            .iter()
            .copied()
            .chain(replacing.filter(is_new))
            .collect();
        let missing = after
            .expected
            .revisions
            .keys()
            .filter(|revision| !live.iter().any(|hook| injects(hook, revision)))
            .map(|revision| match taken_over(webhooks, revision) {
                Some(tag) => replaced(&tag.revision),
                None => missing(revision),
            });
        let findings = missing
            .chain(judged.iter().flat_map(|hook| judge(hook)))
            .collect();
        let unread = judged.iter().find_map(|hook| unread(hook));
        let seen = || Outcome::Passed(format!("{} webhooks", judged.len()));
        unread.map_or_else(seen, Outcome::Unknown).with(findings)
    })
}

fn injects(hook: &Webhook, revision: &str) -> bool {
    hook.kind == WebhookKind::Mutating && hook.revision == revision
}

/// Returns the webhook of the default tag if it gives the namespaces of the default revision to another one:
/// `istioctl tag set default` deactivates the webhooks of the default revision itself.
pub(super) fn taken_over<'a>(webhooks: &'a [Webhook], revision: &str) -> Option<&'a Webhook> {
    if revision != Revision::DEFAULT {
        return None;
    }
    let mut active = webhooks
        .iter()
        .filter(|hook| hook.kind == WebhookKind::Mutating && !hook.deactivated);
    if active.clone().any(|hook| hook.revision == revision) {
        return None;
    }
    active.find(|hook| hook.tag.as_deref() == Some(Revision::DEFAULT))
}

/// Reports that the default tag points to another revision, which is not an error.
fn replaced(other: &str) -> Finding {
    Finding::info(
        "default-tag-elsewhere",
        format!("the default revision injects nothing: the default tag points to revision {other}"),
    )
    .why("new pods of namespaces with istio-injection=enabled get the proxy of that revision")
}

fn missing(revision: &str) -> Finding {
    Finding::error(
        "no-injection-webhook",
        format!("revision {revision} has no injection webhook: new pods get no proxy"),
    )
    .fix("install the revision again, or set a revision tag to it")
}

fn judge(hook: &Webhook) -> Vec<Finding> {
    let kind = match hook.kind {
        WebhookKind::Mutating => "MutatingWebhookConfiguration",
        WebhookKind::Validating => "ValidatingWebhookConfiguration",
    };
    let place = Subject::cluster_object(kind, &hook.name);
    let effect = match (hook.kind, hook.fail_closed) {
        (WebhookKind::Mutating, true) => "new pods in its namespaces are refused",
        (WebhookKind::Mutating, false) => "new pods start without a proxy, without any error",
        (WebhookKind::Validating, true) => "every change of Istio's configuration is refused",
        (WebhookKind::Validating, false) => "wrong configuration is accepted",
    };
    let bundle = (!hook.ca_bundle).then(|| {
        Finding::error("no-ca-bundle", "has no CA bundle")
            .subject(place.clone())
            .why(effect)
            .fix("istiod fills it in once it is ready: look at its log for `patching webhook`")
    });
    let service = matches!(hook.service_ready, Observed::Known(false)).then(|| {
        let service = hook
            .service
            .as_ref()
            .map(|(space, name)| format!("{space}/{name}"));
        Finding::error("no-endpoint", "its Service has no ready endpoint")
            .subject(place.clone())
            .found(service.unwrap_or_else(|| "no Service".to_owned()))
            .why(effect)
            .command("kubectl get endpointslices -A -l istio=pilot", &[])
    });
    bundle.into_iter().chain(service).collect()
}

fn unread(hook: &Webhook) -> Option<String> {
    match &hook.service_ready {
        Observed::Unknown(why) => Some(format!("{}: {why}", hook.name)),
        Observed::Known(_) | Observed::NotCollected(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, found, passed, webhook};

    #[test]
    fn bundle_service_and_presence_are_judged() {
        for (hooks, words) in [
            (vec![webhook("default")], ""),
            (vec![], "no injection webhook"),
            (
                vec![Webhook {
                    deactivated: true,
                    ..webhook("default")
                }],
                "no injection webhook",
            ),
            (
                vec![Webhook {
                    ca_bundle: false,
                    ..webhook("default")
                }],
                "no CA bundle",
            ),
            (
                vec![Webhook {
                    service_ready: Observed::Known(false),
                    ..webhook("default")
                }],
                "no ready endpoint",
            ),
            (
                vec![
                    webhook("default"),
                    Webhook {
                        ca_bundle: false,
                        ..webhook("theirs")
                    },
                ],
                "",
            ),
        ] {
            let mut facts = support::after();
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
    }

    #[test]
    fn default_revision_needs_no_webhook_after_its_tag_has_moved() {
        let own = |deactivated: bool| Webhook {
            deactivated,
            ..webhook("default")
        };
        let tag = || Webhook {
            tag: Some("default".to_owned()),
            ..webhook("canary")
        };
        let outcome = |hooks: Vec<Webhook>| {
            let mut facts = support::after();
            facts.webhooks = Observed::Known(hooks);
            support::run_after(run, &facts, "1.31.0")
        };
        let Outcome::Found(findings) = outcome(vec![own(true), tag()]) else {
            panic!("a note was expected");
        };
        assert_eq!(findings[0].severity, crate::report::Severity::Info);
        // Only a webhook that gives pods a proxy, and is whole itself, takes the place of the other.
        let validator = Webhook {
            kind: WebhookKind::Validating,
            ..tag()
        };
        let off = Webhook {
            deactivated: true,
            ..tag()
        };
        for useless in [validator, off] {
            let missing = outcome(vec![own(true), useless]);
            assert!(found(&missing, "no injection webhook"), "{missing:?}");
        }
        let broken = Webhook {
            ca_bundle: false,
            ..tag()
        };
        assert!(found(&outcome(vec![own(true), broken]), "no CA bundle"));
        let unread = Webhook {
            service_ready: Observed::Unknown("forbidden".into()),
            ..tag()
        };
        let unread = outcome(vec![own(true), unread]);
        assert!(matches!(unread, Outcome::Unknown(_)), "{unread:?}");
        assert_eq!(taken_over(&[own(false), tag()], "default"), None);
    }

    #[test]
    fn a_service_that_could_not_be_read_is_unknown() {
        let mut facts = support::after();
        facts.webhooks = Observed::Known(vec![Webhook {
            service_ready: Observed::Unknown("forbidden".into()),
            ..webhook("default")
        }]);
        let outcome = support::run_after(run, &facts, "1.31.0");
        assert!(matches!(outcome, Outcome::Unknown(why) if why.contains("forbidden")));
        // A known problem takes precedence over an unknown state.
        facts.webhooks = Observed::Known(vec![Webhook {
            kind: WebhookKind::Validating,
            service_ready: Observed::Unknown("forbidden".into()),
            ..webhook("default")
        }]);
        let outcome = support::run_after(run, &facts, "1.31.0");
        assert!(found(&outcome, "no injection webhook"));
    }
}
