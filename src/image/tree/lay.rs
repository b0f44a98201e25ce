//! Layers are laid over each other.

use std::collections::HashMap;

use super::{Budget, End, Endless, Id, Is, Names, Node, Put, Tree, Wanted, path};

/// Files and directories, those among them that only paths name.
pub(super) const NODES: usize = 320 << 10;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

impl<'a> Tree<'a> {
    /// Lays the layers over each other, the lowest first; each is the range of its entries.
    pub(in crate::image) fn new(
        (names, budget): (&'a Names, &'a Budget),
        layers: impl Iterator<Item = std::ops::Range<Id>>,
        wanted: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Tree<'a>, Endless> {
        let root = Node {
            what: Is::Directory,
            place: None,
            certain: true,
        };
        let mut tree = Tree {
            names,
            nodes: vec![root],
            children: HashMap::new(),
            root: 0,
            budget,
            wanted: Wanted::default(),
            doubt: false,
        };
        for path in wanted {
            tree.wanted.parts.extend(path::parts(path));
            tree.wanted.last.extend(path::parts(path).next_back());
        }
        for layer in layers {
            // Whiteouts hide what is below their layer and nothing in it, wherever they stand in it.
            for (path, _) in layer.clone().filter_map(|id| names.get(id)) {
                tree.step(1)?;
                tree.hide(path)?;
            }
            for id in layer {
                if let Some((path, put)) = names.get(id) {
                    tree.put(path, put, id)?;
                }
                if tree.nodes.len() > NODES {
                    return Err(Endless::Nodes);
                }
            }
        }
        Ok(tree)
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
            Put::Symlink(_) => (Is::Link(id), certain),
            Put::Hardlink(target) => self.linked(target, certain)?,
        };
        self.set(place, node);
        Ok(())
    }

    /// What another name of `target` is.
    fn linked(&mut self, target: &'a [u8], certain: bool) -> Result<(Is, bool), Endless> {
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
}
