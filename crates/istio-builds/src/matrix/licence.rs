//! The environment variables with which people give istiod its licence key.

use serde::Deserialize;

use super::{Matrix, Row, Spans, claims};
use crate::request::Request;
use crate::tag::ImageTag;

/// An environment variable that people set to give istiod a licence key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceVariable {
    pub variable: String,
    /// Whether istiod reads it.
    pub read: bool,
    pub istio: Spans,
    pub text: String,
}

impl Row for LicenceVariable {
    const COLUMNS: &'static [&'static str] = &["variable", "read", "istio", "text"];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio.concerns(istio)
    }

    fn key(&self) -> String {
        self.variable.clone()
    }

    fn cells(&self) -> Vec<String> {
        let read = if self.read { "yes" } else { "no" };
        vec![
            self.variable.clone(),
            read.to_owned(),
            self.istio.to_string(),
            self.text.clone(),
        ]
    }
}

impl Matrix {
    /// Returns the variables that are known for a build, those that istiod reads first.
    pub fn licence_variables(&self, tag: &ImageTag) -> Vec<&LicenceVariable> {
        let build = tag.rebuild();
        let mut rows: Vec<&LicenceVariable> =
            claims(&self.licence_variables, |row| row.istio.contains(&build))
                .iter()
                .map(|claim| claim.row)
                .collect();
        rows.sort_by_key(|row| !row.read);
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn istiod_reads_one_variable_from_1_25_on() {
        let names = |tag: &str| {
            let rows = Matrix::builtin().licence_variables(&tag.parse().unwrap());
            let named = rows.iter().map(|row| (row.variable.clone(), row.read));
            named.collect::<Vec<_>>()
        };
        assert!(names("1.24.3-solo").is_empty());
        let known = names("1.30.5-solo");
        assert_eq!(known.len(), 3);
        assert_eq!(known[0], ("SOLO_LICENSE_KEY".to_owned(), true));
        assert!(known[1..].iter().all(|(_, read)| !read));
    }
}
