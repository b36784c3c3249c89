//! Choosing parity: the least that brings groups through a link's losses as often as wanted.
//!
//! All data of a group comes back when at least k of its k + m packets arrive. How often they do depends on how
//! much a link loses and on how its losses cluster: in bursts, the groups that are hit lose many at once.
//! Bursts are the two-state chain of E. N. Gilbert ("Capacity of a burst-noise channel", Bell System Technical
//! Journal 39, 1960): in the bad state all packets are lost, in the good one none. Independent loss is the chain
//! without memory.
//!
//! Whatever the chain, one more parity shard never makes recovery rarer: a group with it is the same run of
//! packets and one more, and where k of the first k + m arrive, k of the first k + m + 1 do. So the first
//! parity that reaches the target is the least, and one walk over the packets of a group meets all of them.
//!
//! The walk adds and multiplies what is never negative, so nothing cancels: the probability to *fail* is right
//! to 12 digits, however small it is, and it is what the target is held against. The road not taken: the
//! regularised incomplete beta function gives independent loss alone, and for a few hundred shards no faster.

use core::fmt;

use crate::MAX_SHARDS;

/// How much parity a group needs, and what it gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// k, the number of data shards of a group.
    pub data_shards: usize,
    /// m, the number of parity shards of a group.
    pub parity_shards: usize,
    /// The probability that all data of a group comes back, rounded down: 1 means always.
    pub recovery: f64,
}

impl Plan {
    /// What parity costs: m / k.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // both are at most 256
    pub fn overhead(&self) -> f64 {
        self.parity_shards as f64 / self.data_shards as f64
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PlanError {
    /// A group has 1 to 256 data shards.
    DataShards {
        /// The k that was asked for.
        found: usize,
    },
    /// A probability is a number from 0 to 1.
    Probability {
        /// Which one.
        name: &'static str,
        /// Its value.
        found: f64,
    },
    /// No link loses that much in bursts that short.
    Burst {
        /// The shortest mean burst there can be at this loss; infinite where everything is lost.
        least: f64,
        /// What was given.
        found: f64,
    },
    /// Not even the most parity that a group can have is enough.
    Unreachable {
        /// The probability to recover a group of 256 shards, rounded down.
        best: f64,
        /// The probability that was asked for.
        target: f64,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataShards { found } => {
                write!(f, "data_shards: expected 1 to {MAX_SHARDS}, found {found}")
            }
            Self::Probability { name, found } => {
                write!(f, "{name}: expected a probability from 0 to 1, found {found}")
            }
            Self::Burst { least, found } if least.is_finite() => {
                write!(f, "burst: expected a number of packets from {least} on at this loss, found {found}")
            }
            Self::Burst { found, .. } => {
                write!(f, "burst: expected none, as a loss of 1 is no burst that ends, found {found}")
            }
            Self::Unreachable { best, target } => {
                write!(f, "expected a recovery of at most {best}, the best at this loss, found {target}")
            }
        }
    }
}

impl core::error::Error for PlanError {}

/// The least parity whose group of `data_shards` recovers with a probability of at least `target`.
///
/// `loss` is the share of packets that are lost: independently of each other, or in bursts of `burst` packets
/// on average. A `target` of 1 asks for certainty.
///
/// ```
/// use honeylink_fec::plan;
///
/// assert_eq!(plan(0.02, 0.999, 10, None)?.parity_shards, 3);
/// assert_eq!(plan(0.02, 0.999, 10, Some(3.0))?.parity_shards, 12);
/// # Ok::<(), honeylink_fec::PlanError>(())
/// ```
///
/// # Errors
/// [`PlanError::Unreachable`] when 256 shards are too few; else an argument that can't be, see its variants.
pub fn plan(loss: f64, target: f64, data_shards: usize, burst: Option<f64>) -> Result<Plan, PlanError> {
    let chain = Chain::of(probability("loss", loss)?, burst)?;
    let target = probability("target", target)?;
    if !(1..=MAX_SHARDS).contains(&data_shards) {
        return Err(PlanError::DataShards { found: data_shards });
    }
    let mut group = Group::new(&chain, data_shards);
    for parity_shards in 0..=MAX_SHARDS - data_shards {
        let failure = group.failure(data_shards + parity_shards);
        // Of a target from 1/2 on the first is exact, of a smaller one the second, and the other follows.
        if failure <= 1.0 - target && 1.0 - failure >= target {
            return Ok(Plan { data_shards, parity_shards, recovery: complement(failure) });
        }
    }
    Err(PlanError::Unreachable { best: complement(group.failure(MAX_SHARDS)), target })
}

fn probability(name: &'static str, value: f64) -> Result<f64, PlanError> {
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(PlanError::Probability { name, found: value }) }
}

