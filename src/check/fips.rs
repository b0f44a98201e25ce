//! The floor `declared`, for the programs of one plane.

use std::collections::BTreeMap;

use super::evidence::module;
use super::pending::{judged_now, stale, wanted};
use super::{After, Outcome, Scope};
use crate::facts::{Census, Class, Members, Role};
use crate::report::{Finding, Module};

/// Judges what the programs of some roles say of themselves, wherever FIPS is expected.
pub(super) fn judge(after: &After<'_>, concerns: fn(Role) -> bool) -> Outcome {
    if !after.expected.revisions.values().any(|wanted| wanted.fips) {
        return Outcome::NotApplicable("no FIPS build is expected".to_owned());
    }
    after
        .facts
        .census
        .judge(|census| census_outcome(after, census, concerns))
}

fn census_outcome(after: &After<'_>, census: &Census, concerns: fn(Role) -> bool) -> Outcome {
    let mut said: BTreeMap<(Module, String, &str), (u64, &[String])> = BTreeMap::new();
    for (class, members) in &census.classes {
        if concerns(class.role) && counts(after, class, members) {
            let (module, source) = module(class);
            let entry = said
                .entry((module, source, &class.namespace))
                .or_insert((0, &members.examples));
            entry.0 += members.pods;
        }
    }
    let declared: u64 = said
        .iter()
        .filter(|((module, ..), _)| *module >= Module::Declared)
        .map(|(_, (pods, _))| pods)
        .sum();
    if said.is_empty() {
        return Outcome::NotApplicable("no such pods in scope".to_owned());
    }
    if let Some(unread) = only_unread(&said) {
        return unread;
    }
    let findings = said
        .into_iter()
        .filter(|((module, ..), _)| *module < Module::Declared)
        .map(|((module, source, namespace), (pods, examples))| {
            Finding::error(message(module, pods))
                .subject(format!("namespace {namespace}: {}", examples.join(", ")))
                .found(source)
                .wanted("a FIPS module, at least declared by the program itself or its tag")
        });
    Outcome::of(findings.collect(), format!("declared for {declared} pods"))
}

/// Whether FIPS is expected of it now: after an install, a stale proxy is a pending restart.
fn counts(after: &After<'_>, class: &Class, members: &Members) -> bool {
    let pending = after.scope == Scope::Changed
        && stale(after, class).is_some()
        && !judged_now(after, class, members);
    !pending && wanted(after, class).is_some_and(|wanted| wanted.fips)
}

/// Nothing is wrong but what could not be read: that is an outcome of its own.
fn only_unread(said: &BTreeMap<(Module, String, &str), (u64, &[String])>) -> Option<Outcome> {
    let unread: Vec<String> = said
        .iter()
        .filter(|((module, ..), _)| *module == Module::Unknown)
        .map(|((_, source, namespace), (pods, _))| {
            format!("{pods} pods in {namespace} said {source}")
        })
        .collect();
    let wrong = said
        .keys()
        .any(|(module, ..)| matches!(module, Module::Contradicted | Module::Standard));
    (!unread.is_empty() && !wrong).then(|| Outcome::Unknown(unread.join("; ")))
}

fn message(module: Module, pods: u64) -> String {
    match module {
        Module::Contradicted => {
            format!("{pods} pods contradicted: named a FIPS build, and the program says it is none")
        }
        Module::Unknown => format!("{pods} pods could not be read"),
        Module::Standard | Module::Declared | Module::Identified | Module::Proven => {
            format!("{pods} pods run a standard build, without FIPS")
        }
    }
}
