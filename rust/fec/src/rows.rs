//! The shards of one call as rows that are known to be equally long, kept on the stack.

use arrayvec::ArrayVec;

use crate::{Error, MAX_SHARDS};

/// Rows for reading.
pub(crate) type Rows<'a> = EqualRows<&'a [u8]>;

/// Rows for writing.
pub(crate) type RowsMut<'a> = EqualRows<&'a mut [u8]>;

/// At most [`MAX_SHARDS`] rows of `row_bytes` each.
pub(crate) struct EqualRows<R> {
    rows: ArrayVec<R, MAX_SHARDS>,
    row_bytes: usize,
}

impl<R: AsRef<[u8]>> EqualRows<R> {
    /// No rows yet, of so many bytes.
    pub(crate) fn of_bytes(row_bytes: usize) -> Self {
        Self { rows: ArrayVec::new(), row_bytes }
    }

    /// Adds a row, if it is as long as it must be.
    pub(crate) fn push(&mut self, row: R) -> Result<(), Error> {
        let found = row.as_ref().len();
        if found != self.row_bytes {
            return Err(Error::ShardLength { expected: self.row_bytes, found });
        }
        self.rows.push(row);
        Ok(())
    }

    /// Adds rows, if they are as long as they must be.
    pub(crate) fn extend(&mut self, rows: impl IntoIterator<Item = R>) -> Result<(), Error> {
        rows.into_iter().try_for_each(|row| self.push(row))
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    pub(crate) fn as_slice(&self) -> &[R] {
        &self.rows
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [R] {
        &mut self.rows
    }
}
