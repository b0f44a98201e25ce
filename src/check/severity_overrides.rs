//! The user's overrides: severities, and checks that are skipped with a reason.

use std::collections::BTreeMap;

use super::{CHECKS, Check, Outcome};
use crate::report::{CheckResult, Finding, Severity, Status};

/// The user's overrides of severities and skipped checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeverityOverrides {
    /// `--severity ID=LEVEL`: every finding of the check gets this severity.
    levels: BTreeMap<&'static str, Severity>,
    /// `--skip ID=REASON`.
    skips: BTreeMap<&'static str, String>,
    /// `--strict`: warnings become errors, except for checks with a level of their own.
    strict: bool,
}

/// Why a `--severity` or `--skip` is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    #[error("`{flag} {text}` has no `=`: write `{flag} ID={right}`")]
    Form {
        flag: &'static str,
        text: String,
        right: &'static str,
    },
    #[error("there is no check `{id}`{}; `glooistio explain` lists them all", near(.nearest))]
    Id {
        id: String,
        nearest: Vec<&'static str>,
    },
    #[error("`{level}` is not a severity: write info, warning or error")]
    Level { level: String },
    #[error("`--skip {id}=` has no reason: write the reason, which the report shows")]
    Reason { id: &'static str },
}

fn near(nearest: &[&str]) -> String {
    match nearest {
        [] => String::new(),
        names => format!(", did you mean `{}`", names.join("` or `")),
    }
}

impl SeverityOverrides {
    /// Parses the flags, `ID=LEVEL` and `ID=REASON`; if an id occurs twice, the last one counts.
    pub fn parse(
        levels: &[String],
        skips: &[String],
        strict: bool,
    ) -> Result<SeverityOverrides, OverrideError> {
        let mut policy = SeverityOverrides {
            strict,
            ..SeverityOverrides::default()
        };
        for text in levels {
            let (id, level) = split("--severity", text, "LEVEL")?;
            policy.levels.insert(known(id)?, severity(level)?);
        }
        for text in skips {
            let (id, reason) = split("--skip", text, "REASON")?;
            let id = known(id)?;
            if reason.is_empty() {
                return Err(OverrideError::Reason { id });
            }
            policy.skips.insert(id, reason.to_owned());
        }
        Ok(policy)
    }

    /// Returns why the check is skipped, if it is.
    pub(super) fn skipped(&self, check: &Check) -> Option<&str> {
        self.skips.get(check.id).map(String::as_str)
    }

    /// Converts an outcome to the result of a check: the only place where severities are changed.
    pub(super) fn to_check_result(&self, check: &Check, outcome: Outcome) -> CheckResult {
        let mut result = check.result();
        match outcome {
            Outcome::Passed(detail) => (result.status, result.detail) = (Status::Passed, detail),
            Outcome::NotApplicable(detail) => {
                (result.status, result.detail) = (Status::NotApplicable, detail);
            }
            Outcome::NotChecked(detail) => {
                (result.status, result.detail) = (Status::NotChecked, detail);
            }
            Outcome::Unknown(detail) => {
                (result.status, result.detail) = (Status::Unknown, detail);
                result.severity = Some(self.weight(check, Severity::Error));
            }
            Outcome::Found(findings) => {
                result.findings = findings
                    .into_iter()
                    .map(|finding| self.weigh(check, finding))
                    .collect();
                result.severity = result.findings.iter().map(|finding| finding.severity).max();
                result.status = match result.severity {
                    Some(Severity::Error) => Status::Failed,
                    Some(Severity::Warning) => Status::Warned,
                    Some(Severity::Info) | None => Status::Passed,
                };
            }
        }
        result
    }

    fn weigh(&self, check: &Check, finding: Finding) -> Finding {
        Finding {
            severity: self.weight(check, finding.severity),
            ..finding
        }
    }

    fn weight(&self, check: &Check, severity: Severity) -> Severity {
        match self.levels.get(check.id) {
            Some(level) => *level,
            None if self.strict && severity == Severity::Warning => Severity::Error,
            None => severity,
        }
    }
}

fn split<'a>(
    flag: &'static str,
    text: &'a str,
    right: &'static str,
) -> Result<(&'a str, &'a str), OverrideError> {
    let (id, value) = text.split_once('=').ok_or_else(|| OverrideError::Form {
        flag,
        text: text.to_owned(),
        right,
    })?;
    Ok((id.trim(), value.trim()))
}

