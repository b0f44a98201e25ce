//! Gloo Mesh × Istio × Kubernetes. The published ranges of the same version differ between pages.

use serde::Deserialize;

use super::claim::{judge, quotes};
use super::{Judgement, Level, Matrix, Minors, Row, When, claims};
use crate::request::Request;
use crate::tag::ImageTag;
use crate::version::Minor;

/// A row of a page's table, with its cells word for word.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GlooMesh {
    pub product: String,
    pub version: Minor,
    #[serde(default)]
    pub released: Option<When>,
    #[serde(default)]
    pub istio: Option<Minors>,
    /// `None` if the page refers to Istio's own range.
    #[serde(default)]
    pub kubernetes: Option<Minors>,
    #[serde(default)]
    pub note: String,
}

impl Row for GlooMesh {
    const COLUMNS: &'static [&'static str] = &[
        "product",
        "version",
        "released",
        "istio",
        "kubernetes",
        "note",
    ];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio
            .as_ref()
            .is_none_or(|minors| minors.contains(istio.minor()))
    }

    fn key(&self) -> String {
        format!("{} {}", self.product, self.version)
    }

    fn cells(&self) -> Vec<String> {
        let minors =
            |minors: &Option<Minors>| minors.as_ref().map(ToString::to_string).unwrap_or_default();
        vec![
            self.product.clone(),
            self.version.to_string(),
            self.released
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            minors(&self.istio),
            minors(&self.kubernetes),
            self.note.clone(),
        ]
    }

    fn text(&self) -> String {
        let cell = |name: &str, minors: &Option<Minors>| {
            minors
                .as_ref()
                .map(|minors| format!(", {name} {minors}"))
                .unwrap_or_default()
        };
        let note = if self.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.note)
        };
        let (istio, kube) = (
            cell("Istio", &self.istio),
            cell("Kubernetes", &self.kubernetes),
        );
        format!("{} {}{istio}{kube}{note}", self.product, self.version)
    }
}

/// A line of Istio that runs on a Kubernetes version, with the newest build of it that was seen.
#[derive(Debug, Clone)]
pub struct Runs {
    pub istio: Minor,
    pub newest: Option<ImageTag>,
    pub judgement: Judgement,
}

/// A line of Istio that does not run on a Kubernetes version, with the judgements that refuse it.
#[derive(Debug, Clone)]
pub struct Refused {
    pub istio: Minor,
    pub reasons: Vec<Judgement>,
}

impl Matrix {
    /// Judges whether this Gloo Mesh is compatible with this Istio.
    pub fn gloo_mesh(&self, gloo_mesh: Minor, istio: Minor) -> Judgement {
        let found = format!("Istio {istio}");
        self.gloo_mesh_allows(gloo_mesh, istio, found, |row| row.istio.as_ref())
    }

    /// Judges by Gloo Mesh's own constraint on Kubernetes; Istio's constraint applies in addition.
    pub fn gloo_mesh_on_kubernetes(&self, gloo_mesh: Minor, kube: Minor) -> Judgement {
        let found = format!("Kubernetes {kube}");
        let judgement =
            self.gloo_mesh_allows(gloo_mesh, kube, found, |row| row.kubernetes.as_ref());
        let leaves_it_to_istio = judgement.level == Level::NoData && !judgement.quotes.is_empty();
        if leaves_it_to_istio {
            let wanted = format!("what Istio supports, for Gloo Mesh {gloo_mesh}");
            return Judgement {
                level: Level::Pass,
                wanted,
                ..judgement
            };
        }
        judgement
    }

    /// Returns every line of Istio that is not refused on this Kubernetes with this Gloo Mesh, newest first.
    pub fn what_runs(&self, kube: Minor, gloo_mesh: Option<Minor>) -> Vec<Runs> {
        let runs = self.lines().into_iter().map(|istio| {
            let on_kube = self.kubernetes(istio, gloo_mesh, kube);
            let judgement = match gloo_mesh {
                Some(gloo_mesh) => on_kube.and(self.gloo_mesh(gloo_mesh, istio)),
                None => on_kube,
            };
            Runs {
                istio,
                newest: self.builds_of(istio).last().copied().cloned(),
                judgement,
            }
        });
        runs.filter(|runs| runs.judgement.level != Level::Error)
            .collect()
    }

