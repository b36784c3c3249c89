//! A priority queue of nodes by time, from which any node can be taken.
//!
//! Four children a parent: half as deep as a binary heap, and the four stand in one cache line. Where each node
//! stands is kept in an array of its own, apart from the nodes, since every step of a sift writes it. Heaps of which a
//! node is in one at a time share that array; a [`PlacedHeap`] has its own.

use super::ids::{NONE, put};

/// Where each node stands in the heap it is in.
pub(super) type Places = [u32];

const CHILDREN: usize = 4;

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u64,
    id: u32,
}

/// Nodes by key, the least first.
#[derive(Debug, Default)]
pub(super) struct Heap {
    entries: Vec<Entry>,
}

impl Heap {
    /// The least key and its node.
    pub fn first(&self) -> Option<(u64, u32)> {
        self.entries.first().map(|entry| (entry.key, entry.id))
    }

    /// The key of a node that is in this heap.
    pub fn key(&self, places: &Places, id: u32) -> u64 {
        self.entries[places[id as usize] as usize].key
    }

    /// Whether a node is in this heap.
    fn holds(&self, places: &Places, id: u32) -> bool {
        self.entries.get(places[id as usize] as usize).is_some_and(|entry| entry.id == id)
    }

    /// Adds a node that is in no heap.
    pub fn push(&mut self, places: &mut Places, id: u32, key: u64) {
        self.entries.push(Entry { key, id });
        self.rise(places, self.entries.len() - 1);
    }

    /// Takes a node that is in this heap.
    pub fn remove(&mut self, places: &mut Places, id: u32) {
        let place = places[id as usize] as usize;
        debug_assert_eq!(self.entries[place].id, id, "the node is in this heap");
        let last = self.entries.pop().expect("the node is in this heap");
        if place < self.entries.len() {
            self.entries[place] = last;
            self.settle(places, place);
        }
    }

    /// Gives another key to a node that is in this heap.
    pub fn change(&mut self, places: &mut Places, id: u32, key: u64) {
        let place = places[id as usize] as usize;
        debug_assert_eq!(self.entries[place].id, id, "the node is in this heap");
        self.entries[place].key = key;
        self.settle(places, place);
    }

    fn settle(&mut self, places: &mut Places, place: usize) {
        if place > 0 && self.entries[place].key < self.entries[(place - 1) / CHILDREN].key {
            self.rise(places, place);
        } else {
            self.sink(places, place);
        }
    }

    fn rise(&mut self, places: &mut Places, mut place: usize) {
        let entry = self.entries[place];
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if self.entries[parent].key <= entry.key {
                break;
            }
            self.put(places, place, self.entries[parent]);
            place = parent;
        }
        self.put(places, place, entry);
    }

    fn sink(&mut self, places: &mut Places, mut place: usize) {
        let entry = self.entries[place];
        loop {
            let first = place * CHILDREN + 1;
            let children = first..self.entries.len().min(first + CHILDREN);
            let Some(least) = children.min_by_key(|&child| self.entries[child].key) else { break };
            if entry.key <= self.entries[least].key {
                break;
            }
            self.put(places, place, self.entries[least]);
            place = least;
        }
        self.put(places, place, entry);
    }

    fn put(&mut self, places: &mut Places, place: usize, entry: Entry) {
        self.entries[place] = entry;
        places[entry.id as usize] = place as u32;
    }
}

/// A heap that keeps its nodes' places itself.
#[derive(Debug, Default)]
pub(super) struct PlacedHeap {
    heap: Heap,
    places: Vec<u32>,
}

impl PlacedHeap {
    /// Makes room for a node.
    pub fn add_node(&mut self, id: u32) {
        put(&mut self.places, id, NONE);
    }

    pub fn first(&self) -> Option<(u64, u32)> {
        self.heap.first()
    }

    /// Whether a node is in it. It looks where the node has last been put.
    pub fn holds(&self, id: u32) -> bool {
        self.heap.holds(&self.places, id)
    }

    pub fn push(&mut self, id: u32, key: u64) {
        self.heap.push(&mut self.places, id, key);
    }

    pub fn remove(&mut self, id: u32) {
        self.heap.remove(&mut self.places, id);
    }

    pub fn change(&mut self, id: u32, key: u64) {
        self.heap.change(&mut self.places, id, key);
    }
}
