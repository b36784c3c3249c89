//! What opening a session computes: a function and a class.

mod body;
mod keys;

pub use body::PySessionBodyReader;
pub use keys::session_keys;
