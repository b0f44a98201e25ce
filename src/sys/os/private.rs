//! Files that only this user can have written.
//!
//! If another user may write to such a file or to its directory, its content cannot be trusted:
//! then the file counts as absent.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{env, home};

/// Permissions that make a file writable by others, and so not private.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// All permissions of other users.
const ANYTHING_FOR_OTHERS: u32 = 0o077;

/// Returns the directory for files that must be neither lost nor disclosed:
/// `$XDG_STATE_HOME/glooistio`.
pub fn state_dir() -> Option<PathBuf> {
    let named = env("XDG_STATE_HOME").map(PathBuf::from);
    named
        .filter(|dir| dir.is_absolute())
        .or_else(|| home().map(|home| home.join(".local/state")))
        .map(|dir| dir.join("glooistio"))
}

/// Creates a directory that only this user may write to. Returns true if it exists and is private.
pub fn private_dir(path: &Path) -> bool {
    // An existing directory is checked below, whoever created it.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .ok();
    let meta = path.symlink_metadata();
    meta.is_ok_and(|meta| meta.is_dir() && is_own(&meta))
}

/// Reads a file in a private directory, of at most `limit` bytes, if only this user can have
/// written it. Does not follow links.
pub fn read_private(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let (file, meta) = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).ok()?;
    (is_own(&meta) && bytes.len() as u64 <= limit).then_some(bytes)
}

/// Reads a secret in the same way. In addition, no other user may have any permission for the file.
pub fn read_secret(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let (_, meta) = open(path)?;
    let secret = meta.mode() & ANYTHING_FOR_OTHERS == 0;
    read_private(path, limit).filter(|_| secret)
}

/// Writes a file in a private directory atomically, for this user only. Does not follow links.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path)?;
    let done = create(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        fs::remove_file(&temporary).ok();
    }
    done
}

/// Does the same if the file does not exist. A file that another process wrote in the meantime
/// stays.
pub fn create_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path)?;
    let done = create(&temporary, bytes).and_then(|()| fs::hard_link(&temporary, path));
    fs::remove_file(&temporary).ok();
    done
}

/// Returns unpredictable random bytes.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut bytes).ok()?;
    Some(bytes)
}

fn open(path: &Path) -> Option<(File, Metadata)> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .ok()?;
    let meta = file.metadata().ok()?;
    meta.is_file().then_some((file, meta))
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}

fn temporary(path: &Path) -> io::Result<PathBuf> {
    let random: [u8; 8] = random().ok_or_else(|| io::Error::other("no random bytes"))?;
    let number = u64::from_le_bytes(random);
    Ok(path.with_extension(format!("{number:016x}.tmp")))
}

fn is_own(meta: &Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & WRITABLE_BY_OTHERS == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_may_write_is_as_if_it_did_not_exist() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_private(&path, b"abc").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(read_private(&path, 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(read_secret(&path, 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(read_private(&path, 2), None);
        set(&path, 0o644);
        assert!(read_private(&path, 3).is_some());
        assert_eq!(read_secret(&path, 3), None);
        for mode in [0o620, 0o602] {
            set(&path, mode);
            assert_eq!(read_private(&path, 3), None, "{mode:o}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        write_private(&real, b"abc").unwrap();
        symlink(&real, &link).unwrap();
        assert_eq!(read_private(&link, 3), None);
        write_private(&link, b"new").unwrap();
        assert_eq!(read_private(&link, 3).as_deref(), Some(&b"new"[..]));
        assert_eq!(read_private(&real, 3).as_deref(), Some(&b"abc"[..]));
        let (inner, outer) = (dir.path().join("inner"), dir.path().join("outer"));
        assert!(private_dir(&inner));
        symlink(&inner, &outer).unwrap();
        assert!(!private_dir(&outer));
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_not_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er");
        assert!(private_dir(&path));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        set(&path, 0o770);
        assert!(!private_dir(&path));
        assert!(!private_dir(Path::new("/tmp")), "it belongs to everybody");
    }

    #[test]
    fn what_is_created_once_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create_private(&path, b"1").unwrap();
        create_private(&path, b"2").unwrap_err();
        assert_eq!(read_secret(&path, 1).as_deref(), Some(&b"1"[..]));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_ne!(random::<16>(), random::<16>());
    }
}
