//! What a packet costs on one core: `cargo run --release -p honeylink-scheduler --example figures -- 65536`.
//!
//! The load of `rte_sched`'s yardstick: packets of 64 bytes, 16 streams a class, all on one link of 100 Gbit/s; streams
//! drawn at random, 64 packets a batch, 32,768 packets queued. Weights are mixed. A second argument gives that share of
//! the streams, in percent, a guarantee too.

#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)] // small counts, and a figure to one decimal

use std::{
    env,
    time::{Duration, Instant},
};

use honeylink_scheduler::{ClassConfig, Columns, LinkError, LinkOptions, LinkScheduler, StreamConfig};

const PACKETS: usize = 6_000_000;
const BATCH: usize = 64;
const BACKLOG: usize = 32_768;
const SIZE: u32 = 64;
/// 25 packets of 64 bytes take 128 ns at 100 Gbit/s. The clock goes on by just what a batch takes, so that the link is
/// always busy and a batch is never late.
const PACKETS_IN_128_NS: u64 = 25;

fn link(streams: usize, guaranteed_percent: usize) -> Result<(LinkScheduler, Vec<u32>), LinkError> {
    let mut link = LinkScheduler::new(100_000_000, LinkOptions::default())?;
    let mut handles = Vec::with_capacity(streams);
    let mut class = link.root();
    for index in 0..streams {
        if index % 16 == 0 {
            let weight = Some(1 + (index / 16 % 8) as u32);
            class = link.add_class(link.root(), ClassConfig { weight, ..ClassConfig::default() })?;
        }
        // Half of what the link has is guaranteed if all streams have a guarantee.
        let rate_kbps = if index % 100 < guaranteed_percent { 50_000_000 / streams as u64 } else { 0 };
        let weight = Some(1 + (index * 7 % 13) as u32);
        handles.push(link.add_stream(class, StreamConfig { rate_kbps, weight, ..StreamConfig::default() })?);
    }
    Ok((link, handles))
}

fn main() -> Result<(), LinkError> {
    if cfg!(debug_assertions) {
        eprintln!("a debug build measures nothing; use --release");
        std::process::exit(2);
    }
    let mut arguments = env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let streams = arguments.next().unwrap_or(65_536);
    let (mut link, handles) = link(streams, arguments.next().unwrap_or(0))?;

    let mut random = 88_172_645_463_325_252_u64;
    let (mut asked, sizes) = ([0_u32; BATCH * 2], [SIZE; BATCH * 2]);
    let mut drops = [0; BATCH * 2];
    let (mut out_streams, mut sequences, mut out_sizes) = ([0; BATCH], [0; BATCH], [0; BATCH]);
    let (mut departures_ns, mut marks) = ([0; BATCH], [0; BATCH]);
    let (mut now_ns, mut queued, mut total, mut sent, mut elapsed_in_calls) = (0, 0, 0, 0, Duration::ZERO);
    while sent < PACKETS {
        let is_full = queued >= BACKLOG;
        let count = if is_full { BATCH } else { BATCH * 2 };
        for handle in &mut asked[..count] {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            *handle = handles[random as usize % streams];
        }
        let until_ns = (total + BATCH as u64) * 128 / PACKETS_IN_128_NS;
        let start = Instant::now();
        queued += link.enqueue(&asked[..count], &sizes[..count], now_ns, &mut drops[..count])?;
        let mut out =
            Columns::new(&mut out_streams, &mut sequences, &mut out_sizes, &mut departures_ns, &mut marks)?;
        let count = link.dequeue(until_ns, BATCH, None, &mut out)?;
        // What comes before the backlog stands is not counted.
        if is_full {
            elapsed_in_calls += start.elapsed();
            sent += count;
        }
        queued -= count;
        total += count as u64;
        now_ns = until_ns;
    }
    println!("{:.1} ns/packet", elapsed_in_calls.as_nanos() as f64 / sent as f64);
    Ok(())
}
