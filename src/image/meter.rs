//! What unpacking may cost.

use std::cell::Cell;
use std::io::{self, Read, Write};

use serde::Serialize;

use super::Limits;
use super::stream::Stop;

/// Bytes that anything may unpack to, however small it is.
const FREE: u64 = 64 << 20;

/// Bytes that all that is kept of a target's programs may take when it is written down.
const KEPT: u64 = 32 << 20;

/// Weighs all that a target unpacks to, archives within archives among it, against what came of it.
/// It is one for the target, so that many small bombs are one large one.
#[derive(Debug)]
pub(super) struct Meter {
    limits: Limits,
    /// Bytes that came, as they are stored.
    came: Cell<u64>,
    /// Bytes that they were unpacked to.
    spent: Cell<u64>,
    /// What was made of its programs.
    kept: Cell<u64>,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Meter {
        Meter {
            limits,
            came: Cell::new(0),
            spent: Cell::new(0),
            kept: Cell::new(0),
        }
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
        let spent = self.spent.get().saturating_add(bytes);
        self.spent.set(spent);
        let earned = self.came.get().saturating_mul(ratio);
        if spent > earned.saturating_add(FREE) {
            return Err(Stop::Ratio(ratio).into());
        }
        if spent > unpacked {
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
pub(super) struct Metered<'m, R> {
    pub(super) input: R,
    pub(super) meter: &'m Meter,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let came = &self.meter.came;
        came.set(came.get().saturating_add(read as u64));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_all_programs_has_a_bound() {
        let meter = Meter::new(Limits::default());
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
        let meter = Meter::new(limits);
        assert!(meter.spend(FREE).is_ok());
        assert!(meter.spend(1).unwrap_err().to_string().contains("10 times"));
        let input = &[0; 200][..];
        let mut metered = Metered {
            input,
            meter: &meter,
        };
        io::copy(&mut metered, &mut io::sink()).unwrap();
        assert!(meter.spend(999).is_ok());
        let error = meter.spend(1).unwrap_err().to_string();
        assert!(error.contains("more than"), "{error}");
    }
}
