//! A matrix of coefficients in the form that a kind of engine multiplies with.

use core::ops::Range;

/// By coefficient, what an engine multiplies with.
#[derive(Clone, Copy)]
pub(super) enum FactorTable {
    /// One word each.
    Words(&'static [u64; 256]),
    /// Four words each.
    FourWords(&'static [[u64; 4]; 256]),
}

impl FactorTable {
    /// Words of one factor.
    pub(super) fn words(self) -> usize {
        match self {
            Self::Words(_) => 1,
            Self::FourWords(_) => 4,
        }
    }
}

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

/// The factors of a matrix of `rows` × `columns`, by the passes in which an engine makes the rows.
pub(super) struct Factors {
    rows: usize,
    columns: usize,
    first_row: FirstRow,
    /// Whether the first column is ones throughout.
    starts_with_ones: bool,
    /// Most rows of a pass.
    pass_rows: usize,
    /// Words of one factor.
    words: usize,
    /// By pass, column, and row of the pass: the factor for the coefficient. What `first_row` tells is left out.
    all: Box<[u64]>,
}

/// As many outputs as an engine keeps in registers while it goes once over all inputs.
pub(super) struct Pass<'a> {
    pub(super) rows: Range<usize>,
    /// Whether the first of `rows` is not multiplied.
    pub(super) has_ones: bool,
    pub(super) factors: &'a [u64],
}

impl Factors {
    /// Those of `coefficient(row, column)`.
    pub(super) fn new(
        table: FactorTable,
        pass_rows: usize,
        (rows, columns): (usize, usize),
        coefficient: impl Fn(usize, usize) -> u8,
    ) -> Self {
        let is_ones = rows > 0 && (0..columns).all(|column| coefficient(0, column) == 1);
        let first_row = if is_ones { FirstRow::Ones(columns) } else { FirstRow::General };
        let starts_with_ones = (0..rows).all(|row| coefficient(row, 0) == 1);
        let result = Self::with_first_row(table, pass_rows, (rows, columns), first_row, coefficient);
        Self { starts_with_ones, ..result }
    }

    /// The same, given what is known of the first row. `coefficient` is then not asked for it.
    pub(super) fn with_first_row(
        table: FactorTable,
        pass_rows: usize,
        (rows, columns): (usize, usize),
        first_row: FirstRow,
        coefficient: impl Fn(usize, usize) -> u8,
    ) -> Self {
        let (words, all) = (table.words(), Box::default());
        let mut result = Self { rows, columns, first_row, starts_with_ones: false, pass_rows, words, all };
        result.all = match table {
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
        for (rows, has_ones) in self.pass_ranges() {
            for column in 0..self.columns {
                for row in rows.start + usize::from(has_ones)..rows.end {
                    factors.extend_from_slice(&factor(row, column));
                }
            }
        }
        factors.into()
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn first_row(&self) -> FirstRow {
        self.first_row
    }

    pub(super) fn starts_with_ones(&self) -> bool {
        self.starts_with_ones
    }

    /// The rows cut into passes of nearly the same size, and what each multiplies with.
    pub(super) fn passes(&self) -> impl Iterator<Item = Pass<'_>> {
        let mut rest = &*self.all;
        self.pass_ranges().map(move |(rows, has_ones)| {
            let multiplied = rows.len() - usize::from(has_ones);
            let (factors, others) = rest.split_at(multiplied * self.columns * self.words);
            rest = others;
            Pass { rows, has_ones, factors }
        })
    }

    /// Whether one pass makes all rows.
    pub(super) fn is_one_pass(&self) -> bool {
        self.rows <= self.pass_rows
    }

    fn pass_ranges(&self) -> impl Iterator<Item = (Range<usize>, bool)> + use<> {
        let (all, has_ones) = (self.rows, self.first_row != FirstRow::General);
        // Most often there is one pass, and a division would take a tenth of the time it does.
        let count = if self.is_one_pass() { all.min(1) } else { all.div_ceil(self.pass_rows) };
        let boundary = move |pass: usize| if count == 1 { pass * all } else { all * pass / count };
        (0..count).map(move |pass| (boundary(pass)..boundary(pass + 1), has_ones && pass == 0))
    }
}
