//! The end of a container's log.

use http::Request;
use kube::client::Body;

use super::session::query;
use super::{Result, Session};

/// The maximum number of lines that are read from the end: more than a panic of a Go program has.
const LINES: u32 = 200;

/// The maximum number of bytes of an answer.
const LIMIT: usize = 1 << 20;

impl Session {
    /// Returns the last lines of a container, `(name, of its previous run)`.
    pub async fn log_tail(
        &self,
        namespace: &str,
        pod: &str,
        (container, previous): (&str, bool),
    ) -> Result<String> {
        let pairs = [
            ("container", container.to_owned()),
            ("previous", previous.to_string()),
            ("tailLines", LINES.to_string()),
        ];
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log");
        let request = Request::get(format!("{path}?{}", query(&pairs))).body(Body::empty());
        let answer = self.send(&path, request, self.timeout, LIMIT).await?;
        let text = answer.success(&path)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
