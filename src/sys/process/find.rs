//! Finds programs, and states why one cannot be run.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    #[error("`{0}` is not on PATH: install it, or name it by path")]
    NotOnPath(String),
    #[error("`{program}` would be run as `{}`: {}, so it depends on the current directory", found.display(), describe_entry(entry))]
    RelativeEntry {
        program: String,
        entry: PathBuf,
        found: PathBuf,
    },
    #[error("`{}` does not exist: check the path", .0.display())]
    Missing(PathBuf),
    #[error("`{}` is a directory: name the program in it", .0.display())]
    Directory(PathBuf),
    #[error("`{}` is not executable: run `chmod +x {}`", .0.display(), crate::suggestion::quote_word(&.0.to_string_lossy()))]
    NotExecutable(PathBuf),
    #[error("`{}` is this very program: name the real one by path", .0.display())]
    Ourselves(PathBuf),
}

fn describe_entry(entry: &Path) -> String {
    if entry.as_os_str().is_empty() {
        "PATH has an empty entry".to_owned()
    } else {
        format!("PATH has the relative entry `{}`", entry.display())
    }
}

/// Finds a program as Go's `exec` does: a name in `path` (`PATH`), and anything with a slash as a
/// path.
///
/// A name that is found in the current directory, by an empty or relative entry, is refused: anyone
/// who can write to that directory would decide what runs. A link with that name to this program
/// itself is skipped.
pub fn find(program: &str, path: Option<&OsStr>) -> Result<PathBuf, FindError> {
    if program.contains('/') {
        return runnable(PathBuf::from(program));
    }
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return Err(FindError::NotOnPath(program.to_owned()));
    };
    for entry in std::env::split_paths(path) {
        let found = which::which_in_global(program, Some(&entry))
            .into_iter()
            .flatten()
            .find(|found| !is_ourselves(found));
        match found {
            None => {}
            Some(found) if found.is_relative() => {
                return Err(FindError::RelativeEntry {
                    program: program.to_owned(),
                    found: if entry.as_os_str().is_empty() {
                        Path::new(".").join(program)
                    } else {
                        entry.join(program)
                    },
                    entry,
                });
            }
            Some(found) => return Ok(found),
        }
    }
    // A file with that name that cannot be run gives a more precise error.
    std::env::split_paths(path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
        .map_or_else(|| Err(FindError::NotOnPath(program.to_owned())), runnable)
}

fn runnable(path: PathBuf) -> Result<PathBuf, FindError> {
    match Path::metadata(&path) {
        Err(_) => Err(FindError::Missing(path)),
        Ok(meta) if meta.is_dir() => Err(FindError::Directory(path)),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Err(FindError::NotExecutable(path)),
        Ok(_) if is_ourselves(&path) => Err(FindError::Ourselves(path)),
        Ok(_) => Ok(path),
    }
}

fn is_ourselves(path: &Path) -> bool {
    let own = std::env::current_exe().and_then(|own| own.canonicalize());
    own.is_ok_and(|own| path.canonicalize().is_ok_and(|path| path == own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_of_not_being_runnable_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("istioctl");
        std::os::unix::fs::symlink("/etc/passwd", &plain).unwrap();
        let path = dir.path().as_os_str();
        let named = |path: &Path| path.to_string_lossy().into_owned();
        let missing = dir.path().join("no");
        assert_eq!(
            find("istioctl", Some(path)),
            Err(FindError::NotExecutable(plain.clone()))
        );
        assert_eq!(
            find(&named(&plain), None),
            Err(FindError::NotExecutable(plain))
        );
        assert_eq!(
            find("nosuch", Some(path)),
            Err(FindError::NotOnPath("nosuch".to_owned()))
        );
        assert_eq!(
            find(&named(&missing), None),
            Err(FindError::Missing(missing))
        );
        let directory = dir.path().to_owned();
        assert_eq!(
            find(&named(&directory), None),
            Err(FindError::Directory(directory))
        );
    }

    #[test]
    fn a_link_to_ourselves_is_passed_over_and_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("sh");
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &link).unwrap();
        let both = std::env::join_paths([dir.path(), Path::new("/bin")]).unwrap();
        assert_eq!(find("sh", Some(&both)), Ok(PathBuf::from("/bin/sh")));
        let ourselves = Err(FindError::Ourselves(link.clone()));
        assert_eq!(find("sh", Some(dir.path().as_os_str())), ourselves);
        assert_eq!(find(&link.to_string_lossy(), None), ourselves);
    }

    #[test]
    fn a_program_of_the_current_directory_is_refused() {
        // The tests run in the directory of the package.
        let dir = tempfile::Builder::new().tempdir_in(".").unwrap();
        let program = dir.path().join("istioctl");
        std::fs::copy("/bin/sh", &program).unwrap();
        let relative = Path::new(".").join(dir.path().file_name().unwrap());
        for entry in [relative.clone(), Path::new(".").join(&relative)] {
            let path = std::env::join_paths([Path::new("/nonexistent"), &entry]).unwrap();
            let found = entry.join("istioctl");
            let program = "istioctl".to_owned();
            let want = Err(FindError::RelativeEntry {
                program,
                entry,
                found,
            });
            assert_eq!(find("istioctl", Some(&path)), want);
        }
        let absolute =
            std::env::join_paths([&dir.path().canonicalize().unwrap(), &relative]).unwrap();
        assert!(find("istioctl", Some(&absolute)).is_ok());
        // An entry that does not contain the program does not matter.
        assert_eq!(
            find("sh", Some(OsStr::new(":.:/bin"))),
            Ok(PathBuf::from("/bin/sh"))
        );
        let named = relative.join("istioctl");
        assert_eq!(find(&named.to_string_lossy(), None), Ok(named));
    }

    #[test]
    fn a_name_is_found_on_the_path_given_and_nowhere_else() {
        let path = OsStr::new("/nonexistent:/bin");
        assert_eq!(find("sh", Some(path)), Ok(PathBuf::from("/bin/sh")));
        assert_eq!(find("sh", None), Err(FindError::NotOnPath("sh".to_owned())));
    }
}
