//! How lost shards follow from the present ones, worked out once for each pattern of losses.
//!
//! A link loses a few patterns over and over, and working one out costs as much as repairing a small group, so each
//! code remembers the first that it sees, as many as 1 MiB holds and 256 at most. It never drops one: then reading needs
//! no lock, and a pattern that came too late is worked out each time.

use std::sync::OnceLock;

use arrayvec::ArrayVec;

use crate::{
    MAX_SHARDS, Matrix,
    engine::{Engine, FirstRow, Product},
    matrix::Points,
};

/// A set of shards of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shards([u64; 4]);

impl Shards {
    pub(crate) fn insert(&mut self, shard: usize) {
        self.0[shard / 64] |= 1 << (shard % 64);
    }

    pub(crate) fn contains(self, shard: usize) -> bool {
        self.0[shard / 64] >> (shard % 64) & 1 == 1
    }
}

/// Which shards are there, and which of the others are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) present: Shards,
    pub(crate) wanted: Shards,
}

impl Pattern {
    /// A place for it among `places`, a power of two. Multiplication spreads the few bits that differ (Knuth's
    /// multiplicative hashing); the high half is the well mixed one.
    fn place(self, places: usize) -> usize {
        let folded =
            |shards: Shards| shards.0.into_iter().fold(0_u64, |sum, word| sum.rotate_left(17) ^ word);
        let mixed =
            (folded(self.present) ^ folded(self.wanted).rotate_left(7)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & (places - 1)
    }
}

/// Makes the wanted shards, ascending, from the first k present ones, ascending.
pub(crate) struct Recovery {
    pattern: Pattern,
    pub(crate) product: Product,
}

impl Recovery {
    /// Solves the pattern, in which at least k shards are present.
    pub(crate) fn solve(
        points: &Points,
        engine: Engine,
        matrix: Matrix,
        data_shards: usize,
        pattern: Pattern,
    ) -> Self {
        let shards = || (0..=255_u8).take(points.count());
        let is_data = |&shard: &u8| usize::from(shard) < data_shards;
        let present = shards().filter(|&shard| pattern.present.contains(shard.into()));
        let sources: ArrayVec<u8, MAX_SHARDS> = present.take(data_shards).collect();
        let used = &sources[sources.partition_point(is_data)..];
        let absent = shards().filter(|&shard| !pattern.present.contains(shard.into()));
        let lost: ArrayVec<u8, MAX_SHARDS> = absent.take_while(is_data).collect();
        let targets: ArrayVec<u8, MAX_SHARDS> =
            shards().filter(|&shard| pattern.wanted.contains(shard.into())).collect();

        let formula = points.interpolation(&lost, used);
        let targets_parts: ArrayVec<_, MAX_SHARDS> =
            targets.iter().map(|&target| (target, formula.of_target(target.into()))).collect();
        let sources_parts: ArrayVec<_, MAX_SHARDS> =
            sources.iter().map(|&source| (source, formula.of_source(source.into()))).collect();
        let coefficient =
            |row: usize, column: usize| formula.coefficient(targets_parts[row], sources_parts[column]);
        let size = (targets.len(), sources.len());
        // The first parity shard is the sum of all data shards, so the lost ones add up to it and the others.
        let is_sum_known =
            matrix == Matrix::Cauchy && used.first().is_some_and(|&first| usize::from(first) == data_shards);
        let product = if is_sum_known && targets == lost && targets.len() <= engine.pass_rows() {
            let ones = FirstRow::SumIsOnes(sources.len() - used.len() + 1);
            Product::with_first_row(engine, size, ones, coefficient)
        } else {
            Product::new(engine, size, coefficient)
        };
        Self { pattern, product }
    }
}

/// The recoveries that one code remembers.
#[derive(Default)]
pub(crate) struct Recoveries {
    /// Made at the first loss: a sender never needs them.
    places: OnceLock<Box<[OnceLock<Recovery>]>>,
}

/// What the factors of one code's recoveries may weigh together.
const RECOVERIES_BYTES: usize = 1 << 20;

/// Most recoveries that one code remembers. 10 + 2 can lose one or two shards in 78 ways.
const PLACES_AT_MOST: usize = 256;

/// In how many places, one after the other, a pattern may stand.
const PROBES: usize = 4;

impl Recoveries {
    /// Uses the pattern's recovery, solved now unless it is remembered. The factors of any weigh no more than
    /// `bytes_at_most`, always the same.
    pub(crate) fn with(
        &self,
        pattern: Pattern,
        bytes_at_most: usize,
        solve: impl Fn() -> Recovery,
        using: impl FnOnce(&Recovery),
    ) {
        let places = self.places.get_or_init(|| {
            let count = (RECOVERIES_BYTES / bytes_at_most.max(1)).clamp(1, PLACES_AT_MOST);
            (0..1 << count.ilog2()).map(|_| OnceLock::new()).collect()
        });
        let first = pattern.place(places.len());
        let place = |probe: usize| &places[(first + probe) & (places.len() - 1)];
        let is_free_or_ours =
            |place: &&OnceLock<Recovery>| place.get().is_none_or(|one| one.pattern == pattern);
        let place = (0..PROBES).map(place).find(is_free_or_ours);
        // Another thread may take a free place meanwhile, for this pattern or another.
        match place.map(|place| place.get_or_init(&solve)).filter(|recovery| recovery.pattern == pattern) {
            Some(recovery) => using(recovery),
            None => using(&solve()),
        }
    }
}
