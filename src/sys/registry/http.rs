//! HTTP requests: schemes, redirects, credentials, retries.

use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use super::answer::{Answer, Question};
use super::failure::{failed, told};
use super::place::{authority, is_at, is_loopback};
use super::reach::{PublicOnly, is_local};
use super::wait::{Ended, Waiter};
use super::{Reference, Registry, RegistryError, Result, Route, Why, host};

/// The maximum number of redirects that are followed.
const REDIRECTS: usize = 5;

/// The maximum number of times that a request is repeated after it was postponed or interrupted.
const AGAIN: usize = 2;

type Headers<'a> = &'a [(&'static str, &'a str)];

impl Registry {
    /// Requests `path` of a repository, and repeats the request if the registry is busy. A registry
    /// that gives no answer at all is not asked again in this run. One that fails for this path but
    /// answers other requests is.
    pub(super) fn get(
        &self,
        reference: &Reference,
        what: &str,
        path: &str,
        headers: Headers<'_>,
    ) -> Result<Answer> {
        let outages = || self.outages.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = reference.registry().to_owned();
        let outage = outages().get(&registry).cloned();
        if let Some(outage) = outage.filter(|outage| self.is_away(outage)) {
            return Err(outage);
        }
        let question = Question {
            what: what.to_owned(),
            registry,
        };
        let mut answer = self.once(reference, &question, path, headers);
        for attempt in 0..AGAIN {
            let Err(error) = &answer else { break };
            if !self.waits(error, attempt)? {
                break;
            }
            answer = self.once(reference, &question, path, headers);
        }
        if let Err(error) = &answer
            && self.is_away(error)
            && !self.responds(reference, &question)
        {
            outages().insert(question.registry, error.clone());
        }
        answer
    }

    /// Returns true if a registry gives any answer at all: requests its base path without
    /// credentials.
    fn responds(&self, reference: &Reference, question: &Question) -> bool {
        let base = format!("{}/v2/", host(reference));
        self.first(question, &base, &[], None).is_ok()
    }

    /// Returns true if an error comes from a registry that has not given a single answer in this
    /// run.
    ///
    /// A registry that answers one request and fails another may hide facts that contradict the
    /// result: that is not an outage.
    pub fn is_away(&self, error: &RegistryError) -> bool {
        let answered = || self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        error
            .outage()
            .is_some_and(|name| !answered().contains(name))
    }

    /// Waits until a request may be repeated. Returns false if it must not be repeated.
    pub(super) fn waits(&self, error: &RegistryError, attempt: usize) -> Result<bool> {
        if !error.passes() {
            return Ok(false);
        }
        let own = self.options.backoff.saturating_mul(1 << attempt.min(8));
        let pause = error.after().map_or(own, Duration::from_secs);
        let mut patience = self
            .retry_budget
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(left) = patience.checked_sub(pause) else {
            return Ok(false);
        };
        *patience = left;
        drop(patience);
        match self.waiter().map(|waiter| waiter.pause(pause)) {
            Some(Ok(())) => Ok(true),
            Some(Err(Ended::Signal)) => Err(RegistryError::Interrupted),
            Some(Err(_)) | None => Ok(false),
        }
    }

    /// Makes one attempt, with credentials if the registry requires them.
    fn once(
        &self,
        reference: &Reference,
        question: &Question,
        path: &str,
        headers: Headers<'_>,
    ) -> Result<Answer> {
        let registry = host(reference);
        let key = (registry.to_owned(), reference.repository().to_owned());
        let known = self.accepted().get(&key).cloned();
        let place = format!("{registry}/v2/{}/{path}", reference.repository());
        let mut answer = self.first(question, &place, headers, known.as_deref())?;
        if answer.response.status() == StatusCode::UNAUTHORIZED {
            // The credentials are not meant for the target of a redirect.
            if !is_at(answer.response.url(), registry) {
                return Err(answer.broken("it redirects to a host that requires other credentials"));
            }
            let challenge = answer.response.headers().get_all(WWW_AUTHENTICATE);
            let challenges: Vec<String> = challenge
                .iter()
                .filter_map(|value| value.to_str().ok().map(str::to_owned))
                .collect();
            let url = answer.response.url().clone();
            let authorization = self.authorize(reference, &answer, &challenges)?;
            answer = self.follow(question, url, headers, Some(&authorization))?;
            if answer.response.status() == StatusCode::UNAUTHORIZED {
                self.accepted().remove(&key);
            } else {
                self.accepted().insert(key, authorization);
            }
        }
        answer.judged(self.looked_up(reference))
    }

