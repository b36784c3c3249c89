//! What a link, a class and a stream are set to.

use crate::Priority;

/// What becomes of packets that stand in a queue for long: `CoDel` (RFC 8289), 5 ms over 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aqm {
    /// They are dropped.
    CodelDrop,
    /// They leave with a mark, as ECN has it.
    CodelMark,
}

/// Settings of a link that hold for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkOptions {
    /// The largest packet, 64 to 65,535.
    pub mtu_bytes: u32,
    /// What each packet takes on the link on top of its size, up to 65,535: preamble, headers, gap.
    pub overhead_bytes: u32,
    /// What all queues together may hold in bytes of packets' sizes, at least one packet; beyond it the fattest is
    /// dropped from. The scheduler itself takes 16 bytes a queued packet, which do not count. No limit if none.
    pub memory_bytes: Option<u64>,
    /// Whether standing queues are signalled; not if none.
    pub aqm: Option<Aqm>,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { mtu_bytes: 1514, overhead_bytes: 0, memory_bytes: None, aqm: None }
    }
}

/// Settings of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClassConfig {
    /// Its weight among its siblings, and what admission keeps free for the guarantees of its descendants. It is none itself.
    pub rate_kbps: u64,
    /// What it never exceeds.
    pub ceil_kbps: Option<u64>,
    /// Its weight among its siblings, if another than its rate: 1 to 2²⁷.
    pub weight: Option<u32>,
    /// What it may send at once above its ceiling.
    pub burst_bytes: u32,
}

impl Default for ClassConfig {
    fn default() -> Self {
        Self { rate_kbps: 0, ceil_kbps: None, weight: None, burst_bytes: 1514 }
    }
}

/// Settings of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamConfig {
    /// `Latency`: within rate and burst it goes as early as the guarantees of others allow; without a rate nothing is
    /// within it. `Burst` is as `Normal`.
    pub priority: Priority,
    /// What it is guaranteed whenever it has something to send.
    pub rate_kbps: u64,
    /// What it never exceeds.
    pub ceil_kbps: Option<u64>,
    /// Its part among its siblings of all that their class sends, guarantees included: 1 to 2²⁷. By default its rate, or a
    /// hundredth of the link's without one.
    pub weight: Option<u32>,
    /// What it may send at once above its ceiling, and above its rate for its delay to be kept.
    pub burst_bytes: u32,
    /// The longest time from enqueue to the end of sending, for what is within rate and burst. Not under a ceiling, its own
    /// or an ancestor's: while the link is busy with others it loses time that the ceiling doesn't let it make up for.
    pub max_delay_us: Option<u64>,
    /// The most packets that it may queue, at least 1.
    pub queue_packets: u32,
    /// The most bytes that it may queue, at least one packet.
    pub queue_bytes: Option<u32>,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            priority: Priority::Normal,
            rate_kbps: 0,
            ceil_kbps: None,
            weight: None,
            burst_bytes: 1514,
            max_delay_us: None,
            queue_packets: 1000,
            queue_bytes: None,
        }
    }
}

/// Whether a packet was taken, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Drop {
    /// It is queued.
    Accepted = 0,
    /// Its stream has as many packets queued as it may.
    QueuePackets = 1,
    /// Its stream has as many bytes queued as it may.
    QueueBytes = 2,
}
