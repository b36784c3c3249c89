//! Rates, delays and priority.

use honeylink_scheduler::{ClassConfig, LinkOptions, LinkScheduler, Priority, StreamConfig};
use proptest::prelude::*;

use super::run::{BYTE, Sent};

mod deadlines;
mod delays;
mod model;
mod rates;

const LINK_KBPS: u64 = 10_000;
const LARGEST: u64 = 1514;
/// Late enough for ceilings to have saved up their bursts.
const BEGIN_NS: u64 = 100_000_000_000;

fn stream(rate_kbps: u64) -> StreamConfig {
    StreamConfig { rate_kbps, queue_packets: 100_000, ..StreamConfig::default() }
}

fn link_of(configs: &[StreamConfig]) -> (LinkScheduler, Vec<u32>) {
    let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).expect("a good link");
    let root = link.root();
    let handles = configs.iter().map(|&config| link.add_stream(root, 0, config).expect("it fits")).collect();
    (link, handles)
}

/// A link and its root; or one that is faster, and a class whose ceiling is what the other one has.
fn links(overhead_bytes: u32) -> [(LinkScheduler, u32); 2] {
    let options = LinkOptions { overhead_bytes, ..LinkOptions::default() };
    let link = LinkScheduler::new(LINK_KBPS, options).expect("a good link");
    let root = link.root();
    let mut faster = LinkScheduler::new(10 * LINK_KBPS, options).expect("a good link");
    let capped = ClassConfig { ceil_kbps: Some(LINK_KBPS), burst_bytes: 0, ..ClassConfig::default() };
    let class = faster.add_class(faster.root(), 0, capped).expect("a good class");
    [(link, root), (faster, class)]
}

/// When a packet has been sent, rounded up.
pub fn end_ns(sent: &Sent) -> u64 {
    sent.start_ns + (u128::from(sent.size) * BYTE).div_ceil(LINK_KBPS.into()) as u64
}

fn capped(link: &mut LinkScheduler, ceil_kbps: u64) -> u32 {
    let config = ClassConfig { ceil_kbps: Some(ceil_kbps), ..ClassConfig::default() };
    link.add_class(link.root(), 0, config).expect("a good class")
}

/// When a stream sends packets of that size, so many at a time, for half a second: each as early as its token bucket allows it.
pub fn greedy_ns(config: &StreamConfig, size: u32, from_ns: u64, at_a_time: u32) -> Vec<u64> {
    let (kbps, need) = (u128::from(config.rate_kbps), u128::from(size * at_a_time) * BYTE);
    let mut full_at = u128::from(from_ns) * kbps;
    let mut all = Vec::new();
    loop {
        let at_ns = (full_at + need).saturating_sub(u128::from(config.burst_bytes) * BYTE).div_ceil(kbps);
        let at_ns = at_ns.max(from_ns.into());
        if at_ns > 500_000_000 {
            return all;
        }
        all.extend(std::iter::repeat_n(at_ns as u64, at_a_time as usize));
        full_at = full_at.max(at_ns * kbps) + need;
    }
}

/// What a stream asks for: a delay, a rate alone, or to go as early as can be.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub config: StreamConfig,
    pub size: u32,
    pub from_ns: u64,
    pub in_bursts: bool,
}

pub fn any_ask() -> impl Strategy<Value = Ask> {
    let delay = prop_oneof![2 => (2_000_u64..60_000).prop_map(Some), 1 => Just(None)];
    let ceiling = prop_oneof![3 => Just(None), 1 => (100_u64..300).prop_map(Some)];
    let burst = prop_oneof![64_u32..8_000, 8_000_u32..40_000];
    let traffic = (20_u64..3_000, burst, 64_u32..1515, 0_u64..30_000_000, any::<bool>());
    (delay, any::<bool>(), ceiling, traffic).prop_map(|(max_delay_us, is_eager, percent, traffic)| {
        let (rate_kbps, burst_bytes, size, from_ns, in_bursts) = traffic;
        let priority = if is_eager { Priority::Latency } else { Priority::Normal };
        let ceil_kbps = percent.map(|percent| rate_kbps * percent / 100);
        let config = StreamConfig { burst_bytes, max_delay_us, priority, ceil_kbps, ..stream(rate_kbps) };
        Ask { config, size: size.min(burst_bytes), from_ns, in_bursts }
    })
}

/// Of so many largest packets, all queued since `since_ns`, each starts by the end of its time at the rate.
fn assert_rate(kbps: u64, since_ns: u64, of: u32, count: usize, all: &[Sent]) {
    let sent: Vec<&Sent> = all.iter().filter(|sent| sent.stream == of).collect();
    assert_eq!(sent.len(), count, "packets sent in time");
    for (number, sent) in (1..).zip(sent) {
        let by_ns = since_ns + (number * LARGEST * 8_000_000).div_ceil(kbps);
        assert!(sent.start_ns <= by_ns, "{sent:?} should have started by {by_ns}");
    }
}
