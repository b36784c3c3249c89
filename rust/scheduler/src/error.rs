//! What the planner refuses to decide on.

use core::fmt;

use crate::Level;

/// An argument no pool or stream can have. A refusal for want of room is a verdict, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// A path without pools, which nothing would limit.
    EmptyPath,
    /// A request without streams.
    EmptyRequest,
    /// A stream that asks for nothing.
    ZeroBandwidth {
        /// Its index in the request.
        stream: usize,
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
    /// Streams that together need more than 2⁶⁴ - 1 kbps.
    TotalOverflow,
}

impl PlanError {
    /// The argument that is wrong, as `path[1].level`.
    #[must_use]
    pub fn field(&self) -> String {
        match self {
            Self::EmptyPath => "path".into(),
            Self::EmptyRequest | Self::TotalOverflow => "streams".into(),
            Self::ZeroBandwidth { stream } => format!("streams[{stream}].bandwidth_kbps"),
            Self::PathOrder { pool, .. } => format!("path[{pool}].level"),
            Self::DuplicatePool { pool, .. } => format!("path[{pool}].id"),
        }
    }

    /// What would have been right.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::EmptyPath => "at least one pool".into(),
            Self::EmptyRequest => "at least one stream".into(),
            Self::ZeroBandwidth { .. } => "at least 1".into(),
            Self::PathOrder { before, .. } => format!("{} or a level above it", before.name()),
            Self::DuplicatePool { .. } => "each pool once".into(),
            Self::TotalOverflow => format!("a total of at most {} kbps", u64::MAX),
        }
    }

    /// What was given.
    #[must_use]
    pub fn found(&self) -> String {
        match self {
            Self::EmptyPath | Self::EmptyRequest => "none".into(),
            Self::ZeroBandwidth { .. } => "0".into(),
            Self::PathOrder { level, .. } => level.name().into(),
            Self::DuplicatePool { level, id, .. } => format!("{}:{id} again", level.name()),
            Self::TotalOverflow => "more".into(),
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.field(), self.expected(), self.found())
    }
}

impl core::error::Error for PlanError {}
