//! The secrets of a run, and their removal from all output.
//!
//! Two kinds of text are masked: texts that this run knows to be secret, wherever they occur, and
//! texts that are secret by their form: the key in the name of a hub, user and password of a URL,
//! the values of its query, and the credentials after `Basic` or `Bearer`. Both are searched in the
//! text as it is and after decoding: `%2F` and `\u002f` are a slash.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use istio_builds::Matrix;

mod form;
mod view;

use view::View;

/// The replacement for a secret.
const MASK: &str = "****";

/// A secret with fewer characters is masked only as a separate word, because it is part of many
/// words.
const SHORT: usize = 6;

/// The number of characters from which a token of a registry is masked in all output.
const TOKEN: usize = 20;

/// The secrets that a run knows. Clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Known>);

#[derive(Default)]
struct Known {
    texts: Mutex<BTreeSet<String>>,
    /// The keyed hubs of the user's matrix. If it is not set, those of the built-in matrix are
    /// used.
    hubs: OnceLock<KeyedHubs>,
}

/// The hubs that have a key in their names. Every text of a report is searched for them.
struct KeyedHubs {
    matrix: Matrix,
    /// The part of a hub's name before the key: the whole part, and its last component.
    before: Vec<(String, String)>,
}

static BUILTIN: LazyLock<KeyedHubs> = LazyLock::new(|| KeyedHubs::of(Matrix::builtin()));

impl KeyedHubs {
    fn of(matrix: &Matrix) -> KeyedHubs {
        let with_last = |whole: String| {
            let last = whole.rsplit('/').next().unwrap_or_default().to_owned();
            (whole, last)
        };
        KeyedHubs {
            matrix: matrix.clone(),
            before: matrix.keyed_hubs().into_iter().map(with_last).collect(),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({MASK})")
    }
}

impl Secrets {
    /// Adds a secret of the user, which is masked from now on.
    pub fn add(&self, secret: &str) {
        let secret = secret.trim();
        if !secret.is_empty() {
            self.texts().insert(secret.to_owned());
        }
    }

    /// Adds a password, and its encodings in HTTP.
    pub fn add_login(&self, user: &str, password: &str) {
        self.add(password);
        let pair = format!("{user}:{password}");
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            self.add(&engine.encode(&pair));
        }
    }

    /// Adds a token from a registry, if it cannot be anything but a secret.
    ///
    /// The registry chooses its tokens. A token that is an ordinary word, a name or a digest would
    /// mask parts of the report, so only a long token with digits and letters of both cases counts.
    pub fn add_token(&self, token: &str) {
        let has = |kind: fn(&char) -> bool| token.chars().any(|c| kind(&c));
        if token.len() >= TOKEN
            && has(char::is_ascii_digit)
            && has(char::is_ascii_lowercase)
            && has(char::is_ascii_uppercase)
        {
            self.add(token);
        }
    }

    /// Adds the keys of all hubs in a text of the user, so that they are masked even without their
    /// hub.
    pub fn add_keys_in(&self, text: &str) {
        for view in View::layers(text) {
            for range in form::keys(&view.text, self.hubs()) {
                self.add(&view.text[range]);
            }
        }
    }

    /// Uses the keyed hubs of this matrix. Only the first call has an effect.
    pub fn use_matrix(&self, matrix: &Matrix) {
        self.0.hubs.get_or_init(|| KeyedHubs::of(matrix));
    }

    /// Returns the text with all secrets masked.
    pub fn mask(&self, text: &str) -> String {
        // A secret can look like an encoded text itself, so every layer is searched.
        let layers = View::layers(text).into_iter();
        let mut found: Vec<Range<usize>> = layers.flat_map(|view| self.secret_in(&view)).collect();
        if found.is_empty() {
            return text.to_owned();
        }
        found.sort_by_key(|range| (range.start, range.end));
        let (mut masked, mut end) = (String::with_capacity(text.len()), 0);
        for range in found {
            if range.start >= end {
                masked.push_str(&text[end..range.start]);
                masked.push_str(MASK);
            }
            end = end.max(range.end);
        }
        masked.push_str(&text[end..]);
        masked
    }

