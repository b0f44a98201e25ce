//! Values that istioctl reads for itself, beyond their type.

use std::net::IpAddr;

use serde::Deserialize;

use super::kind::duration_nanoseconds;

/// The longest label of a DNS name.
const LONGEST_LABEL: usize = 63;

const NANOSECONDS_PER_MILLISECOND: f64 = 1e6;

const NANOSECONDS_PER_SECOND: f64 = 1e9;

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    /// `*`, or IP ranges separated by commas.
    IpRanges,
    /// Ports or `*`, separated by commas.
    Ports,
    /// A number from 1 to 65535.
    Port,
    /// A host name or an address with a port.
    HostAndPort,
    /// A trust domain.
    Domain,
    NotEmpty,
    /// A duration of whole milliseconds.
    Milliseconds,
    /// The same, and at least one.
    SomeMilliseconds,
    /// A duration of whole seconds, and at least one.
    SomeSeconds,
}

impl Form {
    /// Checks whether istioctl accepts the value, which is given as text.
    ///
    /// Durations that are not durations at all are left to their kind.
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Form::IpRanges => text.is_empty() || text == "*" || text.split(',').all(is_ip_range),
            Form::Ports => text.split(',').all(|part| {
                let is_number = |part: &str| {
                    part.parse::<i32>()
                        .is_ok_and(|port| (0..=65_535).contains(&port))
                };
                part.is_empty() || part == "*" || is_number(part)
            }),
            Form::Port => is_port(text),
            Form::HostAndPort => is_host_and_port(text),
            Form::Domain => is_domain(text.strip_suffix('.').unwrap_or(text)),
            Form::NotEmpty => !text.is_empty(),
            Form::Milliseconds => is_whole(text, NANOSECONDS_PER_MILLISECOND, f64::MIN),
            Form::SomeMilliseconds => is_whole(text, NANOSECONDS_PER_MILLISECOND, 1.0),
            Form::SomeSeconds => is_whole(text, NANOSECONDS_PER_SECOND, 1.0),
        }
    }

    /// Returns what to write instead.
    pub(super) fn write(self) -> &'static str {
        match self {
            Form::IpRanges => "write `*`, or ranges such as 10.0.0.0/8,fd00::/8 without spaces",
            Form::Ports => "write `*`, or ports such as 80,8080 without spaces",
            Form::Port => "write a port from 1 to 65535",
            Form::HostAndPort => "write a host and a port, such as istiod.istio-system.svc:15012",
            Form::Domain => "write a domain such as cluster.local",
            Form::NotEmpty => "write a text, or remove the line",
            Form::Milliseconds => "write whole milliseconds, such as 100ms",
            Form::SomeMilliseconds => "write whole milliseconds, at least 1ms",
            Form::SomeSeconds => "write whole seconds, at least 1s",
        }
    }
}

fn is_ip_range(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = bits == "0" || !bits.starts_with('0');
    is_number && is_short && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_host = match bracketed {
        // An address can have a zone, and a name can be in brackets, too.
        Some(address) => !address.is_empty(),
        None => is_domain(host.strip_suffix('.').unwrap_or(host)),
    };
    is_host && is_port(port)
}

/// Checks whether the text is a DNS name; an IPv4 address is one, too.
fn is_domain(text: &str) -> bool {
    text.split('.').all(|label| {
        let is_plain = |c: char| c.is_ascii_alphanumeric();
        label.len() <= LONGEST_LABEL
            && label.starts_with(is_plain)
            && label.ends_with(is_plain)
            && label.chars().all(|c| is_plain(c) || c == '-')
    })
}

/// Checks whether a duration is a whole number of `unit` nanoseconds, and at least `least` of them.
fn is_whole(text: &str, unit: f64, least: f64) -> bool {
    duration_nanoseconds(text).is_none_or(|nanoseconds| {
        let units = nanoseconds / unit;
        units >= least && (units - units.round()).abs() < 1e-6
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A form, texts that istioctl 1.31.0 accepts, and texts that it refuses.
    type Row = (Form, &'static [&'static str], &'static [&'static str]);

    const TEXTS: [Row; 3] = [
        (
            Form::IpRanges,
            &["", "*", "10.0.0.0/8", "10.1.2.3/8,1.2.3.4/32", "fd00::/8"],
            &[
                "10.0.0.1",
                "1.2.3.4/33",
                "10.0.0.0/8, 1.2.3.4/32",
                "10.0.0.0/8,",
                "*,10.0.0.0/8",
            ],
        ),
        (
            Form::Ports,
            &["", "*", "0", "65535", "*,80", "80,", "+80", "080", "-0"],
            &["80, 81", "65536", "80,abc", "15,-1", "1-2"],
        ),
        (Form::NotEmpty, &["a"], &[""]),
    ];

    const HOSTS: [Row; 3] = [
        (Form::Port, &["1", "15020", "65535"], &["0", "65536", "-1"]),
        (
            Form::HostAndPort,
            &[
                "istiod.x.svc:15012",
                "[::1]:15012",
                "[fe80::1%eth0]:1",
                "1.2.3.4:1",
            ],
            &[
                "istiod",
                "istiod:0",
                "1.2.3.4:99999",
                ":15012",
                "",
                "A_b:15012",
            ],
        ),
        (
            Form::Domain,
            &["cluster.local", "A.b", "a.", "0a"],
            &["", "a_b", "a/b", "-a", "a-", "a..b", "a\u{e9}"],
        ),
    ];

    const DURATIONS: [Row; 3] = [
        (
            Form::Milliseconds,
            &["0s", "100ms", "-1s", "1.5s"],
            &["500us", "1500us"],
        ),
        (
            Form::SomeMilliseconds,
            &["1ms", "29s"],
            &["0s", "500us", "-1s", "1500us", "1ns"],
        ),
        (
            Form::SomeSeconds,
            &["45s", "1m"],
            &["0s", "500ms", "1500ms", "-1s"],
        ),
    ];

    #[test]
    fn forms_are_those_that_istioctl_accepts() {
        for (form, right, wrong) in [TEXTS, HOSTS, DURATIONS].into_iter().flatten() {
            for text in right {
                assert!(form.fits(text), "{form:?} {text}");
            }
            for text in wrong {
                assert!(!form.fits(text), "{form:?} {text}");
            }
        }
    }
}
