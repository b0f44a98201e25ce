//! Sources of the documents and layers of an image: a registry, a layout, or an archive with random
//! access.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use oci_spec::image::Descriptor;
use positioned_io::ReadAt as _;

use super::entries::{Entries, Kind, malformed};
use super::manifest::DOCUMENT_LIMIT;
use super::stream::{Stop, Tally};
use super::{Digest, ImageError};
use crate::sys::os::{self, ReadError};
use crate::sys::registry::{Hasher, Reference, Registry};

/// The maximum number of files in an archive of images.
const MEMBERS: usize = 16 << 10;

pub(super) enum Store<'a> {
    Registry(&'a Registry, Reference),
    Layout(PathBuf),
    /// The directory that `skopeo copy IMAGE dir:DIR` writes: manifests and blobs, named by the hex
    /// of their digests.
    Skopeo(PathBuf),
    Archive(Archive),
    /// The small files of an archive that is read as a stream, by name. Its layers are no longer
    /// available.
    Passed(Passed),
}

/// What is kept of an archive that is read as a stream.
#[derive(Default)]
pub(super) struct Passed {
    pub(super) name: String,
    pub(super) documents: BTreeMap<String, Vec<u8>>,
    /// The sizes of its other members, in bytes.
    pub(super) sizes: BTreeMap<String, u64>,
    pub(super) links: BTreeMap<String, String>,
}

impl Passed {
    /// Fails if the archive already has a member with this name.
    pub(super) fn name(&self, path: &str) -> io::Result<()> {
        once(self.sizes.contains_key(path) || self.links.contains_key(path))
    }

    /// Fails if a name leads through a link to a directory.
    pub(super) fn check(&self) -> io::Result<()> {
        through_no_link(&self.sizes, &self.links)
    }

    /// Returns the name of the member that was read: follows one link, as [`Archive`] does.
    pub(super) fn real<'p>(&'p self, path: &'p str) -> &'p str {
        self.links.get(path).map_or(path, String::as_str)
    }

    fn text(&self, path: &str) -> Result<&[u8], ImageError> {
        let text = self.documents.get(self.real(path));
        text.map(Vec::as_slice)
            .ok_or_else(|| absent(&self.name, path))
    }
}

/// A blob, by the required fields of its descriptor; annotations are not kept.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl From<&Descriptor> for Blob {
    fn from(entry: &Descriptor) -> Blob {
        Blob {
            digest: entry.digest().clone(),
            size: entry.size(),
        }
    }
}

impl Store<'_> {
    /// Returns an index or a manifest.
    pub(super) fn manifest(&self, entry: &Blob, what: &str) -> Result<Vec<u8>, ImageError> {
        match self {
            Store::Registry(registry, reference) => {
                let named = reference.clone_with_digest(entry.digest.to_string());
                Ok(registry.manifest(&named)?.bytes)
            }
            Store::Skopeo(dir) => {
                let path = dir.join(skopeo_manifest(entry));
                whole(opened(&path, dir)?, entry, what)
            }
            _ => self.document(entry, what),
        }
    }

    /// Returns a whole small blob.
    pub(super) fn document(&self, entry: &Blob, what: &str) -> Result<Vec<u8>, ImageError> {
        if entry.size > DOCUMENT_LIMIT {
            return Err(ImageError::TooLarge {
                what: what.to_owned(),
                why: format!("its {} have more than {DOCUMENT_LIMIT} bytes", entry.digest),
            });
        }
        let input = self.blob(entry)?;
        whole(input, entry, what)
    }

    /// Returns the bytes of a blob. The caller must check them.
    pub(super) fn blob(&self, entry: &Blob) -> Result<Box<dyn Read + '_>, ImageError> {
        let path = blob_path(entry);
        Ok(match self {
            Store::Registry(registry, reference) => {
                Box::new(registry.blob(reference, &entry.digest, entry.size)?)
            }
            Store::Passed(passed) => Box::new(passed.text(&path)?),
            Store::Layout(dir) => Box::new(opened(&dir.join(&path), dir)?),
            Store::Skopeo(dir) => Box::new(opened(&dir.join(entry.digest.digest()), dir)?),
            Store::Archive(archive) => Box::new(archive.member(&path)?),
        })
    }

    /// Returns true if the store may have a manifest. A registry is assumed to have its whole
    /// index.
    pub(super) fn has(&self, entry: &Blob) -> bool {
        let path = blob_path(entry);
        match self {
            Store::Registry(..) => true,
            Store::Layout(dir) => os::open_file(&dir.join(path)).is_ok(),
            Store::Skopeo(dir) => os::open_file(&dir.join(skopeo_manifest(entry))).is_ok(),
            Store::Archive(archive) => archive.place(&path).is_some(),
            Store::Passed(passed) => passed.text(&path).is_ok(),
        }
    }

    /// Returns a small file of an archive or layout by its name.
    pub(super) fn text(&self, path: &str) -> Result<Vec<u8>, ImageError> {
        match self {
            Store::Registry(_, reference) => Err(absent(&reference.to_string(), path)),
            Store::Layout(dir) | Store::Skopeo(dir) => {
                Ok(os::read_file(&dir.join(path), DOCUMENT_LIMIT)?)
            }
            Store::Archive(archive) => archive.text(path),
            Store::Passed(passed) => passed.text(path).map(<[u8]>::to_vec),
        }
    }

    /// Returns the size of a member of an archive.
    pub(super) fn size(&self, path: &str) -> Result<u64, ImageError> {
        let (name, size) = match self {
            Store::Archive(archive) => {
                let place = archive.place(path);
                (&archive.name, place.map(|(_, size)| size))
            }
            Store::Passed(passed) => {
                let size = passed.sizes.get(passed.real(path));
                (&passed.name, size.copied())
            }
            Store::Registry(..) | Store::Layout(_) | Store::Skopeo(_) => {
                return Err(absent("it", path));
            }
        };
        size.ok_or_else(|| absent(name, path))
    }

    /// Returns the bytes of a member of an archive.
    pub(super) fn member(&self, path: &str) -> Result<Box<dyn Read + '_>, ImageError> {
        match self {
            Store::Archive(archive) => Ok(Box::new(archive.member(path)?)),
            _ => Err(absent("it", path)),
        }
    }
}

