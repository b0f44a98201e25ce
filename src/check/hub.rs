//! Checks that the hub can have the planned build.

use super::answer::answer;
use super::{Before, Check, Outcome, Run};
use istio_builds::{HubKind, mask};

pub(super) const CHECK: Check = Check {
    id: "hub",
    title: "the hub publishes this kind of build",
    category: "build",
    run: Run::Before(run),
    page: include_str!("hub.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let plan = before.plan;
    let hub = before.matrix.hub_judgement(&plan.hub, &plan.tag);
    let kind = hub.kind;
    answer(hub.judgement, |finding| {
        let finding = match kind {
            HubKind::Mirror => finding.fix(
                "nothing, if your mirror holds these images: `glooistio render` names hub and tag",
            ),
            _ if finding.severity == crate::report::Severity::Info => finding,
            _ => finding.fix(elsewhere(before)),
        };
        finding.message(message(kind))
    })
}

fn message(kind: HubKind) -> &'static str {
    match kind {
        HubKind::Mirror => "no hub of Solo or Istio: taken as a mirror",
        HubKind::Community => "a hub of the community",
        HubKind::SoloKeyed | HubKind::SoloKeyless => {
            "a hub of Solo that this build is not known at"
        }
        HubKind::Workshop | HubKind::Preview => "a hub of Solo that is not meant for production",
    }
}

/// Returns a fix: the hub that has the build, or how to get the repo key.
fn elsewhere(before: &Before<'_>) -> String {
    match before
        .matrix
        .hub_for(&before.plan.tag, before.plan.key.as_ref())
    {
        Ok(choice) => {
            let removal = before.plan.hub_chosen_by.removal("hub", "--hub");
            let hub = mask(choice.hub.as_str(), before.plan.key.as_ref());
            format!("{removal}; the hub is then {hub} ({})", choice.why)
        }
        Err(missing) => missing.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::plan::ChosenBy;
    use crate::report::Severity;
    use istio_operator::{Origin, Position};

    const DATA: &str = "
hubs:
  - source: https://example.com/hubs
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {hub: old.example/enterprise, kind: solo-keyless, has: 1.7..1.11, lacks: 1.12..}
      - {hub: new.example/istio-<key>, kind: solo-keyed, has: 1.12..}
      - {hub: docker.example/istio, kind: community}
repo-key:
  - source: https://example.com/key
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {length: 12, characters: 0123456789abcdef, from: the support center, note: x}
";

    fn outcome(hub: &str, tag: &str) -> Outcome {
        let mut given = Given::tag(tag).data(DATA);
        given.plan.hub = hub.parse().unwrap();
        given.run(run)
    }

    #[test]
    fn only_a_hub_that_cannot_have_it_is_an_error() {
        for (hub, tag, severity) in [
            ("old.example/enterprise", "1.11.4-solo", None),
            ("new.example/istio-0123456789ab", "1.13.4-solo", None),
            (
                "registry.corp:5000/istio",
                "1.13.4-solo",
                Some(Severity::Info),
            ),
            ("docker.example/istio", "1.13.4", Some(Severity::Info)),
            ("docker.example/istio", "1.13.4-solo", Some(Severity::Error)),
            (
                "old.example/enterprise",
                "1.13.4-solo",
                Some(Severity::Error),
            ),
        ] {
            let outcome = outcome(hub, tag);
            let worst = match &outcome {
                Outcome::Found(findings) => findings.iter().map(|finding| finding.severity).max(),
                _ => None,
            };
            assert!(
                worst == severity && (severity.is_some() || passed(&outcome)),
                "{hub} {tag}: {outcome:?}"
            );
        }
        assert!(found(
            &outcome("registry.corp:5000/istio", "1.13.4"),
            "taken as a mirror"
        ));
    }

    #[test]
    fn fix_names_where_the_hub_was_given() {
        let place = Position {
            source: "in.yaml".into(),
            line: 7,
            column: 8,
        };
        for (by, wanted) in [
            (
                ChosenBy::Flag,
                "remove --hub; the hub is then right.example/istio",
            ),
            (
                ChosenBy::Input(Origin::File(place)),
                "remove hub at in.yaml:7:8; the hub is then right.example/istio",
            ),
            (
                ChosenBy::Input(Origin::Set("hub=x".into())),
                "remove --set hub=x; the hub is then right.example/istio",
            ),
        ] {
            let data = DATA.replace(
                "new.example/istio-<key>, kind: solo-keyed",
                "right.example/istio, kind: solo-keyless",
            );
            let mut given = Given::tag("1.13.4-solo").data(&data);
            given.plan.hub = "docker.example/istio".parse().unwrap();
            given.plan.hub_chosen_by = by;
            let Outcome::Found(findings) = given.run(run) else {
                panic!("nothing found");
            };
            let fix = findings[0].fix.as_deref().unwrap();
            assert!(fix.starts_with(wanted), "{fix}");
        }
    }

    #[test]
    fn where_a_key_is_missing_its_source_is_named() {
        let outcome = outcome("old.example/enterprise", "1.13.4-solo");
        assert!(
            matches!(&outcome, Outcome::Found(findings) if findings[0].fix.as_deref().is_some_and(|fix| fix.contains("the support center"))),
            "{outcome:?}"
        );
    }
}
