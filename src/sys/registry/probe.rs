//! Checks whether blobs exist without reading them.

use oci_spec::image::Digest;
use reqwest::StatusCode;

use super::answer::HTML;
use super::{Reference, Registry, Result};

impl Registry {
    /// Checks that a blob can be pulled, by a request for its first byte.
    ///
    /// It does not use HEAD: a registry often redirects to a place with a signature for GET alone,
    /// and a pull-through mirror answers a HEAD only if it already has the whole blob.
    pub fn has_blob(&self, reference: &Reference, digest: &Digest) -> Result<()> {
        let what = format!("blob {digest} of {reference}");
        let path = format!("blobs/{digest}");
        let mut answer = self.get(reference, &what, &path, &[("range", "bytes=0-0")])?;
        if answer.is_html() {
            return Err(answer.broken(HTML));
        }
        // If the registry sends the whole blob instead, it is not read.
        if answer.response.status() == StatusCode::PARTIAL_CONTENT {
            answer.bounded(1)?;
        }
        Ok(())
    }
}
