//! Upgrade: an install over an older one that applies the inputs in its record again.

use std::collections::BTreeMap;

mod recorded_inputs;

pub use recorded_inputs::refuse_dropped;

use recorded_inputs::applied_again;

use crate::exit::{Exit, Failure};
use crate::facts::{self, ControlPlane, Kept, Record};
use crate::install::{Origin, RunContext};
use crate::plan::DEFAULT_NAMESPACE;
use crate::report::{Choice, Expected};
use crate::request::{Gateways, InstallRequest, Revision, Upgraded};
use istio_builds::{Hub, HubKind, ImageTag, Matrix, Request};

/// Which parts of a record an upgrade uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recall {
    /// Whether the inputs of the record are applied without being shown to a person first.
    pub unattended: bool,
    /// Whether only the build of what runs is used: `--forget-overlays`.
    pub forget: bool,
}

/// Finds what is upgraded: the record of its install, or what istiod itself reports if there is no record.
///
/// A revision that does not exist yet starts from the existing one: that is a canary upgrade.
pub fn find_origin(
    ctx: &mut RunContext<'_>,
    request: &InstallRequest,
    recall: Recall,
) -> Result<Origin, Failure> {
    let cluster = ctx.connect()?;
    let namespace = request.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let installed = facts::installed(&cluster, Some(namespace))?;
    let asked = request.revision.named().cloned();
    let plane = starting_plane(&installed.planes, asked.as_ref(), namespace)?;
    let kept = installed.records.of(plane);
    let expected = &mut ctx.report.expected;
    expected.chosen.push(started_from(plane));
    let record = if recall.forget {
        forgotten(plane, expected)?
    } else {
        recalled((plane, kept), request, recall, expected)?
    };
    Ok(Origin {
        beside: asked.is_some_and(|asked| asked.as_str() != plane.revision),
        plane: plane.clone(),
        record,
    })
}

/// Returns what runs, as the plan shows it.
fn started_from(plane: &ControlPlane) -> Choice {
    let tag = match &plane.tag {
        Ok(tag) => tag.to_string(),
        Err(text) => text.clone(),
    };
    Choice {
        what: "from".to_owned(),
        value: tag,
        why: format!("what istiod of revision {} runs", plane.revision),
    }
}

/// Returns the running build, without the inputs of its record.
fn forgotten(plane: &ControlPlane, expected: &mut Expected) -> Result<Record, Failure> {
    expected.notes.push(format!(
        "--forget-overlays: nothing of the record of revision {} is applied again",
        plane.revision
    ));
    match &plane.tag {
        Ok(tag) => Ok(running_build(plane, tag.clone())),
        Err(tag) => Err(no_tag(&plane.revision, tag)),
    }
}

