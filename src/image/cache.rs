//! What was read of an image, kept by its digest.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Program;
use crate::sys::os;
use crate::sys::registry::Hasher;

/// Bytes of one reading that is kept.
const ENTRY_LIMIT: u64 = 4 << 20;

/// Readings that are kept.
const ENTRIES: usize = 2048;

/// A directory of readings. What cannot be read back is as if it were not there.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    /// What a reading depends on besides the image: version of the reader, date of its data.
    stamp: String,
}

/// A reading with all that it is for, because a name of a file says too little.
#[derive(Deserialize)]
struct Read<T> {
    stamp: String,
    key: String,
    /// Of the reading.
    date: Date,
    programs: Vec<Program<T>>,
}

#[derive(Serialize)]
struct Written<'a, T> {
    stamp: &'a str,
    key: &'a str,
    date: Date,
    programs: &'a [Program<T>],
}

impl Cache {
    /// The user's cache; `None` where there is no home for one. Readings with another `stamp`
    /// are as if they were not there.
    pub fn of_user(stamp: &str) -> Option<Cache> {
        Some(Cache::at(os::cache_dir()?.join("images"), stamp))
    }

    /// A cache in that directory, which need not be there yet.
    pub fn at(dir: PathBuf, stamp: &str) -> Cache {
        Cache {
            dir,
            stamp: stamp.to_owned(),
        }
    }

    /// A reading, and its day.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<(Date, Vec<Program<T>>)> {
        let bytes = os::read(&self.path(key), ENTRY_LIMIT).ok()?;
        let read: Read<T> = serde_json::from_slice(&bytes).ok()?;
        (read.stamp == self.stamp && read.key == key).then_some((read.date, read.programs))
    }

    /// Keeps a reading. That it cannot be written is no failure: it is made again next time.
    pub(super) fn put<T: Serialize>(&self, key: &str, programs: &[Program<T>]) {
        let written = Written {
            stamp: &self.stamp,
            key,
            date: os::today(),
            programs,
        };
        let Ok(bytes) = serde_json::to_vec(&written) else {
            return;
        };
        if bytes.len() as u64 > ENTRY_LIMIT || os::create_dir(&self.dir).is_err() {
            return;
        }
        if os::write(&self.path(key), &bytes).is_ok() {
            prune(&self.dir);
        }
    }

    fn path(&self, key: &str) -> PathBuf {
        let mut hasher = Hasher::sha256();
        hasher.update(format!("{}\n{key}", self.stamp).as_bytes());
        self.dir.join(format!("{}.json", hasher.hex()))
    }
}

/// Removes the oldest above the bound.
fn prune(dir: &Path) {
    let files = os::by_age(dir);
    let over = files.len().saturating_sub(ENTRIES);
    for (_, path) in files.iter().take(over) {
        // Another process may have been faster.
        os::remove(path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept, without its day.
    fn kept(cache: &Cache) -> Option<Vec<Program<u32>>> {
        cache.get("a").map(|(_, programs)| programs)
    }

    fn programs(reading: u32) -> Vec<Program<u32>> {
        vec![Program {
            path: "/a".into(),
            real_path: None,
            layer: None,
            reading: Ok(reading),
        }]
    }

    #[test]
    fn a_reading_is_had_again_for_the_same_image_and_reader_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("deep/images"), "1");
        assert_eq!(cache.get::<u32>("a"), None);
        cache.put("a", &programs(7));
        assert_eq!(kept(&cache), Some(programs(7)));
        assert_eq!(cache.get::<u32>("b"), None);
        let newer = Cache::at(dir.path().join("deep/images"), "2");
        assert_eq!(newer.get::<u32>("a"), None);
    }

    #[test]
    fn a_damaged_or_exchanged_entry_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().to_owned(), "1");
        cache.put("a", &programs(7));
        let whole = os::read(&cache.path("a"), ENTRY_LIMIT).unwrap();
        os::write(&cache.path("b"), &whole).unwrap();
        assert_eq!(cache.get::<u32>("b"), None);
        os::write(&cache.path("a"), &whole[..whole.len() - 1]).unwrap();
        assert_eq!(cache.get::<u32>("a"), None);
        cache.put("a", &programs(8));
        assert_eq!(kept(&cache), Some(programs(8)));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..ENTRIES {
            os::write(&dir.path().join(format!("{number}.json")), b"").unwrap();
        }
        let first = os::by_age(dir.path()).swap_remove(0).1;
        let cache = Cache::at(dir.path().to_owned(), "1");
        cache.put("a", &programs(7));
        assert_eq!(os::by_age(dir.path()).len(), ENTRIES);
        assert!(!first.exists());
        assert_eq!(kept(&cache), Some(programs(7)));
    }
}
