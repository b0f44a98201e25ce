//! Checks that the istioctl to run has no known issue of its own.

use super::answer::finding;
use super::{Before, Check, Outcome, Run};
use crate::report::Subject;
use istio_builds::ClientVersion;

pub(super) const CHECK: Check = Check {
    id: "istioctl-issues",
    title: "istioctl has no known issue",
    category: "istioctl",
    run: Run::Before(run),
    page: include_str!("istioctl_issues.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.istioctl.judge(|istioctl| {
        if let ClientVersion::Unknown { text, .. } = &istioctl.version {
            return Outcome::Unknown(format!(
                "istioctl calls its version `{text}`, so its known issues cannot be looked up"
            ));
        }
        let place = istioctl.path.display().to_string();
        let issues = before.matrix.client_issues(&istioctl.version).into_iter();
        let findings = issues.filter_map(|issue| {
            let (message, fixed) = (
                issue.judgement.found.clone(),
                issue.judgement.wanted.clone(),
            );
            let finding = finding(message, issue.judgement)?;
            Some(
                finding
                    .subject(Subject::named("Known issue", issue.issue))
                    .found(format!("{} at {place}", istioctl.version))
                    .fix(format!("use {fixed}")),
            )
        });
        Outcome::of(
            findings.collect(),
            format!("none is known of {}", istioctl.version),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::{Istioctl, Observed};

    const DATA: &str = "
client-issues:
  - source: https://example.com/issues
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {issue: unquoted, istioctl: 1.24..<1.29.9, commands: [manifest translate], text: writes values unquoted, fixed: 1.29.9}
";

    #[test]
    fn version_of_the_client_decides_and_not_the_planned_build() {
        for (client, words) in [
            (
                "1.29.8",
                Some("`istioctl manifest translate` of 1.29.8 writes"),
            ),
            ("1.29.8-solo", Some("writes values unquoted")),
            ("1.29.9", None),
        ] {
            let mut given = Given::tag("1.29.9-solo").data(DATA);
            given.facts.istioctl = Observed::Known(Istioctl {
                path: "/bin/istioctl".into(),
                version: ClientVersion::read(client),
            });
            let outcome = given.run(run);
            match words {
                Some(words) => assert!(found(&outcome, words), "{client}: {outcome:?}"),
                None => assert!(passed(&outcome), "{client}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn client_without_a_version_is_unknown() {
        let mut given = Given::tag("1.29.9-solo").data(DATA);
        given.facts.istioctl = Observed::Known(Istioctl {
            path: "/bin/istioctl".into(),
            version: ClientVersion::read("unknown"),
        });
        assert!(matches!(given.run(run), Outcome::Unknown(_)));
    }
}
