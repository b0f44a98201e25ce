//! What a registry requires before it answers: a token, or user and password.

use http_auth::ChallengeRef;
use reqwest::Url;
use serde::Deserialize;

use super::answer::{Answer, HTML, Question};
use super::credentials::{Credential, Lookup};
use super::{Reference, Registry, RegistryError, Result};

/// The maximum number of bytes of the answer with a token.
const ANSWER_LIMIT: usize = 1 << 20;

/// The maximum number of bytes of a token. One is kept for each repository, and no server accepts a
/// longer header.
const TOKEN_LIMIT: usize = 16 << 10;

/// The client name in requests for tokens.
const CLIENT: &str = "glooistio";

/// The token service of a registry, and the scope of the token.
struct Realm {
    url: Url,
    service: Option<String>,
    scope: String,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// Returns the value of `Authorization` to send after a 401.
    pub(super) fn authorize(
        &self,
        reference: &Reference,
        refusal: &Answer,
        challenges: &[String],
    ) -> Result<String> {
        let lookup = self.lookup(reference);
        let parsed: Vec<ChallengeRef<'_>> = challenges
            .iter()
            .filter_map(|text| http_auth::parse_challenges(text).ok())
            .flatten()
            .collect();
        let of = |scheme: &str| {
            parsed
                .iter()
                .find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme))
        };
        if let Some(Credential::Token(token)) = &lookup.credential {
            return Ok(format!("Bearer {token}"));
        }
        if let Some(bearer) = of("bearer") {
            let realm = self.realm(reference, refusal, bearer)?;
            let token = self.token(&realm, reference, refusal, &lookup)?;
            return Ok(format!("Bearer {token}"));
        }
        match (of("basic"), &lookup.credential) {
            (Some(_), Some(Credential::Password { user, password })) => Ok(basic(user, password)),
            (Some(_), _) => Err(refused(refusal, &lookup)),
            (None, _) => Err(refusal.broken("it wants credentials of no kind that is known (401)")),
        }
    }

    fn realm(
        &self,
        reference: &Reference,
        refusal: &Answer,
        challenge: &ChallengeRef<'_>,
    ) -> Result<Realm> {
        let param = |name: &str| {
            challenge
                .params
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_unescaped())
        };
        let url = param("realm")
            .and_then(|realm| Url::parse(&realm).ok())
            .ok_or_else(|| refusal.broken("it does not say where its tokens are given"))?;
        let secure = refusal.response.url().scheme() == "https";
        if url.scheme() != "https" && (secure || url.scheme() != "http" || !self.is_plain(&url)) {
            return Err(refusal.broken("its tokens are given at a place without TLS"));
        }
        let scope = format!("repository:{}:pull", reference.repository());
        Ok(Realm {
            url,
            service: param("service"),
            scope: param("scope").unwrap_or(scope),
        })
    }

    fn token(
        &self,
        realm: &Realm,
        reference: &Reference,
        refusal: &Answer,
        lookup: &Lookup,
    ) -> Result<String> {
        let question = Question {
            what: format!("a token for {reference}"),
            registry: reference.registry().to_owned(),
        };
        let mut answer = match &lookup.credential {
            Some(Credential::Identity(identity)) => self.exchange(realm, &question, identity)?,
            credential => {
                let mut url = realm.url.clone();
                for (name, value) in realm.params() {
                    url.query_pairs_mut().append_pair(name, value);
                }
                let authorization = match credential {
                    Some(Credential::Password { user, password }) => Some(basic(user, password)),
                    _ => None,
                };
                self.follow(&question, url, &[], authorization.as_deref())?
            }
        };
        match answer.response.status().as_u16() {
            401 | 403 => return Err(refused(refusal, lookup)),
            _ => answer = answer.judged(lookup.clone())?,
        }
        if answer.is_html() {
            return Err(answer.broken(HTML));
        }
        let bytes = answer.bounded(ANSWER_LIMIT)?;
        let given: Option<Token> = serde_json::from_slice(&bytes).ok();
        let token = given
            .and_then(|given| given.token.or(given.access_token))
            .filter(|token| (1..=TOKEN_LIMIT).contains(&token.len()))
            .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| answer.broken("there is no token in it"))?;
        self.options.secrets.add_token(&token);
        Ok(token)
    }

    /// Exchanges an identity token in the body of a request, which must not be redirected.
    fn exchange(&self, realm: &Realm, question: &Question, identity: &str) -> Result<Answer> {
        let mut form = realm.params();
        form.extend([
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("refresh_token", identity),
        ]);
        let client = self.client(question, &realm.url)?;
        let request = client.post(realm.url.clone()).form(&form);
        self.send(question, &realm.url, request.send())
    }
}

impl Realm {
    fn params(&self) -> Vec<(&'static str, &str)> {
        let service = self.service.as_deref().map(|service| ("service", service));
        service
            .into_iter()
            .chain([("scope", self.scope.as_str())])
            .collect()
    }
}

/// Returns the error for the registry's refusal, with the problem of the credential lookup.
fn refused(refusal: &Answer, lookup: &Lookup) -> RegistryError {
    RegistryError::Denied {
        what: refusal.question.what.clone(),
        registry: refusal.question.registry.clone(),
        credentials: lookup.from.clone(),
        said: lookup.problem.clone().unwrap_or_default(),
    }
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}
