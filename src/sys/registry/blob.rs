//! The bytes of a blob as they come.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use oci_spec::image::Digest;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE};

use super::answer::{Answer, HTML};
use super::failure::unreachable;
use super::{Reference, Registry, RegistryError, Result, Why};
use crate::sys::signal;

/// A stream of exactly the declared size. An error in it is a [`RegistryError`] inside of an
/// [`io::Error`].
pub struct Blob<'a> {
    registry: &'a Registry,
    reference: Reference,
    digest: Digest,
    size: u64,
    /// Bytes that came.
    at: u64,
    answer: Answer,
    /// Time that was waited for bytes.
    waited: Duration,
    /// The connection was dropped before.
    resumed: bool,
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
            answer,
            waited: Duration::ZERO,
            resumed: false,
        })
    }

    /// Reads some; a connection that was dropped is made once more, from where it was.
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if signal::interrupted() {
                return Err(RegistryError::Interrupted);
            }
            let began = Instant::now();
            let read = self.answer.response.read(buffer);
            self.waited += began.elapsed();
            match read {
                Ok(0) if self.at < self.size => {
                    let why = format!("it ends after {} of {} bytes", self.at, self.size);
                    let error = self.answer.broken(&why);
                    self.resume(error)?;
                }
                Ok(read) => {
                    self.at = self.at.saturating_add(read as u64);
                    return self.bounded().map(|()| read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let error = self.answer.read_failed(&error);
                    self.resume(error)?;
                }
            }
        }
    }

    fn bounded(&self) -> Result<()> {
        if self.at > self.size {
            let why = format!(
                "it is longer than the {} bytes that were declared",
                self.size
            );
            return Err(self.answer.broken(&why));
        }
        let options = &self.registry.options;
        let wanted = self.waited.as_secs().saturating_mul(options.slowest);
        if self.waited > options.grace && self.at < wanted.min(self.size) {
            let why = format!(
                "it sent {} of {} bytes in {} s",
                self.at,
                self.size,
                self.waited.as_secs()
            );
            return Err(unreachable(&self.answer.registry, Why::Other(why)));
        }
        Ok(())
    }

    fn resume(&mut self, error: RegistryError) -> Result<()> {
        let silent = matches!(error, RegistryError::Unreachable { .. });
        if self.resumed || silent {
            return Err(error);
        }
        self.resumed = true;
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
        if buffer.is_empty() {
            return Ok(0);
        }
        self.next(buffer).map_err(io::Error::other)
    }
}
