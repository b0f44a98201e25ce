//! Tag, hub, revision, namespace and preset, each with its reason.

use super::{DEFAULT_NAMESPACE, Input, PlanError};
use crate::istio::{Completed, Hub, HubChoice, HubError, ImageTag, RepoKey, Request};
use crate::options::{Options, Revision, Template};
use crate::report::Choice;

pub(super) fn tag(input: &Input<'_>, chosen: &mut Vec<Choice>) -> Result<ImageTag, PlanError> {
    let Input {
        options,
        early,
        matrix,
        client,
    } = input;
    let literal = early
        .tag
        .as_ref()
        .filter(|(text, _)| options.supersedes.as_ref() != Some(text));
    let completed = match (&options.request, literal) {
        (None, Some((text, origin))) => {
            let origin = origin.to_string();
            let tag = text.parse().map_err(|source| PlanError::Tag {
                origin: origin.clone(),
                source,
            })?;
            let completed = matrix.complete(Some(&Request::Tag(tag)), options.wanted(), *client)?;
            Completed {
                why: format!("{origin} names it"),
                ..completed
            }
        }
        (request, _) => matrix.complete(request.as_ref(), options.wanted(), *client)?,
    };
    let Completed { tag, why, .. } = completed;
    chosen.push(Choice {
        what: "tag".to_owned(),
        value: tag.to_string(),
        why,
    });
    Ok(tag)
}

/// Why the hub of a record is taken, as it was typed then or chosen.
const RECORDED: &str = "what is upgraded came from there";

pub(super) fn hub(
    input: &Input<'_>,
    tag: &ImageTag,
    chosen: &mut Vec<Choice>,
) -> Result<(Hub, Option<RepoKey>), PlanError> {
    let Input {
        options,
        early,
        matrix,
        ..
    } = input;
    let key = options.repo_key.as_ref();
    let chose = |choice: HubChoice| (choice.hub, choice.why);
    let (hub, why) = match (&options.hub, &early.hub) {
        (Some(hub), _) => {
            let recorded = options.recorded_hub.as_ref() == Some(hub);
            let why = if recorded { RECORDED } else { "--hub names it" };
            (hub.clone(), why.to_owned())
        }
        (None, Some((text, origin))) => match (text.parse::<Hub>(), key) {
            // A copied `$REPO` is filled in as soon as the key is known.
            (Err(HubError::Placeholder { .. }), Some(_)) => matrix.hub_for(tag, key).map(chose)?,
            (Err(source), _) => {
                return Err(PlanError::Hub {
                    origin: origin.to_string(),
                    source,
                });
            }
            (Ok(hub), _) => (hub, format!("{origin} names it")),
        },
        (None, None) => match &options.recorded_hub {
            Some(hub) => (hub.clone(), RECORDED.to_owned()),
            None => matrix.hub_for(tag, key).map(chose)?,
        },
    };
    let inside = matrix.key_in(&hub);
    let shown = crate::istio::mask(hub.as_str(), inside.as_ref().or(key));
    chosen.push(Choice {
        what: "hub".to_owned(),
        value: shown,
        why,
    });
    Ok((hub, inside.or_else(|| key.cloned())))
}

pub(super) fn revision(
    input: &Input<'_>,
    chosen: &mut Vec<Choice>,
) -> Result<Option<Revision>, PlanError> {
    let early = match &input.early.revision {
        Some((text, origin)) => {
            let origin = origin.to_string();
            Revision::parse(text)
                .map_err(|source| PlanError::Revision {
                    origin: origin.clone(),
                    source,
                })?
                .map(|revision| (revision, origin))
        }
        None => None,
    };
    let (revision, why) = match (&input.options.revision, early) {
        (Some(None), Some((revision, origin))) => {
            return Err(PlanError::RevisionUnset {
                origin,
                revision: revision.as_str().to_owned(),
            });
        }
        (Some(asked), _) => (asked.clone(), "-r names it".to_owned()),
        (None, Some((revision, origin))) => (Some(revision), format!("{origin} names it")),
        (None, None) => (None, String::new()),
    };
    if let Some(revision) = &revision {
        chosen.push(Choice {
            what: "revision".to_owned(),
            value: revision.as_str().to_owned(),
            why,
        });
    }
    Ok(revision)
}

pub(super) fn namespace(input: &Input<'_>, chosen: &mut Vec<Choice>) -> Result<String, PlanError> {
    let (namespace, why) = match (&input.options.namespace, &input.early.namespace) {
        (Some(namespace), _) => (namespace.clone(), "-i names it".to_owned()),
        (None, Some((namespace, origin))) => (namespace.clone(), format!("{origin} names it")),
        (None, None) => return Ok(DEFAULT_NAMESPACE.to_owned()),
    };
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let shaped = namespace.chars().all(|c| label(c) || c == '-')
        && namespace.starts_with(label)
        && namespace.ends_with(label);
    if !shaped || namespace.len() > 63 {
        return Err(PlanError::Namespace(namespace));
    }
    chosen.push(Choice {
        what: "namespace".to_owned(),
        value: namespace.clone(),
        why,
    });
    Ok(namespace)
}

pub(super) fn template(options: &Options, chosen: &mut Vec<Choice>) -> Template {
    let openshift = || options.platform.as_deref() == Some("openshift");
    let (template, why) = match &options.template {
        Some(template) => (template.clone(), "asked for"),
        None if openshift() => (
            Template::Preset("openshift".to_owned()),
            "the platform is OpenShift",
        ),
        None => (Template::Preset("default".to_owned()), "the default"),
    };
    let value = match &template {
        Template::Preset(name) | Template::File { name, .. } => name.clone(),
        Template::None => return template,
    };
    chosen.push(Choice {
        what: "preset".to_owned(),
        value,
        why: why.to_owned(),
    });
    template
}
