//! Sharing among many children: Quick Fair Queueing.
//!
//! F. Checconi, L. Rizzo, P. Valente, "QFQ: Efficient Packet Scheduling With Tight Guarantees", IEEE/ACM Transactions
//! on Networking 21(3), 2013. Times are rounded so that a turn takes constant time with any number of children:
//! those whose largest packet takes about as long are a *group*, each group keeps them in slots of that length, and four
//! sets of groups, one bit each, say which may go.
//!
//! A group is *eligible* when the virtual time has reached its first start, and *blocked* while an eligible group of
//! longer slots finishes before it. Only groups that are eligible and not blocked are served, shortest slots first.

use super::{Account, Clock, NONE, PackedChild, few::Few, is_after};

/// Slots of a group. The paper proves that fewer are ever in use at once.
const SLOTS: u32 = 32;

/// How many slots behind a child may be when its weight is changed: far from all, and more than any is otherwise.
const LAG_SLOTS: i64 = 8;

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

const fn floor(time: u64, shift: u32) -> u64 {
    time >> shift << shift
}

/// The bits of the groups from `shift` up.
const fn from(shift: u32) -> u64 {
    u64::MAX << shift
}

const fn slot(time: u64, shift: u32) -> u32 {
    (time >> shift) as u32 % SLOTS
}

impl Account {
    /// Its group, as the binary logarithm of a slot: the largest packet's time, rounded up to a power of two.
    pub const fn shift(&self, clock: &Clock) -> u32 {
        u64::BITS - (self.turn(clock) - 1).leading_zeros()
    }
}

#[derive(Debug)]
pub(super) struct Many {
    /// One bit a group: those in each state.
    sets: [u64; 4],
    /// The groups whose slots are `first_shift` bits and more.
    groups: Vec<Group>,
    first_shift: u32,
    accounts: Vec<Account>,
    free: Vec<u32>,
}

impl Many {
    /// Those who were few.
    pub fn of(few: &Few, clock: &mut Clock) -> Self {
        let mut many =
            Self { sets: [0; 4], groups: Vec::new(), first_shift: 0, accounts: Vec::new(), free: Vec::new() };
        many.accounts.extend(few.all().map(|(account, _)| account));
        for (place, (_, is_active)) in (0..).zip(few.all()) {
            many.make_room(clock, place);
            if is_active {
                many.enter(clock, place);
            }
        }
        many
    }

    pub fn admit(&mut self, account: Account) -> u32 {
        if let Some(place) = self.free.pop() {
            self.accounts[place as usize] = account;
            return place;
        }
        self.accounts.push(account);
        (self.accounts.len() - 1) as u32
    }

    pub fn dismiss(&mut self, place: u32) {
        self.accounts[place as usize].child = PackedChild::NONE;
        self.free.push(place);
    }

    pub fn account(&mut self, place: u32) -> &mut Account {
        &mut self.accounts[place as usize]
    }

    pub fn has(&self, place: u32, child: PackedChild) -> bool {
        self.accounts.get(place as usize).is_some_and(|account| account.child == child)
    }

    /// Makes sure that there is a group for a child.
    pub fn make_room(&mut self, clock: &Clock, place: u32) {
        let shift = self.accounts[place as usize].shift(clock);
        if self.groups.is_empty() {
            self.first_shift = shift;
        }
        let before = self.first_shift.saturating_sub(shift) as usize;
        drop(self.groups.splice(0..0, core::iter::repeat_n(Group::EMPTY, before)));
        self.first_shift = self.first_shift.min(shift);
        let count = self.groups.len().max((shift - self.first_shift) as usize + 1);
        self.groups.resize(count, Group::EMPTY);
    }

    /// Changes the weight of a child. In the share it stays, as far behind as so many slots can tell.
    pub fn weigh(&mut self, clock: &mut Clock, place: u32, inverse: u64, is_in: bool) {
        if is_in {
            let shift = self.unlink(clock, place);
            self.close_up(clock, shift);
        }
        self.accounts[place as usize].weigh(clock.now, inverse);
        self.make_room(clock, place);
        if is_in {
            let account = &mut self.accounts[place as usize];
            let shift = account.shift(clock);
            let ahead = account.start.wrapping_sub(clock.now).cast_signed();
            let slot = 1_i64 << shift;
            account.start = clock.now.wrapping_add_signed(ahead.clamp(-LAG_SLOTS * slot, slot));
            self.link(clock, place, shift);
            // It may end before groups that are ready, which no child does that comes now.
            let groups = self.sets.iter().fold(0, |all, set| all | set);
            self.put_each(clock, groups & !from(shift));
        }
    }

    fn group(&mut self, shift: u32) -> &mut Group {
        &mut self.groups[(shift - self.first_shift) as usize]
    }

    fn finish(&self, shift: u32) -> u64 {
        self.groups[(shift - self.first_shift) as usize].finish(shift)
    }

    pub fn enter(&mut self, clock: &mut Clock, place: u32) {
        let account = &mut self.accounts[place as usize];
        let shift = account.shift(clock);
        // Starts at most a slot ahead are what the bits of `reach` rely on.
        account.rejoin(clock.now, 1 << shift);
        self.link(clock, place, shift);
    }

    /// Puts a child into its group.
    #[expect(clippy::inline_always, reason = "whoever comes does so by here: with a call it takes longer")]
    #[inline(always)]
    fn link(&mut self, clock: &mut Clock, place: u32, shift: u32) {
        let start = floor(self.accounts[place as usize].start, shift);
        let group = self.group(shift);
        if group.used != 0 && !is_after(group.start, start) {
            self.insert(place, shift);
            return;
        }
        group.start = start;
        self.insert(place, shift);
        if self.sets.iter().all(|&set| set & !(1 << shift) == 0) {
            clock.reach(start);
        }
        self.sort(clock, shift);
    }