/// Returns the record of a control plane, or what istiod reports if there is none.
fn recalled(
    (plane, kept): (&ControlPlane, Option<&Kept>),
    request: &InstallRequest,
    recall: Recall,
    expected: &mut Expected,
) -> Result<Record, Failure> {
    let label = &plane.revision;
    match (kept.map(|kept| &kept.record), &plane.tag) {
        (Some(Ok(record)), _) => {
            expected.applied_again = applied_again(&record.request, request);
            if let Some(writer) = kept.and_then(|kept| kept.foreign.as_ref()) {
                let changed = format!(
                    "the record of revision {label} was last written by {writer}, not by glooistio"
                );
                if recall.unattended {
                    return Err(untrusted(&changed, &plane.namespace, label));
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
            let missing = format!("revision {label} has no record of an install{why}");
            if !request.has_inputs() {
                return Err(unrecorded(&missing));
            }
            expected.notes.push(format!(
                "{missing}: hub and flavour are those of its istiod, the rest is what is given now"
            ));
            Ok(running_build(plane, tag.clone()))
        }
        (_, Err(tag)) => Err(no_tag(label, tag)),
    }
}

/// Returns the failure of an upgrade without a record and without inputs, which would replace the settings of the mesh
/// by the defaults.
fn unrecorded(missing: &str) -> Failure {
    let message = format!(
        "{missing}: the settings that it was installed with are not known, and would be replaced by the defaults"
    );
    Failure::message(Exit::Usage, message)
        .hint("give what it was installed with again: --preset, --template, -f, --set")
        .hint("or give --forget-overlays if it was installed with the defaults")
}

fn no_tag(revision: &str, tag: &str) -> Failure {
    let message = format!(
        "revision {revision} runs `{tag}`, which is not a tag that can be upgraded, and has no usable record"
    );
    Failure::message(Exit::Data, message).hint("use `glooistio install` with every option")
}

/// Returns the failure for a record with an unknown writer. Its inputs would be applied without being read by a person,
/// so its last writer must be an install.
fn untrusted(changed: &str, namespace: &str, label: &str) -> Failure {
    Failure::message(Exit::Data, format!("{changed}, and -y applies it unread"))
        .hint("run the same command without -y, or with --dry-run, and read what it applies again")
        .hint_command(
            "see who wrote it",
            "kubectl get configmap {} -n {} -o yaml --show-managed-fields",
            &[&facts::record_name(label), namespace],
        )
        .hint("--forget-overlays takes nothing of it")
        .hint("or use `glooistio install` with every option: it writes a new record")
}

/// Returns the record of the revision in a namespace, if an install by glooistio wrote one that can be used.
pub fn find_record(
    ctx: &mut RunContext<'_>,
    namespace: &str,
    revision: &str,
) -> Result<Option<Record>, Failure> {
    let cluster = ctx.connect()?;
    // The checks report what cannot be read here, with the missing permission.
    let Ok(installed) = facts::installed(&cluster, Some(namespace)) else {
        return Ok(None);
    };
    let mut planes = installed.planes.iter();
    let plane = planes.find(|plane| plane.revision == revision);
    let Some(kept) = plane.and_then(|plane| installed.records.of(plane)) else {
        return Ok(None);
    };
    match &kept.record {
        Ok(record) => Ok(Some(record.clone())),
        Err(why) => Err(unreadable(why, namespace, revision)),
    }
}

/// Returns the failure for a record that cannot be read, so that the inputs that an install would drop are unknown.
fn unreadable(why: &str, namespace: &str, revision: &str) -> Failure {
    let message = format!(
        "the record of revision {revision} cannot be used ({why}), so that the inputs of its last install are not known"
    );
    Failure::message(Exit::Data, message)
        .hint_command(
            "see who wrote it",
            "kubectl get configmap {} -n {} -o yaml --show-managed-fields",
            &[&facts::record_name(revision), namespace],
        )
        .hint("give --forget-overlays to install with the inputs of this command alone")
}

/// Finds the control plane that an upgrade starts from.
fn starting_plane<'a>(
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
        .hint_command("install one", "glooistio install", &[])
        .hint("or name its namespace by -i")),
        ([only], Some(_)) => Ok(only),
        (_, Some(_)) => planes
            .iter()
            .find(|plane| plane.revision == "default")
            .ok_or_else(|| {
                let message = format!(
                    "revision {label} does not exist yet, and there are several to upgrade from: {}",
                    names.join(", ")
                );
                Failure::message(Exit::Usage, message).hint_command(
                    "install it, with every option",
                    "glooistio install -r {}",
                    &[label],
                )
            }),
        (_, None) => Err(Failure::message(
            Exit::Usage,
            format!("there is no default revision in {namespace} to upgrade"),
        )
        .hint(format!("name one by -r: {}", names.join(", ")))),
    }
}

/// Returns a record of what istiod itself reports.
fn running_build(plane: &ControlPlane, tag: ImageTag) -> Record {
    Record {
        revision: plane.revision.clone(),
        hub: plane.hub.clone(),
        tag,
        request: InstallRequest::default(),
        documents: BTreeMap::new(),
        data: BTreeMap::new(),
        tool: String::new(),
    }
}

/// Returns the request over the one in the record, with the build and the gateways of what is upgraded.
///
/// The flavour stays the same unless a whole tag is requested.
pub fn apply_record(origin: &Origin, request: &InstallRequest, matrix: &Matrix) -> InstallRequest {
    let record = &origin.record;
    let mut merged = request.merged_over(&record.request);
    // A gateway serves one revision at a time: it moves only when the user requests it, not with a canary.
    let stay = origin.beside || record.request.gateways == Gateways::LeaveOut;
    if stay && !merged.consent.gateways {
        merged.gateways = Gateways::LeaveOut;
    }
    let flavor = record.tag.flavor;
    if !matches!(merged.build, Some(Request::Tag(_))) {
        merged.distribution.get_or_insert(flavor.distribution);
        merged.fips |= flavor.is_fips();
        merged.distroless |= flavor.distroless;
        merged.arm |= flavor.arm;
    }
    let hub = record.hub.parse().ok();
    merged.upgraded = Some(Upgraded {
        hub: hub.filter(|hub| holds(hub, record, &merged, matrix)),
        tag: record.tag.clone(),
    });
    merged
}

