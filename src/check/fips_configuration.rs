//! Checks that the settings of the documents fit the cryptographic module of the planned build.

mod candidates;

use std::collections::BTreeMap;

use serde_json::Value;

use self::candidates::candidates;
use super::fips::compliance_policies;
use super::walk::walk;
use super::{Before, Check, Outcome, Run};
use crate::render::Rendered;
use crate::report::{Finding, Subject};
use fips_evidence::{CompliancePolicies, Effect, Environment, ambient, effects};

pub(super) const CHECK: Check = Check {
    id: "fips-configuration",
    title: "GODEBUG and COMPLIANCE_POLICY fit the planned build",
    category: "cryptography",
    run: Run::Before(run),
    page: include_str!("fips_configuration.md"),
};

const NAMES: [&str; 3] = ["GODEBUG", "COMPLIANCE_POLICY", "TLS12_ENABLED"];

/// The policy for which Istio's chart also sets `GODEBUG=fips140=only`.
const WITH_GODEBUG: &str = "fips-140-3";

fn run(before: &Before<'_>) -> Outcome {
    let known = compliance_policies(before.matrix, &before.plan.tag.version);
    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for document in before.documents {
        for (place, environment) in environments(document) {
            seen.extend(environment.compliance.clone());
            seen.extend(
                environment
                    .fips140
                    .as_ref()
                    .map(|value| format!("fips140={value}")),
            );
            for finding in of_place(before, (document, &place), &environment, known) {
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
    }
    if seen.is_empty() {
        return Outcome::NotApplicable(
            "no document sets GODEBUG fips140 or COMPLIANCE_POLICY".to_owned(),
        );
    }
    seen.dedup();
    Outcome::of(findings, format!("{} fits the build", seen.join(", ")))
}

/// Returns the findings for the settings at one path, for each build that gets them.
fn of_place(
    before: &Before<'_>,
    (document, place): (&Rendered, &str),
    environment: &Environment,
    known: CompliancePolicies,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = without_configuration(document, environment)
        .iter()
        .map(|effect| finding(effect, &document.name, place, None))
        .collect();
    for candidate in candidates(before, place, environment) {
        let Some(settings) = candidate.settings(place, environment) else {
            continue;
        };
        let effects = effects(&injected(settings, known), candidate.build, Some(known));
        findings.extend(effects.into_iter().map(|effect| {
            let effect = candidate.weighed(effect);
            let program = candidate.program.as_deref();
            finding(&effect, &document.name, place, program)
        }));
    }
    findings
}

/// Returns the settings at each path of a document that has some.
fn environments(document: &Rendered) -> BTreeMap<String, Environment> {
    let mut found: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
    walk(&document.value, &mut |path, value| {
        if let Some((place, name, value)) = setting(path, value) {
            found.entry(place).or_default().push((name, value));
        }
    });
    found
        .into_iter()
        .map(|(place, settings)| (place, Environment::of(settings)))
        .collect()
}

/// Returns a setting with its path; it can be a key of a map or an item of a list of variables.
fn setting<'v>(path: &str, value: &'v Value) -> Option<(String, &'static str, &'v str)> {
    if let Some(text) = value.as_str() {
        let (place, key) = path.rsplit_once('.')?;
        let name = NAMES.iter().find(|name| **name == key)?;
        return Some((place.to_owned(), name, text));
    }
    let (place, _) = path.rsplit_once("[name:")?;
    let named = value["name"].as_str()?;
    let name = NAMES.iter().find(|name| **name == named)?;
    Some((place.to_owned(), name, value["value"].as_str()?))
}

/// Adds the setting that the chart adds by itself.
fn injected(environment: Environment, known: CompliancePolicies) -> Environment {
    let adds = environment.compliance.as_deref() == Some(WITH_GODEBUG)
        && known.knows(WITH_GODEBUG)
        && environment.fips140.is_none();
    Environment {
        fips140: if adds {
            Some("only".to_owned())
        } else {
            environment.fips140
        },
        ..environment
    }
}

/// Returns the effect on a ztunnel in the same document that cannot connect to this istiod.
fn without_configuration(document: &Rendered, environment: &Environment) -> Option<Effect> {
    let spec = &document.value["spec"];
    let component = &spec["components"]["ztunnel"]["enabled"];
    let profile = spec["profile"].as_str().unwrap_or_default();
    let runs = component
        .as_bool()
        .unwrap_or_else(|| profile.contains("ambient"));
    let settings = environments(document);
    let ztunnel = settings
        .iter()
        .find(|(place, settings)| place.contains("ztunnel") && settings.tls12);
    let ztunnel = ztunnel.map(|(_, settings)| settings.clone());
    let policy = environment.compliance.as_deref().filter(|_| runs);
    ambient(policy, &ztunnel.unwrap_or_default())
}

fn finding(effect: &Effect, document: &str, place: &str, program: Option<&str>) -> Finding {
    let program = program.map(|name| format!(", {name}")).unwrap_or_default();
    Finding::new(effect.code, effect.severity, effect.message.clone())
        .subject(Subject::place(document, format!("{place}{program}")))
        .fix(effect.fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, boring, own_module, program, standard};
    use crate::facts::{NoImage, Observed, PlannedImage};
    use crate::report::Severity;
    use fips_evidence::BinaryFacts;

    const DATA: &str = "
capabilities:
  - source: https://example.com/features
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {name: compliance-fips-140-2, istio: 1.21..}
      - {name: compliance-fips-140-3, istio: 1.31..}
";

    fn outcome(tag: &str, spec: &str) -> Outcome {
        Given::tag(tag).data(DATA).document("istiod", spec).run(run)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn every_pair_of_a_setting_and_a_build_is_judged() {
        use Severity::{Error, Warning};
        let pilot = |name: &str, value: &str| {
            format!("values: {{pilot: {{env: {{{name}: \"{value}\"}}}}}}")
        };
        let listed = "components: {pilot: {k8s: {env: [{name: GODEBUG, value: fips140=on}]}}}";
        let ambient = "profile: ambient\nvalues: {pilot: {env: {COMPLIANCE_POLICY: fips-140-2}}}";
        let told = format!(
            "{ambient}\ncomponents: {{ztunnel: {{k8s: {{env: [{{name: TLS12_ENABLED, value: \"true\"}}]}}}}}}"
        );
        let policy = |value| pilot("COMPLIANCE_POLICY", value);
        // tag, spec, worst severity, part of a message
        let table = [
            ("1.31.0-solo-fips", policy("fips-140-2"), None, ""),
            (
                "1.31.0-solo-fips",
                policy("fips-140-3"),
                Some(Warning),
                "if it is built with BoringCrypto: ",
            ),
            (
                "1.30.0-solo-fips",
                policy("fips-140-3"),
                Some(Warning),
                "does not know",
            ),
            (
                "1.31.0-solo",
                policy("fips-140-3"),
                Some(Warning),
                "looks enabled",
            ),
            (
                "1.31.0-solo",
                policy("fips-140-2"),
                Some(Warning),
                "no FIPS module",
            ),
            (
                "1.31.0-solo-fips",
                pilot("GODEBUG", "fips140=off"),
                Some(Warning),
                "if it is built with GOFIPS140: ",
            ),
            (
                "1.31.0-solo-fips",
                listed.to_owned(),
                Some(Warning),
                "panics",
            ),
            (
                "1.31.0-solo-fips",
                ambient.to_owned(),
                Some(Error),
                "ztunnel",
            ),
            ("1.31.0-solo-fips", told, None, ""),
        ];
        for (tag, spec, worst, part) in table {
            match (outcome(tag, &spec), worst) {
                (Outcome::Passed(_), None) => {}
                (Outcome::Found(findings), Some(worst)) => {
                    let severity = findings.iter().map(|one| one.severity).max();
                    assert_eq!(severity, Some(worst), "{tag} {spec}: {findings:?}");
                    let said = findings.iter().any(|one| one.message.contains(part));
                    assert!(said, "{tag} {spec}: {findings:?}");
                }
                (outcome, _) => panic!("{tag} {spec}: {outcome:?}"),
            }
        }
    }

    /// Returns the findings for `spec` if the images of the plan contain these programs.
    fn read(spec: &str, programs: &[(&str, BinaryFacts)]) -> Vec<(Severity, String)> {
        let programs = programs.iter().map(|(name, evidence)| {
            let path = format!("/usr/local/bin/{name}");
            program(&path, &path, Ok(evidence.clone()))
        });
        let mut given = Given::tag("1.31.0-solo-fips")
            .data(DATA)
            .document("istiod", spec);
        given.facts.images = Observed::Known(vec![PlannedImage {
            reference: "r.io/istio/pilot:1.31.0-solo-fips".to_owned(),
            found: Err(NoImage::Broken("not looked at here".to_owned())),
            programs: Observed::Known(programs.collect()),
            cached: None,
        }]);
        match given.run(run) {
            Outcome::Found(findings) => findings
                .into_iter()
                .map(|one| {
                    let subject = one.subject.unwrap();
                    (one.severity, format!("{subject}: {}", one.message))
                })
                .collect(),
            Outcome::Passed(_) => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn build_that_was_read_decides_what_its_settings_do() {
        use Severity::{Error, Warning};
        type Said<'a> = &'a [(Severity, &'a str)];
        type Programs<'a> = Vec<(&'a str, BinaryFacts)>;
        let env = |name: &str, value: &str| {
            format!("values: {{pilot: {{env: {{{name}: \"{value}\"}}}}}}")
        };
        let metadata = "meshConfig: {defaultConfig: {proxyMetadata: {GODEBUG: fips140=on}}}";
        let gateway = "components: {ingressGateways: [{name: pilot, k8s: {env: [{name: GODEBUG, value: fips140=on}]}}]}";
        let istiod = |evidence: fn() -> BinaryFacts| vec![("pilot-discovery", evidence())];
        let boring = || boring(true);
        let both = vec![("pilot-discovery", own_module()), ("pilot-agent", boring())];
        // spec, programs, findings with a part of subject and message
        let table: Vec<(String, Programs<'_>, Said<'_>)> = vec![
            (
                env("COMPLIANCE_POLICY", "fips-140-3"),
                istiod(boring),
                &[(
                    Error,
                    "pilot-discovery: GODEBUG=fips140=only and a BoringCrypto",
                )],
            ),
            (
                env("COMPLIANCE_POLICY", "fips-140-3"),
                istiod(own_module),
                &[],
            ),
            (env("COMPLIANCE_POLICY", "fips-140-2"), istiod(boring), &[]),
            (
                env("GODEBUG", "fips140=on"),
                istiod(boring),
                &[(Error, "panics at start")],
            ),
            (env("GODEBUG", "fips140=on"), istiod(own_module), &[]),
            (
                env("GODEBUG", "fips140=off"),
                istiod(own_module),
                &[(Error, "switches the module")],
            ),
            (env("GODEBUG", "fips140=off"), istiod(boring), &[]),
            (
                env("GODEBUG", "fips140=yes"),
                istiod(own_module),
                &[(Error, "is not a value that Go knows")],
            ),
            // The proxies get the policy of istiod, but not its GODEBUG.
            (
                env("COMPLIANCE_POLICY", "fips-140-3"),
                both.clone(),
                &[(Error, "pilot-agent: GODEBUG=fips140=only")],
            ),
            (env("GODEBUG", "fips140=on"), both.clone(), &[]),
            (
                metadata.to_owned(),
                both.clone(),
                &[(Error, "pilot-agent: GODEBUG=fips140=on")],
            ),
            (
                gateway.to_owned(),
                both,
                &[(Error, "pilot-agent: GODEBUG=fips140=on")],
            ),
            (
                env("COMPLIANCE_POLICY", "fips-140-3"),
                istiod(standard),
                &[(Warning, "looks enabled")],
            ),
            // A program that was not read may be of either kind.
            (
                env("GODEBUG", "fips140=on"),
                vec![("ztunnel", boring())],
                &[(Warning, "if it is built with BoringCrypto")],
            ),
        ];
        for (number, (spec, programs, expected)) in table.into_iter().enumerate() {
            let found = read(&spec, &programs);
            let right = found.len() == expected.len()
                && found
                    .iter()
                    .zip(expected)
                    .all(|(one, (severity, part))| one.0 == *severity && one.1.contains(part));
            assert!(right, "row {number}: {spec}: {found:?}");
        }
    }

    #[test]
    fn documents_without_such_a_setting_do_not_concern_it() {
        for spec in [
            "{}",
            "values: {pilot: {env: {GODEBUG: x=1, OTHER: fips-140-2}}}",
        ] {
            let outcome = outcome("1.31.0-solo-fips", spec);
            assert!(matches!(outcome, Outcome::NotApplicable(_)), "{outcome:?}");
        }
    }
}
