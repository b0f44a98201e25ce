//! Judges programs against the required assurance: by their content, or at least by their own reports.

use std::collections::BTreeMap;
use std::fmt;

use super::evidence::{self, binary, statements};
use super::expectation::demanded;
use super::pending::{judged_now, stale, wanted};
use super::proxies::{example_names, other_build, pods_of};
use super::{After, Outcome, Scope};
use crate::facts::{MeshInventory, PodGroup, PodGroupKey, Role, Unreached};
use crate::report::{Assurance, Finding, ModuleStatement, Proof, Subject};
use fips_evidence::CompliancePolicies;
use istio_builds::{Capability, ImageRef, IstioVersion, Matrix};

/// Returns the values of `COMPLIANCE_POLICY` that a version of Istio supports.
pub(super) fn compliance_policies(matrix: &Matrix, version: &IstioVersion) -> CompliancePolicies {
    let has = |capability| matrix.has(capability, version);
    CompliancePolicies {
        fips_140_2: has(Capability::ComplianceFips1402),
        fips_140_3: has(Capability::ComplianceFips1403),
        pqc: has(Capability::CompliancePqc),
    }
}

/// Judges the programs of some roles, if FIPS is expected.
pub(super) fn judge(after: &After<'_>, concerns: fn(Role) -> bool) -> Outcome {
    if !after.expected.revisions.values().any(|wanted| wanted.fips) {
        return Outcome::NotApplicable("no FIPS build is expected".to_owned());
    }
    after
        .facts
        .inventory
        .judge(|inventory| census_outcome(after, inventory, concerns))
}

/// Pods with the same statement about one of their programs.
#[derive(Default)]
struct Alike<'a> {
    pods: u64,
    groups: Vec<(&'a PodGroupKey, &'a PodGroup)>,
}

/// A statement about a program, with its namespace and image.
type Said<'a> = (ModuleStatement, &'a str, &'a str);

/// The results for the groups of either the control plane or the data plane.
#[derive(Default)]
struct Gathered<'a> {
    said: BTreeMap<Said<'a>, Alike<'a>>,
    best: BTreeMap<Assurance, u64>,
    required: Required,
    /// Findings about pods in which other code may run.
    deviating: Vec<Finding>,
    /// Why pods could not be compared with what their injector produces, and their number.
    uncompared: BTreeMap<String, u64>,
}

fn gather<'a>(
    after: &After<'_>,
    inventory: &'a MeshInventory,
    concerns: fn(Role) -> bool,
) -> Gathered<'a> {
    let mut all = Gathered::default();
    for (group, members) in &inventory.groups {
        let Some(wanted) = wanted(after, group).filter(|_| concerns(group.role)) else {
            continue;
        };
        all.required.pods += members.pods;
        all.required.fips += if wanted.fips { members.pods } else { 0 };
        if !is_judged(after, group, members) {
            continue;
        }
        if !group.deviations.is_empty() {
            all.deviating.push(deviating(after, group, members));
            continue;
        }
        if let Some(why) = evidence::uncompared(after, group) {
            *all.uncompared.entry(why).or_default() += members.pods;
        }
        let statements = statements(after, group);
        let weakest = statements.iter().map(|one| one.module).min();
        *all.best
            .entry(weakest.unwrap_or(Assurance::Unknown))
            .or_default() += members.pods;
        for statement in statements {
            let key = (statement, group.namespace.as_str(), group.image.as_str());
            let alike = all.said.entry(key).or_default();
            alike.pods += members.pods;
            alike.groups.push((group, members));
        }
    }
    all
}

fn census_outcome(
    after: &After<'_>,
    inventory: &MeshInventory,
    concerns: fn(Role) -> bool,
) -> Outcome {
    let Gathered {
        mut said,
        best,
        required,
        deviating,
        uncompared,
    } = gather(after, inventory, concerns);
    if said.is_empty() && deviating.is_empty() {
        return Outcome::NotApplicable("no such pods in scope".to_owned());
    }
    said.retain(|(statement, ..), _| !accepted(after, statement));
    if deviating.is_empty()
        && let Some(unread) = only_unread(&said)
    {
        return unread;
    }
    let unreached = unreached(after, inventory, concerns);
    let findings = said.iter().map(|(key, alike)| finding(after, key, alike));
    let gaps = uncompared.iter();
    let gaps = gaps.map(|(why, pods)| not_compared(why, *pods));
    let findings = deviating.into_iter().chain(findings).chain(gaps);
    let findings = findings.chain(unreached);
    let seen = best
        .iter()
        .rev()
        .map(|(module, pods)| format!("{} for {pods} pods", module.word()));
    let seen = format!("{required}: {}", seen.collect::<Vec<_>>().join(", "));
    let part = required
        .is_part()
        .then(|| Finding::info("weaker-assurance", seen.clone()));
    Outcome::of(findings.chain(part).collect(), seen)
}

