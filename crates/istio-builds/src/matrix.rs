//! What is known about builds, hubs and versions: dated claims with their sources, and the questions that they answer.
//! Pages contradict each other, so every claim is kept; see `claim::judge`.

mod builds;
mod capabilities;
mod cells;
mod claim;
mod client_issues;
mod complete;
mod definitions;
mod features;
mod gloo_mesh;
mod hub_choice;
mod hubs;
mod issues;
mod known;
mod kubernetes;
mod licence;
mod openshift;
mod overview;
mod placeholders;
mod profiles;
mod releases;
mod retirement;
mod show;

use std::sync::LazyLock;

use dated_data::{DataDate, DataError, parse};
use jiff::civil::Date;
use serde::Deserialize;

pub use builds::{Build, DefaultBuild, MissingBuild, Variety, VarietyRow};
pub use capabilities::CapabilityRow;
pub use cells::{Bound, CellError, Minors, Span, Spans, When};
pub use claim::{Era, Judgement, Level, Page, Quote, Row};
pub use client_issues::{ClientIssue, ClientIssueFinding};
pub use complete::{Completed, CompletionError, Wanted};
pub use definitions::DefinitionRow;
pub use features::{Feature, FeatureFinding, UnknownFeature};
pub use gloo_mesh::{GlooMesh, Refused, Runs};
pub use hub_choice::{HubChoice, HubJudgement, HubOption, NoHub};
pub use hubs::{HubKind, HubPattern, HubRow, KeyShape};
pub use issues::{Concern, Issue, IssueFinding, Setting};
pub use known::Known;
pub use kubernetes::{GatewayApi, KubernetesRange};
pub use licence::LicenceVariable;
pub use openshift::OpenShift;
pub use placeholders::{Meaning, PlaceholderRow};
pub use profiles::{
    CompatibilityRow, Component, Installer, PlatformRow, Profile, ProfileRow, ValuesProfileRow,
};
pub use releases::{Release, SupportWindow};
pub use retirement::{HubRetirement, Retirement, RetirementPhase};
pub use show::{Part, Table, UnknownPart};

use claim::{claims, doubled, replace};

/// The data that is part of the program, `[[file name, file], …]` as `build.rs` wrote it: the same files in JSON,
/// because parsing YAML would take longer than everything else in `render`.
const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/data.json"));

macro_rules! sections {
    ($($(#[$doc:meta])+ $field:ident / $name:literal: $row:ty,)+) => {
        /// One data file: a date, and any of the sections.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            date: Date,
            $(#[serde(rename = $name, default)] $field: Vec<Page<$row>>,)+
        }

        /// Everything that is known, as claims; its methods are the queries.
        #[derive(Debug, Clone, Default)]
        pub struct Matrix {
            dates: Vec<DataDate>,
            $($(#[$doc])+ $field: Vec<Page<$row>>,)+
        }

        impl Matrix {
            fn extend(&mut self, file: File) {
                $(self.$field.extend(file.$field);)+
            }

            /// Replaces all claims that have the same keys as claims of the file.
            fn replace(&mut self, file: File) {
                $(replace(&mut self.$field, file.$field);)+
            }
        }

        impl File {
            fn doubled(&self) -> Option<(&'static str, String, String)> {
                None$(.or_else(|| doubled(&self.$field).map(|(key, page)| ($name, key, page))))+
            }
        }
    };
}

sections! {
    /// Tags that were seen.
    builds / "builds": Build,
    /// Builds that are known not to exist.
    missing / "missing": MissingBuild,
    /// Which varieties are documented for which versions.
    varieties / "varieties": VarietyRow,
    /// The version that is used if the user names none.
    defaults / "default": DefaultBuild,
    /// Hubs and the builds in them.
    hubs / "hubs": HubRow,
    /// Hubs that are switched off and removed.
    retirements / "retirements": Retirement,
    /// The form of repo keys, and who issues them.
    keys / "repo-key": KeyShape,
    /// Gloo Mesh × Istio × Kubernetes.
    gloo_mesh / "gloo-mesh": GlooMesh,
    /// Istio × Kubernetes.
    kubernetes / "kubernetes": KubernetesRange,
    /// Istio × Gateway API.
    gateway_api / "gateway-api": GatewayApi,
    /// When Istio's lines were released, and when their support ends.
    releases / "releases": Release,
    /// For how many lines the vendor provides patches.
    support / "support": SupportWindow,
    /// OpenShift → Kubernetes.
    openshift / "openshift": OpenShift,
    /// What a feature needs.
    features / "features": Feature,
    /// The environment variables with which people give istiod its licence key.
    licence_variables / "licence-variables": LicenceVariable,
    /// Known issues.
    issues / "known-issues": Issue,
    /// Known issues of istioctl itself.
    client_issues / "client-issues": ClientIssue,
    /// Which versions have a capability.
    capabilities / "capabilities": CapabilityRow,
    /// Which custom resource definitions a version installs.
    definitions / "definitions": DefinitionRow,
    /// What istioctl's profiles turn on.
    profiles / "profiles": ProfileRow,
    /// Accepted values of `values.profile`.
    values_profiles / "values-profiles": ValuesProfileRow,
    /// Accepted values of `values.global.platform`.
    platforms / "platforms": PlatformRow,
    /// Accepted values of `compatibilityVersion`.
    compatibility_versions / "compatibility-versions": CompatibilityRow,
    /// Variables of sample documents.
    placeholders / "placeholders": PlaceholderRow,
}

static BUILTIN_MATRIX: LazyLock<Matrix> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "embedded data; a test reads every file of it"
    )]
    let files: Vec<(String, File)> = serde_json::from_str(BUILTIN).expect("valid embedded data");
    let mut matrix = Matrix::default();
    for (name, file) in files {
        matrix.date(&name, file.date, true);
        matrix.extend(file);
    }
    matrix
});

