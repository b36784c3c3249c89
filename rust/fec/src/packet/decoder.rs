//! Datagrams in, packets out.
//!
//! The groups that the decoder knows stand in one queue, without gaps in their numbers:
//!
//! ```text
//!   past, closed            the window
//!   │ 41 │ 42 │ 43 │ 44 │   │ 45 │ 46 │ 47 │ …       at most `window_groups` of each
//!                             base: delivered from here on, in order
//! ```
//!
//! A datagram of a group in the window goes there. One ahead of the window moves it, until that group is the last; what
//! leaves it is given up. One behind it only counts.
//!
//! That is within one epoch and [`REACH`] groups of it. Beyond, a datagram is ahead, of a higher epoch or far on in
//! this one, and the decoder leaves all and joins the stream there; or it is behind, a *stray*, and late. All of an
//! encoder that is over are: no more than a window's groups of it can still be under way. So strays that
//! reach over so many groups more than what came meanwhile of what the decoder follows are the stream, and the decoder
//! joins them: its sender's clock went back, or what the decoder followed was forged. If what it follows reaches over so
//! many first, that goes on, and the strays are dropped. The epoch that the decoder leaves for a lower one is
//! remembered, since datagrams of it may still come: they are strays too. Only the latest such epoch is.

use std::collections::VecDeque;

use super::{
    MAX_WINDOW_GROUPS,
    codes::Codes,
    group::{Group, Verdict},
    header::Header,
};
use crate::{Engine, Error};

/// How far from the base a group is taken for one that was under way together with the window's. Long enough that no
/// datagram is for so long: at 1000 packets a second in groups of ten, eleven minutes.
pub(super) const REACH: u32 = 1 << 16;

/// What has become of the datagrams and packets of one decoder.
///
/// Of `received` datagrams, `damaged`, `duplicate` and `late` ones are three parts that share nothing. The rest were
/// useful, or spare: whole and new, but of a group whose packets were all there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PacketStats {
    /// Datagrams that were added, of any kind.
    pub received: u64,
    /// Datagrams that are not whole, not of this version or stream, or in contradiction to others of their group.
    pub damaged: u64,
    /// Datagrams that had been received before.
    pub duplicate: u64,
    /// Datagrams that came too late to be of use.
    ///
    /// Their packet or group had been given up, or is so long ago that nobody knows what became of it, or another
    /// encoder had taken the place of theirs, or there was no memory to keep them.
    pub late: u64,
    /// Packets that were lost and came back by parity.
    pub recovered: u64,
    /// Packets that were lost, and are no longer waited for.
    ///
    /// A group that was ended short counts as full if none of its parity came. One of which nothing came counts as
    /// many as the stream's full groups had last.
    pub given_up: u64,
}