/// Whether the recorded hub is still used: always for a mirror; for a hub of Solo or the community within a minor,
/// unless a repo key chooses another.
fn holds(hub: &Hub, record: &Record, request: &InstallRequest, matrix: &Matrix) -> bool {
    let minor = record.tag.minor();
    let same_minor = request
        .build
        .as_ref()
        .is_none_or(|build| build.minor() == minor);
    match matrix.hub_judgement(hub, &record.tag).kind {
        HubKind::Mirror => true,
        _ => same_minor && request.repo_key.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Manager;
    use crate::request::{Overlay, Template};

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

    fn overlay(name: &str, text: &str) -> Overlay {
        Overlay {
            name: name.to_owned(),
            text: text.as_bytes().to_vec(),
        }
    }

    fn template() -> Template {
        Template::File {
            name: "t.hbs".into(),
            text: "one\ntwo".into(),
        }
    }

    #[test]
    fn what_a_record_applies_again_is_listed_with_its_settings() {
        let recorded = InstallRequest {
            overlays: vec![
                overlay("base.yaml", "spec: {hub: a}"),
                overlay("x.yaml", "spec: ["),
            ],
            sets: vec!["a=b".into()],
            template: Some(template()),
            ..InstallRequest::default()
        };
        let again = applied_again(&recorded, &InstallRequest::default());
        let sources: Vec<&str> = again.iter().map(|it| it.source.as_str()).collect();
        assert_eq!(
            sources,
            [
                "overlay 1 (base.yaml)",
                "overlay 2 (x.yaml)",
                "--set",
                "template t.hbs"
            ]
        );
        assert_eq!(again[0].settings, ["spec.hub=a"]);
        assert!(again[1].settings[0].starts_with("cannot be read"));
        assert_eq!(again[2].settings, ["a=b"]);
        assert_eq!(again[3].settings, ["one", "two"]);
    }

    fn origin_of(record: Record) -> Origin {
        Origin {
            plane: plane("default"),
            record,
            beside: false,
        }
    }

    /// Returns a record of `base.yaml`, a `--set` and a template.
    fn full_record() -> Record {
        Record {
            request: InstallRequest {
                overlays: vec![overlay("overlays/base.yaml", "spec: {hub: a}")],
                sets: vec!["a.b=1".into()],
                template: Some(template()),
                ..InstallRequest::default()
            },
            ..running_build(&plane("default"), "1.30.2".parse().unwrap())
        }
    }

    #[test]
    fn overlays_keep_their_names_and_one_of_the_same_name_replaces_them() {
        let names = |given: &[(&str, &str)]| {
            let overlays = given.iter().map(|(name, text)| overlay(name, text));
            let request = InstallRequest {
                overlays: overlays.collect(),
                ..InstallRequest::default()
            };
            let merged = apply_record(&origin_of(full_record()), &request, Matrix::builtin());
            let names = merged.overlays.into_iter().map(|overlay| overlay.name);
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["overlays/base.yaml"]);
        assert_eq!(
            names(&[("more.yaml", "")]),
            ["overlays/base.yaml", "more.yaml"]
        );
        assert_eq!(names(&[("base.yaml", "spec: {}")]), ["base.yaml"]);
    }

    #[test]
    fn a_canary_leaves_gateways_where_they_are_until_they_are_asked_for() {
        let without = |beside: bool, recorded: bool, asked: bool| {
            let mut origin = origin_of(full_record());
            origin.beside = beside;
            if recorded {
                origin.record.request.gateways = Gateways::LeaveOut;
            }
            let mut request = InstallRequest::default();
            request.consent.gateways = asked;
            let merged = apply_record(&origin, &request, Matrix::builtin());
            merged.gateways == Gateways::LeaveOut
        };
        assert!(!without(false, false, false));
        assert!(without(true, false, false));
        assert!(without(false, true, false));
        assert!(!without(true, false, true));
        assert!(!without(false, true, true));
    }

    fn revision(name: &str) -> Option<Revision> {
        Revision::parse(name).unwrap()
    }

    #[test]
    fn an_upgrade_starts_from_the_revision_asked_for_or_the_only_one() {
        let both = [plane("default"), plane("1-30")];
        let one = [plane("1-30")];
        let found = |planes: &[ControlPlane], asked: &str| {
            starting_plane(planes, revision(asked).as_ref(), "istio-system")
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
            request: InstallRequest {
                sets: vec!["a=then".into()],
                ..InstallRequest::default()
            },
            ..running_build(&plane("default"), "1.30.2-solo-fips".parse().unwrap())
        };
        let request = InstallRequest {
            build: Some("1.30.5".parse().unwrap()),
            sets: vec!["a=now".into()],
            ..InstallRequest::default()
        };
        let origin = origin_of(record);
        let request = apply_record(&origin, &request, Matrix::builtin());
        assert_eq!(request.sets, ["a=then", "a=now"]);
        assert!(request.fips && !request.distroless);
        assert_eq!(request.recorded_hub().map(Hub::as_str), Some("h.io/s"));
        let other = InstallRequest {
            build: Some("1.31.0-solo".parse().unwrap()),
            ..InstallRequest::default()
        };
        let other = apply_record(&origin, &other, Matrix::builtin());
        assert!(!other.fips, "a whole tag says its own flavour");
        assert!(
            other.recorded_hub().is_some(),
            "a mirror is kept whatever the minor"
        );
    }
}
