//! GET requests to ports of pods: through the API server's pod proxy, or by port-forward if the
//! proxy is closed (private control planes, network policies).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use http::header::{ACCEPT, HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Body as HttpBody;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::client::Body;

use super::lines::{Lines, Wanted};
use super::session::Answer;
use super::{ClusterError, Result, Session};

/// If the failures in a namespace exceed the successes by this number, its other pods are skipped.
const FAILURES: u32 = 8;

/// The time within which an answer counts as prompt: pods of a loaded cluster need about this long.
const PROMPT: Duration = Duration::from_secs(1);

/// The time that failures and slow answers may take in total. It is counted for each pod, and many
/// pods are read concurrently.
const WASTE: Duration = Duration::from_secs(640);

/// The same for one namespace, so that it cannot use up the time of the others.
const WASTE_OF_NAMESPACE: Duration = Duration::from_secs(160);

/// The maximum number of bytes of an error answer.
const REFUSAL: usize = 16 << 10;

/// A port of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodPort<'a> {
    pub namespace: &'a str,
    pub pod: &'a str,
    pub port: u16,
}

/// Whether the pod proxy reaches pods, according to the pods of the mesh itself.
///
/// Other pods run untrusted programs: their answers must not close the proxy for other pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Proxy {
    #[default]
    Unknown,
    Open,
    Closed,
}

/// The results of the pods of a namespace.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    succeeded: u32,
    failed: u32,
    wasted: Duration,
}

#[derive(Debug, Default)]
struct State {
    proxy: Proxy,
    namespaces: BTreeMap<String, Seen>,
    wasted: Duration,
}

impl State {
    /// Counts a pod that was read, and the time that it wasted: the whole time of a failure, and
    /// the time of a slow answer beyond [`PROMPT`].
    fn count(&mut self, namespace: &str, succeeded: bool, took: Duration) {
        let seen = self.namespaces.entry(namespace.to_owned()).or_default();
        let (number, wasted) = if succeeded {
            (&mut seen.succeeded, took.saturating_sub(PROMPT))
        } else {
            (&mut seen.failed, took)
        };
        *number = number.saturating_add(1);
        seen.wasted = seen.wasted.saturating_add(wasted);
        self.wasted = self.wasted.saturating_add(wasted);
    }

    /// Returns the reason why no other pod of a namespace is read, if there is one.
    fn refusal(&self, namespace: &str) -> Option<String> {
        let seen = self.namespaces.get(namespace).copied().unwrap_or_default();
        let prompt = seen.succeeded > 0 && seen.wasted.is_zero();
        if seen.failed >= seen.succeeded.saturating_add(FAILURES) {
            Some(format!(
                "{FAILURES} pods of its namespace or more did not answer"
            ))
        } else if seen.wasted >= WASTE_OF_NAMESPACE {
            Some("pods of its namespace took too much time to answer".to_owned())
        } else if self.wasted >= WASTE && !prompt {
            Some("too many pods of other namespaces did not answer, or too slowly".to_owned())
        } else {
            None
        }
    }
}

/// A reader of lines of text from pods, which remembers whether the pod proxy is open.
pub struct PodReader<'a> {
    session: &'a Session,
    /// The longest wait for one answer by proxy or by port-forward.
    limit: Duration,
    state: RefCell<State>,
}

impl Session {
    /// Returns a reader of text from pods. Each attempt, by proxy or by port-forward, takes at most
    /// `limit`.
    pub fn pod_reader(&self, limit: Duration) -> PodReader<'_> {
        PodReader {
            session: self,
            limit: limit.min(self.timeout),
            state: RefCell::default(),
        }
    }
}

