//! Statements about the cryptographic modules of running programs: by content, by the programs' own reports, by
//! tag.

use std::collections::{BTreeMap, BTreeSet};

use self::image::other_entry_point;
use super::After;
use super::pending::wanted;
use crate::facts::{
    ExtraContainer, ImageProgram, Observed, PodGroupKey, Role, RunningImage, SelfReport,
};
use crate::report::{Assurance, Deviations, ModuleStatement, RunsIn};
use fips_evidence::{BinaryFacts, Environment, ProgramRole, Subject};
use istio_builds::ImageRef;

mod image;

/// Pods by namespace and role.
type Places<'a> = BTreeMap<(&'a str, &'static str), u64>;

/// Returns a statement per image × architecture × program, for every revision in scope.
pub fn evidence(after: &After<'_>) -> Vec<ModuleStatement> {
    let Some(inventory) = after.facts.inventory.known() else {
        return Vec::new();
    };
    let mut processes: BTreeMap<ModuleStatement, (u64, Places<'_>)> = BTreeMap::new();
    for (group, members) in &inventory.groups {
        if wanted(after, group).is_some() {
            for statement in statements(after, group) {
                let (count, places) = processes.entry(statement).or_default();
                *count += members.pods;
                *places
                    .entry((&group.namespace, role_word(group.role)))
                    .or_default() += members.pods;
            }
        }
    }
    processes
        .into_iter()
        .map(|(statement, (count, places))| {
            let more_places = places.len().saturating_sub(ModuleStatement::PLACES) as u64;
            let places = places.into_iter().take(ModuleStatement::PLACES);
            let runs_in = places.map(|((namespace, role), pods)| RunsIn {
                namespace: namespace.to_owned(),
                role,
                pods,
            });
            ModuleStatement {
                count,
                runs_in: runs_in.collect(),
                more_places,
                ..statement
            }
        })
        .collect()
}

/// Returns the role as the JSON report names it.
fn role_word(role: Role) -> &'static str {
    match role {
        Role::Istiod => "control-plane",
        Role::Sidecar => "sidecar",
        Role::Gateway => "gateway",
        Role::Agentgateway => "agentgateway",
        Role::Ztunnel => "ztunnel",
        Role::Cni => "cni",
    }
}

/// Returns statements about the programs of a group: by their content if the running image was read, otherwise
/// by their own reports and the tag.
pub(super) fn statements(after: &After<'_>, group: &PodGroupKey) -> Vec<ModuleStatement> {
    let own = match programs(after, group.running()) {
        Some(Observed::Known(programs)) => of_programs(after, group, programs),
        Some(Observed::Unknown(why)) => vec![unread(group, why)],
        Some(Observed::NotCollected(why)) => {
            vec![said(group, &format!("the image was not read: {why}"))]
        }
        None => vec![said(group, "the image was not read")],
    };
    let beside = group
        .containers_with_other_image()
        .flat_map(|other| beside(after, group, other));
    let all = own.into_iter().chain(beside);
    all.map(|one| compared(after, group, one)).collect()
}

/// Limits a statement to what the comparison of the pod with its injector allows: the content of the image
/// proves nothing about a container in which other code may run.
fn compared(after: &After<'_>, group: &PodGroupKey, statement: ModuleStatement) -> ModuleStatement {
    let deviations = &group.deviations;
    if !deviations.is_empty() {
        let revision = &group.revision;
        let why = format!("{deviations}; the injector of revision {revision} sets none of this");
        let source = match &statement.proof {
            Some(_) => statement.source.clone(),
            None => format!("nothing: {why}"),
        };
        let statement = ModuleStatement {
            source,
            deviations: deviations.clone(),
            ..statement
        };
        return downgrade_if(statement, Assurance::Unknown, Some(why));
    }
    match uncompared(after, group) {
        Some(why) => limited(after, statement, &why),
        None => statement,
    }
}

