//! The progressive encoder's class.

use honeylink_fec::ReedSolomon;
use pyo3::prelude::*;

use crate::{
    arrays::{filled, reserved},
    errors::{Incomplete, ShardShapeError, from_fec},
    fec::{DETACH_BYTES, shard_index},
    inputs::Bytes,
    locking::Shared,
    pickling::refused,
};

#[doc = docs!("Encoder")]
#[pyclass(frozen, name = "Encoder", module = "honeylink.fec")]
pub struct PyEncoder {
    code: ReedSolomon,
    state: Shared<State>,
}

struct Parity {
    shard_bytes: usize,
    shards: Vec<Vec<u8>>,
}

struct State {
    is_added: Vec<bool>,
    /// As long as the first shard, once there is one.
    parity: Option<Parity>,
}

impl Parity {
    /// # Errors
    /// `MemoryError` when there is no memory for it.
    fn zeros(parity_shards: usize, shard_bytes: usize) -> PyResult<Self> {
        let shard = |_| {
            let mut shard = reserved(shard_bytes)?;
            shard.resize(shard_bytes, 0);
            Ok(shard)
        };
        Ok(Self { shard_bytes, shards: (0..parity_shards).map(shard).collect::<PyResult<_>>()? })
    }
}

impl State {
    fn add(&mut self, code: &ReedSolomon, index: usize, shard: &[u8]) -> PyResult<()> {
        if self.is_added[index] {
            let expected = "a data shard that was not added before".to_owned();
            return Err(ShardShapeError::new_err((expected, format!("{index} again"))));
        }
        let parity = match &mut self.parity {
            Some(parity) => parity,
            none => none.insert(Parity::zeros(code.parity_shards(), shard.len())?),
        };
        if shard.len() != parity.shard_bytes {
            let expected = format!("a shard of {} bytes like the first", parity.shard_bytes);
            return Err(ShardShapeError::new_err((expected, format!("{} bytes", shard.len()))));
        }
        code.add(index, shard, &mut parity.shards).map_err(from_fec)?;
        self.is_added[index] = true;
        Ok(())
    }

    /// Bytes of each parity shard.
    ///
    /// # Errors
    /// `Incomplete` as long as not all data shards were added.
    fn shard_bytes(&self) -> PyResult<usize> {
        let missing: Vec<usize> = (0..self.is_added.len()).filter(|&index| !self.is_added[index]).collect();
        let complete = self.parity.as_ref().filter(|_| missing.is_empty());
        complete.map(|parity| parity.shard_bytes).ok_or_else(|| Incomplete::new_err((missing,)))
    }
}

impl PyEncoder {
    pub fn new(code: ReedSolomon) -> Self {
        let is_added = vec![false; code.data_shards()];
        Self { code, state: Shared::new("Encoder", State { is_added, parity: None }) }
    }
}

#[pymethods]
impl PyEncoder {
    #[doc = docs!("Encoder.add")]
    fn add(&self, py: Python<'_>, index: &Bound<'_, PyAny>, shard: &Bound<'_, PyAny>) -> PyResult<()> {
        let index = shard_index(index, self.code.data_shards())?;
        let shard = Bytes::of(shard, "shard")?;
        let (code, shard) = (&self.code, shard.as_slice());
        let bytes = shard.len().saturating_mul(1 + code.parity_shards());
        let work = |state: &mut State| state.add(code, index, shard);
        if bytes < DETACH_BYTES { self.state.briefly(py, work) } else { self.state.without_gil(py, work) }?
    }

    #[doc = docs!("Encoder.parity")]
    #[getter]
    fn parity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let shard_bytes = self.state.briefly(py, |state| state.shard_bytes())??;
        // The array is made while others may have the encoder. Its parity is complete and does not change any more.
        filled(py, [self.code.parity_shards(), shard_bytes], |copies| {
            self.state.without_gil(py, |state| {
                let rows = state.parity.iter().flat_map(|parity| &parity.shards);
                copies.iter_mut().zip(rows).for_each(|(copy, row)| copy.copy_from_slice(row));
            })
        })
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "it is in the middle of a group")
    }
}
