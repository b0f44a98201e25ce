//! Files, environment and clock.
#![expect(
    clippy::disallowed_methods,
    reason = "the one module that may call them"
)]

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::exit::{Exit, Failure};
use crate::sys::signal;

mod open;
mod private;
mod root;

pub use open::{Opened, by_age, cache_dir, open, open_file, read_file, remove, stdin};
pub use private::{
    create_private, private_dir, random, read_private, read_secret, state_dir, write_private,
};
pub use root::{Root, RootEntry, RootFile, RootListing};

/// The maximum number of bytes of a document, overlay, template or data file.
pub const TEXT_LIMIT: u64 = 8 << 20;

/// The name of standard input in error messages.
const STDIN: &str = "standard input";

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("`{}` does not exist: check the path", .0.display())]
    Missing(PathBuf),
    #[error("`{}` is a directory: name a file in it", .0.display())]
    Directory(PathBuf),
    #[error("{name} is larger than {limit} bytes: it cannot be what was meant")]
    Large { name: String, limit: u64 },
    #[error("{name} is not UTF-8 at byte {at}: save it as UTF-8")]
    NotText { name: String, at: usize },
    #[error("cannot read {name}: {source}")]
    Io { name: String, source: io::Error },
}

/// A write error. Its exit code is [`Exit::CannotWrite`].
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("no space left for `{}`: free some, or choose another directory", .0.display())]
    Full(PathBuf),
    #[error("`{}` exists and is not a directory: choose another name", .0.display())]
    NoDirectory(PathBuf),
    #[error("`{}` is a directory: remove it, or choose another directory for the files", .0.display())]
    Directory(PathBuf),
    #[error("cannot write `{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        Failure::new(Exit::Data, &error)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        Failure::new(Exit::CannotWrite, &error)
    }
}

/// Reads a file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let name = || format!("`{}`", path.display());
    // Opening a pipe without a writer can block forever, so a signal must end the process.
    let _ends_by_signal = (!path.is_file()).then(signal::AtPrompt::begin);
    let file = File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(path.to_owned()),
        _ => ReadError::Io {
            name: name(),
            source,
        },
    })?;
    if path.is_dir() {
        return Err(ReadError::Directory(path.to_owned()));
    }
    bounded(file, limit, name)
}

/// The maximum number of directories and files that are visited below one directory.
const MOST_ENTRIES: usize = 100_000;

/// Returns the current directory, if it still exists.
pub fn current_dir() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

/// Returns every file below a directory with one of `extensions`, sorted by path.
///
/// Skips hidden directories, and does not follow links.
pub fn files_below(dir: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, ReadError> {
    let failed = |path: &Path, source| ReadError::Io {
        name: format!("`{}`", path.display()),
        source,
    };
    let (mut found, mut open, mut seen) = (Vec::new(), vec![dir.to_owned()], 0);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(|error| failed(&folder, error))? {
            let entry = entry.map_err(|error| failed(&folder, error))?;
            seen += 1;
            if seen > MOST_ENTRIES {
                let source = io::Error::other("too many files in it: name a smaller directory");
                return Err(failed(dir, source));
            }
            let (path, kind) = (entry.path(), entry.file_type());
            let kind = kind.map_err(|error| failed(&path, error))?;
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let named = path.extension().and_then(|found| found.to_str());
            if kind.is_dir() && !hidden {
                open.push(path);
            } else if kind.is_file() && named.is_some_and(|named| extensions.contains(&named)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Returns true if something exists at `path`.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Reads at most `limit` bytes from standard input; a closed one is empty.
pub fn read_stdin(limit: u64) -> Result<Vec<u8>, ReadError> {
    let _ends_by_signal = signal::AtPrompt::begin();
    bounded(io::stdin().lock(), limit, || STDIN.to_owned())
}

/// Returns the text in `bytes`. `name` is the source that an error names.
pub fn text(name: &str, bytes: Vec<u8>) -> Result<String, ReadError> {
    String::from_utf8(bytes).map_err(|error| ReadError::NotText {
        name: format!("`{name}`"),
        at: error.utf8_error().valid_up_to(),
    })
}

fn bounded(source: impl Read, limit: u64, name: impl Fn() -> String) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    source
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Io {
            name: name(),
            source,
        })?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::Large {
            name: name(),
            limit,
        });
    }
    Ok(bytes)
}

