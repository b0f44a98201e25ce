//! Tag, hub, revision, namespace and preset, each with its reason.

use std::collections::BTreeSet;

use super::{ChosenBy, DEFAULT_NAMESPACE, Input, PlanError, unfilled};
use crate::report::Choice;
use crate::request::{InstallRequest, Revision, RevisionChoice, Template};
use istio_builds::{
    Capability, Completed, Hub, HubChoice, HubError, ImageTag, Installer, Minor, RepoKey, Request,
    has_placeholder,
};

pub(super) fn tag(
    input: &Input<'_>,
    chosen: &mut Vec<Choice>,
) -> Result<(ImageTag, ChosenBy), PlanError> {
    let Input {
        request,
        user_settings,
        matrix,
        client,
    } = input;
    let literal = user_settings
        .tag
        .as_ref()
        .filter(|(text, _)| !request.is_upgraded_from(text));
    let by = match (&request.build, literal) {
        (Some(_), _) => ChosenBy::Flag,
        (None, Some((_, origin))) => ChosenBy::Input(origin.clone()),
        (None, None) => ChosenBy::Data,
    };
    let completed = match (&request.build, literal) {
        (None, Some((text, origin))) => {
            let origin = origin.to_string();
            let tag = text.parse().map_err(|source| PlanError::Tag {
                origin: origin.clone(),
                source,
            })?;
            let completed = matrix.complete(Some(&Request::Tag(tag)), request.wanted(), *client)?;
            Completed {
                why: format!("{origin} names it"),
                ..completed
            }
        }
        (build, _) => matrix.complete(build.as_ref(), request.wanted(), *client)?,
    };
    let Completed { tag, why, .. } = completed;
    chosen.push(Choice {
        what: "tag".to_owned(),
        value: tag.to_string(),
        why,
    });
    Ok((tag, by))
}

/// Why the hub of a record is used, whether the user typed it then or the data chose it.
const RECORDED: &str = "the hub in the record of the last install";

/// The hub, who chose it, and the key that is in its name or gives access to it.
pub(super) struct Hubs {
    pub(super) hub: Hub,
    pub(super) hub_chosen_by: ChosenBy,
    pub(super) key: Option<RepoKey>,
}

pub(super) fn hub(
    input: &Input<'_>,
    tag: &ImageTag,
    chosen: &mut Vec<Choice>,
) -> Result<Hubs, PlanError> {
    let Input {
        request,
        user_settings,
        matrix,
        ..
    } = input;
    let key = request.repo_key.as_ref();
    let chose = |choice: HubChoice| (choice.hub, choice.why, ChosenBy::Data);
    let (hub, why, by) = match (&request.hub, &user_settings.hub) {
        (Some(hub), _) => {
            let recorded = request.recorded_hub() == Some(hub);
            if recorded {
                (hub.clone(), RECORDED.to_owned(), ChosenBy::Record)
            } else {
                (hub.clone(), "--hub names it".to_owned(), ChosenBy::Flag)
            }
        }
        (None, Some((text, origin))) => match (text.parse::<Hub>(), key) {
            // A copied `$REPO` is filled in as soon as the key is known, and so is `istio-<key>`.
            (Err(HubError::Placeholder { .. }), Some(given)) => {
                match unfilled::with_key(text, given) {
                    Some(hub) => {
                        let why = format!("{origin} names it, --repo-key fills it in");
                        (hub, why, ChosenBy::Input(origin.clone()))
                    }
                    None => matrix.hub_for(tag, key).map(chose)?,
                }
            }
            (Err(source), _) => {
                return Err(PlanError::Hub {
                    origin: origin.to_string(),
                    source,
                });
            }
            (Ok(hub), _) => {
                let by = ChosenBy::Input(origin.clone());
                (hub, format!("{origin} names it"), by)
            }
        },
        (None, None) => match request.recorded_hub() {
            Some(hub) => (hub.clone(), RECORDED.to_owned(), ChosenBy::Record),
            None => matrix.hub_for(tag, key).map(chose)?,
        },
    };
    let inside = matrix.key_in(&hub);
    let shown = istio_builds::mask(hub.as_str(), inside.as_ref().or(key));
    chosen.push(Choice {
        what: "hub".to_owned(),
        value: shown,
        why,
    });
    Ok(Hubs {
        hub,
        hub_chosen_by: by,
        key: inside.or_else(|| key.cloned()),
    })
}

pub(super) fn revision(
    input: &Input<'_>,
    chosen: &mut Vec<Choice>,
) -> Result<Option<Revision>, PlanError> {
    // `-r` fills in a placeholder.
    let literal = input.user_settings.revision.as_ref();
    let user_settings = match literal.filter(|(text, _)| !has_placeholder(text)) {
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
    let (revision, why) = match (&input.request.revision, user_settings) {
        (RevisionChoice::Default, Some((revision, origin))) => {
            return Err(PlanError::RevisionUnset {
                origin,
                revision: revision.as_str().to_owned(),
            });
        }
        (RevisionChoice::Named(named), _) => (Some(named.clone()), "-r names it".to_owned()),
        (RevisionChoice::Unset, Some((revision, origin))) => {
            (Some(revision), format!("{origin} names it"))
        }
        (RevisionChoice::Default | RevisionChoice::Unset, None) => (None, String::new()),
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
    let (namespace, why) = match (&input.request.namespace, &input.user_settings.namespace) {
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

pub(super) fn template(request: &InstallRequest, chosen: &mut Vec<Choice>) -> Template {
    let openshift = || request.platform.as_deref() == Some(OPENSHIFT);
    let (template, why) = match &request.template {
        Some(template) => (template.clone(), "asked for"),
        None if openshift() => (
            Template::Preset(OPENSHIFT.to_owned()),
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

/// The version for which a platform is checked.
pub(super) struct Target<'a> {
    pub(super) minor: Minor,
    pub(super) capabilities: &'a BTreeSet<Capability>,
    pub(super) installer: &'a Installer,
}

/// Returns the value of `values.global.platform`, if the charts of that version accept it.
pub(super) fn platform(
    input: &Input<'_>,
    target: &Target<'_>,
    chosen: &mut Vec<Choice>,
) -> Result<Option<String>, PlanError> {
    let (request, matrix) = (input.request, input.matrix);
    let openshift = Template::Preset(OPENSHIFT.to_owned());
    let Some(word) = &request.platform else {
        let implied = request.template.as_ref() == Some(&openshift);
        return Ok(takes(target, OPENSHIFT)
            .then(|| OPENSHIFT.to_owned())
            .filter(|_| implied));
    };
    let known = matrix.platforms();
    if !known.contains(word.as_str()) {
        return Err(PlanError::Platform {
            word: word.clone(),
            known: known.into_iter().collect::<Vec<_>>().join(", "),
        });
    }
    if takes(target, word) {
        return Ok(Some(word.clone()));
    }
    // Up to 1.23, OpenShift has a profile instead.
    let by_profile = word == OPENSHIFT && request.template.is_none();
    if !by_profile {
        let why = format!(
            "Istio {} has no settings of its own for it, so that no document names it",
            target.minor
        );
        chosen.push(Choice {
            what: "platform".to_owned(),
            value: word.clone(),
            why,
        });
    }
    Ok(None)
}

const OPENSHIFT: &str = "openshift";

fn takes(target: &Target<'_>, word: &str) -> bool {
    let needed = if word == OPENSHIFT {
        Capability::PlatformOpenshift
    } else {
        Capability::GlobalPlatform
    };
    let platforms = &target.installer.platforms;
    target.capabilities.contains(&needed) && (platforms.is_empty() || platforms.contains(word))
}
