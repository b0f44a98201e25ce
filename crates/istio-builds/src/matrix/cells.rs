//! Cells of the tables: ranges of versions, and dates, as the pages write them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use crate::request::Request;
use crate::tag::Rebuild;
use crate::version::{IstioVersion, Minor};

/// Why a cell cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}")]
pub struct CellError {
    text: String,
    kind: &'static str,
}

impl CellError {
    fn new(text: &str, kind: &'static str) -> Self {
        Self {
            text: text.into(),
            kind,
        }
    }
}

/// Minor versions as a page lists them: `1.9 - 1.13`, `1.25, 1.26`, `1.29+`. Keeps the page's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minors {
    text: String,
    ranges: Vec<(Minor, Option<Minor>)>,
}

impl Minors {
    pub fn contains(&self, minor: Minor) -> bool {
        let inside = |(low, high): &(Minor, Option<Minor>)| {
            *low <= minor && high.is_none_or(|high| minor <= high)
        };
        self.ranges.iter().any(inside)
    }

    /// Returns how many minor versions `minor` is away from the nearest of these; 0 if it is one of them.
    pub(super) fn distance(&self, minor: Minor) -> u64 {
        let between = |low: Minor, high: Minor| high.above(low).map_or(u64::MAX, i64::unsigned_abs);
        let of_range = |(low, high): &(Minor, Option<Minor>)| {
            if minor < *low {
                between(minor, *low)
            } else {
                high.filter(|high| *high < minor)
                    .map_or(0, |high| between(high, minor))
            }
        };
        self.ranges.iter().map(of_range).min().unwrap_or(u64::MAX)
    }

    /// Returns the lowest of them.
    pub fn lowest(&self) -> Option<Minor> {
        self.ranges.iter().map(|(low, _)| *low).min()
    }
}

impl fmt::Display for Minors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Minors {
    type Err = CellError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || CellError::new(text, "a list of minor versions, `X.Y - X.Y, X.Y, X.Y+`");
        let minor = |text: &str| text.trim().parse::<Minor>().map_err(|_| refuse());
        let range = |part: &str| match (part.trim().strip_suffix('+'), part.split_once('-')) {
            (Some(low), _) => Ok((minor(low)?, None)),
            (None, Some((low, high))) => {
                let (low, high) = (minor(low)?, minor(high)?);
                if low <= high {
                    Ok((low, Some(high)))
                } else {
                    Err(refuse())
                }
            }
            (None, None) => minor(part).map(|only| (only, Some(only))),
        };
        let ranges = text.split(',').map(range).collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.into(),
            ranges,
        })
    }
}

dated_data::text_serde!(Minors, "a list of minor versions, X.Y - X.Y");

/// An end of a span: a whole release line, or one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    Minor(Minor),
    Build(Rebuild),
}

impl Bound {
    fn minor(&self) -> Minor {
        match self {
            Self::Minor(minor) => *minor,
            Self::Build(build) => build.minor(),
        }
    }

    fn is_at_or_below(&self, build: &Rebuild) -> bool {
        match self {
            Self::Minor(minor) => *minor <= build.minor(),
            Self::Build(bound) => bound <= build,
        }
    }

    /// Whether the bound is at or above the build. A line includes all its builds.
    fn is_at_or_above(&self, build: &Rebuild) -> bool {
        match self {
            Self::Minor(minor) => build.minor() <= *minor,
            Self::Build(bound) => build <= bound,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minor(minor) => minor.fmt(f),
            Self::Build(build) => build.fmt(f),
        }
    }
}

impl FromStr for Bound {
    type Err = CellError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |_| CellError::new(text, "a version, `X.Y`, `X.Y.Z` or `X.Y.Z-patchN`");
        text.parse()
            .map(Self::Minor)
            .or_else(|_| text.parse().map(Self::Build))
            .map_err(refuse)
    }
}

/// `FROM..TO` including both ends, or `FROM..<FIXED` without the second; either end may be open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    from: Option<Bound>,
    to: Option<Bound>,
    before: Option<Bound>,
}

impl Span {
    pub fn contains(&self, build: &Rebuild) -> bool {
        self.from
            .as_ref()
            .is_none_or(|from| from.is_at_or_below(build))
            && self.to.as_ref().is_none_or(|to| to.is_at_or_above(build))
            && self
                .before
                .as_ref()
                .is_none_or(|fixed| !fixed.is_at_or_below(build))
    }

