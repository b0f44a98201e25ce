//! The control plane that an upgrade starts from.

use std::collections::BTreeMap;

use super::prepare::Prepared;
use crate::facts::{ControlPlane, Record};

/// The control plane that is upgraded, and the inputs that are applied again.
#[derive(Debug, Clone)]
pub struct Origin {
    pub plane: ControlPlane,
    /// The record of its install, or, without one, what istiod itself reports.
    pub record: Record,
    /// Whether the upgrade creates a new revision and does not change this one.
    pub beside: bool,
}

impl Origin {
    /// Whether the plan runs already: the same build, from the same documents, rolled out.
    pub(super) fn is_up_to_date(&self, prepared: &Prepared) -> bool {
        let plan = &prepared.plan;
        let documents: BTreeMap<String, String> = prepared
            .manifest
            .documents
            .iter()
            .map(|document| (document.name.clone(), document.sha256()))
            .collect();
        !self.beside
            && self.plane.tag.as_ref() == Ok(&plan.tag)
            && self.plane.hub == plan.hub.as_str()
            && self.plane.lacks.is_none()
            && self.record.documents == documents
    }
}
