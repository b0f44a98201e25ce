//! What was read of an image, kept by its digest.

use std::path::PathBuf;

/// A directory of readings. What cannot be read back is as if it were not there.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    /// What a reading depends on besides the image: version of the reader, date of its data.
    stamp: String,
}

impl Cache {
    /// The user's cache; `None` where there is no home for one.
    pub fn of_user(stamp: &str) -> Option<Cache> {
        let _ = stamp;
        None
    }

    /// A cache in that directory.
    pub fn at(dir: PathBuf, stamp: &str) -> Cache {
        Cache {
            dir,
            stamp: stamp.to_owned(),
        }
    }
}
