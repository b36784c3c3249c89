//! The default parity part.
//!
//! g[i][j] = 1/((k+i) + j) is a Cauchy matrix, so each square part of it has an inverse (Blömer et al., "An
//! XOR-based erasure-resilient coding scheme", ICSI TR-95-048, 1995). Scaling whole rows and columns keeps
//! that, and is used to make the first row and the first column ones: the first parity shard is then a plain
//! XOR, which is the fastest there is and what most losses need.

use crate::{
    dense::Dense,
    field::{inverse, product},
};

/// c[i][j] = g[i][j]·g[0][0] / (g[0][j]·g[i][0]).
pub(super) fn parity_part(data_shards: usize, parity_shards: usize) -> Dense {
    let cauchy = |i, j| inverse(element(data_shards + i) ^ element(j));
    Dense::from_fn(parity_shards, data_shards, |i, j| {
        product(product(cauchy(i, j), cauchy(0, 0)), inverse(product(cauchy(0, j), cauchy(i, 0))))
    })
}

fn element(index: usize) -> u8 {
    u8::try_from(index).expect("k + m <= 256, so each index is an element")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_row_and_column_are_ones() {
        for (k, m) in [(1, 255), (10, 5), (128, 128), (255, 1)] {
            let parity = parity_part(k, m);
            assert!((0..k).all(|j| parity[(0, j)] == 1), "k={k} m={m}");
            assert!((0..m).all(|i| parity[(i, 0)] == 1), "k={k} m={m}");
        }
    }

    #[test]
    fn its_bytes_are_fixed() {
        // Worked out from the formula by other means. A change here breaks every receiver in the field.
        let parity = parity_part(3, 2);
        assert_eq!([parity.row(0), parity.row(1)], [[1, 1, 1], [1, 196, 83]]);
    }
}
