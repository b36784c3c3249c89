//! The codec: checks its arguments, then hands one matrix product to the engine.

use core::{
    fmt,
    hash::{Hash, Hasher},
};

use crate::{
    Error, MAX_SHARDS, Matrix,
    dense::Dense,
    engine::{Engine, fastest},
    recovery::Recovery,
};

/// Bytes of each shard that [`ReedSolomon::verify`] compares at a time: its scratch space stays in cache
/// however long the shards are.
const VERIFY_BYTES: usize = 8 * 1024;

/// A systematic Reed-Solomon code of k data and m parity shards.
#[derive(Clone)]
pub struct ReedSolomon {
    data_shards: usize,
    parity_shards: usize,
    matrix: Matrix,
    /// The matrix's parity part, m × k.
    parity: Dense,
    engine: &'static dyn Engine,
}

impl ReedSolomon {
    /// A code of `data_shards` (k) and `parity_shards` (m).
    ///
    /// # Errors
    /// [`Error::CodeParameters`] unless 1 <= k and k + m <= 256.
    pub fn new(data_shards: usize, parity_shards: usize, matrix: Matrix) -> Result<Self, Error> {
        if data_shards == 0 || data_shards.saturating_add(parity_shards) > MAX_SHARDS {
            return Err(Error::CodeParameters { data_shards, parity_shards });
        }
        let parity = matrix.parity_part(data_shards, parity_shards);
        Ok(Self { data_shards, parity_shards, matrix, parity, engine: fastest() })
    }

    /// k.
    #[must_use]
    pub fn data_shards(&self) -> usize {
        self.data_shards
    }

    /// m.
    #[must_use]
    pub fn parity_shards(&self) -> usize {
        self.parity_shards
    }

    /// k + m.
    #[must_use]
    pub fn total_shards(&self) -> usize {
        self.data_shards + self.parity_shards
    }

    /// The generator matrix.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        self.matrix
    }

    /// What makes a code this code: all the rest follows from it.
    fn identity(&self) -> (usize, usize, Matrix) {
        (self.data_shards, self.parity_shards, self.matrix)
    }

    /// Overwrites the m `parity` shards with those of the k `data` shards.
    ///
    /// # Errors
    /// [`Error::Count`] or [`Error::ShardLength`] when the shards do not fit the code.
    pub fn encode<D: AsRef<[u8]>, P: AsMut<[u8]>>(&self, data: &[D], parity: &mut [P]) -> Result<(), Error> {
        let data: Vec<&[u8]> = data.iter().map(AsRef::as_ref).collect();
        let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(AsMut::as_mut).collect();
        check_count("data shards", self.data_shards, data.len())?;
        check_count("parity shards", self.parity_shards, parity.len())?;
        check_lengths(data.iter().map(|shard| shard.len()).chain(parity.iter().map(|shard| shard.len())))?;
        self.engine.combine(&self.parity, &data, &mut parity);
        Ok(())
    }

    /// Fills in every shard, data or parity, that is not `present`. What the absent ones hold is ignored.
    ///
    /// # Errors
    /// [`Error::TooFewShards`] when fewer than k are present; [`Error::Count`] or [`Error::ShardLength`] when
    /// the arguments do not fit the code.
    pub fn reconstruct<S>(&self, shards: &mut [S], present: &[bool]) -> Result<(), Error>
    where
        S: AsRef<[u8]> + AsMut<[u8]>,
    {
        check_count("shards", self.total_shards(), shards.len())?;
        check_count("presence flags", self.total_shards(), present.len())?;
        check_lengths(shards.iter().map(|shard| shard.as_ref().len()))?;
        let recovery = Recovery::solve(&self.parity, self.data_shards, present)?;

        let mut inputs: Vec<&[u8]> = Vec::with_capacity(recovery.sources.len());
        let mut outputs: Vec<&mut [u8]> = Vec::with_capacity(recovery.targets.len());
        for (shard, &present) in shards.iter_mut().zip(present) {
            if !present {
                outputs.push(shard.as_mut());
            } else if inputs.len() < self.data_shards {
                inputs.push((*shard).as_ref());
            }
        }
        self.engine.combine(&recovery.coefficients, &inputs, &mut outputs);
        Ok(())
    }

    /// Whether the m parity shards, last in `shards`, are those of the k data shards before them.
    ///
    /// # Errors
    /// [`Error::Count`] or [`Error::ShardLength`] when the shards do not fit the code.
    pub fn verify<S: AsRef<[u8]>>(&self, shards: &[S]) -> Result<bool, Error> {
        check_count("shards", self.total_shards(), shards.len())?;
        check_lengths(shards.iter().map(|shard| shard.as_ref().len()))?;
        let length = shards[0].as_ref().len();
        let mut scratch = vec![0; self.parity_shards * length.min(VERIFY_BYTES)];
        Ok((0..length).step_by(VERIFY_BYTES).all(|start| {
            let block = start..length.min(start + VERIFY_BYTES);
            let blocks: Vec<&[u8]> = shards.iter().map(|shard| &shard.as_ref()[block.clone()]).collect();
            let (data, parity) = blocks.split_at(self.data_shards);
            let mut expected: Vec<&mut [u8]> =
                scratch.chunks_exact_mut(block.len()).take(self.parity_shards).collect();
            self.engine.combine(&self.parity, data, &mut expected);
            expected.iter().zip(parity).all(|(expected, found)| *expected == *found)
        }))
    }
}

impl PartialEq for ReedSolomon {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for ReedSolomon {}

impl Hash for ReedSolomon {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl fmt::Debug for ReedSolomon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReedSolomon")
            .field("data_shards", &self.data_shards)
            .field("parity_shards", &self.parity_shards)
            .field("matrix", &self.matrix)
            .finish_non_exhaustive()
    }
}

fn check_count(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::Count { what, expected, found }) }
}

fn check_lengths(mut lengths: impl Iterator<Item = usize>) -> Result<(), Error> {
    let expected = lengths.next().unwrap_or(0);
    match lengths.find(|&found| found != expected) {
        None => Ok(()),
        Some(found) => Err(Error::ShardLength { expected, found }),
    }
}
