//! Reviews of pods by an injector, through the API server.

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE};
use kube::client::Body;
use serde_json::{Value, json};

use super::{ClusterError, Result, Session};

/// The maximum number of bytes of an answer. Patches have about ten thousand.
const ANSWER_LIMIT: usize = 4 << 20;

const JSON: &str = "application/json";

/// The Service that a webhook calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HookService {
    pub namespace: String,
    pub name: String,
    pub port: u16,
    /// `/inject`, possibly followed by the cluster and the network of a remote mesh.
    pub path: String,
}

impl Session {
    /// Asks an injector what it would do to a pod in `namespace`, and returns the response of its
    /// `AdmissionReview`.
    ///
    /// This creates no pod, calls no other webhook, and reads nothing of the namespace.
    pub async fn review_injection(
        &self,
        hook: &HookService,
        namespace: &str,
        pod: &Value,
    ) -> Result<Value> {
        let HookService {
            namespace: place,
            name,
            port,
            path,
        } = hook;
        let what = format!("injector {place}/{name}");
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "glooistio",
                "kind": {"group": "", "version": "v1", "kind": "Pod"},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "namespace": namespace,
                "operation": "CREATE",
                "userInfo": {},
                "object": pod,
            },
        });
        let at = format!("/api/v1/namespaces/{place}/services/https:{name}:{port}/proxy{path}");
        let request = Request::post(at)
            .header(CONTENT_TYPE, JSON)
            .header(ACCEPT, JSON)
            .body(Body::from(review.to_string().into_bytes()));
        let answer = self
            .send(&what, request, self.timeout, ANSWER_LIMIT)
            .await?;
        let mut review: Value = read(&what, &answer.success(&what)?)?;
        Ok(review["response"].take())
    }
}

fn read(what: &str, body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|error| ClusterError::Garbled {
        what: what.to_owned(),
        reason: error.to_string(),
    })
}
