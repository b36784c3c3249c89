//! What has become of the packets of a stream, a class or the whole link.

use core::ops::AddAssign;

use super::{LinkError, LinkScheduler};

/// Counts of packets. At all times `enqueued = dequeued + queued_packets + dropped_after_acceptance()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Accepted.
    pub enqueued: u64,
    /// Handed out.
    pub dequeued: u64,
    /// Of those handed out, marked.
    pub marked: u64,
    /// Waiting, or sent by now and not yet handed out.
    pub queued_packets: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Not accepted: the stream had as many packets queued as it may.
    pub dropped_queue_packets: u64,
    /// Not accepted: the stream had as many bytes queued as it may.
    pub dropped_queue_bytes: u64,
    /// Dropped from the fattest queue when all together held too much.
    pub dropped_memory: u64,
    /// Dropped since they stood for too long.
    pub dropped_aqm: u64,
    /// Dropped with their stream.
    pub dropped_removed: u64,
}

impl LinkStats {
    /// Packets that were queued and never sent.
    #[must_use]
    pub const fn dropped_after_acceptance(&self) -> u64 {
        self.dropped_memory + self.dropped_aqm + self.dropped_removed
    }
}

impl AddAssign for LinkStats {
    fn add_assign(&mut self, other: Self) {
        self.enqueued += other.enqueued;
        self.dequeued += other.dequeued;
        self.marked += other.marked;
        self.queued_packets += other.queued_packets;
        self.queued_bytes += other.queued_bytes;
        self.dropped_queue_packets += other.dropped_queue_packets;
        self.dropped_queue_bytes += other.dropped_queue_bytes;
        self.dropped_memory += other.dropped_memory;
        self.dropped_aqm += other.dropped_aqm;
        self.dropped_removed += other.dropped_removed;
    }
}

impl LinkScheduler {
    /// What a stream, or all in a class now and before, has counted; everything for the root.
    ///
    /// # Errors
    /// [`LinkError::UnknownHandle`].
    pub fn stats(&self, handle: u32) -> Result<LinkStats, LinkError> {
        let id = self.tree.find("handle", None, handle)?;
        let mut stats = LinkStats::default();
        for id in self.tree.with_descendants(id) {
            stats += self.tree.record(id).stats(self.tree.node(id));
        }
        for departure in self.late.iter().filter(|departure| self.tree.is_within(departure.counted_by, id)) {
            stats.dequeued -= 1;
            stats.marked -= u64::from(departure.is_marked);
            stats.queued_packets += 1;
            stats.queued_bytes += u64::from(departure.size);
        }
        Ok(stats)
    }
}
