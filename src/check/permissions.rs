//! What install creates may be created, as the API server itself says.

use super::{Before, Check, Outcome, Run};
use crate::facts::{INJECTOR, Permission};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "permissions",
    title: "everything that install creates may be created",
    category: "permissions",
    run: Run::Before(run),
    page: include_str!("permissions.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.permissions.judge(|permissions| {
        let refused = permissions.iter().filter(|permission| !permission.allowed);
        Outcome::of(
            refused.map(finding).collect(),
            format!("{} rights", permissions.len()),
        )
    })
}

fn finding(permission: &Permission) -> Finding {
    let Permission {
        verb,
        group,
        resource,
        reason,
        ..
    } = permission;
    let full = if group.is_empty() {
        (*resource).to_owned()
    } else {
        format!("{resource}.{group}")
    };
    let message = format!("may not {verb} {full}");
    let finding = if *resource == INJECTOR {
        Finding::warning(message).found(
            "pods cannot be compared with what the injector produces: they are declared at most",
        )
    } else {
        Finding::error(message)
    };
    let finding = finding.command("kubectl auth can-i {} {} --all-namespaces", &[verb, &full]);
    if reason.is_empty() {
        finding
    } else {
        finding.why(format!("the API server says: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Fact;

    #[test]
    fn every_refused_right_is_named() {
        let right = |allowed| Permission {
            verb: "create",
            group: "apps",
            resource: "deployments",
            allowed,
            reason: String::new(),
        };
        for (rights, words) in [
            (vec![right(true)], ""),
            (
                vec![right(true), right(false)],
                "may not create deployments.apps",
            ),
        ] {
            let mut given = Given::tag("1.31.0");
            given.facts.permissions = Fact::Known(rights);
            let outcome = given.run(run);
            assert!(if words.is_empty() {
                passed(&outcome)
            } else {
                found(&outcome, words)
            });
        }
    }
}