/// Returns why pods of a group could not be compared with what their injector produces.
pub(super) fn uncompared(after: &After<'_>, group: &PodGroupKey) -> Option<String> {
    if !matches!(group.role, Role::Sidecar | Role::Gateway) {
        return None;
    }
    let why = match after.facts.references.get(&group.revision) {
        Some(Observed::Known(_)) => return None,
        Some(Observed::Unknown(why)) => why,
        Some(Observed::NotCollected(_)) | None => "it was not asked",
    };
    Some(format!(
        "the pod could not be compared with what the injector of revision {} produces: {why}",
        group.revision
    ))
}

/// Limits a statement to `declared`: what was proven of an image does not hold for a container that could not
/// be compared.
fn limited(after: &After<'_>, mut statement: ModuleStatement, why: &str) -> ModuleStatement {
    if statement.module <= Assurance::Declared {
        return statement;
    }
    statement.module = Assurance::Declared;
    if let Some(proof) = &mut statement.proof {
        proof.reasons.insert(0, why.to_owned());
        if !after.judge.accepts_words() {
            proof.judgement.accepted = false;
            proof.judgement.because.insert(0, why.to_owned());
        }
    }
    statement
}

type Programs<'a> = &'a Observed<Vec<ImageProgram>>;

fn programs<'a>(after: &After<'a>, running: Option<RunningImage>) -> Option<Programs<'a>> {
    after.facts.images.get(&running?)
}

/// Returns statements about every program of the image; unknown if the image lacks the program of the role.
fn of_programs(
    after: &After<'_>,
    group: &PodGroupKey,
    programs: &[ImageProgram],
) -> Vec<ModuleStatement> {
    let binary = binary(group.role);
    if !programs.iter().any(|program| name(&program.path) == binary) {
        return vec![unread(group, &format!("there is no {binary} in its image"))];
    }
    let other = other_entry_point(group.role, programs);
    let idle = |program: &&ImageProgram| {
        let evidence = program.reading.evidence.as_ref();
        program.role != ProgramRole::Main && evidence.is_ok_and(BinaryFacts::has_no_cryptography)
    };
    let one = |program| {
        let statement = read(after, group, program);
        downgrade_if(statement, Assurance::Unknown, other.clone())
    };
    programs.iter().filter(|it| !idle(it)).map(one).collect()
}

/// Returns statements about the program that another container of the pod starts from another image.
fn beside(after: &After<'_>, group: &PodGroupKey, other: &ExtraContainer) -> Vec<ModuleStatement> {
    let seen = PodGroupKey {
        image: other.image.clone(),
        image_id: other.image_id.clone(),
        settings: BTreeMap::new(),
        hidden_settings: BTreeSet::new(),
        others: BTreeSet::new(),
        report: SelfReport::NotCollected,
        ..group.clone()
    };
    let Some(Observed::Known(programs)) = programs(after, group.running_beside(other)) else {
        let unseen = statements(after, &seen).into_iter();
        let binary = starter(group.role).to_owned();
        return unseen
            .map(|one| ModuleStatement {
                binary: binary.clone(),
                ..one
            })
            .collect();
    };
    let started = programs.iter().filter(|program| {
        let first = program.command.first();
        first.is_some_and(|first| *first == program.path || *first == name(&program.path))
    });
    started.map(|program| read(after, &seen, program)).collect()
}

/// Returns a statement that is based on the report of the process and on the tag.
fn said(group: &PodGroupKey, unread: &str) -> ModuleStatement {
    let (module, source) = module(group);
    ModuleStatement {
        digest: digest(&group.image_id),
        arch: group.arch.clone(),
        binary: binary(group.role).to_owned(),
        module,
        configuration: format!("not looked at: {unread}"),
        source,
        count: 0,
        runs_in: Vec::new(),
        more_places: 0,
        deviations: Deviations::default(),
        proof: None,
    }
}

