//! The files of an image as a container sees them: layers laid over each other as the runtimes do.
//!
//! Built again from the names alone. With the lower layers missing it still says what is certain:
//! which files no lower layer can change.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::meter::Budget;
use super::names::{Id, Names, Put};
use super::path;

mod lay;

use lay::NODES;

/// Links that one path may lead through, as for the kernel.
const LINKS: usize = 40;

pub(super) struct Tree<'a> {
    names: &'a Names,
    nodes: Vec<Node<'a>>,
    children: HashMap<Place<'a>, usize>,
    root: usize,
    budget: &'a Budget,
    wanted: Wanted<'a>,
    /// Something was put where a link of a lower layer could make it a wanted path.
    doubt: bool,
    /// The layer that is laid.
    layer: Range<Id>,
    /// What the last walk came by.
    way: Way,
}

/// What a walk came by.
#[derive(Default)]
struct Way {
    disputed: bool,
    /// Links that were there before the layer that is laid.
    lower: Vec<usize>,
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
    what: Is,
    /// None for the root.
    place: Option<Place<'a>>,
    /// Every directory above it is known to be one: no lower layer can make it another place.
    certain: bool,
    /// A layer reaches it through a link of a lower one. Where layers are unpacked over each other the link
    /// leads on, and where each is a directory of its own there is no link.
    disputed: bool,
}

#[derive(Clone, Copy)]
enum Is {
    Directory,
    File(Id),
    /// The entry says where it leads.
    Link(Id),
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
    /// What it is differs between runtimes.
    Disputed,
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

/// An image that was made to be walked for ever.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkLoop {
    #[error("its paths and links lead through too many steps for its size")]
    Steps,
    #[error("it has more than {NODES} files and directories")]
    Nodes,
    #[error("its links lead to a file with a path of more than 4096 bytes")]
    Path,
}

impl Node<'_> {
    fn of(what: Is, certain: bool) -> Self {
        Node {
            what,
            place: None,
            certain,
            disputed: false,
        }
    }
}

impl<'a> Tree<'a> {
    /// Whether lower layers, were there any, could change where wanted paths lead.
    pub(super) fn doubt(&self) -> bool {
        self.doubt
    }

    /// Where a path leads, through all links.
    pub(super) fn find(&mut self, path: &'a [u8]) -> Result<Found, LinkLoop> {
        let end = self.walk(path, true, false)?;
        if self.way.disputed {
            return Ok(Found::Disputed);
        }
        let (at, certain) = match end {
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

    /// The path of an entry in its layer.
    pub(super) fn name(&self, id: Id) -> &'a [u8] {
        self.names.get(id).map(|(path, _)| path).unwrap_or_default()
    }

    /// The wanted files with their paths, in no order, and whether they are disputed.
    pub(super) fn files(
        &self,
        wanted: impl Fn(Id) -> bool,
    ) -> Result<Vec<(Vec<u8>, Id, bool)>, LinkLoop> {
        let mut files = Vec::new();
        for &child in self.children.values() {
            if let Is::File(id) = self.nodes[child].what
                && wanted(id)
                && let Some((path, disputed)) = self.path(child)?
            {
                files.push((path, id, disputed));
            }
        }
        Ok(files)
    }

    /// Where something is; nowhere, where a directory above it was emptied.
    fn path(&self, node: usize) -> Result<Option<(Vec<u8>, bool)>, LinkLoop> {
        let (mut at, mut parts, mut length) = (node, Vec::new(), 0);
        let mut disputed = self.nodes[self.root].disputed;
        while at != self.root {
            disputed |= self.nodes[at].disputed;
            let place = self.nodes[at].place;
            let Some((parent, name)) = place.filter(|it| self.children.get(it) == Some(&at)) else {
                return Ok(None);
            };
            length += 1 + name.len();
            if length > path::LONGEST {
                return Err(LinkLoop::Path);
            }
            parts.push(name);
            at = parent;
        }
        let names = parts.into_iter().rev();
        let path = names.flat_map(|name| [b"/", name].concat()).collect();
        Ok(Some((path, disputed)))
    }

    fn step(&self, steps: usize) -> Result<(), LinkLoop> {
        if self.budget.walk(steps) {
            Ok(())
        } else {
            Err(LinkLoop::Steps)
        }
    }

    fn set(&mut self, place: Place<'a>, node: Node<'a>) -> usize {
        let node = self.add(Node {
            place: Some(place),
            ..node
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
    fn walk(&mut self, path: &'a [u8], last: bool, create: bool) -> Result<End, LinkLoop> {
        let mut ahead: Vec<&'a [u8]> = path::parts(path).rev().collect();
        let mut above = Vec::new();
        let (mut at, mut certain, mut links) = (self.root, true, 0);
        self.way = Way {
            disputed: self.nodes[at].disputed,
            ..Way::default()
        };
        while let Some(name) = ahead.pop() {
            self.step(1)?;
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
                None if create => self.set((at, name), Node::of(Is::Directory, false)),
                None => return Ok(End::Missing),
            };
            certain &= self.nodes[next].certain;
            self.way.disputed |= self.nodes[next].disputed;
            if let Is::Link(id) = self.nodes[next].what
                && (last || !ahead.is_empty())
                && let Some((_, Put::Symlink(target))) = self.names.get(id)
            {
                if !self.layer.contains(&id) {
                    self.way.lower.push(next);
                }
                links += 1;
                if links > LINKS {
                    return Ok(End::Links);
                }
                if target.starts_with(b"/") {
                    above.clear();
                    at = self.root;
                }
                self.step(target.len())?;
                ahead.extend(path::parts(target).rev());
                continue;
            }
            above.push(at);
            at = next;
        }
        Ok(End::Node { at, certain })
    }
}