/// The number of pods that require a FIPS build: not every revision may require one.
#[derive(Default)]
struct Required {
    fips: u64,
    pods: u64,
}

impl Required {
    fn is_part(&self) -> bool {
        self.fips < self.pods
    }
}

impl fmt::Display for Required {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Required { fips, pods } = self;
        write!(f, "a FIPS build is required of {fips} of {pods} pods")
    }
}

/// Reports pods of a group in which code other than that of their images may run.
fn deviating(after: &After<'_>, group: &PodGroupKey, members: &PodGroup) -> Finding {
    let PodGroupKey {
        revision,
        deviations,
        ..
    } = group;
    let (binary, pods) = (binary(group.role), members.pods);
    if let Some(why) = evidence::uncompared(after, group) {
        return Finding::error("settings-not-compared", format!(
            "{binary} of {pods} pods is unknown: its settings could not be compared with those that are injected"
        ))
        .subject(pods_of(group, members))
        .found(deviations.to_string())
        .why(why)
        .fix("provide what was missing for the comparison (`glooistio check --print-rbac` prints all rights), or remove these settings");
    }
    Finding::error("other-code-may-run", format!(
        "{binary} of {pods} pods is unknown: other code than that of its image may run"
    ))
    .subject(pods_of(group, members))
    .found(deviations.to_string())
    .expected(format!(
        "what the injector of revision {revision} produces, and settings that are known to be harmless"
    ))
    .fix("remove these settings from the workload, or set them for the whole mesh; then restart it")
}

/// Reports pods with an assurance of at most `declared`, since they could not be compared.
fn not_compared(why: &str, pods: u64) -> Finding {
    Finding::warning("declared-at-most", format!(
        "{pods} pods are declared at most: they could not be compared with what their injector produces"
    ))
    .why(why)
}

/// Checks whether FIPS is expected of a group now: after an install, an outdated proxy is a pending restart,
/// and a node agent of another build is not part of the install.
pub(super) fn is_judged(after: &After<'_>, group: &PodGroupKey, members: &PodGroup) -> bool {
    let pending = after.scope == Scope::Changed
        && (stale(after, group).is_some() || other_build(after, group).is_some())
        && !judged_now(after, group, members);
    !pending && wanted(after, group).is_some_and(|wanted| wanted.fips)
}

/// Reports registries that did not answer: images from there are judged by self-reports and tags, which an
/// auditor must see.
fn unreached(
    after: &After<'_>,
    inventory: &MeshInventory,
    concerns: fn(Role) -> bool,
) -> Vec<Finding> {
    let mut pods: BTreeMap<&Unreached, u64> = BTreeMap::new();
    for (group, members) in &inventory.groups {
        if concerns(group.role)
            && is_judged(after, group, members)
            && let Some(unreached) = group
                .running()
                .and_then(|image| after.facts.unreached.get(&image))
        {
            *pods.entry(unreached).or_default() += members.pods;
        }
    }
    let finding = |(unreached, pods): (&Unreached, u64)| {
        let Unreached {
            registry,
            why,
            refused_host,
        } = unreached;
        if let Some(host) = refused_host {
            return Finding::warning("registry-not-asked", format!(
                "the images of {pods} pods were not read: their registry {registry} was not asked"
            ))
            .found(why.clone())
            .expected("a registry that is asked: without the bytes, only tag and metrics are judged")
            .fix("name the registry if it is yours")
            .command("glooistio verify --allow-registry {}", &[host]);
        }
        Finding::warning(
            "registry-unreachable",
            format!(
                "the images of {pods} pods were not read: their registry {registry} is out of reach"
            ),
        )
        .found(why.clone())
        .expected("a registry that answers: without the bytes, only tag and metrics are judged")
        .fix(
            "run it where the registry can be reached, or accept tags and metrics by --no-registry",
        )
    };
    pods.into_iter().map(finding).collect()
}

