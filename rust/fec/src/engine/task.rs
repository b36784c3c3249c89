//! What an engine is given to do, and what makes one.

use super::factors::{FactorTable, Factors};
use crate::rows::{Rows, RowsMut};

/// One product to carry out.
pub(super) struct Task<'a, 'r> {
    pub(super) factors: &'a Factors,
    /// The columns from this one on are multiplied with the inputs.
    pub(super) first_column: usize,
    pub(super) inputs: &'a Rows<'r>,
    pub(super) outputs: Outputs<'a, 'r>,
}

/// The product's rows, and what happens to them.
pub(crate) enum Outputs<'a, 'r> {
    /// They become the product.
    Set(&'a mut RowsMut<'r>),
    /// The product is added to them.
    Add(&'a mut RowsMut<'r>),
    /// They are compared with the product.
    Compare(&'a Rows<'r>),
}

impl Outputs<'_, '_> {
    /// How many there are, and their length.
    pub(super) fn size(&self) -> (usize, usize) {
        match self {
            Self::Set(rows) | Self::Add(rows) => (rows.as_slice().len(), rows.row_bytes()),
            Self::Compare(rows) => (rows.as_slice().len(), rows.row_bytes()),
        }
    }
}

/// What makes an engine.
pub(super) struct Backend {
    pub(super) name: &'static str,
    pub(super) is_usable: fn() -> bool,
    /// Most outputs made in one go over the inputs.
    pub(super) pass_rows: usize,
    /// The form in which it wants each coefficient.
    pub(super) factors: FactorTable,
    /// False if outputs that were to be compared differ.
    ///
    /// # Safety
    /// `is_usable` has been true. The task's factors are of this backend's table and passes; it has an input at least, no
    /// more inputs than there are columns from its first on, and an output for each row, as long as the inputs.
    pub(super) run: unsafe fn(Task<'_, '_>) -> bool,
}