/// Returns an unknown statement about an image that its registry refuses, or that does not match its digest: a
/// report of the process cannot replace it.
fn unread(group: &PodGroupKey, why: &str) -> ModuleStatement {
    ModuleStatement {
        module: Assurance::Unknown,
        source: format!("nothing: {why} (--no-registry leaves images out)"),
        ..said(group, why)
    }
}

/// Returns a statement that is based on the program's content, and on whether tag and process agree with it.
fn read(after: &After<'_>, group: &PodGroupKey, program: &ImageProgram) -> ModuleStatement {
    let mut statement = ModuleStatement::of_program(
        after.judge,
        &Subject {
            image: Some(&group.image),
            manifest: program.manifest.as_deref(),
            arch: Some(&program.arch),
            path: &program.path,
            reading: &program.reading,
            environment: &environment(group, program),
            known: after.policies(group),
            says_fips: says_fips(&group.image) || program.labelled_fips,
            role: program.role,
        },
    );
    statement.digest = digest(&group.image_id);
    if !group.hidden_settings.is_empty() {
        let names: Vec<&str> = group.hidden_settings.iter().map(String::as_str).collect();
        let hidden = format!("; the pod does not show {}", names.join(", "));
        statement.configuration.push_str(&hidden);
    }
    let reports = name(&program.path) == binary(group.role);
    let against = match (&group.report, statement.module) {
        (SelfReport::Standard(said), module) if reports && module >= Assurance::Declared => Some(
            format!("the process says {said}, and the image holds a FIPS module"),
        ),
        _ => None,
    };
    downgrade_if(statement, Assurance::Contradicted, against)
}

/// Returns the statement; if there is a reason against it, with the assurance `module` and accepted by no
/// policy.
fn downgrade_if(
    mut statement: ModuleStatement,
    module: Assurance,
    against: Option<String>,
) -> ModuleStatement {
    let Some(against) = against else {
        return statement;
    };
    statement.module = module;
    if let Some(proof) = &mut statement.proof {
        proof.reasons.insert(0, against.clone());
        proof.judgement.accepted = false;
        proof.judgement.because.push(against);
    }
    statement
}

/// Returns the environment of the container: its own variables take precedence over those of its image.
pub(super) fn environment(group: &PodGroupKey, program: &ImageProgram) -> Environment {
    let of_image = program.env.iter().filter_map(|pair| pair.split_once('='));
    let own = group.settings.iter();
    Environment::of(of_image.chain(own.map(|(name, value)| (name.as_str(), value.as_str()))))
}

/// Returns the assurance by self-report and tag. The report takes precedence; if both say something, they must
/// agree.
fn module(group: &PodGroupKey) -> (Assurance, String) {
    let labelled = says_fips(&group.image);
    let by_tag = if labelled {
        Assurance::Declared
    } else {
        Assurance::Standard
    };
    match &group.report {
        SelfReport::Fips(said) => (Assurance::Declared, said.clone()),
        SelfReport::Standard(said) if labelled => (
            Assurance::Contradicted,
            format!("{said}, though its tag says FIPS"),
        ),
        SelfReport::Standard(said) => (Assurance::Standard, said.clone()),
        SelfReport::Silent(said) => (by_tag, format!("its tag alone ({said})")),
        SelfReport::NotCollected => (by_tag, "its tag alone".to_owned()),
        SelfReport::Unreadable(why) => (Assurance::Unknown, format!("nothing: {why}")),
    }
}

fn says_fips(image: &str) -> bool {
    image
        .parse::<ImageRef>()
        .is_ok_and(|image| image.is_tagged_fips())
}

/// Returns the program of that role which performs the mesh's cryptography.
pub(super) fn binary(role: Role) -> &'static str {
    match role {
        Role::Istiod => "pilot-discovery",
        Role::Sidecar | Role::Gateway => "envoy",
        Role::Agentgateway => "agentgateway",
        Role::Ztunnel => "ztunnel",
        Role::Cni => "install-cni",
    }
}