pub(super) fn blob_path(entry: &Blob) -> String {
    let digest = &entry.digest;
    format!("blobs/{}/{}", digest.algorithm(), digest.digest())
}

/// Returns the file in which skopeo stores the manifest of an image of an index.
fn skopeo_manifest(entry: &Blob) -> String {
    format!("{}.manifest.json", entry.digest.digest())
}

/// Opens a file in the directory of a store.
fn opened(path: &Path, dir: &Path) -> Result<File, ImageError> {
    match os::open_file(path) {
        Err(ReadError::Missing(_)) => {
            let inner = path.strip_prefix(dir).unwrap_or(path);
            let (name, inner) = (dir.display().to_string(), inner.display().to_string());
            Err(absent(&name, &inner))
        }
        opened => Ok(opened?.0),
    }
}

fn absent(name: &str, path: &str) -> ImageError {
    ImageError::Damaged {
        what: name.to_owned(),
        why: format!("there is no `{path}` in it"),
    }
}

fn whole(input: impl Read, entry: &Blob, what: &str) -> Result<Vec<u8>, ImageError> {
    let digest = &entry.digest;
    let name = format!("{digest} of {what}");
    let mut tally = Tally::stored(input, Hasher::of(digest), entry.size);
    let mut bytes = Vec::new();
    tally
        .read_to_end(&mut bytes)
        .map_err(|error| ImageError::of_stream(&name, error))?;
    match tally.into_parts().1 {
        Some(hash) if hash == digest.digest() => Ok(bytes),
        Some(hash) => Err(ImageError::Damaged {
            what: name,
            why: format!("its digest is {}:{hash}", digest.algorithm()),
        }),
        None => Err(ImageError::Unsupported {
            what: name,
            why: format!("its digest is a {}", digest.algorithm()),
        }),
    }
}

/// A tar file and the offsets of its members.
pub(super) struct Archive {
    file: File,
    name: String,
    members: BTreeMap<String, (u64, u64)>,
    /// Links to members.
    links: BTreeMap<String, String>,
}

impl Archive {
    pub(super) fn open(file: File, size: u64, name: &str) -> Result<Archive, ImageError> {
        let mut archive = Archive {
            file,
            name: name.to_owned(),
            members: BTreeMap::new(),
            links: BTreeMap::new(),
        };
        archive
            .index(size)
            .map_err(|error| ImageError::of_stream(name, error))?;
        Ok(archive)
    }

    fn index(&mut self, size: u64) -> io::Result<()> {
        let window = Window {
            file: self.file.try_clone()?,
            at: 0,
            end: size,
        };
        let mut entries = Entries::new(window);
        for _ in 0..=MEMBERS {
            let left = entries.passed();
            let window = entries.get_mut();
            window.at = window.at.saturating_add(left);
            if window.at > window.end {
                return Err(super::entries::cut());
            }
            let Some(entry) = entries.next()? else {
                return through_no_link(&self.members, &self.links);
            };
            let at = entries.get_mut().at;
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            once(self.members.contains_key(&path) || self.links.contains_key(&path))?;
            match &entry.kind {
                Kind::File => drop(self.members.insert(path, (at, entry.size))),
                Kind::Symlink(target) => {
                    drop(self.links.insert(path.clone(), linked(&path, target)?));
                }
                Kind::Hardlink(target) => {
                    let target = String::from_utf8_lossy(target).into_owned();
                    self.links.insert(path, target);
                }
                _ => {}
            }
        }
        Err(Stop::TooManyMembers.into())
    }

