//! One GET of a port of a pod: through the API server's pod proxy, by port-forward where that is
//! closed (private control planes, network policies).

use std::cell::Cell;
use std::time::Duration;

use http::Request;
use http::header::{ACCEPT, HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::client::Body;

use super::{ClusterError, Result, Session};

/// Failures of the pod proxy, without one success, after which it is left alone.
const CLOSED_AFTER: u32 = 8;

/// A port of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodPort<'a> {
    pub namespace: &'a str,
    pub pod: &'a str,
    pub port: u16,
}

/// Reads text from pods, and remembers which way is open.
pub struct PodReader<'a> {
    session: &'a Session,
    /// Longest wait for one answer on one way.
    limit: Duration,
    opened: Cell<bool>,
    closed: Cell<u32>,
}

impl Session {
    /// Reads text from pods, each way within `limit`.
    pub fn pod_reader(&self, limit: Duration) -> PodReader<'_> {
        let limit = limit.min(self.timeout);
        PodReader {
            session: self,
            limit,
            opened: Cell::new(false),
            closed: Cell::new(0),
        }
    }
}

impl PodReader<'_> {
    /// The text at `path`, at most `size` bytes. No error of it says that the pod is gone: the pod itself
    /// may have answered, or somebody in front of the API server.
    pub async fn get(&self, at: PodPort<'_>, path: &str, size: usize) -> Result<String> {
        let mut proxy = None;
        if self.opened.get() || self.closed.get() < CLOSED_AFTER {
            match self.by_proxy(at, path, size).await {
                Ok(text) => {
                    self.opened.set(true);
                    return Ok(text);
                }
                Err(ClusterError::Unauthorized) => return Err(ClusterError::Unauthorized),
                // Pods that have left close nothing.
                Err(error @ ClusterError::NotFound(_)) => proxy = Some(error),
                Err(error) => {
                    self.closed.set(self.closed.get().saturating_add(1));
                    proxy = Some(error);
                }
            }
        }
        let forwarded = tokio::time::timeout(self.limit, self.by_forward(at, path, size)).await;
        match (forwarded, proxy) {
            (Ok(Err(error)), None) => Err(error),
            (Ok(Err(error)), Some(proxy)) => Err(neither(at, &proxy, &error)),
            (Ok(Ok(text)), _) => Ok(text),
            (Err(_), proxy) => Err(proxy.unwrap_or_else(|| ClusterError::Timeout {
                what: named(at),
                seconds: self.limit.as_secs(),
            })),
        }
    }

    async fn by_proxy(&self, at: PodPort<'_>, path: &str, size: usize) -> Result<String> {
        let PodPort {
            namespace,
            pod,
            port,
        } = at;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
        // Without it Envoy and istiod are free to answer in a format of their own choice.
        let request = Request::get(path)
            .header(ACCEPT, "text/plain")
            .body(Body::empty());
        let what = named(at);
        let answer = self.session.send(&what, request, self.limit, size).await?;
        Ok(String::from_utf8_lossy(&answer.success(&what)?).into_owned())
    }

    async fn by_forward(&self, at: PodPort<'_>, path: &str, size: usize) -> Result<String> {
        let pods: Api<Pod> = Api::namespaced(self.session.client.clone(), at.namespace);
        let opened = pods.portforward(at.pod, &[at.port]).await;
        let mut forwarder =
            opened.map_err(|error| ClusterError::of(&error, &named(at), &self.session.server))?;
        let stream = forwarder
            .take_stream(at.port)
            .ok_or_else(|| lost(at, "no stream"))?;
        let refused = forwarder.take_error(at.port);
        let text = tokio::select! {
            text = plain_get(stream, path, size) => text.map_err(|reason| lost(at, &reason)),
            Some(reason) = async { refused?.await } => Err(lost(at, reason.trim())),
        };
        forwarder.abort();
        text
    }
}

/// HTTP over a stream that is there already.
async fn plain_get<S>(stream: S, path: &str, size: usize) -> std::result::Result<String, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let request = Request::get(path)
        .header(HOST, "localhost")
        .header(ACCEPT, "text/plain")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| error.to_string())?;
    let asking = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), size).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            Ok(text)
        } else {
            Err(format!("answered {status}"))
        }
    };
    tokio::pin!(asking);
    tokio::select! {
        text = &mut asking => text,
        // The connection may end first with the answer complete behind it.
        _ = connection => asking.await,
    }
}

fn named(at: PodPort<'_>) -> String {
    format!("pod {}/{} port {}", at.namespace, at.pod, at.port)
}

/// Both ways are closed; a right that is missing is what a person can do something about.
fn neither(at: PodPort<'_>, proxy: &ClusterError, forward: &ClusterError) -> ClusterError {
    let both = format!("{proxy}; port-forward: {forward}");
    let forbidden = |error| matches!(error, &ClusterError::Forbidden(_));
    if forbidden(proxy) || forbidden(forward) {
        ClusterError::Forbidden(both)
    } else {
        lost(at, &both)
    }
}

fn lost(at: PodPort<'_>, reason: &str) -> ClusterError {
    ClusterError::Lost {
        what: named(at),
        reason: reason.to_owned(),
    }
}