/// Writes a file atomically: readers see either the old or the new content, never a part.
///
/// Only the user may read the file, because a hub can contain a key. The file replaces anything at
/// this path; a link itself is replaced, not its target. The temporary file has a name that others
/// cannot predict.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(path, bytes).map_err(|source| match source.kind() {
        io::ErrorKind::IsADirectory => WriteError::Directory(path.to_owned()),
        _ => write_error(path, source),
    })
}

/// Creates a directory and its parents.
pub fn create_dir(path: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => WriteError::NoDirectory(path.to_owned()),
        _ => write_error(path, source),
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let named = path.file_name().and(path.parent());
    let dir = named.ok_or_else(|| io::Error::other("names no file"))?;
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let _kept = signal::Unfinished::begin();
    let mut temporary = tempfile::Builder::new()
        .prefix(".glooistio-")
        .tempfile_in(dir)?;
    temporary.write_all(bytes)?;
    // Some file systems report only here that they are full.
    temporary.as_file().sync_all()?;
    temporary
        .persist(path)
        .map(drop)
        .map_err(|error| error.error)
}

fn write_error(path: &Path, source: io::Error) -> WriteError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            WriteError::Full(path.to_owned())
        }
        _ => WriteError::Io {
            path: path.to_owned(),
            source,
        },
    }
}

/// Returns today's date in UTC, which end-of-life dates are compared with.
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Returns the time in UTC, to the second: `2026-12-01T06:25:46Z`.
pub fn time() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Returns the seconds since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Returns an environment variable; `None` if it is empty.
pub fn env(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the arguments without the program's name. The error is the first one that is not UTF-8.
pub fn args() -> Result<Vec<String>, String> {
    let text = |arg: OsString| {
        arg.into_string()
            .map_err(|arg| arg.to_string_lossy().into_owned())
    };
    std::env::args_os().skip(1).map(text).collect()
}

/// Returns the home directory of the user.
pub fn home() -> Option<PathBuf> {
    env("HOME").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("istiod.yaml");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_the_user_may_read_what_is_written_and_links_are_replaced() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("istiod.yaml"), dir.path().join("other"));
        fs::write(&other, "kept").unwrap();
        for linked in [false, true] {
            if linked {
                fs::remove_file(&path).unwrap();
                symlink(&other, &path).unwrap();
            }
            write(&path, b"new").unwrap();
            let meta = path.symlink_metadata().unwrap();
            assert!(meta.is_file());
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(fs::read(&other).unwrap(), b"kept");
        }
        let below = dir.path().join("directory");
        fs::create_dir_all(below.join("x")).unwrap();
        assert!(matches!(write(&below, b"x"), Err(WriteError::Directory(_))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_file_over_the_limit_is_refused_and_not_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        write(&path, b"1234").unwrap();
        assert!(matches!(
            read(&path, 3),
            Err(ReadError::Large { limit: 3, .. })
        ));
    }

    #[test]
    fn missing_files_and_directories_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path(), 1), Err(ReadError::Directory(_))));
        assert!(matches!(
            read(&dir.path().join("no"), 1),
            Err(ReadError::Missing(_))
        ));
    }

    #[test]
    fn an_endless_device_is_refused_in_bounded_memory() {
        assert!(matches!(
            read(Path::new("/dev/zero"), 1 << 16),
            Err(ReadError::Large { .. })
        ));
    }

    #[test]
    fn a_full_device_is_told_from_other_failures() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(
            write_error(Path::new("x"), full),
            WriteError::Full(_)
        ));
        let below_nothing = Path::new("/nonexistent/x");
        assert!(matches!(
            write(below_nothing, b"x"),
            Err(WriteError::Io { .. })
        ));
    }

    #[test]
    fn text_that_is_not_utf_8_names_the_byte() {
        let error = text("a.yaml", vec![b'a', 0xff]).unwrap_err().to_string();
        assert_eq!(error, "`a.yaml` is not UTF-8 at byte 1: save it as UTF-8");
    }
}
