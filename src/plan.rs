//! Request and matrix → what will be installed, with the reason for each choice. Pure.

mod choice;
mod chosen_by;
#[cfg(test)]
pub(crate) mod sample;
mod unfilled;

use std::collections::BTreeSet;

pub use chosen_by::ChosenBy;
pub use unfilled::{AllUnfilled, Unfilled};

use crate::exit::{Exit, Failure};
use crate::report::Choice;
use crate::request::{Consent, InstallRequest, Revision, RevisionError, Template};
use istio_builds::{
    Capability, ClientVersion, CompletionError, Hub, HubError, ImageTag, Installer, Matrix, Minor,
    NoHub, RepoKey, TagError,
};
use istio_operator::{Engine, Rules, UserSettings};

/// The default namespace of the control plane, which is the one in istioctl's profiles.
pub const DEFAULT_NAMESPACE: &str = "istio-system";

/// The name of the first document, which owns all objects that istioctl makes from it.
const DOCUMENT: &str = "glooistio";

/// What will be installed.
#[derive(Debug, Clone)]
pub struct Plan {
    pub tag: ImageTag,
    pub tag_chosen_by: ChosenBy,
    pub hub: Hub,
    pub hub_chosen_by: ChosenBy,
    /// The key that is part of the hub's name, to be masked.
    pub key: Option<RepoKey>,
    pub revision: Option<Revision>,
    /// Namespace of the control plane.
    pub namespace: String,
    pub template: Template,
    /// `values.global.platform`, if that Istio has this field.
    pub platform: Option<String>,
    pub gloo_mesh: Option<Minor>,
    pub features: Vec<String>,
    pub consent: Consent,
    /// How that Istio's own installer interprets documents.
    pub rules: Rules,
    /// What the installer has built in: profiles, platforms.
    pub installer: Installer,
    pub capabilities: BTreeSet<Capability>,
    pub chosen: Vec<Choice>,
}

/// Why no plan can be made.
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
    #[error("{0}")]
    Unfilled(AllUnfilled),
    #[error(
        "--platform {word}: no version of Istio has settings for a platform of this name; it knows {known}; \
         for any other platform remove --platform"
    )]
    Platform { word: String, known: String },
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

/// Everything that a plan is made from.
pub struct Input<'a> {
    pub request: &'a InstallRequest,
    /// The settings in the user's own `-f` and `--set`.
    pub user_settings: &'a UserSettings,
    pub matrix: &'a Matrix,
    /// The client that will be run; `None` if there is none.
    pub client: Option<&'a ClientVersion>,
}

/// Decides what will be installed.
pub fn plan(input: &Input<'_>) -> Result<Plan, PlanError> {
    let Input {
        request, matrix, ..
    } = input;
    unfilled::check(input)?;
    let mut chosen = Vec::new();
    let (tag, tag_chosen_by) = choice::tag(input, &mut chosen)?;
    let choice::Hubs {
        hub,
        hub_chosen_by,
        key,
    } = choice::hub(input, &tag, &mut chosen)?;
    let revision = choice::revision(input, &mut chosen)?;
    let namespace = choice::namespace(input, &mut chosen)?;
    let capabilities = matrix.capabilities(&tag.version);
    let template = choice::template(request, &mut chosen);
    let installer = matrix.installer(&tag.version);
    let target = choice::Target {
        minor: tag.minor(),
        capabilities: &capabilities,
        installer: &installer,
    };
    Ok(Plan {
        hub,
        hub_chosen_by,
        tag_chosen_by,
        key,
        revision,
        namespace,
        template,
        platform: choice::platform(input, &target, &mut chosen)?,
        gloo_mesh: request.gloo_mesh,
        features: request.features.clone(),
        consent: request.consent,
        rules: rules(&capabilities),
        capabilities,
        installer,
        chosen,
        tag,
    })
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

    /// Returns every capability, and whether that Istio has it.
    pub fn all_capabilities(&self) -> impl Iterator<Item = (&'static str, bool)> {
        Capability::ALL
            .iter()
            .map(|capability| (capability.name(), self.capabilities.contains(capability)))
    }

    /// Returns the `metadata.name` of the first document.
    pub fn document_name(&self) -> &'static str {
        DOCUMENT
    }

    /// Whether the control plane is in another namespace than in istioctl's profiles.
    pub fn own_namespace(&self) -> bool {
        self.namespace != DEFAULT_NAMESPACE
    }

    /// Returns the revision as labels name it.
    pub fn revision_label(&self) -> &str {
        self.revision.as_ref().map_or("default", Revision::as_str)
    }
}
