//! Generator matrices by name.
//!
//! A systematic code's generator is the identity above an m × k parity part; a `Matrix` names the parity part.
//! Two codecs agree on bytes when they agree on it. Any may stand here that is MDS: each square part of the
//! parity part has an inverse, so any m losses can be repaired.

mod cauchy;

use core::{fmt, str::FromStr};

use crate::{Error, dense::Dense};

/// Which parity part a code uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Matrix {
    /// A Cauchy matrix scaled so that its first row and first column are ones: with one parity shard it is XOR.
    #[default]
    Cauchy,
}

impl Matrix {
    /// Every matrix there is.
    pub const ALL: [Self; 1] = [Self::Cauchy];

    /// The name that [`FromStr`] reads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cauchy => "cauchy",
        }
    }

    /// Row i, column j: the factor of data shard j in parity shard i.
    pub(crate) fn parity_part(self, data_shards: usize, parity_shards: usize) -> Dense {
        match self {
            Self::Cauchy => cauchy::parity_part(data_shards, parity_shards),
        }
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Matrix {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let named = Self::ALL.into_iter().find(|matrix| matrix.name() == name);
        named.ok_or_else(|| Error::UnknownMatrix { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::subsequence};

    /// A code, and as many of its parity rows as of its data columns.
    fn square_part() -> impl Strategy<Value = (usize, usize, Vec<usize>, Vec<usize>)> {
        (1_usize..=255).prop_flat_map(|k| (Just(k), 1..=256 - k)).prop_flat_map(|(k, m)| {
            (1..=k.min(m).min(24)).prop_flat_map(move |size| {
                let rows = subsequence((0..m).collect::<Vec<_>>(), size);
                let columns = subsequence((0..k).collect::<Vec<_>>(), size);
                (Just(k), Just(m), rows, columns)
            })
        })
    }

    proptest! {
        #[test]
        fn each_square_part_has_an_inverse((k, m, rows, columns) in square_part()) {
            for matrix in Matrix::ALL {
                let parity = matrix.parity_part(k, m);
                let part = Dense::from_fn(rows.len(), columns.len(), |i, j| parity[(rows[i], columns[j])]);
                prop_assert!(part.inverted().is_some(), "{} k={} m={} {:?} {:?}", matrix, k, m, rows, columns);
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for matrix in Matrix::ALL {
            assert_eq!(matrix.name().parse(), Ok(matrix));
        }
        let unknown = "Cauchy".parse::<Matrix>().expect_err("names are lower case");
        assert_eq!(unknown.to_string(), "expected one of cauchy as matrix, found \"Cauchy\"");
    }
}
