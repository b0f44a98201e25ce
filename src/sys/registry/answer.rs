//! Interprets the answers of registries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oci_spec::image::Digest;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::Deserialize;

use super::credentials::Lookup;
use super::place::authority;
use super::wait::{Ended, Waiter};
use super::{RegistryError, Result, Why};
use crate::secret::Secrets;

pub(super) const HTML: &str =
    "it is a web page: a login page or a proxy is in between, or this is not a registry";

/// The maximum number of bytes of an error that are read.
const ERROR_LIMIT: usize = 64 << 10;

/// The longest wait for the body of an error.
const ERROR_TIME: Duration = Duration::from_secs(5);

/// The maximum number of characters of an error that are quoted.
const SAID: usize = 200;

/// What is requested, and from which registry in the spelling of references; for messages.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) what: String,
    pub(super) registry: String,
}

impl Question {
    pub(super) fn broken(&self, why: &str) -> RegistryError {
        RegistryError::Broken {
            what: self.what.clone(),
            registry: self.registry.clone(),
            why: why.to_owned(),
        }
    }

    pub(super) fn unreachable(&self, host: &str, why: Why) -> RegistryError {
        RegistryError::Unreachable {
            registry: self.registry.clone(),
            host: host.to_owned(),
            why,
        }
    }

    pub(super) fn local(&self, host: &str) -> RegistryError {
        RegistryError::Local {
            registry: self.registry.clone(),
            host: host.to_owned(),
        }
    }

    /// Returns the error for a wait of `time` for `host` that ended.
    pub(super) fn ended(&self, ended: Ended, host: &str, time: Duration) -> RegistryError {
        match ended {
            Ended::Signal => RegistryError::Interrupted,
            Ended::Time => self.unreachable(host, Why::Silent(time.as_secs().max(1))),
            Ended::Budget(seconds) => RegistryError::OutOfTime {
                what: self.what.clone(),
                seconds,
            },
        }
    }
}

/// An answer with an unread body.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) question: Question,
    pub(super) waiter: Arc<Waiter>,
    /// Secrets that are masked in its messages.
    pub(super) secrets: Secrets,
    /// The longest wait for the next bytes, and for a whole document.
    pub(super) read_timeout: Duration,
}

/// The JSON form of errors of registries.
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

    /// Returns the digest that the registry states.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.header("docker-content-digest")?.parse().ok()
    }

    /// Returns the whole body, of at most `limit` bytes.
    pub(super) fn bounded(&mut self, limit: usize) -> Result<Vec<u8>> {
        let waiter = Arc::clone(&self.waiter);
        match waiter.wait(self.read_timeout, start(&mut self.response, limit)) {
            Ok(Ok(bytes)) if bytes.len() > limit => Err(RegistryError::TooLarge {
                what: self.question.what.clone(),
                limit: limit as u64,
            }),
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(_)) => Err(self.unreachable(Why::Dropped)),
            Err(ended) => Err(self.ended(ended)),
        }
    }

    /// Returns the next bytes, or `None` at the end.
    pub(super) fn chunk(&mut self) -> Result<Option<Bytes>> {
        let waiter = Arc::clone(&self.waiter);
        match waiter.wait(self.read_timeout, self.response.chunk()) {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(_)) => Err(self.unreachable(Why::Dropped)),
            Err(ended) => Err(self.ended(ended)),
        }
    }

    fn ended(&self, ended: Ended) -> RegistryError {
        let host = authority(self.response.url());
        self.question.ended(ended, &host, self.read_timeout)
    }

    pub(super) fn broken(&self, why: &str) -> RegistryError {
        self.question.broken(why)
    }

    pub(super) fn unreachable(&self, why: Why) -> RegistryError {
        let host = authority(self.response.url());
        self.question.unreachable(&host, why)
    }

    /// Returns the answer if its status is a success, and an error otherwise.
    pub(super) fn judged(mut self, used: Lookup) -> Result<Answer> {
        let status = self.response.status();
        if status.is_success() {
            return Ok(self);
        }
        let after = self.header(RETRY_AFTER.as_str());
        let after = after.and_then(|text| text.trim().parse().ok());
        let (said, unknown) = self.said();
        let Question { what, registry } = self.question.clone();
        Err(match status.as_u16() {
            404 => RegistryError::NotFound { what, said },
            401 | 403 if unknown => RegistryError::NotFound { what, said },
            401 | 403 => RegistryError::Denied {
                what,
                registry,
                credentials: used.from,
                said: used.problem.unwrap_or(said),
            },
            status @ (408 | 429 | 500..=599) => self.unreachable(Why::Busy { status, after }),
            code => {
                let words = if said.is_empty() { "no reason" } else { &said };
                self.broken(&format!("it answers {code}, with {words}"))
            }
        })
    }

    /// Returns the registry's message about a refusal, and true if it says that the object does not
    /// exist. Does not wait long for the message.
    fn said(&mut self) -> (String, bool) {
        let time = self.read_timeout.min(ERROR_TIME);
        let waiter = Arc::clone(&self.waiter);
        let read = waiter.wait(time, start(&mut self.response, ERROR_LIMIT));
        let bytes = read.ok().and_then(std::result::Result::ok);
        let Ok(Errors { errors }) = serde_json::from_slice(&bytes.unwrap_or_default()) else {
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
        // The text is masked before it is cut: the beginning of a secret is secret too.
        (
            short(&self.secrets.mask(&text.unwrap_or_default())),
            unknown,
        )
    }
}

/// Returns the body, or its beginning if it is longer than `limit`.
async fn start(response: &mut Response, limit: usize) -> reqwest::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() <= limit
        && let Some(chunk) = response.chunk().await?
    {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Returns an untrusted text as one short line.
pub(super) fn short(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(SAID).map(plain).collect()
}
