//! Upgrade: install over something older, with what its record says applied again.

use std::collections::BTreeMap;

use crate::exit::{Exit, Failure};
use crate::facts::{self, ControlPlane, Record};
use crate::install::Session;
use crate::istio::{Hub, HubKind, Matrix, Request};
use crate::options::{Options, Revision, Template};
use crate::overlay::{self, UserDocument};
use crate::plan::DEFAULT_NAMESPACE;
use crate::report::AppliedAgain;

/// What is upgraded: the record of its install, or what istiod itself tells where there is none.
///
/// A revision that is not there yet starts from the one that is: that is the canary way. `unattended`
/// means that what the record applies again is not shown to a person first.
pub fn from(
    session: &mut Session<'_>,
    options: &Options,
    unattended: bool,
) -> Result<Record, Failure> {
    let cluster = session.connect()?;
    let namespace = options.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let installed = facts::installed(&cluster, Some(namespace))?;
    let asked = options.revision.clone().flatten();
    let plane = origin(&installed.planes, asked.as_ref(), namespace)?;
    let label = &plane.revision;
    let kept = installed.records.of(plane);
    let expected = &mut session.report.expected;
    match (kept.map(|kept| &kept.record), &plane.tag) {
        (Some(Ok(record)), _) => {
            expected.applied_again = applied_again(record);
            if let Some(writer) = kept.and_then(|kept| kept.foreign.as_ref()) {
                let changed = format!(
                    "the record of revision {label} was last written by {writer}, not by glooistio"
                );
                if unattended {
                    return Err(untrusted(&changed, namespace, label));
                }
                expected
                    .notes
                    .push(format!("{changed}: read what it applies again"));
            }
            Ok(record.clone())
        }
        (unusable, Ok(tag)) => {
            let why = unusable.and_then(|record| record.as_ref().err());
            let why = why
                .map(|why| format!(" that can be used ({why})"))
                .unwrap_or_default();
            expected.notes.push(format!(
                "revision {label} has no record of an install{why}: hub and flavour are those of its istiod, the rest is what is given now"
            ));
            Ok(seen(plane, tag.clone()))
        }
        (_, Err(tag)) => {
            let message = format!(
                "revision {label} runs `{tag}`, which is no tag that could be upgraded, and has no record"
            );
            Err(Failure::message(Exit::Data, message)
                .hint("use `glooistio install` with every option"))
        }
    }
}

/// Nobody reads what it applies again, so that its last writer must be an install.
fn untrusted(changed: &str, namespace: &str, label: &str) -> Failure {
    Failure::message(Exit::Data, format!("{changed}, and -y applies it unread"))
        .hint("run the same command without -y, or with --dry-run, and read what it applies again")
        .hint(format!(
            "see who wrote it: kubectl get configmap {} -n {namespace} -o yaml --show-managed-fields",
            facts::record_name(label)
        ))
        .hint("or use `glooistio install` with every option: it writes a new record")
}

/// What a record applies again, with its settings.
fn applied_again(record: &Record) -> Vec<AppliedAgain> {
    let overlays = record.overlays.iter().enumerate().map(|(at, text)| {
        let name = record.overlay_names.get(at);
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let source = format!("overlay {}{name}", at + 1);
        let settings = match overlay::read(&source, text.as_bytes()) {
            Ok(documents) => documents.iter().flat_map(UserDocument::settings).collect(),
            Err(error) => vec![format!("cannot be read: {error}")],
        };
        AppliedAgain { source, settings }
    });
    let lists = [("--set", &record.sets), ("options", &record.options)];
    let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
    let lists = lists.map(|(source, values)| AppliedAgain {
        source: source.to_owned(),
        settings: values.clone(),
    });
    let template = record.template.iter().map(|(name, text)| AppliedAgain {
        source: format!("template {name}"),
        settings: text.lines().map(str::to_owned).collect(),
    });
    overlays.chain(lists).chain(template).collect()
}

/// The control plane that an upgrade starts from.
fn origin<'a>(
    planes: &'a [ControlPlane],
    asked: Option<&Revision>,
    namespace: &str,
) -> Result<&'a ControlPlane, Failure> {
    let label = asked.map_or("default", Revision::as_str);
    if let Some(plane) = planes.iter().find(|plane| plane.revision == label) {
        return Ok(plane);
    }
    let names: Vec<&str> = planes.iter().map(|plane| plane.revision.as_str()).collect();
    match (planes, asked) {
        ([], _) => Err(Failure::message(
            Exit::Unavailable,
            format!("there is no Istio in {namespace} to upgrade"),
        )
        .hint("install one: glooistio install")
        .hint("or name its namespace by -i")),
        ([only], Some(_)) => Ok(only),
        (_, Some(_)) => planes
            .iter()
            .find(|plane| plane.revision == "default")
            .ok_or_else(|| {
                let message = format!(
                    "revision {label} is new, and it is not said which it follows: {}",
                    names.join(", ")
                );
                Failure::message(Exit::Usage, message)
                    .hint("install it with every option: glooistio install -r NAME")
            }),
        (_, None) => Err(Failure::message(
            Exit::Usage,
            format!("there is no default revision in {namespace} to upgrade"),
        )
        .hint(format!("name one by -r: {}", names.join(", ")))),
    }
}

/// What istiod itself tells.
fn seen(plane: &ControlPlane, tag: crate::istio::ImageTag) -> Record {
    Record {
        revision: plane.revision.clone(),
        hub: plane.hub.clone(),
        tag,
        overlays: Vec::new(),
        overlay_names: Vec::new(),
        sets: Vec::new(),
        options: Vec::new(),
        template: None,
        documents: BTreeMap::new(),
        data: BTreeMap::new(),
        tool: String::new(),
    }
}

