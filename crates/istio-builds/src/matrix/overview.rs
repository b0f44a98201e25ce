//! One line for each minor version of Istio: what most readers look up.

use super::{Matrix, Table, claims};
use crate::flavor::Distribution;
use crate::tag::ImageTag;
use crate::version::Minor;

/// A cell for which the data has nothing.
const NONE: &str = "-";

impl Matrix {
    /// Returns a table with a row for each minor version that has a build: the newest build of each distribution that
    /// was seen, the supported versions of Kubernetes, and the end of the community's support; the newest version first.
    pub fn overview(&self) -> Table {
        let mut minors: Vec<Minor> = self.seen_builds().map(ImageTag::minor).collect();
        minors.sort_unstable();
        minors.dedup();
        let rows = minors.into_iter().rev().map(|minor| {
            vec![
                minor.to_string(),
                self.newest_build(minor, Distribution::Solo),
                self.newest_build(minor, Distribution::Standard),
                self.supported_kubernetes(minor),
                self.end_of_support(minor),
            ]
        });
        Table {
            title: "Newest builds",
            columns: vec![
                "istio",
                "solo",
                "standard",
                "kubernetes",
                "community support ends",
            ],
            rows: rows.collect(),
        }
    }

    fn newest_build(&self, minor: Minor, distribution: Distribution) -> String {
        let tags = self.builds_of(minor);
        let mut of_distribution = tags.iter().rev();
        let newest = of_distribution.find(|tag| tag.flavor.distribution == distribution);
        newest.map_or_else(|| NONE.to_owned(), |tag| tag.rebuild().to_string())
    }

    fn supported_kubernetes(&self, minor: Minor) -> String {
        let about = claims(&self.kubernetes, |row| row.istio == minor);
        let mut ranges = about
            .iter()
            .filter_map(|claim| claim.row.kubernetes.as_ref());
        ranges
            .next()
            .map_or_else(|| NONE.to_owned(), ToString::to_string)
    }

    fn end_of_support(&self, minor: Minor) -> String {
        let about = claims(&self.releases, |row| row.istio == minor);
        let mut ends = about
            .iter()
            .filter_map(|claim| Some((claim.row.ends.as_ref()?, claim)));
        ends.next().map_or_else(
            || NONE.to_owned(),
            |(ends, claim)| {
                let expected = if claim.row.expected {
                    " (expected)"
                } else {
                    ""
                };
                format!("{ends}{expected}")
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_newest_build_of_each_distribution_and_dashes_for_what_is_not_known() {
        let matrix = Matrix::only(
            "
date: 2026-01-01
builds:
  - source: https://example.com/builds
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {tag: 1.9.0}
      - {tag: 1.10.0-solo-fips}
      - {tag: 1.10.2-patch1-solo}
      - {tag: 1.10.2}
kubernetes:
  - source: https://example.com/kubernetes
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {istio: 1.10, kubernetes: 1.18 - 1.21}
releases:
  - source: https://example.com/releases
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {istio: 1.10, ends: 2022-01-07, expected: true}
",
        )
        .unwrap();
        let rows = matrix.overview().rows;
        assert_eq!(
            rows,
            [
                [
                    "1.10",
                    "1.10.2-patch1",
                    "1.10.2",
                    "1.18 - 1.21",
                    "2022-01-07 (expected)"
                ],
                ["1.9", "-", "1.9.0", "-", "-"],
            ]
        );
    }
}
