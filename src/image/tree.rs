//! The files of an image as a container sees them: layers laid over each other as the runtimes do.
//!
//! Built again from the names alone. With the lower layers missing it still says what is certain:
//! which files no lower layer can change.

use std::collections::{BTreeSet, HashMap};

use super::names::{Id, Names, Put};
use super::path;

/// Links that one path may lead through, as for the kernel.
const LINKS: usize = 40;

/// Steps that all paths of an image may take, links included.
const STEPS: usize = 32 << 20;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    children: HashMap<Place<'a>, usize>,
    root: usize,
    steps: usize,
    wanted: Wanted<'a>,
    /// Something was put where a link of a lower layer could make it a wanted path.
    doubt: bool,
}

/// The directory that something is in, and its name there.
type Place<'a> = (usize, &'a [u8]);

/// Names that matter while lower layers are unknown.
#[derive(Default)]
struct Wanted<'a> {
    /// All that stand in wanted paths.
    parts: BTreeSet<&'a [u8]>,
    /// Those that they end in.
    last: BTreeSet<&'a [u8]>,
}

#[derive(Clone, Copy)]
struct Node<'a> {
    what: Is<'a>,
    /// None for the root.
    place: Option<Place<'a>>,
    /// Every directory above it is known to be one: no lower layer can make it another place.
    certain: bool,
}

#[derive(Clone, Copy)]
enum Is<'a> {
    Directory,
    File(Id),
    Link(&'a [u8]),
    Special,
    /// Another name of something in a layer that was not read, or that is nowhere.
    Nothing,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    File {
        id: Id,
        certain: bool,
    },
    Directory,
    Special,
    Missing,
    /// Too many links.
    Links,
}

/// Where a walk ended.
enum End {
    Node {
        at: usize,
        /// Everything on the way is.
        certain: bool,
    },
    Missing,
    Links,
}

/// An image whose links were made to be walked for ever.
#[derive(Debug, thiserror::Error)]
#[error("its links lead through more than {STEPS} steps")]
pub(super) struct Endless;

impl<'a> Tree<'a> {
    /// Lays the layers over each other, the lowest first; each is the range of its entries.
    pub(super) fn new(
        names: &'a Names,
        layers: impl Iterator<Item = std::ops::Range<Id>>,
        wanted: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Tree<'a>, Endless> {
        let root = Node {
            what: Is::Directory,
            place: None,
            certain: true,
        };
        let mut tree = Tree {
            nodes: vec![root],
            children: HashMap::new(),
            root: 0,
            steps: 0,
            wanted: Wanted::default(),
            doubt: false,
        };
        for path in wanted {
            tree.wanted.parts.extend(path::parts(path));
            tree.wanted.last.insert(path::split(path).1);
        }
        for layer in layers {
            // Whiteouts hide what is below their layer and nothing in it, wherever they stand in it.
            for (path, _) in layer.clone().filter_map(|id| names.get(id)) {
                tree.hide(path)?;
            }
            for id in layer {
                if let Some((path, put)) = names.get(id) {
                    tree.put(path, put, id)?;
                }
            }
        }
        Ok(tree)
    }

    /// Whether lower layers, were there any, could change where wanted paths lead.
    pub(super) fn doubt(&self) -> bool {
        self.doubt
    }

    /// Where a path leads, through all links.
    pub(super) fn find(&mut self, path: &'a [u8]) -> Result<Found, Endless> {
        let (at, certain) = match self.walk(path, true, false)? {
            End::Node { at, certain } => (at, certain),
            End::Missing => return Ok(Found::Missing),
            End::Links => return Ok(Found::Links),
        };
        Ok(match self.nodes[at].what {
            Is::File(id) => Found::File { id, certain },
            Is::Directory => Found::Directory,
            Is::Special => Found::Special,
            Is::Link(_) | Is::Nothing => Found::Missing,
        })
    }

    /// Every file with its path, in no order.
    pub(super) fn files(&self) -> Vec<(Vec<u8>, Id)> {
        let mut below: HashMap<usize, Vec<(&[u8], usize)>> = HashMap::new();
        for ((parent, name), child) in &self.children {
            below.entry(*parent).or_default().push((name, *child));
        }
        let mut files = Vec::new();
        let mut open = vec![(Vec::new(), self.root)];
        while let Some((path, directory)) = open.pop() {
            for (name, child) in below.remove(&directory).unwrap_or_default() {
                let mut path = path.clone();
                path.push(b'/');
                path.extend_from_slice(name);
                match self.nodes[child].what {
                    Is::Directory => open.push((path, child)),
                    Is::File(id) => files.push((path, id)),
                    _ => {}
                }
            }
        }
        files
    }

