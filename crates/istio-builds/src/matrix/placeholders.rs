//! Variables in sample documents that a user must fill in, and the meaning of each.

use serde::Deserialize;

use super::{Matrix, Row};

/// The meaning of a variable in a sample document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    Hub,
    Tag,
    Revision,
    /// The name of the cluster.
    Cluster,
}

impl Meaning {
    /// Returns its name in the data.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Tag => "tag",
            Self::Revision => "revision",
            Self::Cluster => "cluster",
        }
    }
}

/// A variable and its meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceholderRow {
    pub variable: String,
    pub means: Meaning,
}

impl Row for PlaceholderRow {
    const COLUMNS: &'static [&'static str] = &["variable", "means"];

    fn key(&self) -> String {
        self.variable.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.variable.clone(), self.means.name().to_owned()]
    }
}

impl Matrix {
    /// Returns the meaning of a variable of this name in published samples.
    pub fn meaning(&self, variable: &str) -> Option<Meaning> {
        let mut rows = self.placeholders.iter().flat_map(|page| &page.rows);
        let found = rows.find(|row| row.variable == variable)?;
        Some(found.means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_samples_are_known_and_others_are_not() {
        let matrix = Matrix::builtin();
        assert_eq!(matrix.meaning("REPO"), Some(Meaning::Hub));
        assert_eq!(matrix.meaning("ISTIO_VERSION"), Some(Meaning::Tag));
        assert_eq!(matrix.meaning("HOME"), None);
    }
}
