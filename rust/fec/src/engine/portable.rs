//! The engine for any machine: one table look-up per byte and coefficient.

use super::{
    factors::{FactorTable, Factors, FirstRow},
    tables,
    task::{Backend, Outputs, Task},
};
use crate::field::PRODUCTS;

/// Bytes of each row worked on at a time. Output and products stay in a 32 KiB first-level cache, and the
/// inputs of a 10 + 5 group in a second-level one, while all outputs are made from them.
pub(super) const BLOCK_BYTES: usize = 8 * 1024;

pub(super) static BACKEND: Backend = Backend {
    name: "portable",
    is_usable: || true,
    pass_rows: 256,
    factors: FactorTable::Words(&tables::ELEMENTS),
    run,
};

fn run(mut task: Task<'_, '_>) -> bool {
    let length = task.inputs.row_bytes();
    (0..length).step_by(BLOCK_BYTES).all(|start| run_block(&mut task, start, length.min(start + BLOCK_BYTES)))
}

fn run_block(task: &mut Task<'_, '_>, start: usize, end: usize) -> bool {
    let mut sum = [0; BLOCK_BYTES];
    let sum = &mut sum[..end - start];
    // Downwards: the first row may need the others.
    (0..task.factors.rows()).rev().all(|row| {
        sum.fill(0);
        for (column, input) in (task.first_column..).zip(task.inputs.as_slice()) {
            add_product(coefficient(task.factors, row, column), &input[start..end], sum);
        }
        match &mut task.outputs {
            Outputs::Set(rows) => {
                if row == 0 && matches!(task.factors.first_row(), FirstRow::SumIsOnes(_)) {
                    rows.as_slice()[1..].iter().for_each(|other| add_product(1, &other[start..end], sum));
                }
                rows.as_mut_slice()[row][start..end].copy_from_slice(sum);
            }
            Outputs::Add(rows) => add_product(1, sum, &mut rows.as_mut_slice()[row][start..end]),
            Outputs::Compare(rows) => return rows.as_slice()[row][start..end] == *sum,
        }
        true
    })
}

/// The coefficient itself, which is this engine's factor for it.
fn coefficient(factors: &Factors, row: usize, column: usize) -> u8 {
    match factors.first_row() {
        FirstRow::Ones(ones) | FirstRow::SumIsOnes(ones) if row == 0 => u8::from(column < ones),
        first => {
            let left_out = usize::from(first != FirstRow::General);
            let pass = factors.passes().next().expect("there is a row, so there is a pass");
            pass.factors[column * (factors.rows() - left_out) + row - left_out].to_le_bytes()[0]
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
