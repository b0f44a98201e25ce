//! Merges layers into a tree.

use std::collections::HashMap;

use super::{Budget, End, Id, Is, LinkLoop, Names, Node, Put, Tree, Wanted, Way, path};

/// The maximum number of files and directories, including directories that only occur in paths.
pub(super) const NODES: usize = 320 << 10;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

impl<'a> Tree<'a> {
    /// Merges the layers, the lowest first. Each is the range of its entries.
    pub(in crate::image) fn new(
        (names, budget): (&'a Names, &'a Budget),
        layers: impl Iterator<Item = std::ops::Range<Id>>,
        wanted: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Tree<'a>, LinkLoop> {
        let root = Node::of(Is::Directory, true);
        let mut tree = Tree {
            names,
            nodes: vec![root],
            children: HashMap::new(),
            root: 0,
            budget,
            wanted: Wanted::default(),
            doubt: false,
            layer: 0..0,
            way: Way::default(),
        };
        for path in wanted {
            tree.wanted.parts.extend(path::parts(path));
            tree.wanted.last.extend(path::parts(path).next_back());
        }
        for layer in layers {
            tree.layer = layer.clone();
            // Whiteouts hide entries of lower layers but not of their own, wherever they are in the
            // layer.
            for (path, _) in layer.clone().filter_map(|id| names.get(id)) {
                tree.step(1)?;
                tree.hide(path)?;
            }
            for id in layer {
                if let Some((path, put)) = names.get(id) {
                    tree.put(path, put, id)?;
                }
                if tree.nodes.len() > NODES {
                    return Err(LinkLoop::Nodes);
                }
            }
        }
        Ok(tree)
    }

    fn hide(&mut self, path: &'a [u8]) -> Result<(), LinkLoop> {
        let (directory, name) = path::split(path);
        let Some(hidden) = name.strip_prefix(WHITEOUT) else {
            return Ok(());
        };
        let opaque = name == OPAQUE;
        if !opaque && hidden.starts_with(WHITEOUT) {
            // Metadata of aufs.
            return Ok(());
        }
        let parent = match self.walk(directory, true, false)? {
            End::Node { at, certain } => Some((at, certain)),
            End::Missing | End::Links => None,
        };
        let through = self.through();
        let certain = parent.is_some_and(|(_, certain)| certain);
        self.doubt |= !certain && (opaque || self.wanted.parts.contains(hidden));
        match parent {
            Some((parent, _)) if through => {
                let child = self.children.get(&(parent, hidden)).copied();
                let hidden = if opaque { Some(parent) } else { child };
                if let Some(hidden) = hidden {
                    self.nodes[hidden].disputed = true;
                }
            }
            Some((parent, _)) if opaque => self.empty(parent),
            Some((parent, _)) => drop(self.children.remove(&(parent, hidden))),
            None => {}
        }
        Ok(())
    }

    /// Returns true if the last walk led through links of lower layers. Marks those links as
    /// disputed.
    fn through(&mut self) -> bool {
        let lower = std::mem::take(&mut self.way.lower);
        for link in &lower {
            self.nodes[*link].disputed = true;
        }
        !lower.is_empty()
    }

    /// Removes the content of a directory by replacing it with a new node.
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

    fn put(&mut self, path: &'a [u8], put: Put<'a>, id: Id) -> Result<(), LinkLoop> {
        let (directory, name) = path::split(path);
        if name.is_empty() || name.starts_with(WHITEOUT) {
            return Ok(());
        }
        let end = self.walk(directory, true, true)?;
        let mut disputed = self.through();
        let End::Node { at, certain } = end else {
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
                if let Some(old) = old.map(|old| &mut self.nodes[old]) {
                    if matches!(old.what, Is::Directory) {
                        old.certain |= certain;
                        return Ok(());
                    }
                    // In a runtime without the link, this is a directory with the entries of the
                    // layer.
                    disputed |= old.disputed;
                }
                Node::of(Is::Directory, certain)
            }
            Put::File => Node::of(Is::File(id), certain),
            Put::Special => Node::of(Is::Special, certain),
            Put::Symlink(_) => Node::of(Is::Link(id), certain),
            Put::Hardlink(target) => self.linked(target, certain)?,
        };
        disputed |= node.disputed;
        self.set(place, Node { disputed, ..node });
        Ok(())
    }

    /// Returns the node of a hard link to `target`.
    fn linked(&mut self, target: &'a [u8], certain: bool) -> Result<Node<'a>, LinkLoop> {
        let end = self.walk(target, false, false)?;
        let disputed = self.way.disputed || !self.way.lower.is_empty();
        let (what, certain) = match end {
            End::Node { at, certain: own } => match self.nodes[at].what {
                Is::Directory => (Is::Nothing, false),
                what => (what, certain && own),
            },
            End::Missing | End::Links => (Is::Nothing, false),
        };
        Ok(Node {
            disputed,
            ..Node::of(what, certain)
        })
    }
}
