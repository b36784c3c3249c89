//! A matrix product that an engine carries out many times.

use super::{
    detection::Engine,
    factors::{Factors, FirstRow},
    task::{Outputs, Task},
};
use crate::rows::Rows;

/// A product of `rows` outputs from `columns` inputs, with the engine that its factors are made for.
pub(crate) struct Product {
    engine: Engine,
    factors: Factors,
}

impl Product {
    /// The product of `coefficient(row, column)`.
    pub(crate) fn new(
        engine: Engine,
        size: (usize, usize),
        coefficient: impl Fn(usize, usize) -> u8,
    ) -> Self {
        let backend = engine.backend();
        let factors = Factors::new(backend.factors, backend.pass_rows, size, coefficient);
        Self { engine, factors }
    }

    /// The same, given what is known of the first row. `coefficient` is then not asked for it.
    pub(crate) fn with_first_row(
        engine: Engine,
        size: (usize, usize),
        first_row: FirstRow,
        coefficient: impl Fn(usize, usize) -> u8,
    ) -> Self {
        let backend = engine.backend();
        let factors =
            Factors::with_first_row(backend.factors, backend.pass_rows, size, first_row, coefficient);
        Self { engine, factors }
    }

    /// What the factors of so many rows and columns weigh at most.
    pub(crate) fn bytes_at_most(engine: Engine, (rows, columns): (usize, usize)) -> usize {
        rows * columns * engine.backend().factors.words() * size_of::<u64>()
    }

    /// Multiplies the columns from `first_column` on with `inputs`. False if outputs that were to be compared differ.
    pub(crate) fn run<'r>(&self, first_column: usize, inputs: &Rows<'r>, outputs: Outputs<'_, 'r>) -> bool {
        let (factors, count) = (&self.factors, inputs.as_slice().len());
        assert!(count > 0 && first_column + count <= factors.columns(), "an input, and no more than columns");
        assert_eq!(
            outputs.size(),
            (factors.rows(), inputs.row_bytes()),
            "an output for each row, as long as the inputs"
        );
        // SAFETY: an `Engine` is only made of a backend that is usable on this CPU; `factors` were made by that backend's
        // table and passes, as nothing but the constructors makes a `Product`; and the sizes fit, as just checked.
        unsafe { (self.engine.backend().run)(Task { factors, first_column, inputs, outputs }) }
    }

    #[cfg(test)]
    pub(super) fn first_row(&self) -> FirstRow {
        self.factors.first_row()
    }
}
