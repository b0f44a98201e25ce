//! Limits the total time of work with registries in a run.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts the time in which at least one piece of work is active.
///
/// The time is counted, and there is no deadline, because an install works with registries before
/// and after istioctl runs, and istioctl takes minutes.
pub(super) struct Budget {
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The time of work that ended.
    spent: Duration,
    /// The number of pieces of work that are active, and the time since when there is at least one.
    active: usize,
    since: Option<Instant>,
}

/// A piece of work. Its time counts until the value is dropped.
#[must_use = "time counts for as long as this lives"]
pub struct Working<'a>(&'a Budget);

impl Budget {
    pub(super) fn new(limit: Duration) -> Budget {
        Budget {
            limit,
            state: Mutex::default(),
        }
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    pub(super) fn begin(&self) -> Working<'_> {
        let mut state = self.state();
        state.active += 1;
        state.since.get_or_insert_with(Instant::now);
        Working(self)
    }

    pub(super) fn left(&self) -> Duration {
        let state = self.state();
        let running = state.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.limit
            .saturating_sub(state.spent.saturating_add(running))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is always valid: no code that holds the lock can panic between changes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.active = state.active.saturating_sub(1);
        if state.active == 0
            && let Some(since) = state.since.take()
        {
            state.spent = state.spent.saturating_add(since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_at_the_same_time_counts_once_and_pauses_do_not_count() {
        let budget = Budget::new(Duration::from_hours(1));
        let start = Instant::now().checked_sub(Duration::from_mins(10)).unwrap();
        {
            let _one = budget.begin();
            let _other = budget.begin();
            budget.state().since = Some(start);
            let left = budget.left();
            assert!(left <= Duration::from_mins(50), "{left:?}");
            assert!(left > Duration::from_mins(49), "{left:?}");
        }
        assert!(budget.state().since.is_none());
        assert!(budget.left() > Duration::from_mins(49));
    }

    #[test]
    fn nothing_is_left_beyond_the_limit() {
        let budget = Budget::new(Duration::ZERO);
        let _work = budget.begin();
        assert_eq!(budget.left(), Duration::ZERO);
    }
}
