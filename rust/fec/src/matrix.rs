//! Generator matrices by name, all as one family.
//!
//! Shard r of a group is v(r)·f(x(r)): the value of one polynomial f of degree < k at a point x(r) of the
//! field, times a multiplier v(r). Data shards fix f; parity shards, and lost ones, follow by Lagrange's formula.
//! Points are distinct and multipliers are not 0, so any k shards fix f: no code here can fail to be MDS, and no
//! matrix is ever inverted. (Such codes are the generalised Reed-Solomon codes; `MacWilliams` and Sloane, "The
//! Theory of Error-Correcting Codes", 1977, chapter 10, §8.)
//!
//! Cauchy matrices belong to the family: for points x and y, Lagrange's formula is a Cauchy matrix 1/(x + y) whose
//! rows and columns are scaled, and multipliers scale them back.

use core::{fmt, str::FromStr};

use crate::{
    Error,
    field::{ORDER, logarithm, power},
};

/// Which generator matrix a code uses. Two codecs agree on bytes when they agree on it.
///
/// With g(i, j) = 1/((k+i) ⊕ j), the factor of data shard j in parity shard i is:
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Matrix {
    /// g(i, j)·g(0, 0) / (g(0, j)·g(i, 0)): first row and column are ones and cost only XOR. With one parity
    /// shard it is XOR (Blömer et al., "An XOR-based erasure-resilient coding scheme", ICSI TR-95-048, 1995).
    #[default]
    Cauchy,
    /// g(i, j): what ISA-L's `gf_gen_cauchy1_matrix` and klauspost's `WithCauchyMatrix` give.
    CauchyIsal,
    /// Of a Vandermonde matrix of the points 0, 1, 2, …, made systematic: the default of Backblaze, klauspost and
    /// the crate reed-solomon-erasure.
    Vandermonde,
    /// Of a Vandermonde matrix of the points 0, 1, 2, 4, 8, …, made systematic: RFC 5510 as zfec has it.
    Rfc5510,
}

impl Matrix {
    /// Every matrix there is.
    pub const ALL: [Self; 4] = [Self::Cauchy, Self::CauchyIsal, Self::Vandermonde, Self::Rfc5510];

    /// The name that [`FromStr`] reads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cauchy => "cauchy",
            Self::CauchyIsal => "cauchy-isal",
            Self::Vandermonde => "vandermonde",
            Self::Rfc5510 => "rfc5510",
        }
    }

    /// x(shard).
    fn point(self, shard: u8) -> u8 {
        match (self, shard) {
            (Self::Rfc5510, 1..) => power(u32::from(shard) - 1),
            _ => shard,
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

/// What Lagrange's formula needs to know of each shard of a code, as logarithms.
pub(crate) struct Points {
    /// x(shard).
    values: Box<[u8]>,
    /// log v(shard).
    multipliers: Box<[u8]>,
    /// log Π (x(shard) − x(t)) over all data shards t, the shard itself left out.
    to_data: Box<[u8]>,
}

impl Points {
    pub(crate) fn new(matrix: Matrix, data_shards: usize, parity_shards: usize) -> Self {
        let values: Box<[u8]> =
            (0..=255).take(data_shards + parity_shards).map(|shard| matrix.point(shard)).collect();
        let distances = |&from: &u8| -> u32 {
            values[..data_shards].iter().filter(|&&to| to != from).map(|to| logarithm(from ^ to)).sum()
        };
        let to_data = values.iter().map(|value| reduced(distances(value))).collect();
        let mut points = Self { multipliers: vec![0; values.len()].into(), values, to_data };
        if matches!(matrix, Matrix::Cauchy | Matrix::CauchyIsal) {
            let log_g = |i, j| ORDER - points.distance(data_shards + i, j);
            let multiplier = |shard: usize| {
                let scale = match shard.checked_sub(data_shards) {
                    _ if matrix == Matrix::CauchyIsal || parity_shards == 0 => 0,
                    None => log_g(0, shard),
                    Some(i) => log_g(0, 0) + ORDER - log_g(i, 0),
                };
                reduced(scale + ORDER - u32::from(points.to_data[shard]))
            };
            points.multipliers = (0..points.count()).map(multiplier).collect();
        }
        points
    }

    /// k + m.
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// log (x(a) − x(b)) of two shards.
    fn distance(&self, a: usize, b: usize) -> u32 {
        logarithm(self.values[a] ^ self.values[b])
    }

    /// How `targets` follow from k `sources`: all data shards but the `lost` ones, and the `used` parity shards.
    ///
    /// f(a) = Σ over sources s of f(s) · Π (x(a) − x(t)) / Π (x(s) − x(t)), over the other sources t. Both products
    /// are those over all data shards, `lost` ones taken out and `used` ones put in: a few factors, not k.
    pub(crate) fn interpolation<'a>(&'a self, lost: &'a [u8], used: &'a [u8]) -> Interpolation<'a> {
        Interpolation { points: self, lost, used }
    }
}

/// See [`Points::interpolation`].
#[derive(Clone, Copy)]
pub(crate) struct Interpolation<'a> {
    points: &'a Points,
    lost: &'a [u8],
    used: &'a [u8],
}

impl Interpolation<'_> {
    /// log of v(shard) · Π (x(shard) − x(t)) over all sources t but the shard itself.
    fn weight(self, shard: usize) -> u32 {
        let others = |shards: &[u8]| -> u32 {
            let others = shards.iter().map(|&other| usize::from(other)).filter(|&other| other != shard);
            others.map(|other| self.points.distance(shard, other)).sum()
        };
        u32::from(self.points.to_data[shard]) + others(self.used) + ORDER * 256 - others(self.lost)
    }

    /// The part of a target's coefficients that is the same for all sources.
    pub(crate) fn of_target(self, target: usize) -> u8 {
        reduced(self.weight(target) + u32::from(self.points.multipliers[target]))
    }

    /// The part of a source's coefficients that is the same for all targets.
    pub(crate) fn of_source(self, source: usize) -> u8 {
        reduced(2 * ORDER * 256 - self.weight(source) - u32::from(self.points.multipliers[source]))
    }

    /// The factor of `source` in `target`, from both parts.
    pub(crate) fn coefficient(self, (target, of_target): (u8, u8), (source, of_source): (u8, u8)) -> u8 {
        let distance = self.points.distance(usize::from(target), usize::from(source));
        power(u32::from(of_target) + u32::from(of_source) + ORDER - distance)
    }
}

fn reduced(exponent: u32) -> u8 {
    (exponent % ORDER).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for matrix in Matrix::ALL {
            assert_eq!(matrix.name().parse(), Ok(matrix));
        }
        let unknown = "Cauchy".parse::<Matrix>().expect_err("names are lower case");
        let known = "cauchy, cauchy-isal, vandermonde, rfc5510";
        assert_eq!(unknown.to_string(), format!("expected one of {known} as matrix, found \"Cauchy\""));
    }

    #[test]
    fn points_are_distinct() {
        for matrix in Matrix::ALL {
            let mut points: Vec<u8> = (0..=255).map(|shard| matrix.point(shard)).collect();
            points.sort_unstable();
            points.dedup();
            assert_eq!(points.len(), 256, "{matrix}");
        }
    }
}
