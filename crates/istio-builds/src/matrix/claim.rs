//! Claims: a row of a page, with its source and the quality of the source.

use std::collections::BTreeSet;
use std::fmt;

use dated_data::{Source, SourceQuality};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::request::Request;

/// The era of a page, because one address has had different contents over the years.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Era {
    pub era: String,
    #[serde(default)]
    pub date: Option<Date>,
}

/// Rows that one source claims together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page<R> {
    pub source: Source,
    pub evidence: SourceQuality,
    pub page: Era,
    /// Among the pages that name a version, the one with the highest order decides.
    pub order: u32,
    pub rows: Vec<R>,
}

/// A row of one of the tables.
pub trait Row {
    /// The headers of the columns.
    const COLUMNS: &'static [&'static str];

    /// Returns the subject of the row: a row of a user's file replaces those with the same key, and a page has each key
    /// only once.
    fn key(&self) -> String;

    /// Returns one text for each column; empty if the page does not give it.
    fn cells(&self) -> Vec<String>;

    /// Returns when this row itself was seen, for a page that lists sightings.
    fn seen(&self) -> Option<Date> {
        None
    }

    /// Whether the row is about a version of Istio; true for rows that are not about versions.
    fn concerns(&self, _istio: &Request) -> bool {
        true
    }

    /// Returns the row as a sentence to quote.
    fn text(&self) -> String {
        let pairs = Self::COLUMNS.iter().zip(self.cells());
        let said = pairs.filter(|(_, cell)| !cell.is_empty());
        said.map(|(column, cell)| format!("{column} {cell}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// A claim as it is shown: its text, source, date, and quality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quote {
    pub text: String,
    pub source: Source,
    pub evidence: SourceQuality,
    pub era: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {}, {}",
            self.text,
            self.source,
            self.evidence.name(),
            self.era
        )?;
        self.date.map_or(Ok(()), |date| write!(f, ", {date}"))?;
        f.write_str(")")
    }
}

/// A row with its page.
#[derive(Debug)]
pub(super) struct Claim<'m, R> {
    pub(super) page: &'m Page<R>,
    pub(super) row: &'m R,
}

impl<R> Clone for Claim<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Claim<'_, R> {}

impl<R: Row> Claim<'_, R> {
    pub(super) fn quote(&self) -> Quote {
        Quote {
            text: self.row.text(),
            source: self.page.source.clone(),
            evidence: self.page.evidence,
            era: self.page.page.era.clone(),
            date: self.row.seen().or(self.page.page.date),
        }
    }
}

pub(super) fn quotes<R: Row>(claims: &[Claim<'_, R>]) -> Vec<Quote> {
    claims.iter().map(Claim::quote).collect()
}

/// Returns the claims for which `about` holds, those of the page with the highest order first.
pub(super) fn claims<R>(pages: &[Page<R>], about: impl Fn(&R) -> bool) -> Vec<Claim<'_, R>> {
    let rows = pages
        .iter()
        .flat_map(|page| page.rows.iter().map(move |row| Claim { page, row }));
    let mut found: Vec<Claim<'_, R>> = rows.filter(|claim| about(claim.row)).collect();
    found.sort_by_key(|claim| std::cmp::Reverse(claim.page.order));
    found
}

pub(super) fn replace<R: Row>(mine: &mut Vec<Page<R>>, theirs: Vec<Page<R>>) {
    let keys: BTreeSet<String> = theirs
        .iter()
        .flat_map(|page| page.rows.iter().map(Row::key))
        .collect();
    for page in mine.iter_mut() {
        page.rows.retain(|row| !keys.contains(&row.key()));
    }
    mine.retain(|page| !page.rows.is_empty());
    mine.extend(theirs);
}

/// Returns a key that one page has twice, and the page.
pub(super) fn doubled<R: Row>(pages: &[Page<R>]) -> Option<(String, String)> {
    pages.iter().find_map(|page| {
        let mut seen = BTreeSet::new();
        let twice = page
            .rows
            .iter()
            .map(Row::key)
            .find(|key| !seen.insert(key.clone()))?;
        Some((twice, page.source.to_string()))
    })
}

/// The result of a judgement, from the best to the worst. `NoData` is a separate warning: there is no claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Pass,
    Info,
    NoData,
    Warning,
    Error,
}

/// A judgement: its level, what was found, what is expected, and the sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    pub level: Level,
    pub found: String,
    pub wanted: String,
    pub quotes: Vec<Quote>,
}

