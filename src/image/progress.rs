//! Progress events for streams.

use std::io::{self, Read};

use super::Sources;
use crate::ui::Event;

/// The number of bytes between two progress events.
const STEP: u64 = 1 << 20;

impl<'a> Sources<'a> {
    /// Wraps `input` so that it reports its progress.
    pub(super) fn progress<R: Read>(
        self,
        what: &str,
        of: Option<u64>,
        input: R,
    ) -> Progress<'a, R> {
        Progress {
            input,
            what: what.to_owned(),
            bytes: 0,
            told: 0,
            of,
            on_event: self.on_event,
        }
    }
}

pub(super) struct Progress<'a, R> {
    input: R,
    what: String,
    bytes: u64,
    /// The number of bytes at the last event.
    told: u64,
    of: Option<u64>,
    on_event: &'a dyn Fn(&Event),
}

impl<R: Read> Read for Progress<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes = self.bytes.saturating_add(read as u64);
        if self.bytes - self.told >= STEP {
            self.told = self.bytes;
            (self.on_event)(&Event::Read {
                what: self.what.clone(),
                bytes: self.bytes,
                of: self.of,
            });
        }
        Ok(read)
    }
}
