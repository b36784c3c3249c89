//! The promises of the packet codec: all comes back that can, in order and byte for byte, and nothing else.

mod damage;
mod delivery;
mod endpoints;
mod epochs;
mod laws;
#[path = "../packet_script/mod.rs"]
mod packet_script;
