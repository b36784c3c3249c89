//! The tree of classes and streams: who is whose parent, what each is set to, and the handles that callers have.
//!
//! A node has two records, a hot one ([`Node`]) and a cold one ([`Record`]). Classes have an index of their own beside, since
//! what is kept of a class is large and streams are many: whoever keeps something by class does so by that index.

mod node;
mod records;

pub(super) use node::{Held, Node};
pub(super) use records::{Config, Record};

use super::{
    ClassConfig, LinkError,
    fair::WEIGHT_MAX,
    ids::{self, NODES_MAX, NONE, ROOT, index, put},
};

/// Each packet walks up to the root, so a tree is not to be arbitrarily deep.
const DEPTH_MAX: u32 = 16;
/// The default weight of who has no rate: a hundredth of what the link has at first, so that what is guaranteed to others
/// leaves it a part of the rest.
const WEIGHT_PARTS: u64 = 100;

/// All nodes. A removed one leaves its records, and a removed class its index, to the next.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    records: Vec<Record>,
    /// The node of each class.
    class_nodes: Vec<u32>,
    free_nodes: Vec<u32>,
    free_classes: Vec<u32>,
    /// The weight of who has no rate. It stays when the link's rate changes, or some would weigh more than others.
    default_weight_kbps: u64,
}

impl Tree {
    /// No nodes yet, on a link of that rate.
    pub const fn new(rate_kbps: u64) -> Self {
        Self {
            nodes: Vec::new(),
            records: Vec::new(),
            class_nodes: Vec::new(),
            free_nodes: Vec::new(),
            free_classes: Vec::new(),
            default_weight_kbps: rate_kbps / WEIGHT_PARTS,
        }
    }

    /// How many nodes there are, removed ones among them.
    pub fn nodes(&self) -> u32 {
        self.nodes.len() as u32
    }

    pub fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    pub fn node_mut(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[id as usize]
    }

    pub fn record(&self, id: u32) -> &Record {
        &self.records[id as usize]
    }

    pub fn record_mut(&mut self, id: u32) -> &mut Record {
        &mut self.records[id as usize]
    }

    /// The node of a class.
    pub fn node_of(&self, class: u32) -> u32 {
        self.class_nodes[class as usize]
    }

    pub fn handle_of(&self, class: u32) -> u32 {
        self.node(self.node_of(class)).handle
    }

    /// The class that a class is in, which the root isn't in.
    pub fn parent_of(&self, class: u32) -> Option<u32> {
        (class != ROOT).then(|| self.node(self.node_of(class)).parent)
    }

