//! Reads one image for one platform: decides which layers to read and how often, and collects what
//! was found.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::ops::Range;
use std::rc::Rc;

use serde::Serialize;

use super::known::WantedProgram;
use super::layer::{Expected, Kept, Pick, Reader};
use super::meter::{Budget, Metered};
use super::names::Id;
use super::tree::{Found, LinkLoop, Tree};
use super::{
    Digest, ImageError, Program, ProgramBytes, ProgramReadError, Request, Want, no_match, path,
};

/// The maximum number of attempts to finish without the lower layers.
const TRIES: usize = 4;

/// A stream of bytes from any source.
pub(super) type Input<'a> = Box<dyn Read + 'a>;

/// A layer with its expected size and digests.
pub(super) struct Layer<'a> {
    pub(super) expected: Expected,
    /// The digest of the layer as it is stored, which the evidence of a program names.
    pub(super) digest: Digest,
    /// Opens the layer at its beginning.
    pub(super) open: Box<dyn Fn() -> Result<Input<'a>, ImageError> + 'a>,
}

/// What to look for in an image.
pub(super) struct Search<'a> {
    pub(super) name: &'a str,
    pub(super) want: &'a Want,
    pub(super) sought: &'a [WantedProgram],
    pub(super) budget: &'a Budget,
}

/// The entries of each layer that was read, by the number of the layer; 0 is the lowest.
pub(super) type Ranges = BTreeMap<usize, Range<Id>>;

/// A requested program and where it was found.
pub(super) struct Located {
    path: String,
    place: Place,
}

/// Where a program was found. Its bytes may not have been read yet.
enum Place {
    Entry(Id),
    Nowhere(ProgramReadError),
}

