//! Reads one layer: keeps its names, passes the wanted programs on, and checks its digest.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Read};
use std::ops::Range;
use std::rc::Rc;

use serde::Serialize;

use super::entries::{Entries, Entry, Kind};
use super::meter::{Budget, Meter, Metered};
use super::names::{Id, Names};
use super::stream::{Tally, Unpacked};
use super::{Digest, ImageError, Limits, Program, ProgramBytes, ProgramReadError};
use crate::sys::registry::Hasher;

/// The maximum number of programs of one image that are kept with `--all`.
const PROGRAMS: usize = 4096;

const ELF: &[u8] = b"\x7fELF";

/// The size and digests that a layer must have.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// The name of the layer in messages.
    pub(super) name: String,
    /// The number of bytes of the layer as it is stored.
    pub(super) size: u64,
    /// The digest of the layer as it is stored; `None` in a Docker archive.
    pub(super) stored: Option<Digest>,
    /// The digest of the decompressed layer (the diff ID), which the configuration binds to the
    /// image.
    pub(super) unpacked: Digest,
}

/// The files that are passed on.
pub(super) enum Pick<'a> {
    /// The files with these paths in the layer.
    Paths(&'a BTreeSet<Vec<u8>>),
    /// Every ELF file.
    Elf,
    /// On a second reading, the entries with these numbers. `first` is the number of the first
    /// entry of the layer.
    Again { first: Id, ids: &'a BTreeSet<Id> },
}

/// What is kept of the layers that were read.
pub(super) struct Kept<T> {
    pub(super) names: Names,
    pub(super) programs: HashMap<Id, Result<T, ProgramReadError>>,
    /// Wanted files that were not passed on, because another file with the same name was. A
    /// container sees only one of them; a second reading passes it on if it is one of these.
    pub(super) deferred: BTreeSet<Id>,
    /// Names of files that were passed on.
    pub(super) given: HashSet<Vec<u8>>,
}

impl<T> Kept<T> {
    /// Returns true if the entry is a wanted file, passed on or deferred.
    pub(super) fn has(&self, id: Id) -> bool {
        self.programs.contains_key(&id) || self.deferred.contains(&id)
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept {
            names: Names::default(),
            programs: HashMap::new(),
            deferred: BTreeSet::new(),
            given: HashSet::new(),
        }
    }
}

/// A layer that was read to its end.
pub(super) struct Passed {
    pub(super) entries: Range<Id>,
    /// The number of bytes of the layer as it is stored.
    pub(super) size: u64,
    /// The hashes in hexadecimal, of the stored and of the decompressed bytes, if they were
    /// requested.
    pub(super) stored: Option<String>,
    pub(super) unpacked: Option<String>,
}

/// Reads the layers of a target.
pub(super) struct Reader<'a, T> {
    limits: Limits,
    /// The layers that were read before, and whether for a second reading: the same bytes add to
    /// the budget once.
    paid: HashSet<(String, bool)>,
    pub(super) each: &'a mut dyn FnMut(&ProgramBytes<'_>) -> T,
    pub(super) meter: Rc<Meter<'a>>,
    /// Counts what the reader made of a program.
    keep: fn(&Meter<'_>, &T) -> io::Result<()>,
}