    /// Whether some build of a line is in it.
    fn touches(&self, minor: Minor) -> bool {
        let begins = self.from.as_ref().is_none_or(|from| from.minor() <= minor);
        let reaches = self.to.as_ref().is_none_or(|to| to.minor() >= minor);
        let fixed_later = self.before.as_ref().is_none_or(|fixed| match fixed {
            Bound::Minor(fixed) => *fixed > minor,
            Bound::Build(_) => !fixed.is_at_or_below(&IstioVersion::release(minor, 0).into()),
        });
        begins && reaches && fixed_later
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |bound: &Option<Bound>| bound.as_ref().map(ToString::to_string);
        let from = end(&self.from);
        match (&from, end(&self.to), end(&self.before)) {
            (None, None, None) => f.write_str("all"),
            (_, Some(to), _) if from.as_ref() == Some(&to) => f.write_str(&to),
            (Some(from), None, None) => write!(f, "{from} and later"),
            (Some(from), Some(to), _) => write!(f, "{from} to {to}"),
            (Some(from), None, Some(before)) => write!(f, "{from} to before {before}"),
            (None, Some(to), _) => write!(f, "{to} and earlier"),
            (None, None, Some(before)) => write!(f, "before {before}"),
        }
    }
}

impl FromStr for Span {
    type Err = CellError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bound = |text: &str| (!text.is_empty()).then(|| text.parse()).transpose();
        let Some((from, end)) = text.split_once("..") else {
            let only: Bound = text.parse()?;
            return Ok(Self {
                from: Some(only.clone()),
                to: Some(only),
                before: None,
            });
        };
        let from = bound(from)?;
        match end.strip_prefix('<') {
            Some(before) => Ok(Self {
                from,
                to: None,
                before: bound(before)?,
            }),
            None => Ok(Self {
                from,
                to: bound(end)?,
                before: None,
            }),
        }
    }
}

/// Spans of builds, separated by commas; `..` means all builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    pub fn contains(&self, build: &Rebuild) -> bool {
        self.0.iter().any(|span| span.contains(build))
    }

    /// Whether a version is in one of them; for a line, whether some build of it is.
    pub fn concerns(&self, istio: &Request) -> bool {
        match istio.rebuild() {
            Some(build) => self.contains(&build),
            None => self.0.iter().any(|span| span.touches(istio.minor())),
        }
    }

    /// Whether the first build of a line is in one of them, for tables that contain only lines.
    pub fn contains_minor(&self, minor: Minor) -> bool {
        self.contains(&IstioVersion::release(minor, 0).into())
    }
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            &self
                .0
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        )
    }
}

impl FromStr for Spans {
    type Err = CellError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(|span| span.trim().parse())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

dated_data::text_serde!(Spans, "spans of versions, FROM..TO or FROM..<FIXED");

/// A date as pages write it: `2022-05-13`, `13 May 2022`, only a month (`2020-02`), or `TBD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    text: String,
    days: Option<(Date, Date)>,
}

impl When {
    /// Returns the day, or the first day of the month; `None` for `TBD`.
    pub fn first(&self) -> Option<Date> {
        self.days.map(|(first, _)| first)
    }

    /// Returns the day, or the last day of the month; `None` for `TBD`.
    pub fn last(&self) -> Option<Date> {
        self.days.map(|(_, last)| last)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for When {
    type Err = CellError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || {
            CellError::new(
                text,
                "a date, `YYYY-MM-DD`, `YYYY-MM`, `D Mon YYYY` or `TBD`",
            )
        };
        let text_and = |days| {
            Ok(Self {
                text: text.into(),
                days,
            })
        };
        if text == "TBD" {
            return text_and(None);
        }
        for format in ["%Y-%m-%d", "%d %b %Y"] {
            if let Ok(day) = Date::strptime(format, text) {
                return text_and(Some((day, day)));
            }
        }
        let first = Date::strptime("%Y-%m-%d", format!("{text}-01")).map_err(|_| refuse())?;
        text_and(Some((first, first.last_of_month())))
    }
}

dated_data::text_serde!(When, "a date, YYYY-MM-DD");

#[cfg(test)]
mod tests {
    use super::*;

    fn build(text: &str) -> Rebuild {
        text.parse().unwrap()
    }