impl Search<'_> {
    /// Reads the layers from the newest down, only as far as needed. Reads a layer again if links
    /// lead to one of its files that was not wanted at first.
    pub(super) fn run<T: Clone>(
        &self,
        layers: &[Layer<'_>],
        reader: &mut Reader<'_, T>,
    ) -> Result<Vec<Program<T>>, ImageError> {
        let mut kept = Kept::default();
        let ranges = self.first(layers, reader, &mut kept)?;
        let located = self.locate(&kept, &ranges)?;
        let unseen = unseen(&located, &kept);
        let mut again = BTreeSet::new();
        for (number, range) in &ranges {
            if let Some(layer) = layers.get(*number)
                && unseen.range(range.clone()).next().is_some()
                && again.insert(range.start)
            {
                let (first, ids) = (range.start, &unseen);
                let pick = Pick::Again { first, ids };
                reader.layer((layer.open)()?, &layer.expected, &pick, &mut kept)?;
            }
        }
        let digest = |number: usize| layers.get(number).map(|layer| layer.digest.clone());
        Ok(programs(located, &kept, &ranges, digest))
    }

    fn pick<'p>(&self, paths: &'p BTreeSet<Vec<u8>>) -> Pick<'p> {
        if self.want.is_open() {
            Pick::Elf
        } else {
            Pick::Paths(paths)
        }
    }

    fn first<T>(
        &self,
        layers: &[Layer<'_>],
        reader: &mut Reader<'_, T>,
        kept: &mut Kept<T>,
    ) -> Result<Ranges, ImageError> {
        let paths = cleaned(self.sought);
        let pick = self.pick(&paths);
        let mut ranges = BTreeMap::new();
        let mut tries = 0;
        // A layer that the image contains more than once is read once.
        let mut read: HashMap<String, Range<Id>> = HashMap::new();
        for (number, layer) in layers.iter().enumerate().rev() {
            let Expected { size, .. } = layer.expected;
            let identity = format!("{} {size}", layer.expected.identity());
            if let Some(range) = read.get(&identity) {
                ranges.insert(number, range.clone());
                continue;
            }
            let range = reader.layer((layer.open)()?, &layer.expected, &pick, kept)?;
            read.insert(identity, range.clone());
            ranges.insert(number, range);
            let enough = kept.programs.len() >= self.sought.len() && tries < TRIES;
            if enough && !self.want.is_open() {
                tries += 1;
                if self.settled(kept, &ranges)? {
                    break;
                }
            }
        }
        Ok(ranges)
    }

    /// Returns true if every program was found and lower layers cannot change that.
    fn settled<T>(&self, kept: &Kept<T>, ranges: &Ranges) -> Result<bool, ImageError> {
        let mut tree = self.tree(kept, ranges)?;
        if tree.doubt() {
            return Ok(false);
        }
        for sought in self.sought {
            if sought.unknown.is_some() {
                continue;
            }
            // If several paths count, each must be known, and a file is only missing if no layer
            // has it.
            let path = sought.paths.first().filter(|_| !sought.each);
            let Some(path) = path else { return Ok(false) };
            match self.find(&mut tree, path)? {
                Found::File { id, certain: true } if kept.programs.contains_key(&id) => {}
                _ => return Ok(false),
            }
        }
        Ok(!self.sought.is_empty())
    }

    /// Returns where each wanted program is, after all relevant layers were read.
    pub(super) fn locate<T>(
        &self,
        kept: &Kept<T>,
        ranges: &Ranges,
    ) -> Result<Vec<Located>, ImageError> {
        let mut tree = self.tree(kept, ranges)?;
        if *self.want == Want::All {
            return files(&tree, kept).map_err(|error| self.endless(&error));
        }
        let mut places = self.matching(&tree, kept)?;
        let mut seen: BTreeSet<String> = places.iter().map(|it| it.path.clone()).collect();
        for sought in self.sought {
            let found = self.places(&mut tree, sought)?;
            places.extend(found.into_iter().filter(|it| seen.insert(it.path.clone())));
        }
        Ok(places)
    }

    /// Returns every program that a pattern matches, and an error for each pattern without a match.
    fn matching<T>(&self, tree: &Tree<'_>, kept: &Kept<T>) -> Result<Vec<Located>, ImageError> {
        let patterns = self.want.patterns();
        if patterns.is_empty() {
            return Ok(Vec::new());
        }
        let mut files = files(tree, kept).map_err(|error| self.endless(&error))?;
        let none = patterns.iter().filter(|pattern| {
            let mut paths = files.iter().map(|it| &it.path);
            !paths.any(|path| pattern.matches(path))
        });
        let none = none.map(|pattern| Located {
            path: pattern.text.clone(),
            place: Place::Nowhere(no_match()),
        });
        let none: Vec<Located> = none.collect();
        files.retain(|it| patterns.iter().any(|pattern| pattern.matches(&it.path)));
        files.extend(none);
        Ok(files)
    }

    /// Returns the locations of one program that count, each file once. If there are none, returns
    /// an error entry for a required program.
    fn places<'t>(
        &'t self,
        tree: &mut Tree<'t>,
        sought: &'t WantedProgram,
    ) -> Result<Vec<Located>, ImageError> {
        let mut places = Vec::new();
        let mut files = BTreeSet::new();
        for path in &sought.paths {
            let mut place = Place::of(self.find(tree, path)?);
            if let Place::Entry(id) = place
                && let Some(why) = sought.is_another(tree.name(id))
            {
                place = Place::Nowhere(ProgramReadError::NotTold(why));
            }
            let counts = match place {
                Place::Entry(id) => files.insert(id),
                Place::Nowhere(ProgramReadError::Missing) => false,
                Place::Nowhere(ProgramReadError::NotTold(_)) => true,
                // A search of `PATH` skips what is not a file.
                Place::Nowhere(_) => !sought.each,
            };
            if counts {
                let path = path.clone();
                places.push(Located { path, place });
                if !sought.each {
                    break;
                }
            }
        }
        if places.is_empty() && sought.required {
            let unknown = sought.unknown.clone().map(ProgramReadError::NotTold);
            places.push(Located {
                path: sought.name.clone(),
                place: Place::Nowhere(unknown.unwrap_or(ProgramReadError::Missing)),
            });
        }
        Ok(places)
    }

    /// Returns what a path leads to. A `..` after a link leads to the parent of the link's target,
    /// as in the kernel.
    fn find<'t>(&self, tree: &mut Tree<'t>, path: &'t str) -> Result<Found, ImageError> {
        if path.len() > path::LONGEST {
            return Ok(Found::Missing);
        }
        tree.find(path.as_bytes())
            .map_err(|error| self.endless(&error))
    }

    fn tree<'t, T>(&'t self, kept: &'t Kept<T>, ranges: &Ranges) -> Result<Tree<'t>, ImageError> {
        let wanted = self.sought.iter().flat_map(|sought| &sought.paths);
        let wanted = wanted.map(String::as_bytes);
        Tree::new((&kept.names, self.budget), ranges.values().cloned(), wanted)
            .map_err(|error| self.endless(&error))
    }

    fn endless(&self, error: &LinkLoop) -> ImageError {
        ImageError::TooLarge {
            what: self.name.to_owned(),
            why: error.to_string(),
        }
    }
}

