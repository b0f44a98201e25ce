//! A directory as the root of a file system: paths in it never lead outside, and only regular files
//! and directories are opened.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::ReadError;

/// The maximum number of links that one path may lead through, as in the kernel.
const LINKS: usize = 40;

/// The maximum depth of directories that are read. Each directory is opened from the root, and
/// programs are not found at a greater depth.
const DEPTH: usize = 128;

/// The flags for opening files: if a link or a pipe has replaced the file in the meantime, it is
/// not followed and does not block.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// A directory that is the root of all paths.
#[derive(Debug)]
pub struct Root {
    dir: OwnedFd,
    device: u64,
}

/// What a path below a root leads to.
#[derive(Debug)]
pub enum RootEntry {
    File(RootFile),
    Directory,
    /// A device, a pipe or a socket.
    Special,
    Missing,
    /// The path leads through too many links.
    Links,
}

/// A regular file below a root.
#[derive(Debug)]
pub struct RootFile {
    pub file: File,
    pub size: u64,
    /// The path from the root after all links.
    pub path: PathBuf,
    /// Device and inode number, which all names of the same file share.
    pub identity: (u64, u64),
}

/// All files below a root.
#[derive(Debug, Default)]
pub struct RootListing {
    /// Regular files, as paths from the root, sorted by path.
    pub files: Vec<PathBuf>,
    /// Directories that could not be read, with the reason.
    pub unread: Vec<(PathBuf, String)>,
    /// Mount points of other file systems, which are not entered.
    pub mounts: Vec<PathBuf>,
}

impl Root {
    /// Opens a directory as a root.
    pub fn open(path: &Path) -> Result<Root, ReadError> {
        let failed = |errno: Errno| match errno {
            Errno::NOENT => ReadError::Missing(path.to_owned()),
            errno => ReadError::Io {
                name: format!("`{}`", path.display()),
                source: errno.into(),
            },
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        let device = fstat(&dir).map_err(failed)?.st_dev;
        Ok(Root { dir, device })
    }

    /// Follows a path from the root, through all links. Absolute links start at the root, and `..`
    /// cannot leave it.
    pub fn find(&self, path: &Path) -> io::Result<RootEntry> {
        let mut ahead = parts(path.as_os_str().as_bytes());
        let mut above: Vec<(Vec<u8>, OwnedFd)> = Vec::new();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == b".." {
                above.pop();
                continue;
            }
            let at = above
                .last()
                .map_or(self.dir.as_fd(), |(_, dir)| dir.as_fd());
            let stat = match statat(at, OsStr::from_bytes(&name), AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(RootEntry::Missing),
                stat => stat?,
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    links += 1;
                    if links > LINKS {
                        return Ok(RootEntry::Links);
                    }
                    let target = readlinkat(at, OsStr::from_bytes(&name), Vec::new())?;
                    if target.as_bytes().starts_with(b"/") {
                        above.clear();
                    }
                    ahead.extend(parts(target.as_bytes()));
                }
                FileType::Directory => {
                    let dir = openat(at, OsStr::from_bytes(&name), DIRECTORY, Mode::empty())?;
                    above.push((name, dir));
                }
                _ if !ahead.is_empty() => return Ok(RootEntry::Missing),
                FileType::RegularFile => {
                    let file = openat(at, OsStr::from_bytes(&name), FILE, Mode::empty())?;
                    let names = above.into_iter().map(|(name, _)| name).chain([name]);
                    return opened(file, &names.collect::<Vec<_>>());
                }
                _ => return Ok(RootEntry::Special),
            }
        }
        Ok(RootEntry::Directory)
    }

    /// Lists the regular files below the root, without following links or entering other file
    /// systems. Returns an error if there are more than `limit` files and directories.
    pub fn list(&self, limit: usize) -> io::Result<RootListing> {
        let mut listing = RootListing::default();
        let mut pending = vec![(PathBuf::from("/"), 0)];
        let mut count = 0;
        while let Some((path, depth)) = pending.pop() {
            let names = match self.names(&path) {
                Ok(names) => names,
                Err(error) => {
                    listing.unread.push((path, error.to_string()));
                    continue;
                }
            };
            for (name, kind, device) in names {
                count += 1;
                if count > limit {
                    let why = format!("it has more than {limit} files and directories");
                    return Err(io::Error::other(why));
                }
                let whole = path.join(OsStr::from_bytes(&name));
                match kind {
                    FileType::RegularFile => listing.files.push(whole),
                    FileType::Directory if device != self.device => listing.mounts.push(whole),
                    FileType::Directory if depth == DEPTH => {
                        let why = format!("it is more than {DEPTH} directories deep");
                        listing.unread.push((whole, why));
                    }
                    FileType::Directory => pending.push((whole, depth + 1)),
                    _ => {}
                }
            }
        }
        listing.files.sort();
        Ok(listing)
    }

    /// Lists the entries of a directory. Its path must not lead through a link.
    fn names(&self, path: &Path) -> io::Result<Vec<(Vec<u8>, FileType, u64)>> {
        let mut dir = openat(&self.dir, ".", DIRECTORY, Mode::empty())?;
        for name in parts(path.as_os_str().as_bytes()).into_iter().rev() {
            dir = openat(&dir, OsStr::from_bytes(&name), DIRECTORY, Mode::empty())?;
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            // A file that has been removed in the meantime is skipped.
            if let Ok(stat) = statat(&dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                let kind = FileType::from_raw_mode(stat.st_mode);
                names.push((name.to_vec(), kind, stat.st_dev));
            }
        }
        Ok(names)
    }
}

