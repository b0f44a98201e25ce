//! Streams of the bytes of blobs.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use oci_spec::image::Digest;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE};

use super::answer::{Answer, HTML};
use super::{Reference, Registry, RegistryError, Result, Why};

/// The maximum number of times that an interrupted stream is resumed.
const RESUMES: usize = 3;

/// A stream of exactly the declared size. Its errors are a [`RegistryError`] inside of an
/// [`io::Error`].
pub struct Blob<'a> {
    registry: &'a Registry,
    reference: Reference,
    digest: Digest,
    size: u64,
    /// The number of bytes that were received.
    at: u64,
    /// The bytes that were received but not read yet.
    ready: Bytes,
    answer: Answer,
    speed: Speed,
    resumed: usize,
}

/// The speed of a stream, measured over the time spent waiting for bytes.
#[derive(Default)]
struct Speed {
    waited: Duration,
    came: u64,
}

impl Speed {
    /// Returns true if the speed in the window of time that ends now is too low.
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

    /// Waits for more bytes. Returns false at the end.
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

    /// Resumes after the connection was dropped.
    fn resume(&mut self, error: RegistryError) -> Result<()> {
        if self.resumed == RESUMES || !self.registry.waits(&error, self.resumed)? {
            return Err(error);
        }
        self.resumed += 1;
        // The original error is more useful than that of the attempt to resume.
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
