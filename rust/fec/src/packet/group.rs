//! One group as a decoder knows it: what has come of it, what can be made of that, what was delivered.

use core::iter::repeat_with;
use std::collections::TryReserveError;

use arrayvec::ArrayVec;

use super::{
    codes::Codes,
    header::{Header, LENGTH_BYTES, packet},
};
use crate::{MAX_SHARDS, recovery::Shards};

/// What a datagram is to the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was kept.
    Useful,
    /// It is new, but all packets that it could help with are there.
    Spare,
    /// Not whole, or in contradiction to what came before.
    Damaged,
    /// It was here before.
    Duplicate,
    /// Its packet, or its group, was given up, or there is no memory for it.
    Late,
}

/// A group of which nothing has come yet, to begin with.
#[derive(Default)]
pub(super) struct Group {
    /// The shards that came, by index.
    seen: Shards,
    /// k as data datagrams say it: that of a full group.
    full_data_shards: Option<usize>,
    /// What parity datagrams say: the real k.
    parity: Option<Parity>,
    parity_shards: Option<usize>,
    /// One more than the highest data shard that came.
    data_end: usize,
    /// Of the longest data shard that came.
    longest_bytes: usize,
    /// By index; empty where there is none, since no shard is. Kept until the group is over: what was delivered may
    /// be needed to recover another.
    shards: Vec<Vec<u8>>,
    /// How many of them there are.
    have: usize,
    /// Whether nothing more is to be recovered: all is there, or what came is not from one group.
    is_settled: bool,
    /// The packet to be delivered next: those before it were delivered or given up.
    pub(super) next: usize,
    /// Whether a packet was given up.
    pub(super) is_lossy: bool,
}

#[derive(Clone, Copy)]
struct Parity {
    data_shards: usize,
    shard_bytes: usize,
}

impl Group {
    /// A group that is delivered from this packet on.
    pub(super) fn joined_at(next: usize) -> Self {
        Self { next, ..Self::default() }
    }

    /// How many packets it has, as far as datagrams have told.
    pub(super) fn data_shards(&self) -> Option<usize> {
        self.parity.map(|parity| parity.data_shards).or(self.full_data_shards)
    }

    pub(super) fn is_over(&self) -> bool {
        self.data_shards().is_some_and(|end| self.next >= end)
    }

    /// One more than the highest data shard that came.
    pub(super) fn data_end(&self) -> usize {
        self.data_end
    }

