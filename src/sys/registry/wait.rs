//! Waits with a time limit, which a signal ends early.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::budget::Budget;
use crate::sys::signal;

/// A timeout is blamed on the registry only if the budget allowed at least this part (1/4) of the
/// wait.
const SHARE: u32 = 4;

/// A thread that moves bytes while other threads wait for them or process them.
pub(super) struct Waiter {
    handle: Handle,
    budget: Arc<Budget>,
    /// The thread ends when this is dropped.
    _stop: oneshot::Sender<()>,
}

/// The reason why a wait ended before its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Time,
    /// The time for all registries, this number of seconds, is used up.
    Budget(u64),
    Signal,
}

impl Waiter {
    pub(super) fn start(budget: Arc<Budget>) -> io::Result<Waiter> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        // A name lookup that is still running delays only this thread.
        let run = move || drop(runtime.block_on(stopped));
        thread::Builder::new().spawn(run)?;
        Ok(Waiter {
            handle,
            budget,
            _stop: stop,
        })
    }

    pub(super) fn wait<T>(
        &self,
        time: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Ended> {
        let _work = self.budget.begin();
        let left = self.budget.left();
        // A shortened wait counts as a full one unless most of it is missing: otherwise a few
        // milliseconds would decide whether a silent registry or the budget is blamed.
        let ended = if left < time / SHARE {
            Ended::Budget(self.budget.limit().as_secs())
        } else {
            Ended::Time
        };
        if left.is_zero() {
            return Err(ended);
        }
        self.handle.block_on(async {
            tokio::select! {
                biased;
                () = signal::wait() => Err(Ended::Signal),
                done = tokio::time::timeout(time.min(left), work) => done.map_err(|_| ended),
            }
        })
    }

    /// Pauses.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Ended> {
        match self.wait(time, std::future::pending()) {
            Err(Ended::Time) | Ok(()) => Ok(()),
            Err(ended) => Err(ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_its_work_or_its_time() {
        let waiter = Waiter::start(Arc::new(Budget::new(Duration::MAX))).unwrap();
        let long = Duration::from_mins(1);
        assert_eq!(waiter.wait(long, async { 7 }), Ok(7));
        let short = Duration::from_millis(1);
        let never = waiter.wait(short, std::future::pending::<()>());
        assert_eq!(never, Err(Ended::Time));
        assert_eq!(waiter.pause(short), Ok(()));
    }

    #[test]
    fn no_wait_outlives_the_time_for_all_of_them() {
        let waiter = Waiter::start(Arc::new(Budget::new(Duration::from_millis(20)))).unwrap();
        let over = Err(Ended::Budget(0));
        let never = std::future::pending::<()>;
        assert_eq!(waiter.wait(Duration::from_mins(1), never()), over);
        assert_eq!(waiter.wait(Duration::from_mins(1), never()), over);
        assert_eq!(waiter.pause(Duration::from_mins(1)), over);
    }
}