    /// Sends the first request to a place, with the scheme of its host.
    fn first(
        &self,
        question: &Question,
        place: &str,
        headers: Headers<'_>,
        authorization: Option<&str>,
    ) -> Result<Answer> {
        let name = place.split('/').next().unwrap_or(place).to_owned();
        let ask = |scheme: &str, authorization| {
            let url = Url::parse(&format!("{scheme}://{place}"))
                .map_err(|error| question.unreachable(&name, Why::Other(error.to_string())))?;
            self.follow(question, url, headers, authorization)
        };
        if self.allows_plain(&name) {
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
        // Plain HTTP is used only if the registry does not speak TLS at all, not if its certificate
        // is bad.
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

    /// Follows redirects, but never from https to http. Sends `Authorization` only to the first
    /// host.
    pub(super) fn follow(
        &self,
        question: &Question,
        url: Url,
        headers: Headers<'_>,
        authorization: Option<&str>,
    ) -> Result<Answer> {
        let mut url = url;
        let first = url.origin();
        for _ in 0..=REDIRECTS {
            let mut request = self.client(question, &url)?.get(url.clone());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(authorization) = authorization.filter(|_| url.origin() == first) {
                request = request.header(AUTHORIZATION, authorization);
            }
            let answer = self.send(question, &url, request.send())?;
            if !answer.response.status().is_redirection() {
                return Ok(answer);
            }
            let next = answer
                .header(LOCATION.as_str())
                .and_then(|location| url.join(location).ok())
                .ok_or_else(|| answer.broken("it redirects to nowhere"))?;
            let plain = (url.scheme(), next.scheme()) == ("http", "http") && self.is_plain(&next);
            if next.scheme() != "https" && !plain {
                return Err(answer.broken("it redirects to a place without TLS"));
            }
            url = next;
        }
        let why = format!("it redirects more than {REDIRECTS} times");
        Err(question.broken(&why))
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) fn send(
        &self,
        question: &Question,
        url: &Url,
        sent: impl Future<Output = reqwest::Result<Response>>,
    ) -> Result<Answer> {
        let host = authority(url);
        let away = |why| question.unreachable(&host, why);
        let waiter = self.waiter();
        let waiter = waiter.ok_or_else(|| away(Why::Other("no thread can be started".into())))?;
        let read_timeout = self.options.read_timeout;
        let response = match waiter.wait(read_timeout, sent) {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let patience = self.options.connect.as_secs();
                return Err(failed(&error, question, &host, patience));
            }
            Err(ended) => return Err(question.ended(ended, &host, read_timeout)),
        };
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert(question.registry.clone());
        drop(answered);
        Ok(Answer {
            response,
            question: question.clone(),
            waiter,
            secrets: self.options.secrets.clone(),
            read_timeout,
        })
    }

    fn waiter(&self) -> Option<Arc<Waiter>> {
        let start = || Waiter::start(Arc::clone(&self.budget)).ok().map(Arc::new);
        self.waiter.get_or_init(start).clone()
    }

    /// Returns the client for a place, whether a reference, a redirect or a realm names it.
    pub(super) fn client(&self, question: &Question, url: &Url) -> Result<&Client> {
        let place = authority(url);
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        let allowed = allowed.has(url);
        if !allowed && is_local(url) {
            return Err(question.local(&place));
        }
        let [named, loopback, unnamed] = &self.clients;
        let (client, route) = if is_loopback(&place) {
            (loopback, Route::Loopback)
        } else if allowed {
            (named, Route::Named)
        } else {
            (unnamed, Route::Unnamed)
        };
        let made = client.get_or_init(|| self.make(route).map_err(|error| told(&error)));
        made.as_ref()
            .map_err(|said| question.unreachable(&place, Why::Tls(said.clone())))
    }

    fn make(&self, route: Route) -> reqwest::Result<Client> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Another thread may have installed the same provider in the meantime.
            rustls::crypto::aws_lc_rs::default_provider()
                .install_default()
                .ok();
        }
        let builder = Client::builder()
            .user_agent(concat!("glooistio/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.options.connect)
            .redirect(Policy::none())
            .retry(reqwest::retry::never());
        match route {
            Route::Named => builder.build(),
            Route::Loopback => builder.no_proxy().build(),
            Route::Unnamed => builder.dns_resolver(PublicOnly::new()).build(),
        }
    }

    /// Returns true if a place may be contacted without TLS.
    pub(super) fn is_plain(&self, url: &Url) -> bool {
        is_loopback(&authority(url)) || self.allows_plain(&authority(url))
    }

    /// Returns true if `--plain-http` names a host, with or without the port of HTTP.
    fn allows_plain(&self, name: &str) -> bool {
        let bare = |name: &str| name.strip_suffix(":80").unwrap_or(name).to_owned();
        let mut allowed = self.options.plain_http.iter();
        allowed.any(|allowed| bare(allowed) == bare(name))
    }
}