    /// Bytes of the shards that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        self.shards.iter().map(Vec::len).sum()
    }

    /// A packet of it, if it is here. Behind them stand the parity shards.
    pub(super) fn packet(&self, index: usize) -> Option<&[u8]> {
        let is_data = self.data_shards().is_some_and(|end| index < end);
        self.shards.get(index).filter(|_| is_data).and_then(|shard| packet(shard))
    }

    /// Drops all but what tells the datagrams apart that come now.
    pub(super) fn close(&mut self) {
        self.shards = Vec::new();
    }

    /// What a shard is that comes when the group is closed.
    pub(super) fn judge_when_closed(&mut self, index: usize) -> Verdict {
        if self.seen.contains(index) {
            return Verdict::Duplicate;
        }
        self.seen.insert(index);
        if self.is_lossy { Verdict::Late } else { Verdict::Spare }
    }

    /// Takes a shard in.
    pub(super) fn insert(&mut self, header: Header, shard: &[u8]) -> Verdict {
        let index = header.index;
        if !self.agrees(header, shard.len()) {
            return Verdict::Damaged;
        }
        if self.seen.contains(index) {
            return self.judge_repeated(index, shard);
        }
        let is_here = self.shards.get(index).is_some_and(|shard| !shard.is_empty());
        if self.is_settled && (is_here || !header.is_data()) {
            self.learn(header, shard.len());
            return Verdict::Spare;
        }
        if self.keep(index, shard).is_err() {
            return Verdict::Late;
        }
        self.learn(header, shard.len());
        self.have += 1;
        if header.is_data() && index < self.next { Verdict::Late } else { Verdict::Useful }
    }

    fn keep(&mut self, index: usize, shard: &[u8]) -> Result<(), TryReserveError> {
        let mut kept = Vec::new();
        kept.try_reserve_exact(shard.len())?;
        kept.extend_from_slice(shard);
        self.make_places(index + 1)?;
        self.shards[index] = kept;
        Ok(())
    }

    fn make_places(&mut self, count: usize) -> Result<(), TryReserveError> {
        let missing = count.saturating_sub(self.shards.len());
        self.shards.try_reserve(missing)?;
        self.shards.extend(repeat_with(Vec::new).take(missing));
        Ok(())
    }

    /// Makes each shard as long as parity. If there is no memory for that, none has changed.
    fn pad(&mut self, shard_bytes: usize) -> Result<(), TryReserveError> {
        let reserved = self
            .shards
            .iter_mut()
            .try_for_each(|shard| shard.try_reserve_exact(shard_bytes.saturating_sub(shard.len())));
        if reserved.is_ok() {
            self.shards.iter_mut().for_each(|shard| shard.resize(shard_bytes, 0));
        } else {
            self.shards.iter_mut().filter(|shard| shard.is_empty()).for_each(|shard| *shard = Vec::new());
        }
        reserved
    }

    /// Whether a shard can be of the same group as those that came.
    fn agrees(&self, header: Header, shard_bytes: usize) -> bool {
        let is_same = |known: Option<usize>, found: usize| known.is_none_or(|known| known == found);
        let fits_others = if header.is_data() {
            is_same(self.full_data_shards, header.data_shards)
                && self.parity.is_none_or(|parity| {
                    (header.index + 1..=header.data_shards).contains(&parity.data_shards)
                        && shard_bytes <= parity.shard_bytes
                })
        } else {
            self.parity.is_none_or(|parity| {
                (parity.data_shards, parity.shard_bytes) == (header.data_shards, shard_bytes)
            }) && self.full_data_shards.is_none_or(|full| header.data_shards <= full)
                && self.data_end <= header.data_shards
                && self.longest_bytes <= shard_bytes
        };
        fits_others && is_same(self.parity_shards, header.parity_shards)
    }

    fn learn(&mut self, header: Header, shard_bytes: usize) {
        self.seen.insert(header.index);
        self.parity_shards = Some(header.parity_shards);
        if header.is_data() {
            self.full_data_shards = Some(header.data_shards);
            self.data_end = self.data_end.max(header.index + 1);
            self.longest_bytes = self.longest_bytes.max(shard_bytes);
        } else {
            self.parity = Some(Parity { data_shards: header.data_shards, shard_bytes });
        }
    }

    /// A shard that came before must be the same again. If not, two senders number their groups alike, and what would
    /// be recovered from both is no packet of either. Two whose shards never meet are not told apart by this.
    fn judge_repeated(&mut self, index: usize, shard: &[u8]) -> Verdict {
        let is_other = |held: &Vec<u8>| !held.is_empty() && !held.starts_with(shard);
        if !self.shards.get(index).is_some_and(is_other) {
            return Verdict::Duplicate;
        }
        self.is_settled = true;
        Verdict::Damaged
    }

    /// Recovers what is missing, if what has come is enough. Returns how many packets that gave; `None` if what came
    /// can't be from one group. Without the memory for it the next shard of the group tries again.
    pub(super) fn repair(&mut self, codes: &mut Codes) -> Option<usize> {
        let (Some(Parity { data_shards, shard_bytes }), Some(parity_shards)) =
            (self.parity, self.parity_shards)
        else {
            self.is_settled |= self.full_data_shards.is_some_and(|full| self.have >= full);
            return Some(0);
        };
        if self.is_settled || self.have < data_shards {
            return Some(0);
        }
        if self.make_places(data_shards + parity_shards).is_err() {
            return Some(0);
        }
        let present: ArrayVec<bool, MAX_SHARDS> = self.shards.iter().map(|shard| !shard.is_empty()).collect();
        let is_wanted = |index: usize| !present[index] && (self.next..data_shards).contains(&index);
        let wanted: ArrayVec<bool, MAX_SHARDS> = (0..present.len()).map(is_wanted).collect();
        let mut is_sound = true;
        if wanted.contains(&true) {
            if self.pad(shard_bytes).is_err() {
                return Some(0);
            }
            let done = codes
                .of(data_shards, parity_shards)
                .and_then(|code| code.reconstruct_wanted(&mut self.shards, &present, &wanted));
            let recovered = || self.shards.iter().zip(&wanted).filter(|(_, wanted)| **wanted);
            is_sound = done.is_ok() && recovered().all(|(shard, _)| is_padded_packet(shard));
        }
        self.is_settled = true;
        self.shards.truncate(data_shards);
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let is_there = present[index] || (wanted[index] && is_sound);
            if !is_there {
                *shard = Vec::new();
            }
        }
        is_sound.then(|| wanted.iter().filter(|&&is_wanted| is_wanted).count())
    }
}

/// Whether a recovered shard is what an encoder pads: a length that fits, the packet, zeros.
fn is_padded_packet(shard: &[u8]) -> bool {
    packet(shard).is_some_and(|packet| shard[LENGTH_BYTES + packet.len()..].iter().all(|&byte| byte == 0))
}
