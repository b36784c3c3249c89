//! A guarantee begins when it is set: the time before a change is made up for to nobody, however much was queued by then. And a
//! change is made at its time, whoever has asked for departures before.

mod law;
mod past;
mod turns;

use honeylink_scheduler::StreamConfig;

const LINK_KBPS: u64 = 10_000;
const SECOND: u64 = 1_000_000_000;
const LARGEST: u32 = 1514;

fn stream(rate_kbps: u64) -> StreamConfig {
    StreamConfig { rate_kbps, queue_packets: 200_000, ..StreamConfig::default() }
}
