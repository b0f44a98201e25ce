//! Reports webhooks of control planes that no longer exist.

use super::{Before, Check, Outcome, Run};
use crate::facts::{ControlPlane, Observed, Webhook, WebhookKind};
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "orphaned-webhooks",
    title: "no webhooks are left from a removed mesh",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("orphaned_webhooks.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.webhooks.judge(|webhooks| {
        before.facts.control_planes.judge(|planes| {
            let left = webhooks.iter().filter(|hook| orphan(before, hook, planes));
            Outcome::of(
                left.map(finding).collect(),
                format!("{} webhooks", webhooks.len()),
            )
        })
    })
}

/// Checks whether a webhook is active, has no control plane and no ready Service, and will not be replaced by
/// the install.
fn orphan(before: &Before<'_>, hook: &Webhook, planes: &[ControlPlane]) -> bool {
    !hook.deactivated
        && hook.revision != before.plan.revision_label()
        && hook.service_ready == Observed::Known(false)
        && !planes.iter().any(|plane| plane.revision == hook.revision)
}

fn finding(hook: &Webhook) -> Finding {
    let (kind, effect) = match hook.kind {
        WebhookKind::Mutating => ("mutatingwebhookconfiguration", "pods in its namespaces"),
        WebhookKind::Validating => (
            "validatingwebhookconfiguration",
            "changes of Istio's configuration",
        ),
    };
    let finding = if hook.fail_closed {
        Finding::error(
            "orphan-blocks",
            format!("is left of a mesh that is gone, and refuses {effect}"),
        )
    } else {
        Finding::warning("orphan", "is left of a mesh that is gone")
    };
    finding
        .subject(Subject::cluster_object(kind, &hook.name))
        .found(format!(
            "revision {}, its istiod and its Service do not exist",
            hook.revision
        ))
        .command("kubectl delete {} {}", &[kind, &hook.name])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, control_plane, found, passed, webhook};

    #[test]
    fn only_orphans_are_found() {
        let orphan = |revision: &str| Webhook {
            service_ready: Observed::Known(false),
            ..webhook(revision)
        };
        for (hook, words) in [
            (webhook("old"), ""),
            (orphan("old"), "refuses pods"),
            (
                Webhook {
                    fail_closed: false,
                    ..orphan("old")
                },
                "is left of",
            ),
            (
                Webhook {
                    deactivated: true,
                    ..orphan("old")
                },
                "",
            ),
            (orphan("default"), ""),
            (orphan("there"), ""),
        ] {
            let mut given = Given::tag("1.31.0");
            given.facts.control_planes = Observed::Known(vec![control_plane("there", "1.30.0")]);
            given.facts.webhooks = Observed::Known(vec![hook]);
            let outcome = given.run(run);
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
}