/// 1 - `failure`, rounded down, so that what it says is reached.
fn complement(failure: f64) -> f64 {
    let nearest = 1.0 - failure;
    if failure > 1.0 - nearest { nearest.next_down() } else { nearest }
}

/// How a link loses packets: after a packet that arrived, and after one that was lost.
struct Chain {
    loss: f64,
    lost_after_arrived: f64,
    lost_after_lost: f64,
}

impl Chain {
    fn of(loss: f64, burst: Option<f64>) -> Result<Self, PlanError> {
        let Some(burst) = burst else {
            return Ok(Self { loss, lost_after_arrived: loss, lost_after_lost: loss });
        };
        let odds = loss / (1.0 - loss);
        // As many bursts begin as end: loss / burst = (1 - loss) * lost_after_arrived.
        let lost_after_arrived = odds / burst;
        // What 1 - loss was rounded by is forgiven: a loss of 0.9 in bursts of 9 leaves nothing in between.
        if !burst.is_finite() || burst < 1.0 || lost_after_arrived > 1.0 + 4.0 * f64::EPSILON {
            return Err(PlanError::Burst { least: odds.max(1.0), found: burst });
        }
        Ok(Self {
            loss,
            lost_after_arrived: lost_after_arrived.min(1.0),
            lost_after_lost: (burst - 1.0) / burst,
        })
    }

    /// How many of a number of packets can be lost at all.
    fn most_lost(&self, packets: usize) -> usize {
        if self.loss == 0.0 {
            0
        } else if self.lost_after_lost == 0.0 {
            packets.div_ceil(2)
        } else {
            packets
        }
    }
}

/// A group whose packets are sent one by one, for as long as fewer than k have arrived.
struct Group<'a> {
    chain: &'a Chain,
    sent: usize,
    /// For each number of packets that have arrived, up to k - 1: how probable it is, with the last packet
    /// arrived and with the last packet lost.
    waiting: Vec<[f64; 2]>,
}

impl<'a> Group<'a> {
    fn new(chain: &'a Chain, data_shards: usize) -> Self {
        let mut waiting = vec![[0.0; 2]; data_shards];
        waiting[0] = [1.0 - chain.loss, chain.loss]; // the packet before the first, of whichever group
        Self { chain, sent: 0, waiting }
    }

    /// The probability that fewer than k of `packets` arrive, given that no fewer were asked about before.
    fn failure(&mut self, packets: usize) -> f64 {
        while self.sent < packets {
            self.send();
        }
        let parity_shards = packets - self.waiting.len();
        if self.chain.most_lost(packets) <= parity_shards {
            return 0.0;
        }
        // Too small for a number, it is still no certainty.
        let failure: f64 = self.waiting.iter().flatten().sum();
        failure.clamp(f64::MIN_POSITIVE, 1.0)
    }

    fn send(&mut self) {
        let Chain { lost_after_arrived, lost_after_lost, .. } = *self.chain;
        let mut arriving = 0.0;
        for waiting in &mut self.waiting {
            let [arrived, lost] = *waiting;
            *waiting = [arriving, arrived * lost_after_arrived + lost * lost_after_lost];
            arriving = arrived * (1.0 - lost_after_arrived) + lost * (1.0 - lost_after_lost);
        }
        self.sent += 1;
    }
}
