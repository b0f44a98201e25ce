//! What an upgrade starts from.

use std::collections::BTreeMap;

use super::prepare::Prepared;
use crate::facts::{ControlPlane, Record};

/// The control plane that is upgraded, and the inputs that are applied again.
#[derive(Debug, Clone)]
pub struct Origin {
    pub plane: ControlPlane,
    /// Of its install; without one, what istiod itself tells.
    pub record: Record,
    /// The upgrade makes a revision of its own and leaves this one as it is.
    pub beside: bool,
}

impl Origin {
    /// Whether what is planned runs already: the same build, from the same documents, rolled out.
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
