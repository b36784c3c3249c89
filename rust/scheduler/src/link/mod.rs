//! Which stream's packet leaves next on a link, and when.
//!
//! A tree of classes with streams as leaves. Each stream may have a guaranteed rate, a ceiling, a weight and a delay; each
//! class a share, a weight and a ceiling. Packets are sizes: the bytes stay with the caller, who learns which
//! stream's packet starts when. There is no clock and no I/O here; a call carries the time, and what comes out is a
//! function of the calls.
//!
//! Two stages, after the hierarchical fair service curve scheduler (Stoica, Zhang, Ng, SIGCOMM 1997):
//! - *Guarantees*: packets that one covers go first once they are eligible, by deadline ([`guarantees`]).
//! - *The share* divides what is left, at each class among its children by weight ([`sharing`], [`fair`]). What a child had by
//!   its guarantees counts: it pays with turns in which nothing is sent.
//!
//! Ceilings bind both: a node whose ceiling is shut is in neither stage until it opens ([`ceilings`]).
//!
//! What is set holds from the moment on at which it is set: every change first makes the decisions before it.
//!
//! A departure is the *start* of sending. Decisions are always made for the moment of that start and with what had been
//! enqueued by then, however late the call comes that asks for them.
//!
//! The heaps of the first stage hold exact times and cost a few steps more, as they grow, than buckets would. Only
//! streams that have a guarantee or are at their ceiling are in them; the share, where all are, takes constant time.
//!
//! Who calls whom, downwards only. Each owner has private fields and guards what is said of it:
//!
//! ```text
//! calls      enqueue   departures   building   changes   stats    check, then catch up, then change
//! checks     ranges (of one setting)   claims (beside those of others)      read only
//! decisions  dispatch: which packet starts when
//! moves      stages: a node enters and leaves the owners' parts
//! owners     queues       packets in order, bytes of all, the fattest queue; CoDel
//!            sharing      a class is open while a child is in its share
//!            guarantees   curves; an open stream with one is in one heap, of eligible times or of deadlines
//!            ceilings     ceilings; a node waits in the heap until it opens
//!            commitments  (promises) sums over each class are those of its streams
//!            clock        the link's rate, its own time, the packet on its way
//!            tree         parents, children, settings, handles; a node's hot and cold record
//! values     curve   fair   heap   pace   ids
//! ```
#![allow(clippy::cast_possible_truncation)] // indices and sizes are checked to be below 2³² where they come in

mod building;
mod ceilings;
mod changes;
mod claims;
mod clock;
mod config;
mod departures;
mod dispatch;
mod enqueue;
mod error;
mod fair;
mod guarantees;
mod heap;
mod ids;
mod pace;
mod promises;
mod queues;
mod ranges;
mod sharing;
mod stages;
mod stats;
mod tree;

pub use config::{Aqm, ClassConfig, Drop, LinkOptions, StreamConfig};
pub use departures::Columns;
pub use error::LinkError;
pub use stats::LinkStats;

use std::collections::VecDeque;

use ceilings::Ceilings;
use clock::LinkClock;
use departures::Departure;
use guarantees::Guarantees;
use ids::ROOT;
use promises::Commitments;
use queues::Queues;
use sharing::Sharing;
use tree::Tree;

/// Decides which stream's packet leaves next, and when.
///
/// Handles are numbers that name a class or a stream for good: that of a removed one is never given again. Times are
/// nanoseconds since any epoch, and never go back. After an error nothing has changed.
///
/// ```
/// use honeylink_scheduler::{Columns, LinkOptions, LinkScheduler, Priority, StreamConfig};
///
/// let mut link = LinkScheduler::new(10_000, LinkOptions::default())?;
/// let root = link.root();
/// let video = link.add_stream(root, 0, StreamConfig { rate_kbps: 5_000, ..Default::default() })?;
/// let control = link.add_stream(
///     root,
///     0,
///     StreamConfig { priority: Priority::Latency, rate_kbps: 50, ..Default::default() },
/// )?;
/// link.enqueue(&[video, video, control], &[1250, 1250, 100], 0, &mut [0; 3])?;
///
/// let (mut streams, mut sequences, mut sizes) = ([0; 8], [0; 8], [0; 8]);
/// let (mut departures_ns, mut marks) = ([0; 8], [0; 8]);
/// let mut out = Columns::new(&mut streams, &mut sequences, &mut sizes, &mut departures_ns, &mut marks)?;
/// let count = link.dequeue(2_000_000, 8, None, &mut out)?;
/// // The second packet of the video is beyond its rate, so what is within its own goes first.
/// assert_eq!(streams[..count], [video, control, video]);
/// assert_eq!(departures_ns[..count], [0, 1_000_000, 1_080_000]);
/// assert_eq!(link.next_event_ns(2_000_000)?, None);
/// # Ok::<(), honeylink_scheduler::LinkError>(())
/// ```
#[derive(Debug)]
pub struct LinkScheduler {
    options: LinkOptions,
    clock: LinkClock,
    tree: Tree,
    queues: Queues,
    sharing: Sharing,
    guarantees: Guarantees,
    ceilings: Ceilings,
    commitments: Commitments,
    /// Sent by now, since a call came that changes what follows, and not fetched yet.
    late: VecDeque<Departure>,
}

impl LinkScheduler {
    /// The handle of the root, the class that all others are in.
    #[must_use]
    pub fn root(&self) -> u32 {
        self.tree.handle_of(ROOT)
    }

    /// The link's rate.
    #[must_use]
    pub const fn rate_kbps(&self) -> u64 {
        self.clock.rate_kbps()
    }

    /// The latest time of a call.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// The options that it was made with.
    #[must_use]
    pub const fn options(&self) -> &LinkOptions {
        &self.options
    }
}
