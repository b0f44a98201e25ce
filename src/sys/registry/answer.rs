//! What an answer means.

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

/// Bytes of an error that are read.
const ERROR_LIMIT: usize = 64 << 10;

/// Longest wait for the words of an error.
const ERROR_TIME: Duration = Duration::from_secs(5);

/// Characters of an error that are repeated.
const SAID: usize = 200;

/// What is asked for, and of which registry as references spell it; for messages.
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

    /// What it means that a wait of `time` for `host` came to its end.
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

/// An answer whose body is still to come.
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) question: Question,
    pub(super) waiter: Arc<Waiter>,
    /// What of its words is not repeated.
    pub(super) secrets: Secrets,
    /// Longest wait for its next bytes, and for all of a document.
    pub(super) read_timeout: Duration,
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

    /// The bytes that come next; none at the end.
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

    /// The answer, where its status is a good one.
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

    /// What the registry says of its refusal, and whether it says that there is no such thing. What
    /// does not come soon is not waited for.
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
        // Masked before it is cut: the beginning of a secret is one too.
        (
            short(&self.secrets.mask(&text.unwrap_or_default())),
            unknown,
        )
    }
}

/// The body, or its beginning where that is longer than `limit`.
async fn start(response: &mut Response, limit: usize) -> reqwest::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() <= limit
        && let Some(chunk) = response.chunk().await?
    {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// One line of what somebody else says.
pub(super) fn short(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(SAID).map(plain).collect()
}