impl PodReader<'_> {
    /// Reads the wanted lines at `path` of a pod of the mesh itself. Its result decides whether
    /// other pods are read through the proxy.
    pub async fn get_first(&self, at: PodPort<'_>, path: &str, wanted: Wanted) -> Result<String> {
        let by_proxy = match self.by_proxy(at, path, wanted).await {
            Ok(text) => {
                self.state.borrow_mut().proxy = Proxy::Open;
                return Ok(text);
            }
            Err(ClusterError::Unauthorized) => return Err(ClusterError::Unauthorized),
            Err(error) => error,
        };
        let forwarded = self.in_time(at, path, wanted).await;
        let state = &mut *self.state.borrow_mut();
        if forwarded.is_ok() && state.proxy == Proxy::Unknown {
            state.proxy = Proxy::Closed;
        }
        forwarded.map_err(|error| neither(at, &by_proxy, &error))
    }

    /// Reads the wanted lines at `path`. None of its errors proves that the pod is gone: the answer
    /// may come from the pod itself, or from something in front of the API server.
    ///
    /// Pods of a namespace in which most pods do not answer, or answer too slowly, are skipped.
    /// After the time for such pods is used up, so are the pods of every namespace in which not all
    /// pods so far answered promptly.
    pub async fn get(&self, at: PodPort<'_>, path: &str, wanted: Wanted) -> Result<String> {
        self.admit(at)?;
        let began = tokio::time::Instant::now();
        let answer = self.ask(at, path, wanted).await;
        let mut state = self.state.borrow_mut();
        state.count(at.namespace, answer.is_ok(), began.elapsed());
        answer
    }

    async fn ask(&self, at: PodPort<'_>, path: &str, wanted: Wanted) -> Result<String> {
        let proxy = self.state.borrow().proxy;
        if proxy == Proxy::Closed {
            return self.in_time(at, path, wanted).await;
        }
        match self.by_proxy(at, path, wanted).await {
            Ok(text) => Ok(text),
            Err(ClusterError::Unauthorized) => Err(ClusterError::Unauthorized),
            // If the proxy is open, a pod that does not answer through it does not answer by
            // port-forward either.
            Err(error @ ClusterError::Timeout { .. }) if proxy == Proxy::Open => Err(error),
            Err(error) => {
                let forwarded = self.in_time(at, path, wanted).await;
                forwarded.map_err(|other| neither(at, &error, &other))
            }
        }
    }

    /// Returns an error if the pod must not be read.
    fn admit(&self, at: PodPort<'_>) -> Result<()> {
        match self.state.borrow().refusal(at.namespace) {
            None => Ok(()),
            Some(reason) => Err(ClusterError::LeftOut {
                what: named(at),
                reason,
            }),
        }
    }

    async fn by_proxy(&self, at: PodPort<'_>, path: &str, wanted: Wanted) -> Result<String> {
        let PodPort {
            namespace,
            pod,
            port,
        } = at;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}");
        // Without this header Envoy and istiod may choose the format.
        let request = Request::get(path)
            .header(ACCEPT, "text/plain")
            .body(Body::empty());
        let what = named(at);
        let request = request.map_err(|error| garbled(&what, error.to_string()))?;
        let asking = async {
            let response = self.session.client.send(request).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(Ok(read(response.into_body(), wanted).await));
            }
            let body = Limited::new(response.into_body(), REFUSAL).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes);
            Ok(Err((status.as_u16(), body.unwrap_or_default())))
        };
        let answer = self.session.within(self.limit, &what, asking).await?;
        match answer {
            Ok(text) => text.map_err(|reason| garbled(&what, reason)),
            Err((status, body)) => {
                let refused = Answer { status, body }.success(&what);
                Err(refused.err().unwrap_or_else(|| lost(at, "no text")))
            }
        }
    }

    /// Reads by port-forward, within the limit of one attempt.
    async fn in_time(&self, at: PodPort<'_>, path: &str, wanted: Wanted) -> Result<String> {
        let asking = self.by_forward(at, path, wanted);
        match tokio::time::timeout(self.limit, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(ClusterError::Timeout {
                what: named(at),
                seconds: self.limit.as_secs(),
            }),
        }
    }

    async fn by_forward(&self, at: PodPort<'_>, path: &str, wanted: Wanted) -> Result<String> {
        let pods: Api<Pod> = Api::namespaced(self.session.client.clone(), at.namespace);
        let opened = pods.portforward(at.pod, &[at.port]).await;
        let mut forwarder =
            opened.map_err(|error| ClusterError::of(&error, &named(at), &self.session.server))?;
        let stream = forwarder
            .take_stream(at.port)
            .ok_or_else(|| lost(at, "no stream"))?;
        let refused = forwarder.take_error(at.port);
        let text = tokio::select! {
            text = plain_get(stream, path, wanted) => text.map_err(|reason| lost(at, &reason)),
            Some(reason) = async { refused?.await } => Err(lost(at, reason.trim())),
        };
        forwarder.abort();
        text
    }
}

/// Sends an HTTP request over an existing stream.
async fn plain_get<S>(stream: S, path: &str, wanted: Wanted) -> std::result::Result<String, String>
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
        if status.is_success() {
            read(response.into_body(), wanted).await
        } else {
            Err(format!("answered {status}"))
        }
    };
    tokio::pin!(asking);
    tokio::select! {
        text = &mut asking => text,
        // The connection can end first, after the answer is complete.
        _ = connection => asking.await,
    }
}