impl Matrix {
    /// Returns the data that is part of the program; parsed only once.
    pub fn builtin() -> &'static Self {
        &BUILTIN_MATRIX
    }

    /// Returns a matrix of these claims only, so that a test does not depend on the data.
    #[cfg(any(test, feature = "test-support"))]
    pub fn only(text: &str) -> Result<Self, DataError> {
        let mut matrix = Self::default();
        matrix.extend(parse("test.yaml", text)?);
        Ok(matrix)
    }

    /// Returns the built-in data, in which the claims of a user's file replace those with the same keys.
    ///
    /// `name` is the name of the file in errors and reports; it has the form of the built-in files.
    pub fn with_file(name: &str, text: &str) -> Result<Self, DataError> {
        let file: File = parse(name, text)?;
        if let Some((section, key, page)) = file.doubled() {
            return Err(DataError::Doubled {
                name: name.into(),
                section,
                key,
                page,
            });
        }
        let mut matrix = Self::builtin().clone();
        matrix.date(name, file.date, false);
        matrix.replace(file);
        Ok(matrix)
    }

    /// Returns every data file with its date, for reports.
    pub fn data_dates(&self) -> &[DataDate] {
        &self.dates
    }

    /// Returns the date of the newest file, up to which the data is complete.
    pub fn date_of_data(&self) -> Option<Date> {
        self.dates.iter().map(|file| file.date).max()
    }

    fn date(&mut self, file: &str, date: Date, builtin: bool) {
        self.dates.push(DataDate {
            file: file.into(),
            date,
            builtin,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files themselves, so that an error in one of them has its line.
    const FILES: &[(&str, &str)] = &[
        ("builds.yaml", include_str!("../data/builds.yaml")),
        (
            "capabilities.yaml",
            include_str!("../data/capabilities.yaml"),
        ),
        ("features.yaml", include_str!("../data/features.yaml")),
        ("gloo-mesh.yaml", include_str!("../data/gloo-mesh.yaml")),
        ("hubs.yaml", include_str!("../data/hubs.yaml")),
        (
            "istio-kubernetes.yaml",
            include_str!("../data/istio-kubernetes.yaml"),
        ),
        (
            "known-issues.yaml",
            include_str!("../data/known-issues.yaml"),
        ),
        ("openshift.yaml", include_str!("../data/openshift.yaml")),
        (
            "placeholders.yaml",
            include_str!("../data/placeholders.yaml"),
        ),
        ("profiles.yaml", include_str!("../data/profiles.yaml")),
    ];

    #[test]
    fn every_builtin_file_is_read_and_names_nothing_twice() {
        let mut matrix = Matrix::default();
        for (name, text) in FILES {
            let file: File = parse(name, text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(file.doubled(), None, "{name}");
            matrix.date(name, file.date, true);
            matrix.extend(file);
        }
        for part in Part::ALL {
            assert_eq!(
                matrix.table(*part, None),
                Matrix::builtin().table(*part, None),
                "{}",
                part.name()
            );
        }
        assert_eq!(matrix.data_dates(), Matrix::builtin().data_dates());
    }

    #[test]
    fn a_bad_value_names_file_line_and_column() {
        let text = "date: 2026-01-01\nbuilds:\n  - source: mine\n    evidence: docs\n    page: {era: now}\n    order: 1\n    rows:\n      - {tag: 1.31.0-fips-solo}\n";
        let error = Matrix::with_file("mine.yaml", text)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("mine.yaml:8:15: "), "{error}");
        assert!(!error.contains(" at line "), "{error}");
    }

    #[test]
    fn an_error_never_shows_what_the_file_holds() {
        let row = "builds:\n  - {source: x, evidence: docs, page: {era: x}, order: 1, rows: [{tag: '1.31.0-S3CR3T'}]}";
        for text in [
            "root:S3CR3T:/bin/bash\n",
            "\"S3CR3T\\\", expected `S3CR3T\"",
            "date: S3CR3T\n",
            "date: 2026-01-01\nbuilds: S3CR3T\n",
            "date: [S3CR3T, `\n",
            &format!("date: 2026-01-01\n{row}\n"),
            &format!("date: 2026-01-01\n{}\n", row.replace("docs", "S3CR3T")),
        ] {
            let error = Matrix::with_file("mine.yaml", text)
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("mine.yaml:") && !error.contains("S3CR3T"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_no_section_knows_is_refused() {
        let table = [
            ("date: 2026-01-01\nbuild: []\n", "unknown field `build`"),
            ("builds: []\n", "missing field `date`"),
            ("date: soon\n", "mine.yaml:1:7"),
            ("date: 2026-01-01\ndate: 2026-01-02\n", "duplicate"),
            (
                "date: 2026-01-01\nbuilds:\n  - {source: '', evidence: docs, page: {era: x}, order: 1, rows: []}\n",
                "source",
            ),
            (
                "date: 2026-01-01\nbuilds:\n  - {source: x, evidence: rumour, page: {era: x}, order: 1, rows: []}\n",
                "unknown variant …, expected one of `docs`",
            ),
        ];
        for (text, hint) in table {
            let error = Matrix::with_file("mine.yaml", text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn a_users_file_replaces_by_key_and_is_named() {
        let text = "date: 2027-01-01\nopenshift:\n  - source: mine\n    evidence: docs\n    page: {era: now}\n    order: 1\n    rows:\n      - {openshift: 4.8, kubernetes: 1.99}\n";
        let matrix = Matrix::with_file("mine.yaml", text).unwrap();
        let minor = |text: &str| text.parse().unwrap();
        assert_eq!(matrix.openshift(minor("4.8")).unwrap().0, minor("1.99"));
        assert_eq!(matrix.openshift(minor("4.9")).unwrap().0, minor("1.22"));
        let last = matrix.data_dates().last().unwrap();
        assert_eq!((last.file.as_str(), last.builtin), ("mine.yaml", false));
        assert_eq!(matrix.date_of_data(), Some(last.date));
    }

    #[test]
    fn a_key_named_twice_on_one_page_is_refused() {
        let text = "date: 2027-01-01\nopenshift:\n  - source: mine\n    evidence: docs\n    page: {era: now}\n    order: 1\n    rows:\n      - {openshift: 4.8, kubernetes: 1.21}\n      - {openshift: 4.8, kubernetes: 1.22}\n";
        let error = Matrix::with_file("mine.yaml", text)
            .unwrap_err()
            .to_string();
        assert!(error.contains("openshift names `4.8` twice"), "{error}");
    }
}
