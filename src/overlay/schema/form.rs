//! Formats of texts that istioctl parses itself, beyond their type.

use std::net::IpAddr;

use serde::Deserialize;

/// The format that a text must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    /// `*`, or IP ranges separated by commas.
    IpRanges,
    /// Ports or `*`, separated by commas.
    Ports,
}

impl Form {
    /// Whether istioctl accepts the text.
    pub(super) fn fits(self, text: &str) -> bool {
        match self {
            Form::IpRanges => text.is_empty() || text == "*" || text.split(',').all(is_ip_range),
            Form::Ports => text.split(',').all(is_port),
        }
    }

    /// Returns what to write instead.
    pub(super) fn write(self) -> &'static str {
        match self {
            Form::IpRanges => "`*`, or ranges such as 10.0.0.0/8,fd00::/8 without spaces",
            Form::Ports => "`*`, or ports such as 80,8080 without spaces",
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
    text.is_empty() || text == "*" || text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each value was passed to istioctl 1.31.0.
    #[test]
    fn forms_are_those_that_istioctl_accepts() {
        let ranges = ["", "*", "10.0.0.0/8", "10.1.2.3/8,1.2.3.4/32", "fd00::/8"];
        let wrong = [
            "10.0.0.1",
            "1.2.3.4/33",
            "10.0.0.0/8, 1.2.3.4/32",
            "10.0.0.0/8,",
            "*,10.0.0.0/8",
        ];
        for text in ranges {
            assert!(Form::IpRanges.fits(text), "{text}");
        }
        for text in wrong {
            assert!(!Form::IpRanges.fits(text), "{text}");
        }
        for text in ["", "*", "0", "65535", "*,80", "80,", "+80", "080"] {
            assert!(Form::Ports.fits(text), "{text}");
        }
        for text in ["80, 81", "65536", "80,abc", "15,-1", "1-2"] {
            assert!(!Form::Ports.fits(text), "{text}");
        }
    }
}