impl<'a, T> Reader<'a, T> {
    pub(super) fn new(
        limits: Limits,
        budget: &'a Budget,
        each: &'a mut dyn FnMut(&ProgramBytes<'_>) -> T,
    ) -> Reader<'a, T>
    where
        T: Serialize,
    {
        let meter = Rc::new(Meter::new(limits, budget));
        Reader {
            limits,
            paid: HashSet::new(),
            each,
            meter,
            keep: |meter, made| meter.keep(made),
        }
    }

    /// Counts programs of an image that were copied from another image.
    pub(super) fn keep(&self, what: &str, programs: &[Program<T>]) -> Result<(), ImageError>
    where
        T: Serialize,
    {
        let counted = self.meter.keep(&programs);
        counted.map_err(|error| ImageError::of_stream(what, error))
    }

    /// Reads a layer to its end and returns the numbers of its entries. If this fails, nothing of
    /// the layer counts.
    pub(super) fn layer(
        &mut self,
        input: impl Read,
        expected: &Expected,
        pick: &Pick<'_>,
        kept: &mut Kept<T>,
    ) -> Result<Range<Id>, ImageError> {
        let hashers = expected.hashers()?;
        let meter = Rc::clone(&self.meter);
        let again = matches!(pick, Pick::Again { .. });
        let passed = if self.paid.insert((expected.identity(), again)) {
            let input = Metered {
                input,
                meter: &meter,
            };
            self.pass((input, expected.size), hashers, pick, kept)
        } else {
            self.pass((input, expected.size), hashers, pick, kept)
        };
        let passed = passed.map_err(|error| ImageError::of_stream(&expected.name, error))?;
        expected.verify(&passed)?;
        Ok(passed.entries)
    }

    /// Reads a layer of this size to its end, with any digest, and hashes its stored and its
    /// decompressed bytes. The caller counts the received bytes.
    pub(super) fn pass(
        &mut self,
        (input, size): (impl Read, u64),
        hashers: [Option<Hasher>; 2],
        pick: &Pick<'_>,
        kept: &mut Kept<T>,
    ) -> io::Result<Passed> {
        let first = kept.names.next();
        let [stored, unpacked] = hashers;
        let all = unpacked.is_some();
        let meter = Rc::clone(&self.meter);
        // An uncompressed layer has one hash, which is computed once.
        let same = matches!((&stored, &unpacked), (Some(stored), Some(unpacked))
            if stored.is_sha256() && unpacked.is_sha256());
        let input = Unpacked::new(Tally::stored(input, stored, size))?;
        let same = same && matches!(input, Unpacked::Plain(_));
        let mut tally = Tally::unpacked(input, unpacked.filter(|_| !same), &meter);
        self.entries(&mut tally, pick, kept)?;
        if all {
            tally.drain()?;
        }
        let (unpacked, unpacked_hash) = tally.into_parts();
        let mut stored = unpacked.into_inner();
        stored.drain()?;
        let size = stored.count;
        let stored = stored.into_parts().1;
        Ok(Passed {
            entries: first..kept.names.next(),
            size,
            unpacked: if same { stored.clone() } else { unpacked_hash },
            stored,
        })
    }

    fn entries(
        &mut self,
        input: &mut Tally<'_, impl Read>,
        pick: &Pick<'_>,
        kept: &mut Kept<T>,
    ) -> io::Result<()> {
        let mut entries = Entries::new(input);
        let mut again = match pick {
            Pick::Again { first, .. } => Some(*first),
            _ => None,
        };
        while let Some(entry) = entries.next()? {
            let id = match &mut again {
                Some(next) => {
                    *next = next.saturating_add(1);
                    *next - 1
                }
                None => kept.names.add(&entry, &self.limits)?,
            };
            let file = matches!(entry.kind, Kind::File | Kind::Sparse(_));
            let (wanted, start) = match pick {
                _ if !file => continue,
                Pick::Paths(paths) => (paths.contains(&entry.path), Vec::new()),
                Pick::Again { ids, .. } => (ids.contains(&id), Vec::new()),
                Pick::Elf => {
                    let start = entries.start::<{ ELF.len() }>(&entry)?;
                    (start == ELF, start)
                }
            };
            let again = matches!(pick, Pick::Again { .. });
            if wanted && !again && kept.given.contains(&entry.path) {
                kept.deferred.insert(id);
            } else if wanted {
                let reading = self.program(&mut entries, &entry, start)?;
                kept.programs.insert(id, reading);
                kept.given.insert(entry.path);
            }
            if kept.programs.len() + kept.deferred.len() > PROGRAMS {
                return Err(io::Error::other(TooMany));
            }
        }
        Ok(())
    }

    fn program(
        &mut self,
        entries: &mut Entries<&mut Tally<'_, impl Read>>,
        entry: &Entry,
        start: Vec<u8>,
    ) -> io::Result<Result<T, ProgramReadError>> {
        let (size, limit) = (entry.size, self.limits.program);
        if size > limit {
            return Ok(Err(ProgramReadError::TooLarge { size, limit }));
        }
        if matches!(entry.kind, Kind::Sparse(_)) {
            entries.get_mut().charge(size)?;
        }
        let bytes = entries.content(entry, start)?;
        let path = format!("/{}", String::from_utf8_lossy(&entry.path));
        let made = (self.each)(&ProgramBytes {
            path: &path,
            source: &bytes,
            size,
            work: self.meter.budget.work(),
        });
        (self.keep)(&self.meter, &made)?;
        Ok(Ok(made))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("more than the {PROGRAMS} programs that are kept")]
pub(super) struct TooMany;

