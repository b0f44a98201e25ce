//! Checks that the istioctl to run is of the planned minor.

use super::{Before, Check, Outcome, Run};
use crate::facts::Istioctl;
use crate::report::{Finding, Subject};
use istio_builds::ClientVersion;

pub(super) const CHECK: Check = Check {
    id: "istioctl-version",
    title: "istioctl is available and of the planned minor",
    category: "istioctl",
    run: Run::Before(run),
    page: include_str!("istioctl_version.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before
        .facts
        .istioctl
        .judge(|istioctl| judge(before, istioctl))
}

fn judge(before: &Before<'_>, istioctl: &Istioctl) -> Outcome {
    let planned = before.plan.tag.minor();
    let place = istioctl.path.display().to_string();
    match istioctl.version.minor() {
        Some(minor) if minor == planned => {
            Outcome::Passed(format!("{} at {place}", istioctl.version))
        }
        Some(minor) => {
            let by = &before.plan.tag_chosen_by;
            let change = by.change(
                "tag",
                format!("a build of {minor}"),
                &format!("--istio {minor}"),
            );
            let other = Finding::error("other-minor", format!("istioctl is of {minor}, planned is {planned}"))
                .subject(Subject::named("Program", &place))
                .found(istioctl.version.to_string())
                .expected(format!("{planned}, any patch release"))
                .why("charts and installer are part of istioctl: another minor installs other objects than this build needs")
                .fix(format!("name an istioctl of {planned} by --istioctl PATH, or {change}"));
            Outcome::Found(vec![other])
        }
        None => {
            let unknown = Finding::error(
                "version-unknown",
                "istioctl does not say which version it is",
            )
            .subject(Subject::named("Program", &place))
            .found(said(&istioctl.version))
            .expected(format!("{planned}, any patch release"))
            .why("it was built without its version stamp, so nothing proves that it fits")
            .fix("take a released istioctl, or lower this by --severity istioctl-version=warning");
            Outcome::Found(vec![unknown])
        }
    }
}

fn said(version: &ClientVersion) -> String {
    format!("it says `{version}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Observed;

    #[test]
    fn the_minor_decides() {
        for (client, words) in [
            ("1.31.0", ""),
            ("1.31.4", ""),
            ("1.31.0-solo", ""),
            ("1.30.0", "istioctl is of 1.30"),
            ("unknown", "does not say"),
            ("1.31.3-asm.9", ""),
            ("1.30.3-asm.9", "istioctl is of 1.30"),
        ] {
            let mut given = Given::tag("1.31.0-solo-fips");
            given.facts.istioctl = Observed::Known(Istioctl {
                path: "/bin/istioctl".into(),
                version: ClientVersion::read(client),
            });
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{client}: {outcome:?}"
            );
        }
    }

    #[test]
    fn without_an_istioctl_the_reason_is_kept() {
        let mut given = Given::tag("1.31.0");
        given.facts.istioctl = Observed::Unknown("no istioctl on PATH".to_owned());
        assert_eq!(
            given.run(run),
            Outcome::Unknown("no istioctl on PATH".to_owned())
        );
    }
}
