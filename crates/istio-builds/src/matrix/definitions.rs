//! Which custom resource definitions a version installs.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Matrix, Row, Spans, claims};
use crate::request::Request;
use crate::version::IstioVersion;

/// A custom resource definition and the versions that install it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefinitionRow {
    pub definition: String,
    pub istio: Spans,
}

impl Row for DefinitionRow {
    const COLUMNS: &'static [&'static str] = &["definition", "istio"];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio.concerns(istio)
    }

    fn key(&self) -> String {
        self.definition.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.definition.clone(), self.istio.to_string()]
    }
}

impl Matrix {
    /// Returns the names of the custom resource definitions that this version installs.
    pub fn definitions(&self, version: &IstioVersion) -> BTreeSet<&str> {
        let build = version.clone().into();
        let mut judged = BTreeSet::new();
        claims(&self.definitions, |_| true)
            .into_iter()
            .filter(|claim| judged.insert(claim.row.definition.as_str()))
            .filter(|claim| claim.row.istio.contains(&build))
            .map(|claim| claim.row.definition.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_come_with_their_version() {
        let matrix = Matrix::builtin();
        for (version, count) in [
            ("1.7.5", 10),
            ("1.11.4", 12),
            ("1.13.5", 14),
            ("1.29.0", 14),
            ("1.30.0", 15),
            ("1.31.0", 15),
        ] {
            let names = matrix.definitions(&version.parse().unwrap());
            assert_eq!(names.len(), count, "{version}: {names:?}");
        }
    }

    #[test]
    fn the_highest_order_judges_a_definition() {
        let row = |order: u8, span: &str| {
            format!(
                "  - {{source: p{order}, evidence: docs, page: {{era: x}}, order: {order}, \
                 rows: [{{definition: a.istio.io, istio: {span}}}]}}\n"
            )
        };
        let text = format!(
            "date: 2026-01-01\ndefinitions:\n{}{}",
            row(1, "1.7.."),
            row(2, "1.30..")
        );
        let matrix = Matrix::only(&text).unwrap();
        assert!(matrix.definitions(&"1.20.0".parse().unwrap()).is_empty());
    }
}
