//! One decision over 16 streams and 3 pools, the largest session there is. Its budget is 20 µs.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use honeylink_scheduler::{Level, Pool, Priority, Request, StreamAsk, Verdict, plan};

fn path(capacity_kbps: u64) -> [Pool; 3] {
    Level::ALL.map(|level| Pool { id: level.name().into(), level, capacity_kbps, reserved_kbps: 0 })
}

fn request() -> Request {
    let stream = |index: usize| StreamAsk {
        name: format!("stream-{index}"),
        priority: Priority::ALL[index % 3],
        bandwidth_kbps: 100,
    };
    Request { streams: (0..16).map(stream).collect() }
}

fn planner(c: &mut Criterion) {
    let request = request();
    let (wide, narrow) = (path(1600), path(1599));
    assert!(matches!(plan(&wide, &request), Ok(Verdict::Admitted(_))), "1600 kbps fit exactly");
    assert!(matches!(plan(&narrow, &request), Ok(Verdict::Rejected(_))), "1599 kbps do not");

    let mut group = c.benchmark_group("plan, 16 streams, 3 pools");
    group.bench_function("admitted", |b| b.iter(|| plan(black_box(&wide), black_box(&request))));
    group.bench_function("rejected", |b| b.iter(|| plan(black_box(&narrow), black_box(&request))));
}

criterion_group!(benches, planner);
criterion_main!(benches);
