//! Whether a blob is there, without its bytes.

use oci_spec::image::Digest;
use reqwest::StatusCode;

use super::answer::HTML;
use super::{Reference, Registry, Result};

impl Registry {
    /// Whether a blob can be pulled: its first byte is asked for.
    ///
    /// Not by HEAD: the place that a registry redirects to is often signed for GET alone, and a mirror
    /// that reads through answers a HEAD only when it has the whole blob.
    pub fn has_blob(&self, reference: &Reference, digest: &Digest) -> Result<()> {
        let what = format!("blob {digest} of {reference}");
        let path = format!("blobs/{digest}");
        let mut answer = self.get(reference, &what, &path, &[("range", "bytes=0-0")])?;
        if answer.is_html() {
            return Err(answer.broken(HTML));
        }
        // One that sends all of it instead is not listened to.
        if answer.response.status() == StatusCode::PARTIAL_CONTENT {
            answer.bounded(1)?;
        }
        Ok(())
    }
}
