//! Errors of requests to the cluster, each with the next step for the user.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use kube::client::AuthError;
use kube::config::KubeconfigError;

use crate::exit::{Exit, Failure};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    #[error("no kubeconfig: looked for {}; name one by --kubeconfig or KUBECONFIG", listed(.0))]
    NoKubeconfig(Vec<PathBuf>),
    #[error("kubeconfig cannot be used: {0}")]
    Kubeconfig(String),
    #[error("kubeconfig has no context `{wanted}`: there is {}", names(known))]
    NoContext { wanted: String, known: Vec<String> },
    #[error("kubeconfig chooses no context: name one by --context, there is {}", names(.0))]
    NoCurrentContext(Vec<String>),
    #[error(
        "credential plugin `{command}` failed: {said}; log in with your provider's tool and try again"
    )]
    Plugin { command: String, said: String },
    #[error("{server} cannot be reached: {reason}; check the address, VPN and proxy")]
    Unreachable { server: String, reason: String },
    #[error("{server} refuses connections: is the cluster running, and is this its address?")]
    Refused { server: String },
    #[error(
        "no trusted TLS connection to {server}: {reason}; check certificate-authority in the kubeconfig"
    )]
    Tls { server: String, reason: String },
    #[error("the credentials are not accepted or have expired: log in again")]
    Unauthorized,
    #[error("forbidden: {0}")]
    Forbidden(String),
    #[error("not found: {0}")]
    NotFound(String),
    #[error(
        "{what} got no answer within {seconds} s: raise --timeout, or see whether the API server is overloaded"
    )]
    Timeout { what: String, seconds: u64 },
    #[error("the connection was lost while reading {what}: {reason}")]
    Lost { what: String, reason: String },
    #[error("the API server answered {code} for {what}: {message}")]
    Api {
        what: String,
        code: u16,
        message: String,
    },
    #[error("the answer for {what} is larger than {limit} bytes")]
    TooLarge { what: String, limit: usize },
    #[error("{what} was skipped: {reason}")]
    LeftOut { what: String, reason: String },
    #[error("the answer for {what} cannot be understood: {reason}")]
    Garbled { what: String, reason: String },
    #[error("interrupted")]
    Interrupted,
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Failure {
        let exit = match error {
            ClusterError::Interrupted => Exit::Interrupted,
            _ => Exit::Unavailable,
        };
        let failure = Failure::new(exit, &error);
        match error {
            ClusterError::Kubeconfig(_) => {
                failure.hint_command("see what it holds", "kubectl config view", &[])
            }
            ClusterError::Unauthorized => {
                failure.hint_command("see who you are", "kubectl auth whoami", &[])
            }
            ClusterError::Forbidden(_) => failure
                .hint_command("see what you may do", "kubectl auth can-i --list", &[])
                .hint("reading needs get and list, and pods/proxy or pods/portforward"),
            _ => failure,
        }
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    if shown.is_empty() {
        "$HOME/.kube/config".to_owned()
    } else {
        shown.join(", ")
    }
}

fn names(known: &[String]) -> String {
    let shown: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(", ")
    }
}

impl ClusterError {
    /// Returns true if the same request may succeed a moment later.
    pub fn is_temporary(&self) -> bool {
        match self {
            ClusterError::Unreachable { .. }
            | ClusterError::Refused { .. }
            | ClusterError::Timeout { .. }
            | ClusterError::Lost { .. } => true,
            ClusterError::Api { code, .. } => *code == 429 || *code >= 500,
            _ => false,
        }
    }

    /// Converts an error of kube. `what` was requested from `server`.
    pub(super) fn of(error: &kube::Error, what: &str, server: &str) -> Self {
        match error {
            kube::Error::Api(status) => Self::answered(status.code, &status.message, what),
            kube::Error::Auth(error) => Self::credentials(error),
            kube::Error::SerdeError(error) => ClusterError::Garbled {
                what: what.to_owned(),
                reason: error.to_string(),
            },
            kube::Error::InferKubeconfig(error) => error.into(),
            kube::Error::RustlsTls(error) => {
                ClusterError::Kubeconfig(format!("TLS settings: {}", deepest(error)))
            }
            other => Self::broken(other, what, server),
        }
    }

    /// Converts an answer that is not a success.
    pub(super) fn answered(code: u16, message: &str, what: &str) -> Self {
        match code {
            401 => ClusterError::Unauthorized,
            403 => ClusterError::Forbidden(message.to_owned()),
            404 => ClusterError::NotFound(message.to_owned()),
            _ => ClusterError::Api {
                what: what.to_owned(),
                code,
                message: message.to_owned(),
            },
        }
    }

