//! Sharing among the children of one class: Quick Fair Queueing.
//!
//! F. Checconi, L. Rizzo, P. Valente, "QFQ: Efficient Packet Scheduling With Tight Guarantees", IEEE/ACM Transactions
//! on Networking 21(3), 2013. Like WF2Q+ it serves, among the children that have begun in a virtual fluid system, the
//! one that finishes first, but it rounds times so that a turn takes constant time with any number of children:
//! children whose largest packet takes about as long are a *group*, each group keeps them in slots of that length, and four
//! sets of groups, one bit each, say which may go.
//!
//! A group is *eligible* when the virtual time has reached its first start, and *blocked* while an eligible group of
//! longer slots finishes before it. Only groups that are eligible and not blocked are served, shortest slots first.
//!
//! What makes it fit for a tree: a child's start is all that decides, so a class need not know its next packet before
//! it is its turn. And a turn may be *void*: charged, with nothing sent, for what was sent out of turn.

use super::{node::Node, packets::NONE};

/// The unit of virtual time is a byte at weight 2⁴⁰. The largest packet (2¹⁷ bytes with its overhead) at weight 1 then
/// takes 2⁵⁷, so that all times in use are less than 2⁶³ apart, as comparing them needs.
pub(super) const UNIT: u64 = 1 << 40;
/// The largest weight; above it the unit would be too coarse.
pub(super) const WEIGHT_MAX: u32 = 1 << 27;
/// Slots of a group. The paper proves that fewer are ever in use at once.
const SLOTS: u32 = 32;
/// Bits that the virtual time has below its unit, or many children would make it stand still.
const FRACTION_BITS: u32 = 23;

/// Whether a group's start has come, and whether a longer group must go before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Early,
    Blocked,
    EarlyBlocked,
}

impl State {
    const fn of(is_early: bool, is_blocked: bool) -> Self {
        match (is_early, is_blocked) {
            (false, false) => Self::Ready,
            (true, false) => Self::Early,
            (false, true) => Self::Blocked,
            (true, true) => Self::EarlyBlocked,
        }
    }
}

#[derive(Clone, Debug)]
struct Group {
    /// Start of its first slot in use.
    start: u64,
    /// Slots in use; slot `start >> shift` modulo 32 is the first.
    used: u32,
    slots: [u32; SLOTS as usize],
}

impl Group {
    const EMPTY: Self = Self { start: 0, used: 0, slots: [NONE; SLOTS as usize] };

    const fn finish(&self, shift: u32) -> u64 {
        self.start.wrapping_add(2 << shift)
    }
}

/// The children of one class that have something to send.
#[derive(Debug)]
pub(super) struct Fair {
    /// Virtual time, and its fraction.
    now: u64,
    fraction: u64,
    /// Virtual time a byte, with the fraction's bits.
    inverse: u64,
    weights: u64,
    /// One bit a group: those in each state.
    sets: [u64; 4],
    /// The groups whose slots are `first_shift` bits and more.
    groups: Vec<Group>,
    first_shift: u32,
}

/// Whether time `a` is after `b`, which wrap around.
const fn is_after(a: u64, b: u64) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

const fn floor(time: u64, shift: u32) -> u64 {
    time >> shift << shift
}

/// The bits of the groups from `shift` up.
const fn from(shift: u32) -> u64 {
    u64::MAX << shift
}

impl Fair {
    pub const fn new() -> Self {
        Self { now: 0, fraction: 0, inverse: 0, weights: 0, sets: [0; 4], groups: Vec::new(), first_shift: 0 }
    }

    /// Makes room for a child of that weight, which need not have anything to send, and gives the child its pace.
    pub fn admit(&mut self, child: &mut Node, weight: u32, largest_bytes: u32) {
        self.weigh(self.weights + u64::from(weight));
        child.inverse = UNIT / u64::from(weight);
        let turn = child.inverse * u64::from(largest_bytes);
        let shift = turn.next_power_of_two().trailing_zeros();
        child.shift = shift as u8;
        if self.groups.is_empty() {
            self.first_shift = shift;
        }
        let before = self.first_shift.saturating_sub(shift) as usize;
        drop(self.groups.splice(0..0, core::iter::repeat_n(Group::EMPTY, before)));
        self.first_shift = self.first_shift.min(shift);
        let count = self.groups.len().max((shift - self.first_shift) as usize + 1);
        self.groups.resize(count, Group::EMPTY);
    }

