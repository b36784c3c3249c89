//! A matrix of coefficients, made ready for an engine: what it multiplies rows of bytes with.

use core::ops::Range;

use crate::engine::{Engine, FactorTable};

/// What an engine need not multiply in the first row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstRow {
    /// Nothing: it is a row like any other.
    General,
    /// So many ones, then zeros: it costs XOR alone.
    Ones(usize),
    /// The sum of *all* rows is so many ones, then zeros: the first row is that, less the other rows. This makes
    /// lost data shards cost one multiplication less each. All rows must be made in one pass.
    SumIsOnes(usize),
}

/// A matrix product to be carried out many times, `rows` outputs from `columns` inputs.
pub(crate) struct Product {
    engine: Engine,
    rows: usize,
    columns: usize,
    first_row: FirstRow,
    /// Whether the first column is ones throughout.
    starts_with_ones: bool,
    /// By pass, column, and row of the pass: the engine's factor for the coefficient. What `first_row` tells is left out.
    factors: Box<[u64]>,
}

/// As many outputs as an engine keeps in registers while it goes once over all inputs.
pub(crate) struct Pass<'a> {
    pub(crate) rows: Range<usize>,
    /// Whether the first of `rows` is not multiplied.
    pub(crate) has_ones: bool,
    pub(crate) factors: &'a [u64],
}

impl Product {
    /// The product of `coefficient(row, column)`.
    pub(crate) fn new(
        engine: Engine,
        (rows, columns): (usize, usize),
        coefficient: impl Fn(usize, usize) -> u8,
    ) -> Self {
        let is_ones = rows > 0 && (0..columns).all(|column| coefficient(0, column) == 1);
        let first_row = if is_ones { FirstRow::Ones(columns) } else { FirstRow::General };
        let starts_with_ones = (0..rows).all(|row| coefficient(row, 0) == 1);
        Self { starts_with_ones, ..Self::with_first_row(engine, (rows, columns), first_row, coefficient) }
    }

    /// The same, given what is known of the first row. `coefficient` is then not asked for it.
    pub(crate) fn with_first_row(
        engine: Engine,
        (rows, columns): (usize, usize),
        first_row: FirstRow,
        coefficient: impl Fn(usize, usize) -> u8,
    ) -> Self {
        let mut result =
            Self { engine, rows, columns, first_row, starts_with_ones: false, factors: Box::default() };
        result.factors = match engine.factors() {
            FactorTable::Words(table) => {
                result.filled(|row, column| [table[usize::from(coefficient(row, column))]])
            }
            FactorTable::FourWords(table) => {
                result.filled(|row, column| table[usize::from(coefficient(row, column))])
            }
        };
        result
    }

    fn filled<const WORDS: usize>(&self, factor: impl Fn(usize, usize) -> [u64; WORDS]) -> Box<[u64]> {
        let multiplied = (self.rows - usize::from(self.first_row != FirstRow::General)) * self.columns;
        let mut factors = Vec::with_capacity(multiplied * WORDS);
        for (rows, has_ones) in self.pass_rows() {
            for column in 0..self.columns {
                for row in rows.start + usize::from(has_ones)..rows.end {
                    factors.extend_from_slice(&factor(row, column));
                }
            }
        }
        factors.into()
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// What the factors of so many rows and columns weigh at most.
    pub(crate) fn bytes_at_most(engine: Engine, (rows, columns): (usize, usize)) -> usize {
        rows * columns * engine.factors().words() * size_of::<u64>()
    }

    pub(crate) fn first_row(&self) -> FirstRow {
        self.first_row
    }

    pub(crate) fn starts_with_ones(&self) -> bool {
        self.starts_with_ones
    }

    /// The rows cut into passes of nearly the same size, and what each multiplies with.
    pub(crate) fn passes(&self) -> impl Iterator<Item = Pass<'_>> {
        let mut rest = &*self.factors;
        let words = self.engine.factors().words();
        self.pass_rows().map(move |(rows, has_ones)| {
            let (factors, others) =
                rest.split_at((rows.len() - usize::from(has_ones)) * self.columns * words);
            rest = others;
            Pass { rows, has_ones, factors }
        })
    }

    /// Whether one pass makes all rows.
    pub(crate) fn is_one_pass(&self) -> bool {
        self.rows <= self.engine.pass_rows()
    }

    fn pass_rows(&self) -> impl Iterator<Item = (Range<usize>, bool)> + use<> {
        let (all, has_ones) = (self.rows, self.first_row != FirstRow::General);
        // Most often there is one pass, and a division would take a tenth of the time it does.
        let count = if self.is_one_pass() { all.min(1) } else { all.div_ceil(self.engine.pass_rows()) };
        let boundary = move |pass: usize| if count == 1 { pass * all } else { all * pass / count };
        (0..count).map(move |pass| (boundary(pass)..boundary(pass + 1), has_ones && pass == 0))
    }
}
