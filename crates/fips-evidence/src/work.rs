//! The budget that limits the cost of reading programs, however they are constructed.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// A budget for reading programs, in bytes that are read, searched or hashed. All programs of a run share
/// it, so that many programs that are expensive to read together cost no more than one.
#[derive(Debug)]
pub struct Work {
    left: AtomicU64,
}

/// An error: reading a program would cost more than the rest of the budget.
#[derive(Debug, thiserror::Error)]
#[error(
    "to read it costs more than programs of their size cost all together: it was built to be slow to read"
)]
struct Exhausted;

impl Work {
    /// Returns a budget of `bytes`.
    pub fn new(bytes: u64) -> Work {
        Work {
            left: AtomicU64::new(bytes),
        }
    }

    /// Adds to the budget: each byte of a program that was fetched pays for reading that program.
    pub fn earn(&self, bytes: u64) {
        self.update(|left| Some(left.saturating_add(bytes)));
    }

    /// Takes `bytes` from the budget. If the budget does not suffice, takes nothing, so that the next
    /// program can still be paid for by its own bytes.
    pub(super) fn spend(&self, bytes: u64) -> io::Result<()> {
        if self.update(|left| left.checked_sub(bytes)) {
            Ok(())
        } else {
            Err(io::Error::other(Exhausted))
        }
    }

    /// Replaces the rest of the budget, which two searches of one program can share. Returns whether `next` had a
    /// value for it.
    fn update(&self, next: impl FnMut(u64) -> Option<u64>) -> bool {
        let order = Ordering::Relaxed;
        self.left.fetch_update(order, order, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_that_does_not_suffice_is_kept_for_what_comes_next() {
        let work = Work::new(10);
        assert!(work.spend(4).is_ok());
        assert!(work.spend(7).is_err());
        assert!(work.spend(6).is_ok());
        work.earn(1);
        assert!(work.spend(1).is_ok() && work.spend(1).is_err());
    }
}
