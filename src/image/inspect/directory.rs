//! Reads a directory that is the root of a file system.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use positioned_io::ReadAt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Inspection;
use crate::image::glob::Pattern;
use crate::image::{
    ImageError, Inspected, Program, ProgramBytes, ProgramReadError, Want, no_match,
};
use crate::sys::os::{Root, RootEntry, RootFile};

const ELF: &[u8] = b"\x7fELF";

/// The maximum number of programs that are read from one directory.
const PROGRAMS: usize = 4096;

/// What has been found in a directory so far.
struct Found<T> {
    programs: Vec<Program<T>>,
    /// Device and inode of the files that were read: a file with several names is one program.
    seen: BTreeSet<(u64, u64)>,
}

impl<T: Clone + Serialize + DeserializeOwned> Inspection<'_, T> {
    /// Reads the wanted programs of a root file system.
    pub(super) fn root(&mut self, name: &str, path: &Path) -> Result<Inspected<T>, ImageError> {
        let root = Root::open(path)?;
        let want = &self.request.want;
        let mut found = Found {
            programs: Vec::new(),
            seen: BTreeSet::new(),
        };
        for sought in want.anywhere() {
            for path in &sought.paths {
                if self.one(&root, path, sought.required, &mut found)? {
                    break;
                }
            }
        }
        let mut patterns = want.patterns();
        if *want == Want::All {
            patterns.extend(Pattern::parse("/**"));
        }
        let mut left_out = Vec::new();
        if !patterns.is_empty() {
            left_out = self.matching(name, &root, &patterns, &mut found)?;
        }
        Ok(Inspected::Directory {
            programs: found.programs,
            left_out,
        })
    }

    /// Reads every ELF program that matches a pattern. Returns the mount points that it skipped.
    fn matching(
        &mut self,
        name: &str,
        root: &Root,
        patterns: &[Pattern],
        found: &mut Found<T>,
    ) -> Result<Vec<String>, ImageError> {
        let listing = root.list(self.request.limits.entries);
        let listing = listing.map_err(|error| ImageError::TooLarge {
            what: name.to_owned(),
            why: error.to_string(),
        })?;
        let mut matched = vec![false; patterns.len()];
        for path in &listing.files {
            let path = path.to_string_lossy();
            let mut any = false;
            for (pattern, matched) in patterns.iter().zip(&mut matched) {
                if pattern.matches(&path) {
                    (any, *matched) = (true, true);
                }
            }
            if any && is_elf(root, Path::new(path.as_ref())) {
                self.one(root, &path, false, found)?;
            }
            if found.programs.len() > PROGRAMS {
                return Err(ImageError::TooLarge {
                    what: name.to_owned(),
                    why: format!("it has more than the {PROGRAMS} programs that are read"),
                });
            }
        }
        for (pattern, matched) in patterns.iter().zip(matched) {
            if !matched && self.request.want != Want::All {
                found.programs.push(unread(&pattern.text, no_match()));
            }
        }
        for (path, why) in listing.unread {
            let why = ProgramReadError::NotTold(format!("the directory cannot be read: {why}"));
            found.programs.push(unread(&path.to_string_lossy(), why));
        }
        let mounts = listing.mounts.iter();
        Ok(mounts.map(|path| path.display().to_string()).collect())
    }

    /// Reads the program at `path`. Returns true if something exists there.
    fn one(
        &mut self,
        root: &Root,
        path: &str,
        required: bool,
        found: &mut Found<T>,
    ) -> Result<bool, ImageError> {
        let why = match root.find(Path::new(path)) {
            Ok(RootEntry::File(file)) => {
                if found.seen.insert(file.identity) || required {
                    let program = self.file_below(path, &file);
                    self.reader.keep(path, std::slice::from_ref(&program))?;
                    found.programs.push(program);
                }
                return Ok(true);
            }
            Ok(RootEntry::Directory) => ProgramReadError::NotAFile("a directory".to_owned()),
            Ok(RootEntry::Special) => {
                ProgramReadError::NotAFile("a device, a pipe or a socket".to_owned())
            }
            Ok(RootEntry::Missing) => ProgramReadError::Missing,
            Ok(RootEntry::Links) => ProgramReadError::Links,
            Err(error) => ProgramReadError::NotTold(format!("it cannot be read: {error}")),
        };
        let absent = why == ProgramReadError::Missing;
        if required || !absent {
            found.programs.push(unread(path, why));
        }
        Ok(!absent)
    }

    fn file_below(&mut self, path: &str, found: &RootFile) -> Program<T> {
        let (size, limit) = (found.size, self.request.limits.program);
        let real = found.path.to_string_lossy();
        let reading = if size > limit {
            Err(ProgramReadError::TooLarge { size, limit })
        } else {
            self.reader.meter.earn(size);
            Ok((self.reader.each)(&ProgramBytes {
                path,
                source: &found.file,
                size,
                work: self.sources.budget.work(),
            }))
        };
        Program {
            path: path.to_owned(),
            real_path: (real.trim_start_matches('/') != path.trim_start_matches('/'))
                .then(|| real.into_owned()),
            layer: None,
            reading,
        }
    }
}

fn unread<T>(path: &str, why: ProgramReadError) -> Program<T> {
    Program {
        path: path.to_owned(),
        real_path: None,
        layer: None,
        reading: Err(why),
    }
}

fn is_elf(root: &Root, path: &Path) -> bool {
    let start = || -> io::Result<bool> {
        let mut start = [0; ELF.len()];
        match root.find(path)? {
            RootEntry::File(found) => {
                found.file.read_exact_at(0, &mut start)?;
                Ok(start == ELF)
            }
            _ => Ok(false),
        }
    };
    // A file shorter than the magic is not ELF. A file that cannot be opened passes, so that
    // reading it reports the error.
    start().unwrap_or_else(|error| error.kind() == io::ErrorKind::PermissionDenied)
}
