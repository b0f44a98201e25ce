//! Known issues of istioctl itself, because the program that is run is judged too.

use serde::Deserialize;

use super::issues::issue_level;
use super::{Judgement, Matrix, Row, Spans, claims};
use crate::client::ClientVersion;
use crate::request::Request;
use crate::tag::Rebuild;

/// A known issue of istioctl.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientIssue {
    /// A short name, for reports.
    pub issue: String,
    pub istioctl: Spans,
    /// The affected commands, such as `manifest translate`.
    pub commands: Vec<String>,
    /// What these commands do wrong.
    pub text: String,
    /// The versions without the issue.
    pub fixed: String,
}

impl Row for ClientIssue {
    const COLUMNS: &'static [&'static str] = &["issue", "istioctl", "commands", "text", "fixed"];

    fn concerns(&self, istio: &Request) -> bool {
        self.istioctl.concerns(istio)
    }

    fn key(&self) -> String {
        self.issue.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.issue.clone(),
            self.istioctl.to_string(),
            self.commands.join(", "),
            self.text.clone(),
            self.fixed.clone(),
        ]
    }

    fn text(&self) -> String {
        format!(
            "{}: istioctl {} {}; fixed: {}",
            self.istioctl,
            self.commands.join(", "),
            self.text,
            self.fixed
        )
    }
}

/// An issue that affects an istioctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIssueFinding {
    pub issue: String,
    pub commands: Vec<String>,
    pub judgement: Judgement,
}

impl Matrix {
    /// Returns the issues of an istioctl: as warnings, or as info if the claim is not first-hand.
    ///
    /// Returns none for a client with a version that could not be interpreted.
    pub fn client_issues(&self, client: &ClientVersion) -> Vec<ClientIssueFinding> {
        let build: Rebuild = match client {
            ClientVersion::Release(version) => version.clone().into(),
            ClientVersion::Solo(tag) => tag.rebuild(),
            ClientVersion::Unknown { .. } => return Vec::new(),
        };
        let found = claims(&self.client_issues, |row| row.istioctl.contains(&build));
        let finding = |claim: super::claim::Claim<'_, ClientIssue>| {
            let row = claim.row;
            let commands = row.commands.join("`, `istioctl ");
            ClientIssueFinding {
                issue: row.issue.clone(),
                commands: row.commands.clone(),
                judgement: Judgement {
                    level: issue_level(claim.page.evidence),
                    found: format!("`istioctl {commands}` of {client} {}", row.text),
                    wanted: format!("istioctl {}", row.fixed),
                    quotes: vec![claim.quote()],
                },
            }
        };
        found.into_iter().map(finding).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn issues(client: &str) -> Vec<(String, Level)> {
        let found = Matrix::builtin().client_issues(&ClientVersion::read(client));
        let named = found.into_iter();
        named
            .map(|finding| (finding.issue, finding.judgement.level))
            .collect()
    }

    #[test]
    fn client_issue_touches_its_versions_and_not_the_fix() {
        use Level::{Info, Warning};
        let table: &[(&str, &str, Option<Level>)] = &[
            ("1.23.6", "translate-shell-injection", None),
            ("1.24.0", "translate-shell-injection", Some(Warning)),
            ("1.29.8", "translate-shell-injection", Some(Warning)),
            ("1.29.9", "translate-shell-injection", None),
            ("1.30.5", "translate-shell-injection", Some(Info)),
            ("1.30.6", "translate-shell-injection", None),
            ("1.31.1", "translate-shell-injection", Some(Info)),
            ("1.31.2", "translate-shell-injection", None),
            ("1.20.0", "xds-certificate-unchecked", Some(Warning)),
            ("1.31.4", "xds-certificate-unchecked", None),
            ("1.30.4", "analyze-exec-plugin", Some(Warning)),
            ("1.30.5", "analyze-exec-plugin", None),
            ("1.31.0", "analyze-exec-plugin", Some(Warning)),
            ("1.31.0-solo", "analyze-exec-plugin", Some(Warning)),
            ("1.31.1", "analyze-exec-plugin", None),
            ("1.12.3", "istioctl-1-12", Some(Info)),
            ("unknown", "analyze-exec-plugin", None),
        ];
        for (client, issue, level) in table {
            let all = issues(client);
            let found = all.iter().find(|(found, _)| found == issue);
            assert_eq!(found.map(|(_, level)| *level), *level, "{client} {issue}");
        }
    }

    #[test]
    fn finding_names_the_commands_and_the_fix() {
        let found = Matrix::builtin().client_issues(&ClientVersion::read("1.29.8"));
        let xds = found
            .iter()
            .find(|finding| finding.issue == "xds-certificate-unchecked")
            .unwrap();
        assert!(
            xds.judgement
                .found
                .starts_with("`istioctl proxy-status`, `istioctl x internal-debug` of 1.29.8 "),
            "{}",
            xds.judgement.found
        );
        assert_eq!(xds.judgement.wanted, "istioctl 1.29.9");
    }
}
