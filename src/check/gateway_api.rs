//! Checks that the planned Istio supports the version of the Gateway API CRDs.

use super::answer::answer;
use super::{Before, Check, Outcome, Run};
use istio_builds::{KubeVersion, Level};

pub(super) const CHECK: Check = Check {
    id: "gateway-api",
    title: "the installed Gateway API is compatible with this Istio",
    category: "kubernetes",
    run: Run::Before(run),
    page: include_str!("gateway_api.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.gateway_api.judge(|version| {
        let Some(version) = version else {
            return Outcome::NotApplicable("the Gateway API is not installed".to_owned());
        };
        // Versions of the Gateway API have the same form as those of Kubernetes.
        let Ok(installed) = version.parse::<KubeVersion>() else {
            return Outcome::Unknown(format!("`{version}` is not a version of the Gateway API"));
        };
        let tag = &before.plan.tag;
        let judgement = before.matrix.gateway_api(
            tag.minor(),
            tag.flavor.distribution,
            Some(installed.minor()),
        );
        if judgement.level == Level::NoData {
            return Outcome::NotApplicable("no page limits it for this Istio".to_owned());
        }
        answer(judgement, |finding| {
            finding
                .found(version)
                .fix("install the definitions of a version that fits, before the mesh")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Observed;

    const DATA: &str = "
gateway-api:
  - source: https://example.com/gateway-api
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {istio: 1.30.., gateway-api: 1.5.., text: needed}
";

    #[test]
    fn only_a_version_that_a_page_excludes_is_found() {
        for (tag, version, words) in [
            ("1.30.0", Some("v1.5.1"), Some("")),
            ("1.30.0", Some("v1.4.0"), Some("Gateway API 1.4")),
            ("1.20.0", Some("v1.0.0"), None),
            ("1.30.0", None, None),
        ] {
            let mut given = Given::tag(tag).data(DATA);
            given.facts.gateway_api = Observed::Known(version.map(str::to_owned));
            let outcome = given.run(run);
            let right = match words {
                None => matches!(outcome, Outcome::NotApplicable(_)),
                Some("") => passed(&outcome),
                Some(words) => found(&outcome, words),
            };
            assert!(right, "{tag} {version:?}: {outcome:?}");
        }
    }
}
