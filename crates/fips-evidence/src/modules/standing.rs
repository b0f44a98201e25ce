//! What is known about a certificate on a given day.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Certificate, Limitation, Rule};
use dated_data::{Source, SourceQuality};

/// Where NIST publishes the certificates.
const CMVP: &str = "https://csrc.nist.gov/projects/cryptographic-module-validation-program";

/// Where NIST publishes the security policies of the modules.
const SECURITY_POLICIES: &str = "https://csrc.nist.gov/CSRC/media/projects/cryptographic-module-validation-program/documents/security-policies";

/// The version of the standard that a certificate refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standard {
    #[serde(rename = "140-2")]
    Fips140_2,
    #[serde(rename = "140-3")]
    Fips140_3,
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fips140_2 => "FIPS 140-2",
            Self::Fips140_3 => "FIPS 140-3",
        })
    }
}

/// A status according to the validation programme or the maintainers of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Active,
    /// Active, before the full review is complete.
    Interim,
    Historical,
    Revoked,
    /// Submitted, but not validated yet.
    Pending,
    /// A development line that its maintainers declare to be an update stream of a validated module.
    UpdateStream,
}

impl Status {
    /// Checks whether a certificate with this status is on the active list.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active | Self::Interim)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Interim => "active (interim validation)",
            Self::Historical => "historical",
            Self::Revoked => "revoked",
            Self::Pending => "pending review",
            Self::UpdateStream => "update stream",
        })
    }
}

/// The status of a certificate or a module according to one source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    pub status: Status,
    /// First day of the status. If it is not known, [`Statement::seen`] counts as the first day.
    #[serde(default)]
    pub from: Option<Date>,
    /// End of the status according to the source.
    #[serde(default)]
    pub until: Option<Date>,
    /// When the source was last seen with this statement.
    pub seen: Date,
    /// Stage of a pending module in the CMVP's list, such as `Comment Resolution - Lab`.
    #[serde(default)]
    pub stage: Option<String>,
    #[serde(default)]
    pub note: String,
    pub source: Source,
    pub evidence: SourceQuality,
}

impl Statement {
    /// Returns the first day that the statement applies to.
    pub(super) fn starts(&self) -> Date {
        self.from.unwrap_or(self.seen)
    }
}

