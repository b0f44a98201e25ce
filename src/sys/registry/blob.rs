//! The bytes of a blob as they come.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use oci_spec::image::Digest;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE};

use super::answer::{Answer, HTML};
use super::{Reference, Registry, RegistryError, Result, Why};

/// How often a stream that was cut off is taken up again.
const RESUMES: usize = 3;

/// A stream of exactly the declared size. An error in it is a [`RegistryError`] inside of an
/// [`io::Error`].
pub struct Blob<'a> {
    registry: &'a Registry,
    reference: Reference,
    digest: Digest,
    size: u64,
    /// Bytes that came.
    at: u64,
    /// Those of them that were not given on yet.
    ready: Bytes,
    answer: Answer,
    speed: Speed,
    resumed: usize,
}

/// How fast bytes come, by the time that was waited for them.
#[derive(Default)]
struct Speed {
    waited: Duration,
    came: u64,
}

impl Speed {
    /// Whether too few came in a window of time, which ends with this.
    fn is_too_low(
        &mut self,
        waited: Duration,
        came: u64,
        rate_window: Duration,
        min_bytes_per_sec: u64,
    ) -> bool {
        self.waited += waited;
        self.came = self.came.saturating_add(came);
        if self.waited < rate_window {
            return false;
        }
        let least = u128::from(min_bytes_per_sec) * self.waited.as_millis() / 1000;
        let low = u128::from(self.came) < least;
        if !low {
            *self = Speed::default();
        }
        low
    }
}

impl<'a> Blob<'a> {
    pub(super) fn open(
        registry: &'a Registry,
        reference: &Reference,
        digest: &Digest,
        size: u64,
    ) -> Result<Blob<'a>> {
        let answer = ask(registry, reference, digest, 0)?;
        let length = answer.header(CONTENT_LENGTH.as_str());
        if let Some(length) = length.and_then(|text| text.parse::<u64>().ok())
            && length != size
        {
            return Err(answer.broken(&format!("it has {length} bytes, {size} were declared")));
        }
        Ok(Blob {
            registry,
            reference: reference.clone(),
            digest: digest.clone(),
            size,
            at: 0,
            ready: Bytes::new(),
            answer,
            speed: Speed::default(),
            resumed: 0,
        })
    }

    /// Waits for more; whether there is any.
    fn more(&mut self) -> Result<bool> {
        while self.ready.is_empty() {
            let began = Instant::now();
            match self.answer.chunk() {
                Ok(Some(chunk)) => {
                    self.at = self.at.saturating_add(chunk.len() as u64);
                    self.bounded(began.elapsed(), chunk.len() as u64)?;
                    self.ready = chunk;
                }
                Ok(None) if self.at < self.size => {
                    let why = format!("it ends after {} of {} bytes", self.at, self.size);
                    return Err(self.answer.broken(&why));
                }
                Ok(None) => return Ok(false),
                Err(error) => self.resume(error)?,
            }
        }
        Ok(true)
    }

    fn bounded(&mut self, waited: Duration, came: u64) -> Result<()> {
        if self.at > self.size {
            let why = format!(
                "it is longer than the {} bytes that were declared",
                self.size
            );
            return Err(self.answer.broken(&why));
        }
        let options = &self.registry.options;
        let (rate_window, min_bytes_per_sec) = (options.rate_window, options.min_bytes_per_sec);
        if self
            .speed
            .is_too_low(waited, came, rate_window, min_bytes_per_sec)
        {
            return Err(self.answer.unreachable(Why::Slow {
                bytes: self.speed.came,
                seconds: self.speed.waited.as_secs(),
            }));
        }
        Ok(())
    }

    /// Goes on where the connection was dropped.
    fn resume(&mut self, error: RegistryError) -> Result<()> {
        if self.resumed == RESUMES || !self.registry.waits(&error, self.resumed)? {
            return Err(error);
        }
        self.resumed += 1;
        // Why it broke off says more than why it could not be taken up again.
        let answer = ask(self.registry, &self.reference, &self.digest, self.at);
        let Ok(answer) = answer else {
            return Err(error);
        };
        let from = format!("bytes {}-", self.at);
        let goes_on = answer
            .header(CONTENT_RANGE.as_str())
            .is_some_and(|range| range.starts_with(&from));
        if self.at > 0 && !(answer.response.status().as_u16() == 206 && goes_on) {
            return Err(error);
        }
        self.answer = answer;
        Ok(())
    }
}

fn ask(registry: &Registry, reference: &Reference, digest: &Digest, from: u64) -> Result<Answer> {
    let what = format!("blob {digest} of {reference}");
    let range = format!("bytes={from}-");
    let headers: &[(&'static str, &str)] = if from > 0 { &[("range", &range)] } else { &[] };
    let answer = registry.get(reference, &what, &format!("blobs/{digest}"), headers)?;
    if answer.is_html() {
        return Err(answer.broken(HTML));
    }
    Ok(answer)
}

impl Read for Blob<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || !self.more().map_err(io::Error::other)? {
            return Ok(0);
        }
        let read = buffer.len().min(self.ready.len());
        self.ready
            .copy_to_slice(buffer.get_mut(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_must_bring_its_bytes_however_fast_the_one_before_was() {
        let rate_window = Duration::from_secs(10);
        let seconds = Duration::from_secs;
        let mut speed = Speed::default();
        assert!(!speed.is_too_low(seconds(1), 1 << 30, rate_window, 100));
        assert!(!speed.is_too_low(seconds(9), 1, rate_window, 100));
        assert!(!speed.is_too_low(seconds(9), 1, rate_window, 100));
        assert!(speed.is_too_low(seconds(1), 900, rate_window, 100));
        let mut enough = Speed::default();
        assert!(!enough.is_too_low(seconds(10), 1000, rate_window, 100));
        assert_eq!(enough.came, 0);
    }
}
