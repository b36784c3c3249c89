//! Who loses what, by examples.

use honeylink_scheduler::{ActiveSession, Admitted, Level, Pool, Priority, Request, Shrunk, StreamAsk, plan};

use super::has_kbps;
use crate::strategies::{admitted, rejected};

fn session(id: &str, hold_priority: i64, kbps: u64, min_kbps: Option<u64>, opened_ms: u64) -> ActiveSession {
    ActiveSession {
        id: id.into(),
        pool_ids: vec!["node".into()],
        streams: vec![StreamAsk {
            min_bandwidth_kbps: min_kbps,
            ..StreamAsk::new("", Priority::Burst, kbps)
        }],
        hold_priority,
        opened_ms,
        expires_ms: 1_000,
    }
}

fn node(capacity_kbps: u64, active: &[ActiveSession]) -> Pool {
    let reserved = active.iter().flat_map(has_kbps).sum();
    Pool { preemption: true, ..Pool::new("node", Level::Node, capacity_kbps, reserved) }
}

fn ask(kbps: u64, min_kbps: Option<u64>, setup_priority: i64) -> Request {
    let stream = StreamAsk { min_bandwidth_kbps: min_kbps, ..StreamAsk::new("", Priority::Latency, kbps) };
    Request { streams: vec![stream], setup_priority }
}

fn decide(node: &Pool, request: &Request, active: &[ActiveSession], now_ms: u64) -> Option<Admitted> {
    let active: Vec<&ActiveSession> = active.iter().collect();
    admitted(
        plan(std::slice::from_ref(node), request, &active, now_ms, &[]).expect("nothing is wrong with it"),
    )
}

#[test]
fn the_weakest_is_shrunk_first_and_of_equals_the_youngest() {
    let active = [
        session("strong", 1, 40, Some(10), 3),
        session("old", 0, 40, Some(10), 1),
        session("young", 0, 40, Some(10), 2),
    ];
    let node = node(120, &active);
    let shrunk = |kbps| decide(&node, &ask(kbps, None, 2), &active, 9).expect("it can be had").shrunk;
    assert_eq!(shrunk(10), [Shrunk { session: 2, allocations: vec![30] }]);
    assert_eq!(
        shrunk(40),
        [Shrunk { session: 2, allocations: vec![10] }, Shrunk { session: 1, allocations: vec![30] }]
    );
    assert_eq!(shrunk(90).len(), 3);
}

#[test]
fn a_session_is_evicted_when_all_are_shrunk_and_others_get_back_what_it_leaves() {
    let active = [session("a", 0, 100, None, 0), session("b", 1, 100, Some(50), 0)];
    let node = node(200, &active);
    let answer = decide(&node, &ask(80, None, 2), &active, 0).expect("it can be had");
    assert_eq!((answer.evicted, answer.shrunk, answer.headroom_kbps), (vec![0], vec![], vec![20]));
}

#[test]
fn what_an_eviction_leaves_over_is_the_newcomers() {
    let active = [session("a", 0, 100, None, 0)];
    let node = node(100, &active);
    let answer = decide(&node, &ask(80, Some(30), 1), &active, 0).expect("it can be had");
    assert_eq!((answer.allocations, answer.headroom_kbps, answer.evicted), (vec![80], vec![20], vec![0]));
}

#[test]
fn nothing_is_taken_from_equals_from_the_young_or_where_a_pool_forbids_it() {
    let active = [session("a", 1, 100, Some(1), 10)];
    let node = node(100, &active);
    assert!(decide(&node, &ask(1, None, 2), &active, 10).is_some());
    assert!(decide(&node, &ask(1, None, 1), &active, 10).is_none());
    assert!(decide(&Pool { preemption: false, ..node.clone() }, &ask(1, None, 2), &active, 10).is_none());
    let holding = Pool { min_hold_ms: 5, ..node };
    assert!(decide(&holding, &ask(1, None, 2), &active, 14).is_none());
    assert!(decide(&holding, &ask(1, None, 2), &active, 15).is_some());
}

