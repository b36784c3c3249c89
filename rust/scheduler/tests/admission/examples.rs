//! Verdicts that can be checked by hand.

use honeylink_scheduler::{
    ActiveSession, Charge, Level, Pool, Priority, Rejected, Request, StreamAsk, Verdict, plan,
};

use crate::strategies::{admitted, plan_alone, rejected};

fn stream(priority: Priority, kbps: u64, min_kbps: Option<u64>) -> StreamAsk {
    StreamAsk { min_bandwidth_kbps: min_kbps, ..StreamAsk::new("", priority, kbps) }
}

fn device(capacity_kbps: u64) -> Pool {
    Pool::new("d", Level::Device, capacity_kbps, 0)
}

fn allocations(capacity_kbps: u64, charge: Charge, streams: &[StreamAsk]) -> Option<Vec<u64>> {
    let path = [Pool { charge, ..device(capacity_kbps) }];
    admitted(plan_alone(&path, &Request::new(streams.to_vec()))).map(|admitted| admitted.allocations)
}

#[test]
fn burst_shrinks_first_then_normal_then_latency() {
    let streams = [
        stream(Priority::Burst, 100, Some(10)),
        stream(Priority::Normal, 100, Some(10)),
        stream(Priority::Latency, 100, Some(10)),
    ];
    let shares = |kbps| allocations(kbps, Charge::Payload, &streams);
    assert_eq!(shares(300), Some(vec![100, 100, 100]));
    assert_eq!(shares(250), Some(vec![50, 100, 100]));
    assert_eq!(shares(150), Some(vec![10, 40, 100]));
    assert_eq!(shares(50), Some(vec![10, 10, 30]));
    assert_eq!(shares(29), None);
}

#[test]
fn equals_share_by_what_they_ask_and_the_rest_goes_to_who_lost_most_by_rounding() {
    let burst = |kbps, min_kbps| stream(Priority::Burst, kbps, Some(min_kbps));
    let shares = |kbps, streams: &[StreamAsk]| allocations(kbps, Charge::Payload, streams).expect("it fits");
    assert_eq!(shares(90, &[burst(100, 1), burst(50, 1)]), [60, 30]);
    // 66.7 and 33.3
    assert_eq!(shares(100, &[burst(100, 1), burst(50, 1)]), [67, 33]);
    // 30 + 10 + 60: who has a floor above his part has it, and the others share the rest.
    assert_eq!(shares(100, &[burst(60, 1), burst(20, 1), burst(80, 60)]), [30, 10, 60]);
    // A third each, the first two of them one more.
    assert_eq!(shares(11, &[burst(9, 1), burst(9, 1), burst(9, 1)]), [4, 4, 3]);
}

#[test]
fn parity_is_paid_for_where_the_wire_is_charged() {
    let video = StreamAsk { parity_shards: 5, ..stream(Priority::Burst, 5_000, None) };
    let path = [device(6_000), Pool { charge: Charge::Wire, ..Pool::new("t", Level::Tenant, 7_000, 0) }];
    let refusal = rejected(plan_alone(&path, &Request::new(vec![video.clone()])));
    let expected = Rejected {
        limiting_pool: 1,
        requested_kbps: 7_500,
        available_kbps: 7_000,
        counter_offer: Some(vec![4_666]), // 6999 on the wire
        free_at_ms: None,
        admissible_kbps: 6_000,
    };
    assert_eq!(refusal, Some(expected));
    let flexible = StreamAsk { min_bandwidth_kbps: Some(1_000), ..video };
    let answer = admitted(plan_alone(&path, &Request::new(vec![flexible]))).expect("it can do with less");
    assert_eq!((answer.allocations, answer.headroom_kbps), (vec![4_666], vec![1_334, 1]));
}

#[test]
fn what_a_stream_with_parity_can_not_use_goes_to_one_without() {
    let heavy = StreamAsk { data_shards: 1, parity_shards: 3, ..stream(Priority::Latency, 10, Some(1)) };
    let light = stream(Priority::Burst, 10, Some(1));
    assert_eq!(allocations(12, Charge::Wire, &[heavy, light]), Some(vec![2, 4]));
}

