//! The result depends on what was enqueued when, and on nothing else: not on how calls are split, nor on when it is fetched.

use honeylink_scheduler::{Aqm, LinkOptions, LinkScheduler, Priority};
use proptest::prelude::*;

use super::run::{self, Arrival, Sent, any_arrivals, any_tree, take};

/// Feeds packets of one moment in batches of `batch`, and between moments fetches `fetch` packets, if any.
fn play(
    link: &mut LinkScheduler,
    handles: &[u32],
    arrivals: &[Arrival],
    batch: usize,
    fetch: usize,
) -> (Vec<Sent>, Vec<u8>) {
    let (mut all, mut drops) = (Vec::new(), Vec::new());
    let mut last_ns = 0;
    for moment in arrivals.chunk_by(|a, b| a.at_ns == b.at_ns) {
        let at_ns = moment[0].at_ns;
        if fetch > 0 && at_ns > last_ns {
            all.extend(take(link, at_ns - 1, fetch));
        }
        last_ns = at_ns;
        for part in moment.chunks(batch) {
            let streams: Vec<u32> = part.iter().map(|arrival| handles[arrival.stream]).collect();
            let sizes: Vec<u32> = part.iter().map(|arrival| arrival.size).collect();
            let mut codes = vec![9; part.len()];
            link.enqueue(&streams, &sizes, at_ns, &mut codes).expect("good packets");
            drops.extend(codes);
        }
    }
    loop {
        let sent = take(link, last_ns + 1_000_000_000_000, fetch.max(1));
        if sent.is_empty() {
            return (all, drops);
        }
        all.extend(sent);
    }
}

fn options() -> impl Strategy<Value = LinkOptions> {
    let aqm = prop_oneof![Just(None), Just(Some(Aqm::CodelDrop)), Just(Some(Aqm::CodelMark))];
    let memory = prop_oneof![Just(None), (1514_u64..30_000).prop_map(Some)];
    (aqm, memory, 0_u32..40).prop_map(|(aqm, memory_bytes, overhead_bytes)| LinkOptions {
        overhead_bytes,
        memory_bytes,
        aqm,
        ..LinkOptions::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn how_calls_are_split_changes_nothing(
        tree in any_tree(true), drawn in any_arrivals(150), options in options(),
        rates in prop::collection::vec(0_u64..50, 6), batch in 1_usize..9, fetch in 0_usize..5,
    ) {
        let mut tree = tree;
        for ((_, stream), kbps) in tree.streams.iter_mut().zip(rates) {
            stream.rate_kbps = kbps;
            stream.priority = Priority::ALL[kbps as usize % 3];
            stream.queue_packets = 20;
        }
        let (mut one, handles) = tree.build(options);
        let arrivals = run::arrivals(&drawn, handles.len());
        let expected = play(&mut one, &handles, &arrivals, usize::MAX, 1000);
        let (mut other, handles) = tree.build(options);
        let found = play(&mut other, &handles, &arrivals, batch, fetch);
        prop_assert_eq!(&found.1, &expected.1);
        prop_assert_eq!(&found.0, &expected.0);
        prop_assert_eq!(one.stats(one.root()), other.stats(other.root()));
    }
}
