//! What reading images may cost: unpacking them, walking their links, reading their programs.

use std::cell::Cell;
use std::io::{self, Read, Write};

use serde::Serialize;

use super::Limits;
use super::stream::Stop;
use crate::fips::Work;

/// Bytes that anything may unpack to, however small it is.
const FREE: u64 = 64 << 20;

/// Bytes that reading programs may cost, however small they are.
const FREE_WORK: u64 = 256 << 20;

/// Steps through directories and links that images may take, however small they are.
const FREE_STEPS: u64 = 16 << 20;

/// Bytes that an image unpacks to for each step that it may take: an entry has 512, and is looked up
/// some ten times through some ten directories.
const BYTES_PER_STEP: u64 = 4;

/// Bytes that all that is kept of a target's programs may take when it is written down.
const KEPT: u64 = 32 << 20;

/// What all that is read in one run may cost. What is free is free once: a thousand images that are
/// made to be slow cost no more than one. What is refused is not counted, so that an image whose own
/// bytes pay for it is read whatever came before.
#[derive(Debug)]
pub struct Budget {
    /// Bytes that came, as they are stored.
    came: Cell<u64>,
    /// Bytes that they were unpacked to.
    spent: Cell<u64>,
    /// Steps through directories and links.
    steps: Cell<u64>,
    work: Work,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            came: Cell::new(0),
            spent: Cell::new(0),
            steps: Cell::new(0),
            work: Work::new(FREE_WORK),
        }
    }
}

impl Budget {
    /// Counts bytes that came, each of which pays for `ratio` bytes of work.
    pub(super) fn earn(&self, bytes: u64, ratio: u64) {
        self.came.set(self.came.get().saturating_add(bytes));
        self.work.earn(bytes.saturating_mul(ratio));
    }

    /// What reading programs is paid from.
    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    /// Counts steps; whether they may be taken.
    pub(super) fn walk(&self, steps: usize) -> bool {
        let steps = self.steps.get().saturating_add(steps as u64);
        let allowed = (self.spent.get() / BYTES_PER_STEP).saturating_add(FREE_STEPS);
        if steps <= allowed {
            self.steps.set(steps);
        }
        steps <= allowed
    }

    fn spend(&self, bytes: u64, ratio: u64) -> Result<(), Stop> {
        let spent = self.spent.get().saturating_add(bytes);
        let earned = self.came.get().saturating_mul(ratio);
        if spent > earned.saturating_add(FREE) {
            return Err(Stop::Ratio(ratio));
        }
        self.spent.set(spent);
        Ok(())
    }
}

/// Weighs all that a target unpacks to, archives within archives among it, against what came of it.
/// It is one for the target, so that many small bombs are one large one.
#[derive(Debug)]
pub(super) struct Meter<'b> {
    limits: Limits,
    pub(super) budget: &'b Budget,
    /// Bytes that the target was unpacked to.
    unpacked: Cell<u64>,
    /// What was made of its programs.
    kept: Cell<u64>,
}

impl<'b> Meter<'b> {
    pub(super) fn new(limits: Limits, budget: &'b Budget) -> Meter<'b> {
        Meter {
            limits,
            budget,
            unpacked: Cell::new(0),
            kept: Cell::new(0),
        }
    }

    /// Counts bytes that came.
    pub(super) fn earn(&self, bytes: u64) {
        self.budget.earn(bytes, self.limits.ratio);
    }

    /// Counts what was made of a program.
    pub(super) fn keep(&self, made: &impl Serialize) -> io::Result<()> {
        let mut weight = Weight(self.kept.get());
        serde_json::to_writer(&mut weight, made)?;
        self.kept.set(weight.0);
        Ok(())
    }

    /// Counts bytes that were unpacked, or that cost as much: the holes of a sparse file.
    pub(super) fn spend(&self, bytes: u64) -> io::Result<()> {
        let Limits {
            unpacked, ratio, ..
        } = self.limits;
        self.budget.spend(bytes, ratio)?;
        self.unpacked.set(self.unpacked.get().saturating_add(bytes));
        if self.unpacked.get() > unpacked {
            return Err(Stop::Bomb(unpacked).into());
        }
        Ok(())
    }
}

/// Counts what is written, up to what may be kept.
struct Weight(u64);

impl Write for Weight {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        if self.0 > KEPT {
            return Err(Stop::Kept(KEPT).into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream whose bytes come from outside.
pub(super) struct Metered<'m, 'b, R> {
    pub(super) input: R,
    pub(super) meter: &'m Meter<'b>,
}

impl<R: Read> Read for Metered<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.meter.earn(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_all_programs_has_a_bound() {
        let budget = Budget::default();
        let meter = Meter::new(Limits::default(), &budget);
        let half = "x".repeat(usize::try_from(KEPT / 2).unwrap());
        assert!(meter.keep(&half).is_ok());
        let error = meter.keep(&half).unwrap_err();
        let stop = error.get_ref().and_then(|inner| inner.downcast_ref());
        assert!(matches!(stop, Some(Stop::Kept(KEPT))), "{error}");
    }

    #[test]
    fn what_came_pays_for_what_it_unpacks_to_up_to_a_bound() {
        let limits = Limits {
            unpacked: FREE + 1000,
            ratio: 10,
            ..Limits::default()
        };
        let budget = Budget::default();
        let meter = Meter::new(limits, &budget);
        assert!(meter.spend(FREE).is_ok());
        assert!(meter.spend(1).unwrap_err().to_string().contains("10 times"));
        let input = &[0; 200][..];
        let mut metered = Metered {
            input,
            meter: &meter,
        };
        io::copy(&mut metered, &mut io::sink()).unwrap();
        assert!(meter.spend(1000).is_ok());
        let error = meter.spend(1).unwrap_err().to_string();
        assert!(error.contains("more than"), "{error}");
    }

    #[test]
    fn what_is_free_is_free_once_and_what_pays_for_itself_is_never_refused() {
        let budget = Budget::default();
        let target = || Meter::new(Limits::default(), &budget);
        assert!(target().spend(FREE).is_ok());
        for _ in 0..3 {
            assert!(target().spend(1 << 30).is_err());
        }
        let honest = target();
        honest.earn(1000);
        assert!(honest.spend(64_000).is_ok());
        assert!(honest.spend(1).is_err());
        let steps = usize::try_from(FREE_STEPS).unwrap();
        assert!(budget.walk(steps) && !budget.walk(usize::MAX));
        assert!(budget.walk(1000));
    }
}
