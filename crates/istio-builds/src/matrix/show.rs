//! The parts of the matrix as tables, ready to print or to serialise.

use std::str::FromStr;

use serde::Serialize;

use super::claim::Claim;
use super::{Build, Matrix, Page, Row, claims};
use crate::request::Request;

/// A part that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Builds,
    Missing,
    Varieties,
    Default,
    Hubs,
    Retirements,
    RepoKey,
    GlooMesh,
    Kubernetes,
    GatewayApi,
    Releases,
    Support,
    OpenShift,
    Features,
    LicenceVariables,
    KnownIssues,
    ClientIssues,
    Capabilities,
    Definitions,
    Profiles,
    ValuesProfiles,
    Platforms,
    CompatibilityVersions,
    Placeholders,
}

/// The error for a name that is not a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a part of the matrix: {known}")]
pub struct UnknownPart {
    name: String,
    known: String,
}

impl Part {
    pub const ALL: &[Self] = &[
        Self::Builds,
        Self::Missing,
        Self::Varieties,
        Self::Default,
        Self::Hubs,
        Self::Retirements,
        Self::RepoKey,
        Self::GlooMesh,
        Self::Kubernetes,
        Self::GatewayApi,
        Self::Releases,
        Self::Support,
        Self::OpenShift,
        Self::Features,
        Self::LicenceVariables,
        Self::KnownIssues,
        Self::ClientIssues,
        Self::Capabilities,
        Self::Definitions,
        Self::Profiles,
        Self::ValuesProfiles,
        Self::Platforms,
        Self::CompatibilityVersions,
        Self::Placeholders,
    ];

    /// Returns the name on the command line, which is that of the section in the data.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Builds => "builds",
            Self::Missing => "missing",
            Self::Varieties => "varieties",
            Self::Default => "default",
            Self::Hubs => "hubs",
            Self::Retirements => "retirements",
            Self::RepoKey => "repo-key",
            Self::GlooMesh => "gloo-mesh",
            Self::Kubernetes => "kubernetes",
            Self::GatewayApi => "gateway-api",
            Self::Releases => "releases",
            Self::Support => "support",
            Self::OpenShift => "openshift",
            Self::Features => "features",
            Self::LicenceVariables => "licence-variables",
            Self::KnownIssues => "known-issues",
            Self::ClientIssues => "client-issues",
            Self::Capabilities => "capabilities",
            Self::Definitions => "definitions",
            Self::Profiles => "profiles",
            Self::ValuesProfiles => "values-profiles",
            Self::Platforms => "platforms",
            Self::CompatibilityVersions => "compatibility-versions",
            Self::Placeholders => "placeholders",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Builds => "Builds seen",
            Self::Missing => "Builds known not to exist",
            Self::Varieties => "Varieties",
            Self::Default => "Default version",
            Self::Hubs => "Hubs",
            Self::Retirements => "Hubs that are switched off",
            Self::RepoKey => "Repo keys",
            Self::GlooMesh => "Gloo Mesh × Istio × Kubernetes",
            Self::Kubernetes => "Istio × Kubernetes",
            Self::GatewayApi => "Istio × Gateway API",
            Self::Releases => "Istio releases and their end of life",
            Self::Support => "Security patches",
            Self::OpenShift => "OpenShift × Kubernetes",
            Self::Features => "Features and what they need",
            Self::LicenceVariables => "Variables of the licence key",
            Self::KnownIssues => "Known issues",
            Self::ClientIssues => "Known issues of istioctl",
            Self::Capabilities => "Capabilities of Istio versions",
            Self::Definitions => "Custom resource definitions of Istio versions",
            Self::Profiles => "What istioctl's profiles turn on",
            Self::ValuesProfiles => "Words of values.profile",
            Self::Platforms => "Words of values.global.platform",
            Self::CompatibilityVersions => "Words of compatibilityVersion",
            Self::Placeholders => "Variables of sample documents",
        }
    }
}

impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|part| part.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL
                .iter()
                .map(|part| part.name())
                .collect::<Vec<_>>()
                .join(", ");
            UnknownPart {
                name: name.into(),
                known,
            }
        })
    }
}

