//! What opening a session computes, as pure functions: the [keys](NewSession::keys) of a session and its streams, and the
//! [request](BodyReader::read) in the usual form of a body.
//!
//! The service calls them for each session that it opens; they are here because they take several times as long in Python.
//! Randomness is an argument.

#![forbid(unsafe_code)]

mod body;
mod context;
mod keys;

pub use body::{BodyReader, UsualBody, UsualStream};
pub use context::ContextError;
pub use keys::{CIPHERTEXT_BYTES, Id, KEY_BYTES, Key, NONCE_BYTES, NewSession, SessionKeys};