/// Makes packets of the datagrams of one stream: in order, each once, byte for byte.
///
/// A packet is delivered as soon as all before it were, or were given up. One that is missing is waited for until
/// it comes, or follows from its group's other shards, or leaves the window: when a datagram comes of the group that is
/// `window_groups` later. So the window is what a packet lost for good can delay those behind it, and it
/// bounds the memory: to that of the shards of so many groups, and of eight codes with what they remember, 1.5 MiB each.
///
/// The first datagram starts the window. If its group is among the first `window_groups` of its epoch,
/// the stream is waited for from its start, as datagrams may have overtaken each other; a later one means that a running
/// stream was joined, which is delivered from that datagram on.
///
/// An encoder that takes the place of another, with a higher epoch, is followed from its first datagram that comes.
/// What still comes of the one before is late. So is what comes of any lower epoch, or from more than 65536 groups ago,
/// until `window_groups` groups more of it have passed than meanwhile of the stream that was followed: that many
/// are never under way at once, so it is the stream, and is joined there. From then on what comes of the epoch that was left
/// is late in the same way.
///
/// No packet is delivered that was not sent, and none twice, as long as no two encoders of the tag have the same epoch
/// or send at the same time, no more than `window_groups` groups are under way at once, none come any more
/// of an epoch that was left for a lower one once another was left like that, and nobody forges. Whoever can make
/// datagrams can make packets, and keep others from being delivered.
///
/// # Example
/// ```
/// use honeylink_fec::{Matrix, PacketDecoder, PacketEncoder, ReedSolomon};
///
/// let mut encoder = PacketEncoder::new(&ReedSolomon::new(2, 1, Matrix::Cauchy)?, 0, 1)?;
/// let mut decoder = PacketDecoder::new(0, 64)?;
/// let mut packets = Vec::new();
/// for number in 0..4_u8 {
///     encoder.add(&[number], |datagram| {
///         let is_lost = datagram[1] == 0; // the first of each group
///         if !is_lost {
///             decoder.add(datagram, |packet| packets.push(packet.to_vec()));
///         }
///     })?;
/// }
/// assert_eq!(packets, [[0], [1], [2], [3]]);
/// # Ok::<(), honeylink_fec::Error>(())
/// ```
pub struct PacketDecoder {
    stream_tag: u16,
    window_groups: usize,
    codes: Codes,
    /// The past ones, then those of the window of which the decoder knows.
    groups: VecDeque<Group>,
    past: usize,
    /// The window's first group; `None` before the first datagram.
    base: Option<Position>,
    /// The latest strays, of lower epochs or far behind, until what is followed has gone on.
    strays: Run,
    /// The higher epoch that was left for the one that is followed, or for one before it.
    left_epoch: Option<u64>,
    /// What has come of that since, until what is followed has gone on.
    left: Run,
    /// What has come of what is followed since there were strays.
    followed: Run,
    /// k of the stream's full groups, as last seen.
    full_data_shards: usize,
    stats: PacketStats,
}

/// A group among all of a stream tag.
#[derive(Clone, Copy)]
struct Position {
    epoch: u64,
    group: u32,
}

impl Position {
    fn of(header: Header) -> Self {
        Self { epoch: header.epoch, group: header.group }
    }

    /// How many groups it is ahead of another of the same epoch; negative behind it.
    fn ahead_of(self, other: Self) -> i32 {
        self.group.wrapping_sub(other.group).cast_signed()
    }

    /// The same if they can have been under way together.
    fn near(self, other: Self) -> Option<i32> {
        let ahead = self.ahead_of(other);
        (self.epoch == other.epoch && ahead.unsigned_abs() <= REACH).then_some(ahead)
    }

    fn is_after(self, other: Self) -> bool {
        self.epoch > other.epoch || self.epoch == other.epoch && self.ahead_of(other) > 0
    }
}

/// What has come of one encoder, and over how many groups that reaches at most, upwards from the lowest of the latest.
#[derive(Default)]
struct Run {
    from: Option<Position>,
    groups: usize,
}

impl Run {
    /// Takes one more, and tells how many groups it is behind the first.
    fn take(&mut self, position: Position) -> usize {
        let passed = self.from.and_then(|from| usize::try_from(position.near(from)?).ok());
        if passed.is_none() {
            self.from = Some(position);
        }
        self.groups = self.groups.max(passed.unwrap_or(0));
        passed.unwrap_or(0)
    }
}

impl PacketDecoder {
    /// A decoder for the stream of that tag, on the fastest engine.
    ///
    /// # Errors
    /// [`Error::Window`] unless 1 <= `window_groups` <= [`MAX_WINDOW_GROUPS`].
    pub fn new(stream_tag: u16, window_groups: usize) -> Result<Self, Error> {
        Self::with_engine(stream_tag, window_groups, Engine::fastest())
    }

