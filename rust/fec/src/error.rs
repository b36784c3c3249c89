//! What the codec refuses. Each variant carries what was expected and what was found.

use core::fmt;

use crate::{Engine, MAX_SHARDS, Matrix};

/// An argument the codec can't work with. After an error nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A code needs 1 <= k, 0 <= m and k + m <= 256.
    CodeParameters {
        /// The k that was asked for.
        data_shards: usize,
        /// The m that was asked for.
        parity_shards: usize,
    },
    /// No generator matrix has that name.
    UnknownMatrix {
        /// The name that was asked for.
        name: String,
    },
    /// This CPU runs no engine of that name.
    UnknownEngine {
        /// The name that was asked for.
        name: String,
    },
    /// No data shard has that index.
    Index {
        /// k.
        data_shards: usize,
        /// The index that was given.
        found: usize,
    },
    /// The wrong number of shards, or of presence flags.
    Count {
        /// Of what there are too few or too many.
        what: &'static str,
        /// How many the code needs.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A shard that is not as long as the first one.
    ShardLength {
        /// Bytes of the first shard.
        expected: usize,
        /// Bytes of the differing shard.
        found: usize,
    },
    /// A data shard that a progressive encoder has already.
    Repeated {
        /// Which one.
        index: usize,
    },
    /// A progressive encoder lacks data shards.
    Incomplete {
        /// Which ones.
        missing: Vec<usize>,
    },
    /// Fewer shards are present than the group has data shards.
    TooFewShards {
        /// How many are present.
        have: usize,
        /// k, the number that is needed.
        need: usize,
    },
    /// A packet that no datagram can hold.
    PacketLength {
        /// Bytes of the longest that one can.
        most: usize,
        /// Bytes of the packet.
        found: usize,
    },
    /// A code whose parity a packet decoder would misread.
    PacketMatrix {
        /// Its matrix, which is not [`Matrix::Cauchy`].
        found: Matrix,
    },
    /// An epoch that no datagram can hold.
    Epoch {
        /// The highest that one can.
        most: u64,
        /// The one that was given.
        found: u64,
    },
    /// No memory for an encoder's datagrams, or its parity.
    Memory {
        /// Bytes of each of them.
        bytes: usize,
    },
    /// A packet decoder needs a window of at least one group.
    Window {
        /// Most groups that a window can span.
        most: usize,
        /// How many were asked for.
        found: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CodeParameters { data_shards, parity_shards } => write!(
                f,
                "expected data_shards >= 1, parity_shards >= 0 and at most {MAX_SHARDS} shards together, \
                 found data_shards={data_shards}, parity_shards={parity_shards}"
            ),
            Self::UnknownMatrix { name } => {
                let known = Matrix::ALL.map(Matrix::name).join(", ");
                write!(f, "expected one of {known} as matrix, found {name:?}")
            }
            Self::UnknownEngine { name } => {
                let usable: Vec<_> = Engine::usable().into_iter().map(Engine::name).collect();
                write!(f, "expected one of {} as engine, found {name:?}", usable.join(", "))
            }
            Self::Index { data_shards, found } => {
                write!(f, "expected the index of a data shard, below {data_shards}, found {found}")
            }
            Self::Count { what, expected, found } => write!(f, "expected {expected} {what}, found {found}"),
            Self::ShardLength { expected, found } => {
                write!(f, "expected shards of {expected} bytes like the first, found one of {found}")
            }
            Self::Repeated { index } => {
                write!(f, "expected a data shard that was not added before, found {index} again")
            }
            Self::Incomplete { missing } => {
                write!(f, "expected all data shards to be added, found these missing: {missing:?}")
            }
            Self::TooFewShards { have, need } => {
                write!(f, "expected at least {need} shards present, found {have}")
            }
            Self::PacketLength { most, found } => {
                write!(f, "expected a packet of at most {most} bytes, found {found}: send it in parts")
            }
            Self::PacketMatrix { found } => {
                write!(
                    f,
                    "expected a code of the matrix {}, which datagrams stand for, found {found}",
                    Matrix::Cauchy
                )
            }
            Self::Epoch { most, found } => write!(f, "expected an epoch of at most {most}, found {found}"),
            Self::Memory { bytes } => write!(f, "no room for a group's shards of {bytes} bytes"),
            Self::Window { most, found } => {
                write!(f, "expected a window of 1 to {most} groups, found {found}")
            }
        }
    }
}

impl core::error::Error for Error {}
