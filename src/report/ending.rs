//! How far an install got before it failed.

use super::Report;

/// The state in which a failed install ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It stopped before it changed anything.
    Unchanged,
    /// It stopped in the middle.
    Stopped,
    /// Everything was installed, and a check of what runs failed.
    NotVerified,
}

impl Ending {
    /// Returns the words that reports use.
    pub fn words(self) -> &'static str {
        match self {
            Ending::Unchanged => "nothing was changed",
            Ending::Stopped => "stopped in the middle",
            Ending::NotVerified => "installed, verification failed",
        }
    }
}

impl Report {
    /// Returns how far a run got that did not succeed; `None` for one that did, and for commands that change nothing.
    pub fn ending(&self) -> Option<Ending> {
        let is_bad = self.failed() || self.error.is_some();
        let can_change = ["install", "upgrade"].contains(&self.command);
        let ending = match (self.changed, &self.error) {
            (false, _) => Ending::Unchanged,
            (true, None) => Ending::NotVerified,
            (true, Some(_)) => Ending::Stopped,
        };
        (is_bad && can_change).then_some(ending)
    }
}
