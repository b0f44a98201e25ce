//! What an answer means.

use std::io::{self, Read as _};

use oci_spec::image::Digest;
use reqwest::blocking::Response;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use super::failure::unreachable;
use super::{RegistryError, Result, Why};

pub(super) const HTML: &str =
    "it is a web page: a login page or a proxy stands in between, or this is no registry";

/// Bytes of an error that are read.
const ERROR_LIMIT: u64 = 64 << 10;

/// Characters of an error that are repeated.
const SAID: usize = 200;

/// An answer that is not an error.
pub(super) struct Answer {
    pub(super) response: Response,
    /// What was asked for, for messages.
    pub(super) what: String,
    pub(super) registry: String,
    /// Longest wait for its next bytes, in seconds.
    pub(super) idle: u64,
}

/// How registries write errors.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    pub(super) fn is_html(&self) -> bool {
        self.header(CONTENT_TYPE.as_str()).is_some_and(|kind| {
            kind.trim_start()
                .to_ascii_lowercase()
                .starts_with("text/html")
        })
    }

    /// The digest that the registry states.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.header("docker-content-digest")?.parse().ok()
    }

    /// The whole answer, of at most `limit` bytes.
    pub(super) fn bounded(&mut self, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let began = std::time::Instant::now();
        let mut piece = [0; 8 << 10];
        loop {
            if began.elapsed().as_secs() > self.idle {
                return Err(unreachable(&self.registry, Why::Silent(self.idle)));
            }
            let read = match self.response.read(&mut piece) {
                Ok(0) => return Ok(bytes),
                Ok(read) => read,
                Err(error) => return Err(self.read_failed(&error)),
            };
            bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
            if bytes.len() as u64 > limit {
                let what = self.what.clone();
                return Err(RegistryError::TooLarge { what, limit });
            }
        }
    }

    /// What it means that the body could not be read on.
    pub(super) fn read_failed(&self, error: &io::Error) -> RegistryError {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<reqwest::Error>());
        match inner {
            Some(inner) if inner.is_timeout() => {
                unreachable(&self.registry, Why::Silent(self.idle))
            }
            _ if error.kind() == io::ErrorKind::TimedOut => {
                unreachable(&self.registry, Why::Silent(self.idle))
            }
            _ => self.broken("the connection was dropped"),
        }
    }

    pub(super) fn broken(&self, why: &str) -> RegistryError {
        RegistryError::Broken {
            what: self.what.clone(),
            registry: self.registry.clone(),
            why: why.to_owned(),
        }
    }

    pub(super) fn denied(mut self, credentials: Option<String>) -> RegistryError {
        let said = self.said().0;
        RegistryError::Denied {
            what: self.what,
            registry: self.registry,
            credentials,
            said,
        }
    }

    /// The answer, where its status is a good one.
    pub(super) fn judged(mut self, credentials: Option<String>) -> Result<Answer> {
        let status = self.response.status();
        if status.is_success() {
            return Ok(self);
        }
        let (said, unknown) = self.said();
        let (what, registry) = (self.what.clone(), self.registry.clone());
        Err(match status.as_u16() {
            404 => RegistryError::NotFound { what, said },
            401 | 403 if unknown => RegistryError::NotFound { what, said },
            401 | 403 => RegistryError::Denied {
                what,
                registry,
                credentials,
                said,
            },
            code @ (429 | 500..=599) => unreachable(&registry, Why::Busy(code)),
            code => {
                let words = if said.is_empty() { "no reason" } else { &said };
                self.broken(&format!("it answers {code}, with {words}"))
            }
        })
    }

    /// What the registry says of its refusal, and whether it says that there is no such thing.
    fn said(&mut self) -> (String, bool) {
        let mut bytes = Vec::new();
        // What cannot be read of an error is not said.
        (&mut self.response)
            .take(ERROR_LIMIT)
            .read_to_end(&mut bytes)
            .ok();
        let Ok(Errors { errors }) = serde_json::from_slice(&bytes) else {
            return (String::new(), false);
        };
        let unknown = errors
            .iter()
            .any(|said| matches!(said.code.as_str(), "MANIFEST_UNKNOWN" | "NAME_UNKNOWN"));
        let said = errors.into_iter().next();
        let text = said.map(|said| {
            if said.message.is_empty() {
                said.code
            } else {
                said.message
            }
        });
        (short(&text.unwrap_or_default()), unknown)
    }
}

/// One line of what somebody else says.
pub(super) fn short(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(SAID).map(plain).collect()
}
