//! Statements about the cryptographic modules of what runs: by bytes, by the programs' own words, by tag.

use std::collections::BTreeMap;

use super::After;
use super::expectation::Image;
use crate::facts::{Class, Fact, ImageProgram, Role, SelfReport};
use crate::fips::{Environment, Subject};
use crate::istio::ImageTag;
use crate::report::{Evidence, Module};

/// A statement per image × architecture × program, for every revision in scope.
pub fn evidence(after: &After<'_>) -> Vec<Evidence> {
    let Some(census) = after.facts.census.known() else {
        return Vec::new();
    };
    let mut processes: BTreeMap<Evidence, u64> = BTreeMap::new();
    for (class, members) in &census.classes {
        if after.expected.revisions.contains_key(&class.revision) {
            for statement in statements(after, class) {
                *processes.entry(statement).or_default() += members.pods;
            }
        }
    }
    processes
        .into_iter()
        .map(|(statement, count)| Evidence { count, ..statement })
        .collect()
}

/// What is known of the programs of a class: by their bytes where the image that runs was read, by
/// what they say of themselves and by their tag elsewhere.
pub(super) fn statements(after: &After<'_>, class: &Class) -> Vec<Evidence> {
    let image = class.running();
    match image.and_then(|image| after.facts.images.get(&image)) {
        Some(Fact::Known(programs)) if !programs.is_empty() => programs
            .iter()
            .map(|program| read(after, class, program))
            .collect(),
        Some(Fact::Unknown(why)) => vec![unread(class, why)],
        Some(Fact::NotAsked(why)) => vec![said(class, &format!("the image was not read: {why}"))],
        _ => vec![said(class, "the image was not read")],
    }
}

/// What the process itself and the tag say.
fn said(class: &Class, unread: &str) -> Evidence {
    let (module, source) = module(class);
    Evidence {
        digest: digest(&class.image_id),
        arch: class.arch.clone(),
        binary: binary(class.role).to_owned(),
        module,
        configuration: format!("not looked at: {unread}"),
        source,
        count: 0,
        proof: None,
    }
}

/// An image that its registry refuses, or that is not what its digest says: no word of the process makes
/// up for that.
fn unread(class: &Class, why: &str) -> Evidence {
    Evidence {
        module: Module::Unknown,
        source: format!("nothing: {why} (--no-registry leaves images out)"),
        ..said(class, why)
    }
}

/// What the bytes say, and whether tag and process agree with them.
fn read(after: &After<'_>, class: &Class, program: &ImageProgram) -> Evidence {
    let mut statement = after.judge.statement(&Subject {
        image: Some(&class.image),
        manifest: program.manifest.as_deref(),
        arch: Some(&program.arch),
        path: &program.path,
        reading: &program.reading,
        environment: &environment(class, program),
        known: after.policies(class),
    });
    statement.digest = digest(&class.image_id);
    let reports = program.path.ends_with(&format!("/{}", binary(class.role)));
    let against = match (&class.report, statement.module) {
        (_, Module::Standard) if says_fips(&class.image) => {
            Some("its tag says FIPS, and the program has no FIPS module".to_owned())
        }
        (SelfReport::Standard(said), module) if reports && module >= Module::Declared => Some(
            format!("the process says {said}, and the image holds a FIPS module"),
        ),
        _ => None,
    };
    if let Some(against) = against {
        statement.module = Module::Contradicted;
        if let Some(proof) = &mut statement.proof {
            proof.reasons.insert(0, against.clone());
            proof.judgement.accepted = false;
            proof.judgement.because.push(against);
        }
    }
    statement
}

/// The variables of the container over those of its image.
pub(super) fn environment(class: &Class, program: &ImageProgram) -> Environment {
    let of_image = program.env.iter().filter_map(|pair| pair.split_once('='));
    let own = class.settings.iter();
    Environment::of(of_image.chain(own.map(|(name, value)| (name.as_str(), value.as_str()))))
}

