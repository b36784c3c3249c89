//! Handles: numbers that name a class or a stream for good.

use super::{LinkError, LinkScheduler, node::Node};

/// A handle is an index of a record and, above it, how often the record was used before. A record that was used
/// as often as can be told apart is not used again.
const INDEX_BITS: u32 = 20;
pub(super) const NODES_MAX: usize = 1 << INDEX_BITS;

/// The handle that a record gets after `handle`, if there is one left.
pub(super) const fn next(handle: u32) -> Option<u32> {
    handle.checked_add(1 << INDEX_BITS)
}

impl LinkScheduler {
    pub(super) const fn index(handle: u32) -> u32 {
        handle & (NODES_MAX as u32 - 1)
    }

    pub(super) fn handle_of(&self, class: u32) -> u32 {
        self.nodes[self.classes[class as usize].node as usize].handle
    }

    pub(super) fn find(
        &self,
        field: &'static str,
        index: Option<usize>,
        found: u32,
    ) -> Result<u32, LinkError> {
        let id = Self::index(found);
        let node = self.nodes.get(id as usize).filter(|node| node.handle == found && !node.is(Node::FREE));
        node.map(|_| id).ok_or(LinkError::UnknownHandle { field, index, found })
    }

    pub(super) fn find_stream(
        &self,
        field: &'static str,
        index: Option<usize>,
        found: u32,
    ) -> Result<u32, LinkError> {
        let id = self.find(field, index, found)?;
        if self.nodes[id as usize].is(Node::IS_CLASS) {
            return Err(LinkError::WrongKind { field, index, expected: "a stream", found });
        }
        Ok(id)
    }

    pub(super) fn find_class(&self, field: &'static str, found: u32) -> Result<u32, LinkError> {
        let node = &self.nodes[self.find(field, None, found)? as usize];
        if !node.is(Node::IS_CLASS) {
            return Err(LinkError::WrongKind { field, index: None, expected: "a class", found });
        }
        Ok(node.head)
    }
}
