//! Systematic Reed-Solomon erasure codes over GF(2⁸).
//!
//! A code turns k data shards into m parity shards of the same length; any k of the k + m shards give all of
//! them back. It is meant for groups of packets on a lossy link, where the receiver knows *which* shards are
//! lost. It does not find shards that are damaged but present: authenticate packets for that.
//!
//! The road not taken: codes over GF(2¹⁶) by FFT are faster for thousands of shards, but a link's group has
//! tens, and there a plain product with an m × k matrix wins.
//!
//! ```
//! use honeylink_fec::{Matrix, ReedSolomon};
//!
//! let code = ReedSolomon::new(3, 2, Matrix::Cauchy)?;
//! let mut shards = vec![b"any ".to_vec(), b"two ".to_vec(), b"lost".to_vec(), vec![0; 4], vec![0; 4]];
//! let (data, parity) = shards.split_at_mut(3);
//! code.encode(data, parity)?;
//!
//! shards[0].fill(0);
//! shards[2].fill(0);
//! code.reconstruct(&mut shards, &[false, true, false, true, true])?;
//! assert_eq!(shards[..3].concat(), b"any two lost");
//! # Ok::<(), honeylink_fec::Error>(())
//! ```

#![deny(unsafe_code)]

mod codec;
mod encoder;
#[allow(unsafe_code)] // the vector engines: see the reasons at each block
mod engine;
mod error;
mod field;
mod matrix;
mod packet;
mod plan;
mod prefetch;
mod recovery;
mod rows;

pub use codec::ReedSolomon;
pub use encoder::Encoder;
pub use engine::Engine;
pub use error::Error;
pub use matrix::Matrix;
pub use packet::{MAX_EPOCH, MAX_PACKET_BYTES, MAX_WINDOW_GROUPS, PacketDecoder, PacketEncoder, PacketStats};
pub use plan::{Plan, PlanError, plan};
pub use prefetch::{pays_to_prefetch, prefetch};

/// The examples of the page for users of the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Most shards of one group: the generator needs a distinct field element for each.
pub const MAX_SHARDS: usize = 256;
