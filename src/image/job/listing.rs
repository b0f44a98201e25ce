//! The content of a store, before any image in it is read.

use super::Job;
use crate::image::{Digest, ImageError, Platform};

/// What a store contains under a name.
#[derive(Default)]
pub(in crate::image) struct Listing {
    /// The images that can be read.
    pub(in crate::image) jobs: Vec<Job>,
    /// The images that cannot be read.
    pub(in crate::image) unread: Vec<Unreadable>,
    /// The media types of entries other than container images.
    pub(in crate::image) skipped: Vec<String>,
    /// The platforms of images that an index lists and the store does not contain.
    pub(in crate::image) absent: Vec<String>,
}

impl Listing {
    /// Returns the images if all of them can be read, or the first error.
    pub(in crate::image) fn complete(self) -> Result<Vec<Job>, ImageError> {
        match self.unread.into_iter().next() {
            Some(unread) => Err(unread.why),
            None => Ok(self.jobs),
        }
    }
}

/// An image that cannot be read.
pub(in crate::image) struct Unreadable {
    pub(in crate::image) origin: Origin,
    pub(in crate::image) why: ImageError,
}

/// What is known about an image before its configuration is read.
#[derive(Default)]
pub(in crate::image) struct Origin {
    pub(in crate::image) name: String,
    pub(in crate::image) index: Option<Digest>,
    pub(in crate::image) manifest: Option<Digest>,
    pub(in crate::image) platform: Option<Platform>,
}

impl Job {
    pub(in crate::image) fn origin(&self) -> Origin {
        Origin {
            name: self.name.clone(),
            index: self.index.clone(),
            manifest: self.manifest.clone(),
            platform: Some(self.configuration.platform.clone()),
        }
    }
}
