//! Blocking access to the cluster through kube.
//!
//! [`Cluster`] owns the runtime, and the rest of the program holds it. A [`Session`] is the same
//! connection inside of [`Cluster::run`], where many requests run concurrently.

use std::time::Duration;

use kube::Client;
use tokio::runtime::{Builder, Runtime};

use crate::sys::signal;

mod error;
mod injector;
mod lines;
mod logs;
mod message;
mod pods;
mod proxy;
mod session;
mod target;
mod text;
mod watch;
mod write;

pub use error::ClusterError;
pub use injector::HookService;
pub use lines::Wanted;
pub use message::{
    Bulk, Condition, Container, ContainerStatus, Handler, Mount, Pod, Probe, Terminated, ValueFrom,
    Volume, VolumeSource,
};
#[cfg(any(test, fuzzing))]
pub(crate) use pods::fuzz;
pub use pods::{Listed, Pages, PodPages, Unreadable};
pub use proxy::{PodPort, PodReader};
pub use session::{Names, ObjectPage};
pub use target::KubeTarget;
pub use watch::Watched;
pub use write::{Access, MANAGER};

pub type Result<T> = std::result::Result<T, ClusterError>;

/// A connection to a cluster.
pub struct Cluster {
    runtime: Runtime,
    session: Session,
    context: String,
}

/// The connection to a cluster, for concurrent requests.
#[derive(Clone)]
pub struct Session {
    client: Client,
    server: String,
    /// The longest wait for one answer.
    timeout: Duration,
}

impl Cluster {
    /// Reads the kubeconfig and creates the client. Only the first request shows whether the server
    /// answers.
    ///
    /// `timeout` limits each single request.
    pub fn connect(target: &KubeTarget, timeout: Duration) -> Result<Cluster> {
        let runtime = runtime()?;
        let outcome = runtime.block_on(async {
            let resolved = target.resolve().await?;
            let server = shown(&resolved.config.cluster_url);
            let client = client(resolved.config, &server, timeout).await?;
            Ok((
                resolved.context,
                Session {
                    client,
                    server,
                    timeout,
                },
            ))
        });
        match outcome {
            Ok((context, session)) => Ok(Cluster {
                runtime,
                session,
                context,
            }),
            Err(error) => {
                // A credential plugin that hangs must not delay the exit.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Returns the name of the kubeconfig context, or `in-cluster`.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Returns the address of the API server.
    pub fn server(&self) -> &str {
        &self.session.server
    }

    /// Runs requests. Returns early if a signal interrupts the run.
    pub fn run<T>(&self, work: impl AsyncFnOnce(&Session) -> T) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = signal::wait() => Err(ClusterError::Interrupted),
                answer = work(&self.session) => Ok(answer),
            }
        })
    }
}

/// Returns an address without the user and password that it may contain.
fn shown(url: &http::Uri) -> String {
    let whole = url.to_string();
    let whole = whole.trim_end_matches('/');
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    match authority.rsplit_once('@') {
        Some((_, place)) => whole.replacen(authority, place, 1),
        None => whole.to_owned(),
    }
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ClusterError::Lost {
            what: "the runtime".to_owned(),
            reason: error.to_string(),
        })
}

/// Creates a client. This may run a credential plugin, which may hang.
async fn client(config: kube::Config, server: &str, timeout: Duration) -> Result<Client> {
    // kube's own retry treats the 503 of a closed pod proxy as a temporary error of the API server.
    let mut config = config;
    config.default_retry = false;
    config.connect_timeout = Some(timeout.min(config.connect_timeout.unwrap_or(timeout)));
    let making = tokio::task::spawn_blocking(move || Client::try_from(config));
    let what = "the credential plugin";
    let seconds = timeout.as_secs();
    match tokio::time::timeout(timeout, making).await {
        Ok(Ok(made)) => made.map_err(|error| ClusterError::of(&error, what, server)),
        Ok(Err(error)) => Err(ClusterError::Lost {
            what: what.to_owned(),
            reason: error.to_string(),
        }),
        Err(_) => Err(ClusterError::Timeout {
            what: what.to_owned(),
            seconds,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    impl Cluster {
        /// Returns a cluster that is served by `answer`, for tests with recorded answers.
        pub(crate) fn answering<A, F>(answer: A, timeout: Duration) -> Cluster
        where
            A: Fn(Request<Body>) -> F + Clone + Send + 'static,
            F: Future<Output = Response<Body>> + Send + 'static,
        {
            let runtime = runtime().unwrap();
            let service = tower::service_fn(move |request| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(answer(request).await) }
            });
            let client = runtime.block_on(async { Client::new(service, "default") });
            let session = Session {
                client,
                server: "https://fake".to_owned(),
                timeout,
            };
            Cluster {
                runtime,
                session,
                context: "fake".to_owned(),
            }
        }
    }

    #[test]
    fn an_address_is_shown_without_who_speaks_to_it() {
        for (url, address) in [
            ("https://10.0.0.1:6443/", "https://10.0.0.1:6443"),
            ("https://me:secret@h:1/p/", "https://h:1/p"),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), address);
        }
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let silent = |_| std::future::pending::<Response<Body>>();
        let cluster = Cluster::answering(silent, Duration::from_millis(50));
        let asked = cluster
            .run(async |session| session.version().await)
            .unwrap();
        assert!(
            matches!(asked, Err(ClusterError::Timeout { .. })),
            "{asked:?}"
        );
    }

    /// Returns the error message for a credential plugin that runs this script.
    fn plugin(script: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let kubeconfig = format!(
            "
apiVersion: v1
kind: Config
current-context: a
clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]
contexts: [{{name: a, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh,
  args: ['-c', '{script}']}}}}}}]
"
        );
        crate::sys::os::write(&path, kubeconfig.as_bytes()).unwrap();
        let target = KubeTarget {
            kubeconfig: Some(path),
            ..KubeTarget::default()
        };
        let error = Cluster::connect(&target, Duration::from_secs(10))
            .err()
            .unwrap();
        let ClusterError::Plugin { said, .. } = error else {
            panic!("{error}")
        };
        said
    }

    #[test]
    fn a_credential_plugin_that_fails_is_named_with_its_last_words() {
        assert_eq!(plugin("echo log in first >&2; exit 3"), "log in first");
    }

    #[test]
    fn what_a_credential_plugin_answers_is_never_shown() {
        assert_eq!(
            plugin("echo \"token: [hunter2\""),
            "no ExecCredential (1:8)"
        );
    }

    #[test]
    fn nobody_listening_is_told_from_other_failures() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let kubeconfig = "
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: a, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
";
        crate::sys::os::write(&path, kubeconfig.as_bytes()).unwrap();
        let target = KubeTarget {
            kubeconfig: Some(path),
            ..KubeTarget::default()
        };
        let cluster = Cluster::connect(&target, Duration::from_secs(10)).unwrap();
        let asked = cluster
            .run(async |session| session.version().await)
            .unwrap();
        let server = "http://127.0.0.1:1".to_owned();
        assert_eq!(asked.err(), Some(ClusterError::Refused { server }));
    }
}
