//! What a packet costs on one core: `cargo run --release -p honeylink-scheduler --example figures -- 65536`.
//!
//! The load is that of `benches/link.rs`. With `guarantees` or `ceilings` behind the number, each stream has one.

#![allow(clippy::cast_precision_loss)] // a figure to one decimal

#[path = "../benches/load/mod.rs"]
mod load;

use std::{
    env,
    time::{Duration, Instant},
};

use honeylink_scheduler::LinkError;
use load::{Limits, Load};

const PACKETS: usize = 6_000_000;

fn main() -> Result<(), LinkError> {
    if cfg!(debug_assertions) {
        eprintln!("a debug build measures nothing; use --release");
        std::process::exit(2);
    }
    let mut arguments = env::args().skip(1);
    let streams = arguments.next().map_or(65_536, |streams| streams.parse().expect("a number of streams"));
    let limits = match arguments.next().as_deref() {
        None => Limits::Nothing,
        Some("guarantees") => Limits::Guarantees,
        Some("ceilings") => Limits::Ceilings,
        Some(other) => panic!("expected guarantees or ceilings, found {other}"),
    };
    let mut load = Load::new(streams, limits)?;
    let (mut sent, mut elapsed) = (0, Duration::ZERO);
    while sent < PACKETS {
        load.draw();
        let start = Instant::now();
        sent += load.pass()?;
        elapsed += start.elapsed();
    }
    println!("{:.1} ns/packet", elapsed.as_nanos() as f64 / sent as f64);
    Ok(())
}