impl Judgement {
    /// Combines two judgements: the worse level, what either of them expects, and the quotes of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let said = self.wanted.split("; ").any(|part| part == other.wanted);
        let wanted = if said {
            self.wanted
        } else {
            format!("{}; {}", self.wanted, other.wanted)
        };
        Self {
            level: self.level.max(other.level),
            found: self.found,
            wanted,
            quotes: self.quotes.into_iter().chain(other.quotes).collect(),
        }
    }
}

/// Judges claims that may contradict each other.
///
/// `opinion` returns the level by one row alone, `None` if the row does not concern the question. The page with the
/// highest order decides; but an error is only a warning if an older page disagrees, or if no page has a quality of
/// source that can refuse.
pub(super) fn judge<R>(claims: &[Claim<'_, R>], opinion: impl Fn(&R) -> Option<Level>) -> Level {
    let opinions: Vec<(Claim<'_, R>, Level)> = claims
        .iter()
        .filter_map(|claim| Some((*claim, opinion(claim.row)?)))
        .collect();
    let Some((judge, _)) = opinions.first() else {
        return Level::NoData;
    };
    let order = judge.page.order;
    let top = opinions
        .iter()
        .filter(|(claim, _)| claim.page.order == order);
    let level = top.map(|(_, level)| *level).min().unwrap_or(Level::NoData);
    let refused = opinions.iter().all(|(_, level)| *level == Level::Error)
        && opinions
            .iter()
            .any(|(claim, _)| claim.page.evidence.can_refuse());
    if level == Level::Error && !refused {
        Level::Warning
    } else {
        level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Order, quality of the source, and the opinion of the row.
    type Opinion = (u32, SourceQuality, Option<Level>);

    struct Said(Option<Level>);

    fn page(order: u32, evidence: SourceQuality, level: Option<Level>) -> Page<Said> {
        let source = "somewhere".parse().unwrap();
        let page = Era {
            era: "now".into(),
            date: None,
        };
        Page {
            source,
            evidence,
            page,
            order,
            rows: vec![Said(level)],
        }
    }

    fn verdict(pages: &[Page<Said>]) -> Level {
        judge(&claims(pages, |_| true), |row| row.0)
    }

    #[test]
    fn the_highest_order_judges_and_older_pages_soften_an_error() {
        use Level::{Error, NoData, Pass, Warning};
        use SourceQuality::{Bare, Derived, Docs, SecondHand, User, Workshop};
        let table: &[(&[Opinion], Level)] = &[
            (&[], NoData),
            (&[(1, Docs, None)], NoData),
            (&[(1, Docs, Some(Pass))], Pass),
            (&[(1, Docs, Some(Error)), (2, Docs, Some(Pass))], Pass),
            (&[(2, Docs, Some(Error)), (1, Docs, Some(Pass))], Warning),
            (&[(2, Docs, Some(Error)), (1, Docs, Some(Warning))], Warning),
            (&[(2, Docs, Some(Error)), (1, Docs, Some(Error))], Error),
            (&[(2, Docs, Some(Error)), (1, Docs, None)], Error),
            (&[(2, Docs, None), (1, Docs, Some(Pass))], Pass),
            (&[(1, SecondHand, Some(Error))], Warning),
            (
                &[(1, Bare, Some(Error)), (2, Derived, Some(Error))],
                Warning,
            ),
            (
                &[(2, SecondHand, Some(Error)), (1, Docs, Some(Error))],
                Error,
            ),
            (&[(1, Workshop, Some(Error))], Error),
            (&[(1, User, Some(Error))], Error),
            (&[(1, Docs, Some(Error)), (1, Docs, Some(Pass))], Pass),
        ];
        for (said, level) in table {
            let pages: Vec<_> = said
                .iter()
                .map(|(order, evidence, level)| page(*order, *evidence, *level))
                .collect();
            assert_eq!(verdict(&pages), *level, "{said:?}");
        }
    }

    #[test]
    fn two_judgements_keep_the_worse_level_and_all_that_is_wanted() {
        let one = |level, wanted: &str| Judgement {
            level,
            found: "x".into(),
            wanted: wanted.into(),
            quotes: Vec::new(),
        };
        let both = one(Level::Pass, "a").and(one(Level::Error, "b"));
        assert_eq!((both.level, both.wanted.as_str()), (Level::Error, "a; b"));
        assert_eq!(one(Level::Info, "a").and(one(Level::Pass, "a")).wanted, "a");
    }
}
