//! What a session asks for.

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
    /// What it needs, at least 1.
    pub bandwidth_kbps: u64,
}

/// The streams of one session, admitted together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// In the caller's order.
    pub streams: Vec<StreamAsk>,
}

impl Request {
    /// Indices of the streams in the order they are considered: by priority, then as requested.
    pub(crate) fn by_urgency(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.streams.len()).collect();
        order.sort_by_key(|&stream| self.streams[stream].priority);
        order
    }
}
