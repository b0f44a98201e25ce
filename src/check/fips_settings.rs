//! Checks that programs with a FIPS module have it enabled, and accept only approved algorithms.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::evidence::environment;
use super::pending::wanted;
use super::{After, Check, Outcome, Run};
use crate::facts::{ImageProgram, MeshInventory, Observed, PodGroup, PodGroupKey, Role};
use crate::report::{Assurance, Finding, Severity, Subject};
use fips_evidence::{
    Build, CompliancePolicies, Environment, RequiredAssurance, approved_only, effects,
};
use istio_builds::ImageTag;

pub(super) const CHECK: Check = Check {
    id: "fips-settings",
    title: "FIPS modules are enabled and restricted to approved algorithms",
    category: "fips",
    run: Run::After(run),
    page: include_str!("fips_settings.md"),
};

fn run(after: &After<'_>) -> Outcome {
    if !after.expected.revisions.values().any(|wanted| wanted.fips) {
        return Outcome::NotApplicable("no FIPS build is expected".to_owned());
    }
    after
        .facts
        .inventory
        .judge(|inventory| of_census(after, inventory))
}

fn of_census(after: &After<'_>, inventory: &MeshInventory) -> Outcome {
    let mut said: BTreeMap<Remark, Concerned<'_>> = BTreeMap::new();
    let mut read = 0;
    for (group, members) in &inventory.groups {
        if !wanted(after, group).is_some_and(|wanted| wanted.fips) {
            continue;
        }
        let mut of_class = BTreeSet::new();
        for program in programs(after, group) {
            read += 1;
            for remark in remarks(after, group, program) {
                let concerned = said.entry(remark.clone()).or_default();
                concerned
                    .programs
                    .insert(program.path.rsplit('/').next().unwrap_or(&program.path));
                of_class.insert(remark);
            }
        }
        for remark in of_class {
            let concerned = said.entry(remark).or_default();
            concerned.pods += members.pods;
            let room = PodGroup::EXAMPLES.saturating_sub(concerned.examples.len());
            let examples = members.examples.iter().take(room);
            concerned
                .examples
                .extend(examples.map(|name| format!("{}/{name}", group.namespace)));
        }
    }
    if read == 0 {
        return Outcome::NotChecked("no image that runs was read".to_owned());
    }
    let findings = said.into_iter().map(|(remark, concerned)| {
        let programs: Vec<&str> = concerned.programs.iter().copied().collect();
        let finding = Finding::new(remark.code, remark.severity, remark.message)
            .subject(Subject::named("Program", programs.join(", ")))
            .found(concerned.to_string())
            .fix(remark.fix);
        match remark.policy {
            Some((revision, tag, policy)) => finding.command(
                "glooistio upgrade --to {} -r {} --set values.pilot.env.COMPLIANCE_POLICY={}",
                &[&tag.to_string(), &revision, policy],
            ),
            None => finding,
        }
    });
    Outcome::of(findings.collect(), format!("{read} programs"))
}

/// The programs and pods that a remark applies to.
#[derive(Default)]
struct Concerned<'a> {
    programs: BTreeSet<&'a str>,
    pods: u64,
    /// `namespace/name` of at most [`PodGroup::EXAMPLES`] pods.
    examples: Vec<String>,
}

impl fmt::Display for Concerned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pods", self.pods)?;
        match self.examples.as_slice() {
            [] => Ok(()),
            some if (some.len() as u64) < self.pods => write!(f, ", such as {}", some.join(", ")),
            all => write!(f, ": {}", all.join(", ")),
        }
    }
}

fn programs<'a>(after: &After<'a>, group: &PodGroupKey) -> &'a [ImageProgram] {
    let image = group.running();
    match image.and_then(|image| after.facts.images.get(&image)) {
        Some(Observed::Known(programs)) => programs,
        _ => &[],
    }
}

