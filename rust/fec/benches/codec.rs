//! Throughput of data bytes, for groups of MTU-sized shards and for long shards.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use honeylink_fec::{Matrix, ReedSolomon};

/// The codes that sessions use by priority, and one wide code.
const CODES: [(usize, usize); 4] = [(10, 1), (10, 2), (10, 5), (50, 20)];
const SHARD_BYTES: [usize; 2] = [1200, 64 * 1024];

fn shards(k: usize, m: usize, shard_bytes: usize) -> Vec<Vec<u8>> {
    let shard = |j: usize| (0..shard_bytes).map(|t| ((t * (j + 3)) >> 2).to_le_bytes()[0]).collect();
    (0..k + m).map(shard).collect()
}

fn codec(c: &mut Criterion) {
    for (k, m) in CODES {
        let code = ReedSolomon::new(k, m, Matrix::Cauchy).expect("the codes are in range");
        let mut group = c.benchmark_group(format!("{k}+{m}"));
        for shard_bytes in SHARD_BYTES {
            let mut shards = shards(k, m, shard_bytes);
            group.throughput(Throughput::Bytes((k * shard_bytes) as u64));
            group.bench_function(format!("encode/{shard_bytes}"), |b| {
                let (data, parity) = shards.split_at_mut(k);
                b.iter(|| code.encode(black_box(data), parity));
            });
            let whole = shards.clone();
            let present: Vec<bool> = (0..k + m).map(|shard| shard >= m).collect();
            group.bench_function(format!("reconstruct/{shard_bytes}"), |b| {
                b.iter(|| code.reconstruct(black_box(&mut shards), &present));
            });
            assert_eq!(shards, whole, "reconstruction gives the data back");
        }
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