    /// A class and its ancestors, up to the root.
    pub fn with_ancestors(&self, class: u32) -> impl Iterator<Item = u32> + use<'_> {
        core::iter::successors(Some(class), |&class| self.parent_of(class))
    }

    /// Whether a node is another one or a descendant of it.
    pub fn is_within(&self, mut id: u32, node: u32) -> bool {
        let root = self.node_of(ROOT);
        while id != node && id != root {
            id = self.node_of(self.node(id).parent);
        }
        id == node
    }

    /// A node and all its descendants, classes before what is in them.
    pub fn with_descendants(&self, id: u32) -> Vec<u32> {
        let mut found = vec![id];
        let mut next = 0;
        while next < found.len() {
            let mut child = self.record(found[next]).first_child;
            while child != NONE {
                found.push(child);
                child = self.record(child).next_sibling;
            }
            next += 1;
        }
        found
    }

    /// The weight that a node of that setting gets.
    pub fn weight_of(&self, config: &Config) -> u32 {
        let ClassConfig { rate_kbps, weight, .. } = config.common();
        weight.unwrap_or_else(|| {
            let kbps = if rate_kbps > 0 { rate_kbps } else { self.default_weight_kbps };
            kbps.clamp(1, WEIGHT_MAX.into()) as u32
        })
    }

    /// Whether a handle is one of a stream. It looks at one record, and without a branch.
    pub fn is_stream(&self, handle: u32) -> bool {
        let node = self.nodes.get(index(handle) as usize);
        node.is_some_and(|node| (node.handle == handle) & !node.is(Node::FREE | Node::CLASS))
    }

    /// The node of a handle, which is the argument `field`, at `index` of a batch.
    pub fn find(&self, field: &'static str, at: Option<usize>, found: u32) -> Result<u32, LinkError> {
        let id = index(found);
        let node = self.nodes.get(id as usize).filter(|node| node.handle == found && !node.is(Node::FREE));
        node.map(|_| id).ok_or(LinkError::UnknownHandle { field, index: at, found })
    }

    pub fn find_stream(
        &self,
        field: &'static str,
        index: Option<usize>,
        found: u32,
    ) -> Result<u32, LinkError> {
        let id = self.find(field, index, found)?;
        if self.node(id).is(Node::CLASS) {
            return Err(LinkError::WrongKind { field, index, expected: "a stream", found });
        }
        Ok(id)
    }

    /// The index of the class of a handle.
    pub fn find_class(&self, field: &'static str, found: u32) -> Result<u32, LinkError> {
        let node = self.node(self.find(field, None, found)?);
        if !node.is(Node::CLASS) {
            return Err(LinkError::WrongKind { field, index: None, expected: "a class", found });
        }
        Ok(node.class)
    }

    /// Whether a class in `parent` would not be too deep.
    pub fn check_depth(&self, parent: u32) -> Result<(), LinkError> {
        if self.record(self.node_of(parent)).depth == DEPTH_MAX {
            return Err(LinkError::TooDeep { most: DEPTH_MAX });
        }
        Ok(())
    }

    /// Whether there is a handle left.
    pub fn check_room(&self) -> Result<(), LinkError> {
        if self.free_nodes.is_empty() && self.nodes.len() == NODES_MAX {
            return Err(LinkError::Full { most: NODES_MAX });
        }
        Ok(())
    }

    /// Adds a node to a class; the root to [`NONE`].
    pub fn add(&mut self, parent: u32, config: Config) -> u32 {
        let (id, handle) = match self.free_nodes.pop() {
            Some(id) => (id, self.node(id).handle),
            None => (self.nodes.len() as u32, self.nodes.len() as u32),
        };
        let parent_id = (parent != NONE).then(|| self.node_of(parent));
        let depth = parent_id.map_or(0, |parent_id| self.record(parent_id).depth + 1);
        put(&mut self.nodes, id, Node::new(handle, parent));
        let record = Record::new(config, self.weight_of(&config), depth);
        put(&mut self.records, id, record);
        if let Some(parent_id) = parent_id {
            let first = core::mem::replace(&mut self.record_mut(parent_id).first_child, id);
            self.record_mut(id).next_sibling = first;
            if first != NONE {
                self.record_mut(first).prev_sibling = id;
            }
        }
        id
    }

    /// Makes a new node a class, and gives its index.
    pub fn make_class(&mut self, id: u32) -> u32 {
        let class = self.free_classes.pop().unwrap_or(self.class_nodes.len() as u32);
        put(&mut self.class_nodes, class, id);
        let node = self.node_mut(id);
        node.class = class;
        node.set(Node::CLASS, true);
        class
    }

    /// Removes a node that has no children and is in no heap. Its parent keeps what it has counted.
    pub fn remove(&mut self, id: u32) {
        let counted = self.record(id).stats(self.node(id));
        let parent = self.node_of(self.node(id).parent);
        self.record_mut(parent).counted += counted;
        let &Record { next_sibling, prev_sibling, .. } = self.record(id);
        if next_sibling != NONE {
            self.record_mut(next_sibling).prev_sibling = prev_sibling;
        }
        if prev_sibling == NONE {
            self.record_mut(parent).first_child = next_sibling;
        } else {
            self.record_mut(prev_sibling).next_sibling = next_sibling;
        }
        if self.node(id).is(Node::CLASS) {
            self.free_classes.push(self.node(id).class);
        }
        let next = ids::next(self.node(id).handle);
        self.node_mut(id).free(next);
        if next.is_some() {
            self.free_nodes.push(id);
        }
    }
}