/// A problem of a program, and its fix: one finding for all programs with this problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Remark {
    severity: Severity,
    message: String,
    code: &'static str,
    fix: &'static str,
    /// The revision with the setting, its build, and the policy that fits the program.
    policy: Option<(String, ImageTag, &'static str)>,
}

impl Remark {
    fn new(
        code: &'static str,
        severity: Severity,
        message: impl Into<String>,
        fix: &'static str,
    ) -> Remark {
        Remark {
            code,
            severity,
            message: message.into(),
            fix,
            policy: None,
        }
    }
}

/// The policies that limit a mesh to approved algorithms, and what Istio's chart sets along with each.
const POLICIES: [(&str, &[(&str, &str)]); 2] = [
    ("fips-140-3", &[("GODEBUG", "fips140=only")]),
    ("fips-140-2", &[]),
];

/// Returns the policy that this version supports, under which the program runs and accepts only approved
/// algorithms.
fn fitting_policy(build: Build, known: Option<CompliancePolicies>) -> Option<&'static str> {
    let known = known?;
    let fits = |(policy, along): &(&'static str, &[(&str, &str)])| {
        let settings = along.iter().copied();
        let settings = settings.chain([("COMPLIANCE_POLICY", *policy)]);
        let environment = Environment::of(settings);
        let mut effects = effects(&environment, build, Some(known)).into_iter();
        known.knows(policy)
            && effects.all(|effect| effect.severity < Severity::Error)
            && approved_only(&environment, build, Some(known)).is_some()
    };
    POLICIES.into_iter().find(fits).map(|(policy, _)| policy)
}

/// Checks whether a ztunnel runs, which speaks only TLS 1.3; `fips-140-2` disables that version.
fn has_ztunnel(after: &After<'_>) -> bool {
    let inventory = after.facts.inventory.known();
    let mut groups = inventory
        .into_iter()
        .flat_map(|inventory| inventory.groups.keys());
    groups.any(|group| group.role == Role::Ztunnel)
}

/// The variable that limits a mesh to approved algorithms.
const COMPLIANCE_POLICY: &str = "COMPLIANCE_POLICY";

const NOT_LIMITED: &str = "algorithms that are not approved are accepted as well";

