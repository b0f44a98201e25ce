//! One image for one platform: which layers to read, how often, and what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Range;

use super::known::Sought;
use super::layer::{Expected, Kept, Pick, Reader};
use super::names::Id;
use super::tree::{Endless, Found, Tree};
use super::{Digest, ImageError, Program, Unread, Want, path};

/// How often it is tried to do without the lower layers.
const TRIES: usize = 4;

/// Bytes from wherever they come.
pub(super) type Input<'a> = Box<dyn Read + 'a>;

/// A layer, and what it must turn out to be.
pub(super) struct Layer<'a> {
    pub(super) expected: Expected,
    /// As it is stored; what a program's evidence names.
    pub(super) digest: Digest,
    /// Opens it at its beginning.
    pub(super) open: Box<dyn Fn() -> Result<Input<'a>, ImageError> + 'a>,
}

/// What is sought in an image.
pub(super) struct Search<'a> {
    pub(super) name: &'a str,
    pub(super) want: &'a Want,
    pub(super) sought: &'a [Sought],
}

/// The entries of each layer that was read, by its number; 0 is the lowest.
pub(super) type Ranges = BTreeMap<usize, Range<Id>>;

/// A program as it was asked for, and where it was found.
pub(super) struct Located {
    path: String,
    place: Place,
}

/// Where a program was found, before it is known whether its bytes were seen.
enum Place {
    Entry(Id),
    Nowhere(Unread),
}

impl Search<'_> {
    /// Reads from the newest layer down, no further than needed, and a second time where links led
    /// to what was not wanted at first.
    pub(super) fn run<T: Clone>(
        &self,
        layers: &[Layer<'_>],
        reader: &mut Reader<'_, T>,
    ) -> Result<Vec<Program<T>>, ImageError> {
        let mut kept = Kept::new(&reader.limits);
        let ranges = self.first(layers, reader, &mut kept)?;
        let located = self.locate(&kept, &ranges)?;
        let unseen = unseen(&located, &kept);
        for (number, range) in &ranges {
            if let Some(layer) = layers.get(*number)
                && unseen.range(range.clone()).next().is_some()
            {
                let (first, ids) = (range.start, &unseen);
                let pick = Pick::Again { first, ids };
                reader.layer((layer.open)()?, &layer.expected, &pick, &mut kept)?;
            }
        }
        let digest = |number: usize| layers.get(number).map(|layer| layer.digest.clone());
        Ok(programs(located, &kept, &ranges, digest))
    }

    fn first<T>(
        &self,
        layers: &[Layer<'_>],
        reader: &mut Reader<'_, T>,
        kept: &mut Kept<T>,
    ) -> Result<Ranges, ImageError> {
        let paths = cleaned(self.sought).into_iter().flatten().collect();
        let pick = match self.want {
            Want::All => Pick::Elf,
            _ => Pick::Paths(&paths),
        };
        let mut ranges = BTreeMap::new();
        let mut tries = 0;
        for (number, layer) in layers.iter().enumerate().rev() {
            let range = reader.layer((layer.open)()?, &layer.expected, &pick, kept)?;
            ranges.insert(number, range);
            let enough = kept.programs.len() >= self.sought.len() && tries < TRIES;
            if enough && *self.want != Want::All {
                tries += 1;
                if self.settled(kept, &ranges)? {
                    break;
                }
            }
        }
        Ok(ranges)
    }

    /// Whether every program was found and no lower layer can change that.
    fn settled<T>(&self, kept: &Kept<T>, ranges: &Ranges) -> Result<bool, ImageError> {
        let cleaned = cleaned(self.sought);
        let mut tree = self.tree(kept, ranges, &cleaned)?;
        if tree.doubt() {
            return Ok(false);
        }
        for paths in &cleaned {
            let Some(path) = paths.first() else { continue };
            match tree.find(path).map_err(|error| self.endless(&error))? {
                Found::File { id, certain: true } if kept.programs.contains_key(&id) => {}
                _ => return Ok(false),
            }
        }
        Ok(!cleaned.is_empty())
    }

    /// What each wanted program is, now that every layer that matters was read.
    pub(super) fn locate<T>(
        &self,
        kept: &Kept<T>,
        ranges: &Ranges,
    ) -> Result<Vec<Located>, ImageError> {
        let cleaned = cleaned(self.sought);
        let mut tree = self.tree(kept, ranges, &cleaned)?;
        if *self.want == Want::All {
            return Ok(files(&tree, kept));
        }
        let mut places = Vec::new();
        for (sought, paths) in self.sought.iter().zip(&cleaned) {
            let mut first = None;
            for (path, clean) in sought.paths.iter().zip(paths) {
                let found = tree.find(clean).map_err(|error| self.endless(&error))?;
                let place = Place::of(found);
                let missing = place.is_missing();
                let path = path.clone();
                if !missing {
                    first = Some(Located { path, place });
                    break;
                }
                first.get_or_insert(Located { path, place });
            }
            places.extend(first.filter(|found| sought.required || !found.place.is_missing()));
        }
        Ok(places)
    }

    fn tree<'t, T>(
        &self,
        kept: &'t Kept<T>,
        ranges: &Ranges,
        cleaned: &'t [Vec<Vec<u8>>],
    ) -> Result<Tree<'t>, ImageError> {
        let wanted = cleaned.iter().flatten().map(Vec::as_slice);
        Tree::new(&kept.names, ranges.values().cloned(), wanted)
            .map_err(|error| self.endless(&error))
    }

    fn endless(&self, error: &Endless) -> ImageError {
        ImageError::TooLarge {
            what: self.name.to_owned(),
            why: error.to_string(),
        }
    }
}

