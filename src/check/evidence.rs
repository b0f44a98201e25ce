//! Statements about cryptographic modules, from the census: what is declared, and what contradicts.

use std::collections::BTreeMap;

use super::expectation::{Expectation, Image};
use crate::facts::{Census, Class, Role, SelfReport};
use crate::istio::ImageTag;
use crate::report::{Evidence, Module};

/// A statement per image × architecture × program, for every revision in scope.
pub fn evidence(census: &Census, expected: &Expectation) -> Vec<Evidence> {
    let mut processes: BTreeMap<Evidence, u64> = BTreeMap::new();
    for (class, members) in &census.classes {
        if expected.revisions.contains_key(&class.revision) {
            *processes.entry(statement(class)).or_default() += members.pods;
        }
    }
    processes
        .into_iter()
        .map(|(statement, count)| Evidence { count, ..statement })
        .collect()
}

fn statement(class: &Class) -> Evidence {
    let (module, source) = module(class);
    Evidence {
        digest: digest(&class.image_id),
        arch: class.arch.clone(),
        binary: binary(class.role).to_owned(),
        module,
        configuration: "not looked at: whether it is switched on needs the mesh's configuration"
            .to_owned(),
        source,
        count: 0,
        proof: None,
    }
}

/// What the program says of itself counts more than its tag; where both speak, they must agree.
pub(super) fn module(class: &Class) -> (Module, String) {
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
    use crate::check::support::{class, expecting, members};

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
        let statements = evidence(&census, &expecting("1.31.0-solo-fips"));
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
