//! What is known of a certificate on a day.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Certificate, Limitation, Rule};
use crate::istio::{Source, SourceQuality};

/// Where NIST publishes the certificates.
const CMVP: &str = "https://csrc.nist.gov/projects/cryptographic-module-validation-program";

/// Where NIST publishes the security policies of the modules.
const SECURITY_POLICIES: &str = "https://csrc.nist.gov/CSRC/media/projects/cryptographic-module-validation-program/documents/security-policies";

/// A version of the standard that a certificate is of.
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

/// What the validation programme, or whoever maintains the module, says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Active,
    /// Active, before the full review has ended.
    Interim,
    Historical,
    Revoked,
    /// Handed in, not validated yet.
    Pending,
    /// A line of development that its maintainers declare an update stream of a validated module.
    UpdateStream,
}

impl Status {
    /// Whether a certificate with this status is on the active list.
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

/// What somebody said of a certificate or a module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    pub status: Status,
    /// Since when; where that is not known, [`Statement::seen`] is the first day that is.
    #[serde(default)]
    pub from: Option<Date>,
    /// The end that the source names.
    #[serde(default)]
    pub until: Option<Date>,
    /// When the source last said so.
    pub seen: Date,
    /// Where a pending module stands in the CMVP's list: `Comment Resolution - Lab`.
    #[serde(default)]
    pub stage: Option<String>,
    #[serde(default)]
    pub note: String,
    pub source: Source,
    pub evidence: SourceQuality,
}

impl Statement {
    /// The first day for which it speaks.
    pub(super) fn starts(&self) -> Date {
        self.from.unwrap_or(self.seen)
    }
}

/// The state of a module on one day, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Number in the list of the CMVP.
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
    /// Where a pending module stands in the CMVP's list.
    pub stage: Option<String>,
    /// The day that is judged.
    pub at: Date,
    /// Since when, where that is known.
    pub from: Option<Date>,
    /// The end that the source names.
    pub until: Option<Date>,
    /// When the source last said so; a rule needs no such day.
    pub seen: Option<Date>,
    pub source: Source,
    pub evidence: SourceQuality,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Standing {
    /// A certificate on the active list, whatever its standard.
    pub fn is_active(&self) -> bool {
        self.certificate.is_some() && self.status.is_active()
    }

    /// False where nobody was seen to say so on the day or after it.
    pub fn is_confirmed(&self) -> bool {
        self.seen.is_none_or(|seen| self.at <= seen)
    }

    /// Days from the last sighting to the day that is judged; 0 where the sighting is not older.
    ///
    /// `None` where a rule decides, which needs no sighting.
    pub fn age(&self) -> Option<u32> {
        let days = (self.at - self.seen?).get_days();
        Some(u32::try_from(days).unwrap_or(0))
    }

    /// NIST's own page of the certificate.
    pub fn page(&self) -> Option<String> {
        let number = self.certificate?;
        Some(format!("{CMVP}/certificate/{number}"))
    }

    /// NIST's copy of the security policy, which lists the operational environments.
    pub fn security_policy(&self) -> Option<String> {
        let number = self.certificate?;
        Some(format!("{SECURITY_POLICIES}/140sp{number}.pdf"))
    }

    /// What `statement` says of the day `at`. The programme moves a module to its historical list on the
    /// sunset date itself.
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

    /// The same certificate under a rule for its standard.
    ///
    /// A certificate that was seen in the state of the rule keeps what was seen.
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

/// `certificate #4735 (FIPS 140-3 level 1): active on 2026-11-23, since 2024-07-23, sunset 2029-07-22,
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
        // day, active, how it is said, why
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
