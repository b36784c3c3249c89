//! Sharing among few children: worst-case fair weighted fair queueing, by looking at each.
//!
//! J. Bennett, H. Zhang, "Hierarchical Packet Fair Queueing Algorithms", SIGCOMM 1996: WF²Q+. A child's next packet is
//! taken to be a largest one, as a class does not know it. So where WF²Q+ bounds how far a child falls behind by the
//! child's own largest packet, here the link's largest does, which is weaker for who sends small ones.
//!
//! For as many children as a session has streams, looking is faster than any order that would have to be kept: one bit a
//! child says who is in the share, and four of them fit in two cache lines.

use core::{hint::select_unpredictable, num::NonZero};

use super::{Account, Clock, PackedChild};

/// The most streams that a session has.
const FEW: usize = 16;

#[derive(Debug)]
#[repr(C)]
pub(super) struct Few {
    /// Who is in the share, and which places are taken: a bit for each place and none more, which spares a check of bounds.
    active: u16,
    taken: u16,
    accounts: [Account; FEW],
}

impl Few {
    pub const ACCOUNTS_OFFSET: usize = core::mem::offset_of!(Self, accounts);
    pub const NONE: Self = Self { active: 0, taken: 0, accounts: [Account::FREE; FEW] };

    /// A place for a child, if there are no more than few.
    pub fn admit(&mut self, account: Account) -> Option<u32> {
        let place = self.taken.trailing_ones();
        *self.accounts.get_mut(place as usize)? = account;
        self.taken |= 1 << place;
        Some(place)
    }

    pub fn dismiss(&mut self, place: u32) {
        self.accounts[place as usize].child = PackedChild::NONE;
        self.taken &= !(1 << place);
    }

    pub fn account(&mut self, place: u32) -> &mut Account {
        &mut self.accounts[place as usize]
    }

    pub fn has(&self, place: u32, child: PackedChild) -> bool {
        self.accounts.get(place as usize).is_some_and(|account| account.child == child)
    }

    /// All children, and which of them are in the share.
    pub fn all(&self) -> impl Iterator<Item = (Account, bool)> {
        self.accounts.iter().enumerate().map(|(place, &account)| (account, self.active >> place & 1 == 1))
    }

    pub fn enter(&mut self, clock: &Clock, place: u32) {
        let account = &mut self.accounts[place as usize];
        account.rejoin(clock.now, account.turn(clock));
        self.active |= 1 << place;
    }

    pub fn leave(&mut self, clock: &Clock, place: u32) {
        self.accounts[place as usize].settle(clock);
        self.active &= !(1 << place);
    }

    /// If nobody's turn has begun, time goes on to when one does. Not before it has to: others may come until then
    /// whose turn begins earlier.
    pub fn first(&mut self, clock: &mut Clock) -> Option<(u32, &mut Account)> {
        let active = NonZero::new(self.active)?;
        if active.is_power_of_two() {
            let place = active.trailing_zeros();
            let account = &mut self.accounts[place as usize];
            clock.reach(account.start);
            return Some((place, account));
        }
        let begun = self.first_begun(clock).or_else(|soonest| {
            clock.now = soonest;
            self.first_begun(clock)
        });
        begun.ok().map(|place| (place, &mut self.accounts[place as usize]))
    }

    /// Among those whose turn has begun the one whose turn ends first, or when the first begins.
    fn first_begun(&self, clock: &Clock) -> Result<u32, u64> {
        let (mut first, mut first_end, mut soonest) = (0, i64::MAX, i64::MAX);
        let mut rest = self.active;
        while let Some(places) = NonZero::new(rest) {
            let place = places.trailing_zeros();
            rest &= rest - 1;
            let account = &self.accounts[place as usize];
            let ahead = account.start.wrapping_sub(clock.now).cast_signed();
            soonest = soonest.min(ahead);
            let end = ahead + account.turn(clock).cast_signed();
            let end = select_unpredictable(ahead > 0, i64::MAX, end);
            first = select_unpredictable(end < first_end, place, first);
            first_end = first_end.min(end);
        }
        if first_end < i64::MAX { Ok(first) } else { Err(clock.now.wrapping_add(soonest.cast_unsigned())) }
    }

    pub fn serve(&mut self, clock: &mut Clock, place: u32, bytes: u32, stays: bool) {
        debug_assert!(self.first(clock).is_some_and(|(first, _)| first == place), "it is its turn");
        clock.now = clock.after(bytes);
        self.accounts[place as usize].charge(bytes);
        if !stays {
            self.leave(clock, place);
        }
    }
}
