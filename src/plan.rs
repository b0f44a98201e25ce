//! Options and the matrix → what will be installed, with the reason of each choice. Pure.

use std::collections::BTreeSet;

use crate::exit::{Exit, Failure};
use crate::istio::{
    Capability, ClientVersion, Hub, HubError, ImageTag, Matrix, Minor, RepoKey, Request, TagError,
};
use crate::istio::{Completed, CompletionError, HubChoice, NoHub};
use crate::options::{Options, Revision, RevisionError, Template};
use crate::overlay::{Early, Engine, Rules};
use crate::report::Choice;

/// The namespace of the control plane where none is given; the one that istioctl's profiles name.
pub const DEFAULT_NAMESPACE: &str = "istio-system";

/// The name of the first document: owner of all that istioctl makes of it.
const DOCUMENT: &str = "glooistio";

/// What will be installed.
#[derive(Debug, Clone)]
pub struct Plan {
    pub tag: ImageTag,
    pub hub: Hub,
    /// The key that stands in the hub's name, to be masked.
    pub key: Option<RepoKey>,
    pub revision: Option<Revision>,
    /// Namespace of the control plane.
    pub namespace: String,
    pub template: Template,
    /// `values.global.platform`, where that Istio has it.
    pub platform: Option<String>,
    pub gloo_mesh: Option<Minor>,
    pub features: Vec<String>,
    /// How that Istio's own installer understands documents.
    pub rules: Rules,
    pub capabilities: BTreeSet<Capability>,
    pub chosen: Vec<Choice>,
}

/// Why nothing can be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{origin}: {source}")]
    Tag { origin: String, source: TagError },
    #[error("{origin}: {source}")]
    Hub { origin: String, source: HubError },
    #[error("{origin}: {source}")]
    Revision {
        origin: String,
        source: RevisionError,
    },
    #[error("-r default asks for no revision, and {origin} names {revision}")]
    RevisionUnset { origin: String, revision: String },
    #[error(transparent)]
    Tagless(#[from] CompletionError),
    #[error(transparent)]
    NoHub(#[from] NoHub),
    #[error("namespace `{0}` is not a lower-case DNS label of at most 63 characters")]
    Namespace(String),
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Failure {
        let exit = match &error {
            PlanError::Tagless(CompletionError::Disagree { .. })
            | PlanError::RevisionUnset { .. } => Exit::Usage,
            _ => Exit::Data,
        };
        let failure = Failure::new(exit, &error);
        match &error {
            PlanError::NoHub(NoHub::Key { .. }) => failure.hint(
                "GLOOISTIO_REPO_KEY and --repo-key-file keep the key out of the command line",
            ),
            _ => failure,
        }
    }
}

/// Everything that a plan is made of.
pub struct Input<'a> {
    pub options: &'a Options,
    /// What the user's own `-f` and `--set` say.
    pub early: &'a Early,
    pub matrix: &'a Matrix,
    /// The client that will be run; `None` where none is.
    pub client: Option<&'a ClientVersion>,
}

/// Decides what will be installed.
pub fn plan(input: &Input<'_>) -> Result<Plan, PlanError> {
    let Input {
        options, matrix, ..
    } = input;
    let mut chosen = Vec::new();
    let tag = tag(input, &mut chosen)?;
    let (hub, key) = hub(input, &tag, &mut chosen)?;
    let revision = revision(input, &mut chosen)?;
    let namespace = namespace(input, &mut chosen)?;
    let capabilities = matrix.capabilities(&tag.version);
    let template = template(options, &mut chosen);
    Ok(Plan {
        hub,
        key,
        revision,
        namespace,
        template,
        platform: platform(options, &capabilities),
        gloo_mesh: options.gloo_mesh,
        features: options.features.clone(),
        rules: rules(&capabilities),
        capabilities,
        chosen,
        tag,
    })
}

fn tag(input: &Input<'_>, chosen: &mut Vec<Choice>) -> Result<ImageTag, PlanError> {
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

fn hub(
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
        (Some(hub), _) => (hub.clone(), "--hub names it".to_owned()),
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
            Some(hub) => (hub.clone(), "what is upgraded came from there".to_owned()),
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

fn revision(input: &Input<'_>, chosen: &mut Vec<Choice>) -> Result<Option<Revision>, PlanError> {
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

fn namespace(input: &Input<'_>, chosen: &mut Vec<Choice>) -> Result<String, PlanError> {
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

fn template(options: &Options, chosen: &mut Vec<Choice>) -> Template {
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

fn platform(options: &Options, capabilities: &BTreeSet<Capability>) -> Option<String> {
    let openshift = Template::Preset("openshift".to_owned());
    let asked = options.platform.clone();
    let platform = asked.or_else(|| {
        (options.template.as_ref() == Some(&openshift)).then(|| "openshift".to_owned())
    })?;
    let needed = if platform == "openshift" {
        Capability::PlatformOpenshift
    } else {
        Capability::GlobalPlatform
    };
    capabilities.contains(&needed).then_some(platform)
}

fn rules(capabilities: &BTreeSet<Capability>) -> Rules {
    let has = |capability| capabilities.contains(&capability);
    Rules {
        engine: if has(Capability::StrategicMerge) {
            Engine::Strategic
        } else {
            Engine::Map
        },
        gateway_tag: has(Capability::GatewayTag),
        variant: has(Capability::GlobalVariant),
    }
}

impl Plan {
    /// Whether that Istio has the capability of this name.
    pub fn can(&self, name: &str) -> bool {
        self.capabilities
            .iter()
            .any(|capability| capability.name() == name)
    }

    /// Every capability there is, and whether that Istio has it.
    pub fn all_capabilities(&self) -> impl Iterator<Item = (&'static str, bool)> {
        Capability::ALL
            .iter()
            .map(|capability| (capability.name(), self.capabilities.contains(capability)))
    }

    /// `metadata.name` of the first document.
    pub fn document_name(&self) -> &'static str {
        DOCUMENT
    }

    /// Whether the control plane lives elsewhere than istioctl's profiles put it.
    pub fn own_namespace(&self) -> bool {
        self.namespace != DEFAULT_NAMESPACE
    }

    /// The revision as labels name it.
    pub fn revision_label(&self) -> &str {
        self.revision.as_ref().map_or("default", Revision::as_str)
    }
}
