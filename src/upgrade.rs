//! Upgrade: install over something older, with what its record says applied again.

use std::collections::BTreeMap;

use crate::exit::{Exit, Failure};
use crate::facts::{self, ControlPlane, Record};
use crate::install::Session;
use crate::istio::{Hub, HubKind, Matrix, Request};
use crate::options::{Options, Revision, Template};
use crate::plan::DEFAULT_NAMESPACE;

/// What is upgraded: the record of its install, or what istiod itself tells where nothing wrote one.
///
/// A revision that is not there yet starts from the one that is: that is the canary way.
pub fn from(session: &mut Session<'_>, options: &Options) -> Result<Record, Failure> {
    let cluster = session.connect()?;
    let namespace = options.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let (planes, records) = facts::installed(&cluster, Some(namespace))?;
    let asked = options.revision.clone().flatten();
    let plane = origin(&planes, asked.as_ref(), namespace)?;
    let label = &plane.revision;
    let (record, note) = match (records.of(plane), &plane.tag) {
        (Some(Ok(record)), _) => {
            let (files, sets) = (record.overlays.len(), record.sets.len());
            let again = format!(
                "{files} -f and {sets} --set of the record of revision {label} are applied again"
            );
            (record.clone(), (files + sets > 0).then_some(again))
        }
        (unusable, Ok(tag)) => {
            let why = unusable.and_then(|record| record.as_ref().err());
            let why = why
                .map(|why| format!(" that can be used ({why})"))
                .unwrap_or_default();
            let note = format!(
                "revision {label} has no record of an install{why}: hub and flavour are those of its istiod, the rest is what is given now"
            );
            (seen(plane, tag.clone()), Some(note))
        }
        (_, Err(tag)) => {
            let message = format!(
                "revision {label} runs `{tag}`, which is no tag that could be upgraded, and has no record"
            );
            return Err(Failure::message(Exit::Data, message)
                .hint("use `glooistio install` with every option"));
        }
    };
    session.report.expected.notes.extend(note);
    Ok(record)
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
