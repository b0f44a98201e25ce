//! One image for one platform: which layers to read, how often, and what was found.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Range;

use super::layer::{Expected, Kept, Pick, Reader};
use super::known::Sought;
use super::names::Id;
use super::tree::{Endless, Found, Tree};
use super::{Digest, ImageError, Program, Unread, Want, path};

/// How often it is tried to do without the lower layers.
const TRIES: usize = 4;

/// A layer, and what it must turn out to be.
pub(super) struct Layer<'a> {
    pub(super) expected: Expected,
    /// As it is stored; what a program's evidence names.
    pub(super) digest: Digest,
    /// Opens it at its beginning.
    pub(super) open: Box<dyn Fn() -> Result<Box<dyn Read>, ImageError> + 'a>,
}

/// The layers of an image, the lowest first, and what is sought in them.
pub(super) struct Search<'a> {
    pub(super) name: &'a str,
    pub(super) layers: &'a [Layer<'a>],
    pub(super) want: &'a Want,
    pub(super) sought: &'a [Sought],
}

/// Where a program was found, before it is known whether its bytes were seen.
enum Place {
    Entry(Id),
    Nowhere(Unread),
}

impl Search<'_> {
    /// Reads from the newest layer down, no further than needed, and a second time where links led
    /// to what was not wanted at first.
    pub(super) fn run<T>(
        &self,
        reader: &mut Reader<'_, T>,
    ) -> Result<Vec<Program<T>>, ImageError> {
        let mut kept = Kept::new(&reader.limits);
        let ranges = self.first(reader, &mut kept)?;
        let places = self.places(&kept, &ranges)?;
        let found = places.iter().filter_map(|(_, place)| match place {
            Place::Entry(id) => Some(*id),
            Place::Nowhere(_) => None,
        });
        let unseen: BTreeSet<Id> = found.filter(|id| !kept.programs.contains_key(id)).collect();
        self.again(reader, &mut kept, &ranges, &unseen)?;
        Ok(self.programs(places, kept, &ranges))
    }

    fn first<T>(
        &self,
        reader: &mut Reader<'_, T>,
        kept: &mut Kept<T>,
    ) -> Result<BTreeMap<usize, Range<Id>>, ImageError> {
        let paths = self.cleaned().into_iter().flatten().collect();
        let pick = match self.want {
            Want::All => Pick::Elf,
            _ => Pick::Paths(&paths),
        };
        let mut ranges = BTreeMap::new();
        let mut tries = 0;
        for (number, layer) in self.layers.iter().enumerate().rev() {
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
    fn settled<T>(
        &self,
        kept: &Kept<T>,
        ranges: &BTreeMap<usize, Range<Id>>,
    ) -> Result<bool, ImageError> {
        let cleaned = self.cleaned();
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
    fn places<T>(
        &self,
        kept: &Kept<T>,
        ranges: &BTreeMap<usize, Range<Id>>,
    ) -> Result<Vec<(String, Place)>, ImageError> {
        let cleaned = self.cleaned();
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
                let missing = matches!(place, Place::Nowhere(Unread::Missing));
                if !missing || first.is_none() {
                    first = Some((path.clone(), place));
                }
                if !missing {
                    break;
                }
            }
            places.extend(first.filter(|(_, place)| {
                sought.required || !matches!(place, Place::Nowhere(Unread::Missing))
            }));
        }
        Ok(places)
    }

    fn again<T>(
        &self,
        reader: &mut Reader<'_, T>,
        kept: &mut Kept<T>,
        ranges: &BTreeMap<usize, Range<Id>>,
        ids: &BTreeSet<Id>,
    ) -> Result<(), ImageError> {
        for (number, range) in ranges {
            if ids.range(range.clone()).next().is_none() {
                continue;
            }
            if let Some(layer) = self.layers.get(*number) {
                let first = range.start;
                let pick = Pick::Again { first, ids };
                reader.layer((layer.open)()?, &layer.expected, &pick, kept)?;
            }
        }
        Ok(())
    }

    fn programs<T>(
        &self,
        places: Vec<(String, Place)>,
        mut kept: Kept<T>,
        ranges: &BTreeMap<usize, Range<Id>>,
    ) -> Vec<Program<T>> {
        let mut programs = Vec::new();
        for (path, place) in places {
            let (reading, id) = match place {
                Place::Nowhere(unread) => (Err(unread), None),
                // Two wanted paths can be one file: it is reported by the first.
                Place::Entry(id) => match kept.programs.remove(&id) {
                    Some(reading) => (reading, Some(id)),
                    None => continue,
                },
            };
            let layer = id
                .and_then(|id| ranges.iter().find(|(_, range)| range.contains(&id)))
                .and_then(|(number, _)| self.layers.get(*number));
            let real = id.and_then(|id| kept.names.get(id));
            let real = real.map(|(real, _)| format!("/{}", String::from_utf8_lossy(real)));
            let same = |real: &String| path::clean(path.as_bytes()).ok().as_deref() == real.as_bytes().get(1..);
            programs.push(Program {
                real_path: real.filter(|real| !same(real)),
                layer: layer.map(|layer| layer.digest.clone()),
                path,
                reading,
            });
        }
        programs
    }

    fn tree<'t, T>(
        &self,
        kept: &'t Kept<T>,
        ranges: &BTreeMap<usize, Range<Id>>,
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

    /// The wanted paths as entries have them.
    fn cleaned(&self) -> Vec<Vec<Vec<u8>>> {
        // One that is too long is in no image.
        let clean = |path: &String| path::clean(path.as_bytes()).unwrap_or_default();
        let paths = |sought: &Sought| sought.paths.iter().map(clean).collect();
        self.sought.iter().map(paths).collect()
    }
}

impl Place {
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
fn files<T>(tree: &Tree<'_>, kept: &Kept<T>) -> Vec<(String, Place)> {
    let mut files = tree.files();
    files.retain(|(_, id)| kept.programs.contains_key(id));
    files.sort();
    files
        .into_iter()
        .map(|(path, id)| (String::from_utf8_lossy(&path).into_owned(), Place::Entry(id)))
        .collect()
}
