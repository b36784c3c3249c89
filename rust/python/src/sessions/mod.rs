//! What opening a session computes.

mod keys;

pub use keys::session_keys;