    /// Returns the lines of Istio that come nearest to running on this Kubernetes with this Gloo Mesh, each with what
    /// refuses it, newest first: the lines with the fewest refusals, and, without a Gloo Mesh, of these the ones with
    /// the nearest range. Empty if something runs.
    pub fn nearest_refused(&self, kube: Minor, gloo_mesh: Option<Minor>) -> Vec<Refused> {
        if !self.what_runs(kube, gloo_mesh).is_empty() {
            return Vec::new();
        }
        let refused = |istio: Minor| {
            let of_gloo_mesh = gloo_mesh.into_iter().flat_map(|gloo_mesh| {
                [
                    self.gloo_mesh_on_kubernetes(gloo_mesh, kube),
                    self.gloo_mesh(gloo_mesh, istio),
                ]
            });
            let all = std::iter::once(self.istio_on_kubernetes(istio, kube)).chain(of_gloo_mesh);
            Refused {
                istio,
                reasons: all
                    .filter(|judgement| judgement.level == Level::Error)
                    .collect(),
            }
        };
        let mut near: Vec<Refused> = self.lines().into_iter().map(refused).collect();
        let fewest = near.iter().map(|one| one.reasons.len()).min();
        near.retain(|one| Some(one.reasons.len()) == fewest);
        match gloo_mesh {
            Some(_) => near,
            None => self.nearest_ranges(near, kube),
        }
    }

    /// Returns those with the range of Kubernetes versions nearest to `kube`.
    fn nearest_ranges(&self, mut refused: Vec<Refused>, kube: Minor) -> Vec<Refused> {
        let distance = |istio: Minor| {
            let rows = claims(&self.kubernetes, |row| row.istio == istio);
            let ranges = rows
                .iter()
                .filter_map(|claim| claim.row.kubernetes.as_ref());
            ranges.map(|range| range.distance(kube)).min()
        };
        let nearest = refused.iter().filter_map(|one| distance(one.istio)).min();
        refused.retain(|one| distance(one.istio) == nearest);
        refused
    }

    /// Returns the lines of Istio with known Kubernetes versions, newest first.
    fn lines(&self) -> Vec<Minor> {
        let mut lines: Vec<Minor> = claims(&self.kubernetes, |_| true)
            .iter()
            .map(|claim| claim.row.istio)
            .collect();
        lines.sort_unstable_by(|a, b| b.cmp(a));
        lines.dedup();
        lines
    }

