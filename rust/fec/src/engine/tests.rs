//! One conformance runner that every engine passes, against the definition, a byte at a time.

use core::ops::Range;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    field::product,
    rows::{Rows, RowsMut},
};

/// Coefficients, the data they are multiplied with, and what the outputs hold before.
struct Case {
    coefficients: Vec<Vec<u8>>,
    /// One for each column. Those of `columns` are multiplied.
    inputs: Vec<Vec<u8>>,
    columns: Range<usize>,
    before: Vec<Vec<u8>>,
}

impl Case {
    /// Made from numbers alone, so that a failure can be seen again.
    fn new(rows: usize, columns: usize, length: usize, coefficient: impl Fn(usize, usize) -> u8) -> Self {
        let byte =
            |seed: usize, t: usize| ((t * 31 + seed * 97).wrapping_mul(t + seed + 7) >> 3).to_le_bytes()[0];
        let row = |seed: usize| (0..length).map(|t| byte(seed, t)).collect();
        Self {
            coefficients: (0..rows).map(|i| (0..columns).map(|j| coefficient(i, j)).collect()).collect(),
            inputs: (0..columns).map(row).collect(),
            columns: 0..columns,
            before: (columns..columns + rows).map(row).collect(),
        }
    }

    /// The same with only these columns, as when shards are added or updated.
    fn of_columns(self, columns: Range<usize>) -> Self {
        Self { columns, ..self }
    }

    fn size(&self) -> (usize, usize) {
        (self.coefficients.len(), self.inputs.len())
    }

    fn by_definition(&self) -> Vec<Vec<u8>> {
        let length = self.inputs[0].len();
        let cell = |row: &Vec<u8>, t: usize| {
            self.columns.clone().fold(0, |sum, column| sum ^ product(row[column], self.inputs[column][t]))
        };
        self.coefficients.iter().map(|row| (0..length).map(|t| cell(row, t)).collect()).collect()
    }

    /// Sets, adds and compares with the product on `engine`, each row `skew` bytes off from where memory starts.
    fn check(&self, engine: Engine, of: &Product, skew: usize) {
        let expected = self.by_definition();
        let (length, columns) = (self.inputs[0].len(), self.columns.clone());
        let what =
            format!("{}, {:?}, columns {columns:?}, {length} bytes, skew {skew}", engine.name(), self.size());
        let shifted = |rows: &[Vec<u8>]| -> Vec<Vec<u8>> {
            rows.iter()
                .enumerate()
                .map(|(i, row)| [vec![0xA5; (skew + i) % 64], row.clone(), vec![0xA5; 64]].concat())
                .collect()
        };
        let memory = shifted(&self.inputs[columns.clone()]);
        let mut inputs = Rows::of_bytes(length);
        inputs
            .extend(memory.iter().enumerate().map(|(i, row)| &row[(skew + i) % 64..row.len() - 64]))
            .expect("equally long");

        let run = |before: &[Vec<u8>], is_set: bool| {
            let mut memory = shifted(before);
            {
                let rows =
                    memory.iter_mut().enumerate().map(|(i, row)| &mut row[(skew + i) % 64..][..length]);
                let mut outputs = RowsMut::of_bytes(length);
                outputs.extend(rows).expect("equally long");
                let outputs = if is_set { Outputs::Set(&mut outputs) } else { Outputs::Add(&mut outputs) };
                assert!(of.run(columns.start, &inputs, outputs), "{what}");
            }
            memory
        };
        assert_eq!(run(&self.before, true), shifted(&expected), "set, {what}");
        if matches!(of.first_row(), FirstRow::SumIsOnes(_)) {
            return;
        }
        let sums: Vec<Vec<u8>> = self
            .before
            .iter()
            .zip(&expected)
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a ^ b).collect())
            .collect();
        assert_eq!(run(&self.before, false), shifted(&sums), "add, {what}");

        let compare = |rows: &[Vec<u8>]| {
            let mut expected = Rows::of_bytes(length);
            expected.extend(rows.iter().map(Vec::as_slice)).expect("equally long");
            of.run(columns.start, &inputs, Outputs::Compare(&expected))
        };
        assert!(compare(&expected), "compare, {what}");
        let mut wrong = expected;
        if let Some(byte) = wrong.last_mut().and_then(|row| row.last_mut()) {
            *byte ^= 1;
            assert!(!compare(&wrong), "compare with a wrong last byte, {what}");
        }
    }

    fn check_all(&self, skew: usize) {
        for engine in Engine::usable() {
            let of = Product::new(engine, self.size(), |i, j| self.coefficients[i][j]);
            self.check(engine, &of, skew);
        }
    }
}

