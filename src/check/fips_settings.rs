//! What runs with a FIPS module has it switched on, and takes approved algorithms only.

use std::collections::BTreeMap;

use super::evidence::environment;
use super::pending::wanted;
use super::{After, Check, Outcome, Run};
use crate::facts::{Census, Class, Fact, ImageProgram};
use crate::fips::{Build, Floor, approved_only, effects};
use crate::report::{Finding, Module, Severity};

pub(super) const CHECK: Check = Check {
    id: "fips-settings",
    title: "FIPS modules are switched on and limited to what is approved",
    category: "fips",
    run: Run::After(run),
    page: include_str!("fips_settings.md"),
};

fn run(after: &After<'_>) -> Outcome {
    if !after.expected.revisions.values().any(|wanted| wanted.fips) {
        return Outcome::NotApplicable("no FIPS build is expected".to_owned());
    }
    after.facts.census.judge(|census| of_census(after, census))
}

fn of_census(after: &After<'_>, census: &Census) -> Outcome {
    let mut said: BTreeMap<(Severity, String, &'static str), u64> = BTreeMap::new();
    let mut read = 0;
    for (class, members) in &census.classes {
        if !wanted(after, class).is_some_and(|wanted| wanted.fips) {
            continue;
        }
        for program in programs(after, class) {
            read += 1;
            for remark in remarks(after, class, program) {
                *said.entry(remark).or_default() += members.pods;
            }
        }
    }
    if read == 0 {
        return Outcome::NotChecked("no image that runs was read".to_owned());
    }
    let findings = said.into_iter().map(|((severity, message, fix), pods)| {
        Finding::new(severity, message)
            .found(format!("{pods} pods"))
            .fix(fix)
    });
    Outcome::of(findings.collect(), format!("{read} programs"))
}

fn programs<'a>(after: &After<'a>, class: &Class) -> &'a [ImageProgram] {
    let image = class.running();
    match image.and_then(|image| after.facts.images.get(&image)) {
        Some(Fact::Known(programs)) => programs,
        _ => &[],
    }
}

type Remark = (Severity, String, &'static str);

fn remarks(after: &After<'_>, class: &Class, program: &ImageProgram) -> Vec<Remark> {
    let Some(verdict) = after.judge.verdict(&program.reading) else {
        return Vec::new();
    };
    let environment = environment(class, program);
    let (build, known) = (Build::from(&verdict), after.policies(class));
    let binary = program.path.rsplit('/').next().unwrap_or(&program.path);
    let effects = effects(&environment, build, known).into_iter();
    let mut remarks: Vec<Remark> = effects
        .map(|effect| {
            (
                effect.severity,
                format!("{binary}: {}", effect.message),
                effect.fix,
            )
        })
        .collect();
    let limited = approved_only(&environment, build, known).is_some();
    if verdict.module < Module::Declared || verdict.fipsonly.is_none() {
        return remarks;
    }
    let severity = if after.judge.floor == Some(Floor::FipsOnly) {
        Severity::Error
    } else {
        Severity::Warning
    };
    let hidden: Vec<&str> = class.hidden_settings.iter().map(String::as_str).collect();
    if !hidden.is_empty() {
        remarks.push((
            severity,
            format!("{binary}: its pod does not show {}, so what they do was not judged", hidden.join(", ")),
            "write the values into the container's env, not behind valueFrom or envFrom",
        ));
    } else if !limited {
        remarks.push((
            severity,
            format!("{binary} takes algorithms that are not approved as well"),
            "set COMPLIANCE_POLICY (glooistio explain fips-configuration), or take a build with fipsonly",
        ));
    }
    remarks
}
