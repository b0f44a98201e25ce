//! Checks that the API server allows the user to create what an install creates.

use std::collections::BTreeMap;

use super::{Before, Check, Outcome, Run};
use crate::facts::{INJECTOR, Permission};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "permissions",
    title: "the user has all required permissions",
    category: "permissions",
    run: Run::Before(run),
    page: include_str!("permissions.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.permissions.judge(|permissions| {
        let refused: Vec<&Permission> = permissions.iter().filter(|it| !it.allowed).collect();
        let (injector, needed): (Vec<&Permission>, Vec<&Permission>) =
            refused.into_iter().partition(|it| it.resource == INJECTOR);
        let findings = [
            missing(&needed, permissions.len()),
            injector.first().map(|permission| uncompared(permission)),
        ];
        Outcome::of(
            findings.into_iter().flatten().collect(),
            format!("{} rights", permissions.len()),
        )
    })
}

/// Reports all missing rights in one finding: an administrator grants them at once.
fn missing(refused: &[&Permission], asked: usize) -> Option<Finding> {
    let first = refused.first()?;
    let mut by_verb: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for permission in refused {
        by_verb
            .entry(permission.verb)
            .or_default()
            .push(permission.full_resource());
    }
    let listed = by_verb.iter();
    let listed = listed.map(|(verb, resources)| format!("{verb} {}", resources.join(" ")));
    let finding = Finding::error(
        "rights-missing",
        format!("{} of {asked} rights are missing", refused.len()),
    )
    .found(format!(
        "not allowed: {}",
        listed.collect::<Vec<_>>().join("; ")
    ))
    .fix("hand an administrator the ClusterRole that this prints, and ask to be bound to it")
    .command("glooistio check --print-rbac", &[]);
    Some(because(finding, first))
}

fn uncompared(permission: &Permission) -> Finding {
    let finding = Finding::warning(
        "read-right-missing",
        format!("may not {} {}", permission.verb, permission.full_resource()),
    )
    .found("pods cannot be compared with what the injector produces: they are declared at most")
    .command(
        "kubectl auth can-i {} {} --all-namespaces",
        &[permission.verb, &permission.full_resource()],
    );
    because(finding, permission)
}

/// Adds the reason of the API server, if it gave one.
fn because(finding: Finding, permission: &Permission) -> Finding {
    match permission.reason.as_str() {
        "" => finding,
        reason => finding.why(format!("the API server says: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Observed;

    fn right(verb: &'static str, resource: &'static str, allowed: bool) -> Permission {
        Permission {
            verb,
            group: "apps",
            resource,
            allowed,
            reason: String::new(),
        }
    }

    fn outcome(rights: Vec<Permission>) -> Outcome {
        let mut given = Given::tag("1.31.0");
        given.facts.permissions = Observed::Known(rights);
        given.run(run)
    }

    #[test]
    fn everything_that_is_missing_is_one_finding_with_the_role_that_grants_it() {
        assert!(passed(&outcome(vec![right("create", "deployments", true)])));
        let refused = outcome(vec![
            right("create", "deployments", false),
            right("patch", "deployments", false),
            right("create", "daemonsets", false),
            right("create", "services", true),
        ]);
        let Outcome::Found(findings) = refused else {
            panic!("{refused:?}");
        };
        let [one] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        assert_eq!(one.message, "3 of 4 rights are missing");
        let listed = "not allowed: create deployments.apps daemonsets.apps; patch deployments.apps";
        assert_eq!(one.found.as_deref(), Some(listed));
        let command = one.command.as_ref().map(ToString::to_string);
        assert_eq!(command.as_deref(), Some("glooistio check --print-rbac"));
    }

    #[test]
    fn the_right_to_ask_the_injector_is_a_warning_of_its_own() {
        let injector = outcome(vec![right("create", INJECTOR, false)]);
        assert!(found(&injector, "may not create services/proxy"));
    }
}