    pub fn first(&mut self, clock: &mut Clock) -> Option<(u32, &mut Account)> {
        if self.sets[State::Ready as usize] == 0 {
            let early = self.sets[State::Early as usize];
            if early == 0 {
                debug_assert_eq!(self.sets, [0; 4], "only a ready group blocks");
                return None;
            }
            let shift = early.trailing_zeros();
            let start = self.group(shift).start;
            self.reach(clock, start);
        }
        let shift = self.sets[State::Ready as usize].trailing_zeros();
        let group = self.group(shift);
        let place = group.slots[slot(group.start, shift) as usize];
        Some((place, &mut self.accounts[place as usize]))
    }

    #[expect(clippy::inline_always, reason = "every packet comes by: with a call it takes 3 % longer")]
    #[inline(always)]
    pub fn serve(&mut self, clock: &mut Clock, place: u32, bytes: u32, stays: bool) {
        let shift = self.sets[State::Ready as usize].trailing_zeros();
        let group = &mut self.groups[(shift - self.first_shift) as usize];
        let slot = slot(group.start, shift);
        debug_assert_eq!(group.slots[slot as usize], place, "it is its turn");
        let account = &mut self.accounts[place as usize];
        account.charge(bytes);
        let has_moved = !stays || floor(account.start, shift) != group.start;
        if has_moved {
            let next = account.next;
            if !stays {
                account.settle(clock);
            }
            group.slots[slot as usize] = next;
            if next == NONE {
                group.used &= !(1 << slot);
            } else {
                self.accounts[next as usize].prev = NONE;
            }
            if stays {
                self.insert(place, shift);
            }
            if next == NONE {
                self.close_up(clock, shift);
            }
        }
        let now = clock.after(bytes);
        self.reach(clock, now);
    }

    pub fn leave(&mut self, clock: &Clock, place: u32) {
        let shift = self.unlink(clock, place);
        self.accounts[place as usize].settle(clock);
        self.close_up(clock, shift);
    }

    /// Puts a child first in the slot of its start.
    fn insert(&mut self, place: u32, shift: u32) {
        let account = &mut self.accounts[place as usize];
        let group = &mut self.groups[(shift - self.first_shift) as usize];
        debug_assert!(
            account.start.wrapping_sub(group.start) >> shift < u64::from(SLOTS),
            "slots are ahead of the first, and few"
        );
        let slot = slot(account.start, shift);
        let next = core::mem::replace(&mut group.slots[slot as usize], place);
        group.used |= 1 << slot;
        account.next = next;
        account.prev = NONE;
        if next != NONE {
            self.accounts[next as usize].prev = place;
        }
    }

    /// Takes a child from its slot and gives its group.
    fn unlink(&mut self, clock: &Clock, place: u32) -> u32 {
        let account = &self.accounts[place as usize];
        let Account { next, prev, start, .. } = *account;
        let shift = account.shift(clock);
        if next != NONE {
            self.accounts[next as usize].prev = prev;
        }
        if prev != NONE {
            self.accounts[prev as usize].next = next;
            return shift;
        }
        let group = self.group(shift);
        let slot = slot(start, shift);
        group.slots[slot as usize] = next;
        if next == NONE {
            group.used &= !(1 << slot);
        }
        shift
    }

    /// After a child has left its slot: the group starts at its first slot in use.
    fn close_up(&mut self, clock: &Clock, shift: u32) {
        let group = self.group(shift);
        let empty = group.used.rotate_right(slot(group.start, shift)).trailing_zeros();
        if group.used != 0 {
            if empty == 0 {
                return;
            }
            group.start = group.start.wrapping_add(u64::from(empty) << shift);
        }
        self.sort(clock, shift);
    }

    /// Puts a group, whose start has changed, into the set it belongs to, and so the shorter ones that it may have blocked: one
    /// by one from the longest, so among groups that are ready the shorter ends first. (The paper lets all go at once, and for
    /// that has who comes back, and would be blocked, start later.)
    fn sort(&mut self, clock: &Clock, shift: u32) {
        let was_ready = self.sets[State::Ready as usize] >> shift & 1 == 1;
        self.put(clock, shift);
        if was_ready {
            let blocked = self.sets[State::Blocked as usize] | self.sets[State::EarlyBlocked as usize];
            self.put_each(clock, blocked & !from(shift));
        }
    }

    /// Puts groups into their sets, the longest first: a shorter one is blocked by those.
    fn put_each(&mut self, clock: &Clock, mut groups: u64) {
        while groups != 0 {
            let longest = groups.ilog2();
            self.put(clock, longest);
            groups &= !from(longest);
        }
    }

    fn put(&mut self, clock: &Clock, shift: u32) {
        for set in &mut self.sets {
            *set &= !(1 << shift);
        }
        let group = &self.groups[(shift - self.first_shift) as usize];
        if group.used == 0 {
            return;
        }
        let longer = self.sets[State::Ready as usize] & from(shift + 1);
        let is_blocked = longer != 0 && is_after(group.finish(shift), self.finish(longer.trailing_zeros()));
        let is_early = is_after(group.start, clock.now);
        self.sets[State::of(is_early, is_blocked) as usize] |= 1 << shift;
    }

    /// Moves the virtual time on. No start is more than a slot ahead, so a group's start is reached when the
    /// time's bits from the group's shift up change.
    fn reach(&mut self, clock: &mut Clock, now: u64) {
        let changed = now ^ clock.now;
        clock.now = now;
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
