//! The parity of a group whose data shards come one by one.

use crate::{Error, ReedSolomon};

/// Makes the parity of one group from data shards that come one by one, in any order. It needs the memory of the parity.
///
/// ```
/// use honeylink_fec::{Encoder, Matrix, ReedSolomon};
///
/// let mut encoder = Encoder::new(ReedSolomon::new(2, 1, Matrix::Cauchy)?);
/// encoder.add(1, b"cd")?;
/// encoder.add(0, b"ab")?;
/// assert_eq!(encoder.parity()?, [b"\x02\x06"]);
/// # Ok::<(), honeylink_fec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    code: ReedSolomon,
    is_added: Vec<bool>,
    /// As long as the first shard, once there is one.
    shard_bytes: Option<usize>,
    parity: Vec<Vec<u8>>,
}

impl Encoder {
    /// An encoder of a group of that code.
    #[must_use]
    pub fn new(code: ReedSolomon) -> Self {
        let is_added = vec![false; code.data_shards()];
        Self { code, is_added, shard_bytes: None, parity: Vec::new() }
    }

    /// Takes a data shard.
    ///
    /// # Errors
    /// [`Error::Index`] when there is no such data shard, [`Error::Repeated`] when it was added before,
    /// [`Error::ShardLength`] when it is not as long as the first that was, [`Error::Memory`] when there is no room for
    /// the parity.
    pub fn add(&mut self, index: usize, shard: &[u8]) -> Result<(), Error> {
        match self.is_added.get(index) {
            None => return Err(Error::Index { data_shards: self.code.data_shards(), found: index }),
            Some(true) => return Err(Error::Repeated { index }),
            Some(false) => {}
        }
        match self.shard_bytes {
            Some(expected) if expected != shard.len() => {
                return Err(Error::ShardLength { expected, found: shard.len() });
            }
            Some(_) => {}
            None => {
                self.parity = zeros(self.code.parity_shards(), shard.len())?;
                self.shard_bytes = Some(shard.len());
            }
        }
        self.code.add(index, shard, &mut self.parity)?;
        self.is_added[index] = true;
        Ok(())
    }

    /// The parity shards.
    ///
    /// # Errors
    /// [`Error::Incomplete`] as long as not all data shards were added.
    pub fn parity(&self) -> Result<&[Vec<u8>], Error> {
        if self.is_added.iter().all(|&is_added| is_added) {
            return Ok(&self.parity);
        }
        let missing = (0..self.is_added.len()).filter(|&index| !self.is_added[index]).collect();
        Err(Error::Incomplete { missing })
    }

    /// Bytes of each shard, once one was added.
    #[must_use]
    pub fn shard_bytes(&self) -> Option<usize> {
        self.shard_bytes
    }
}

fn zeros(shards: usize, shard_bytes: usize) -> Result<Vec<Vec<u8>>, Error> {
    let shard = |_| {
        let mut shard = Vec::new();
        shard.try_reserve_exact(shard_bytes).map_err(|_| Error::Memory { bytes: shard_bytes })?;
        shard.resize(shard_bytes, 0);
        Ok(shard)
    };
    (0..shards).map(shard).collect()
}
