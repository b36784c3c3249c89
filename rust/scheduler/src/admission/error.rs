//! What the planner refuses to decide on.

use core::fmt;

use super::Level;

/// What a code over GF(2⁸) can have, data and parity together.
pub(super) const MAX_SHARDS: u64 = 256;

/// An argument no pool, stream or session can have. A refusal for want of room is a verdict, not an error.
///
/// `session` is the index of the active session that the streams belong to, or none for those of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// A path without pools, which nothing would limit.
    EmptyPath,
    /// A session without streams.
    NoStreams {
        /// Whose.
        session: Option<usize>,
    },
    /// A stream that asks for nothing.
    ZeroBandwidth {
        /// Whose stream it is.
        session: Option<usize>,
        /// Its index in the session.
        stream: usize,
    },
    /// A minimum of nothing, or above what the stream asks for.
    Minimum {
        /// Whose stream it is.
        session: Option<usize>,
        /// Its index in the session.
        stream: usize,
        /// What it asks for.
        bandwidth_kbps: u64,
        /// The minimum.
        found: u64,
    },
    /// A code without data.
    DataShards {
        /// Whose stream it is.
        session: Option<usize>,
        /// Its index in the session.
        stream: usize,
        /// k.
        found: u64,
    },
    /// More parity than a code can have.
    ParityShards {
        /// Whose stream it is.
        session: Option<usize>,
        /// Its index in the session.
        stream: usize,
        /// k.
        data_shards: u64,
        /// m.
        found: u64,
    },
    /// A path that does not lead from the device up.
    PathOrder {
        /// Index in the path of the pool that stands too late.
        pool: usize,
        /// The level of the pool before it.
        before: Level,
        /// Its own level.
        level: Level,
    },
    /// A path that counts one pool twice.
    DuplicatePool {
        /// Index in the path of the second of the two.
        pool: usize,
        /// The level of both.
        level: Level,
        /// The id of both.
        id: String,
    },
    /// Two pools of one id, where active sessions name their pools by it.
    AmbiguousPool {
        /// Index of the second of the two, in the path or off it.
        pool: usize,
        /// Whether it is one of the others.
        is_other: bool,
        /// The id of both.
        id: String,
    },
    /// An active session that is there twice.
    DuplicateSession {
        /// Index of the second of the two.
        session: usize,
        /// The id of both.
        id: String,
    },
    /// Streams that together need more than 2⁶⁴ - 1 kbps.
    TotalOverflow {
        /// Whose.
        session: Option<usize>,
    },
}

impl PlanError {
    /// The argument that is wrong, as `path[1].level`.
    #[must_use]
    pub fn field(&self) -> String {
        match self {
            Self::EmptyPath => "path".into(),
            Self::NoStreams { session } | Self::TotalOverflow { session } => streams(*session),
            Self::ZeroBandwidth { session, stream } => of_stream(*session, *stream, "bandwidth_kbps"),
            Self::Minimum { session, stream, .. } => of_stream(*session, *stream, "min_bandwidth_kbps"),
            Self::DataShards { session, stream, .. } => of_stream(*session, *stream, "data_shards"),
            Self::ParityShards { session, stream, .. } => of_stream(*session, *stream, "parity_shards"),
            Self::PathOrder { pool, .. } => format!("path[{pool}].level"),
            Self::DuplicatePool { pool, .. } | Self::AmbiguousPool { pool, is_other: false, .. } => {
                format!("path[{pool}].id")
            }
            Self::AmbiguousPool { pool, .. } => format!("others[{pool}].id"),
            Self::DuplicateSession { session, .. } => format!("active[{session}].id"),
        }
    }

    /// What would have been right.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::EmptyPath => "at least one pool".into(),
            Self::NoStreams { .. } => "at least one stream".into(),
            Self::ZeroBandwidth { .. } | Self::DataShards { found: 0, .. } => "at least 1".into(),
            Self::Minimum { bandwidth_kbps, .. } => format!("from 1 to the bandwidth, {bandwidth_kbps}"),
            Self::DataShards { .. } => format!("at most {MAX_SHARDS}"),
            Self::ParityShards { data_shards, .. } => {
                format!(
                    "at most {} beside {data_shards} data shards",
                    MAX_SHARDS.saturating_sub(*data_shards)
                )
            }
            Self::PathOrder { before, .. } => format!("{} or a level above it", before.name()),
            Self::DuplicatePool { .. } => "each pool once".into(),
            Self::AmbiguousPool { .. } => "an id of its own, by which active sessions name it".into(),
            Self::DuplicateSession { .. } => "each session once".into(),
            Self::TotalOverflow { .. } => format!("a total of at most {} kbps", u64::MAX),
        }
    }

    /// What was given.
    #[must_use]
    pub fn found(&self) -> String {
        match self {
            Self::EmptyPath | Self::NoStreams { .. } => "none".into(),
            Self::ZeroBandwidth { .. } => "0".into(),
            Self::Minimum { found, .. }
            | Self::DataShards { found, .. }
            | Self::ParityShards { found, .. } => found.to_string(),
            Self::PathOrder { level, .. } => level.name().into(),
            Self::DuplicatePool { level, id, .. } => format!("{}:{id} again", level.name()),
            Self::AmbiguousPool { id, .. } | Self::DuplicateSession { id, .. } => format!("{id} again"),
            Self::TotalOverflow { .. } => "more".into(),
        }
    }
}

fn streams(session: Option<usize>) -> String {
    session.map_or_else(|| "streams".into(), |session| format!("active[{session}].streams"))
}

fn of_stream(session: Option<usize>, stream: usize, field: &str) -> String {
    format!("{}[{stream}].{field}", streams(session))
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.field(), self.expected(), self.found())
    }
}

impl core::error::Error for PlanError {}
