//! Reports gateways of another revision that the install would replace: gateways are not installed per revision.

use super::{Before, Check, Outcome, Run};
use crate::facts::RunningGateway;
use crate::report::{Finding, Severity, Subject};
use istio_builds::ImageRef;

pub(super) const CHECK: Check = Check {
    id: "gateway-takeover",
    title: "no gateway of another revision is taken over",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("gateway_takeover.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.gateways.judge(|running| {
        let namespace = &before.plan.namespace;
        let planned = before
            .documents
            .iter()
            .flat_map(|document| document.gateways(namespace));
        let findings = planned.filter_map(|gateway| {
            let there = running.get(&gateway)?;
            judge(before, &gateway, there)
        });
        Outcome::of(
            findings.collect(),
            "every gateway is new or of this revision",
        )
    })
}

fn judge(
    before: &Before<'_>,
    (namespace, name): &(String, String),
    there: &RunningGateway,
) -> Option<Finding> {
    let planned = before.plan.revision_label();
    if there.revision == planned {
        return None;
    }
    let there_now = there.image.parse::<ImageRef>();
    let was_fips = there_now.is_ok_and(|image| image.is_tagged_fips());
    let consent = before.plan.consent;
    let taken_over = "a gateway of another revision would be taken over";
    let (severity, message) = if was_fips && !before.plan.tag.flavor.is_fips() {
        let severity = if consent.fips_loss {
            Severity::Warning
        } else {
            Severity::Error
        };
        (
            severity,
            "a gateway of another revision would lose its FIPS build",
        )
    } else if consent.gateways {
        (Severity::Info, taken_over)
    } else {
        (Severity::Warning, taken_over)
    };
    let finding = Finding::new("gateway-taken-over", severity, message)
            .subject(Subject::deployment(namespace, name))
            .found(format!("revision {}, {}", there.revision, there.image))
            .expected(format!("revision {planned}, {}", before.plan.tag))
            .why("gateways are not revisioned: installing one of the same name changes the one that serves")
            ;
    Some(if severity == Severity::Info {
        finding
    } else {
        finding.fix("install the revision without gateways: --preset minimal, or `glooistio upgrade -r`, which leaves them out")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Observed;

    fn outcome(revision: &str, image: &str) -> Outcome {
        let mut given = Given::tag("1.31.0-solo").document("a", "profile: default");
        let gateway = ("istio-system".to_owned(), "istio-ingressgateway".to_owned());
        let running = RunningGateway {
            revision: revision.into(),
            image: image.into(),
            pods: 1,
        };
        given.facts.gateways = Observed::Known(BTreeMap::from([(gateway, running)]));
        given.run(run)
    }

    #[test]
    fn a_gateway_of_the_same_revision_is_an_upgrade() {
        assert!(passed(&outcome(
            "default",
            "h.io/s/proxyv2:1.30.0-solo-fips"
        )));
    }

    #[test]
    fn losing_fips_is_an_error_and_any_other_takeover_a_warning() {
        let lost = outcome("old", "h.io/s/proxyv2:1.30.0-solo-fips");
        assert!(found(&lost, "lose its FIPS build"));
        assert!(
            matches!(lost, Outcome::Found(findings) if findings[0].severity == Severity::Error)
        );
        assert!(found(
            &outcome("old", "h.io/s/proxyv2:1.30.0-solo"),
            "taken over"
        ));
    }
}
