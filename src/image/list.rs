//! The images that an archive lists.

use super::job::{self, Job, Listing};
use super::manifest::Document;
use super::start::bare;
use super::store::Store;
use super::{ImageError, Request, package};

/// The list of an archive to read, and the image that is wanted.
#[derive(Clone, Copy)]
pub(super) enum List<'a> {
    /// `index.json`, with a tag.
    Oci(Option<&'a str>),
    /// `manifest.json`, with a reference or `@N`.
    Docker(Option<&'a str>),
    /// The list that exists. The one of OCI comes first, because it has the digests of manifests.
    Either,
}

pub(super) fn listed(
    store: &Store<'_>,
    name: &str,
    list: List<'_>,
    request: &Request,
) -> Result<Listing, ImageError> {
    if let (Ok(index), Ok(manifest)) = (store.text("index.json"), store.text("manifest.json")) {
        agree(store, name, &index, &manifest)?;
    }
    let platforms = &request.platforms;
    let (oci, docker) = match list {
        List::Oci(tag) => (Some(tag), None),
        List::Docker(image) => (None, Some(image)),
        List::Either => (Some(None), Some(None)),
    };
    if let Some(tag) = oci
        && let Ok(index) = store.text("index.json")
    {
        let document = job::tagged(name, Document::parse(name, &index)?, tag)?;
        return job::of_document(store, name, (None, document), platforms);
    }
    if let Some(image) = docker
        && let Ok(manifest) = store.text("manifest.json")
    {
        return job::of_docker(store, (name, image), &manifest, platforms);
    }
    let wanted = match list {
        List::Oci(_) if store.text("manifest.json").is_ok() => {
            "no `index.json` in it: `docker-archive:` reads it"
        }
        List::Docker(_) if store.text("index.json").is_ok() => {
            "no `manifest.json` in it: `oci-archive:` reads it"
        }
        List::Oci(_) => "no `index.json` in it",
        List::Docker(_) => "no `manifest.json` in it",
        List::Either => {
            let unpack = package::unpacked_by("tar -xf {} -C DIR", bare(name));
            return Err(ImageError::NotAnImage {
                name: name.to_owned(),
                why: format!(
                    "it is a tar archive without `index.json` and `manifest.json`: {unpack}"
                ),
            });
        }
    };
    Err(ImageError::NotAnImage {
        name: name.to_owned(),
        why: format!("there is {wanted}"),
    })
}

/// Refuses an archive with lists that name different images: the runtime decides which list counts.
/// The list of Docker may be a subset.
fn agree(store: &Store<'_>, name: &str, index: &[u8], manifest: &[u8]) -> Result<(), ImageError> {
    let index = Document::parse(name, index)?;
    let oci = job::of_document(store, name, (None, index), &[])?;
    let docker = job::of_docker(store, (name, None), manifest, &[])?.complete()?;
    let known = |job: &Job| oci.jobs.iter().any(|other| other.config == job.config);
    if docker.iter().all(known) {
        return Ok(());
    }
    Err(ImageError::Damaged {
        what: name.to_owned(),
        why: "its `index.json` and its `manifest.json` name different images".to_owned(),
    })
}
