//! The parts of the matrix as tables, ready to print or to serialise.

use std::str::FromStr;

use serde::Serialize;

use super::{Matrix, Page, Row};

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

/// A name that is no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no part of the matrix: {known}")]
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

    /// The name on the command line, which is that of the section in the data.
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

/// Rows with their columns; the last three columns are source, evidence and era of each claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    pub title: &'static str,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Matrix {
    /// One part as a table, every claim a row, in the order of the data.
    pub fn table(&self, part: Part) -> Table {
        let title = part.title();
        match part {
            Part::Builds => table(title, &self.builds),
            Part::Missing => table(title, &self.missing),
            Part::Varieties => table(title, &self.varieties),
            Part::Default => table(title, &self.defaults),
            Part::Hubs => table(title, &self.hubs),
            Part::Retirements => table(title, &self.retirements),
            Part::RepoKey => table(title, &self.keys),
            Part::GlooMesh => table(title, &self.gloo_mesh),
            Part::Kubernetes => table(title, &self.kubernetes),
            Part::GatewayApi => table(title, &self.gateway_api),
            Part::Releases => table(title, &self.releases),
            Part::Support => table(title, &self.support),
            Part::OpenShift => table(title, &self.openshift),
            Part::Features => table(title, &self.features),
            Part::LicenceVariables => table(title, &self.licence_variables),
            Part::KnownIssues => table(title, &self.issues),
            Part::ClientIssues => table(title, &self.client_issues),
            Part::Capabilities => table(title, &self.capabilities),
            Part::Definitions => table(title, &self.definitions),
            Part::Profiles => table(title, &self.profiles),
            Part::ValuesProfiles => table(title, &self.values_profiles),
            Part::Platforms => table(title, &self.platforms),
            Part::CompatibilityVersions => table(title, &self.compatibility_versions),
            Part::Placeholders => table(title, &self.placeholders),
        }
    }
}

fn table<R: Row>(title: &'static str, pages: &[Page<R>]) -> Table {
    let columns = R::COLUMNS
        .iter()
        .copied()
        .chain(["source", "evidence", "era"])
        .collect();
    let rows = pages.iter().flat_map(|page| {
        page.rows.iter().map(|row| {
            let about = [
                page.source.to_string(),
                page.evidence.name().into(),
                page.page.era.clone(),
            ];
            row.cells().into_iter().chain(about).collect()
        })
    });
    Table {
        title,
        columns,
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_a_full_table_with_a_source_in_every_row() {
        for part in Part::ALL {
            let table = Matrix::builtin().table(*part);
            assert!(!table.rows.is_empty(), "{}", part.name());
            for row in &table.rows {
                assert_eq!(row.len(), table.columns.len(), "{}", part.name());
                assert!(!row[row.len() - 3].is_empty(), "{row:?}");
            }
            assert_eq!(part.name().parse(), Ok(*part));
        }
    }

    #[test]
    fn an_unknown_part_names_those_there_are() {
        let error = "build".parse::<Part>().unwrap_err().to_string();
        assert!(error.contains("builds, missing"), "{error}");
    }
}
