//! Converts judgements of the matrix to findings: the level gives the severity, the pages give the reason.

use super::Outcome;
use crate::report::{Finding, Severity};
use istio_builds::{Judgement, Level, Quote};

/// Number of pages that a reason quotes; `glooistio matrix` shows all.
const QUOTED: usize = 2;

/// Returns the outcome of a check with one judgement; `more` adds what only the check knows.
pub(super) fn answer(judgement: Judgement, more: impl FnOnce(Finding) -> Finding) -> Outcome {
    let seen = format!("{}; wanted: {}", judgement.found, judgement.wanted);
    match judged(judgement, more) {
        Some(finding) => Outcome::Found(vec![finding]),
        None => Outcome::Passed(seen),
    }
}

/// Returns the finding for a judgement that is not a pass, with the judgement's own text as title.
pub(super) fn judged(
    judgement: Judgement,
    more: impl FnOnce(Finding) -> Finding,
) -> Option<Finding> {
    let found = &judgement.found;
    let message = match judgement.level {
        Level::Error => format!("{found} is not supported"),
        Level::Warning => {
            format!("{found} is doubtful: pages contradict each other, or only weak ones speak")
        }
        Level::NoData => format!("no data of {found}"),
        Level::Info | Level::Pass => found.clone(),
    };
    finding(message, judgement).map(more)
}

/// Returns the code of a finding that a judgement became.
fn code(level: Level) -> &'static str {
    match level {
        Level::Error => "unsupported",
        Level::Warning => "doubtful",
        Level::NoData => "no-data",
        Level::Info | Level::Pass => "note",
    }
}

/// Returns the finding for a judgement that is not a pass, with the check's title.
pub(super) fn finding(message: impl Into<String>, judgement: Judgement) -> Option<Finding> {
    let severity = match judgement.level {
        Level::Pass => return None,
        Level::Info => Severity::Info,
        Level::NoData | Level::Warning => Severity::Warning,
        Level::Error => Severity::Error,
    };
    let finding = Finding::new(code(judgement.level), severity, message)
        .found(judgement.found)
        .expected(judgement.wanted);
    Some(match judgement.quotes.as_slice() {
        [] => finding,
        quotes => finding
            .why(pages(quotes))
            .sources(quotes.iter().map(Quote::to_string)),
    })
}

/// Returns quotes of the first pages.
pub(super) fn pages(quotes: &[Quote]) -> String {
    let mut texts: Vec<String> = quotes.iter().take(QUOTED).map(Quote::to_string).collect();
    if quotes.len() > QUOTED {
        texts.push(format!("and {} more", quotes.len() - QUOTED));
    }
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_gives_the_severity() {
        for (level, severity) in [
            (Level::Pass, None),
            (Level::Info, Some(Severity::Info)),
            (Level::NoData, Some(Severity::Warning)),
            (Level::Warning, Some(Severity::Warning)),
            (Level::Error, Some(Severity::Error)),
        ] {
            let judgement = Judgement {
                level,
                found: "1.22".into(),
                wanted: "1.20".into(),
                quotes: Vec::new(),
            };
            assert_eq!(
                judged(judgement, |finding| finding).map(|finding| finding.severity),
                severity
            );
        }
    }
}
