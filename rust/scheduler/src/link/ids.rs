//! What names a class or a stream: its handle for callers, its index inside.

/// No node, no class, no packet.
pub(super) const NONE: u32 = u32::MAX;
/// The root's class.
pub(super) const ROOT: u32 = 0;

/// A handle is an index of a record and, above it, how often the record was used before. A record that was used
/// as often as can be told apart is not used again.
const INDEX_BITS: u32 = 20;
pub(super) const NODES_MAX: usize = 1 << INDEX_BITS;

/// The node that a handle names.
pub(super) const fn index(handle: u32) -> u32 {
    handle & (NODES_MAX as u32 - 1)
}

/// The handle that a record gets after `handle`, if there is one left.
pub(super) const fn next(handle: u32) -> Option<u32> {
    handle.checked_add(1 << INDEX_BITS)
}

/// Puts a record at an index that was used before, or is the next.
pub(super) fn put<T>(all: &mut Vec<T>, index: u32, new: T) {
    match all.get_mut(index as usize) {
        Some(old) => *old = new,
        None => all.push(new),
    }
}
