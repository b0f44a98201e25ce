//! Files that are read in parts, and the user's cache directory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{ReadError, WriteError, bounded, env, home, write_error};

/// An open file, by what the path leads to.
pub enum Opened {
    /// A regular file, which can be read at any offset, and its size.
    File(File, u64),
    /// A pipe or a device, which can be read only once and from its beginning.
    Stream(File),
    Directory,
}

/// Opens the file or directory at a path.
pub fn open(path: &Path) -> Result<Opened, ReadError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(path.to_owned()),
        _ => ReadError::Io {
            name: format!("`{}`", path.display()),
            source,
        },
    };
    let meta = fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        return Ok(Opened::Directory);
    }
    let file = File::open(path).map_err(failed)?;
    Ok(if meta.is_file() {
        Opened::File(file, meta.len())
    } else {
        Opened::Stream(file)
    })
}

/// Opens a regular file. Does not open a pipe, because that blocks until it has a writer.
pub fn open_file(path: &Path) -> Result<(File, u64), ReadError> {
    let irregular = || ReadError::Io {
        name: format!("`{}`", path.display()),
        source: io::Error::other("it is not a regular file"),
    };
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        return Err(irregular());
    }
    match open(path)? {
        Opened::File(file, size) => Ok((file, size)),
        Opened::Directory => Err(ReadError::Directory(path.to_owned())),
        Opened::Stream(_) => Err(irregular()),
    }
}

/// Reads a regular file of at most `limit` bytes.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let (file, _) = open_file(path)?;
    bounded(file, limit, || format!("`{}`", path.display()))
}

/// Returns standard input as a stream.
pub fn stdin() -> impl Read {
    io::stdin().lock()
}

/// Returns the directory for files that can be created again: `$XDG_CACHE_HOME/glooistio`.
pub fn cache_dir() -> Option<PathBuf> {
    let named = env("XDG_CACHE_HOME").map(PathBuf::from);
    named
        .filter(|dir| dir.is_absolute())
        .or_else(|| home().map(|home| home.join(".cache")))
        .map(|dir| dir.join("glooistio"))
}

/// Returns the files in a directory with the time of their last change, the oldest first; empty if
/// it cannot be read.
pub fn by_age(dir: &Path) -> Vec<(SystemTime, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let dated = entries.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        let time = meta.modified().ok()?;
        meta.is_file().then(|| (time, entry.path()))
    });
    let mut files: Vec<_> = dated.collect();
    files.sort();
    files
}

/// Removes a file.
pub fn remove(path: &Path) -> Result<(), WriteError> {
    fs::remove_file(path).map_err(|source| write_error(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_path_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, b"abc").unwrap();
        assert!(matches!(open(&path), Ok(Opened::File(_, 3))));
        assert!(matches!(open(dir.path()), Ok(Opened::Directory)));
        assert!(matches!(
            open(Path::new("/dev/null")),
            Ok(Opened::Stream(_))
        ));
        assert!(open_file(Path::new("/dev/null")).is_err());
        let missing = open_file(&dir.path().join("b"));
        assert!(matches!(missing, Err(ReadError::Missing(_))));
    }

    #[test]
    fn files_are_listed_by_their_age() {
        let dir = tempfile::tempdir().unwrap();
        for (name, seconds) in [("b", 1), ("a", 2)] {
            let file = File::create(dir.path().join(name)).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        }
        let names = by_age(dir.path()).into_iter();
        let names: Vec<_> = names
            .map(|(_, path)| path.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["b", "a"]);
        assert!(by_age(&dir.path().join("none")).is_empty());
    }
}