#[test]
fn an_offer_keeps_minima_and_is_absent_where_they_do_not_fit() {
    let streams = [stream(Priority::Burst, 100, None), stream(Priority::Normal, 100, Some(60))];
    let offer = |kbps| {
        rejected(plan_alone(&[device(kbps)], &Request::new(streams.to_vec())))
            .expect("too much")
            .counter_offer
    };
    assert_eq!(offer(150), Some(vec![50, 100]));
    assert_eq!(offer(80), Some(vec![1, 79]));
    assert_eq!(offer(61), Some(vec![1, 60]));
    assert_eq!(offer(60), None);
}

#[test]
fn a_refusal_says_when_enough_will_have_expired() {
    let session = |id: &str, kbps, expires_ms| ActiveSession {
        id: id.into(),
        pool_ids: vec!["d".into()],
        streams: vec![stream(Priority::Normal, kbps, None)],
        hold_priority: 0,
        opened_ms: 0,
        expires_ms,
    };
    let active = [session("a", 30, 900), session("b", 20, 500), session("c", 50, 100)];
    let active: Vec<&ActiveSession> = active.iter().collect();
    let path = [Pool::new("d", Level::Device, 100, 100)];
    let free_at_ms = |kbps, min_kbps, now_ms| {
        let request = Request::new(vec![stream(Priority::Normal, kbps, min_kbps)]);
        rejected(plan(&path, &request, &active, now_ms, &[]).expect("sound")).expect("it is full").free_at_ms
    };
    assert_eq!(free_at_ms(50, None, 0), Some(100));
    assert_eq!(free_at_ms(70, None, 0), Some(500));
    assert_eq!(free_at_ms(101, Some(71), 0), Some(900));
    assert_eq!(free_at_ms(101, None, 0), None);
    assert_eq!(free_at_ms(50, None, 200), Some(200), "it should have ended already");
}

#[test]
fn what_another_pool_keeps_comes_free_for_nobody_else() {
    let share = |guaranteed_kbps, reserved_kbps| Pool {
        guaranteed_kbps: Some(guaranteed_kbps),
        lend_limit_kbps: Some(0),
        ..Pool::new("other", Level::Tenant, 100, reserved_kbps)
    };
    let session = |id: &str, expires_ms| ActiveSession {
        id: id.into(),
        pool_ids: vec!["other".into(), "node".into()],
        streams: vec![stream(Priority::Normal, 20, None)],
        hold_priority: 0,
        opened_ms: 0,
        expires_ms,
    };
    let active = [session("a", 100), session("b", 200)];
    let active: Vec<&ActiveSession> = active.iter().collect();
    let path = [Pool::new("t", Level::Tenant, 100, 60), Pool::new("node", Level::Node, 100, 100)];
    let request = Request::new(vec![stream(Priority::Normal, 20, None)]);
    let free_at_ms = |other: Pool| {
        rejected(plan(&path, &request, &active, 0, &[other]).expect("sound")).expect("it is full").free_at_ms
    };
    assert_eq!(free_at_ms(share(0, 40)), Some(100));
    assert_eq!(free_at_ms(share(20, 40)), Some(100));
    assert_eq!(free_at_ms(share(30, 40)), None);
}

/// A pool beside has borrowed 10. All of that could come from the weaker session by ending it, but shrinking the stronger one
/// is enough.
#[test]
fn nobody_is_ended_where_shrinking_is_enough() {
    let session = |id: &str, kbps, least_kbps, hold_priority| ActiveSession {
        id: id.into(),
        pool_ids: vec!["sibling".into(), "node".into()],
        streams: vec![stream(Priority::Normal, kbps, least_kbps)],
        hold_priority,
        opened_ms: 0,
        expires_ms: 60_000,
    };
    let sibling = Pool { guaranteed_kbps: Some(28), ..Pool::new("sibling", Level::Tenant, 100, 38) };
    let node = Pool { preemption: true, ..Pool::new("node", Level::Node, 38, 38) };
    let path = [Pool::new("own", Level::Tenant, 100, 0), node];
    let request = Request { streams: vec![stream(Priority::Latency, 10, None)], setup_priority: 2 };
    let (weak, strong) = (session("weak", 8, None, 0), session("strong", 30, Some(1), 1));
    let Ok(Verdict::Admitted(admitted)) = plan(&path, &request, &[&weak, &strong], 1_000, &[sibling]) else {
        panic!("shrinking the stronger one makes room")
    };
    assert_eq!(admitted.evicted, [] as [usize; 0]);
    assert_eq!(admitted.shrunk.iter().map(|each| each.allocations.clone()).collect::<Vec<_>>(), [[20]]);
}
