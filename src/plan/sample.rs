//! A plan for tests.

use std::collections::BTreeSet;

use super::{ChosenBy, DEFAULT_NAMESPACE, Plan};
use crate::request::Template;
use istio_builds::{Capability, ImageTag, Matrix};
use istio_operator::{Engine, Rules};

/// Returns a plan of that tag with the rules of its version, and without capabilities that checks depend on.
pub(crate) fn plan(tag: &str) -> Plan {
    let tag: ImageTag = tag.parse().unwrap();
    let old = Matrix::builtin().has(Capability::StrategicMerge, &tag.version);
    Plan {
        hub: "r.io/istio".parse().unwrap(),
        hub_chosen_by: ChosenBy::Data,
        tag_chosen_by: ChosenBy::Data,
        key: None,
        revision: None,
        namespace: DEFAULT_NAMESPACE.to_owned(),
        template: Template::Preset("default".to_owned()),
        platform: None,
        gloo_mesh: None,
        features: Vec::new(),
        consent: crate::request::Consent::default(),
        rules: Rules {
            engine: if old { Engine::Strategic } else { Engine::Map },
            gateway_tag: true,
            variant: true,
        },
        installer: Matrix::builtin().installer(&tag.version),
        capabilities: BTreeSet::new(),
        chosen: Vec::new(),
        tag,
    }
}
