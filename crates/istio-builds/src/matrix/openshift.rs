//! OpenShift → Kubernetes. A table instead of a formula, because the first lines do not follow one.

use serde::Deserialize;

use super::claim::quotes;
use super::{Matrix, Quote, Row, When, claims};
use crate::version::Minor;

/// A line of OpenShift.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OpenShift {
    pub openshift: Minor,
    pub kubernetes: Minor,
    #[serde(default)]
    pub released: Option<When>,
    /// End of maintenance.
    #[serde(default)]
    pub ends: Option<When>,
    /// End of extended update support.
    #[serde(default)]
    pub extended: Option<When>,
}

impl Row for OpenShift {
    const COLUMNS: &'static [&'static str] =
        &["openshift", "kubernetes", "released", "ends", "extended"];

    fn key(&self) -> String {
        self.openshift.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let when = |when: &Option<When>| when.as_ref().map(ToString::to_string).unwrap_or_default();
        let (openshift, kubernetes) = (self.openshift.to_string(), self.kubernetes.to_string());
        vec![
            openshift,
            kubernetes,
            when(&self.released),
            when(&self.ends),
            when(&self.extended),
        ]
    }
}

impl Matrix {
    /// Returns the Kubernetes version of a line of OpenShift, with its sources; `None` if no source has it.
    pub fn openshift(&self, openshift: Minor) -> Option<(Minor, Vec<Quote>)> {
        let about = claims(&self.openshift, |row| row.openshift == openshift);
        Some((about.first()?.row.kubernetes, quotes(&about)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openshift_versions_map_to_kubernetes_also_where_no_rule_holds() {
        let table = [
            ("3.11", Some((1, 11))),
            ("4.0", None),
            ("4.1", Some((1, 13))),
            ("4.2", Some((1, 14))),
            ("4.3", Some((1, 16))),
            ("4.8", Some((1, 21))),
            ("4.18", Some((1, 31))),
            ("4.22", Some((1, 35))),
            ("5.0", Some((1, 36))),
        ];
        for (openshift, kubernetes) in table {
            let found = Matrix::builtin()
                .openshift(openshift.parse().unwrap())
                .map(|(kube, _)| kube);
            assert_eq!(
                found,
                kubernetes.map(|(a, b)| Minor::new(a, b)),
                "{openshift}"
            );
        }
    }

    #[test]
    fn every_line_ends_after_it_begins() {
        for claim in claims(&Matrix::builtin().openshift, |_| true) {
            let row = claim.row;
            if let (Some(released), Some(ends)) = (&row.released, &row.ends) {
                assert!(released.first() < ends.last(), "{}", row.openshift);
            }
            if let (Some(ends), Some(extended)) = (&row.ends, &row.extended) {
                assert!(ends.last() < extended.last(), "{}", row.openshift);
            }
        }
    }
}
