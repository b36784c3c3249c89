//! Packets over a lossy link: an encoder that makes datagrams of them, a decoder that makes packets of datagrams.
//!
//! Both are sans-IO: they know no socket and no clock, and call back with what is to be sent or delivered. The format
//! of a datagram stands with [`PacketEncoder`].
//!
//! The road not taken: a sliding window of coded packets (RFC 8681) repairs a little sooner, but each
//! repair solves a system that grows with the window; a group costs one product with a matrix that is known.
//!
//! Receivers know a stream by its tag, the encoder by its epoch, and its groups by their numbers. A sender that starts
//! again can't know which numbers the one before it used, and shards of two groups with one number could be repaired to
//! packets that nobody sent; so groups count anew in each epoch, and never mix with those of another. Epochs have an
//! order, by which a decoder tells the start of a new encoder from a late datagram of an old one, and needs to remember
//! nothing of the old one for that. Kafka fences off a producer that was replaced in the same way.
//!
//! The road not taken: an epoch at random needs no clock, but either the first late datagram takes the decoder back, or it
//! remembers every epoch that is over.

mod codes;
mod decoder;
mod encoder;
mod group;
mod header;

pub use decoder::{PacketDecoder, PacketStats};
pub use encoder::PacketEncoder;

/// Longest packet: it is sent as a payload of at most 65535 bytes, with its own length in front.
pub const MAX_PACKET_BYTES: usize = header::MAX_PAYLOAD_BYTES - header::LENGTH_BYTES;

/// The highest epoch that an encoder can have.
pub const MAX_EPOCH: u64 = header::MAX_EPOCH;

/// Most groups that a decoder's window can span: what is behind it must stay apart from what is ahead.
pub const MAX_WINDOW_GROUPS: usize = decoder::REACH as usize / 2;
