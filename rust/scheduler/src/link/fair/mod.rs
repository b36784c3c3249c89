//! Sharing among the children of one class, by weight.
//!
//! A fluid would serve all children that have something to send at once, each by its weight. Packets follow it one at
//! a time: a child's turn begins where its last one ended, and of those whose turn has begun, the one whose turn ends
//! first is served. [`few`] children, as a session has, are looked at one by one; [`many`] are kept in groups.
//!
//! What makes it fit for a tree: a child's start is all that decides, so a class need not know its next packet before
//! it is its turn. And a turn may be *void*: charged, with nothing sent, for what was sent out of turn.

mod few;
mod many;
#[cfg(test)]
mod tests;

use core::hint::select_unpredictable;

use super::ids::NONE;
use few::Few;
use many::Many;

/// The unit of virtual time is a byte at weight 2⁴⁰. The largest packet (2¹⁷ bytes with its overhead) at weight 1 then
/// takes 2⁵⁷, so that all times in use are less than 2⁶³ apart, as comparing them needs.
const UNIT: u64 = 1 << 40;
/// The largest weight; above it the unit would be too coarse.
pub(super) const WEIGHT_MAX: u32 = 1 << 27;
/// Bits that the virtual time has below its unit, or many children would make it stand still.
const FRACTION_BITS: u32 = 23;
/// How many largest packets a child can be in debt for what it sent out of turn. More is forgiven: a guarantee that is larger than
/// the share would otherwise run up a debt without end, and pay for it when the guarantee is gone.
const DEBT_PACKETS_MAX: u32 = 16;

/// The furthest that a start is from now once a weight was changed: less than what comparing times needs.
const AHEAD_MOST: i64 = 1 << 61;

/// Whether time `a` is after `b`, which wrap around.
const fn is_after(a: u64, b: u64) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

/// A child of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Child {
    /// A stream, by its node.
    Stream(u32),
    /// A class, by its index.
    Class(u32),
}

/// A child in 32 bits, of which indices leave the highest free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PackedChild(u32);

impl PackedChild {
    const IS_CLASS: u32 = 1 << 31;
    const NONE: Self = Self(NONE);

    const fn of(child: Child) -> Self {
        match child {
            Child::Stream(id) => Self(id),
            Child::Class(index) => Self(index | Self::IS_CLASS),
        }
    }

    const fn unpacked(self) -> Child {
        if self.0 & Self::IS_CLASS == 0 {
            Child::Stream(self.0)
        } else {
            Child::Class(self.0 ^ Self::IS_CLASS)
        }
    }
}

/// What one child has had and its debt: two to a cache line.
#[derive(Clone, Copy, Debug)]
struct Account {
    /// When its turn begins, in virtual time; while it is not in the share, when its last one ended.
    start: u64,
    /// Virtual time a byte.
    inverse: u64,
    /// Whose it is; nobody's if the place is free.
    child: PackedChild,
    /// What it sent out of turn and has not paid for.
    debt_bytes: u32,
    /// Neighbours in a slot, among many.
    next: u32,
    prev: u32,
}

impl Account {
    const FREE: Self =
        Self { start: 0, inverse: 0, child: PackedChild::NONE, debt_bytes: 0, next: NONE, prev: NONE };

    /// How long the largest packet takes.
    const fn turn(&self, clock: &Clock) -> u64 {
        self.inverse * clock.largest_bytes as u64
    }

    /// It has something to send again, and starts now or where its last turn ended. That is a turn ahead at most; more
    /// is a debt that it took along, or a time so old that it seems to be in the future.
    fn rejoin(&mut self, now: u64, turn: u64) {
        let ahead = self.start.wrapping_sub(now);
        let latest = select_unpredictable(ahead < turn << 3, now.wrapping_add(turn), now);
        self.start = select_unpredictable(ahead > turn, latest, self.start);
    }

    /// Another weight. What it is ahead or behind, in bytes, it stays.
    fn weigh(&mut self, now: u64, inverse: u64) {
        let ahead = self.start.wrapping_sub(now).cast_signed();
        let old = core::mem::replace(&mut self.inverse, inverse);
        if old > 0 {
            let ahead = i128::from(ahead) * i128::from(inverse) / i128::from(old);
            let (least, most) = (-i128::from(AHEAD_MOST), AHEAD_MOST.into());
            self.start = now.wrapping_add_signed(ahead.clamp(least, most) as i64);
        }
    }

    const fn charge(&mut self, bytes: u32) {
        self.start = self.start.wrapping_add(self.inverse * bytes as u64);
    }

    /// Leaving the share it takes a debt along as a later start, of one packet at most: more is forgiven, as those that
    /// stayed have had its turns since.
    fn settle(&mut self, clock: &Clock) {
        let debt = core::mem::take(&mut self.debt_bytes);
        self.charge(debt.min(clock.largest_bytes));
    }
}

/// The virtual time of a class: how far the fluid has come.
#[derive(Debug)]
struct Clock {
    now: u64,
    fraction: u32,
    largest_bytes: u32,
    /// Virtual time a byte that the class sends, with the fraction's bits.
    inverse: u64,
    /// Σ of the weights of all children.
    weights: u64,
}