impl Expected {
    fn hashers(&self) -> Result<[Option<Hasher>; 2], ImageError> {
        let hasher = |digest: &Digest| {
            Hasher::of(digest).ok_or_else(|| ImageError::Unsupported {
                what: self.name.clone(),
                why: format!("its digest is a {}", digest.algorithm()),
            })
        };
        let stored = self.stored.as_ref().map(hasher).transpose()?;
        Ok([stored, Some(hasher(&self.unpacked)?)])
    }

    /// Returns a text that is equal for layers with the same bytes.
    pub(super) fn identity(&self) -> String {
        let digests: Vec<&str> = self.digests().map(Digest::as_ref).collect();
        digests.join(" ")
    }

    /// Returns every digest that the layer must have.
    pub(super) fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.stored.iter().chain([&self.unpacked])
    }

    pub(super) fn verify(&self, passed: &Passed) -> Result<(), ImageError> {
        let damaged = |why: String| ImageError::Damaged {
            what: self.name.clone(),
            why,
        };
        let (size, declared) = (passed.size, self.size);
        if size != declared {
            return Err(damaged(format!(
                "it has {size} bytes, {declared} were declared"
            )));
        }
        let differs = |digest: &Digest, hash: &Option<String>| {
            let hash = hash.as_deref().unwrap_or_default();
            (hash != digest.digest()).then(|| format!("{}:{hash}", digest.algorithm()))
        };
        if let Some(digest) = &self.stored
            && let Some(computed) = differs(digest, &passed.stored)
        {
            return Err(damaged(format!("its digest is {computed}, not {digest}")));
        }
        if let Some(computed) = differs(&self.unpacked, &passed.unpacked) {
            return Err(damaged(format!(
                "it unpacks to {computed}, and the configuration of its image says {}",
                self.unpacked
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ::tar::{EntryType, Header};

    use super::*;

    const LIMITS: Limits = Limits {
        program: 1 << 20,
        unpacked: 4 << 20,
        ratio: 1,
        entries: 64,
        names: 1 << 10,
    };

    fn header((kind, name): (EntryType, usize), stored: u64, real: u64) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_path(format!("program{name}")).unwrap();
        header.set_size(stored);
        let gnu = header.as_gnu_mut().unwrap();
        if kind == EntryType::GNUSparse {
            gnu.set_real_size(real);
            gnu.sparse[0].set_offset(0);
            gnu.sparse[0].set_length(stored);
        }
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    /// Returns the result of each layer, all of them of one image.
    fn pass(layers: &[&[u8]]) -> Vec<Result<usize, String>> {
        let mut each = |program: &ProgramBytes<'_>| program.size;
        let budget = Budget::default();
        let mut reader = Reader::new(LIMITS, &budget, &mut each);
        let mut kept = Kept::default();
        let pass = |layer: &&[u8]| {
            let passed = reader.pass((*layer, u64::MAX), [None, None], &Pick::Elf, &mut kept);
            passed
                .map(|_| kept.programs.len())
                .map_err(|error| error.to_string())
        };
        layers.iter().map(pass).collect()
    }

    #[test]
    fn holes_count_as_bytes_that_a_layer_unpacks_to() {
        let data = [ELF, &[0; 508]].concat();
        let sparse = |names: Range<usize>| {
            let header = |name| header((EntryType::GNUSparse, name), 512, 1 << 20);
            let entries = names.map(|name| [header(name), data.clone()].concat());
            entries.collect::<Vec<_>>().concat()
        };
        let said = pass(&[&sparse(0..3), &sparse(3..4)]);
        assert_eq!(said[0], Ok(3));
        let error = said[1].as_ref().unwrap_err();
        assert!(error.contains("unpacks to more"), "{error}");
    }

    #[test]
    fn a_name_is_given_out_once_however_often_a_layer_has_it() {
        let entry = [
            header((EntryType::Regular, 0), 512, 0),
            [ELF, &[0; 508]].concat(),
        ]
        .concat();
        assert_eq!(pass(&[&entry.repeat(20), &entry]), [Ok(1), Ok(1)]);
    }

    #[test]
    fn what_is_no_layer_costs_as_much() {
        let cut = [
            header((EntryType::Regular, 0), 8 << 20, 0),
            vec![0; 3 << 20],
        ]
        .concat();
        let said = pass(&[&cut, &cut]);
        assert!(said[0].as_ref().unwrap_err().contains("in the middle"));
        assert!(said[1].as_ref().unwrap_err().contains("unpacks to more"));
    }
}
