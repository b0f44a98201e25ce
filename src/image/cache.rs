//! A cache of what was read from images, by their digests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Program;
use crate::sys::os;
use crate::sys::registry::Hasher;

/// The number of bytes of the key, and of the MAC before each entry.
const KEY: usize = 32;
const CODE: usize = 32;

/// The maximum number of bytes of one entry.
const ENTRY_LIMIT: u64 = 4 << 20;

/// The maximum number of images that the note lists by name.
const LISTED: usize = 6;

/// The maximum number of entries that the cache keeps.
const ENTRIES: usize = 2048;

/// A directory of cached readings. An entry that cannot be read counts as absent.
///
/// An entry can make an image `proven` without a byte of the image, and caches are copied:
/// pipelines restore them from places that many can write to. So each entry has a MAC under a key
/// that never leaves the user's own directory. The alternative, to read the images again with
/// `--require proven`, needs no key, but it leaves every other verdict to anyone who can write to
/// the cache, and makes the strictest runs the slowest. The cost of the MAC is that a cache
/// restored without its key is not used.
#[derive(Clone)]
pub struct Cache {
    dir: PathBuf,
    /// The key file. It is read, or created, on the first use of an entry.
    key_file: PathBuf,
    key: OnceLock<Option<[u8; KEY]>>,
    /// What an entry depends on in addition to the image: the version of the reader and the date of
    /// its data.
    stamp: String,
}

/// A cached reading, with the stamp and key that it belongs to: the file name alone does not prove
/// them.
#[derive(Deserialize)]
struct Read<T> {
    stamp: String,
    key: String,
    /// The day of the reading.
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
    /// Returns the user's cache, or `None` if the user has no directory for one. Entries with
    /// another `stamp` count as absent.
    pub fn of_user(stamp: &str) -> Option<Cache> {
        let key_file = os::state_dir()?.join("cache.key");
        Some(Cache::at(os::cache_dir()?.join("images"), key_file, stamp))
    }

    /// Returns a cache in `dir`. Neither the directory nor the key file has to exist.
    pub fn at(dir: PathBuf, key_file: PathBuf, stamp: &str) -> Cache {
        Cache {
            dir,
            key_file,
            key: OnceLock::new(),
            stamp: stamp.to_owned(),
        }
    }

    /// Returns an entry and the day of its reading.
    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Option<(Date, Vec<Program<T>>)> {
        if !self.is_private() {
            return None;
        }
        let bytes = os::read_private(&self.path(key), ENTRY_LIMIT)?;
        let (code, body) = bytes.split_at_checked(CODE)?;
        self.mac(body)?.verify_slice(code).ok()?;
        let read: Read<T> = serde_json::from_slice(body).ok()?;
        (read.stamp == self.stamp && read.key == key).then_some((read.date, read.programs))
    }

    /// Stores a reading. A write error is ignored: the next run reads the image again.
    pub(super) fn put<T: Serialize>(&self, key: &str, programs: &[Program<T>]) {
        let written = Written {
            stamp: &self.stamp,
            key,
            date: os::today(),
            programs,
        };
        let Ok(body) = serde_json::to_vec(&written) else {
            return;
        };
        if (CODE + body.len()) as u64 > ENTRY_LIMIT || !self.is_private() {
            return;
        }
        let Some(mac) = self.mac(&body) else { return };
        let bytes = [mac.finalize().into_bytes().as_slice(), &body].concat();
        if os::write_private(&self.path(key), &bytes).is_ok() {
            prune(&self.dir);
        }
    }

    /// Returns true if no other user can write to the cache directory. Creates the directory if it
    /// is missing.
    fn is_private(&self) -> bool {
        self.dir.parent().is_some_and(os::private_dir) && os::private_dir(&self.dir)
    }

    /// Returns the MAC state of an entry, or `None` without a key that only the user can access.
    fn mac(&self, body: &[u8]) -> Option<Hmac<Sha256>> {
        let key = self.key.get_or_init(|| key(&self.key_file));
        let mut mac = Hmac::<Sha256>::new_from_slice(&(*key)?).ok()?;
        mac.update(body);
        Some(mac)
    }

    fn path(&self, key: &str) -> PathBuf {
        let mut hasher = Hasher::sha256();
        hasher.update(format!("{}\n{key}", self.stamp).as_bytes());
        self.dir.join(format!("{}.json", hasher.hex()))
    }
}

/// Reads the key from a file, which it creates if it is missing.
fn key(path: &Path) -> Option<[u8; KEY]> {
    if !path.parent().is_some_and(os::private_dir) {
        return None;
    }
    if !os::exists(path) {
        // Another process may have created it in the meantime.
        os::create_private(path, &os::random::<KEY>()?).ok();
    }
    os::read_secret(path, KEY as u64)?.try_into().ok()
}