    fn member(&self, path: &str) -> Result<Window, ImageError> {
        let place = self.place(path);
        let (at, size) = place.ok_or_else(|| absent(&self.name, path))?;
        let file = self.file.try_clone().map_err(|source| ImageError::Io {
            name: self.name.clone(),
            source,
        })?;
        let end = at.saturating_add(size);
        Ok(Window { file, at, end })
    }

    /// Returns a whole small member.
    fn text(&self, path: &str) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        self.member(path)?
            .take(DOCUMENT_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| ImageError::of_stream(&self.name, error))?;
        if bytes.len() as u64 > DOCUMENT_LIMIT {
            return Err(ImageError::TooLarge {
                what: self.name.clone(),
                why: format!("`{path}` in it has more than {DOCUMENT_LIMIT} bytes"),
            });
        }
        Ok(bytes)
    }

    /// Returns the location of a member. Old versions of `docker save` write a layer once and link
    /// to it, so one link is followed.
    fn place(&self, path: &str) -> Option<(u64, u64)> {
        let direct = self.members.get(path);
        let linked = || self.members.get(self.links.get(path)?);
        direct.or_else(linked).copied()
    }
}

/// Refuses an archive that contains a name twice: the reader decides which of the two counts.
fn once(twice: bool) -> io::Result<()> {
    if twice {
        return Err(malformed("a name is in it twice"));
    }
    Ok(())
}

/// Refuses files below a link: what they replace depends on the order of the members.
fn through_no_link<T>(
    members: &BTreeMap<String, T>,
    links: &BTreeMap<String, String>,
) -> io::Result<()> {
    let below = |link: &String| {
        let start = format!("{link}/");
        let first = |name: &String| name.starts_with(&start);
        members
            .range(start.clone()..)
            .next()
            .is_some_and(|(name, _)| first(name))
            || links
                .range(start.clone()..)
                .next()
                .is_some_and(|(name, _)| first(name))
    };
    if links.keys().any(below) {
        return Err(malformed("a file is in it below a link"));
    }
    Ok(())
}

/// Returns the target of a link in an archive, relative to the root of the archive.
pub(super) fn linked(path: &str, target: &[u8]) -> io::Result<String> {
    let (directory, _) = super::path::split(path.as_bytes());
    let whole = if target.starts_with(b"/") {
        target.to_vec()
    } else {
        [directory, b"/", target].concat()
    };
    let clean = super::path::clean(&whole)?;
    Ok(String::from_utf8_lossy(&clean).into_owned())
}

/// A part of a file, read from its beginning.
struct Window {
    file: File,
    at: u64,
    end: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self
            .file
            .read_at(self.at, buffer.get_mut(..wanted).unwrap_or_default())?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use ::tar::Header;

    use super::*;

    #[test]
    fn a_name_that_an_archive_has_twice_is_refused() {
        let of = |entries: &[(&str, &str)]| {
            let mut builder = ::tar::Builder::new(Vec::new());
            for (name, target) in entries {
                let mut header = Header::new_gnu();
                header.set_size(0);
                if !target.is_empty() {
                    header.set_entry_type(::tar::EntryType::Symlink);
                    header.set_link_name(target).unwrap();
                }
                header.set_path(name).unwrap();
                header.set_cksum();
                builder.append(&header, &b""[..]).unwrap();
            }
            let bytes = builder.into_inner().unwrap();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            Archive::open(file, bytes.len() as u64, "a.tar").is_ok()
        };
        assert!(of(&[("a", ""), ("b", ""), ("c", "a"), ("d/a", "../a")]));
        assert!(!of(&[("a", ""), ("a", "")]));
        assert!(!of(&[("a", ""), ("./a", "")]));
        assert!(!of(&[("a", ""), ("a", "b")]));
        assert!(!of(&[("a", "b"), ("a", "")]));
        assert!(!of(&[("a", "b"), ("a", "c")]));
        assert!(!of(&[("b/x", ""), ("a", "b"), ("a/x", "")]));
    }

    #[test]
    fn a_member_that_ends_beyond_its_archive_is_an_error() {
        for (size, whole) in [
            (512, true),
            (513, false),
            (i64::MAX as u64, false),
            (u64::MAX, false),
        ] {
            let mut header = Header::new_gnu();
            header.set_path("layer.tar").unwrap();
            header.set_size(size);
            header.set_cksum();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&[header.as_bytes(), [7; 512].as_slice()].concat())
                .unwrap();
            let opened = Archive::open(file, 1024, "a.tar");
            match opened.map(|archive| archive.members.len()) {
                Ok(members) => assert_eq!((members, whole), (1, true)),
                Err(error) => {
                    assert!(
                        !whole && error.to_string().contains("middle of an entry"),
                        "{error}"
                    );
                }
            }
        }
    }
}
