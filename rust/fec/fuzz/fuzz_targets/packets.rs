//! Looks for datagrams that make a packet decoder break a promise. The promises stand in `tests/packet_script`.

#![no_main]

#[path = "../../tests/packet_script/mod.rs"]
mod packet_script;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| packet_script::run(script));