/// Rows with their columns; the last three columns are source, source quality and era of each claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    pub title: &'static str,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Matrix {
    /// Returns one part as a table, with a row for every claim, in the order of the data; builds with the newest first.
    ///
    /// If a version of Istio is given, only the claims that concern it are included.
    pub fn table(&self, part: Part, istio: Option<&Request>) -> Table {
        let title = part.title();
        match part {
            Part::Builds => self.builds_table(title, istio),
            Part::Missing => table(title, &self.missing, istio),
            Part::Varieties => table(title, &self.varieties, istio),
            Part::Default => table(title, &self.defaults, istio),
            Part::Hubs => table(title, &self.hubs, istio),
            Part::Retirements => table(title, &self.retirements, istio),
            Part::RepoKey => table(title, &self.keys, istio),
            Part::GlooMesh => table(title, &self.gloo_mesh, istio),
            Part::Kubernetes => table(title, &self.kubernetes, istio),
            Part::GatewayApi => table(title, &self.gateway_api, istio),
            Part::Releases => table(title, &self.releases, istio),
            Part::Support => table(title, &self.support, istio),
            Part::OpenShift => table(title, &self.openshift, istio),
            Part::Features => table(title, &self.features, istio),
            Part::LicenceVariables => table(title, &self.licence_variables, istio),
            Part::KnownIssues => table(title, &self.issues, istio),
            Part::ClientIssues => table(title, &self.client_issues, istio),
            Part::Capabilities => table(title, &self.capabilities, istio),
            Part::Definitions => table(title, &self.definitions, istio),
            Part::Profiles => table(title, &self.profiles, istio),
            Part::ValuesProfiles => table(title, &self.values_profiles, istio),
            Part::Platforms => table(title, &self.platforms, istio),
            Part::CompatibilityVersions => table(title, &self.compatibility_versions, istio),
            Part::Placeholders => table(title, &self.placeholders, istio),
        }
    }

    fn builds_table(&self, title: &'static str, istio: Option<&Request>) -> Table {
        let mut claims = claims(&self.builds, |row| concerns(row, istio));
        // Claims are sorted by their page already, and the sort is stable, so that claims of one tag keep that order.
        claims.sort_by(|a, b| b.row.tag.cmp(&a.row.tag));
        Table {
            title,
            columns: columns::<Build>(),
            rows: claims.into_iter().map(cells).collect(),
        }
    }
}

fn table<R: Row>(title: &'static str, pages: &[Page<R>], istio: Option<&Request>) -> Table {
    let rows = pages.iter().flat_map(|page| {
        let rows = page.rows.iter().filter(|row| concerns(*row, istio));
        rows.map(move |row| cells(Claim { page, row }))
    });
    Table {
        title,
        columns: columns::<R>(),
        rows: rows.collect(),
    }
}

fn concerns(row: &impl Row, istio: Option<&Request>) -> bool {
    istio.is_none_or(|istio| row.concerns(istio))
}

fn columns<R: Row>() -> Vec<&'static str> {
    let own = R::COLUMNS.iter().copied();
    own.chain(["source", "evidence", "era"]).collect()
}

fn cells<R: Row>(claim: Claim<'_, R>) -> Vec<String> {
    let page = claim.page;
    let about = [
        page.source.to_string(),
        page.evidence.name().into(),
        page.page.era.clone(),
    ];
    claim.row.cells().into_iter().chain(about).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageTag;

    #[test]
    fn every_part_is_a_full_table_with_a_source_in_every_row() {
        for part in Part::ALL {
            let table = Matrix::builtin().table(*part, None);
            assert!(!table.rows.is_empty(), "{}", part.name());
            for row in &table.rows {
                assert_eq!(row.len(), table.columns.len(), "{}", part.name());
                assert!(!row[row.len() - 3].is_empty(), "{row:?}");
            }
            assert_eq!(part.name().parse(), Ok(*part));
        }
    }

    fn firsts(part: Part, istio: &str) -> Vec<String> {
        let istio = istio.parse().unwrap();
        let table = Matrix::builtin().table(part, Some(&istio));
        table
            .rows
            .into_iter()
            .map(|mut row| row.remove(0))
            .collect()
    }

    #[test]
    fn builds_are_ordered_by_version_with_the_newest_first() {
        let table = Matrix::builtin().table(Part::Builds, None);
        let tags: Vec<ImageTag> = table
            .rows
            .iter()
            .map(|row| row[0].parse().unwrap())
            .collect();
        assert!(tags.is_sorted_by(|newer, older| newer >= older), "{tags:?}");
        assert!(tags.first() > tags.last());
    }

    #[test]
    fn version_leaves_only_the_rows_that_concern_it() {
        let line = firsts(Part::Builds, "1.26");
        assert!(
            line.len() > 3 && line.iter().all(|tag| tag.starts_with("1.26.")),
            "{line:?}"
        );
        let version = firsts(Part::Builds, "1.26.1");
        assert!(
            version.iter().all(|tag| tag.starts_with("1.26.1")),
            "{version:?}"
        );
        assert_eq!(firsts(Part::Builds, "1.26.1-solo"), ["1.26.1-solo"]);
        assert!(
            firsts(Part::Releases, "1.29")
                .iter()
                .all(|line| line == "1.29")
        );
        assert!(firsts(Part::KnownIssues, "1.29.8").contains(&"security-2026-007".to_owned()));
        assert!(!firsts(Part::KnownIssues, "1.29.9").contains(&"security-2026-007".to_owned()));
        assert!(firsts(Part::Builds, "1.99").is_empty());
        // OpenShift is not about Istio, so nothing is left out.
        let all = Matrix::builtin().table(Part::OpenShift, None).rows.len();
        assert_eq!(firsts(Part::OpenShift, "1.29").len(), all);
    }

    #[test]
    fn an_unknown_part_names_those_there_are() {
        let error = "build".parse::<Part>().unwrap_err().to_string();
        assert!(error.contains("builds, missing"), "{error}");
    }
}
