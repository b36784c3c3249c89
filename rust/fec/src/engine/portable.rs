//! The engine for any machine: one table look-up per byte and coefficient.

use super::Engine;
use crate::{dense::Dense, field::PRODUCTS};

/// Bytes of each row worked on at a time. Output and products stay in a 32 KiB first-level cache, and the
/// inputs of a 10 + 5 group in a second-level one, while all outputs are made from them.
pub(super) const BLOCK_BYTES: usize = 8 * 1024;

pub(super) struct Portable;

impl Engine for Portable {
    fn combine(&self, coefficients: &Dense, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        let length = outputs.first().map_or(0, |output| output.len());
        for start in (0..length).step_by(BLOCK_BYTES) {
            let block = start..length.min(start + BLOCK_BYTES);
            for (i, output) in outputs.iter_mut().enumerate() {
                let output = &mut output[block.clone()];
                output.fill(0);
                for (&coefficient, input) in coefficients.row(i).iter().zip(inputs) {
                    add_product(coefficient, &input[block.clone()], output);
                }
            }
        }
    }
}

/// `output` += `coefficient` · `input`. Ones are common (a Cauchy code's first parity row) and cheap.
fn add_product(coefficient: u8, input: &[u8], output: &mut [u8]) {
    let pairs = output.iter_mut().zip(input);
    match coefficient {
        0 => {}
        1 => pairs.for_each(|(out, byte)| *out ^= byte),
        _ => {
            let products = &PRODUCTS[usize::from(coefficient)];
            pairs.for_each(|(out, &byte)| *out ^= products[usize::from(byte)]);
        }
    }
}
