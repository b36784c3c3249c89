//! Packets over a lossy link: an encoder that makes datagrams of them, a decoder that makes packets of datagrams.
//!
//! Both are sans-IO: they know no socket and no clock, and call back with what is to be sent or delivered. The format
//! of a datagram stands with [`PacketEncoder`].
//!
//! The road not taken: a sliding window of coded packets (RFC 8681) repairs a little sooner, but each
//! repair solves a system that grows with the window; a group costs one product with a matrix that is known.

mod codes;
mod decoder;
mod encoder;
mod group;
mod header;

pub use decoder::{PacketDecoder, PacketStats};
pub use encoder::PacketEncoder;

/// Longest packet: the payload's length has 16 bits, and the packet's own length is part of it.
pub const MAX_PACKET_BYTES: usize = u16::MAX as usize - header::LENGTH_BYTES;

/// Most groups that a decoder's window can span: what is behind it must stay apart from what is ahead.
pub const MAX_WINDOW_GROUPS: usize = decoder::REACH as usize / 2;
