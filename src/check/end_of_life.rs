//! Checks that the planned minor is still supported: by the community, or by Solo for its own builds.

use super::answer::{answer, pages};
use super::{Before, Check, Outcome, Run};
use crate::report::Finding;
use istio_builds::{Distribution, Level, Quote};

pub(super) const CHECK: Check = Check {
    id: "end-of-life",
    title: "this Istio version is supported",
    category: "build",
    run: Run::Before(run),
    page: include_str!("end_of_life.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let tag = &before.plan.tag;
    let minor = tag.minor();
    let judgement = before.matrix.end_of_life(minor, before.today, tag.flavor);
    if judgement.level == Level::Pass
        && let Some(ends) = before.matrix.ends_soon(minor, before.today)
    {
        return soon(before, &ends, &judgement.quotes);
    }
    let message = match judgement.level {
        Level::NoData => format!("no data of when Istio {minor} ends"),
        Level::Info => {
            format!("the community no longer fixes Istio {minor}; Solo does, for its own builds")
        }
        _ => format!("Istio {minor} is end-of-life"),
    };
    answer(judgement, |finding| {
        finding
            .message(message)
            .found(format!("{tag} on {}", before.today))
    })
}

/// Reports a minor that is about to reach its end of life: Solo maintains its own builds longer.
fn soon(before: &Before<'_>, ends: &str, quotes: &[Quote]) -> Outcome {
    let minor = before.plan.tag.minor();
    let message = format!("the community's fixes of Istio {minor} end on {ends}");
    let finding = if before.plan.tag.flavor.distribution == Distribution::Solo {
        Finding::info(
            "maintained-by-vendor",
            format!("{message}; Solo still maintains its own builds"),
        )
    } else {
        Finding::warning("end-of-life", message).command("glooistio matrix releases", &[])
    };
    Outcome::Found(vec![finding.why(pages(quotes))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    const DATA: &str = "
releases:
  - source: https://example.com/releases
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {istio: 1.20, released: 2023-11-14, ends: 2024-06-25}
      - {istio: 1.27, released: 2025-08-11, ends: 2026-04-07}
      - {istio: 1.30, released: 2026-05-18, ends: 2026-11-30}
      - {istio: 1.31, released: 2026-08-31, ends: 2027-02-28}
support:
  - source: https://example.com/support
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {distribution: solo, back: 4, text: n-4}
";

    #[test]
    fn the_day_decides() {
        for (tag, words) in [
            ("1.31.0-solo", ""),
            ("1.20.0-solo", "Istio 1.20 is end-of-life"),
            ("1.27.0-solo", "Solo does"),
            ("1.77.0", "no data"),
            ("1.30.0", "end on 2026-11-30"),
            ("1.30.0-solo", "end on 2026-11-30; Solo still maintains"),
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
}