    /// Forgets a child of that weight, which is not in the share.
    pub fn dismiss(&mut self, weight: u32) {
        self.weigh(self.weights - u64::from(weight));
    }

    fn weigh(&mut self, weights: u64) {
        self.weights = weights;
        self.inverse = (UNIT << FRACTION_BITS).checked_div(weights).unwrap_or(0);
    }

    /// A child has something to send from now on.
    pub fn enter(&mut self, nodes: &mut [Node], id: u32) {
        let child = &mut nodes[id as usize];
        let shift = u32::from(child.shift);
        let slot = 1 << shift;
        // It starts now, or where its last turn ended; more than a turn ahead there is only a time so old that it
        // seems to be in the future. Starts at most a slot ahead are what the bits of `reach` rely on.
        let ahead = child.stamp.wrapping_sub(self.now);
        if ahead > slot {
            child.stamp = self.now;
            if ahead < slot << 3 {
                child.stamp = self.now.wrapping_add(slot);
            }
        }
        if child.stamp == self.now {
            child.stamp = self.unblocked_start(child.stamp, shift);
        }
        let start = floor(child.stamp, shift);
        let group = &mut self.groups[(shift - self.first_shift) as usize];
        if group.used != 0 && !is_after(group.start, start) {
            self.insert(nodes, id);
            return;
        }
        group.start = start;
        self.insert(nodes, id);
        if self.sets.iter().all(|&set| set & !(1 << shift) == 0) && is_after(start, self.now) {
            self.now = start;
        }
        self.sort(shift);
    }

    /// A group that would be blocked at once starts where the longer one finishes, at most a slot ahead: the order of
    /// finishes among the groups that are ready rests on it.
    fn unblocked_start(&self, start: u64, shift: u32) -> u64 {
        let longer = self.sets[State::Ready as usize] & from(shift + 1);
        if longer == 0 {
            return start;
        }
        let next = longer.trailing_zeros();
        let finish = self.groups[(next - self.first_shift) as usize].finish(next);
        if !is_after(floor(start, shift).wrapping_add(2 << shift), finish) {
            return start;
        }
        let limit = floor(self.now, shift).wrapping_add(1 << shift);
        if is_after(limit, finish) { finish } else { limit }
    }

    /// Whose turn it is, if any child has something to send.
    pub fn first(&mut self) -> Option<u32> {
        if self.sets[State::Ready as usize] == 0 {
            let early = self.sets[State::Early as usize];
            if early == 0 {
                debug_assert_eq!(self.sets, [0; 4], "only a ready group blocks");
                return None;
            }
            let shift = early.trailing_zeros();
            self.reach(self.groups[(shift - self.first_shift) as usize].start);
        }
        let shift = self.sets[State::Ready as usize].trailing_zeros();
        let group = &self.groups[(shift - self.first_shift) as usize];
        Some(group.slots[(group.start >> shift) as usize % SLOTS as usize])
    }

    /// Charges the child whose turn it is with `bytes`. It stays in the share, or leaves.
    pub fn serve(&mut self, nodes: &mut [Node], id: u32, bytes: u32, stays: bool) {
        self.unlink(nodes, id);
        let child = &mut nodes[id as usize];
        child.stamp = child.stamp.wrapping_add(child.inverse * u64::from(bytes));
        let shift = u32::from(child.shift);
        if stays {
            self.insert(nodes, id);
        }
        self.close_up(shift);
        let passed = u128::from(self.inverse) * u128::from(bytes) + u128::from(self.fraction);
        self.fraction = passed as u64 & ((1 << FRACTION_BITS) - 1);
        self.reach(self.now.wrapping_add((passed >> FRACTION_BITS) as u64));
    }

