//! Hubs that are switched off for a time and then removed.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{HubPattern, Matrix, Quote, Row, When, claims};

/// A hub that is switched off for a time, and removed afterwards.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Retirement {
    /// The hub, or a registry with everything in it.
    pub hub: HubPattern,
    #[serde(default)]
    pub off_from: Option<Timestamp>,
    #[serde(default)]
    pub off_to: Option<Timestamp>,
    /// When it is removed permanently.
    #[serde(default)]
    pub removed: Option<When>,
    /// The hub that has the same images.
    pub instead: HubPattern,
    pub text: String,
}

impl Row for Retirement {
    const COLUMNS: &'static [&'static str] =
        &["hub", "off from", "off to", "removed", "instead", "text"];

    fn key(&self) -> String {
        self.hub.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let minute = |at: &Option<Timestamp>| at.map(to_minute).unwrap_or_default();
        vec![
            self.hub.to_string(),
            minute(&self.off_from),
            minute(&self.off_to),
            self.removed
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            self.instead.to_string(),
            self.text.clone(),
        ]
    }
}

/// Formats a time as `2026-12-08 15:00 UTC`.
fn to_minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The phase of a retirement on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetirementPhase {
    /// The hub is still available, but will be switched off or removed.
    Announced,
    /// The hub is switched off for a time, or was so at some time of the day.
    SwitchedOff,
    /// The day of its removal has passed.
    Removed,
}

/// The retirement of a hub, as it is known on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRetirement {
    /// The retired hub itself, which may contain the hub in question.
    pub hub: String,
    pub phase: RetirementPhase,
    /// The dates in words: `switched off from … to …, removed in 2026-12`.
    pub dates: String,
    /// The hub to use instead.
    pub instead: String,
    pub quotes: Vec<Quote>,
}

impl Matrix {
    /// Returns the phase of a hub's retirement on a day; `None` if no retirement is known.
    ///
    /// `hub` is a hub, or the repository of an image in it.
    pub fn hub_retirement(&self, hub: &str, today: Date) -> Option<HubRetirement> {
        let about = claims(&self.retirements, |row| row.covers(hub));
        let row = about.first()?.row;
        Some(HubRetirement {
            hub: row.hub.to_string(),
            phase: row.phase(today),
            dates: row.dates(),
            instead: row.instead.to_string(),
            quotes: super::claim::quotes(&about),
        })
    }
}

impl Retirement {
    /// Whether the hub is the retired one or below it.
    fn covers(&self, hub: &str) -> bool {
        let below = hub.strip_prefix(self.hub.as_str());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn phase(&self, today: Date) -> RetirementPhase {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let removed = self.removed.as_ref().and_then(When::last);
        if removed.is_some_and(|last| last < today) {
            return RetirementPhase::Removed;
        }
        let off = self.off_from.map(day).zip(self.off_to.map(day));
        match off {
            Some((from, to)) if (from..=to).contains(&today) => RetirementPhase::SwitchedOff,
            _ => RetirementPhase::Announced,
        }
    }

    fn dates(&self) -> String {
        let off = self.off_from.zip(self.off_to).map(|(from, to)| {
            format!("switched off from {} to {}", to_minute(from), to_minute(to))
        });
        let removed = self.removed.as_ref();
        let removed = removed.map(|when| format!("removed in {when}"));
        let parts: Vec<String> = off.into_iter().chain(removed).collect();
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(hub: &str, today: &str) -> Option<RetirementPhase> {
        let retirement = Matrix::builtin().hub_retirement(hub, today.parse().unwrap());
        retirement.map(|retirement| retirement.phase)
    }

    #[test]
    fn the_day_decides_how_far_a_retirement_is() {
        use RetirementPhase::{Announced, Removed, SwitchedOff};
        for (hub, today, wanted) in [
            ("gcr.io/istio-release", "2026-11-30", Some(Announced)),
            ("gcr.io/istio-release", "2026-12-07", Some(Announced)),
            ("gcr.io/istio-release", "2026-12-08", Some(SwitchedOff)),
            ("gcr.io/istio-release", "2026-12-09", Some(SwitchedOff)),
            ("gcr.io/istio-release", "2026-12-10", Some(Announced)),
            ("gcr.io/istio-release", "2026-12-31", Some(Announced)),
            ("gcr.io/istio-release", "2027-01-01", Some(Removed)),
            ("registry.istio.io/release", "2026-11-30", Some(Announced)),
            ("registry.istio.io/testing", "2026-12-08", Some(SwitchedOff)),
            ("gcr.io/istio-enterprise", "2026-12-08", None),
            ("gcr.io/istio-release-copy", "2026-12-08", None),
            ("docker.io/istio", "2027-01-01", None),
        ] {
            assert_eq!(phase(hub, today), wanted, "{hub} {today}");
        }
    }

    #[test]
    fn the_dates_have_their_hour_and_zone() {
        let hub = "registry.istio.io/release";
        let today = "2026-11-30".parse().unwrap();
        let retirement = Matrix::builtin().hub_retirement(hub, today).unwrap();
        assert_eq!(
            retirement.dates,
            "switched off from 2026-12-08 15:00 UTC to 2026-12-09 15:00 UTC, removed in 2026-12"
        );
        assert_eq!(retirement.instead, "docker.io/istio");
        assert!(!retirement.quotes.is_empty());
    }
}
