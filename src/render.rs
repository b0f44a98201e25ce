//! Plan → IstioOperator documents, parsed back and compared with the plan. Pure.

use serde_yaml::Value;

use crate::overlay::Effective;

/// One IstioOperator as it is given to istioctl.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// `metadata.name`.
    pub name: String,
    pub value: Value,
    /// The YAML; what is hashed, shown and sent.
    pub yaml: String,
    /// Every place in it where an image can come from.
    pub effective: Effective,
}