/// Returns a note that images were not read now, but come from the cache. `images` maps their names
/// to the day of their reading.
pub fn cache_note(images: &BTreeMap<String, Date>) -> Option<String> {
    let first = images.values().min()?;
    let names: Vec<&str> = images.keys().map(String::as_str).collect();
    Some(match names[..] {
        [name] => format!(
            "{name} was read on {first}, and comes from the cache: --no-cache reads it again"
        ),
        [_, ..] if names.len() <= LISTED => format!(
            "{} were read on {first} or later, and come from the cache: --no-cache reads them again",
            names.join(", ")
        ),
        _ => format!(
            "{} images were read on {first} or later, and come from the cache: --no-cache reads \
             them again",
            names.len()
        ),
    })
}

/// Removes the oldest entries above the limit.
fn prune(dir: &Path) {
    let files = os::by_age(dir);
    let over = files.len().saturating_sub(ENTRIES);
    for (_, path) in files.iter().take(over) {
        // Another process may have removed it in the meantime.
        os::remove(path).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Returns the cached programs without their day.
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

    fn at(dir: &Path, stamp: &str) -> Cache {
        Cache::at(dir.join("cache/images"), dir.join("state/key"), stamp)
    }

    #[test]
    fn a_reading_is_had_again_for_the_same_image_and_reader_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = at(dir.path(), "1");
        assert_eq!(cache.get::<u32>("a"), None);
        cache.put("a", &programs(7));
        assert_eq!(kept(&cache), Some(programs(7)));
        assert_eq!(cache.get::<u32>("b"), None);
        let newer = at(dir.path(), "2");
        assert_eq!(newer.get::<u32>("a"), None);
    }

    #[test]
    fn a_damaged_or_exchanged_entry_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let cache = at(dir.path(), "1");
        cache.put("a", &programs(7));
        let whole = os::read_private(&cache.path("a"), ENTRY_LIMIT).unwrap();
        os::write_private(&cache.path("b"), &whole).unwrap();
        assert_eq!(cache.get::<u32>("b"), None);
        let cut = [
            &whole[..whole.len() - 1],
            &whole[..CODE],
            &whole[..CODE - 1],
            b"",
        ];
        for damaged in cut {
            os::write_private(&cache.path("a"), damaged).unwrap();
            assert_eq!(cache.get::<u32>("a"), None);
        }
        cache.put("a", &programs(8));
        assert_eq!(kept(&cache), Some(programs(8)));
    }

    #[test]
    fn an_edited_entry_is_none_and_so_is_one_under_another_key() {
        let dir = tempfile::tempdir().unwrap();
        let cache = at(dir.path(), "1");
        cache.put("a", &programs(7));
        let whole = os::read_private(&cache.path("a"), ENTRY_LIMIT).unwrap();
        for at in 0..whole.len() {
            let mut edited = whole.clone();
            edited[at] ^= 1;
            os::write_private(&cache.path("a"), &edited).unwrap();
            assert_eq!(cache.get::<u32>("a"), None, "byte {at}");
        }
        os::write_private(&cache.path("a"), &whole).unwrap();
        assert_eq!(kept(&cache), Some(programs(7)));
        assert_eq!(kept(&at(dir.path(), "1")), Some(programs(7)));
        let key = dir.path().join("state/key");
        let mut other = os::read_secret(&key, KEY as u64).unwrap();
        other[0] ^= 1;
        os::write_private(&key, &other).unwrap();
        assert_eq!(at(dir.path(), "1").get::<u32>("a"), None);
    }

    #[test]
    fn what_others_may_write_to_or_read_the_key_of_is_not_used() {
        for (path, mode) in [
            ("cache", 0o770),
            ("cache/images", 0o707),
            ("state", 0o770),
            ("state/key", 0o644),
        ] {
            let dir = tempfile::tempdir().unwrap();
            at(dir.path(), "1").put("a", &programs(7));
            assert!(kept(&at(dir.path(), "1")).is_some());
            let rights = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path().join(path), rights).unwrap();
            let cache = at(dir.path(), "1");
            assert_eq!(kept(&cache), None, "{path}");
            cache.put("b", &programs(8));
            assert_eq!(cache.get::<u32>("b"), None, "{path}");
        }
    }

    #[test]
    fn images_that_were_not_read_now_are_named_or_counted() {
        let note = |count: i8| {
            let day = |day| jiff::civil::date(2026, 11, day);
            let images = (1..=count).map(|at| (format!("i{at}"), day(at)));
            cache_note(&images.collect()).unwrap_or_default()
        };
        assert_eq!(note(0), "");
        assert!(note(1).starts_with("i1 was read on 2026-11-01, and comes from the cache"));
        assert!(note(2).starts_with("i1, i2 were read on 2026-11-01 or later"));
        assert!(note(9).starts_with("9 images were read on 2026-11-01 or later"));
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let cache = at(dir.path(), "1");
        assert!(cache.is_private());
        for number in 0..ENTRIES {
            os::write_private(&cache.dir.join(format!("{number}.json")), b"").unwrap();
        }
        let first = os::by_age(&cache.dir).swap_remove(0).1;
        cache.put("a", &programs(7));
        assert_eq!(os::by_age(&cache.dir).len(), ENTRIES);
        assert!(!first.exists());
        assert_eq!(kept(&cache), Some(programs(7)));
    }
}
