//! The files of an image as a container sees them: its layers merged as the runtimes do.
//!
//! The tree is built from the names alone. Without the lower layers it still shows what is certain:
//! the files that no lower layer can change.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::meter::Budget;
use super::names::{Id, Names, Put};
use super::path;

mod lay;

use lay::NODES;

/// The maximum number of links that one path may lead through, as in the kernel.
const LINKS: usize = 40;

pub(super) struct Tree<'a> {
    names: &'a Names,
    nodes: Vec<Node<'a>>,
    children: HashMap<Place<'a>, usize>,
    root: usize,
    budget: &'a Budget,
    wanted: Wanted<'a>,
    /// True if an entry is at a place that becomes a wanted path if a lower layer has a link.
    doubt: bool,
    /// The layer that is being added.
    layer: Range<Id>,
    /// What the last walk passed.
    way: Way,
}

/// What a walk passed.
#[derive(Default)]
struct Way {
    disputed: bool,
    /// Links that lower layers created.
    lower: Vec<usize>,
}

/// The directory that contains something, and its name in it.
type Place<'a> = (usize, &'a [u8]);

/// Names that matter while lower layers are unknown.
#[derive(Default)]
struct Wanted<'a> {
    /// All components of the wanted paths.
    parts: BTreeSet<&'a [u8]>,
    /// The last components of the wanted paths.
    last: BTreeSet<&'a [u8]>,
}

#[derive(Clone, Copy)]
struct Node<'a> {
    what: Is,
    /// `None` for the root.
    place: Option<Place<'a>>,
    /// True if every directory above is known to be a directory, so that no lower layer can move
    /// the node.
    certain: bool,
    /// True if a layer reaches the node through a link of a lower layer. Runtimes that unpack
    /// layers over each other follow the link; in runtimes that unpack each layer into its own
    /// directory, the link does not exist.
    disputed: bool,
}

#[derive(Clone, Copy)]
enum Is {
    Directory,
    File(Id),
    /// The entry contains the target of the link.
    Link(Id),
    Special,
    /// A hard link to something in a layer that was not read, or to nothing.
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
    /// The path leads through too many links.
    Links,
    /// Runtimes disagree about what it is.
    Disputed,
}

/// Where a walk ended.
enum End {
    Node {
        at: usize,
        /// True if every node on the way is certain.
        certain: bool,
    },
    Missing,
    Links,
}

/// An image that exceeds a limit of the tree, such as one made so that walking it does not end.
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
    /// Returns true if lower layers could change where wanted paths lead.
    pub(super) fn doubt(&self) -> bool {
        self.doubt
    }

    /// Returns what a path leads to, through all links.
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

    /// Returns the path of an entry in its layer.
    pub(super) fn name(&self, id: Id) -> &'a [u8] {
        self.names.get(id).map(|(path, _)| path).unwrap_or_default()
    }

    /// Returns the wanted files with their paths, in arbitrary order, and whether each is disputed.
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

    /// Returns the path of a node, or `None` if a directory above it was emptied.
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

    /// Follows a path from the root. With `last`, follows a link at its end too. With `create`,
    /// creates missing directories.
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
                // No entry named this directory: a lower layer may have something else at this
                // path.
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
