//! Options and the matrix → what will be installed, with the reason of each choice. Pure.

use std::collections::BTreeSet;

use crate::istio::{Capability, Hub, ImageTag, Minor};
use crate::options::{Revision, Template};
use crate::overlay::Engine;

/// What will be installed.
#[derive(Debug, Clone)]
pub struct Plan {
    pub tag: ImageTag,
    pub hub: Hub,
    pub revision: Option<Revision>,
    /// Namespace of the control plane.
    pub namespace: String,
    pub template: Template,
    /// `kubernetes`, `openshift`, `gke`, …
    pub platform: Option<String>,
    pub gloo_mesh: Option<Minor>,
    pub features: Vec<String>,
    /// The installer engine of the istioctl that belongs to `tag`.
    pub engine: Engine,
    /// What that Istio can do; templates ask for these, never for versions.
    pub capabilities: BTreeSet<Capability>,
    pub chosen: Vec<Choice>,
}

/// One choice and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// `tag`, `hub`, …
    pub what: &'static str,
    pub value: String,
    pub why: String,
}
