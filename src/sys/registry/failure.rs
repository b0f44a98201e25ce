//! Converts errors of requests without an answer.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::answer::Question;
use super::reach::NotPublic;
use super::{RegistryError, Why};
use crate::sys::os;

/// The message for a certificate without a path to a trusted one, or that of the authority itself.
const UNTRUSTED: &str = "its certificate is not signed by a trusted authority: SSL_CERT_FILE names a file of \
                         certificates to trust";

/// Environment variables that set a proxy for all registries.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Returns the error for a host without an answer. `connect_seconds` is the time limit of a
/// connection.
pub(super) fn failed(
    error: &reqwest::Error,
    question: &Question,
    host: &str,
    connect_seconds: u64,
) -> RegistryError {
    let mut hyper = causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>());
    if hyper.any(hyper::Error::is_parse) {
        return question.broken("the answer is not HTTP");
    }
    if causes(error).any(<dyn Error>::is::<NotPublic>) {
        return question.local(host);
    }
    let why = if error.is_timeout() {
        Why::Silent(connect_seconds)
    } else if error.is_connect() || error.is_builder() {
        unconnected(error)
    } else {
        Why::Dropped
    };
    question.unreachable(host, why)
}

/// Returns the reason why no connection could be made.
fn unconnected(error: &reqwest::Error) -> Why {
    let why = causes(error).find_map(|cause| {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(of_tls(tls));
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
        io.raw_os_error().map(|_| Why::Connect(by_proxy(text)))
    });
    why.unwrap_or_else(|| Why::Other(told(error)))
}

/// Converts an error of TLS into a message that helps the user.
fn of_tls(tls: &rustls::Error) -> Why {
    match tls {
        // What a server without TLS answers to the first bytes.
        rustls::Error::InvalidMessage(_) => Why::NoTls,
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::Other(_),
        ) => Why::Tls(UNTRUSTED.to_owned()),
        tls => Why::Tls(tls.to_string()),
    }
}

/// Adds a hint about the proxy: the address that refuses connections may be that of a proxy.
fn by_proxy(said: String) -> String {
    let mut names = PROXIES.iter().filter(|name| os::env(name).is_some());
    match names.next() {
        Some(name) => format!("{said} ({name} is set: is that proxy there?)"),
        None => said,
    }
}

/// Returns the causes of an error, from the outside to the inside. The error that an [`io::Error`]
/// wraps is not its source, so it is visited explicitly.
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

/// Returns the innermost cause: the outer ones repeat the address.
pub(super) fn told(error: &reqwest::Error) -> String {
    causes(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_meets_an_unknown_authority_is_told_how_to_name_it() {
        for (error, hint) in [
            (CertificateError::UnknownIssuer, true),
            (CertificateError::Expired, false),
            (CertificateError::NotValidForName, false),
        ] {
            let why = of_tls(&rustls::Error::InvalidCertificate(error)).to_string();
            assert_eq!(why.contains("SSL_CERT_FILE"), hint, "{why}");
        }
    }
}
