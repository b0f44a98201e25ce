//! Errors of requests to registries.

use std::fmt;

use crate::exit::Exit;

/// An error of a request to a registry. The variants differ in what the user can do: pull another
/// image, log in, repair the network, or distrust the registry.
///
/// The field `registry` has the spelling of references: `docker.io`, `h.io:5000`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// 404, or the registry states that the name or manifest is unknown.
    #[error("{what} does not exist{}: {}", parenthesis(.said), absent(.what))]
    NotFound { what: String, said: String },
    /// 401 or 403.
    #[error("{registry} refuses {what}{}: {}", parenthesis(.said), login(.registry, .credentials.as_deref()))]
    Denied {
        what: String,
        registry: String,
        /// The source of the refused credentials; `None` if none were sent.
        credentials: Option<String>,
        said: String,
    },
    /// The state of the image is unknown: the registry was not reached, or cannot answer now.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        registry: String,
        /// The host that did not answer: the registry, its token service, or the target of a
        /// redirect.
        host: String,
        why: Why,
    },
    /// The registry sent an invalid answer.
    #[error("{registry} gives no proper answer for {what}: {why}")]
    Broken {
        what: String,
        registry: String,
        why: String,
    },
    /// The host is not contacted: untrusted content named a place on this machine, its network or
    /// its cluster.
    #[error(
        "{host} is not contacted: it is a loopback, private or cluster-local address, and neither the plan \
         nor the record names it (--allow-registry HOST[:PORT] does)"
    )]
    Local {
        /// The registry of the image, which may have redirected to the host.
        registry: String,
        host: String,
    },
    /// Not read, because reading everything else took all the available time.
    #[error(
        "{what} was not read: all registries together may take {seconds} s (--timeout allows more)"
    )]
    OutOfTime { what: String, seconds: u64 },
    #[error("{what} has more than {limit} bytes: it is refused")]
    TooLarge { what: String, limit: u64 },
    #[error("interrupted")]
    Interrupted,
}

/// Returns advice: the user chose a name or a tag, but an existing manifest names a blob.
fn absent(what: &str) -> &'static str {
    if what.starts_with("blob ") {
        "the registry lost a part of the image: push or mirror it again"
    } else {
        "check name and tag"
    }
}

/// The reason why a registry could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The name has no address.
    Name,
    /// The connection was refused, or there is no route.
    Connect(String),
    /// No answer, or only a part of it, arrived in this number of seconds.
    Silent(u64),
    /// The connection ended before an answer or in the middle of one.
    Dropped,
    /// This number of bytes in this number of seconds is too low.
    Slow {
        bytes: u64,
        seconds: u64,
    },
    /// TLS failed, with this message.
    Tls(String),
    /// The host does not speak TLS.
    NoTls,
    /// 408, 429 or 5xx. `after` is the number of seconds after which the registry wants to be asked
    /// again, if stated.
    Busy {
        status: u16,
        after: Option<u64>,
    },
    Other(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Name => f.write_str("its name has no address here"),
            Why::Connect(said) | Why::Other(said) => f.write_str(said),
            Why::Silent(seconds) => write!(f, "it did not answer within {seconds} s"),
            Why::Dropped => f.write_str("it dropped the connection"),
            Why::Slow { bytes, seconds } => {
                write!(f, "it sent no more than {bytes} bytes in {seconds} s")
            }
            Why::Tls(said) => write!(f, "no TLS connection: {said}"),
            Why::NoTls => f.write_str(
                "it speaks no TLS: if it may be spoken to without, name its host by --plain-http",
            ),
            Why::Busy { status, after } => {
                match status {
                    429 => f.write_str("it allows no more requests for now (429)")?,
                    status => write!(f, "it answers {status}")?,
                }
                after.map_or(Ok(()), |after| write!(f, ": try again in {after} s"))
            }
        }
    }
}

impl RegistryError {
    pub fn is_not_found(&self) -> bool {
        matches!(self, RegistryError::NotFound { .. })
    }

    /// Returns the registry that did not answer, in the spelling of references.
    /// [`Registry::is_away`](super::Registry::is_away) knows whether it gives any answer.
    pub fn outage(&self) -> Option<&str> {
        match self {
            RegistryError::Unreachable { registry, .. } | RegistryError::Local { registry, .. } => {
                Some(registry)
            }
            _ => None,
        }
    }

    /// Returns true if the same request may succeed soon.
    pub(super) fn passes(&self) -> bool {
        let RegistryError::Unreachable { why, .. } = self else {
            return false;
        };
        match why {
            Why::Busy { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            why => *why == Why::Dropped,
        }
    }

    /// Returns the number of seconds to wait, if the registry states it.
    pub(super) fn after(&self) -> Option<u64> {
        match self {
            RegistryError::Unreachable {
                why: Why::Busy { after, .. },
                ..
            } => *after,
            _ => None,
        }
    }

    /// Returns 69 if the registry was not reached, and 65 if its answer is not usable.
    pub fn exit(&self) -> Exit {
        match self {
            RegistryError::Unreachable { .. }
            | RegistryError::Local { .. }
            | RegistryError::OutOfTime { .. } => Exit::Unavailable,
            RegistryError::Interrupted => Exit::Interrupted,
            _ => Exit::Data,
        }
    }
}

fn parenthesis(said: &str) -> String {
    if said.is_empty() {
        String::new()
    } else {
        format!(" ({said})")
    }
}

fn login(registry: &str, credentials: Option<&str>) -> String {
    match credentials {
        None => format!("no credentials are known for it: log in with `docker login {registry}`"),
        Some(place) => {
            format!("the credentials are of {place}: log in again, or ask for the right to pull")
        }
    }
}
