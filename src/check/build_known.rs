//! Checks that the tag is a build that was seen, or follows from one by the documented rule.

use super::answer::{finding, pages};
use super::{Before, Check, Outcome, Run};
use crate::report::Finding;
use istio_builds::{ImageTag, Known, Level};

pub(super) const CHECK: Check = Check {
    id: "build-known",
    title: "this build is known",
    category: "build",
    run: Run::Before(run),
    page: include_str!("build_known.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let tag = &before.plan.tag;
    let judgement = before.matrix.judge_build(tag);
    match before.matrix.known(tag) {
        Known::Seen(quotes) if judgement.level == Level::Info => {
            let note = Finding::info(
                "bare-version",
                format!("{tag} was seen only as a bare version, which proves no image"),
            )
            .why(pages(&quotes));
            Outcome::Found(vec![note])
        }
        Known::Seen(quotes) => Outcome::Passed(format!("seen: {}", pages(&quotes))),
        Known::Composed { from, quotes } => {
            let note = Finding::info(
                "derived-build",
                format!("{tag} itself was not seen; it follows by the documented rule"),
            )
            .found(format!("{from} was seen"))
            .why(pages(&quotes));
            Outcome::Found(vec![note])
        }
        Known::Missing(_) => {
            let message = format!("{tag} does not exist");
            let instead = judgement.wanted.clone();
            Outcome::Found(
                finding(message, judgement)
                    .map(|one| one.fix(format!("take {instead}")))
                    .into_iter()
                    .collect(),
            )
        }
        Known::NotSeen { nearest, date } => {
            let date = date.map_or_else(String::new, |date| format!(" of {date}"));
            Outcome::Found(vec![unseen(before, &date, nearest)])
        }
    }
}

/// Returns the finding about a build that no page names, depending on what the hub publishes.
fn unseen(before: &Before<'_>, date: &str, nearest: Option<ImageTag>) -> Finding {
    let tag = &before.plan.tag;
    let warning = || Finding::warning("unknown-build", format!("no such build seen: {tag}"));
    let Some(published) = before.facts.published.known() else {
        let why =
            format!("the data{date} does not know it; it may be newer than the data, or not exist");
        return near(before, warning().why(why), nearest);
    };
    let repository = &published.repository;
    if published.tags.contains(tag) {
        return Finding::info(
            "newer-than-data",
            format!("{repository} has {tag}, which the data{date} does not know"),
        );
    }
    let proposed = proposals(tag, &published.tags);
    let Some(first) = proposed.first() else {
        let why = format!("{repository} has no build of Istio among its tags");
        return near(before, warning().why(why), nearest);
    };
    let names: Vec<String> = proposed.iter().map(ToString::to_string).collect();
    warning()
        .found(format!("{repository} has {}", names.join(", ")))
        .expected("a build that the hub has")
        .why(format!(
            "neither the data{date} nor the list of tags of the hub names {tag}"
        ))
        .fix(format!("use --istio {first}"))
}

/// Number of tags that are proposed.
const PROPOSED: usize = 3;

/// Returns the tags of a hub that are most similar to one, best first: those of its flavour if there are any,
/// of these those of its minor if there are any, and of these the newest.
fn proposals<'a>(tag: &ImageTag, all: &'a [ImageTag]) -> Vec<&'a ImageTag> {
    let of = |fits: &dyn Fn(&ImageTag) -> bool, from: Vec<&'a ImageTag>| {
        let fitting: Vec<&ImageTag> = from.iter().copied().filter(|one| fits(one)).collect();
        if fitting.is_empty() { from } else { fitting }
    };
    let alike = of(&|one| one.flavor == tag.flavor, all.iter().collect());
    let mut near = of(&|one| one.minor() == tag.minor(), alike);
    near.sort_by(|a, b| b.cmp(a));
    near.truncate(PROPOSED);
    near
}