fn severity(level: &str) -> Result<Severity, OverrideError> {
    match level {
        "info" => Ok(Severity::Info),
        "warning" => Ok(Severity::Warning),
        "error" => Ok(Severity::Error),
        _ => Err(OverrideError::Level {
            level: level.to_owned(),
        }),
    }
}

/// Returns the check's own spelling of its id; underscores are accepted as dashes.
fn known(id: &str) -> Result<&'static str, OverrideError> {
    find(id)
        .map(|check| check.id)
        .map_err(|nearest| OverrideError::Id {
            id: id.to_owned(),
            nearest,
        })
}

/// Returns the check with that id, or the most similar ids.
pub fn find(id: &str) -> Result<&'static Check, Vec<&'static str>> {
    let id = id.to_ascii_lowercase().replace('_', "-");
    CHECKS
        .iter()
        .find(|check| check.id == id)
        .ok_or_else(|| nearest(&id))
}

fn nearest(id: &str) -> Vec<&'static str> {
    /// Names with a greater distance are not similar.
    const FAR: usize = 3;
    let mut near: Vec<(usize, &'static str)> = CHECKS
        .iter()
        .map(|check| {
            let part = id.len() > FAR && (check.id.contains(id) || id.contains(check.id));
            (if part { 0 } else { distance(id, check.id) }, check.id)
        })
        .filter(|(distance, _)| *distance <= FAR)
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, id)| id).take(3).collect()
}

/// Returns the Levenshtein distance.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, l) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, r) in right.bytes().enumerate() {
            let swap = diagonal + usize::from(l != r);
            diagonal = row[column + 1];
            row[column + 1] = swap.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use Severity::{Error, Info, Warning};

    fn policy(
        levels: &[&str],
        skips: &[&str],
        strict: bool,
    ) -> Result<SeverityOverrides, OverrideError> {
        let owned = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        SeverityOverrides::parse(&owned(levels), &owned(skips), strict)
    }

    fn settled(policy: &SeverityOverrides, outcome: Outcome) -> (Status, Option<Severity>) {
        let result = policy.to_check_result(find("hub").unwrap(), outcome);
        (result.status, result.severity)
    }

    #[test]
    fn what_was_found_decides_the_status_and_the_flags_decide_its_weight() {
        let found = |severity| Outcome::Found(vec![Finding::new("x", severity, "x")]);
        let unknown = || Outcome::Unknown("forbidden".to_owned());
        for (levels, strict, outcome, status, severity) in [
            (&[][..], false, found(Info), Status::Passed, Some(Info)),
            (&[], false, found(Warning), Status::Warned, Some(Warning)),
            (&[], true, found(Warning), Status::Failed, Some(Error)),
            (&[], true, found(Info), Status::Passed, Some(Info)),
            (
                &["hub=warning"],
                false,
                found(Error),
                Status::Warned,
                Some(Warning),
            ),
            (
                &["hub=warning"],
                true,
                found(Error),
                Status::Warned,
                Some(Warning),
            ),
            (
                &["hub=error"],
                false,
                found(Info),
                Status::Failed,
                Some(Error),
            ),
            (
                &["nodes=info"],
                false,
                found(Error),
                Status::Failed,
                Some(Error),
            ),
            (&[], false, unknown(), Status::Unknown, Some(Error)),
            (&["hub=info"], false, unknown(), Status::Unknown, Some(Info)),
            (
                &[],
                true,
                Outcome::Passed("seen".into()),
                Status::Passed,
                None,
            ),
            (
                &["hub=error"],
                true,
                Outcome::NotChecked("no cluster".into()),
                Status::NotChecked,
                None,
            ),
        ] {
            let policy = policy(levels, &[], strict).unwrap();
            assert_eq!(
                settled(&policy, outcome),
                (status, severity),
                "{levels:?} {strict}"
            );
        }
    }

    #[test]
    fn refusals_name_what_works() {
        for (levels, skips, words) in [
            (&["hub"][..], &[][..], "--severity ID=LEVEL"),
            (&["hub=bad"], &[], "info, warning or error"),
            (&["hubb=error"], &[], "did you mean `hub`"),
            (&["kubernetes=error"], &[], "`kubernetes-range`"),
            (&[], &["hub="], "has no reason"),
            (&[], &["zzzzzzzz=x"], "explain"),
        ] {
            let refusal = policy(levels, skips, false).unwrap_err().to_string();
            assert!(refusal.contains(words), "{refusal}");
        }
    }

    #[test]
    fn underscores_and_capitals_pass_in_an_id() {
        assert_eq!(find("Kubernetes_Range").unwrap().id, "kubernetes-range");
    }
}
