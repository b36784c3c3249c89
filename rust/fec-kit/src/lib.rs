//! The codec as a plug-in of a benchmark that loads shared libraries and times each inside its own language.

use std::{hint::black_box, time::Instant};

use honeylink_fec::{Matrix, ReedSolomon};

/// Codecs whose first sight of a pattern is timed in a row; making them is not timed.
const FRESH_CODES: usize = 8;

/// Seconds that `iterations` operations take on groups of k + m shards of `size` bytes, the groups in turn; negative
/// if it can't be done, or does not give what was lost. `operation` 0 encodes; 1 recovers the first m data shards in a pattern that the codec
/// has not seen; 2 the same, seen before.
#[unsafe(no_mangle)]
pub extern "C" fn bench(k: i32, m: i32, size: usize, operation: i32, iterations: i64, groups: i32) -> f64 {
    let numbers =
        (usize::try_from(k), usize::try_from(m), usize::try_from(iterations), usize::try_from(groups));
    let (Ok(k), Ok(m), Ok(iterations), Ok(groups)) = numbers else { return -1.0 };
    let Ok(code) = ReedSolomon::new(k, m, Matrix::Cauchy) else { return -1.0 };
    if groups == 0 || operation != 0 && m > k {
        return -1.0;
    }
    let stride = padded(size);
    let mut memory = Aligned::new(groups * (k + m) * stride);
    for (index, byte) in memory.bytes().iter_mut().enumerate() {
        *byte = (index.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0];
    }
    let mut rows: Vec<&mut [u8]> =
        memory.bytes().chunks_exact_mut(stride).map(|row| &mut row[..size]).collect();
    let mut groups: Vec<&mut [&mut [u8]]> = rows.chunks_exact_mut(k + m).collect();
    for group in &mut groups {
        encode(&code, group);
    }
    let present: Vec<bool> = (0..k + m).map(|shard| shard >= m).collect();
    if operation != 0 && !gives_back(&code, groups[0], &present) {
        return -1.0;
    }
    let count = groups.len();
    match operation {
        0 => timed(|| (0..iterations).for_each(|i| encode(&code, groups[i % count]))),
        1 => {
            let mut seconds = 0.0;
            for start in (0..iterations).step_by(FRESH_CODES) {
                let end = iterations.min(start + FRESH_CODES);
                let codes: Vec<_> = (start..end).map(|_| fresh(k, m, groups[0])).collect();
                seconds += timed(|| {
                    for (i, code) in (start..end).zip(&codes) {
                        repair(code, groups[i % count], &present);
                    }
                });
            }
            seconds
        }
        _ => timed(|| (0..iterations).for_each(|i| repair(&code, groups[i % count], &present))),
    }
}

fn encode(code: &ReedSolomon, group: &mut [&mut [u8]]) {
    let (data, parity) = group.split_at_mut(code.data_shards());
    code.encode(black_box(data), parity).expect("the shards fit");
}

fn repair(code: &ReedSolomon, group: &mut [&mut [u8]], present: &[bool]) {
    code.reconstruct(group, present).expect("k shards are left");
}

/// Whether the code gives back what is lost; from then on it has seen these losses.
fn gives_back(code: &ReedSolomon, group: &mut [&mut [u8]], present: &[bool]) -> bool {
    let whole: Vec<Vec<u8>> = group.iter().map(|shard| shard.to_vec()).collect();
    for (shard, _) in group.iter_mut().zip(present).filter(|(_, is_present)| !**is_present) {
        shard.fill(0);
    }
    repair(code, group, present);
    group.iter().zip(&whole).all(|(shard, whole)| **shard == **whole)
}

/// A code that has repaired something, but not yet the losses that are timed.
fn fresh(k: usize, m: usize, group: &mut [&mut [u8]]) -> ReedSolomon {
    let code = ReedSolomon::new(k, m, Matrix::Cauchy).expect("made before");
    let present: Vec<bool> = (0..k + m).map(|shard| shard + 1 < k + m).collect();
    repair(&code, group, &present);
    code
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Rows as far apart as those of the benchmark's other plug-ins: on cache lines, never at a whole page's distance.
fn padded(size: usize) -> usize {
    let lines = size.next_multiple_of(64).max(64);
    if lines.is_multiple_of(4096) { lines + 128 } else { lines }
}

/// Memory that starts on a page.
struct Aligned {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    fn new(length: usize) -> Self {
        let memory = vec![0; length + 4095];
        let start = memory.as_ptr().align_offset(4096);
        Self { memory, start, length }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }
}