/// Returns the program that a container of that role starts.
fn starter(role: Role) -> &'static str {
    match role {
        Role::Sidecar | Role::Gateway => "pilot-agent",
        role => binary(role),
    }
}

/// Returns the last part of a path.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Extracts `sha256:…` from the forms of imageID that container runtimes use.
fn digest(image_id: &str) -> Option<String> {
    let last = image_id.rsplit(['@', '/']).next()?;
    let hex = last.strip_prefix("sha256:").unwrap_or(last);
    let whole = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| format!("sha256:{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{
        self, boring, expecting, group, holding, members, program, running, standard,
    };
    use crate::facts::MeshInventory;
    use crate::report::{Deviation, SettingKind};

    #[test]
    fn label_and_self_report_make_the_statement() {
        let says = |text: &str| text.to_owned();
        for (tag, report, module) in [
            (
                "1.31.0-solo-fips",
                SelfReport::Fips(says("gauge 1")),
                Assurance::Declared,
            ),
            (
                "1.31.0-solo",
                SelfReport::Fips(says("gauge 1")),
                Assurance::Declared,
            ),
            (
                "1.31.0-solo-fips",
                SelfReport::Standard(says("gauge 0")),
                Assurance::Contradicted,
            ),
            (
                "1.31.0-solo",
                SelfReport::Standard(says("gauge 0")),
                Assurance::Standard,
            ),
            (
                "1.31.0-solo-fips",
                SelfReport::Silent(says("no gauge")),
                Assurance::Declared,
            ),
            (
                "1.31.0-solo",
                SelfReport::Silent(says("no gauge")),
                Assurance::Standard,
            ),
            (
                "1.31.0-solo-fips",
                SelfReport::NotCollected,
                Assurance::Declared,
            ),
            ("1.31.0-solo", SelfReport::NotCollected, Assurance::Standard),
            (
                "1.31.0-solo-fips",
                SelfReport::Unreadable(says("timeout")),
                Assurance::Unknown,
            ),
            ("nonsense", SelfReport::NotCollected, Assurance::Standard),
        ] {
            let group = PodGroupKey {
                report: report.clone(),
                ..group(Role::Sidecar, "a", tag)
            };
            assert_eq!(super::module(&group).0, module, "{tag} {report:?}");
        }
    }

    #[test]
    fn alike_processes_are_one_statement_and_other_revisions_none() {
        let mut inventory = MeshInventory::default();
        inventory.groups.insert(
            group(Role::Sidecar, "a", "1.31.0-solo-fips"),
            members(3, "a"),
        );
        inventory.groups.insert(
            group(Role::Gateway, "b", "1.31.0-solo-fips"),
            members(2, "b"),
        );
        let foreign = PodGroupKey {
            revision: "theirs".into(),
            connects: [support::connected("theirs")].into(),
            ..group(Role::Sidecar, "c", "1.30.0")
        };
        inventory.groups.insert(foreign, members(9, "c"));
        let mut facts = support::after();
        facts.control_planes = Observed::Known(vec![support::control_plane("theirs", "1.30.0")]);
        facts.inventory = Observed::Known(inventory);
        let expected = expecting("1.31.0-solo-fips");
        let statements = evidence(&support::whole(&expected, &facts));
        assert_eq!(statements.len(), 1);
        assert_eq!(
            (statements[0].binary.as_str(), statements[0].count),
            ("envoy", 5)
        );
        let places = statements[0].runs_in.iter();
        let places: Vec<_> = places
            .map(|it| (it.namespace.as_str(), it.role, it.pods))
            .collect();
        assert_eq!(places, [("a", "sidecar", 3), ("b", "gateway", 2)]);
    }

    #[test]
    fn a_digest_is_found_in_every_form_of_an_image_id() {
        let hex = "ab".repeat(32);
        for id in [
            format!("r.io/a@sha256:{hex}"),
            format!("docker-pullable://r.io/a@sha256:{hex}"),
            format!("docker://sha256:{hex}"),
            format!("sha256:{hex}"),
            hex.clone(),
        ] {
            assert_eq!(digest(&id), Some(format!("sha256:{hex}")), "{id}");
        }
        assert_eq!(digest(""), None);
    }

    const AGENT: &str = "/usr/local/bin/pilot-agent";

    const ENVOY: &str = "/usr/local/bin/envoy";

    const FIPS: &str = "1.31.0-solo-fips";

    /// Returns `pilot-agent proven, envoy unknown (why)` for a sidecar with an image that starts `starts`.
    fn of_sidecar(group: &PodGroupKey, starts: &str) -> String {
        let programs = [AGENT, ENVOY].map(|path| program(path, starts, Ok(boring(true))));
        said_of(group, &holding(group, programs.into()))
    }

    fn said_of(group: &PodGroupKey, facts: &crate::facts::After) -> String {
        let expected = expecting(FIPS);
        let statements = statements(&support::whole(&expected, facts), group);
        let words = statements.iter().map(|one| {
            let why = one
                .proof
                .as_ref()
                .and_then(|proof| proof.judgement.because.first());
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{} {}{why}", one.binary, one.module.word())
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Returns the group with one setting that nothing permits.
    fn deviating(group: PodGroupKey) -> PodGroupKey {
        let one = Deviation::new("istio-proxy", SettingKind::Variable, "LD_PRELOAD");
        PodGroupKey {
            deviations: Deviations::of(vec![one]),
            ..group
        }
    }

    #[test]
    fn a_deviating_pod_is_unknown_however_good_its_bytes_are() {
        let group = deviating(running(Role::Sidecar, FIPS));
        let why = "container istio-proxy sets the variable LD_PRELOAD; the injector of revision \
            default sets none of this";
        let both = format!("pilot-agent unknown ({why}), envoy unknown ({why})");
        assert_eq!(of_sidecar(&group, AGENT), both);
        let expected = expecting(FIPS);
        let facts = support::after();
        for report in [
            SelfReport::NotCollected,
            SelfReport::Silent("x".into()),
            SelfReport::Fips("x".into()),
        ] {
            let unread = PodGroupKey {
                report,
                image_id: String::new(),
                ..group.clone()
            };
            let statements = statements(&support::whole(&expected, &facts), &unread);
            assert_eq!(statements[0].module, Assurance::Unknown);
            assert_eq!(statements[0].source, format!("nothing: {why}"));
            assert_eq!(statements[0].deviations.first[0].item, "LD_PRELOAD");
        }
    }

    #[test]
    fn an_image_that_starts_another_program_is_unknown() {
        let group = running(Role::Sidecar, FIPS);
        let fine = "pilot-agent proven, envoy proven";
        for (starts, why) in [
            (AGENT, None),
            ("pilot-agent", None),
            (
                "/bin/evil",
                Some("its image starts `/bin/evil`, not pilot-agent"),
            ),
            (
                "/tmp/pilot-agent",
                Some("its image starts `/tmp/pilot-agent`, not pilot-agent"),
            ),
        ] {
            let wanted =
                why.map(|why| format!("pilot-agent unknown ({why}), envoy unknown ({why})"));
            assert_eq!(
                of_sidecar(&group, starts),
                wanted.as_deref().unwrap_or(fine),
                "{starts}"
            );
        }
    }

    #[test]
    fn a_pod_that_could_not_be_compared_is_declared_at_most() {
        let group = running(Role::Sidecar, FIPS);
        let proxy = [AGENT, ENVOY].map(|path| program(path, AGENT, Ok(boring(true))));
        let mut facts = holding(&group, proxy.into());
        let forbidden = "forbidden; allow create of services/proxy in namespace istio-system";
        facts.references =
            BTreeMap::from([("default".to_owned(), Observed::Unknown(forbidden.into()))]);
        assert_eq!(
            said_of(&group, &facts),
            "pilot-agent declared, envoy declared"
        );
        let expected = expecting(FIPS);
        let judge = support::judge(fips_evidence::RequiredAssurance::Proven);
        let after = After {
            judge: &judge,
            ..support::whole(&expected, &facts)
        };
        let proof = statements(&after, &group)[0].proof.clone().unwrap();
        assert!(!proof.judgement.accepted);
        assert!(proof.judgement.because[0].ends_with(forbidden), "{proof:?}");
        // Istiod is not injected.
        let istiod = running(Role::Istiod, FIPS);
        let path = "/usr/local/bin/pilot-discovery";
        facts.images = holding(&istiod, vec![program(path, path, Ok(boring(true)))]).images;
        assert_eq!(said_of(&istiod, &facts), "pilot-discovery proven");
    }

    #[test]
    fn an_image_without_the_program_of_its_role_is_unknown() {
        let group = running(Role::Sidecar, FIPS);
        let only_agent = vec![program(AGENT, AGENT, Ok(boring(true)))];
        assert_eq!(
            said_of(&group, &holding(&group, only_agent)),
            "envoy unknown"
        );
    }

    #[test]
    fn other_containers_of_a_pod_are_judged_by_what_their_image_starts() {
        let beside = |image_id: &str, read: bool| {
            let other = ExtraContainer {
                image: format!("r.io/istio/proxyv2:{FIPS}"),
                image_id: image_id.to_owned(),
            };
            let mut group = running(Role::Sidecar, FIPS);
            group.others.insert(other.clone());
            let proxy = [AGENT, ENVOY].map(|path| program(path, AGENT, Ok(boring(true))));
            let mut facts = holding(&group, proxy.into());
            if let Some(image) = group.running_beside(&other).filter(|_| read) {
                let plain = [AGENT, ENVOY].map(|path| program(path, AGENT, Ok(standard())));
                facts
                    .images
                    .entry(image)
                    .or_insert(Observed::Known(plain.into()));
            }
            said_of(&group, &facts)
        };
        let own = running(Role::Sidecar, FIPS).image_id;
        let fine = "pilot-agent proven, envoy proven";
        assert_eq!(beside(&own, true), fine);
        let lies = "the tag or a label of its image says FIPS, and it has no FIPS module";
        let wanted = format!("{fine}, pilot-agent contradicted ({lies})");
        assert_eq!(beside("sha256:other", true), wanted);
        let unread = format!("{fine}, pilot-agent declared");
        assert_eq!(beside("sha256:other", false), unread);
    }

    #[test]
    fn the_certificate_is_said_once() {
        let group = running(Role::Istiod, FIPS);
        let path = "/usr/local/bin/pilot-discovery";
        let facts = holding(&group, vec![program(path, path, Ok(boring(true)))]);
        let expected = expecting(FIPS);
        let statements = statements(&support::whole(&expected, &facts), &group);
        let proof = statements[0].proof.as_deref().unwrap();
        let number = proof.certificate.as_ref().and_then(|one| one.number);
        let number = format!("#{}", number.unwrap());
        assert!(!proof.reasons.concat().contains(&number), "{proof:?}");
    }

    #[test]
    fn settings_that_the_pod_does_not_show_are_named() {
        let group = PodGroupKey {
            hidden_settings: BTreeSet::from(["GODEBUG".to_owned()]),
            ..running(Role::Istiod, FIPS)
        };
        let path = "/usr/local/bin/pilot-discovery";
        let facts = holding(&group, vec![program(path, path, Ok(boring(true)))]);
        let expected = expecting(FIPS);
        let statements = statements(&support::whole(&expected, &facts), &group);
        let said = &statements[0].configuration;
        assert!(said.ends_with("; the pod does not show GODEBUG"), "{said}");
    }
}