    /// Takes out a child that has nothing to send any more, or may not.
    pub fn leave(&mut self, nodes: &mut [Node], id: u32) {
        self.unlink(nodes, id);
        self.close_up(u32::from(nodes[id as usize].shift));
    }

    /// Puts a child first in the slot of its start.
    fn insert(&mut self, nodes: &mut [Node], id: u32) {
        let child = &mut nodes[id as usize];
        let shift = u32::from(child.shift);
        let group = &mut self.groups[(shift - self.first_shift) as usize];
        debug_assert!(
            child.stamp.wrapping_sub(group.start) >> shift < u64::from(SLOTS),
            "slots are ahead of the first, and few"
        );
        let slot = (child.stamp >> shift) as usize % SLOTS as usize;
        let next = core::mem::replace(&mut group.slots[slot], id);
        group.used |= 1 << slot;
        child.next = next;
        child.prev = NONE;
        if next != NONE {
            nodes[next as usize].prev = id;
        }
    }

    fn unlink(&mut self, nodes: &mut [Node], id: u32) {
        let (next, prev, stamp, shift) = {
            let child = &nodes[id as usize];
            (child.next, child.prev, child.stamp, u32::from(child.shift))
        };
        if next != NONE {
            nodes[next as usize].prev = prev;
        }
        if prev != NONE {
            nodes[prev as usize].next = next;
            return;
        }
        let group = &mut self.groups[(shift - self.first_shift) as usize];
        let slot = (stamp >> shift) as usize % SLOTS as usize;
        group.slots[slot] = next;
        if next == NONE {
            group.used &= !(1 << slot);
        }
    }

    /// After a child has left its slot: the group starts at its first slot in use.
    fn close_up(&mut self, shift: u32) {
        let group = &mut self.groups[(shift - self.first_shift) as usize];
        let empty = group.used.rotate_right((group.start >> shift) as u32 % SLOTS).trailing_zeros();
        if group.used != 0 {
            if empty == 0 {
                return;
            }
            group.start = group.start.wrapping_add(u64::from(empty) << shift);
        }
        self.sort(shift);
    }

    /// Puts a group, whose start has changed, into the set it belongs to, and so the shorter ones that it may have blocked.
    fn sort(&mut self, shift: u32) {
        let was_ready = self.sets[State::Ready as usize] >> shift & 1 == 1;
        self.put(shift);
        if was_ready {
            let mut blocked =
                (self.sets[State::Blocked as usize] | self.sets[State::EarlyBlocked as usize]) & !from(shift);
            while blocked != 0 {
                let longest = blocked.ilog2();
                self.put(longest);
                blocked &= !from(longest);
            }
        }
    }

    fn put(&mut self, shift: u32) {
        for set in &mut self.sets {
            *set &= !(1 << shift);
        }
        let group = &self.groups[(shift - self.first_shift) as usize];
        if group.used == 0 {
            return;
        }
        let longer = self.sets[State::Ready as usize] & from(shift + 1);
        let is_blocked = longer != 0 && {
            let next = longer.trailing_zeros();
            let finish = self.groups[(next - self.first_shift) as usize].finish(next);
            is_after(group.finish(shift), finish)
        };
        let is_early = is_after(group.start, self.now);
        self.sets[State::of(is_early, is_blocked) as usize] |= 1 << shift;
    }

    /// Moves the virtual time on. No start is more than a slot ahead, so a group's start is reached when the
    /// time's bits from the group's shift up change.
    fn reach(&mut self, now: u64) {
        let changed = now ^ self.now;
        self.now = now;
        if changed == 0 {
            return;
        }
        let reached = u64::MAX >> changed.leading_zeros();
        for [early, due] in [[State::Early, State::Ready], [State::EarlyBlocked, State::Blocked]] {
            let moved = self.sets[early as usize] & reached;
            self.sets[early as usize] ^= moved;
            self.sets[due as usize] |= moved;
        }
    }
}