/// Reads the wanted lines of a body, which is never held as a whole.
async fn read<B>(body: B, wanted: Wanted) -> std::result::Result<String, String>
where
    B: HttpBody<Data = bytes::Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let (mut body, mut lines) = (body, Lines::new(wanted));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Ok(chunk) = frame.into_data() {
            lines.push(&chunk)?;
        }
    }
    lines.finish()
}

fn named(at: PodPort<'_>) -> String {
    format!("pod {}/{} port {}", at.namespace, at.pod, at.port)
}

/// Combines the errors of both attempts. A missing right takes precedence, because the user can
/// grant it.
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

fn garbled(what: &str, reason: String) -> ClusterError {
    ClusterError::Garbled {
        what: what.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use http::Response;

    use super::*;
    use crate::sys::cluster::Cluster;

    const WANTED: Wanted = Wanted {
        prefix: "go",
        limit: 1 << 10,
    };

    /// A cluster in which pods of a namespace `closed` answer with 503 and those of `silent` do not
    /// answer. The counter counts both.
    fn cluster() -> (Cluster, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&asked);
        let answer = move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            let counter = Arc::clone(&counter);
            async move {
                let hostile = path.contains("/closed/") || path.contains("/silent/");
                if hostile && path.contains("/proxy/") {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                if path.contains("/silent/") {
                    std::future::pending::<()>().await;
                }
                let status = if path.contains("/closed/") { 503 } else { 200 };
                let answer = Response::builder().status(status);
                answer.body(Body::from(b"x 1\ngo 1\n".to_vec())).unwrap()
            }
        };
        (Cluster::answering(answer, Duration::from_millis(20)), asked)
    }

    fn at(namespace: &str) -> PodPort<'_> {
        PodPort {
            namespace,
            pod: "p",
            port: 1,
        }
    }

    #[test]
    fn failures_in_a_namespace_close_no_other() {
        for namespace in ["closed", "silent"] {
            let (cluster, asked) = cluster();
            let answers = cluster.run(async |session| {
                let reader = session.pod_reader(Duration::from_millis(20));
                reader.get_first(at("mesh"), "/", WANTED).await.unwrap();
                for _ in 0..70 {
                    reader.get(at(namespace), "/", WANTED).await.unwrap_err();
                }
                let left_out = reader.get(at(namespace), "/", WANTED).await;
                let others = [
                    reader.get_first(at("mesh"), "/", WANTED).await,
                    reader.get(at("shop"), "/", WANTED).await,
                ];
                (left_out, others)
            });
            let (left_out, others) = answers.unwrap();
            assert!(matches!(left_out, Err(ClusterError::LeftOut { .. })));
            assert_eq!(others, [Ok("go 1\n".to_owned()), Ok("go 1\n".to_owned())]);
            assert_eq!(asked.load(Ordering::SeqCst), FAILURES);
        }
    }

    #[test]
    fn the_time_for_failures_is_bounded_over_all_namespaces() {
        let (cluster, asked) = cluster();
        let answers = cluster.run(async |session| {
            let reader = session.pod_reader(Duration::from_millis(20));
            reader.get(at("mesh"), "/", WANTED).await.unwrap();
            reader.state.borrow_mut().wasted = WASTE;
            let known = reader.get(at("mesh"), "/", WANTED).await;
            (reader.get(at("silent"), "/", WANTED).await, known)
        });
        let (unknown, known) = answers.unwrap();
        assert!(matches!(unknown, Err(ClusterError::LeftOut { .. })));
        assert!(known.is_ok() && asked.load(Ordering::SeqCst) == 0);
    }

    /// Returns how many of `pods` pods, of the namespaces in turn, are read if each answers after
    /// this time.
    fn asked(state: &mut State, namespaces: &[&str], pods: usize, took: Duration) -> usize {
        let names = namespaces.iter().cycle().take(pods);
        let asked = names.filter(|name| {
            let admitted = state.refusal(name).is_none();
            if admitted {
                state.count(name, true, took);
            }
            admitted
        });
        asked.count()
    }

    #[test]
    fn slow_answers_use_up_the_time_of_their_namespace_and_no_other() {
        let slow = Duration::from_millis(4500);
        let mut state = State::default();
        assert_eq!(asked(&mut state, &["slow"], 1000, slow), 46);
        let ordinary = Duration::from_millis(900);
        assert_eq!(asked(&mut state, &["shop"], 10_000, ordinary), 10_000);
        let tenants = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert!(asked(&mut state, &tenants, 1000, slow) < 200);
        assert!(state.wasted < WASTE + slow);
        assert_eq!(asked(&mut state, &["shop"], 10_000, ordinary), 10_000);
        assert_eq!(asked(&mut state, &["unknown"], 1, ordinary), 0);
    }
}
