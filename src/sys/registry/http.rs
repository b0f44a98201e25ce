//! Requests: redirects, schemes, and what an answer means.

use std::error::Error;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::sync::PoisonError;

use oci_spec::image::Digest;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::{Reference, Registry, RegistryError, Result, Why, host};
use crate::sys::signal;

pub(super) const HTML: &str =
    "it is a web page: a login page or a proxy stands in between, or this is no registry";

/// Redirects that are followed.
const REDIRECTS: usize = 5;

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
    idle: u64,
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

impl Registry {
    /// Asks for `path` of a repository, with credentials where they are wanted.
    pub(super) fn get(
        &self,
        reference: &Reference,
        what: &str,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Answer> {
        let registry = host(reference);
        let key = (registry.to_owned(), reference.repository().to_owned());
        let known = self.accepted().get(&key).cloned();
        let place = format!("{registry}/v2/{}/{path}", reference.repository());
        let mut answer = self.first(what, &place, headers, known)?;
        if answer.response.status() == StatusCode::UNAUTHORIZED {
            let challenge = answer.response.headers().get_all(WWW_AUTHENTICATE);
            let challenges: Vec<String> = challenge
                .iter()
                .filter_map(|value| value.to_str().ok().map(str::to_owned))
                .collect();
            let url = answer.response.url().clone();
            let (authorization, from) = self.authorize(reference, &answer, &challenges)?;
            answer = self.follow(what, url, headers, Some(authorization.clone()))?;
            if answer.response.status() == StatusCode::UNAUTHORIZED {
                self.accepted().remove(&key);
                return Err(answer.denied(from));
            }
            self.accepted().insert(key, authorization);
        }
        let used = self.credentials_used(reference);
        answer.judged(used)
    }

    /// The first request to a place: by the scheme that its host speaks.
    fn first(
        &self,
        what: &str,
        place: &str,
        headers: &[(&'static str, &str)],
        authorization: Option<String>,
    ) -> Result<Answer> {
        let name = place.split('/').next().unwrap_or(place).to_owned();
        let ask = |scheme: &str, authorization| {
            let url = Url::parse(&format!("{scheme}://{place}"))
                .map_err(|error| unreachable(&name, Why::Other(error.to_string())))?;
            self.follow(what, url, headers, authorization)
        };
        if self.options.plain_http.contains(&name) {
            return ask("http", authorization);
        }
        if !is_loopback(&name) {
            return ask("https", authorization);
        }
        let schemes = || self.schemes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = schemes().get(&name).copied();
        if let Some(scheme) = known {
            return ask(scheme, authorization);
        }
        // Only a registry that speaks no TLS at all is asked without: not one with a bad certificate.
        let scheme = match ask("https", authorization.clone()) {
            Err(RegistryError::Unreachable {
                why: Why::NoTls, ..
            }) => "http",
            answer => {
                if answer.is_ok() {
                    schemes().insert(name.clone(), "https");
                }
                return answer;
            }
        };
        let answer = ask(scheme, authorization)?;
        schemes().insert(name.clone(), scheme);
        Ok(answer)
    }

    /// Follows redirects: never from https to http, and with `Authorization` for the first host only.
    pub(super) fn follow(
        &self,
        what: &str,
        url: Url,
        headers: &[(&'static str, &str)],
        authorization: Option<String>,
    ) -> Result<Answer> {
        let mut url = url;
        let first = url.origin();
        let registry = authority(&url);
        for _ in 0..=REDIRECTS {
            let mut request = self.client(&url)?.get(url.clone());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(authorization) = authorization.as_ref().filter(|_| url.origin() == first) {
                request = request.header(AUTHORIZATION, authorization);
            }
            let answer = self.send(what, &registry, request)?;
            if !answer.response.status().is_redirection() {
                return Ok(answer);
            }
            let next = answer
                .header(LOCATION.as_str())
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| answer.broken("it redirects to nowhere"))?;
            if next.scheme() != "https" && (url.scheme() == "https" || !self.is_plain(&next)) {
                return Err(answer.broken("it redirects to a place without TLS"));
            }
            url = next;
        }
        Err(RegistryError::Broken {
            what: what.to_owned(),
            registry,
            why: format!("it redirects more than {REDIRECTS} times"),
        })
    }

    /// One request; a connection that was dropped is made once more.
    pub(super) fn send(
        &self,
        what: &str,
        registry: &str,
        request: RequestBuilder,
    ) -> Result<Answer> {
        let again = request.try_clone();
        let sent = match (request.send(), again) {
            (Err(error), Some(again)) if is_dropped(&error) && !signal::interrupted() => {
                again.send()
            }
            (sent, _) => sent,
        };
        if signal::interrupted() {
            return Err(RegistryError::Interrupted);
        }
        let idle = self.options.idle.as_secs();
        let response = sent.map_err(|error| failed(&error, what, registry, idle))?;
        Ok(Answer {
            response,
            what: what.to_owned(),
            registry: registry.to_owned(),
            idle,
        })
    }

    pub(super) fn client(&self, url: &Url) -> Result<&Client> {
        let loopback = is_loopback(&authority(url));
        let [proxied, direct] = &self.clients;
        let client = if loopback { direct } else { proxied };
        let made = client.get_or_init(|| self.make(loopback).map_err(|error| told(&error)));
        made.as_ref()
            .map_err(|said| unreachable(&authority(url), Why::Tls(said.clone())))
    }

    fn make(&self, direct: bool) -> reqwest::Result<Client> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have been first, with the same one.
            rustls::crypto::aws_lc_rs::default_provider()
                .install_default()
                .ok();
        }
        let builder = Client::builder()
            .user_agent(concat!("glooistio/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.options.connect)
            // Of a blocking client: for the head of an answer, and then for each piece of it.
            .timeout(self.options.idle)
            .redirect(Policy::none())
            .retry(reqwest::retry::never());
        if direct { builder.no_proxy() } else { builder }.build()
    }

    /// Whether a place may be spoken to without TLS.
    pub(super) fn is_plain(&self, url: &Url) -> bool {
        let name = authority(url);
        is_loopback(&name) || self.options.plain_http.contains(&name)
    }
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

/// Host with port, as a reference has it.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

pub(super) fn unreachable(registry: &str, why: Why) -> RegistryError {
    RegistryError::Unreachable {
        registry: registry.to_owned(),
        why,
    }
}

/// Whether a host, with a port or without, is this machine.
pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Whether the other side ended a connection that was made.
fn is_dropped(error: &reqwest::Error) -> bool {
    !error.is_timeout() && !error.is_connect() && !error.is_builder()
}

fn failed(error: &reqwest::Error, what: &str, registry: &str, idle: u64) -> RegistryError {
    if error.is_timeout() {
        return unreachable(registry, Why::Silent(idle));
    }
    if is_dropped(error) {
        return RegistryError::Broken {
            what: what.to_owned(),
            registry: registry.to_owned(),
            why: format!("the connection was dropped: {}", told(error)),
        };
    }
    let why = causes(error).find_map(|cause| {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(match tls {
                // What a server without TLS answers to its first bytes.
                rustls::Error::InvalidMessage(_) => Why::NoTls,
                tls => Why::Tls(tls.to_string()),
            });
        }
        let text = cause.to_string();
        if text.contains("dns error") || text.contains("failed to lookup") {
            return Some(Why::Name);
        }
        let io = cause.downcast_ref::<io::Error>()?;
        let ended = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
        if ended.contains(&io.kind()) {
            return Some(Why::NoTls);
        }
        io.raw_os_error().map(|_| Why::Connect(text))
    });
    unreachable(registry, why.unwrap_or_else(|| Why::Other(told(error))))
}

/// What is behind an error, and behind that. The error of a stream stands in front of what it wraps,
/// which it does not name as its own cause.
fn causes<'e>(error: &'e reqwest::Error) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| {
        let wrapped = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner),
            None => (*cause).source(),
        }
    })
}

/// The innermost cause: the outer ones repeat the address.
fn told(error: &reqwest::Error) -> String {
    causes(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
