//! A directory that is the root of a file system.

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

/// Programs that are read of one directory.
const PROGRAMS: usize = 4096;

/// What was found of a directory so far.
struct Found<T> {
    programs: Vec<Program<T>>,
    /// Files that were read: each is one program, whatever names it has.
    seen: BTreeSet<(u64, u64)>,
}

impl<T: Clone + Serialize + DeserializeOwned> Inspection<'_, T> {
    /// Reads the programs that are wanted of a root file system.
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

    /// Reads every ELF program that matches a pattern; gives what was not looked into.
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

    /// Reads a program where one is; whether there is one.
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
    // A file that is shorter is none; what cannot be opened is reported when it is read.
    start().unwrap_or_else(|error| error.kind() == io::ErrorKind::PermissionDenied)
}