    fn gloo_mesh_allows(
        &self,
        gloo_mesh: Minor,
        minor: Minor,
        found: String,
        cell: impl Fn(&GlooMesh) -> Option<&Minors>,
    ) -> Judgement {
        let about = claims(&self.gloo_mesh, |row| row.version == gloo_mesh);
        let level = judge(&about, |row| {
            cell(row).map(|minors| {
                if minors.contains(minor) {
                    Level::Pass
                } else {
                    Level::Error
                }
            })
        });
        let wanted = about.iter().find_map(|claim| cell(claim.row)).map_or_else(
            || format!("no data of Gloo Mesh {gloo_mesh}"),
            |minors| format!("{minors} for Gloo Mesh {gloo_mesh}"),
        );
        Judgement {
            level,
            found,
            wanted,
            quotes: quotes(&about),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(text: &str) -> Minor {
        text.parse().unwrap()
    }

    #[test]
    fn the_newest_page_judges_and_an_older_one_softens() {
        use Level::{Error, NoData, Pass, Warning};
        let table = [
            ("2.0", "1.13", Pass),
            ("2.0", "1.14", Error),
            ("1.2", "1.12", Pass),
            ("2.1", "1.16", Pass),
            ("2.1", "1.9", Warning), // only the oldest page allowed it
            ("2.1", "1.12", Warning),
            ("2.1", "1.8", Error),
            ("2.4", "1.18", Pass),
            ("2.4", "1.19", Error),
            ("2.12", "1.29", Pass),
            ("2.12", "1.25", Warning), // left out by a later, second-hand table
            ("2.14", "1.32", Warning), // two second-hand pages contradict each other
            ("2.7", "1.24", NoData),
        ];
        for (gloo_mesh, istio, expected) in table {
            let judgement = Matrix::builtin().gloo_mesh(minor(gloo_mesh), minor(istio));
            assert_eq!(
                judgement.level, expected,
                "Gloo Mesh {gloo_mesh}, Istio {istio}: {judgement:?}"
            );
        }
    }

    #[test]
    fn the_rows_of_the_old_page_are_there_word_for_word() {
        let rows = [
            ("2.1", "TBD", "1.9 - 1.13", "1.17 - 1.23"),
            ("2.0", "13 May 2022", "1.9 - 1.13", "1.17 - 1.23"),
            ("1.2", "4 Nov 2021", "1.9 - 1.12", "1.17 - 1.23"),
        ];
        for (version, released, istio, kubernetes) in rows {
            let cells = ["Gloo Mesh Enterprise", version, released, istio, kubernetes];
            let found = claims(&Matrix::builtin().gloo_mesh, |row| {
                row.cells()[..5] == cells
            });
            assert_eq!(found.len(), 1, "{version}");
        }
    }

    #[test]
    fn all_pages_that_name_a_version_are_quoted() {
        let judgement = Matrix::builtin().gloo_mesh(minor("2.1"), minor("1.14"));
        assert_eq!(judgement.quotes.len(), 3);
        assert!(
            judgement.quotes[0].text.contains("1.13 - 1.16"),
            "{:?}",
            judgement.quotes[0]
        );
    }

    #[test]
    fn what_runs_on_kubernetes_1_33_with_gloo_mesh_2_12_is_answered() {
        let runs = Matrix::builtin().what_runs(minor("1.33"), Some(minor("2.12")));
        let lines: Vec<_> = runs
            .iter()
            .map(|run| (run.istio.to_string(), run.judgement.level))
            .collect();
        let expected = [
            ("1.29", Level::Pass),
            ("1.28", Level::Pass),
            ("1.27", Level::Pass),
            ("1.26", Level::Warning),
        ];
        let expected: Vec<_> = expected
            .map(|(line, level)| (line.to_owned(), level))
            .into();
        assert_eq!(lines[lines.len() - 4..], expected[..], "{lines:?}");
        assert_eq!(
            runs.last().unwrap().newest.as_ref().unwrap().minor(),
            minor("1.26")
        );
    }

    #[test]
    fn nothing_that_fits_is_answered_with_what_refuses_each_line() {
        let matrix = Matrix::builtin();
        let (kube, gloo_mesh) = (minor("1.22"), minor("2.12"));
        assert!(matrix.what_runs(kube, Some(gloo_mesh)).is_empty());
        let refused = matrix.nearest_refused(kube, Some(gloo_mesh));
        let reason = |line: &str| {
            let one = refused.iter().find(|one| one.istio == minor(line)).unwrap();
            assert_eq!(one.reasons.len(), 1, "{one:?}");
            one.reasons[0].wanted.clone()
        };
        // The lines that Gloo Mesh allows need a newer Kubernetes, and those that run there are too old for Gloo Mesh.
        assert!(reason("1.29").contains("1.35 for Istio 1.29"));
        assert!(reason("1.16").contains("for Gloo Mesh 2.12"));
        assert!(
            matrix
                .nearest_refused(minor("1.33"), Some(gloo_mesh))
                .is_empty()
        );
    }

    #[test]
    fn kubernetes_that_no_line_supports_is_answered_with_the_nearest_lines() {
        let refused = Matrix::builtin().nearest_refused(minor("1.10"), None);
        let lines: Vec<String> = refused.iter().map(|one| one.istio.to_string()).collect();
        assert_eq!(lines, ["1.8", "1.7"]);
    }

    #[test]
    fn a_gloo_mesh_without_data_is_said_once() {
        let runs = Matrix::builtin().what_runs(minor("1.33"), Some(minor("9.9")));
        for run in runs {
            let said = run.judgement.wanted.matches("no data of Gloo Mesh 9.9");
            assert_eq!(said.count(), 1, "{}", run.judgement.wanted);
        }
    }

    #[test]
    fn a_version_whose_page_leaves_kubernetes_to_istio_passes() {
        let judgement = Matrix::builtin().gloo_mesh_on_kubernetes(minor("2.12"), minor("1.33"));
        assert_eq!(judgement.level, Level::Pass);
        let unknown = Matrix::builtin().gloo_mesh_on_kubernetes(minor("2.7"), minor("1.33"));
        assert_eq!(unknown.level, Level::NoData);
    }
}
