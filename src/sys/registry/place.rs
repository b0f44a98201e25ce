//! Hosts and ports, as in references and URLs.

use std::net::IpAddr;

use reqwest::Url;

/// Returns the host, with its port unless it is the default port of the scheme.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Returns true if a URL has the host of a reference, with or without the default port of the
/// scheme.
pub(super) fn is_at(url: &Url, host: &str) -> bool {
    let other = Url::parse(&format!("{}://{host}", url.scheme()));
    other.is_ok_and(|other| other.origin() == url.origin())
}

/// Returns true if a host, with or without a port, is this machine.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_goes_without_saying_makes_no_other_host() {
        for (url, host, same) in [
            ("https://h.io/v2/", "h.io", true),
            ("https://h.io/v2/", "h.io:443", true),
            ("https://h.io:443/v2/", "h.io", true),
            ("http://h.io/v2/", "h.io:80", true),
            ("http://h.io/v2/", "h.io:443", false),
            ("https://h.io:5000/v2/", "h.io", false),
            ("https://h.io.evil/v2/", "h.io", false),
            ("https://user@h.io/v2/", "h.io", true),
            ("https://h.io@evil/v2/", "h.io", false),
        ] {
            let parsed = Url::parse(url).unwrap();
            assert_eq!(is_at(&parsed, host), same, "{url} {host}");
        }
    }

    #[test]
    fn loopback_is_known_in_each_form() {
        for (host, loopback) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1", true),
            ("127.8.8.8:1", true),
            ("[::1]:5000", true),
            ("[::1]", true),
            ("localhost.evil", false),
            ("10.0.0.1:5000", false),
            ("h.io", false),
        ] {
            assert_eq!(is_loopback(host), loopback, "{host}");
        }
    }
}