/// The wanted paths as entries have them.
pub(super) fn cleaned(sought: &[Sought]) -> Vec<Vec<Vec<u8>>> {
    // One that is too long is in no image.
    let clean = |path: &String| path::clean(path.as_bytes()).unwrap_or_default();
    let paths = |sought: &Sought| sought.paths.iter().map(clean).collect();
    sought.iter().map(paths).collect()
}

/// What was located and never given out: links led to it.
pub(super) fn unseen<T>(located: &[Located], kept: &Kept<T>) -> BTreeSet<Id> {
    let ids = located.iter().filter_map(|located| match located.place {
        Place::Entry(id) => Some(id),
        Place::Nowhere(_) => None,
    });
    ids.filter(|id| !kept.programs.contains_key(id)).collect()
}

/// What was located, with what was made of its bytes; `digest` is that of a layer by its number.
pub(super) fn programs<T: Clone>(
    located: Vec<Located>,
    kept: &Kept<T>,
    ranges: &Ranges,
    digest: impl Fn(usize) -> Option<Digest>,
) -> Vec<Program<T>> {
    let program = |Located { path, place }| {
        let id = match place {
            Place::Entry(id) => id,
            Place::Nowhere(unread) => {
                return Some(Program {
                    path,
                    real_path: None,
                    layer: None,
                    reading: Err(unread),
                });
            }
        };
        let reading = kept.programs.get(&id)?.clone();
        let layer = ranges.iter().find(|(_, range)| range.contains(&id));
        let real = kept.names.get(id).map(|(real, _)| real);
        let wanted = path::clean(path.as_bytes()).ok();
        let real = real.filter(|real| wanted.as_deref() != Some(*real));
        Some(Program {
            path,
            real_path: real.map(|real| format!("/{}", String::from_utf8_lossy(real))),
            layer: layer.and_then(|(number, _)| digest(*number)),
            reading,
        })
    };
    located.into_iter().filter_map(program).collect()
}

impl Place {
    fn is_missing(&self) -> bool {
        matches!(self, Place::Nowhere(Unread::Missing))
    }

    fn of(found: Found) -> Place {
        Place::Nowhere(match found {
            Found::File { id, .. } => return Place::Entry(id),
            Found::Directory => Unread::NotAFile("a directory".to_owned()),
            Found::Special => Unread::NotAFile("a device or a pipe".to_owned()),
            Found::Missing => Unread::Missing,
            Found::Links => Unread::Links,
        })
    }
}

/// Every program that a container sees, each by the first of its names.
fn files<T>(tree: &Tree<'_>, kept: &Kept<T>) -> Vec<Located> {
    let mut files = tree.files();
    files.retain(|(_, id)| kept.programs.contains_key(id));
    files.sort();
    let mut seen = BTreeSet::new();
    files.retain(|(_, id)| seen.insert(*id));
    files
        .into_iter()
        .map(|(path, id)| Located {
            path: String::from_utf8_lossy(&path).into_owned(),
            place: Place::Entry(id),
        })
        .collect()
}