/// Returns what a proxy still needs if its istiod has a policy: istiod gives it to the pods that it injects
/// when they start, and never to gateways that the charts install.
fn inherited_policy_fix(after: &After<'_>, group: &PodGroupKey) -> Option<&'static str> {
    let inventory = after.facts.inventory.known()?;
    let has_policy = |plane: &PodGroupKey| {
        let policy = plane.settings.get(COMPLIANCE_POLICY);
        let limits = policy.is_some_and(|policy| POLICIES.iter().any(|(name, _)| name == policy));
        plane.role == Role::Istiod
            && plane.revision == group.revision
            && limits
            && policy != group.settings.get(COMPLIANCE_POLICY)
    };
    if !inventory.groups.keys().any(has_policy) {
        return None;
    }
    match group.role {
        Role::Sidecar => Some(
            "restart the pods: istiod has COMPLIANCE_POLICY, and a proxy gets it when its pod starts",
        ),
        Role::Gateway => Some(
            "restart injected gateways; for those of an IstioOperator, set COMPLIANCE_POLICY in components.ingressGateways[].k8s.env too",
        ),
        _ => None,
    }
}

fn remarks(after: &After<'_>, group: &PodGroupKey, program: &ImageProgram) -> Vec<Remark> {
    let Some(verdict) = after.judge.verdict(&program.reading) else {
        return Vec::new();
    };
    let environment = environment(group, program);
    let (build, known) = (Build::from(&verdict), after.policies(group));
    let effects = effects(&environment, build, known).into_iter();
    let mut remarks: Vec<Remark> = effects
        .map(|effect| Remark::new(effect.code, effect.severity, effect.message, effect.fix))
        .collect();
    let limited = approved_only(&environment, build, known).is_some();
    if verdict.module < Assurance::Declared || verdict.fipsonly.is_none() {
        return remarks;
    }
    let severity = if after.judge.floor == Some(RequiredAssurance::FipsOnly) {
        Severity::Error
    } else {
        Severity::Warning
    };
    let hidden: Vec<&str> = group.hidden_settings.iter().map(String::as_str).collect();
    if !hidden.is_empty() {
        remarks.push(Remark::new(
            "settings-hidden",
            severity,
            format!(
                "the pod does not show {}, so what that does was not judged",
                hidden.join(", ")
            ),
            "write the values into the container's env, not behind valueFrom or envFrom",
        ));
    } else if !limited && let Some(fix) = inherited_policy_fix(after, group) {
        remarks.push(Remark::new("not-limited", severity, NOT_LIMITED, fix));
    } else if !limited {
        let policy = fitting_policy(build, known)
            .filter(|policy| *policy != "fips-140-2" || !has_ztunnel(after));
        remarks.push(Remark {
            policy: policy.and_then(|policy| {
                let tag = wanted(after, group)?.tag.clone();
                Some((group.revision.clone(), tag, policy))
            }),
            ..Remark::new(
                "not-limited",
                severity,
                NOT_LIMITED,
                "set COMPLIANCE_POLICY (glooistio explain fips-configuration), or take a build with fipsonly",
            )
        });
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{
        boring, expecting, holding, judge, own_module, program, running, standard, whole,
    };
    use fips_evidence::BinaryFacts;

    const FIPS: &str = "1.31.0-solo-fips";

    const PATH: &str = "/usr/local/bin/pilot-discovery";

    /// Returns the findings for an istiod with that program; its container has `settings`, and does not show
    /// `hidden`.
    fn found(
        (evidence, floor): (Result<BinaryFacts, &str>, Option<RequiredAssurance>),
        settings: &[(&str, &str)],
        hidden: &[&str],
    ) -> Vec<(Severity, String)> {
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let group = PodGroupKey {
            settings: settings.collect(),
            hidden_settings: hidden.iter().map(|&name| name.to_owned()).collect(),
            ..running(Role::Istiod, FIPS)
        };
        let facts = holding(&group, vec![program(PATH, PATH, evidence)]);
        let expected = expecting(FIPS);
        let everything = whole(&expected, &facts);
        let strict = floor.map(judge);
        let after = After {
            judge: strict.as_ref().unwrap_or(everything.judge),
            ..everything
        };
        match run(&after) {
            Outcome::Passed(seen) => {
                assert_eq!(seen, "1 programs");
                Vec::new()
            }
            Outcome::Found(findings) => findings
                .into_iter()
                .map(|one| {
                    assert_eq!(one.found.as_deref(), Some("3 pods, such as a/x-1"));
                    assert_eq!(
                        one.subject,
                        Some(Subject::named("Program", "pilot-discovery"))
                    );
                    (one.severity, one.message)
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_build_is_judged_with_the_settings_of_its_container() {
        type Said<'a> = &'a [(Severity, &'a str)];
        use Severity::{Error, Warning};
        const MORE: &str = "algorithms that are not approved are accepted as well";
        const POLICY: (&str, &str) = ("COMPLIANCE_POLICY", "fips-140-2");
        const ONLY: (&str, &str) = ("GODEBUG", "fips140=only");
        let any = |evidence| (Ok(evidence), None);
        let strict = |evidence| (Ok(evidence), Some(RequiredAssurance::FipsOnly));
        // program and required assurance, settings, hidden variables, findings with a part of their message
        let table: Vec<(_, &[_], &[&str], Said<'_>)> = vec![
            (any(boring(true)), &[], &[], &[]),
            (any(boring(false)), &[], &[], &[(Warning, MORE)]),
            (strict(boring(false)), &[], &[], &[(Error, MORE)]),
            (strict(boring(true)), &[], &[], &[]),
            (any(boring(false)), &[POLICY], &[], &[]),
            (any(boring(true)), &[ONLY], &[], &[(Error, "panics")]),
            (any(own_module()), &[], &[], &[(Warning, MORE)]),
            (any(own_module()), &[ONLY], &[], &[]),
            (
                any(own_module()),
                &[("GODEBUG", "fips140=off")],
                &[],
                &[(Warning, MORE), (Error, "off switches the module")],
            ),
            (any(standard()), &[], &[], &[]),
            (any(standard()), &[ONLY], &[], &[(Warning, "looks enabled")]),
            (
                any(own_module()),
                &[],
                &["GODEBUG"],
                &[(Warning, "the pod does not show GODEBUG")],
            ),
            (
                strict(boring(true)),
                &[],
                &["COMPLIANCE_POLICY", "GODEBUG"],
                &[(Error, "does not show COMPLIANCE_POLICY, GODEBUG")],
            ),
            (any(standard()), &[], &["GODEBUG"], &[]),
            ((Err("cut off"), None), &[ONLY], &["GODEBUG"], &[]),
        ];
        for (number, (subject, settings, hidden, expected)) in table.into_iter().enumerate() {
            let found = found(subject, settings, hidden);
            let right = found.len() == expected.len()
                && found
                    .iter()
                    .zip(expected)
                    .all(|((severity, message), (wanted, part))| {
                        severity == wanted && message.contains(part)
                    });
            assert!(right, "row {number}: {found:?}");
        }
    }

    #[test]
    fn what_several_programs_of_a_pod_have_in_common_is_said_once() {
        let programs = [PATH, "/usr/local/bin/pilot-agent"]
            .map(|path| program(path, path, Ok(boring(false))))
            .to_vec();
        let facts = holding(&running(Role::Istiod, FIPS), programs);
        let Outcome::Found(findings) = run(&whole(&expecting(FIPS), &facts)) else {
            panic!("nothing was found");
        };
        let [one] = findings.as_slice() else {
            panic!("{findings:?}");
        };
        let programs = Subject::named("Program", "pilot-agent, pilot-discovery");
        assert_eq!(one.subject, Some(programs));
        assert_eq!(one.found.as_deref(), Some("3 pods, such as a/x-1"));
    }

    #[test]
    fn the_setting_that_limits_a_build_can_be_pasted() {
        let command = |evidence| {
            let facts = holding(
                &running(Role::Istiod, FIPS),
                vec![program(PATH, PATH, Ok(evidence))],
            );
            let Outcome::Found(findings) = run(&whole(&expecting(FIPS), &facts)) else {
                panic!("nothing was found");
            };
            findings[0].command.as_ref().map(ToString::to_string)
        };
        let line = "glooistio upgrade --to 1.31.0-solo-fips -r default --set values.pilot.env.COMPLIANCE_POLICY=";
        assert_eq!(command(boring(false)), Some(format!("{line}fips-140-2")));
        assert_eq!(command(own_module()), Some(format!("{line}fips-140-3")));
    }

    #[test]
    fn only_what_was_read_and_should_be_fips_is_judged() {
        let outcome = |tag: &str, group: &PodGroupKey, read: bool| {
            let programs = vec![program(PATH, PATH, Ok(boring(false)))];
            let mut facts = holding(group, programs);
            if !read {
                facts.images.clear();
            }
            run(&whole(&expecting(tag), &facts))
        };
        let own = running(Role::Istiod, FIPS);
        let foreign = PodGroupKey {
            revision: "theirs".to_owned(),
            ..own.clone()
        };
        assert!(matches!(
            outcome("1.31.0-solo", &own, true),
            Outcome::NotApplicable(_)
        ));
        assert!(matches!(outcome(FIPS, &own, false), Outcome::NotChecked(_)));
        assert!(matches!(
            outcome(FIPS, &foreign, true),
            Outcome::NotChecked(_)
        ));
        assert!(matches!(outcome(FIPS, &own, true), Outcome::Found(_)));
    }
}