/// Returns the wanted paths in the form of entry paths. They match entries only if no link is on
/// the way.
pub(super) fn cleaned(sought: &[WantedProgram]) -> BTreeSet<Vec<u8>> {
    let paths = sought.iter().flat_map(|sought| &sought.paths);
    // A path that is too long does not exist in any image.
    paths
        .filter_map(|path| path::clean(path.as_bytes()).ok())
        .collect()
}

/// Returns the located files that were not read, because only links lead to them.
pub(super) fn unseen<T>(located: &[Located], kept: &Kept<T>) -> BTreeSet<Id> {
    let ids = located.iter().filter_map(|located| match located.place {
        Place::Entry(id) => Some(id),
        Place::Nowhere(_) => None,
    });
    ids.filter(|id| !kept.programs.contains_key(id)).collect()
}

/// Returns the located programs with the results of their reading. `digest` returns the digest of a
/// layer by its number.
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
    fn of(found: Found) -> Place {
        Place::Nowhere(match found {
            Found::File { id, .. } => return Place::Entry(id),
            Found::Directory => ProgramReadError::NotAFile("a directory".to_owned()),
            Found::Special => ProgramReadError::NotAFile("a device or a pipe".to_owned()),
            Found::Missing => ProgramReadError::Missing,
            Found::Links => ProgramReadError::Links,
            Found::Disputed => disputed(),
        })
    }
}

/// Returns every program that a container sees, each by its first name in sorted order.
fn files<T>(tree: &Tree<'_>, kept: &Kept<T>) -> Result<Vec<Located>, LinkLoop> {
    let mut files = tree.files(|id| kept.has(id))?;
    files.sort();
    let mut seen = BTreeSet::new();
    files.retain(|(_, id, disputed)| *disputed || seen.insert(*id));
    let located = files.into_iter().map(|(path, id, is_disputed)| Located {
        path: String::from_utf8_lossy(&path).into_owned(),
        place: if is_disputed {
            Place::Nowhere(disputed())
        } else {
            Place::Entry(id)
        },
    });
    Ok(located.collect())
}

fn disputed() -> ProgramReadError {
    let why = "a layer reaches it through a link of a lower layer, which not every runtime follows";
    ProgramReadError::NotTold(why.to_owned())
}

