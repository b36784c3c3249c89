//! One decision over 16 streams and 3 pools, the largest session there is. Its budget is 20 µs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use honeylink_scheduler::{
    ActiveSession, Admitted, Charge, Level, Pool, Priority, Request, StreamAsk, Verdict, plan,
};

fn path(capacity_kbps: u64, charge: Charge) -> [Pool; 3] {
    Level::ALL.map(|level| Pool { charge, ..Pool::new(level.name(), level, capacity_kbps, 0) })
}

fn request(min_bandwidth_kbps: Option<u64>) -> Request {
    let stream = |(index, priority): (u64, &Priority)| StreamAsk {
        min_bandwidth_kbps,
        parity_shards: index % 6,
        ..StreamAsk::new("", *priority, 10_000 + index)
    };
    Request::new((0..16).zip(Priority::ALL.iter().cycle()).map(stream).collect())
}

/// Sessions of 16 Mbit/s each that fill the node and may be shrunk to half.
fn many_sessions(count: u64) -> Vec<ActiveSession> {
    let stream = StreamAsk { min_bandwidth_kbps: Some(8_000), ..StreamAsk::new("", Priority::Burst, 16_000) };
    let session = |index: u64| ActiveSession {
        id: index.to_string(),
        pool_ids: vec!["node".into()],
        streams: vec![stream.clone()],
        hold_priority: -1,
        opened_ms: index,
        expires_ms: 1_000_000 + index,
    };
    (0..count).map(session).collect()
}

fn is_admitted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Admitted(_))
}

fn planner(c: &mut Criterion) {
    let (whole, flexible) = (request(None), request(Some(1_000)));
    let wide = path(160_120, Charge::Payload);
    let narrow = path(160_119, Charge::Payload);
    let narrow_wire = path(160_119, Charge::Wire);

    let mut group = c.benchmark_group("plan, 16 streams, 3 pools");
    for (name, path, request, admits) in [
        ("admitted", &wide, &whole, true),
        ("admitted with less", &narrow, &flexible, true),
        ("admitted with less, by wire", &narrow_wire, &flexible, true),
        ("rejected with an offer", &narrow, &whole, false),
        ("rejected with an offer, by wire", &narrow_wire, &whole, false),
    ] {
        let decide = || plan(black_box(path), black_box(request), &[], 0, &[]).expect("it can be decided");
        assert_eq!(is_admitted(&decide()), admits, "{name}");
        group.bench_function(name, |b| b.iter(decide));
    }

    let many_sessions = many_sessions(1_000);
    let many_sessions: Vec<&ActiveSession> = many_sessions.iter().collect();
    let mut full = path(16_000_000, Charge::Payload);
    full[2].reserved_kbps = 16_000_000;
    full[2].preemption = true;
    let decide =
        || plan(black_box(&full), black_box(&whole), &many_sessions, 0, &[]).expect("it can be decided");
    assert!(
        matches!(decide(), Verdict::Admitted(Admitted { shrunk, evicted, .. }) if shrunk.len() == 21 && evicted.is_empty()),
        "21 of 1000 sessions lose 8 Mbit/s at most"
    );
    group.bench_function("taken from 1000 sessions", |b| b.iter(decide));
}

criterion_group!(benches, planner);
criterion_main!(benches);
