//! The progressive encoder's class.

use std::sync::{Mutex, PoisonError};

use honeylink_fec::ReedSolomon;
use pyo3::{prelude::*, sync::MutexExt};

use crate::{
    arrays::{array, reserved},
    errors::{Incomplete, ShardShapeError},
    fec::{run, shard_index},
    inputs::Bytes,
};

/// Makes the parity of one group from data shards that come one by one, in any order.
///
/// Made by `ReedSolomon.encoder`. Threads that share it wait for each other. What it needs is the memory of the parity
/// shards.
///
/// Example:
///     >>> from honeylink.fec import ReedSolomon
///     >>> encoder = ReedSolomon(3, 2).encoder()
///     >>> for index, shard in [(2, b"ef"), (0, b"ab"), (1, b"cd")]:
///     ...     encoder.add(index, shard)
///     >>> encoder.parity.shape
///     (2, 2)
#[pyclass(frozen, name = "Encoder", module = "honeylink.fec")]
pub struct PyEncoder {
    code: ReedSolomon,
    state: Mutex<State>,
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

impl PyEncoder {
    pub fn new(code: ReedSolomon) -> Self {
        let is_added = vec![false; code.data_shards()];
        Self { code, state: Mutex::new(State { is_added, parity: None }) }
    }
}

#[pymethods]
impl PyEncoder {
    /// Takes one data shard.
    ///
    /// Args:
    ///     index: Which one, 0 to k - 1, each once.
    ///     shard: Its bytes: bytes-like, or uint8[n], as long as the first one that was added.
    ///
    /// Raises:
    ///     ShardShapeError: There is no such shard, it was added before, or it has another length than the first.
    ///     TypeError: `index` is not an integer, or `shard` not bytes-like.
    fn add(&self, py: Python<'_>, index: &Bound<'_, PyAny>, shard: &Bound<'_, PyAny>) -> PyResult<()> {
        let index = shard_index(index, self.code.data_shards())?;
        let shard = Bytes::of(shard, "shard")?;
        let (shard_bytes, parity_shards) = (shard.len(), self.code.parity_shards());
        // Another thread may hold the lock without the GIL, and needs the GIL to let go of it.
        let mut state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let State { is_added, parity } = &mut *state;
        if is_added[index] {
            let expected = "a data shard that was not added before".to_owned();
            return Err(ShardShapeError::new_err((expected, format!("{index} again"))));
        }
        let parity = match parity {
            Some(parity) => parity,
            None => parity.insert(Parity::zeros(parity_shards, shard_bytes)?),
        };
        if shard_bytes != parity.shard_bytes {
            let expected = format!("a shard of {} bytes like the first", parity.shard_bytes);
            return Err(ShardShapeError::new_err((expected, format!("{shard_bytes} bytes"))));
        }
        let shard = shard.as_slice();
        run(py, shard_bytes.saturating_mul(1 + parity_shards), || {
            self.code.add(index, shard, &mut parity.shards)
        })?;
        is_added[index] = true;
        Ok(())
    }

    /// uint8[m, n], the parity shards: a new array each time.
    ///
    /// Raises:
    ///     Incomplete: Not all data shards were added yet; `missing` says which.
    #[getter]
    fn parity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let state = self.state.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<usize> = (0..state.is_added.len()).filter(|&index| !state.is_added[index]).collect();
        let Some(parity) = state.parity.as_ref().filter(|_| missing.is_empty()) else {
            return Err(Incomplete::new_err((missing,)));
        };
        array(py, &parity.shards, parity.shard_bytes)
    }
}
