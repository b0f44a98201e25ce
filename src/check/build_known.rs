//! The tag is a build that was seen, or follows from one by the documented rule.

use super::answer::{finding, pages};
use super::{Before, Check, Outcome, Run};
use crate::istio::{ImageTag, Known, Level};
use crate::report::Finding;

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
            let note = Finding::info(format!(
                "{tag} was seen only as a bare version, which proves no image"
            ))
            .why(pages(&quotes));
            Outcome::Found(vec![note])
        }
        Known::Seen(quotes) => Outcome::Passed(format!("seen: {}", pages(&quotes))),
        Known::Composed { from, quotes } => {
            let note = Finding::info(format!(
                "{tag} itself was not seen; it follows by the documented rule"
            ))
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
            let unseen = Finding::warning(format!("no such build seen: {tag}")).why(format!(
                "the data{date} does not know it; it may be newer than the data, or not exist"
            ));
            Outcome::Found(vec![near(before, unseen, nearest)])
        }
    }
}

fn near(before: &Before<'_>, finding: Finding, nearest: Option<ImageTag>) -> Finding {
    let Some(tag) = nearest else {
        return finding;
    };
    let by = &before.plan.tag_chosen_by;
    let change = by.change("tag", &tag, &format!("--istio {tag}"));
    finding.wanted(format!("nearest seen: {tag}")).fix(format!(
        "{change}, or ask the hub whether it has {}",
        before.plan.tag
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

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

    #[test]
    fn the_nearest_build_is_named() {
        let outcome = Given::tag("1.28.0-solo").data(DATA).run(run);
        assert!(
            matches!(&outcome, Outcome::Found(findings) if findings[0].wanted.as_deref() == Some("nearest seen: 1.27.3-solo")),
            "{outcome:?}"
        );
    }
}