    /// Returns the ranges of the original text that are secret in this view.
    fn secret_in(&self, view: &View) -> Vec<Range<usize>> {
        let mut found = self.known_in(&view.text);
        found.extend(form::keys(&view.text, self.hubs()));
        found.extend(form::authorizations(&view.text));
        found.extend(form::parts_of_urls(&view.text));
        found.extend(form::logins(&view.text));
        let original = found.iter().map(|range| view.original(range));
        original.collect()
    }

    fn known_in(&self, text: &str) -> Vec<Range<usize>> {
        let word = |c: char| c.is_alphanumeric();
        let texts = self.texts();
        let each = texts.iter().flat_map(|secret| {
            let found = text.match_indices(secret.as_str());
            found.filter_map(move |(at, _)| {
                let end = at + secret.len();
                let alone = !text[..at].ends_with(word) && !text[end..].starts_with(word);
                (secret.len() >= SHORT || alone).then_some(at..end)
            })
        });
        each.collect()
    }

    fn hubs(&self) -> &KeyedHubs {
        self.0.hubs.get().unwrap_or_else(|| &BUILTIN)
    }

    fn texts(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // A panic in another thread leaves the set valid: threads only insert.
        self.0.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "0123456789ab";

    fn keyed() -> String {
        let hubs = Matrix::builtin().keyed_hubs();
        hubs.into_iter().next().unwrap()
    }

    fn masked(text: &str) -> String {
        Secrets::default().mask(text)
    }

    #[test]
    fn masks_login_of_reference_without_scheme() {
        for (text, expected) in [
            ("`user:PASS@h.io/x:1` is not", "`****@h.io/x:1` is not"),
            ("user:PASS@h.io/x:1", "****@h.io/x:1"),
            (
                "a u:p/a@b@h.io:5000/x@sha256:ab c",
                "a ****@h.io:5000/x@sha256:ab c",
            ),
            ("docker://user:PASS@h.io/x:1", "docker://****@h.io/x:1"),
            ("user%3APASS@h.io/x", "****@h.io/x"),
        ] {
            assert_eq!(masked(text), expected);
        }
        for text in [
            "h.io/x:1@sha256:0123",
            "h.io:5000/x/y:1@sha512:0123/",
            "admin@cluster/x",
            "user:x@cluster",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn the_key_of_a_hub_is_masked_wherever_and_however_it_is_written() {
        let hub = format!("{}{KEY}", keyed());
        let encoded = hub.replace('/', "%2F");
        let twice = hub.replace('/', "%252f");
        let escaped = hub.replace('/', r"\/").replace("istio", r"\u0069stio");
        for text in [
            hub.clone(),
            format!("values.global.hub={hub}"),
            format!("`{hub}/pilot:1.31.0-solo` is not there"),
            format!("https://{hub}/v2/"),
            format!("https://proxy/v2/{encoded}%2Fpilot/manifests/1"),
            format!("https://proxy/v2/{twice}"),
            format!(r#"{{"hub":"{escaped}"}}"#),
            hub.to_uppercase(),
            format!("m.example:5000/{}", hub.split_once('/').unwrap().1),
            format!("m.example/{}", hub.replace('/', "-")),
            format!("`istio-{KEY}:1.31.0` has a tag"),
            format!("hub: {hub}@sha256:00"),
        ] {
            let masked = masked(&text);
            let plain = masked.to_lowercase();
            assert!(!plain.contains(KEY), "{text}: {masked}");
            assert!(masked.contains(MASK), "{text}: {masked}");
        }
        // After the vendor's hub, a key of another shape is masked as well.
        let odd = format!("{}my-odd.key/pilot:1", keyed());
        assert_eq!(masked(&odd), format!("{}****/pilot:1", keyed()));
    }

    #[test]
    fn what_is_no_key_is_left_as_it_is() {
        for text in [
            "istio-ingressgateway",
            "istio-5d8f9c7b6d-abcde",
            "istio-0123456789abc",
            "registry.example.com/istio/pilot:1.31.0-solo@sha256:0123456789ab",
            "us-docker.pkg.dev/gloo-mesh/istio-workshops/pilot:1",
            "us-docker.pkg.dev/gloo-mesh/istio-<key>",
            "docker-pullable://istio/pilot@sha256:00",
            "docker-pullable://pilot@sha256:00",
            "https://example.com/a?",
            "Basic realm=\"registry\"",
            "it wants Basic authentication",
            "",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn what_the_user_typed_is_masked_without_its_hub_too() {
        let secrets = Secrets::default();
        secrets.add_keys_in(&format!("--hub={}odd1key:1.31.0", keyed()));
        let said = "`istio-odd1key:1.31.0` has a tag";
        assert_eq!(secrets.mask(said), "`istio-****:1.31.0` has a tag");
    }

    #[test]
    fn a_password_is_masked_in_every_form_that_http_gives_it() {
        let secrets = Secrets::default();
        secrets.add_login("bob", "p@ss/w\"rd é");
        for text in [
            "wrong password p@ss/w\"rd é for bob",
            "user=bob&password=p%40ss%2Fw%22rd%20%c3%a9",
            r#"{"message":"p@ss\/w\"rd \u00e9"}"#,
            "Ym9iOnBAc3MvdyJyZCDDqQ==",
            "Ym9iOnBAc3MvdyJyZCDDqQ",
        ] {
            let masked = secrets.mask(text);
            assert!(masked.contains(MASK), "{text}: {masked}");
            for part in ["p@", "p%40", "rd", "w%22", "Ym9i", "DDqQ"] {
                let masked = masked.replace("password", "");
                assert!(!masked.contains(part), "{text}: {masked}");
            }
        }
        secrets.add_login("bob", r"p\/%41");
        assert_eq!(secrets.mask(r"p\/%41, p%5C%2F%2541"), "****, ****");
    }

    #[test]
    fn a_short_secret_is_masked_as_a_word_only() {
        let secrets = Secrets::default();
        secrets.add("pw");
        assert_eq!(
            secrets.mask("pw is `pw`, not pwd"),
            "**** is `****`, not pwd"
        );
    }

    #[test]
    fn a_registry_cannot_hide_words_by_its_tokens() {
        let secrets = Secrets::default();
        for token in [
            "contradicted",
            "registry.example.com/istio/pilot:1.31.0",
            "sha256:0123456789abcdef0123456789abcdef",
        ] {
            secrets.add_token(token);
            assert_eq!(secrets.mask(token), token);
        }
        secrets.add_token("eyJhbGciOiJSUzI1NiIsInR5cCI6");
        assert_eq!(secrets.mask("eyJhbGciOiJSUzI1NiIsInR5cCI6."), "****.");
    }

    #[test]
    fn urls_and_headers_lose_what_may_be_secret() {
        for (text, wanted) in [
            ("https://bob:pw@h.io/a", "https://****@h.io/a"),
            (
                "https://h.io/a?token=x&X-Amz-Signature=ab#c",
                "https://h.io/a?token=****&X-Amz-Signature=****#c",
            ),
            ("(https://h.io/a?b=c)", "(https://h.io/a?b=****)"),
            ("/v2/?access_token=abc def", "/v2/?access_token=**** def"),
            (
                "Authorization: Basic dTpwYXNzd29yZA==",
                "Authorization: Basic ****",
            ),
            (
                "authorization=bearer abc.DEF-123",
                "authorization=bearer ****",
            ),
        ] {
            assert_eq!(masked(text), wanted);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_known_secret_stays(
            before in ".{0,20}",
            after in ".{0,20}",
            secret in "[a-zA-Z0-9/@:%\\\\]{6,12}",
        ) {
            let secrets = Secrets::default();
            secrets.add(&secret);
            let text = format!("{before} {secret} {after}");
            let masked = secrets.mask(&text);
            prop_assert!(!masked.contains(&secret) || MASK.contains(&secret));
        }
    }
}
