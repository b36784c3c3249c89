//! The codec: checks its arguments, then has one matrix product carried out.

use core::{
    fmt,
    hash::{Hash, Hasher},
};
use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::{
    Engine, Error, MAX_SHARDS, Matrix,
    engine::{Outputs, Product},
    matrix::Points,
    recovery::{Pattern, Recoveries, Recovery},
    rows::{Rows, RowsMut},
};

/// A systematic Reed-Solomon code of k data and m parity shards. Clones share what they have learned.
#[derive(Clone)]
pub struct ReedSolomon(Arc<Code>);

struct Code {
    data_shards: usize,
    parity_shards: usize,
    matrix: Matrix,
    engine: Engine,
    points: Points,
    /// The matrix's parity part, m × k.
    parity: Product,
    recoveries: Recoveries,
}

impl ReedSolomon {
    /// A code of `data_shards` (k) and `parity_shards` (m), on the fastest engine.
    ///
    /// # Errors
    /// [`Error::CodeParameters`] unless 1 <= k and k + m <= 256.
    pub fn new(data_shards: usize, parity_shards: usize, matrix: Matrix) -> Result<Self, Error> {
        Self::with_engine(data_shards, parity_shards, matrix, Engine::fastest())
    }

    /// The same code on a chosen engine. Every engine gives the same bytes.
    ///
    /// # Errors
    /// As for [`ReedSolomon::new`].
    pub fn with_engine(
        data_shards: usize,
        parity_shards: usize,
        matrix: Matrix,
        engine: Engine,
    ) -> Result<Self, Error> {
        if data_shards == 0 || data_shards.saturating_add(parity_shards) > MAX_SHARDS {
            return Err(Error::CodeParameters { data_shards, parity_shards });
        }
        let points = Points::new(matrix, data_shards, parity_shards);
        let parity = parity_part(&points, engine, data_shards, parity_shards);
        let recoveries = Recoveries::default();
        Ok(Self(Arc::new(Code { data_shards, parity_shards, matrix, engine, points, parity, recoveries })))
    }

    /// k.
    #[must_use]
    pub fn data_shards(&self) -> usize {
        self.0.data_shards
    }

    /// m.
    #[must_use]
    pub fn parity_shards(&self) -> usize {
        self.0.parity_shards
    }

    /// k + m.
    #[must_use]
    pub fn total_shards(&self) -> usize {
        self.0.data_shards + self.0.parity_shards
    }

