//! The cluster: kube behind one blocking door.
//!
//! [`Cluster`] owns the runtime and is what the rest of the program holds; a [`Session`] is the same
//! connection inside of [`Cluster::run`], where many questions are asked at once.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::Client;
use kube::api::{ListParams, ObjectList};
use kube::client::Body;
use kube::core::Request as Path;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use crate::sys::signal;

mod error;
mod pods;
mod proxy;
mod target;
mod watch;
mod write;

pub use error::ClusterError;
pub use pods::{Condition, Container, ContainerStatus, Pages, Pod, PodPages, Terminated};
pub use proxy::{PodPort, PodReader};
pub use target::KubeTarget;
pub use watch::Watched;
pub use write::Access;

pub type Result<T> = std::result::Result<T, ClusterError>;

/// How often a request is repeated that the API server put off (429).
const PUT_OFF: u32 = 5;

/// A connection to a cluster.
pub struct Cluster {
    runtime: Runtime,
    session: Session,
    context: String,
}

/// The same connection for concurrent questions.
#[derive(Clone)]
pub struct Session {
    client: Client,
    server: String,
    /// Longest wait for one answer.
    timeout: Duration,
}

impl Cluster {
    /// Reads the kubeconfig and makes ready; the first question shows whether anybody answers.
    ///
    /// `timeout` bounds each single answer.
    pub fn connect(target: &KubeTarget, timeout: Duration) -> Result<Cluster> {
        let runtime = runtime()?;
        let outcome = runtime.block_on(async {
            let resolved = target.resolve().await?;
            let server = resolved.config.cluster_url.to_string();
            let server = server.trim_end_matches('/').to_owned();
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
                // A credential plugin that hangs must not hold us up.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// A cluster that is a service: how tests give recorded answers.
    #[cfg(test)]
    pub fn answering<A, F>(answer: A, timeout: Duration) -> Cluster
    where
        A: Fn(Request<Body>) -> F + Clone + Send + 'static,
        F: Future<Output = http::Response<Body>> + Send + 'static,
    {
        let runtime = runtime().unwrap();
        let service = tower::service_fn(move |request| {
            let answer = answer.clone();
            async move { Ok::<_, std::convert::Infallible>(answer(request).await) }
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

    /// Name of the kubeconfig context, or `in-cluster`.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Address of the API server.
    pub fn server(&self) -> &str {
        &self.session.server
    }

    /// Asks; ends early when a signal asks us to stop.
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

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ClusterError::Lost {
            what: "the runtime".to_owned(),
            reason: error.to_string(),
        })
}

/// Making a client may run a credential plugin, which may hang.
async fn client(config: kube::Config, server: &str, timeout: Duration) -> Result<Client> {
    // kube's own retries take a closed pod proxy (503) for an API server that comes back.
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

impl Session {
    /// Version of the API server.
    pub async fn version(&self) -> Result<Info> {
        self.raw("/version").await
    }

    /// The object at a path, in whatever shape is asked for.
    pub async fn raw<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = Request::get(path).body(Vec::new());
        self.ask(path, request).await
    }

    /// Objects of a kind: of one namespace, of all, or of the cluster.
    pub async fn list<K>(&self, namespace: Option<&str>, params: &ListParams) -> Result<Vec<K>>
    where
        K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned,
    {
        let path = K::url_path(&(), namespace);
        let request = Path::new(path.as_str()).list(params);
        self.ask::<ObjectList<K>, _>(&path, request)
            .await
            .map(|list| list.items)
    }

    /// One object, where there is such a one.
    pub async fn get<K>(&self, namespace: Option<&str>, name: &str) -> Result<Option<K>>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned,
    {
        let path = format!("{}/{name}", K::url_path(&(), namespace));
        match self.raw(&path).await {
            Ok(object) => Ok(Some(object)),
            Err(ClusterError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request for JSON and reads the answer.
    async fn ask<T, E>(
        &self,
        what: &str,
        request: std::result::Result<Request<Vec<u8>>, E>,
    ) -> Result<T>
    where
        T: DeserializeOwned,
        E: std::fmt::Display,
    {
        let request = request.map_err(|error| ClusterError::Garbled {
            what: what.to_owned(),
            reason: error.to_string(),
        })?;
        let asking = async {
            let mut left = PUT_OFF;
            loop {
                match self.client.request(request.clone()).await {
                    Err(kube::Error::Api(status)) if status.code == 429 && left > 0 => left -= 1,
                    answer => break answer,
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        self.within(self.timeout, what, asking).await
    }

    /// Sends a request and reads at most `size` bytes of whatever is answered.
    async fn send(
        &self,
        what: &str,
        request: http::Result<Request<Body>>,
        limit: Duration,
        size: usize,
    ) -> Result<Answer> {
        let garbled = |reason: String| ClusterError::Garbled {
            what: what.to_owned(),
            reason,
        };
        let request = request.map_err(|error| garbled(error.to_string()))?;
        let asking = async {
            let response = self.client.send(request).await?;
            let status = response.status().as_u16();
            Ok((
                status,
                Limited::new(response.into_body(), size).collect().await,
            ))
        };
        let (status, body) = self.within(limit, what, asking).await?;
        match body {
            Ok(body) => Ok(Answer {
                status,
                body: body.to_bytes(),
            }),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(garbled(format!("larger than {size} bytes")))
            }
            Err(error) => Err(ClusterError::of(
                &kube::Error::Service(error),
                what,
                &self.server,
            )),
        }
    }

    /// Waits for an answer, but not for ever.
    async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        asking: impl Future<Output = kube::Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(limit, asking).await {
            Ok(answer) => answer.map_err(|error| ClusterError::of(&error, what, &self.server)),
            Err(_) => Err(ClusterError::Timeout {
                what: what.to_owned(),
                seconds: limit.as_secs(),
            }),
        }
    }
}

/// What was answered, good or bad.
struct Answer {
    status: u16,
    body: Bytes,
}

impl Answer {
    /// The body of a success; what a failure means.
    fn success(self, what: &str) -> Result<Bytes> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        // Only the API server answers in Status objects; a pod behind its proxy has its own words.
        match serde_json::from_slice::<kube::core::Status>(&self.body) {
            Ok(status) if status.code == self.status => {
                Err(ClusterError::answered(status.code, &status.message, what))
            }
            _ => Err(ClusterError::Api {
                what: what.to_owned(),
                code: self.status,
                message: String::from_utf8_lossy(&self.body)
                    .chars()
                    .take(200)
                    .collect(),
            }),
        }
    }
}

/// A query string: keys are plain, values are escaped.
fn query(pairs: &[(&str, String)]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |value: &str| -> String {
        value
            .bytes()
            .map(|b| {
                if plain(b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect()
    };
    pairs
        .iter()
        .map(|(key, value)| format!("{key}={}", escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}