/// Puts what was installed under what is asked for now: then's inputs come first, so now's count.
///
/// The flavour stays what it was unless a whole tag is asked for.
pub fn over(record: &Record, options: &mut Options, matrix: &Matrix) {
    let then = record.overlays.iter().enumerate();
    let then = then.map(|(at, text)| {
        (
            format!("overlay {} of the record", at + 1),
            text.clone().into_bytes(),
        )
    });
    options.files.splice(0..0, then);
    options.sets.splice(0..0, record.sets.iter().cloned());
    if options.template.is_none()
        && let Some((name, text)) = record.template.clone()
    {
        options.template = Some(Template::File { name, text });
    }
    options.supersedes = Some(record.tag.to_string());
    let flavor = record.tag.flavor;
    if !matches!(options.request, Some(Request::Tag(_))) {
        options.distribution.get_or_insert(flavor.distribution);
        options.fips |= flavor.is_fips();
        options.distroless |= flavor.distroless;
        options.arm |= flavor.arm;
    }
    options.recorded_hub = record
        .hub
        .parse()
        .ok()
        .filter(|hub| holds(hub, record, options, matrix));
}

/// A mirror is kept; a hub of Solo or the community within a minor, unless a key names another.
fn holds(hub: &Hub, record: &Record, options: &Options, matrix: &Matrix) -> bool {
    let minor = record.tag.minor();
    let same_minor = options
        .request
        .as_ref()
        .is_none_or(|request| request.minor() == minor);
    match matrix.hub_judgement(hub, &record.tag).kind {
        HubKind::Mirror => true,
        _ => same_minor && options.repo_key.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Manager;

    fn plane(revision: &str) -> ControlPlane {
        ControlPlane {
            namespace: "istio-system".into(),
            name: "istiod".into(),
            uid: String::new(),
            revision: revision.into(),
            image: "h.io/s/pilot:1.30.2-solo-fips".into(),
            hub: "h.io/s".into(),
            tag: Ok("1.30.2-solo-fips".parse().unwrap()),
            manager: Manager::Unknown,
            replicas: 1,
            ready: 1,
            lacks: None,
        }
    }

    #[test]
    fn what_a_record_applies_again_is_listed_with_its_settings() {
        let record = Record {
            overlays: vec!["spec: {hub: a}".into(), "spec: [".into()],
            overlay_names: vec!["base.yaml".into()],
            sets: vec!["a=b".into()],
            template: Some(("t.hbs".into(), "one\ntwo".into())),
            ..seen(&plane("default"), "1.30.2".parse().unwrap())
        };
        let again = applied_again(&record);
        let sources: Vec<&str> = again.iter().map(|it| it.source.as_str()).collect();
        assert_eq!(
            sources,
            [
                "overlay 1 (base.yaml)",
                "overlay 2",
                "--set",
                "template t.hbs"
            ]
        );
        assert_eq!(again[0].settings, ["spec.hub=a"]);
        assert!(again[1].settings[0].starts_with("cannot be read"));
        assert_eq!(again[2].settings, ["a=b"]);
        assert_eq!(again[3].settings, ["one", "two"]);
    }

    fn revision(name: &str) -> Option<Revision> {
        Revision::parse(name).unwrap()
    }

    #[test]
    fn an_upgrade_starts_from_the_revision_asked_for_or_the_only_one() {
        let both = [plane("default"), plane("1-30")];
        let one = [plane("1-30")];
        let found = |planes: &[ControlPlane], asked: &str| {
            origin(planes, revision(asked).as_ref(), "istio-system")
                .map(|plane| plane.revision.clone())
        };
        assert_eq!(found(&both, "1-30").unwrap(), "1-30");
        assert_eq!(found(&both, "").unwrap(), "default");
        assert_eq!(found(&both, "1-31").unwrap(), "default");
        assert_eq!(found(&one, "1-31").unwrap(), "1-30");
        assert_eq!(found(&one, "").unwrap_err().exit, Exit::Usage);
        assert_eq!(found(&[], "").unwrap_err().exit, Exit::Unavailable);
        assert_eq!(
            found(&[plane("a"), plane("b")], "c").unwrap_err().exit,
            Exit::Usage
        );
    }

    #[test]
    fn flavour_stays_and_what_is_given_now_comes_after_what_was_given_then() {
        let record = Record {
            overlays: vec!["then".into()],
            sets: vec!["a=then".into()],
            ..seen(&plane("default"), "1.30.2-solo-fips".parse().unwrap())
        };
        let mut options = Options {
            request: Some("1.30.5".parse().unwrap()),
            sets: vec!["a=now".into()],
            ..Options::default()
        };
        over(&record, &mut options, Matrix::builtin());
        assert_eq!(options.sets, ["a=then", "a=now"]);
        assert!(options.fips && !options.distroless);
        assert_eq!(
            options
                .recorded_hub
                .as_ref()
                .map(ToString::to_string)
                .as_deref(),
            Some("h.io/s")
        );
        let mut other = Options {
            request: Some("1.31.0-solo".parse().unwrap()),
            ..Options::default()
        };
        over(&record, &mut other, Matrix::builtin());
        assert!(!other.fips, "a whole tag says its own flavour");
        assert!(
            other.recorded_hub.is_some(),
            "a mirror is kept whatever the minor"
        );
    }
}
