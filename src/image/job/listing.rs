//! What a store holds, before any image of it is read.

use super::Job;
use crate::image::{Digest, ImageError, Platform};

/// What a store holds under a name.
#[derive(Default)]
pub(in crate::image) struct Listing {
    /// The images that can be read.
    pub(in crate::image) jobs: Vec<Job>,
    /// Those that cannot.
    pub(in crate::image) unread: Vec<Unreadable>,
    /// Media types of entries other than container images.
    pub(in crate::image) skipped: Vec<String>,
    /// Platforms of an index that only some images were saved of.
    pub(in crate::image) absent: Vec<String>,
}

impl Listing {
    /// The images, where all of them can be read.
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

/// What is known of an image before its configuration is read.
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
