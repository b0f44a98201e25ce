//! The budget for reading images: for decompression, path lookups and the analysis of programs.

use std::cell::Cell;
use std::io::{self, Read, Write};

use serde::Serialize;

use super::Limits;
use super::stream::Stop;
use fips_evidence::Work;

/// The number of bytes that an input may unpack to, however small it is.
const FREE: u64 = 64 << 20;

/// The amount of work in bytes that reading programs may cost, however small they are.
const FREE_WORK: u64 = 256 << 20;

/// The number of lookup steps through directories and links that images may take, however small
/// they are.
const FREE_STEPS: u64 = 16 << 20;

/// The number of unpacked bytes that pay for one lookup step. A tar entry has 512 bytes, and is
/// looked up about ten times through about ten directories.
const BYTES_PER_STEP: u64 = 4;

/// The maximum number of serialized bytes that the results for all programs of a target may take.
const KEPT: u64 = 32 << 20;

/// The budget of everything that is read in one run. The free part is granted once, so that a
/// thousand images that are made to be slow cost no more than one. A refused amount is not counted,
/// so that an image with enough bytes of its own is read, regardless of earlier images.
#[derive(Debug)]
pub struct Budget {
    /// The number of bytes that were received, as they are stored.
    came: Cell<u64>,
    /// The number of bytes that they were unpacked to.
    spent: Cell<u64>,
    /// The number of lookup steps through directories and links.
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
    /// Counts received bytes, each of which pays for `ratio` bytes of work.
    pub(super) fn earn(&self, bytes: u64, ratio: u64) {
        self.came.set(self.came.get().saturating_add(bytes));
        self.work.earn(bytes.saturating_mul(ratio));
    }

    /// Returns the budget for reading programs.
    pub(super) fn work(&self) -> &Work {
        &self.work
    }

    /// Counts lookup steps. Returns false if they exceed the budget.
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

/// Limits the bytes that a target unpacks to, including archives within archives, in relation to
/// the bytes received. One meter serves the whole target, so that many small bombs count as one
/// large one.
#[derive(Debug)]
pub(super) struct Meter<'b> {
    limits: Limits,
    pub(super) budget: &'b Budget,
    /// The number of bytes that the target was unpacked to.
    unpacked: Cell<u64>,
    /// The serialized size of the results for its programs.
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

    /// Counts received bytes.
    pub(super) fn earn(&self, bytes: u64) {
        self.budget.earn(bytes, self.limits.ratio);
    }

    /// Counts the result for a program.
    pub(super) fn keep(&self, made: &impl Serialize) -> io::Result<()> {
        let mut weight = Weight(self.kept.get());
        serde_json::to_writer(&mut weight, made)?;
        self.kept.set(weight.0);
        Ok(())
    }

    /// Counts bytes that were unpacked, or that cost as much, such as the holes of a sparse file.
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

/// A writer that counts the bytes and fails above [`KEPT`].
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

/// A stream of received bytes, which the meter counts.
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
