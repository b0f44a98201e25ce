//! Requests: schemes, redirects, credentials.

use std::net::IpAddr;
use std::sync::PoisonError;

use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};

use super::answer::Answer;
use super::failure::{failed, is_dropped, told, unreachable};
use super::{Reference, Registry, RegistryError, Result, Why, host};
use crate::sys::signal;

/// Redirects that are followed.
const REDIRECTS: usize = 5;

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
        let mut answer = self.first(what, &place, headers, known.as_deref())?;
        if answer.response.status() == StatusCode::UNAUTHORIZED {
            let challenge = answer.response.headers().get_all(WWW_AUTHENTICATE);
            let challenges: Vec<String> = challenge
                .iter()
                .filter_map(|value| value.to_str().ok().map(str::to_owned))
                .collect();
            let url = answer.response.url().clone();
            let (authorization, from) = self.authorize(reference, &answer, &challenges)?;
            answer = self.follow(what, url, headers, Some(&authorization))?;
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
        authorization: Option<&str>,
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
        let scheme = match ask("https", authorization) {
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
        authorization: Option<&str>,
    ) -> Result<Answer> {
        let mut url = url;
        let first = url.origin();
        let registry = authority(&url);
        for _ in 0..=REDIRECTS {
            let mut request = self.client(&url)?.get(url.clone());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(authorization) = authorization.filter(|_| url.origin() == first) {
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

/// Host with port, as a reference has it.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
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