/// The state of a module on one day, and how it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Number of the certificate in the CMVP's list.
    pub certificate: Option<u32>,
    pub standard: Option<Standard>,
    pub level: Option<u8>,
    pub vendor: Option<String>,
    /// CAVP numbers.
    pub algorithms: Vec<String>,
    /// Operational environments that the module was tested on, as far as a source lists them.
    pub environments: Vec<String>,
    /// What the validation does not cover.
    pub limitations: Vec<Limitation>,
    pub status: Status,
    /// Stage of a pending module in the CMVP's list.
    pub stage: Option<String>,
    /// The day of the judgement.
    pub at: Date,
    /// First day of the status, if it is known.
    pub from: Option<Date>,
    /// End of the status according to the source.
    pub until: Option<Date>,
    /// When the source was last seen with this status; absent if the status follows from a rule.
    pub seen: Option<Date>,
    pub source: Source,
    pub evidence: SourceQuality,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Standing {
    /// Checks whether there is a certificate that is on the active list, for any version of the standard.
    pub fn is_active(&self) -> bool {
        self.certificate.is_some() && self.status.is_active()
    }

    /// Checks whether the status is confirmed for the day: the source was seen on that day or later, or a rule
    /// decides.
    pub fn is_confirmed(&self) -> bool {
        self.seen.is_none_or(|seen| self.at <= seen)
    }

    /// Returns the number of days from when the source was last seen to the day of the judgement; 0 if it was seen
    /// on that day or later.
    ///
    /// Returns `None` if a rule decides, which does not have to be seen again.
    pub fn age(&self) -> Option<u32> {
        let days = (self.at - self.seen?).get_days();
        Some(u32::try_from(days).unwrap_or(0))
    }

    /// Returns the URL of NIST's page for the certificate.
    pub fn page(&self) -> Option<String> {
        let number = self.certificate?;
        Some(format!("{CMVP}/certificate/{number}"))
    }

    /// Returns the URL of the security policy at NIST, which lists the operational environments.
    pub fn security_policy(&self) -> Option<String> {
        let number = self.certificate?;
        Some(format!("{SECURITY_POLICIES}/140sp{number}.pdf"))
    }

    /// Returns the state on the day `at` according to `statement`. The validation programme moves a module to its
    /// historical list on the sunset date itself.
    pub(super) fn of(
        certificate: Option<&Certificate>,
        statement: &Statement,
        at: Date,
    ) -> Standing {
        let ended = statement
            .until
            .filter(|end| *end <= at && statement.status.is_active());
        Standing {
            certificate: certificate.map(|one| one.number),
            standard: certificate.map(|one| one.standard),
            level: certificate.and_then(|one| one.level),
            vendor: None,
            algorithms: Vec::new(),
            environments: certificate
                .and_then(|one| one.environments.as_ref())
                .map(|one| one.tested.clone())
                .unwrap_or_default(),
            limitations: Vec::new(),
            stage: statement.stage.clone().filter(|_| ended.is_none()),
            status: ended.map_or(statement.status, |_| Status::Historical),
            at,
            from: ended.or(statement.from),
            until: statement.until.filter(|_| ended.is_none()),
            seen: Some(statement.seen),
            source: statement.source.clone(),
            evidence: statement.evidence,
            note: ended.map_or_else(
                || statement.note.clone(),
                |end| format!("moved to the historical list on its sunset date {end}"),
            ),
        }
    }

    /// Applies a rule for the standard of the certificate.
    ///
    /// A revoked certificate keeps its state, and so does one that was already seen in the state of the rule.
    pub(super) fn under(self, rule: &Rule) -> Standing {
        if self.status == Status::Revoked || self.status == rule.status {
            return self;
        }
        Standing {
            status: rule.status,
            from: Some(rule.from),
            until: None,
            seen: None,
            source: rule.source.clone(),
            evidence: rule.evidence,
            note: rule.note.clone(),
            ..self
        }
    }
}

/// Formats as `certificate #4735 (FIPS 140-3 level 1): active on 2026-11-23, since 2024-07-23, sunset 2029-07-22,
/// last seen so on 2026-04-14 (second-hand)`.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.certificate {
            write!(f, "certificate #{number}")?;
            if let Some(standard) = self.standard {
                write!(f, " ({standard}")?;
                self.level
                    .map_or(Ok(()), |level| write!(f, " level {level}"))?;
                f.write_str(")")?;
            }
        } else {
            f.write_str("no certificate")?;
        }
        write!(f, ": {}", self.status)?;
        if let Some(stage) = &self.stage {
            write!(f, " ({stage})")?;
        }
        write!(f, " on {}", self.at)?;
        self.from
            .map_or(Ok(()), |from| write!(f, ", since {from}"))?;
        self.until
            .map_or(Ok(()), |until| write!(f, ", sunset {until}"))?;
        if let Some(seen) = self.seen.filter(|_| !self.is_confirmed()) {
            write!(f, ", last seen so on {seen}")?;
        }
        write!(f, " ({})", self.evidence.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_historical_from_its_sunset_date_on() {
        let text = "{status: active, from: 2024-07-23, until: 2029-07-22, seen: 2029-12-31, note: fine, source: here, evidence: docs}";
        let statement: Statement = serde_yaml::from_str(text).unwrap();
        let moved = "moved to the historical list on its sunset date 2029-07-22";
        // day, active, text, note
        for (day, active, said, note) in [
            (
                "2029-07-21",
                true,
                "active on 2029-07-21, since 2024-07-23, sunset 2029-07-22",
                "fine",
            ),
            (
                "2029-07-22",
                false,
                "historical on 2029-07-22, since 2029-07-22",
                moved,
            ),
            (
                "2029-07-23",
                false,
                "historical on 2029-07-23, since 2029-07-22",
                moved,
            ),
        ] {
            let standing = Standing::of(None, &statement, day.parse().unwrap());
            assert_eq!(standing.status.is_active(), active, "{day}");
            assert_eq!(
                standing.to_string(),
                format!("no certificate: {said} (docs)")
            );
            assert_eq!(standing.note, note, "{day}");
        }
    }
}
