//! How streams share what is not enough for all of them.
//!
//! They are filled most urgent first, so that it is the least urgent that go short. Those of one priority rise
//! together, like water in vessels as wide as what each asks for: at a level λ a stream has the part λ of its ask, or
//! its floor where that is more. Then nobody could be better off but at the cost of one who has no larger part than he.
//!
//! kbps are whole. The level is the highest at which the parts come to no more than there is and fit when each is
//! rounded down; what is then left goes one kbps each to those who lost most by rounding, in stream order among
//! equals. Pools that charge by wire may have something left that fits one stream and not another, so it goes round
//! until nothing fits anywhere. A level is a fraction of two sums of kbps, and only products of integers are compared.

use core::cmp::Reverse;

use super::{
    Priority, StreamAsk,
    room::{Cost, Room, total_cost},
};

/// The most that streams can have within `room`, none below its floor or above its ask; nothing if not even the
/// floors fit. One kbps more on any stream does not fit.
pub(super) fn share_out(streams: &[StreamAsk], floors_kbps: &[u64], room: Room) -> Option<Vec<u64>> {
    let cost = total_cost(streams, floors_kbps.iter().copied());
    if !room.takes(cost) {
        return None;
    }
    let mut sharing = Sharing { streams, shares_kbps: floors_kbps.to_vec(), left: room.minus(cost) };
    for priority in Priority::ALL {
        sharing.fill(priority);
    }
    Some(sharing.shares_kbps)
}

/// A stream that has its floor and asks for more.
#[derive(Clone, Copy)]
struct Rising {
    stream: usize,
    floor_kbps: u128,
    ask_kbps: u128,
}

/// The part of its ask that each rising stream has, unless its floor is more.
#[derive(Clone, Copy)]
struct Level {
    shares_kbps: u128,
    asks_kbps: u128,
}

impl Level {
    /// The level at which the streams come to `total_kbps` before rounding: from the sum of their floors to that of
    /// their asks. The streams stand in the order in which a falling level leaves them at their floors.
    fn of_total(total_kbps: u128, rising: &[Rising]) -> Self {
        let asks_kbps = rising.iter().map(|each| each.ask_kbps).sum();
        let mut level = Self { shares_kbps: total_kbps, asks_kbps };
        for each in rising {
            if !level.is_below_floor(each) {
                break;
            }
            level.shares_kbps -= each.floor_kbps;
            level.asks_kbps -= each.ask_kbps;
        }
        level
    }

    fn is_below_floor(self, each: &Rising) -> bool {
        self.shares_kbps * each.ask_kbps < each.floor_kbps * self.asks_kbps
    }

    fn share_kbps(self, each: &Rising) -> u64 {
        let share_kbps = (self.shares_kbps * each.ask_kbps / self.asks_kbps).max(each.floor_kbps);
        u64::try_from(share_kbps).expect("a part of what the stream asks for")
    }

    /// What rounding takes, in parts of a kbps that are the same for all streams.
    fn remainder(self, each: &Rising) -> u128 {
        if self.is_below_floor(each) { 0 } else { self.shares_kbps * each.ask_kbps % self.asks_kbps }
    }
}

struct Sharing<'a> {
    streams: &'a [StreamAsk],
    shares_kbps: Vec<u64>,
    left: Room,
}

impl Sharing<'_> {
    fn fill(&mut self, priority: Priority) {
        let mut rising = self.rising(priority);
        let asks = rising.iter().map(|each| (each.stream, self.streams[each.stream].bandwidth_kbps));
        if self.raise(&asks.collect::<Vec<_>>()) {
            return;
        }
        rising.sort_by(|a, b| (b.floor_kbps * a.ask_kbps).cmp(&(a.floor_kbps * b.ask_kbps)));
        let level = self.highest_level(&rising);
        self.raise(&shares(level, &rising));
        rising.sort_by_key(|each| (Reverse(level.remainder(each)), each.stream));
        while self.raise_by_one(&rising) {}
    }

    fn rising(&self, priority: Priority) -> Vec<Rising> {
        let with_shares = self.streams.iter().zip(&self.shares_kbps).enumerate();
        with_shares
            .filter(|(_, (ask, share_kbps))| ask.priority == priority && **share_kbps < ask.bandwidth_kbps)
            .map(|(stream, (ask, &share_kbps))| Rising {
                stream,
                floor_kbps: share_kbps.into(),
                ask_kbps: ask.bandwidth_kbps.into(),
            })
            .collect()
    }

    /// The highest that the room allows. Higher levels cost more, so it is found by halving.
    fn highest_level(&self, rising: &[Rising]) -> Level {
        let floors_kbps: u128 = rising.iter().map(|each| each.floor_kbps).sum();
        let asks_kbps: u128 = rising.iter().map(|each| each.ask_kbps).sum();
        let mut high = asks_kbps.min(floors_kbps + self.left.payload_kbps().unsigned_abs());
        let mut low = floors_kbps;
        let mut total_kbps = high; // most often it is the one
        while low < high {
            let level = Level::of_total(total_kbps, rising);
            if self.left.takes(self.cost_of_raising(&shares(level, rising))) {
                low = total_kbps;
            } else {
                high = total_kbps - 1;
            }
            total_kbps = high - (high - low) / 2;
        }
        Level::of_total(low, rising)
    }

    /// One kbps for each that it fits, in order; false if it fits none.
    fn raise_by_one(&mut self, rising: &[Rising]) -> bool {
        let mut fitted = false;
        for &Rising { stream, .. } in rising {
            let share_kbps = self.shares_kbps[stream];
            if share_kbps < self.streams[stream].bandwidth_kbps {
                fitted |= self.raise(&[(stream, share_kbps + 1)]);
            }
        }
        fitted
    }

    /// Raises streams to what is given, all of them, if that fits.
    fn raise(&mut self, to: &[(usize, u64)]) -> bool {
        let cost = self.cost_of_raising(to);
        let fits = self.left.takes(cost);
        if fits {
            self.left = self.left.minus(cost);
            for &(stream, kbps) in to {
                self.shares_kbps[stream] = kbps;
            }
        }
        fits
    }

    fn cost_of_raising(&self, to: &[(usize, u64)]) -> Cost {
        let cost = |stream: usize, kbps| Cost::of(&self.streams[stream], kbps);
        let more =
            |&(stream, kbps): &(usize, u64)| cost(stream, kbps) - cost(stream, self.shares_kbps[stream]);
        to.iter().map(more).fold(Cost::default(), |sum, more| sum + more)
    }
}

fn shares(level: Level, rising: &[Rising]) -> Vec<(usize, u64)> {
    rising.iter().map(|each| (each.stream, level.share_kbps(each))).collect()
}