impl Clock {
    /// A child that weighed `old`, or was not there, weighs `new`, or goes.
    fn weigh(&mut self, old: u32, new: u32) {
        let others = self.weights.checked_sub(old.into()).expect("the weight of every child is in the sum");
        self.weights = others + u64::from(new);
        self.inverse = (UNIT << FRACTION_BITS).checked_div(self.weights).unwrap_or(0);
    }

    /// The time when so many bytes more have been sent.
    fn after(&mut self, bytes: u32) -> u64 {
        let passed = u128::from(self.inverse) * u128::from(bytes) + u128::from(self.fraction);
        self.fraction = passed as u32 & ((1 << FRACTION_BITS) - 1);
        self.now.wrapping_add((passed >> FRACTION_BITS) as u64)
    }

    fn reach(&mut self, time: u64) {
        self.now = select_unpredictable(is_after(time, self.now), time, self.now);
    }
}

/// The children of one class. Each has a place, from when it is admitted until it is dismissed; those that have
/// something to send, and may, are in the share.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Fair {
    clock: Clock,
    /// Once there were more than few.
    many: Option<Box<Many>>,
    few: Few,
}

impl Fair {
    /// Where the children begin, behind what is in the cache line before.
    pub const ACCOUNTS_OFFSET: usize = core::mem::offset_of!(Self, few) + Few::ACCOUNTS_OFFSET;

    pub const fn new(largest_bytes: u32) -> Self {
        let clock = Clock { now: 0, fraction: 0, largest_bytes, inverse: 0, weights: 0 };
        Self { clock, many: None, few: Few::NONE }
    }

    /// Gives a child, which need not have anything to send, a place.
    pub fn admit(&mut self, child: Child, weight: u32) -> u32 {
        let account = Account { start: self.clock.now, child: PackedChild::of(child), ..Account::FREE };
        let Self { clock, many, few } = self;
        let place = match many {
            Some(many) => many.admit(account),
            None => few
                .admit(account)
                .unwrap_or_else(|| many.insert(Box::new(Many::of(few, clock))).admit(account)),
        };
        self.weigh(place, 0, weight, false);
        place
    }

    /// Changes the weight of a child, which is in the share or not. It keeps its turn.
    pub fn weigh(&mut self, place: u32, old: u32, new: u32, is_in: bool) {
        self.clock.weigh(old, new);
        // Rounded up: children whose turns were a little short would ask, together, for more than there is, and time
        // would run away from them.
        let inverse = UNIT.div_ceil(u64::from(new));
        match &mut self.many {
            Some(many) => many.weigh(&mut self.clock, place, inverse, is_in),
            None => self.few.account(place).weigh(self.clock.now, inverse),
        }
    }

    /// Removes a child of that weight, which is not in the share.
    pub fn dismiss(&mut self, place: u32, weight: u32) {
        self.clock.weigh(weight, 0);
        match &mut self.many {
            Some(many) => many.dismiss(place),
            None => self.few.dismiss(place),
        }
    }

    fn account(&mut self, place: u32) -> &mut Account {
        match &mut self.many {
            Some(many) => many.account(place),
            None => self.few.account(place),
        }
    }

    /// Whether that child has that place.
    pub fn has(&self, place: u32, child: Child) -> bool {
        let child = PackedChild::of(child);
        match &self.many {
            Some(many) => many.has(place, child),
            None => self.few.has(place, child),
        }
    }

    /// A child has something to send from now on.
    pub fn enter(&mut self, place: u32) {
        match &mut self.many {
            Some(many) => many.enter(&mut self.clock, place),
            None => self.few.enter(&self.clock, place),
        }
    }

    /// A child that is in the share has nothing to send any more, or may not.
    pub fn leave(&mut self, place: u32) {
        match &mut self.many {
            Some(many) => many.leave(&self.clock, place),
            None => self.few.leave(&self.clock, place),
        }
    }

    /// Whose turn it is, if any child is in the share. Void turns are taken on the way.
    pub fn first(&mut self) -> Option<Child> {
        loop {
            let (place, account) = match &mut self.many {
                Some(many) => many.first(&mut self.clock),
                None => self.few.first(&mut self.clock),
            }?;
            if account.debt_bytes == 0 {
                return Some(account.child.unpacked());
            }
            let paid = account.debt_bytes.min(self.clock.largest_bytes);
            account.debt_bytes -= paid;
            self.take_void_turn(place, paid);
        }
    }

    /// Apart, as most packets come by without one.
    #[cold]
    fn take_void_turn(&mut self, place: u32, bytes: u32) {
        self.serve(place, bytes, true);
    }

    /// Charges the child whose turn it is with `bytes`. It stays in the share, or leaves.
    #[inline]
    pub fn serve(&mut self, place: u32, bytes: u32, stays: bool) {
        match &mut self.many {
            Some(many) => many.serve(&mut self.clock, place, bytes, stays),
            None => self.few.serve(&mut self.clock, place, bytes, stays),
        }
    }

    /// Charges a child in the share with `bytes` that it sent out of turn. It stays, or leaves.
    pub fn charge_out_of_turn(&mut self, place: u32, bytes: u32, stays: bool) {
        let most = DEBT_PACKETS_MAX * self.clock.largest_bytes;
        let account = self.account(place);
        account.debt_bytes = (account.debt_bytes + bytes).min(most);
        if !stays {
            self.leave(place);
        }
    }
}
