//! Finds texts that are secret by their form.

use std::ops::Range;

use super::KeyedHubs;

/// Schemes of the header `Authorization`.
const SCHEMES: [&str; 2] = ["basic ", "bearer "];

/// The minimum number of characters of the credentials after a scheme.
const CREDENTIAL: usize = 8;

/// Parts of the names of parameters that hold secrets.
const NAMES: [&str; 12] = [
    "token",
    "signature",
    "sig",
    "secret",
    "password",
    "passwd",
    "credential",
    "apikey",
    "api_key",
    "api-key",
    "accesskey",
    "jwt",
];

/// Finds the keys of hubs.
///
/// After the name of a vendor's hub, any text is a key unless it makes the name that of another
/// known hub. After the last component of that name alone, as in a mirror, only a text with the
/// shape of a key is one.
pub(super) fn keys(text: &str, hubs: &KeyedHubs) -> Vec<Range<usize>> {
    let matrix = &hubs.matrix;
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (before, last) in &hubs.before {
        // The whole name contains its last component.
        if !lower.contains(last.as_str()) {
            continue;
        }
        for key in runs_behind(&lower, before, is_component) {
            let begin = key.start - before.len();
            if !matrix.is_whole_hub(&lower[begin..key.end]) {
                found.push(key);
            }
        }
        for key in runs_behind(&lower, last, |c| c.is_ascii_alphanumeric()) {
            let begin = key.start - last.len();
            let apart = !lower[..begin].ends_with(|c: char| c.is_ascii_alphanumeric());
            if apart && matrix.is_key(&lower[key.clone()]) {
                found.push(key);
            }
        }
    }
    found
}

fn is_component(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

/// Finds the text after each `before`, as far as it has these characters, without trailing
/// separators.
fn runs_behind<'t>(
    text: &'t str,
    before: &'t str,
    is: fn(char) -> bool,
) -> impl Iterator<Item = Range<usize>> + 't {
    let found = text.match_indices(before);
    found.filter_map(move |(at, before)| {
        let start = at + before.len();
        let rest = &text[start..];
        let run = &rest[..rest.find(|c| !is(c)).unwrap_or(rest.len())];
        let run = run.trim_end_matches(['-', '_', '.']);
        (!run.is_empty()).then(|| start..start + run.len())
    })
}

/// Finds user and password before the host of an image reference: `user:password@host/name`.
pub(super) fn logins(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for word in text.split_inclusive(ends_url) {
        let name = word.trim_end_matches(ends_url);
        let login = name.rmatch_indices('@').find_map(|(at, _)| {
            let (login, rest) = (&name[..at], &name[at + 1..]);
            // An `@` can also precede a digest.
            let is_host = rest.contains('/') && !rest.starts_with("sha");
            (is_host && login.contains(':')).then_some(login)
        });
        // The scheme of a URL is not a user name.
        if let Some(login) = login.filter(|login| !login.contains("://")) {
            found.push(start..start + login.len());
        }
        start += word.len();
    }
    found
}

/// Finds the text after `Basic` and `Bearer`, unless it is an ordinary word.
pub(super) fn authorizations(text: &str) -> Vec<Range<usize>> {
    let lower = text.to_ascii_lowercase();
    let of_scheme = |scheme: &&'static str| {
        let found = lower.match_indices(*scheme);
        let found = found.filter_map(|(at, scheme)| {
            let rest = &text[at + scheme.len()..];
            let start = text.len() - rest.trim_start().len();
            let rest = &text[start..];
            let encoded = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            let run = &rest[..rest.find(|c| !encoded(c)).unwrap_or(rest.len())];
            let odd = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
            let secret = run.len() >= CREDENTIAL && run.chars().skip(1).any(odd);
            secret.then(|| start..start + run.len())
        });
        found.collect::<Vec<_>>()
    };
    SCHEMES.iter().flat_map(of_scheme).collect()
}

/// Finds user and password of a URL, the values of its query, and the value of every parameter with
/// a name that suggests a secret.
pub(super) fn parts_of_urls(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, scheme) in text.match_indices("://") {
        let start = at + scheme.len();
        let rest = &text[start..];
        let end = rest.find(ends_url).unwrap_or(rest.len());
        let url = &rest[..end];
        let host = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        if let Some(user) = host.rfind('@')
            && !host[user + 1..].starts_with("sha")
        {
            found.push(start..start + user);
        }
        if let Some(query) = url.find('?') {
            found.extend(values(text, start + query, |_| true));
        }
    }
    if text.contains(['?', '&']) {
        found.extend(values(text, 0, |name| {
            let name = name.to_ascii_lowercase();
            NAMES.iter().any(|part| name.contains(part))
        }));
    }
    found
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || "\"'`<>()[]{}|\\^,;".contains(c)
}

/// Finds the values of parameters after an offset: up to the end of the URL if all names count, or
/// to the end of the text if only some do.
fn values(text: &str, from: usize, is: fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = from;
    while let Some(next) = text[at..].find(['?', '&']) {
        let start = at + next + 1;
        let rest = &text[start..];
        let end = rest
            .find(|c| ends_url(c) || c == '&' || c == '#')
            .unwrap_or(rest.len());
        if let Some((name, value)) = rest[..end].split_once('=')
            && !value.is_empty()
            && is(name)
        {
            found.push(start + name.len() + 1..start + end);
        }
        at = start;
        if is("") && !rest[end..].starts_with('&') {
            break;
        }
    }
    found
}
