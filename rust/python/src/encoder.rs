//! The progressive encoder's class.

use std::sync::{Mutex, PoisonError};

use honeylink_fec::ReedSolomon;
use pyo3::prelude::*;

use crate::{
    arrays::array,
    errors::{Incomplete, ShardShapeError, from_fec},
    fec::shard_index,
    inputs::Bytes,
};

/// Makes the parity of one group from data shards that come one by one, in any order.
///
/// Made by `ReedSolomon.encoder`. It can be shared by threads. What it needs is the memory of the parity shards.
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
    fn add(&self, index: &Bound<'_, PyAny>, shard: &Bound<'_, PyAny>) -> PyResult<()> {
        let index = shard_index(index, self.code.data_shards())?;
        let shard = Bytes::of(shard, "shard")?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { is_added, parity } = &mut *state;
        if is_added[index] {
            let expected = "a data shard that was not added before".to_owned();
            return Err(ShardShapeError::new_err((expected, format!("{index} again"))));
        }
        let parity = parity.get_or_insert_with(|| Parity {
            shard_bytes: shard.len(),
            shards: vec![vec![0; shard.len()]; self.code.parity_shards()],
        });
        if shard.len() != parity.shard_bytes {
            let expected = format!("a shard of {} bytes like the first", parity.shard_bytes);
            return Err(ShardShapeError::new_err((expected, format!("{} bytes", shard.len()))));
        }
        self.code.add(index, shard.as_slice(), &mut parity.shards).map_err(from_fec)?;
        is_added[index] = true;
        Ok(())
    }

    /// uint8[m, n], the parity shards: a new array each time.
    ///
    /// Raises:
    ///     Incomplete: Not all data shards were added yet; `missing` says which.
    #[getter]
    fn parity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<usize> = (0..state.is_added.len()).filter(|&index| !state.is_added[index]).collect();
        let Some(parity) = state.parity.as_ref().filter(|_| missing.is_empty()) else {
            return Err(Incomplete::new_err((missing,)));
        };
        array(py, &parity.shards, parity.shard_bytes)
    }
}