#[test]
fn every_short_pool_must_allow_it() {
    let mut victim = session("a", 0, 100, None, 0);
    victim.pool_ids = vec!["device".into(), "node".into()];
    let device = Pool { preemption: false, ..Pool::new("device", Level::Device, 100, 100) };
    let node = node(150, std::slice::from_ref(&victim));
    let decide = |kbps, device: &Pool| {
        plan(&[device.clone(), node.clone()], &ask(kbps, None, 1), &[&victim], 0, &[]).expect("sound")
    };
    assert_eq!(rejected(decide(10, &device)).expect("the device's pool is short").limiting_pool, 0);
    let willing = Pool { preemption: true, ..device.clone() };
    assert!(admitted(decide(60, &willing)).is_some());
    let roomy = Pool { capacity_kbps: 200, ..device };
    assert!(admitted(decide(60, &roomy)).is_some(), "its pool is not short");
}

#[test]
fn of_a_session_that_has_more_than_its_pool_keeps_the_rest_comes_free() {
    let other = Pool {
        guaranteed_kbps: Some(60),
        lend_limit_kbps: Some(0),
        ..Pool::new("other", Level::Tenant, 100, 100)
    };
    let path = [Pool::new("mine", Level::Tenant, 100, 0), Pool::new("node", Level::Node, 100, 100)];
    let mut large = session("s", 0, 100, None, 0);
    large.pool_ids = vec!["other".into(), "node".into()];
    let free_at_ms = |kbps| {
        let verdict = plan(&path, &ask(kbps, None, 0), &[&large], 0, std::slice::from_ref(&other));
        rejected(verdict.expect("sound")).expect("the node is full").free_at_ms
    };
    assert_eq!(free_at_ms(40), Some(1_000));
    assert_eq!(free_at_ms(41), None);
}

#[test]
fn with_a_share_too_the_weakest_loses_first() {
    let session = |id, hold_priority| {
        let pool_ids = ["other", "other", "node"].map(String::from).to_vec(); // named twice, it still loses once
        ActiveSession { pool_ids, ..session(id, hold_priority, 50, Some(10), 0) }
    };
    let active = [session("strong", 1), session("weak", 0)];
    let other = Pool { guaranteed_kbps: Some(60), ..Pool::new("other", Level::Tenant, 100, 100) };
    let node = node(100, &active);
    let sessions: Vec<&ActiveSession> = active.iter().collect();
    let verdict =
        plan(std::slice::from_ref(&node), &ask(40, None, 2), &sessions, 0, &[other]).expect("sound");
    assert_eq!(
        admitted(verdict).expect("what was lent").shrunk,
        [Shrunk { session: 1, allocations: vec![10] }]
    );
}

/// What a pool beside the path withholds for those inside it, it has given away as well, so it has borrowed more.
#[test]
fn what_a_pool_withholds_counts_against_its_share() {
    let mut borrower = session("b", 0, 50, Some(10), 0);
    borrower.pool_ids = vec!["other".into(), "node".into()];
    let bare = Pool { guaranteed_kbps: Some(60), ..Pool::new("other", Level::Tenant, 100, 50) };
    let node = node(50, std::slice::from_ref(&borrower));
    let decide = |other: &Pool| {
        let others = std::slice::from_ref(other);
        admitted(
            plan(std::slice::from_ref(&node), &ask(20, None, 1), &[&borrower], 0, others).expect("sound"),
        )
    };
    assert_eq!(decide(&bare), None, "it has not even its share");
    assert!(decide(&Pool { withheld_kbps: 30, ..bare }).is_some());
}

#[test]
fn a_borrower_gives_back_what_was_lent_and_no_more() {
    let mut borrower = session("b", 0, 100, Some(10), 0);
    borrower.pool_ids = vec!["other".into(), "node".into()];
    let other = Pool { guaranteed_kbps: Some(60), ..Pool::new("other", Level::Tenant, 100, 100) };
    let node = node(100, std::slice::from_ref(&borrower));
    let decide = |kbps, others: &[Pool]| {
        admitted(
            plan(std::slice::from_ref(&node), &ask(kbps, None, 1), &[&borrower], 0, others).expect("sound"),
        )
    };
    let answer = decide(40, std::slice::from_ref(&other)).expect("what was lent");
    assert_eq!(answer.shrunk, [Shrunk { session: 0, allocations: vec![60] }]);
    assert_eq!(decide(41, std::slice::from_ref(&other)), None);
    assert!(decide(41, &[]).is_some(), "without the pool nothing is known of its share");
}