/// Reads a single layer with any digest, and returns its programs, except for those that only a
/// second reading finds through links. For fuzzing.
pub fn read_layer<T: Clone + Serialize>(
    layer: &[u8],
    request: &Request,
    each: &mut dyn FnMut(&ProgramBytes<'_>) -> T,
) -> Result<Vec<Program<T>>, ImageError> {
    let budget = Budget::default();
    let mut reader = Reader::new(request.limits, &budget, each);
    let mut kept = Kept::default();
    let sought = request.want.anywhere();
    let search = Search {
        name: "the layer",
        want: &request.want,
        sought: &sought,
        budget: &budget,
    };
    let paths = cleaned(&sought);
    let pick = search.pick(&paths);
    let meter = Rc::clone(&reader.meter);
    let input = Metered {
        input: layer,
        meter: &meter,
    };
    let read = reader.pass((input, layer.len() as u64), [None, None], &pick, &mut kept);
    let read = read.map_err(|error| ImageError::of_stream(search.name, error))?;
    let ranges = BTreeMap::from([(0, read.entries)]);
    let located = search.locate(&kept, &ranges)?;
    Ok(programs(located, &kept, &ranges, |_| None))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use ::tar::{Builder, EntryType, Header};
    use proptest::prelude::*;

    use super::super::Limits;
    use super::*;
    use crate::sys::registry::Hasher;

    /// The number of bytes of the name in a header.
    const NAME: usize = 100;

    /// Builds a layer from entries of the form `f PATH CONTENT`, `d PATH`, `s PATH TARGET`,
    /// `h PATH TARGET`, `c PATH`.
    fn layer(text: &str) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for line in text
            .split(';')
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let words: Vec<&str> = line.split(' ').collect();
            let mut header = Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(0);
            let kind = match words[0] {
                "f" => EntryType::Regular,
                "d" => EntryType::Directory,
                "s" => EntryType::Symlink,
                "h" => EntryType::Link,
                _ => EntryType::Char,
            };
            header.set_entry_type(kind);
            for (kind, word) in [
                (EntryType::GNULongName, words.get(1)),
                (
                    EntryType::GNULongLink,
                    words.get(2).filter(|_| kind == EntryType::Symlink),
                ),
            ] {
                if let Some(word) = word.filter(|word| word.len() > NAME) {
                    let mut long = Header::new_gnu();
                    long.set_entry_type(kind);
                    long.set_size(word.len() as u64);
                    long.set_cksum();
                    builder.append(&long, word.as_bytes()).unwrap();
                }
            }
            let short = |word: &str| word.as_bytes()[..word.len().min(NAME)].to_vec();
            let name = short(words[1]);
            header.as_mut_bytes()[..name.len()].copy_from_slice(&name);
            let mut content = "";
            match words[0] {
                "f" => content = words[2],
                "s" | "h" => header.set_link_name_literal(short(words[2])).unwrap(),
                _ => {}
            }
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn digest(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::sha256();
        hasher.update(bytes);
        format!("sha256:{}", hasher.hex()).parse().unwrap()
    }

    struct Outcome {
        programs: Vec<Program<String>>,
        /// The numbers of the layers, in the order in which they were opened.
        opened: Vec<usize>,
    }

    fn search(layers: &[&str], want: &Want, limits: Limits) -> Result<Outcome, ImageError> {
        searched(layers, want, &want.anywhere(), limits)
    }

    fn searched(
        layers: &[&str],
        want: &Want,
        sought: &[WantedProgram],
        limits: Limits,
    ) -> Result<Outcome, ImageError> {
        let layers: Vec<Vec<u8>> = layers.iter().map(|text| layer(text)).collect();
        let opened = RefCell::new(Vec::new());
        let prepared: Vec<Layer<'_>> = layers
            .iter()
            .enumerate()
            .map(|(number, bytes)| Layer {
                expected: Expected {
                    name: format!("layer {number}"),
                    size: bytes.len() as u64,
                    stored: Some(digest(bytes)),
                    unpacked: digest(bytes),
                },
                digest: digest(bytes),
                open: {
                    let opened = &opened;
                    Box::new(move || {
                        opened.borrow_mut().push(number);
                        Ok(Box::new(bytes.as_slice()))
                    })
                },
            })
            .collect();
        let mut each = |program: &ProgramBytes<'_>| {
            let mut content = vec![0; usize::try_from(program.size).unwrap()];
            program.source.read_exact_at(0, &mut content).unwrap();
            String::from_utf8(content).unwrap()
        };
        let budget = Budget::default();
        let mut reader = Reader::new(limits, &budget, &mut each);
        let search = Search {
            name: "image",
            want,
            sought,
            budget: &budget,
        };
        let programs = search.run(&prepared, &mut reader)?;
        drop(prepared);
        Ok(Outcome {
            programs,
            opened: opened.into_inner(),
        })
    }

    fn paths(paths: &[&str]) -> Want {
        Want::Paths(paths.iter().map(|&path| path.to_owned()).collect())
    }

    /// Returns what `/b/x` is in the image.
    fn found(layers: &[&str]) -> String {
        let outcome = search(layers, &paths(&["/b/x"]), Limits::default()).unwrap();
        match &outcome.programs[0].reading {
            Ok(content) => content.clone(),
            Err(unread) => unread.to_string(),
        }
    }

    #[test]
    fn layers_hide_what_is_below_them() {
        const MISSING: &str = "not in the image";
        const LINKS: &str = "its links lead in a circle, or further than 40 steps";
        for (layers, wanted) in [
            (&["f b/x 1", "f b/x 2"][..], "2"),
            (&["f b/x 1", "f c/x 2"], "1"),
            (&["f b/x 1; f ./b/x 2"], "2"),
            (&["f b/x 1", "f b/.wh.x -"], MISSING),
            (&["f b/x 1", "f .wh.b -"], MISSING),
            (&["f b/x 1", "d b; f b/.wh..wh..opq -"], MISSING),
            (&["f b/x 1", "f .wh..wh..opq -"], MISSING),
            (&["f b/x 1", "f .wh..wh.plnk -; f .wh..wh.aufs -"], "1"),
            // A whiteout does not hide entries of its own layer, wherever it is in the layer.
            (&["f b/x 1", "f b/x 2; f b/.wh.x -"], "2"),
            (&["f b/x 1", "f b/x 2; f b/.wh..wh..opq -"], "2"),
            (&["f b/x 1", "f b/.wh.x -", "f b/x 3"], "3"),
            // Something other than a directory replaces a directory, and vice versa.
            (&["f b/x 1", "f b 2"], MISSING),
            (&["f b 1", "d b; f b/x 2"], "2"),
            (&["f b/x 1", "d b/x"], "a directory, not a file"),
            (&["f b/x 1", "c b/x"], "a device or a pipe, not a file"),
            (&["f b/x 1", "d b"], "1"),
            // Links.
            (&["f r 1; s b/x ../r"], "1"),
            (&["f r 1; s b/x /r"], "1"),
            (&["f r 1; s b/x ../../../r"], "1"),
            (&["s b/x /r", "f r 1"], "1"),
            (&["f r/x 1; s b r"], "1"),
            (&["f r/s/x 1; s r/t s; s b /r/t"], "1"),
            (&["f b/x 1", "s b/x /r"], MISSING),
            (&["s b/x y; s b/y x"], LINKS),
            (&["s b b"], LINKS),
            (&["f b/r 1; h b/x b/r"], "1"),
            (&["f b/r 1", "h b/x ./b/r"], "1"),
            (&["f b/r 1; h b/x b/r", "f b/r 2"], "1"),
            (&["f b/r 1; h b/x b/r", "f b/.wh.r -"], "1"),
            (&["h b/x b/nothing"], MISSING),
            // Paths cannot leave the root.
            (&["f ../../b/x 1"], "1"),
            (&["f r 1; s b/x ../../../../r"], "1"),
        ] {
            assert_eq!(found(layers), wanted, "{layers:?}");
        }
    }

    #[test]
    fn what_goes_through_a_link_of_a_lower_layer_depends_on_the_runtime() {
        const DISPUTED: &str =
            "a layer reaches it through a link of a lower layer, which not every runtime follows";
        for (layers, wanted) in [
            (&["d r; s b r; f b/x 2"][..], "2"),
            (&["d r; s b r", "f b/x 2"], DISPUTED),
            (&["d r; s b r", "d b; f b/x 2"], "2"),
            (&["f b/x 1; s a b", "f a/x 2"], DISPUTED),
            (&["f b/x 1; s a b", "f a/x 2", "f b/x 3"], "3"),
            (&["f b/x 1; s a b", "f a/y 2"], "1"),
            (&["f r/x 1; s b r", "f b/y 2"], DISPUTED),
            (&["f r/x 1; s b r", "c b/y"], DISPUTED),
            (&["f b/x 1; s a b", "d a/y"], "1"),
            (&["f b/x 1; s a b", "f a/.wh.x -"], DISPUTED),
            (&["f b/x 1; s a b", "f a/.wh.y -"], "1"),
            (&["f b/x 1; s a b", "f a/.wh..wh..opq -"], DISPUTED),
            (
                &["f b/x 1; s a b", "f a/.wh..wh..opq -", "f .wh.b -"],
                "not in the image",
            ),
            (&["f b/x 1; s a /", "f a/.wh..wh..opq -"], DISPUTED),
            (&["d r; s b r", "f b/x 2; d b"], DISPUTED),
            (&["s b b", "f b/x 1"], DISPUTED),
            (&["f c 0; s b c", "f b/x 1"], DISPUTED),
            (&["f r/y 1; s a r", "d b; h b/x a/y"], DISPUTED),
            (&["f b/y 1; s a b", "f a/y 2", "h b/x b/y"], DISPUTED),
        ] {
            assert_eq!(found(layers), wanted, "{layers:?}");
        }
    }

    #[test]
    fn a_layer_that_an_image_has_more_than_once_is_read_once() {
        let base = "f b/x 1; s b/l /c/x";
        let layers = [base, "f b/x 2; f c/x 3", base, base];
        let outcome = search(&layers, &paths(&["/b/x", "/b/l"]), Limits::default()).unwrap();
        let read = outcome
            .programs
            .iter()
            .map(|program| program.reading.as_deref());
        assert_eq!(read.collect::<Vec<_>>(), [Ok("1"), Ok("3")]);
        // The second reading is for the target of the link.
        assert_eq!(outcome.opened, [3, 1, 1]);
    }

    #[test]
    fn a_path_goes_back_from_where_a_link_led() {
        let layers = ["f r/x 1; f b/x 2; d r/s; s a r/s; f a/y 3; f y 4"];
        for (path, wanted) in [
            ("/a/../x", Ok("1")),
            ("/a/../s/y", Ok("3")),
            ("/b/./x", Ok("2")),
        ] {
            let outcome = search(&layers, &paths(&[path]), Limits::default()).unwrap();
            let reading = outcome.programs[0].reading.as_ref();
            assert_eq!(reading.map(String::as_str), wanted, "{path}");
        }
    }

    #[test]
    fn of_several_places_every_file_counts_once_and_one_is_enough() {
        let sought = |required| WantedProgram {
            name: "x".into(),
            paths: ["/s/x", "/a/x", "/b/x", "/c/x", "/l/x"]
                .map(str::to_owned)
                .into(),
            each: true,
            required,
            wrapper: false,
            unknown: None,
        };
        let said = |layers: &[&str], required| {
            let outcome = searched(layers, &Want::Known, &[sought(required)], Limits::default());
            let programs = outcome.unwrap().programs.into_iter();
            programs
                .map(|it| {
                    format!(
                        "{} {}",
                        it.path,
                        it.reading.unwrap_or_else(|why| why.to_string())
                    )
                })
                .collect::<Vec<_>>()
        };
        let layers = ["f b/x 1; d s/x; s l b", "d c; f c/x 2"];
        assert_eq!(said(&layers, true), ["/b/x 1", "/c/x 2"]);
        assert_eq!(said(&["f y 1"], true), ["x not in the image"]);
        assert_eq!(said(&["f y 1"], false), [""; 0]);
    }

    #[test]
    fn lower_layers_are_read_only_where_they_could_matter() {
        for (layers, opened) in [
            // Entries for all directories exist: lower layers cannot change where the file is.
            (&["f b/x 1", "d b; f b/x 2"][..], &[1][..]),
            (&["f b/x 1", "d b; f b/x 2", "d c; f c/y -"], &[2, 1]),
            // In a lower layer, `b` can be a link.
            (&["f b/x 1", "f b/x 2"], &[1, 0]),
            // In a lower layer, `a` can be a link to `b`.
            (&["s a b", "d b; f b/x 2; f a/x 3"], &[1, 0]),
            (&["s a b", "d b; f b/x 2", "f a/.wh.x -"], &[2, 1, 0]),
            (&["s a b", "d b; f b/x 2", "f a/.wh..wh..opq -"], &[2, 1, 0]),
            (&["s a b", "d b; f b/x 2", "d a/x"], &[2, 1, 0]),
            (&["s a b", "d b; f b/x 2", "f a/y -"], &[2, 1]),
            // A link leads to a file that was not read, so the layer is read again.
            (&["f r 1", "d b; s b/x ../r"], &[1, 0, 0]),
        ] {
            let outcome = search(layers, &paths(&["b/x"]), Limits::default()).unwrap();
            assert_eq!(outcome.opened, opened, "{layers:?}");
        }
    }

    #[test]
    fn a_program_says_its_layer_and_where_links_led() {
        let layers = ["f r/x 1; f c/y 2", "s b /r"];
        let outcome = search(&layers, &paths(&["/b/x", "/c/y", "/no"]), Limits::default()).unwrap();
        let said: Vec<_> = outcome
            .programs
            .iter()
            .map(|program| {
                (
                    program.path.as_str(),
                    program.real_path.as_deref(),
                    program.layer.is_some(),
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                ("/b/x", Some("/r/x"), true),
                ("/c/y", None, true),
                ("/no", None, false)
            ]
        );
        assert_eq!(outcome.programs[0].layer, Some(digest(&layer(layers[0]))));
    }

    #[test]
    fn two_names_of_one_file_are_both_reported() {
        let outcome = search(&["f a 1; s b a"], &paths(&["/a", "/b"]), Limits::default()).unwrap();
        assert!(
            outcome
                .programs
                .iter()
                .all(|program| program.reading == Ok("1".into()))
        );
    }

    #[test]
    fn all_is_every_elf_file_that_a_container_sees_once() {
        let layers = [
            "f a \u{7f}ELFa; f b \u{7f}ELFb; f c text; h d a",
            "f .wh.b -; f e/e \u{7f}ELFe; s f a",
        ];
        let outcome = search(&layers, &Want::All, Limits::default()).unwrap();
        let names = outcome.programs.iter().map(|program| program.path.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["/a", "/e/e"]);
    }

    #[test]
    fn bounds_end_the_reading_or_the_program_alone() {
        let small = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            search(&["f a 123; f b 1"], &paths(&["/a", "/b"]), limits)
        };
        let outcome = small(|limits| limits.program = 2).unwrap();
        assert_eq!(
            outcome.programs[0].reading,
            Err(ProgramReadError::TooLarge { size: 3, limit: 2 })
        );
        assert_eq!(outcome.programs[1].reading, Ok("1".into()));
        for change in [
            (|limits: &mut Limits| limits.entries = 1) as fn(&mut Limits),
            |limits| limits.names = 1,
            |limits| limits.unpacked = 1024,
        ] {
            assert!(matches!(small(change), Err(ImageError::TooLarge { .. })));
        }
    }

    #[test]
    fn links_that_are_made_to_be_walked_for_ever_are_given_up() {
        let hops = "a/../".repeat(15);
        let links = (0..39).map(|number| format!("s l{number} {hops}l{}", number + 1));
        let files = (0..20_000).map(|number| format!("f l0/{number} -"));
        let ends = ["d l39", "d a"].map(str::to_owned);
        let text = links.chain(ends).chain(files).collect::<Vec<_>>().join(";");
        let refused = search(&[&text], &paths(&["/b/x"]), Limits::default());
        assert!(matches!(refused, Err(ImageError::TooLarge { .. })));
    }

    #[test]
    fn names_that_links_make_long_or_many_are_given_up() {
        let deep = "d/".repeat(1000);
        let text = format!(
            "f {deep}y -; s l1 {deep}; f l1/{deep}y -; s l2 l1/{deep}; f l2/{deep}x \u{7f}ELF"
        );
        let refused = search(&[&text], &Want::All, Limits::default());
        let Err(ImageError::TooLarge { why, .. }) = refused.map(drop) else {
            panic!("it has a path");
        };
        assert!(why.contains("4096 bytes"), "{why}");
        let deep = "d/".repeat(45);
        let many = (0..9000).map(|number| format!("f {number}/{deep}x -"));
        let text = many.collect::<Vec<_>>().join(";");
        let refused = search(&[&text], &paths(&["/b/x"]), Limits::default());
        let Err(ImageError::TooLarge { why, .. }) = refused.map(drop) else {
            panic!("it is kept");
        };
        assert!(why.contains("files and directories"), "{why}");
    }

    proptest! {
        #[test]
        fn a_damaged_layer_never_panics(at in 0..5000_usize, noise in proptest::collection::vec(any::<u8>(), 1..64)) {
            let mut bytes = layer("d b; s c b; h e b/x; f b/x \u{7f}ELF1; f .wh.b -; s b ../b; f c/.wh..wh..opq -");
            for (byte, other) in bytes.iter_mut().skip(at).zip(&noise) {
                *byte = *other;
            }
            for want in [Want::All, Want::Known, paths(&["/b/x", ""])] {
                let request = Request { want, ..Request::default() };
                drop(read_layer(&bytes, &request, &mut |program| program.size));
            }
        }
    }

    #[test]
    fn a_layer_that_stands_alone_is_read() {
        let bytes = layer("f b/x 1; s c b/x");
        let request = Request {
            want: paths(&["/c", "/b/x"]),
            ..Request::default()
        };
        let programs = read_layer(&bytes, &request, &mut |program| program.size).unwrap();
        assert!(programs.iter().all(|program| program.reading == Ok(1)));
        assert_eq!(programs.len(), 2);
    }
}