/// Checks whether a statement has at least the assurance `declared`, and the policy accepts what was read.
fn accepted(after: &After<'_>, statement: &ModuleStatement) -> bool {
    let proof = statement.proof.as_ref();
    statement.module >= Assurance::Declared
        && proof.map_or_else(
            || after.judge.accepts_words(),
            |proof| proof.judgement.accepted,
        )
}

/// Returns an unknown outcome if the only problems are programs that could not be read.
fn only_unread(said: &BTreeMap<Said<'_>, Alike<'_>>) -> Option<Outcome> {
    let wrong = said.keys().any(|(statement, ..)| {
        statement.module != Assurance::Unknown && undecided(statement).is_none()
    });
    if said.is_empty() || wrong {
        return None;
    }
    let unread = said.iter().map(|((statement, namespace, _), alike)| {
        let why = why(statement).unwrap_or(&statement.source);
        let (binary, pods) = (&statement.binary, alike.pods);
        format!("{binary} of {pods} pods in {namespace}: {why}")
    });
    Some(Outcome::Unknown(unread.collect::<Vec<_>>().join("; ")))
}

fn why(statement: &ModuleStatement) -> Option<&String> {
    undecided(statement).or_else(|| statement.proof.as_ref()?.reasons.first())
}

/// Returns why what was read neither fulfils nor violates the policy.
fn undecided(statement: &ModuleStatement) -> Option<&String> {
    let judgement = &statement.proof.as_ref()?.judgement;
    let unknown = judgement.unknown.first();
    unknown.filter(|_| judgement.because.is_empty())
}

fn finding(
    after: &After<'_>,
    (statement, namespace, image): &Said<'_>,
    alike: &Alike<'_>,
) -> Finding {
    let Alike { pods, groups } = alike;
    let wanted = demanded(after.judge).unwrap_or_else(|| {
        "a FIPS module, at least declared by the program itself or its tag".to_owned()
    });
    let finding = Finding::error("assurance-too-low", message(statement, *pods))
        .subject(Subject::pods(*namespace, *pods, example_names(groups)))
        .found(&statement.source)
        .expected(wanted);
    let Some(proof) = &statement.proof else {
        return finding;
    };
    let digest = proof.manifest.as_deref().unwrap_or("without a manifest");
    let arch = statement.arch.as_deref().unwrap_or("unknown");
    let judgement = &proof.judgement;
    let judged = judgement.because.iter().chain(&judgement.unknown);
    let reasons = judged.chain(&proof.reasons);
    let mut why: Vec<&str> = reasons.map(String::as_str).collect();
    why.dedup();
    finding
        .found(format!("{} in {image} ({digest}, {arch})", proof.path))
        .why(why.join("; "))
        .command(
            "glooistio inspect --explain {}",
            &[&by_digest(image, proof)],
        )
}

/// Returns the running image by digest: its tag may point to another one by now.
fn by_digest(image: &str, proof: &Proof) -> String {
    let running = image.parse::<ImageRef>();
    match (&proof.manifest, running) {
        (Some(digest), Ok(running)) => format!("{}@{digest}", running.repository()),
        _ => image.to_owned(),
    }
}

fn message(statement: &ModuleStatement, pods: u64) -> String {
    let binary = &statement.binary;
    match (statement.module, &statement.proof) {
        (Assurance::Contradicted, None) => {
            format!("{pods} pods contradicted: named a FIPS build, and the program says it is none")
        }
        (Assurance::Contradicted, Some(_)) => {
            format!("{binary} of {pods} pods is contradicted: it is not what it says it is")
        }
        (Assurance::Unknown, _) => format!("{binary} of {pods} pods could not be judged"),
        (Assurance::Standard, _) => format!("{pods} pods run a standard build, without FIPS"),
        (module, proof) => {
            let because = proof
                .as_ref()
                .and_then(|proof| proof.judgement.because.first())
                .or_else(|| undecided(statement));
            because.map_or_else(
                || format!("{binary} of {pods} pods is only {}", module.word()),
                |why| format!("{binary} of {pods} pods is {}: {why}", module.word()),
            )
        }
    }
}