    /// The same decoder on a chosen engine. Every engine gives the same bytes.
    ///
    /// # Errors
    /// As for [`PacketDecoder::new`].
    pub fn with_engine(stream_tag: u16, window_groups: usize, engine: Engine) -> Result<Self, Error> {
        if !(1..=MAX_WINDOW_GROUPS).contains(&window_groups) {
            return Err(Error::Window { most: MAX_WINDOW_GROUPS, found: window_groups });
        }
        Ok(Self {
            stream_tag,
            window_groups,
            codes: Codes::new(engine),
            groups: VecDeque::with_capacity(1), // that of a stream that is joined
            past: 0,
            base: None,
            strays: Run::default(),
            left_epoch: None,
            left: Run::default(),
            followed: Run::default(),
            full_data_shards: 0,
            stats: PacketStats::default(),
        })
    }

    /// Takes one datagram, of any bytes, and calls `deliver` with each packet whose turn has come.
    pub fn add(&mut self, datagram: &[u8], mut deliver: impl FnMut(&[u8])) {
        self.stats.received += 1;
        let verdict = match Header::open(datagram) {
            Some((header, shard)) if header.stream_tag == self.stream_tag => {
                self.take(header, shard, &mut deliver)
            }
            _ => Verdict::Damaged,
        };
        match verdict {
            Verdict::Useful | Verdict::Spare => {}
            Verdict::Damaged => self.stats.damaged += 1,
            Verdict::Duplicate => self.stats.duplicate += 1,
            Verdict::Late => self.stats.late += 1,
        }
    }

    /// Gives up waiting: calls `deliver` with all packets that are here, in order. Those that are missing before one of
    /// them are not delivered any more; those behind are, if they come.
    pub fn flush(&mut self, mut deliver: impl FnMut(&[u8])) {
        while self.groups.len() > self.past + 1 {
            self.give_up_group(&mut deliver);
        }
        if let Some(group) = self.groups.get_mut(self.past) {
            self.stats.given_up += skip(group, group.data_end(), &mut deliver);
        }
        self.deliver_in_order(&mut deliver);
    }

    /// The counts since the decoder was made.
    #[must_use]
    pub fn stats(&self) -> PacketStats {
        self.stats
    }

