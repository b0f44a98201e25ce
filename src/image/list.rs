//! The images that an archive lists.

use super::job::{self, Job};
use super::manifest::Document;
use super::store::Store;
use super::{ImageError, Request};

/// Which of the two lists of an archive is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// `index.json`
    Oci,
    /// `manifest.json`
    Docker,
    /// What there is; that of OCI before Docker's, because it has the digests of manifests.
    Either,
}

pub(super) fn listed(
    store: &Store<'_>,
    name: &str,
    list: List,
    request: &Request,
) -> Result<Vec<Job>, ImageError> {
    let platforms = &request.platforms;
    let oci = store
        .text("index.json")
        .ok()
        .filter(|_| list != List::Docker);
    if let Some(index) = oci {
        let document = Document::parse(name, &index)?;
        return job::of_document(store, name, (None, document), platforms);
    }
    let docker = store
        .text("manifest.json")
        .ok()
        .filter(|_| list != List::Oci);
    let Some(manifest) = docker else {
        let wanted = match list {
            List::Oci => "no `index.json`",
            List::Docker => "no `manifest.json`",
            List::Either => "neither `index.json` nor `manifest.json`",
        };
        return Err(ImageError::NotAnImage {
            name: name.to_owned(),
            why: format!("there is {wanted} in it"),
        });
    };
    job::of_docker(store, name, &manifest, platforms)
}