    /// The generator matrix.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        self.0.matrix
    }

    /// What does the work.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// What makes a code this code: all the rest follows from it.
    fn identity(&self) -> (usize, usize, Matrix) {
        (self.data_shards(), self.parity_shards(), self.matrix())
    }

    /// Overwrites the m `parity` shards with those of the k `data` shards.
    ///
    /// # Errors
    /// [`Error::Count`] or [`Error::ShardLength`] when the shards do not fit the code.
    pub fn encode<D: AsRef<[u8]>, P: AsMut<[u8]>>(&self, data: &[D], parity: &mut [P]) -> Result<(), Error> {
        check_count("data shards", self.data_shards(), data.len())?;
        check_count("parity shards", self.parity_shards(), parity.len())?;
        let shard_bytes = row_bytes(data);
        let (mut inputs, mut outputs) = (Rows::of_bytes(shard_bytes), RowsMut::of_bytes(shard_bytes));
        inputs.extend(data.iter().map(AsRef::as_ref))?;
        outputs.extend(parity.iter_mut().map(AsMut::as_mut))?;
        self.0.parity.run(0, &inputs, Outputs::Set(&mut outputs));
        Ok(())
    }

    /// Adds to the `parity` shards what data shard `index` brings them: from zeros, all data shards in any order give
    /// the group's parity.
    ///
    /// # Errors
    /// [`Error::Index`] when there is no such data shard; [`Error::Count`] or [`Error::ShardLength`] when the
    /// shards do not fit the code.
    pub fn add<P: AsMut<[u8]>>(&self, index: usize, shard: &[u8], parity: &mut [P]) -> Result<(), Error> {
        self.add_all(index, [shard], parity)
    }

    /// Corrects the `parity` shards for one data shard that changes from `old` to `new`.
    ///
    /// # Errors
    /// As for [`ReedSolomon::add`].
    pub fn update<P: AsMut<[u8]>>(
        &self,
        parity: &mut [P],
        index: usize,
        old: &[u8],
        new: &[u8],
    ) -> Result<(), Error> {
        self.add_all(index, [old, new], parity)
    }

    /// Adds what each of `shards` brings as data shard `index`.
    fn add_all<P: AsMut<[u8]>, const N: usize>(
        &self,
        index: usize,
        shards: [&[u8]; N],
        parity: &mut [P],
    ) -> Result<(), Error> {
        if index >= self.data_shards() {
            return Err(Error::Index { data_shards: self.data_shards(), found: index });
        }
        check_count("parity shards", self.parity_shards(), parity.len())?;
        let shard_bytes = row_bytes(&shards);
        shards.iter().try_for_each(|shard| check_length(shard_bytes, shard.len()))?;
        let mut outputs = RowsMut::of_bytes(shard_bytes);
        outputs.extend(parity.iter_mut().map(AsMut::as_mut))?;
        for shard in shards {
            let mut input = Rows::of_bytes(shard_bytes);
            input.push(shard)?;
            self.0.parity.run(index, &input, Outputs::Add(&mut outputs));
        }
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
        self.fill(shards, present, None)
    }

    /// Fills in the absent shards that are wanted; other absent ones keep what they hold.
    ///
    /// # Errors
    /// As for [`ReedSolomon::reconstruct`].
    pub fn reconstruct_wanted<S>(
        &self,
        shards: &mut [S],
        present: &[bool],
        wanted: &[bool],
    ) -> Result<(), Error>
    where
        S: AsRef<[u8]> + AsMut<[u8]>,
    {
        check_count("flags of wanted shards", self.total_shards(), wanted.len())?;
        self.fill(shards, present, Some(wanted))
    }

    fn fill<S>(&self, shards: &mut [S], present: &[bool], wanted: Option<&[bool]>) -> Result<(), Error>
    where
        S: AsRef<[u8]> + AsMut<[u8]>,
    {
        let code = &*self.0;
        check_count("shards", self.total_shards(), shards.len())?;
        check_count("presence flags", self.total_shards(), present.len())?;
        let shard_bytes = row_bytes(shards);
        let (mut inputs, mut outputs) = (Rows::of_bytes(shard_bytes), RowsMut::of_bytes(shard_bytes));
        let (mut pattern, mut have) = (Pattern::default(), 0);
        for (index, (shard, &is_present)) in shards.iter_mut().zip(present).enumerate() {
            check_length(shard_bytes, shard.as_ref().len())?;
            if is_present {
                pattern.present.insert(index);
                have += 1;
                if have <= code.data_shards {
                    inputs.push((*shard).as_ref())?;
                }
            } else if wanted.is_none_or(|wanted| wanted[index]) {
                pattern.wanted.insert(index);
                outputs.push(shard.as_mut())?;
            }
        }
        if have < code.data_shards {
            return Err(Error::TooFewShards { have, need: code.data_shards });
        }
        if outputs.as_slice().is_empty() {
            return Ok(());
        }
        let solve = || Recovery::solve(&code.points, code.engine, code.matrix, code.data_shards, pattern);
        let bytes_at_most = Product::bytes_at_most(code.engine, (code.parity_shards, code.data_shards));
        code.recoveries.with(pattern, bytes_at_most, solve, |recovery| {
            recovery.product.run(0, &inputs, Outputs::Set(&mut outputs));
        });
        Ok(())
    }

    /// Whether the m parity shards, last in `shards`, are those of the k data shards before them.
    ///
    /// # Errors
    /// [`Error::Count`] or [`Error::ShardLength`] when the shards do not fit the code.
    pub fn verify<S: AsRef<[u8]>>(&self, shards: &[S]) -> Result<bool, Error> {
        check_count("shards", self.total_shards(), shards.len())?;
        let shard_bytes = row_bytes(shards);
        let (data, parity) = shards.split_at(self.data_shards());
        let (mut inputs, mut expected) = (Rows::of_bytes(shard_bytes), Rows::of_bytes(shard_bytes));
        inputs.extend(data.iter().map(AsRef::as_ref))?;
        expected.extend(parity.iter().map(AsRef::as_ref))?;
        Ok(self.0.parity.run(0, &inputs, Outputs::Compare(&expected)))
    }
}

/// The factor of data shard j in parity shard i: a parity shard follows from all data shards as a lost one would.
fn parity_part(points: &Points, engine: Engine, data_shards: usize, parity_shards: usize) -> Product {
    let formula = points.interpolation(&[], &[]);
    let shards: ArrayVec<u8, MAX_SHARDS> = (0..=255).take(data_shards + parity_shards).collect();
    let (data, parity) = shards.split_at(data_shards);
    let data: ArrayVec<_, MAX_SHARDS> = data.iter().map(|&j| (j, formula.of_source(j.into()))).collect();
    let parity: ArrayVec<_, MAX_SHARDS> = parity.iter().map(|&i| (i, formula.of_target(i.into()))).collect();
    Product::new(engine, (parity_shards, data_shards), |i, j| formula.coefficient(parity[i], data[j]))
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
            .field("data_shards", &self.data_shards())
            .field("parity_shards", &self.parity_shards())
            .field("matrix", &self.matrix())
            .finish_non_exhaustive()
    }
}

fn check_count(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::Count { what, expected, found }) }
}

/// How long all of them must be.
fn row_bytes<S: AsRef<[u8]>>(shards: &[S]) -> usize {
    shards.first().map_or(0, |shard| shard.as_ref().len())
}

fn check_length(expected: usize, found: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::ShardLength { expected, found }) }
}