    #[test]
    fn a_list_of_minors_is_read_as_the_pages_write_it() {
        let minor = |text: &str| text.parse::<Minor>().unwrap();
        let table: &[(&str, &[&str], &[&str])] = &[
            ("1.9 - 1.13", &["1.9", "1.13"], &["1.8", "1.14"]),
            ("1.25, 1.26", &["1.25", "1.26"], &["1.24", "1.27"]),
            ("1.27-1.30", &["1.27", "1.30"], &["1.26", "1.31"]),
            ("1.10", &["1.10"], &["1.1", "1.11"]),
            ("1.29+", &["1.29", "1.99"], &["1.28"]),
        ];
        for (text, inside, outside) in table {
            let minors: Minors = text.parse().unwrap();
            assert_eq!(minors.to_string(), *text);
            assert!(
                inside.iter().all(|text| minors.contains(minor(text))),
                "{text}"
            );
            assert!(
                !outside.iter().any(|text| minors.contains(minor(text))),
                "{text}"
            );
        }
        for text in ["", "1.13 - 1.9", "1.9 - ", "1.9.1", "all"] {
            assert!(text.parse::<Minors>().is_err(), "{text}");
        }
        assert_eq!(
            "1.16, 1.15".parse::<Minors>().unwrap().lowest(),
            Some(minor("1.15"))
        );
    }

    #[test]
    fn a_span_has_its_ends_in_it_but_not_the_fix() {
        let table: &[(&str, &[&str], &[&str])] = &[
            (
                "1.8..1.10",
                &["1.8.0", "1.10.99", "1.9.2-patch1"],
                &["1.7.9", "1.11.0"],
            ),
            (
                "1.20.0..<1.20.1-patch1",
                &["1.20.0", "1.20.1", "1.20.1-patch0"],
                &["1.20.1-patch1", "1.20.2", "1.19.9"],
            ),
            (
                "1.24..",
                &["1.24.0", "1.24-alpha.ab", "1.31.0"],
                &["1.23.9"],
            ),
            (
                "..1.23",
                &["1.7.0", "1.23.6-patch1"],
                &["1.24.0", "1.24-alpha.ab"],
            ),
            (
                "1.19.8..<1.20, 1.20.4..",
                &["1.19.8", "1.19.10", "1.20.4", "1.21.0"],
                &["1.19.7", "1.20.3"],
            ),
            ("1.26.1", &["1.26.1"], &["1.26.1-patch0", "1.26.0"]),
            ("..", &["1.0.0", "2.0.0"], &[]),
        ];
        for (text, inside, outside) in table {
            let spans: Spans = text.parse().unwrap();
            assert!(
                inside.iter().all(|text| spans.contains(&build(text))),
                "{text}"
            );
            assert!(
                !outside.iter().any(|text| spans.contains(&build(text))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_span_is_said_in_words() {
        let table = [
            ("1.8..1.10", "1.8 to 1.10"),
            ("1.24..", "1.24 and later"),
            ("..1.23", "1.23 and earlier"),
            ("1.20.0..<1.20.2", "1.20.0 to before 1.20.2"),
            ("..<1.20.2", "before 1.20.2"),
            ("1.26.1", "1.26.1"),
            ("..", "all"),
        ];
        for (text, words) in table {
            assert_eq!(text.parse::<Spans>().unwrap().to_string(), words);
        }
        assert!("1.8..x".parse::<Spans>().is_err());
    }

    #[test]
    fn span_concerns_a_line_where_some_build_of_it_lies_in_it() {
        for (spans, concerned, not_concerned) in [
            (
                "1.29.0..<1.29.7, 1.30.0..<1.30.4",
                "1.29 1.30 1.30.3",
                "1.28 1.31 1.30.4 1.29.7",
            ),
            ("..<1.29.9", "1.28 1.29 1.29.8", "1.30 1.29.9"),
            ("..<1.31", "1.30", "1.31"),
            ("..<1.30.0", "1.29", "1.30"),
            ("1.31.1..", "1.31 1.31.1-solo 1.40", "1.30 1.31.0"),
            ("1.26.1", "1.26 1.26.1", "1.27 1.26.0"),
        ] {
            let spans: Spans = spans.parse().unwrap();
            for (texts, wanted) in [(concerned, true), (not_concerned, false)] {
                for text in texts.split(' ') {
                    let request: Request = text.parse().unwrap();
                    assert_eq!(spans.concerns(&request), wanted, "{spans} {text}");
                }
            }
        }
    }

    #[test]
    fn a_month_ends_on_its_last_day() {
        let when = |text: &str| text.parse::<When>().unwrap();
        let date = |text: &str| text.parse::<Date>().unwrap();
        assert_eq!(when("2020-02").first(), Some(date("2020-02-01")));
        assert_eq!(when("2020-02").last(), Some(date("2020-02-29")));
        assert_eq!(when("04 Nov 2021").first(), Some(date("2021-11-04")));
        assert_eq!(when("4 Nov 2021").last(), Some(date("2021-11-04")));
        assert_eq!(when("TBD").first(), None);
        assert!("soon".parse::<When>().is_err() && "2021-13".parse::<When>().is_err());
    }
}
