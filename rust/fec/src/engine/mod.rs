//! Engines: the one inner loop of the codec, once per instruction set.
//!
//! [`portable`] is the meaning; any other engine must give the same bytes. An engine gets the whole product at
//! once, not one coefficient at a time, so that it can keep several outputs in registers.

mod portable;

use crate::dense::Dense;

/// Multiplies a matrix with rows of bytes.
pub(crate) trait Engine: Send + Sync {
    /// Sets `outputs[i]` to the sum over j of `coefficients[i][j]` · `inputs[j]`. All rows are equally long.
    fn combine(&self, coefficients: &Dense, inputs: &[&[u8]], outputs: &mut [&mut [u8]]);
}

/// The fastest engine this machine can run.
pub(crate) fn fastest() -> &'static dyn Engine {
    &portable::Portable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::product;

    /// Every engine this machine can run; each must pass all tests here.
    fn engines() -> Vec<(&'static str, &'static dyn Engine)> {
        vec![("portable", &portable::Portable), ("fastest", fastest())]
    }

    fn bytes(length: usize, seed: usize) -> Vec<u8> {
        (0..length).map(|i| (((i * 31 + seed * 97) * (i + seed + 7)) >> 3).to_le_bytes()[0]).collect()
    }

    /// Lengths around every vector width and block size.
    fn interesting_lengths() -> impl Iterator<Item = usize> {
        let around = [8, 16, 32, 64, 128, 1024, portable::BLOCK_BYTES, 3 * portable::BLOCK_BYTES];
        (0..=3).chain(around.into_iter().flat_map(|size| [size - 1, size, size + 1]))
    }

    #[test]
    fn each_engine_gives_the_bytes_of_the_definition() {
        let coefficients = Dense::from_fn(3, 4, |i, j| [0, 1, 2, 29, 255][(i * 3 + j * 2) % 5]);
        for length in interesting_lengths() {
            let inputs: Vec<_> = (0..4).map(|j| bytes(length, j)).collect();
            let expected: Vec<Vec<u8>> = (0..3)
                .map(|i| {
                    let cell =
                        |t: usize| (0..4).fold(0, |s, j| s ^ product(coefficients[(i, j)], inputs[j][t]));
                    (0..length).map(cell).collect()
                })
                .collect();
            for (name, engine) in engines() {
                let mut outputs = vec![vec![0xA5; length]; 3];
                engine.combine(
                    &coefficients,
                    &inputs.iter().map(Vec::as_slice).collect::<Vec<_>>(),
                    &mut outputs.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>(),
                );
                assert_eq!(outputs, expected, "{name}, {length} bytes");
            }
        }
    }
}
