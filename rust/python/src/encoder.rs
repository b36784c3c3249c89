//! The progressive encoder's class.

use honeylink_fec::{Encoder, ReedSolomon};
use pyo3::prelude::*;

use crate::{
    arrays::filled,
    errors::from_fec,
    fec::{DETACH_BYTES, shard_index},
    inputs::Bytes,
    locking::Shared,
    pickling::refused,
};

#[doc = docs!("Encoder")]
#[pyclass(frozen, name = "Encoder", module = "honeylink.fec")]
pub struct PyEncoder {
    data_shards: usize,
    parity_shards: usize,
    encoder: Shared<Encoder>,
}

impl PyEncoder {
    pub fn new(code: &ReedSolomon) -> Self {
        let parity_shards = code.parity_shards();
        Self {
            data_shards: code.data_shards(),
            parity_shards,
            encoder: Shared::new("Encoder", Encoder::new(code.clone())),
        }
    }
}

#[pymethods]
impl PyEncoder {
    #[doc = docs!("Encoder.add")]
    fn add(&self, py: Python<'_>, index: &Bound<'_, PyAny>, shard: &Bound<'_, PyAny>) -> PyResult<()> {
        let index = shard_index(index, self.data_shards)?;
        let shard = Bytes::of(shard, "shard")?;
        let shard = shard.as_slice();
        let bytes = shard.len().saturating_mul(1 + self.parity_shards);
        let work = |encoder: &mut Encoder| encoder.add(index, shard);
        if bytes < DETACH_BYTES {
            self.encoder.briefly(py, work)
        } else {
            self.encoder.without_gil(py, work)
        }?
        .map_err(from_fec)
    }

    #[doc = docs!("Encoder.parity")]
    #[getter]
    fn parity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let size = |encoder: &mut Encoder| encoder.parity().map(|_| encoder.shard_bytes());
        let shard_bytes = self.encoder.briefly(py, size)?.map_err(from_fec)?.unwrap_or_default();
        // The array is made while others may have the encoder. Its parity is complete and does not change any more.
        filled(py, [self.parity_shards, shard_bytes], |copies| {
            let copy = |encoder: &mut Encoder| {
                let rows = encoder.parity()?;
                copies.iter_mut().zip(rows).for_each(|(copy, row)| copy.copy_from_slice(row));
                Ok(())
            };
            self.encoder.without_gil(py, copy)?.map_err(from_fec)
        })
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "it is in the middle of a group")
    }
}
