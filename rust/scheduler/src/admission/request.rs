//! What a session asks for, and what one that is there already has.

use super::Charge;

/// How urgent a stream is. The order is the one in which streams are considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Control: small, and useless when late.
    Latency,
    /// Telemetry.
    Normal,
    /// Video: large, and the first to go without.
    Burst,
}

impl Priority {
    /// Every priority, most urgent first.
    pub const ALL: [Self; 3] = [Self::Latency, Self::Normal, Self::Burst];

    /// The priority's word, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Normal => "normal",
            Self::Burst => "burst",
        }
    }

    /// The priority of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.name() == name)
    }
}

/// One stream of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamAsk {
    /// The caller's name for it; the planner decides nothing by it.
    pub name: String,
    /// How urgent it is.
    pub priority: Priority,
    /// What it asks for, at least 1.
    pub bandwidth_kbps: u64,
    /// What it can live with, from 1 to what it asks for. None: all or nothing.
    pub min_bandwidth_kbps: Option<u64>,
    /// k of its FEC, which a pool that charges by wire looks at.
    pub data_shards: u64,
    /// m of its FEC; at most 256 with k.
    pub parity_shards: u64,
}

impl StreamAsk {
    /// A stream that takes all or nothing, and has no parity.
    #[must_use]
    pub fn new(name: impl Into<String>, priority: Priority, bandwidth_kbps: u64) -> Self {
        Self {
            name: name.into(),
            priority,
            bandwidth_kbps,
            min_bandwidth_kbps: None,
            data_shards: 10,
            parity_shards: 0,
        }
    }

    /// The least that it takes.
    pub(super) fn least_kbps(&self) -> u64 {
        self.min_bandwidth_kbps.unwrap_or(self.bandwidth_kbps)
    }

    /// What it costs where that is the charge.
    pub(super) fn charged_kbps(&self, charge: Charge, kbps: u64) -> u128 {
        match charge {
            Charge::Wire if self.parity_shards > 0 => {
                let shards = u128::from(self.data_shards) + u128::from(self.parity_shards);
                (u128::from(kbps) * shards).div_ceil(u128::from(self.data_shards))
            }
            _ => u128::from(kbps),
        }
    }
}

/// The streams of one session, admitted together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// In the caller's order.
    pub streams: Vec<StreamAsk>,
    /// How strong it is against sessions that are there already, where pools allow pre-emption. Larger is stronger.
    pub setup_priority: i64,
}

impl Request {
    /// A request that takes nothing from anybody of its own strength, 0, or above.
    #[must_use]
    pub fn new(streams: Vec<StreamAsk>) -> Self {
        Self { streams, setup_priority: 0 }
    }
}

/// A session that holds bandwidth.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActiveSession {
    /// Unique among all sessions.
    pub id: String,
    /// The ids of the pools it has reserved from.
    pub pool_ids: Vec<String>,
    /// Its streams, with what they have now as what they ask for.
    pub streams: Vec<StreamAsk>,
    /// How strong it is against a newcomer. Larger is stronger.
    pub hold_priority: i64,
    /// When it was opened.
    pub opened_ms: u64,
    /// When it ends at the latest.
    pub expires_ms: u64,
}
