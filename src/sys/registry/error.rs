//! Why a registry did not give what was asked.

use std::fmt;

use crate::exit::Exit;

/// Told apart as a person acts on them: pull something else, log in, mend the network, distrust the
/// registry.
///
/// `registry` is spelled as references spell it: `docker.io`, `h.io:5000`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// 404, or the registry says that name or manifest is unknown.
    #[error("{what} does not exist{}: {}", parenthesis(.said), absent(.what))]
    NotFound { what: String, said: String },
    /// 401 or 403.
    #[error("{registry} refuses {what}{}: {}", parenthesis(.said), login(.registry, .credentials.as_deref()))]
    Denied {
        what: String,
        registry: String,
        /// Where the credentials came from that were refused; none were sent where it is absent.
        credentials: Option<String>,
        said: String,
    },
    /// Nothing can be said of the image: the registry was not reached, or cannot answer now.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        registry: String,
        /// Who it was that did not answer: the registry, who gives its tokens, or where it redirects.
        host: String,
        why: Why,
    },
    /// The registry answers what no registry may.
    #[error("{registry} gives no proper answer for {what}: {why}")]
    Broken {
        what: String,
        registry: String,
        why: String,
    },
    /// It is not contacted: a stranger named a place of this machine, its network or its cluster.
    #[error(
        "{host} is not contacted: it is a loopback, private or cluster-local address, and neither the plan \
         nor the record names it (--allow-registry HOST[:PORT] does)"
    )]
    Local {
        /// The registry of the image, which may have redirected there.
        registry: String,
        host: String,
    },
    /// Not read, because reading everything else took all the time that there was.
    #[error(
        "{what} was not read: all registries together may take {seconds} s (--timeout allows more)"
    )]
    OutOfTime { what: String, seconds: u64 },
    #[error("{what} has more than {limit} bytes: it is refused")]
    TooLarge { what: String, limit: u64 },
    #[error("interrupted")]
    Interrupted,
}

/// What a person can do: names and tags are theirs, a blob is named by a manifest that is there.
fn absent(what: &str) -> &'static str {
    if what.starts_with("blob ") {
        "the registry lost a part of the image: push or mirror it again"
    } else {
        "check name and tag"
    }
}

/// Why a registry could not be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The name has no address.
    Name,
    /// Nobody listens, or there is no route.
    Connect(String),
    /// Nothing came, or not all of it, for so many seconds.
    Silent(u64),
    /// It ended the connection in the middle of an answer, or before one.
    Dropped,
    /// So many bytes came within so many seconds, too few.
    Slow {
        bytes: u64,
        seconds: u64,
    },
    /// No TLS connection could be made: what TLS says.
    Tls(String),
    /// It does not speak TLS.
    NoTls,
    /// 408, 429 or 5xx; it may say after how many seconds it wants to be asked again.
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

    /// The registry that gave no answer, as references spell it. Whether it gives any is known to
    /// [`Registry::is_away`](super::Registry::is_away).
    pub fn outage(&self) -> Option<&str> {
        match self {
            RegistryError::Unreachable { registry, .. } | RegistryError::Local { registry, .. } => {
                Some(registry)
            }
            _ => None,
        }
    }

    /// Whether the same question may well be answered soon.
    pub(super) fn passes(&self) -> bool {
        let RegistryError::Unreachable { why, .. } = self else {
            return false;
        };
        match why {
            Why::Busy { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            why => *why == Why::Dropped,
        }
    }

    /// After how many seconds, where the registry says it.
    pub(super) fn after(&self) -> Option<u64> {
        match self {
            RegistryError::Unreachable {
                why: Why::Busy { after, .. },
                ..
            } => *after,
            _ => None,
        }
    }

    /// 69 for what is not reached, 65 for what is reached and not usable.
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