    fn hide(&mut self, path: &'a [u8]) -> Result<(), Endless> {
        let (directory, name) = path::split(path);
        let Some(hidden) = name.strip_prefix(WHITEOUT) else {
            return Ok(());
        };
        let opaque = name == OPAQUE;
        if !opaque && hidden.starts_with(WHITEOUT) {
            // What aufs kept for itself.
            return Ok(());
        }
        let parent = match self.walk(directory, true, false)? {
            End::Node { at, certain } => Some((at, certain)),
            End::Missing | End::Links => None,
        };
        let certain = parent.is_some_and(|(_, certain)| certain);
        self.doubt |= !certain && (opaque || self.wanted.parts.contains(hidden));
        match parent {
            Some((parent, _)) if opaque => self.empty(parent),
            Some((parent, _)) => drop(self.children.remove(&(parent, hidden))),
            None => {}
        }
        Ok(())
    }

    /// A directory loses all that is in it: its place is taken by a new one.
    fn empty(&mut self, directory: usize) {
        let node = self.nodes[directory];
        if !matches!(node.what, Is::Directory) {
            return;
        }
        let fresh = self.add(node);
        match node.place {
            Some(place) => drop(self.children.insert(place, fresh)),
            None => self.root = fresh,
        }
    }

    fn put(&mut self, path: &'a [u8], put: Put<'a>, id: Id) -> Result<(), Endless> {
        let (directory, name) = path::split(path);
        if name.is_empty() || name.starts_with(WHITEOUT) {
            return Ok(());
        }
        let End::Node { at, certain } = self.walk(directory, true, true)? else {
            return Ok(());
        };
        if !matches!(self.nodes[at].what, Is::Directory) {
            return Ok(());
        }
        let sensitive = match put {
            Put::Directory => self.wanted.last.contains(name),
            _ => self.wanted.parts.contains(name),
        };
        self.doubt |= !certain && sensitive;
        let place = (at, name);
        let node = match put {
            Put::Directory => {
                let old = self.children.get(&place).copied();
                if let Some(old) = old.filter(|old| matches!(self.nodes[*old].what, Is::Directory))
                {
                    self.nodes[old].certain |= certain;
                    return Ok(());
                }
                (Is::Directory, certain)
            }
            Put::File => (Is::File(id), certain),
            Put::Special => (Is::Special, certain),
            Put::Symlink(target) => (Is::Link(target), certain),
            Put::Hardlink(target) => self.linked(target, certain)?,
        };
        self.set(place, node);
        Ok(())
    }

    /// What another name of `target` is.
    fn linked(&mut self, target: &'a [u8], certain: bool) -> Result<(Is<'a>, bool), Endless> {
        let End::Node {
            at,
            certain: target_certain,
        } = self.walk(target, false, false)?
        else {
            return Ok((Is::Nothing, false));
        };
        Ok(match self.nodes[at].what {
            Is::Directory => (Is::Nothing, false),
            what => (what, certain && target_certain),
        })
    }

    fn set(&mut self, place: Place<'a>, (what, certain): (Is<'a>, bool)) -> usize {
        let node = self.add(Node {
            what,
            place: Some(place),
            certain,
        });
        self.children.insert(place, node);
        node
    }

    fn add(&mut self, node: Node<'a>) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Follows a path from the root. `last`: a link at its end is followed too; `create`: what is
    /// missing becomes a directory.
    fn walk(&mut self, path: &'a [u8], last: bool, create: bool) -> Result<End, Endless> {
        let mut ahead: Vec<&'a [u8]> = path::parts(path).rev().collect();
        let mut above = Vec::new();
        let (mut at, mut certain, mut links) = (self.root, true, 0);
        while let Some(name) = ahead.pop() {
            self.steps += 1;
            if self.steps > STEPS {
                return Err(Endless);
            }
            if name == b".." {
                at = above.pop().unwrap_or(self.root);
                continue;
            }
            if !matches!(self.nodes[at].what, Is::Directory) {
                return Ok(End::Missing);
            }
            let next = match self.children.get(&(at, name)) {
                Some(next) => *next,
                // A directory that no entry named: a lower layer may have something else there.
                None if create => self.set((at, name), (Is::Directory, false)),
                None => return Ok(End::Missing),
            };
            certain &= self.nodes[next].certain;
            if let Is::Link(target) = self.nodes[next].what
                && (last || !ahead.is_empty())
            {
                links += 1;
                if links > LINKS {
                    return Ok(End::Links);
                }
                if target.starts_with(b"/") {
                    above.clear();
                    at = self.root;
                }
                self.steps += target.len();
                ahead.extend(path::parts(target).rev());
                continue;
            }
            above.push(at);
            at = next;
        }
        Ok(End::Node { at, certain })
    }
}