    fn credentials(error: &AuthError) -> Self {
        match error {
            AuthError::AuthExecRun { cmd, out } => ClusterError::Plugin {
                command: cmd.replace('"', ""),
                said: last_line(&out.stderr).unwrap_or_else(|| out.status.to_string()),
            },
            AuthError::AuthExecStart(error) => ClusterError::Plugin {
                command: "exec".to_owned(),
                said: error.to_string(),
            },
            AuthError::AuthExecParse(error) => ClusterError::Plugin {
                command: "exec".to_owned(),
                said: match error.location() {
                    Some(at) => format!("no ExecCredential ({}:{})", at.line(), at.column()),
                    None => "no ExecCredential".to_owned(),
                },
            },
            AuthError::ParseTokenKey(_) => ClusterError::Plugin {
                command: "auth-provider".to_owned(),
                said: "no JSON".to_owned(),
            },
            other => ClusterError::Kubeconfig(other.to_string()),
        }
    }

    /// Finds the cause of a request without an answer.
    fn broken(error: &kube::Error, what: &str, server: &str) -> Self {
        for cause in chain(error) {
            if let Some(kube::Error::Auth(error)) = cause.downcast_ref() {
                return Self::credentials(error);
            }
            if let Some(error) = cause.downcast_ref::<AuthError>() {
                return Self::credentials(error);
            }
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                return Self::io(error, what, server);
            }
        }
        ClusterError::Lost {
            what: what.to_owned(),
            reason: deepest(error),
        }
    }

    fn io(error: &io::Error, what: &str, server: &str) -> Self {
        let (server, reason) = (server.to_owned(), deepest(error));
        match error.kind() {
            io::ErrorKind::ConnectionRefused => ClusterError::Refused { server },
            // rustls reports what it refuses as invalid data.
            io::ErrorKind::InvalidData => ClusterError::Tls { server, reason },
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => ClusterError::Lost {
                what: what.to_owned(),
                reason,
            },
            _ => ClusterError::Unreachable { server, reason },
        }
    }
}

impl From<&KubeconfigError> for ClusterError {
    fn from(error: &KubeconfigError) -> Self {
        ClusterError::Kubeconfig(wrong(error))
    }
}

/// Describes what is wrong with a kubeconfig without quoting its text: kube's own messages quote
/// the lines around a mistake, which may contain secrets.
pub(super) fn wrong(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!(
                "line {} column {}: no YAML of a kubeconfig",
                at.line(),
                at.column()
            ),
            None => "no YAML of a kubeconfig".to_owned(),
        },
        other => other.to_string(),
    }
}

type Cause<'a> = &'a (dyn StdError + 'static);

fn chain(error: Cause<'_>) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Returns the innermost message: the outer ones only say that something failed.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn last_line(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "https://10.0.0.1";

    fn service(kind: io::ErrorKind) -> ClusterError {
        let error = kube::Error::Service(Box::new(io::Error::from(kind)));
        ClusterError::of(&error, "pods", SERVER)
    }

    #[test]
    fn what_keeps_us_from_an_answer_is_told_apart() {
        let server = || SERVER.to_owned();
        assert_eq!(
            service(io::ErrorKind::ConnectionRefused),
            ClusterError::Refused { server: server() }
        );
        assert!(matches!(
            service(io::ErrorKind::InvalidData),
            ClusterError::Tls { .. }
        ));
        assert!(matches!(
            service(io::ErrorKind::HostUnreachable),
            ClusterError::Unreachable { .. }
        ));
        assert!(matches!(
            service(io::ErrorKind::ConnectionReset),
            ClusterError::Lost { .. }
        ));
    }

    #[test]
    fn answers_keep_the_words_of_the_server() {
        let said = "deployments.apps is forbidden: User \"dev\" cannot list resource";
        assert_eq!(
            ClusterError::answered(403, said, "deployments"),
            ClusterError::Forbidden(said.to_owned())
        );
        assert_eq!(
            ClusterError::answered(401, "Unauthorized", "x"),
            ClusterError::Unauthorized
        );
        assert!(matches!(
            ClusterError::answered(500, "no", "x"),
            ClusterError::Api { code: 500, .. }
        ));
    }

    #[test]
    fn missing_contexts_name_those_there_are() {
        let known = vec!["kind".to_owned(), "prod".to_owned()];
        let error = ClusterError::NoContext {
            wanted: "pord".to_owned(),
            known,
        };
        assert_eq!(
            error.to_string(),
            "kubeconfig has no context `pord`: there is `kind`, `prod`"
        );
    }
}
