//! What one packet costs at both ends, in groups as sessions use them.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use honeylink_fec::{Matrix, PacketDecoder, PacketEncoder, ReedSolomon};

const CODES: [(usize, usize); 3] = [(10, 1), (10, 2), (10, 5)];
const PACKET_BYTES: usize = 1200;
const GROUPS: usize = 100;

fn encoder(k: usize, m: usize) -> PacketEncoder {
    let code = ReedSolomon::new(k, m, Matrix::Cauchy).expect("the codes are in range");
    PacketEncoder::new(&code, 0).expect("the matrix is right")
}

/// The datagrams of some groups, of each of which the first `lost` are lost.
fn datagrams(k: usize, m: usize, lost: usize) -> Vec<Vec<u8>> {
    let mut encoder = encoder(k, m);
    let mut datagrams = Vec::new();
    for number in 0..k * GROUPS {
        let packet = vec![number.to_le_bytes()[0]; PACKET_BYTES];
        encoder.add(&packet, |datagram| datagrams.push(datagram.to_vec())).expect("the packet fits");
    }
    datagrams.chunks(k + m).flat_map(|group| group[lost..].to_vec()).collect()
}

fn packets(c: &mut Criterion) {
    for (k, m) in CODES {
        let mut group = c.benchmark_group(format!("packets/{k}+{m}"));
        let packets = k * GROUPS;
        group.throughput(Throughput::Elements(packets as u64));
        let mut encoder = encoder(k, m);
        let packet = [7; PACKET_BYTES];
        group.bench_function("encode", |b| {
            b.iter(|| {
                (0..packets).try_for_each(|_| {
                    encoder.add(black_box(&packet), |datagram| {
                        black_box(datagram);
                    })
                })
            });
        });
        for (name, lost) in [("decode", 0), ("decode m lost", m)] {
            let datagrams = datagrams(k, m, lost);
            group.bench_function(name, |b| {
                b.iter(|| {
                    let mut decoder = PacketDecoder::new(0, 64).expect("the window is in range");
                    let mut delivered = 0;
                    for datagram in &datagrams {
                        decoder.add(datagram, |_| delivered += 1);
                    }
                    assert_eq!(delivered, packets, "all packets come back");
                });
            });
        }
    }
}

criterion_group!(benches, packets);
criterion_main!(benches);
