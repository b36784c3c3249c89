//! No number makes the planner panic, and no answer is larger than what was there.

use honeylink_scheduler::{ActiveSession, Charge, Level, Pool, Priority, Request, StreamAsk, Verdict, plan};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    cases::cases,
    strategies::{any_charge, any_priority},
};

/// Often at an edge.
fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), select(&[0, 1, 2, u64::MAX - 1, u64::MAX, 1 << 53, 1 << 32][..]), 0_u64..1000]
}

fn any_stream() -> impl Strategy<Value = StreamAsk> {
    let shards = || prop_oneof![1_u64..=128, any_number()];
    (any_priority(), any_number(), option::of(any_number()), shards(), shards()).prop_map(
        |(priority, kbps, least, data_shards, parity_shards)| StreamAsk {
            min_bandwidth_kbps: least,
            data_shards,
            parity_shards,
            ..StreamAsk::new("", priority, kbps)
        },
    )
}

fn any_pool(id: &'static str) -> impl Strategy<Value = Pool> {
    let limits = (option::of(any_number()), option::of(any_number()), option::of(any_number()));
    (any_charge(), any_number(), any_number(), any_number(), limits, any_number()).prop_map(
        move |(charge, capacity, reserved, withheld, (guaranteed, borrow, lend), min_hold_ms)| Pool {
            charge,
            guaranteed_kbps: guaranteed,
            borrow_limit_kbps: borrow,
            lend_limit_kbps: lend,
            preemption: true,
            min_hold_ms,
            withheld_kbps: withheld,
            ..Pool::new(id, Level::Node, capacity, reserved)
        },
    )
}

fn any_session() -> impl Strategy<Value = ActiveSession> {
    let pools = select(vec![&["a"][..], &["b", "a"], &["b", "c"], &["c", "a"], &[]]);
    (pools, vec(any_stream(), 1..3), any::<i64>(), any_number(), any_number()).prop_map(
        |(pools, streams, hold_priority, opened_ms, expires_ms)| ActiveSession {
            id: format!("{opened_ms} {expires_ms}"),
            pool_ids: pools.iter().copied().map(String::from).collect(),
            streams,
            hold_priority,
            opened_ms,
            expires_ms,
        },
    )
}

/// The checks of a stream, in words of its own.
fn is_askable(streams: &[StreamAsk]) -> bool {
    let is_stream = |stream: &StreamAsk| {
        let least = stream.min_bandwidth_kbps.unwrap_or(stream.bandwidth_kbps);
        let shards = u128::from(stream.data_shards) + u128::from(stream.parity_shards);
        (1..=stream.bandwidth_kbps).contains(&least) && stream.data_shards > 0 && shards <= 256
    };
    let total: u128 = streams.iter().map(|stream| u128::from(stream.bandwidth_kbps)).sum();
    !streams.is_empty() && streams.iter().all(is_stream) && total <= u128::from(u64::MAX)
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn no_number_makes_it_panic(
        path in (any_pool("a"), any_pool("b")), other in any_pool("c"), streams in vec(any_stream(), 0..4),
        setup_priority: i64, active in vec(any_session(), 0..4), now_ms in any_number(),
    ) {
        let path = [path.0, path.1];
        let request = Request { streams, setup_priority };
        let sessions: Vec<&ActiveSession> = active.iter().collect();
        let verdict = plan(&path, &request, &sessions, now_ms, &[other]);
        let askable = is_askable(&request.streams) && active.iter().all(|each| is_askable(&each.streams));
        prop_assert!(askable || verdict.is_err());
        if let Ok(Verdict::Admitted(admitted)) = verdict && admitted.shrunk.is_empty() && admitted.evicted.is_empty() {
            for (pool, headroom) in path.iter().zip(admitted.headroom_kbps) {
                let charged = pool.charged_kbps(&request.streams, &admitted.allocations).expect("the codes are right");
                let total = u128::from(pool.reserved_kbps) + charged + u128::from(headroom);
                prop_assert!(total <= u128::from(pool.capacity_kbps));
            }
        }
    }

    #[test]
    fn streams_of_any_size_share_exactly(
        kbps in vec(1_u64..1 << 53, 1..8), parts in vec(1_u64..=100, 8), short_of: u64, charge in any_charge(),
    ) {
        let streams: Vec<StreamAsk> = kbps
            .iter()
            .zip(&parts)
            .map(|(&kbps, part)| StreamAsk {
                min_bandwidth_kbps: Some((kbps / 100 * (100 - part)).max(1)),
                ..StreamAsk::new("", Priority::Burst, kbps)
            })
            .collect();
        let (asked, least): (u64, u64) =
            streams.iter().fold((0, 0), |(a, b), s| (a + s.bandwidth_kbps, b + s.min_bandwidth_kbps.unwrap_or(0)));
        let capacity = asked - short_of % (asked - least + 1);
        let pool = Pool { charge, ..Pool::new("n", Level::Node, capacity, 0) };
        let Ok(Verdict::Admitted(answer)) = plan(&[pool], &Request::new(streams.clone()), &[], 0, &[]) else {
            panic!("the minima fit")
        };
        prop_assert_eq!(answer.allocations.iter().sum::<u64>(), capacity); // without parity both charges are one
        prop_assert_eq!(answer.headroom_kbps, [0]);
        for (stream, &has) in streams.iter().zip(&answer.allocations) {
            prop_assert!((stream.min_bandwidth_kbps.unwrap_or(0)..=stream.bandwidth_kbps).contains(&has));
        }
    }
}

#[test]
fn the_wire_counts_up_to_the_largest_number() {
    let stream = StreamAsk { parity_shards: 10, ..StreamAsk::new("", Priority::Burst, u64::MAX / 2) };
    let wire = Pool { charge: Charge::Wire, ..Pool::new("n", Level::Node, u64::MAX, 0) };
    let decide = |kbps| {
        let request = Request::new(vec![StreamAsk { bandwidth_kbps: kbps, ..stream.clone() }]);
        plan(std::slice::from_ref(&wire), &request, &[], 0, &[]).map_err(|error| error.to_string())
    };
    assert!(matches!(decide(u64::MAX / 2), Ok(Verdict::Admitted(_))));
    let message = "streams: expected a total of at most 18446744073709551615 kbps, found more";
    assert_eq!(decide(u64::MAX / 2 + 1), Err(message.into()));
}