fn mixed(i: usize, j: usize) -> u8 {
    [0, 1, 2, 29, 255, 142][(i * 3 + j * 2 + i * j) % 6]
}

fn normalised(i: usize, j: usize) -> u8 {
    if i == 0 || j == 0 { 1 } else { mixed(i, j) | 2 }
}

#[test]
fn the_portable_engine_is_the_last() {
    assert_eq!(Engine::usable().last().map(|engine| engine.name()), Some("portable"));
    assert_eq!(Engine::usable().first(), Some(&Engine::fastest()));
    assert_eq!(Engine::named("portable").map(Engine::name), Ok("portable"));
    let unknown = Engine::named("abacus").expect_err("there is no such engine").to_string();
    assert!(unknown.ends_with("portable as engine, found \"abacus\""), "{unknown}");
}

#[test]
fn lengths_up_to_four_steps_and_three() {
    for length in (0..=4 * 256 + 3).filter(|length| length % 64 < 4 || length % 64 > 60 || *length < 300) {
        Case::new(3, 5, length, mixed).check_all(length);
        Case::new(2, 4, length, normalised).check_all(length + 1);
    }
}

#[test]
fn lengths_around_every_block() {
    for block in [8 * 1024, 64 * 1024, 512 * 1024 / 20 / 256 * 256] {
        for length in [block - 65, block - 1, block, block + 1, block + 63, 2 * block + 3] {
            Case::new(3, 4, length, normalised).check_all(0);
        }
    }
    // More rows than one pass makes, and inputs of more than one block.
    for length in [26_111, 26_112, 26_113, 60_001] {
        Case::new(11, 20, length, mixed).check_all(1);
    }
}

#[test]
fn alignments() {
    for skew in 0..64 {
        Case::new(2, 3, 333, mixed).check_all(skew);
    }
}

#[test]
fn every_size_of_pass() {
    for rows in (0..=20).chain([33, 64, 100]) {
        for columns in [1, 2, 3, 10, 21] {
            Case::new(rows, columns, 321, mixed).check_all(rows);
            Case::new(rows, columns, 321, normalised).check_all(columns);
        }
    }
}

#[test]
fn any_of_the_columns() {
    for rows in [0, 1, 2, 3, 4, 5, 7, 11, 20] {
        for columns in (0..6).flat_map(|start| (start + 1..=6).map(move |end| start..end)) {
            for length in [0, 1, 63, 64, 257, 1000] {
                Case::new(rows, 6, length, mixed).of_columns(columns.clone()).check_all(length);
                Case::new(rows, 6, length, normalised).of_columns(columns.clone()).check_all(rows);
            }
        }
    }
    // In more than one block.
    Case::new(11, 20, 60_001, normalised).of_columns(3..20).check_all(1);
}

#[test]
fn every_coefficient_and_byte() {
    for coefficient in 0..=255 {
        let mut case = Case::new(1, 2, 256, |_, j| if j == 0 { coefficient } else { 3 });
        case.inputs[0] = (0..=255).collect();
        case.check_all(0);
    }
}

#[test]
fn a_first_row_that_is_the_rest_of_a_sum() {
    for rows in 1..=4 {
        for (columns, ones) in [(5, 5), (6, 3), (7, 4), (4, 0), (9, 1)] {
            for length in [1, 63, 64, 255, 256, 257, 1200, 9000] {
                let mut case = Case::new(rows, columns, length, mixed);
                for j in 0..columns {
                    let others = (1..rows).fold(0, |sum, i| sum ^ case.coefficients[i][j]);
                    case.coefficients[0][j] = u8::from(j < ones) ^ others;
                }
                for engine in Engine::usable() {
                    let first_row = FirstRow::SumIsOnes(ones);
                    let of = Product::with_first_row(engine, case.size(), first_row, |i, j| {
                        assert_ne!(i, 0, "the first row is known");
                        case.coefficients[i][j]
                    });
                    case.check(engine, &of, length);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_product(
        (rows, columns) in (0_usize..24, 1_usize..40),
        length in 0_usize..700,
        skew in 0_usize..64,
        (first, last) in any::<(prop::sample::Index, prop::sample::Index)>(),
        coefficients in vec(any::<u8>(), 24 * 40),
    ) {
        let start = first.index(columns);
        let some = start..start + 1 + last.index(columns - start);
        let case = Case::new(rows, columns, length, |i, j| coefficients[i * columns + j]);
        case.check_all(skew);
        case.of_columns(some).check_all(skew);
    }
}
