//! Which stream's packet leaves next on a link, and when.
//!
//! A tree of classes with streams as leaves. Each stream may have a guaranteed rate, a ceiling, a weight and a delay; each
//! class a share, a weight and a ceiling. Packets are sizes: the bytes stay with the caller, who learns which
//! stream's packet starts when. There is no clock and no I/O here; a call carries the time, and what comes out is a
//! function of the calls.
//!
//! Two stages, after the hierarchical fair service curve scheduler (Stoica, Zhang, Ng, SIGCOMM 1997):
//! - *Due packets*, those that a guarantee covers, go first, by deadline ([`curve`], [`promises`]).
//! - *The share* divides what is left, at each class among its children by weight ([`fair`]). What a child had by its
//!   guarantees counts: it pays with turns in which nothing is sent.
//!
//! Ceilings bind both: a node whose ceiling is shut is in neither stage until it opens ([`stages`]).
//!
//! What is set holds from the moment on at which it is set: every change first makes the decisions before it.
//!
//! A departure is the *start* of sending. Decisions are always made for the moment of that start and with what had been
//! enqueued by then, however late the call comes that asks for them.
//!
//! The heaps of the first stage hold exact times and cost a few steps more, as they grow, than buckets would. Only
//! streams that have a guarantee or are at their ceiling are in them; the share, where all are, takes constant time.
#![allow(clippy::cast_possible_truncation)] // indices and sizes are checked to be below 2³² where they come in

mod changes;
mod codel;
mod config;
mod curve;
mod departures;
mod error;
mod fair;
mod handles;
mod heap;
mod node;
mod pace;
mod packets;
mod promises;
mod queues;
mod records;
mod sending;
mod settings;
mod stages;
mod stats;
mod tree;

use std::collections::VecDeque;

pub use config::{Aqm, ClassConfig, Drop, LinkOptions, StreamConfig};
pub use departures::Columns;
pub use error::LinkError;
pub use stats::LinkStats;

use departures::Departure;
use heap::Heap;
use node::Node;
use pace::{Ceiling, Moment, Pace};
use packets::Packets;
use records::{Class, Cold};

use curve::Curve;

/// The root's class.
const ROOT: u32 = 0;
/// The fastest link and the highest ceiling: 1 Tbit/s.
const RATE_MAX_KBPS: u64 = 1_000_000_000;
/// How many packets may be sent and not yet fetched, before the link stands still until they are.
const LATE_PACKETS_MAX: usize = 1 << 16;

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
    rate_kbps: u64,
    /// The weight of who has no rate. It stays when the link's rate changes, or some would weigh more than others.
    default_weight_kbps: u64,
    pace: Pace,
    /// The latest time of a call.
    now_ns: u64,
    /// How long the link has stood still in all, since nobody fetched what it sent. All times but those that callers give and
    /// get are the link's own, which leave that out.
    stood_ns: u64,
    /// When the packet on its way has been sent.
    free: Moment,
    /// Since when there has been something that may be sent.
    ready_ns: u64,

    nodes: Vec<Node>,
    ceilings: Vec<Ceiling>,
    nodes_with_ceilings: u32,
    curves: Vec<Curve>,
    colds: Vec<Cold>,
    classes: Vec<Class>,
    free_nodes: Vec<u32>,
    free_classes: Vec<u32>,

    packets: Packets,
    queued_bytes: u64,
    /// Streams by what they queue, the fattest first; kept only if memory is limited.
    fattest: Heap,
    fattest_places: Vec<u32>,

    /// Nodes whose ceiling is shut, by when it opens.
    waiting: Heap,
    /// Streams whose guarantee is not due yet, by when it is.
    early: Heap,
    places: Vec<u32>,
    streams_with_curves: u32,

    /// Sent by now, since a call came that changes what follows, and not fetched yet.
    late: VecDeque<Departure>,
}