/// What the program says of itself counts more than its tag; where both speak, they must agree.
fn module(class: &Class) -> (Module, String) {
    let labelled = says_fips(&class.image);
    let by_tag = if labelled {
        Module::Declared
    } else {
        Module::Standard
    };
    match &class.report {
        SelfReport::Fips(said) => (Module::Declared, said.clone()),
        SelfReport::Standard(said) if labelled => (
            Module::Contradicted,
            format!("{said}, though its tag says FIPS"),
        ),
        SelfReport::Standard(said) => (Module::Standard, said.clone()),
        SelfReport::Silent(said) => (by_tag, format!("its tag alone ({said})")),
        SelfReport::NotAsked => (by_tag, "its tag alone".to_owned()),
        SelfReport::Unreadable(why) => (Module::Unknown, format!("nothing: {why}")),
    }
}

fn says_fips(image: &str) -> bool {
    let tag = Image::read(image)
        .tag
        .and_then(|tag| tag.parse::<ImageTag>().ok());
    tag.is_some_and(|tag| tag.flavor.is_fips())
}

/// The program of that role which does the mesh's cryptography.
fn binary(role: Role) -> &'static str {
    match role {
        Role::Istiod => "pilot-discovery",
        Role::Sidecar | Role::Gateway => "envoy",
        Role::Ztunnel => "ztunnel",
        Role::Cni => "install-cni",
    }
}

/// `sha256:…` out of the forms that runtimes write.
fn digest(image_id: &str) -> Option<String> {
    let last = image_id.rsplit(['@', '/']).next()?;
    let hex = last.strip_prefix("sha256:").unwrap_or(last);
    let whole = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| format!("sha256:{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, class, expecting, members};
    use crate::facts::Census;

    #[test]
    fn label_and_self_report_make_the_statement() {
        let says = |text: &str| text.to_owned();
        for (tag, report, module) in [
            (
                "1.31.0-solo-fips",
                SelfReport::Fips(says("gauge 1")),
                Module::Declared,
            ),
            (
                "1.31.0-solo",
                SelfReport::Fips(says("gauge 1")),
                Module::Declared,
            ),
            (
                "1.31.0-solo-fips",
                SelfReport::Standard(says("gauge 0")),
                Module::Contradicted,
            ),
            (
                "1.31.0-solo",
                SelfReport::Standard(says("gauge 0")),
                Module::Standard,
            ),
            (
                "1.31.0-solo-fips",
                SelfReport::Silent(says("no gauge")),
                Module::Declared,
            ),
            (
                "1.31.0-solo",
                SelfReport::Silent(says("no gauge")),
                Module::Standard,
            ),
            ("1.31.0-solo-fips", SelfReport::NotAsked, Module::Declared),
            ("1.31.0-solo", SelfReport::NotAsked, Module::Standard),
            (
                "1.31.0-solo-fips",
                SelfReport::Unreadable(says("timeout")),
                Module::Unknown,
            ),
            ("nonsense", SelfReport::NotAsked, Module::Standard),
        ] {
            let class = Class {
                report: report.clone(),
                ..class(Role::Sidecar, "a", tag)
            };
            assert_eq!(super::module(&class).0, module, "{tag} {report:?}");
        }
    }

    #[test]
    fn alike_processes_are_one_statement_and_other_revisions_none() {
        let mut census = Census::default();
        census.classes.insert(
            class(Role::Sidecar, "a", "1.31.0-solo-fips"),
            members(3, "a"),
        );
        census.classes.insert(
            class(Role::Gateway, "b", "1.31.0-solo-fips"),
            members(2, "b"),
        );
        let foreign = Class {
            revision: "theirs".into(),
            ..class(Role::Sidecar, "c", "1.30.0")
        };
        census.classes.insert(foreign, members(9, "c"));
        let mut facts = support::after();
        facts.census = Fact::Known(census);
        let expected = expecting("1.31.0-solo-fips");
        let statements = evidence(&support::whole(&expected, &facts));
        assert_eq!(statements.len(), 1);
        assert_eq!(
            (statements[0].binary.as_str(), statements[0].count),
            ("envoy", 5)
        );
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
}