fn opened(file: OwnedFd, names: &[Vec<u8>]) -> io::Result<RootEntry> {
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(RootEntry::Special);
    }
    let mut path = PathBuf::from("/");
    path.extend(names.iter().map(|name| OsStr::from_bytes(name)));
    Ok(RootEntry::File(RootFile {
        file: File::from(file),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        path,
        identity: (stat.st_dev, stat.st_ino),
    }))
}

/// Returns the components of a path, the last first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/');
    let parts = parts.filter(|part| !part.is_empty() && *part != b".");
    parts.rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Returns what a path leads to: the path and content of a file, or a word.
    fn found(root: &Root, path: &str) -> String {
        match root.find(Path::new(path)).unwrap() {
            RootEntry::File(found) => {
                format!(
                    "{} {}",
                    found.path.display(),
                    io::read_to_string(found.file).unwrap()
                )
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn root_is_never_left() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("usr/bin/app"), "inside").unwrap();
        std::fs::write(root.join("secret"), "own").unwrap();
        for (at, to) in [
            ("bin", "usr/bin"),
            ("up", "../../secret"),
            ("absolute", "/secret"),
            ("whole", dir.path().join("secret").to_str().unwrap()),
            ("usr/bin/back", "../../../../secret"),
            ("loop", "loop"),
            ("out", "/.."),
        ] {
            symlink(to, root.join(at)).unwrap();
        }
        rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), Mode::RUSR).unwrap();
        let root = Root::open(&root).unwrap();
        for (path, wanted) in [
            ("/usr/bin/app", "/usr/bin/app inside"),
            ("bin/app", "/usr/bin/app inside"),
            ("/bin/../secret", "Missing"),
            ("/bin/../../secret", "/secret own"),
            ("/../../secret", "/secret own"),
            ("up", "/secret own"),
            ("absolute", "/secret own"),
            ("whole", "Missing"),
            ("bin/back", "/secret own"),
            ("loop", "Links"),
            ("out/secret", "/secret own"),
            ("out/root/secret", "Missing"),
            ("pipe", "Special"),
            ("usr", "Directory"),
            ("usr/bin/app/x", "Missing"),
            ("", "Directory"),
        ] {
            assert_eq!(found(&root, path), wanted, "{path}");
        }
        let listing = root.list(100).unwrap();
        let files: Vec<_> = listing
            .files
            .iter()
            .map(|it| it.to_str().unwrap())
            .collect();
        assert_eq!(files, ["/secret", "/usr/bin/app"]);
        assert!(root.list(3).is_err());
    }

    #[test]
    fn what_is_too_deep_is_not_listed_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d/".repeat(DEPTH));
        std::fs::create_dir_all(deep.join("e")).unwrap();
        std::fs::write(deep.join("app"), "").unwrap();
        std::fs::write(deep.join("e/app"), "").unwrap();
        let listing = Root::open(dir.path()).unwrap().list(1000).unwrap();
        assert_eq!(listing.files.len(), 1);
        let [(path, why)] = &listing.unread[..] else {
            panic!("{:?}", listing.unread)
        };
        assert!(path.ends_with("d/e") && why.contains("128"), "{why}");
    }
}
