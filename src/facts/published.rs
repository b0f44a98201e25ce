//! The builds that a hub publishes; only needed if the data does not contain the planned one.

use super::{Observed, Reader};
use crate::image::ImageError;
use crate::sys::registry::{Reference, RegistryError};
use istio_builds::ImageTag;

/// The tags of an image at a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The repository, such as `registry.example.com/istio/pilot`.
    pub repository: String,
    /// Its tags that name a build of Istio, oldest first.
    pub tags: Vec<ImageTag>,
}

impl Reader<'_> {
    /// Lists the builds of an image at its registry. The only error is an interruption.
    pub fn published(&self, image: &str) -> Result<Observed<Published>, ImageError> {
        let _work = self.sources.registry.working();
        let reference: Reference = match image.parse() {
            Ok(reference) => reference,
            Err(error) => return Ok(Observed::Unknown(format!("{image}: {error}"))),
        };
        self.sources.registry.allow(reference.registry());
        match self.sources.registry.tags(&reference) {
            Ok(tags) => {
                let mut tags: Vec<ImageTag> =
                    tags.iter().filter_map(|tag| tag.parse().ok()).collect();
                tags.sort();
                Ok(Observed::Known(Published {
                    repository: image.to_owned(),
                    tags,
                }))
            }
            Err(error @ RegistryError::Interrupted) => Err(error.into()),
            Err(error) => Ok(Observed::Unknown(error.to_string())),
        }
    }
}