fn near(before: &Before<'_>, finding: Finding, nearest: Option<ImageTag>) -> Finding {
    let Some(tag) = nearest else {
        return finding;
    };
    let by = &before.plan.tag_chosen_by;
    let change = by.change("tag", &tag, &format!("--istio {tag}"));
    finding
        .expected(format!("nearest seen: {tag}"))
        .fix(format!(
            "{change}, or ask the hub whether it has {}",
            before.plan.tag
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::{Observed, Published};

    const DATA: &str = "
builds:
  - source: https://example.com/builds
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {tag: 1.26.1-solo}
      - {tag: 1.27.3-solo}
  - source: https://example.com/bare
    evidence: bare
    page: {era: now}
    order: 2
    rows:
      - {tag: 1.23.6-patch0}
missing:
  - source: https://example.com/missing
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {build: 1.26.1, variety: fips, instead: 1.26.1-patch0 or later}
varieties:
  - source: https://example.com/varieties
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {variety: solo, istio: 1.11.., text: x}
      - {variety: fips, istio: 1.7.., text: x}
";

    #[test]
    fn seen_composed_missing_and_unseen_are_told_apart() {
        for (tag, words) in [
            ("1.26.1-solo", ""),
            ("1.23.6-patch0", "only as a bare version"),
            ("1.27.3-solo-fips", "follows by the documented rule"),
            ("1.26.1-solo-fips", "1.26.1-solo-fips does not exist"),
            ("1.29.0-solo", "no such build seen"),
        ] {
            let outcome = Given::tag(tag).data(DATA).run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{tag}: {outcome:?}"
            );
        }
    }

    fn at_hub(tags: &[&str], planned: &str) -> Outcome {
        let mut given = Given::tag(planned).data(DATA);
        given.facts.published = Observed::Known(Published {
            repository: "r.io/istio/pilot".to_owned(),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        });
        given.run(run)
    }

    #[test]
    fn build_that_only_the_hub_knows_is_a_note() {
        let outcome = at_hub(&["1.33.0-solo", "1.33.1-solo"], "1.33.1-solo");
        let Outcome::Found(findings) = &outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(findings[0].severity, crate::report::Severity::Info);
        assert!(
            found(&outcome, "r.io/istio/pilot has 1.33.1-solo"),
            "{outcome:?}"
        );
    }

    #[test]
    fn hub_without_the_build_is_answered_with_what_it_has() {
        let tags = ["1.32.0-solo", "1.33.0-solo", "1.33.1-solo", "1.33.2"];
        for (planned, tags, fix) in [
            ("1.33.7-solo", &tags[..], Some("use --istio 1.33.1-solo")),
            ("1.33.7", &tags[..], Some("use --istio 1.33.2")),
            ("1.34.0-solo", &tags[..], Some("use --istio 1.33.1-solo")),
            (
                "1.34.0-solo-distroless",
                &tags[..],
                Some("use --istio 1.33.2"),
            ),
        ] {
            let outcome = at_hub(tags, planned);
            let Outcome::Found(findings) = &outcome else {
                panic!("{outcome:?}");
            };
            assert!(found(&outcome, "no such build seen"), "{outcome:?}");
            assert_eq!(findings[0].fix.as_deref(), fix, "{planned}");
        }
        // An empty hub proposes nothing: the finding names the nearest build of the data.
        let outcome = at_hub(&[], "1.28.0-solo");
        assert!(
            matches!(&outcome, Outcome::Found(findings) if findings[0].expected.as_deref() == Some("nearest seen: 1.27.3-solo")),
            "{outcome:?}"
        );
    }

    #[test]
    fn the_nearest_build_is_named() {
        let outcome = Given::tag("1.28.0-solo").data(DATA).run(run);
        assert!(
            matches!(&outcome, Outcome::Found(findings) if findings[0].expected.as_deref() == Some("nearest seen: 1.27.3-solo")),
            "{outcome:?}"
        );
    }
}