    /// Bytes of the shards that it holds: to deliver them, or to recover others by them. It says how much of the window a
    /// link makes use of.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.groups.iter().map(Group::held_bytes).sum()
    }

    fn take(&mut self, header: Header, shard: &[u8], deliver: &mut impl FnMut(&[u8])) -> Verdict {
        let Some(ahead) = self.approach(header, deliver) else { return Verdict::Late };
        // No more than REACH, which any usize holds.
        let distance = ahead.unsigned_abs() as usize;
        if ahead < 0 {
            let known = self.past.checked_sub(distance).map(|at| &mut self.groups[at]);
            return known.map_or(Verdict::Late, |group| group.judge_when_closed(header.index));
        }
        let beyond = (distance + 1).saturating_sub(self.window_groups);
        self.slide(beyond, deliver);
        let at = self.past + distance - beyond;
        if self.groups.len() <= at {
            if self.groups.try_reserve(at + 1 - self.groups.len()).is_err() {
                return Verdict::Late;
            }
            self.groups.resize_with(at + 1, Group::default);
        }
        let group = &mut self.groups[at];
        let verdict = group.insert(header, shard);
        if matches!(verdict, Verdict::Damaged | Verdict::Duplicate) {
            return verdict;
        }
        if header.is_data() || self.full_data_shards == 0 {
            self.full_data_shards = header.data_shards;
        }
        let recovered = group.repair(&mut self.codes);
        self.deliver_in_order(deliver);
        self.stats.recovered += recovered.unwrap_or(0) as u64;
        if recovered.is_some() { verdict } else { Verdict::Damaged }
    }

    /// How far the datagram's group is ahead of the window's first, which is moved there if it is far; nothing for a stray.
    fn approach(&mut self, header: Header, deliver: &mut impl FnMut(&[u8])) -> Option<i32> {
        let position = Position::of(header);
        if let Some(base) = self.base {
            if let Some(ahead) = position.near(base) {
                self.follow(position);
                return Some(ahead);
            }
            let is_stray = !position.is_after(base) || self.left_epoch == Some(position.epoch);
            if is_stray && !self.have_strays_gone_on(position) {
                return None;
            }
            if is_stray && position.epoch != base.epoch {
                self.left_epoch = Some(base.epoch);
            }
            self.flush(&mut *deliver);
        }
        Some(position.ahead_of(self.join(header)))
    }

    /// Drops strays when what is followed has gone on for longer than they can.
    fn follow(&mut self, position: Position) {
        let are_there_strays = self.strays.from.or(self.left.from).is_some();
        if are_there_strays && self.followed.take(position) >= self.window_groups {
            self.drop_strays();
        }
    }

    fn drop_strays(&mut self) {
        self.strays = Run::default();
        self.left = Run::default();
        self.followed = Run::default();
    }

    /// Whether so many groups of strays have passed, with this one, that they are no late ones of an encoder that is over.
    fn have_strays_gone_on(&mut self, position: Position) -> bool {
        let run = if self.left_epoch == Some(position.epoch) { &mut self.left } else { &mut self.strays };
        run.take(position) >= self.window_groups + self.followed.groups
    }

    /// Drops all groups and starts the window where the datagram is.
    fn join(&mut self, header: Header) -> Position {
        self.groups.clear();
        self.past = 0;
        self.drop_strays();
        let is_early = usize::try_from(header.group).is_ok_and(|groups| groups < self.window_groups);
        let mut base = Position::of(header);
        if is_early {
            base.group = 0;
        } else {
            let next = header.index.min(header.data_shards);
            self.groups.push_back(Group::joined_at(next));
        }
        self.base = Some(base);
        base
    }

    /// Moves the window on by so many groups.
    fn slide(&mut self, count: usize, deliver: &mut impl FnMut(&[u8])) {
        let known = count.min(self.groups.len() - self.past);
        (0..known).for_each(|_| self.give_up_group(deliver));
        // In one step, so that a datagram from far ahead costs no more than another.
        let unknown = count - known;
        if unknown > 0 {
            self.stats.given_up += (unknown * self.full_data_shards) as u64;
            self.groups.clear();
            self.past = 0;
            self.advance(unknown);
        }
    }

    /// Delivers what there is of the window's first group, and leaves it.
    fn give_up_group(&mut self, deliver: &mut impl FnMut(&[u8])) {
        let group = &mut self.groups[self.past];
        let end = group.data_shards().unwrap_or(self.full_data_shards);
        self.stats.given_up += skip(group, end, deliver);
        self.leave_group();
    }

    fn deliver_in_order(&mut self, deliver: &mut impl FnMut(&[u8])) {
        while let Some(group) = self.groups.get_mut(self.past) {
            while let Some(packet) = group.packet(group.next) {
                deliver(packet);
                group.next += 1;
            }
            if !group.is_over() {
                return;
            }
            self.leave_group();
        }
    }

    /// The window's first group becomes past, and the oldest past one is dropped.
    fn leave_group(&mut self) {
        self.groups[self.past].close();
        self.advance(1);
        if self.past == self.window_groups {
            self.groups.pop_front();
        } else {
            self.past += 1;
        }
    }

    fn advance(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(base) = &mut self.base {
            base.group = base.group.wrapping_add(count);
        }
    }
}

/// Delivers what there is before `end`, and returns how many packets it gave up for that.
fn skip(group: &mut Group, end: usize, deliver: &mut impl FnMut(&[u8])) -> u64 {
    let mut missing = 0;
    while group.next < end {
        match group.packet(group.next) {
            Some(packet) => deliver(packet),
            None => missing += 1,
        }
        group.next += 1;
    }
    group.is_lossy |= missing > 0;
    missing
}
