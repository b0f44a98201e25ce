//! Checks the cryptographic modules of every proxy and node agent, if FIPS is expected.

use super::fips::judge;
use super::{After, Check, Outcome, Run};
use crate::facts::Role;

pub(super) const CHECK: Check = Check {
    id: "data-plane-fips",
    title: "proxies that require FIPS run FIPS builds",
    category: "fips",
    run: Run::After(run),
    page: include_str!("data_plane_fips.md"),
};

fn run(after: &After<'_>) -> Outcome {
    judge(after, |role| role != Role::Istiod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Scope;
    use crate::check::support::{self, expecting, fips_outcome, found, group, members, passed};
    use crate::facts::{MeshInventory, Observed, PodGroupKey, SelfReport};
    use crate::report::{Deviation, Deviations, SettingKind};
    use fips_evidence::{CertificatePolicy, Judge};

    const FIPS: &str = "1.31.0-solo-fips";

    #[test]
    fn each_answer_of_a_proxy_has_its_outcome() {
        let text = || "fips_mode".to_owned();
        assert!(passed(&fips_outcome(
            run,
            Role::Sidecar,
            FIPS,
            SelfReport::Fips(text())
        )));
        assert!(passed(&fips_outcome(
            run,
            Role::Sidecar,
            FIPS,
            SelfReport::Silent(text())
        )));
        assert!(found(
            &fips_outcome(run, Role::Sidecar, FIPS, SelfReport::Standard(text())),
            "contradicted"
        ));
        let unread = fips_outcome(
            run,
            Role::Gateway,
            FIPS,
            SelfReport::Unreadable("refused".into()),
        );
        assert!(matches!(unread, Outcome::Unknown(why) if why.contains("refused")));
    }

    #[test]
    fn two_revisions_of_which_one_requests_fips_say_of_how_many_it_is_required() {
        let mut inventory = MeshInventory::default();
        for (revision, tag, pods) in [("default", FIPS, 3), ("plain", "1.31.0-solo", 5)] {
            let group = PodGroupKey {
                revision: revision.to_owned(),
                report: SelfReport::Silent("no gauge".into()),
                connects: [support::connected(revision)].into(),
                ..group(Role::Sidecar, revision, tag)
            };
            inventory.groups.insert(group, members(pods, revision));
        }
        let foreign = PodGroupKey {
            revision: "theirs".to_owned(),
            connects: [support::connected("theirs")].into(),
            ..group(Role::Sidecar, "c", "1.30.0")
        };
        inventory.groups.insert(foreign, members(9, "c"));
        let mut facts = support::after();
        facts.control_planes = Observed::Known(vec![
            support::control_plane("plain", "1.31.0-solo"),
            support::control_plane("theirs", "1.30.0"),
        ]);
        facts.inventory = Observed::Known(inventory);
        let mut expected = expecting(FIPS);
        let plain = expecting("1.31.0-solo").revisions.remove("default");
        expected
            .revisions
            .insert("plain".to_owned(), plain.unwrap());
        let outcome = run(&support::whole(&expected, &facts));
        let words = "a FIPS build is required of 3 of 8 pods: declared for 3 pods";
        assert!(found(&outcome, words), "{outcome:?}");
        expected.revisions.remove("plain");
        let outcome = run(&support::whole(&expected, &facts));
        let Outcome::Passed(seen) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(
            seen,
            "a FIPS build is required of 3 of 3 pods: declared for 3 pods"
        );
    }

    #[test]
    fn pods_of_every_class_with_the_same_statement_are_named() {
        let mut inventory = MeshInventory::default();
        for owner in ["first", "second"] {
            let group = PodGroupKey {
                container: owner.to_owned(),
                report: SelfReport::Standard("fips_mode".into()),
                ..group(Role::Sidecar, "a", "1.31.0-solo")
            };
            inventory.groups.insert(group, members(1, owner));
        }
        let mut facts = support::after();
        facts.inventory = Observed::Known(inventory);
        let outcome = run(&support::whole(&expecting(FIPS), &facts));
        let text = format!("{outcome:?}");
        assert!(
            text.contains("first-1") && text.contains("second-1"),
            "{text}"
        );
    }

    #[test]
    fn status_that_is_too_old_for_the_policy_is_unknown_under_strict() {
        let group = support::running(Role::Ztunnel, FIPS);
        let path = "/usr/local/bin/ztunnel";
        let programs = vec![support::program(path, path, Ok(support::boring(true)))];
        let facts = support::holding(&group, programs);
        let expected = expecting(FIPS);
        let outcome = |strict, max_age| {
            let judge = Judge {
                policy: CertificatePolicy::Active140_3,
                strict,
                max_age,
                ..support::JUDGE.clone()
            };
            run(&After {
                judge: &judge,
                ..support::whole(&expected, &facts)
            })
        };
        assert!(passed(&outcome(true, 90)) && passed(&outcome(false, 10)));
        let Outcome::Unknown(why) = outcome(true, 10) else {
            panic!("an old status was an answer");
        };
        assert!(why.contains("last seen on 2026-09-30"), "{why}");
    }

    #[test]
    fn after_an_install_a_stale_proxy_is_pending_and_not_wrong() {
        let mut inventory = MeshInventory::default();
        let report = SelfReport::Standard("fips_mode".into());
        inventory.groups.insert(
            PodGroupKey {
                report,
                ..group(Role::Sidecar, "a", "1.30.0-solo")
            },
            members(1, "x"),
        );
        let mut facts = support::after();
        facts.inventory = Observed::Known(inventory);
        let expected = expecting(FIPS);
        let outcome = |scope| {
            run(&After {
                scope,
                ..support::whole(&expected, &facts)
            })
        };
        assert!(matches!(outcome(Scope::Changed), Outcome::NotApplicable(_)));
        assert!(found(&outcome(Scope::Everything), "standard build"));
    }

    #[test]
    fn an_agentgateway_is_a_proxy_that_is_judged_by_its_bytes() {
        let group = support::running(Role::Agentgateway, FIPS);
        let path = "/app/agentgateway";
        let holding = |evidence| {
            let programs = vec![support::program(path, path, evidence)];
            let facts = support::holding(&group, programs);
            run(&support::whole(&expecting(FIPS), &facts))
        };
        assert!(passed(&holding(Ok(support::boring(true)))));
        assert!(found(
            &holding(Ok(support::standard())),
            "agentgateway of 3 pods"
        ));
    }

    #[test]
    fn a_node_agent_is_judged_by_its_bytes_like_a_proxy() {
        let outcome = |role, path: &str, evidence| {
            let group = support::running(role, FIPS);
            let facts = support::holding(&group, vec![support::program(path, path, evidence)]);
            run(&support::whole(&expecting(FIPS), &facts))
        };
        for (role, path) in [
            (Role::Cni, "/usr/local/bin/install-cni"),
            (Role::Ztunnel, "/usr/local/bin/ztunnel"),
        ] {
            assert!(passed(&outcome(role, path, Ok(support::boring(true)))));
            let lies = outcome(role, path, Ok(support::standard()));
            assert!(found(&lies, "is contradicted"), "{path}: {lies:?}");
        }
        let mut flipped = support::boring(true);
        flipped.modules[0].integrity = fips_evidence::Integrity::Differs("cd".to_owned());
        let flipped = outcome(Role::Cni, "/usr/local/bin/install-cni", Ok(flipped));
        assert!(found(&flipped, "install-cni of 3 pods is contradicted"));
    }

    #[test]
    fn unknown_where_a_pod_starts_another_program() {
        let outcome = |command: Option<&str>| {
            let mut group = support::running(Role::Sidecar, FIPS);
            let command = command.map(|it| Deviation::new("istio-proxy", SettingKind::Command, it));
            group.deviations = Deviations::of(command);
            let programs = ["pilot-agent", "envoy"].map(|name| {
                let path = format!("/usr/local/bin/{name}");
                support::program(
                    &path,
                    "/usr/local/bin/pilot-agent",
                    Ok(support::boring(true)),
                )
            });
            let facts = support::holding(&group, programs.into());
            run(&support::whole(&expecting(FIPS), &facts))
        };
        assert!(passed(&outcome(None)));
        let deviating = outcome(Some("/bin/sh"));
        assert!(found(
            &deviating,
            "other code than that of its image may run"
        ));
        let Outcome::Found(findings) = deviating else {
            panic!("{deviating:?}");
        };
        let why = findings[0].found.as_deref().unwrap();
        let words = "container istio-proxy has the command `/bin/sh`";
        assert!(why.contains(words), "{why}");
    }
}
