//! Small dense matrices over GF(2⁸), for the few rows a group's generator has.

use core::ops::Index;

use crate::field::{PRODUCTS, inverse, product};

/// A matrix of `rows` × `columns` cells, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dense {
    rows: usize,
    columns: usize,
    cells: Vec<u8>,
}

impl Dense {
    pub(crate) fn from_fn(rows: usize, columns: usize, cell: impl Fn(usize, usize) -> u8) -> Self {
        let cell = &cell;
        let cells = (0..rows).flat_map(|i| (0..columns).map(move |j| cell(i, j))).collect();
        Self { rows, columns, cells }
    }

    pub(crate) fn identity(size: usize) -> Self {
        Self::from_fn(size, size, |i, j| u8::from(i == j))
    }

    pub(crate) fn row(&self, i: usize) -> &[u8] {
        &self.cells[i * self.columns..][..self.columns]
    }

    fn row_mut(&mut self, i: usize) -> &mut [u8] {
        &mut self.cells[i * self.columns..][..self.columns]
    }

    /// The matrix product `self` · `right`.
    pub(crate) fn times(&self, right: &Self) -> Self {
        assert_eq!(self.columns, right.rows, "columns of the left are rows of the right");
        Self::from_fn(self.rows, right.columns, |i, j| {
            (0..self.columns).fold(0, |sum, t| sum ^ product(self[(i, t)], right[(t, j)]))
        })
    }

    /// The inverse by Gauss-Jordan elimination, or `None` when the matrix is singular.
    pub(crate) fn inverted(mut self) -> Option<Self> {
        assert_eq!(self.rows, self.columns, "only a square matrix has an inverse");
        let mut result = Self::identity(self.rows);
        for pivot in 0..self.rows {
            let row = (pivot..self.rows).find(|&i| self[(i, pivot)] != 0)?;
            let scale = inverse(self[(row, pivot)]);
            for side in [&mut self, &mut result] {
                side.swap_rows(row, pivot);
                side.scale_row(pivot, scale);
            }
            for i in (0..self.rows).filter(|&i| i != pivot) {
                let factor = self[(i, pivot)];
                self.add_row(pivot, factor, i);
                result.add_row(pivot, factor, i);
            }
        }
        Some(result)
    }

    fn swap_rows(&mut self, a: usize, b: usize) {
        for j in 0..self.columns {
            self.cells.swap(a * self.columns + j, b * self.columns + j);
        }
    }

    fn scale_row(&mut self, i: usize, factor: u8) {
        for cell in self.row_mut(i) {
            *cell = product(*cell, factor);
        }
    }

    /// Adds `factor` times row `from` to row `to`.
    fn add_row(&mut self, from: usize, factor: u8, to: usize) {
        let products = &PRODUCTS[usize::from(factor)];
        for j in 0..self.columns {
            self.cells[to * self.columns + j] ^= products[usize::from(self[(from, j)])];
        }
    }
}

impl Index<(usize, usize)> for Dense {
    type Output = u8;

    fn index(&self, (i, j): (usize, usize)) -> &u8 {
        &self.row(i)[j]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn square() -> impl Strategy<Value = Dense> {
        (1_usize..12).prop_flat_map(|size| {
            vec(any::<u8>(), size * size).prop_map(move |cells| Dense { rows: size, columns: size, cells })
        })
    }

    proptest! {
        #[test]
        fn a_matrix_times_its_inverse_is_one(matrix in square()) {
            if let Some(inverse) = matrix.clone().inverted() {
                prop_assert_eq!(matrix.times(&inverse), Dense::identity(matrix.rows));
                prop_assert_eq!(inverse.times(&matrix), Dense::identity(matrix.rows));
            }
        }

        #[test]
        fn equal_rows_make_it_singular(mut matrix in square()) {
            prop_assume!(matrix.rows > 1);
            let first = matrix.row(0).to_vec();
            matrix.row_mut(1).copy_from_slice(&first);
            prop_assert_eq!(matrix.inverted(), None);
        }
    }

    #[test]
    fn a_zero_on_the_diagonal_is_swapped_away() {
        let swap = Dense::from_fn(2, 2, |i, j| u8::from(i != j));
        assert_eq!(swap.clone().inverted(), Some(swap));
    }
}
