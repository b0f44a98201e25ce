//! What a feature of Gloo Mesh requires of Istio and of the build.

use serde::Deserialize;

use super::claim::{judge, quotes};
use super::{Judgement, Level, Matrix, Quote, Row, Spans, claims};
use crate::flavor::Distribution;
use crate::request::Request;
use crate::tag::ImageTag;
use crate::version::Minor;

/// A feature and its requirements by a page.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Feature {
    /// The name for `--feature`.
    pub feature: String,
    /// The name of the feature on the page.
    pub name: String,
    /// The requirements in the page's words.
    pub requires: String,
    #[serde(default)]
    pub istio: Option<Spans>,
    #[serde(default)]
    pub distribution: Option<Distribution>,
    #[serde(default)]
    pub gloo_mesh: Option<Spans>,
}

impl Row for Feature {
    const COLUMNS: &'static [&'static str] = &["feature", "name", "requires"];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio
            .as_ref()
            .is_none_or(|spans| spans.concerns(istio))
    }

    fn key(&self) -> String {
        self.feature.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.feature.clone(),
            self.name.clone(),
            self.requires.clone(),
        ]
    }

    fn text(&self) -> String {
        format!("{}: {}", self.name, self.requires)
    }
}

impl Feature {
    fn opinion(&self, tag: &ImageTag, gloo_mesh: Option<Minor>) -> Level {
        let istio = self
            .istio
            .as_ref()
            .is_none_or(|spans| spans.contains(&tag.rebuild()));
        let distribution = self
            .distribution
            .is_none_or(|one| one == tag.flavor.distribution);
        let mesh = match (&self.gloo_mesh, gloo_mesh) {
            (Some(spans), Some(gloo_mesh)) => spans.contains_minor(gloo_mesh),
            _ => true,
        };
        if istio && distribution && mesh {
            Level::Pass
        } else {
            Level::Error
        }
    }
}

/// A requested feature, and whether the build meets its requirements.
#[derive(Debug, Clone)]
pub struct FeatureFinding {
    pub feature: String,
    pub judgement: Judgement,
}

/// The error for a name that no page has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a feature in the data: {known}")]
pub struct UnknownFeature {
    name: String,
    known: String,
}

impl Matrix {
    /// Judges each of the named features for a build, and for a Gloo Mesh version if one is known.
    pub fn features(
        &self,
        names: &[String],
        tag: &ImageTag,
        gloo_mesh: Option<Minor>,
    ) -> Result<Vec<FeatureFinding>, UnknownFeature> {
        names
            .iter()
            .map(|name| self.feature(name, tag, gloo_mesh))
            .collect()
    }

    /// Returns the names for `--feature`.
    pub fn feature_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = claims(&self.features, |_| true)
            .iter()
            .map(|c| c.row.feature.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns what the pages say that a feature requires; empty for an unknown name.
    pub fn feature_claims(&self, name: &str) -> Vec<Quote> {
        quotes(&claims(&self.features, |row| row.feature == name))
    }

    fn feature(
        &self,
        name: &str,
        tag: &ImageTag,
        gloo_mesh: Option<Minor>,
    ) -> Result<FeatureFinding, UnknownFeature> {
        let about = claims(&self.features, |row| row.feature == name);
        let Some(first) = about.first() else {
            let known = self.feature_names().join(", ");
            return Err(UnknownFeature {
                name: name.into(),
                known,
            });
        };
        let wanted = first.row.requires.clone();
        let level = judge(&about, |row| Some(row.opinion(tag, gloo_mesh)));
        let found = match gloo_mesh {
            Some(gloo_mesh) => format!("{tag} with Gloo Mesh {gloo_mesh}"),
            None => tag.to_string(),
        };
        let judgement = Judgement {
            level,
            found,
            wanted,
            quotes: quotes(&about),
        };
        Ok(FeatureFinding {
            feature: name.into(),
            judgement,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(name: &str, tag: &str, gloo_mesh: Option<&str>) -> Level {
        let gloo_mesh = gloo_mesh.map(|text| text.parse().unwrap());
        let found = Matrix::builtin().features(&[name.into()], &tag.parse().unwrap(), gloo_mesh);
        found.unwrap().remove(0).judgement.level
    }

    #[test]
    fn the_features_of_the_old_page_are_judged() {
        use Level::{Error, Pass};
        let table = [
            ("direct-response", "1.13.5-solo", Pass),
            ("direct-response", "1.13.5", Error),
            ("direct-response", "1.7.5-solo", Error),
            ("subset-routing", "1.8.5-fips", Pass),
            ("subset-routing", "1.7.5-fips2", Error),
            ("rate-limiting", "1.8.0-solo", Pass),
            ("xslt", "1.11.4", Pass),
            ("xslt", "1.10.4", Error),
            ("managed-installations", "1.11.8", Pass),
            ("managed-installations", "1.12.3", Error),
            ("arm", "1.11.5-arm", Pass),
            ("arm", "1.11.4-arm", Error),
        ];
        for (name, tag, expected) in table {
            assert_eq!(level(name, tag, None), expected, "{name} {tag}");
        }
    }

    #[test]
    fn a_feature_can_need_a_gloo_mesh() {
        assert_eq!(
            level("multicluster", "1.26.1-solo", Some("2.7")),
            Level::Pass
        );
        assert_eq!(
            level("multicluster", "1.26.1-solo", Some("2.6")),
            Level::Error
        );
        assert_eq!(level("multicluster", "1.26.1-solo", None), Level::Pass);
        assert_eq!(
            level("multicluster", "1.24.2-solo", Some("2.7")),
            Level::Error
        );
    }

    #[test]
    fn an_unknown_feature_names_those_that_are_known() {
        let tag = "1.31.0".parse().unwrap();
        let error = Matrix::builtin()
            .features(&["xlst".into()], &tag, None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`xlst`") && error.contains("xslt"),
            "{error}"
        );
        assert!(!Matrix::builtin().feature_claims("xslt").is_empty());
    }

    #[test]
    fn the_words_of_the_old_page_are_kept() {
        for words in [
            "directResponseAction in Gloo Mesh Gateway: Gloo Mesh Istio 1.8 solo image or later",
            "Multicluster subset routing in traffic policies: Istio 1.8 or later",
            "Rate limiting for Gloo Mesh Gateway: Gloo Mesh Istio 1.8 solo image or later",
            "XSLT filter: Istio 1.11 or later",
            "Gloo Mesh-managed Istio installations: Istio 1.11 or earlier",
        ] {
            let found = claims(&Matrix::builtin().features, |row| row.text() == words);
            assert_eq!(found.len(), 1, "{words}");
        }
    }
}
