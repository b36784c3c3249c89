//! The codec's class.

use honeylink_fec::{Error, Matrix, ReedSolomon};
use pyo3::{
    exceptions::PyOverflowError,
    prelude::*,
    types::{PyBool, PyString},
};

use crate::{
    arrays::{Rows, flags, zeros},
    errors::{CodeParameterError, from_fec},
};

/// Bytes of shards from which work runs without the GIL. Giving it up and taking it back costs 0.05 µs
/// uncontended: an eighth of the fastest work of this size, encoding 10 + 1 by XOR.
const DETACH_BYTES: usize = 16 * 1024;

/// A systematic Reed-Solomon code over GF(2^8), polynomial 0x11D: any k of k + m shards give the data.
///
/// A code is immutable: it can be shared by threads, compared, hashed and pickled. Calls on more than a few
/// KiB release the GIL. While one runs, no other thread may write to its arrays. A call that raises has
/// written nothing.
///
/// Args:
///     data_shards: k, at least 1.
///     parity_shards: m, at least 0; k + m is at most 256.
///     matrix: The generator matrix. `"cauchy"` is a Cauchy matrix scaled so that the first parity shard is
///         the XOR of the data shards.
///
/// Raises:
///     CodeParameterError: k or m is out of range. Numbers beyond 64 bits are reported as the nearest within.
///     UnknownMatrix: There is no matrix of that name.
///
/// Source: J. Blömer et al., "An XOR-based erasure-resilient coding scheme", ICSI TR-95-048, 1995.
///
/// Example:
///     >>> from honeylink.fec import ReedSolomon
///     >>> code = ReedSolomon(10, 5)
///     >>> code
///     ReedSolomon(data_shards=10, parity_shards=5, matrix='cauchy')
///     >>> code == ReedSolomon(10, 5, matrix="cauchy")
///     True
#[pyclass(frozen, eq, hash, name = "ReedSolomon", module = "honeylink.fec")]
#[derive(PartialEq, Hash)]
pub struct PyReedSolomon(ReedSolomon);

#[pymethods]
impl PyReedSolomon {
    #[new]
    #[pyo3(signature = (data_shards, parity_shards, matrix = Matrix::default()))]
    #[pyo3(text_signature = "(data_shards, parity_shards, matrix='cauchy')")]
    fn new(
        data_shards: &Bound<'_, PyAny>,
        parity_shards: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = named_matrix)] matrix: Matrix,
    ) -> PyResult<Self> {
        let (data_shards, parity_shards) = (Count::of(data_shards)?, Count::of(parity_shards)?);
        match (data_shards.value, parity_shards.value) {
            (Some(k), Some(m)) => ReedSolomon::new(k, m, matrix).map(Self).map_err(from_fec),
            _ => Err(CodeParameterError::new_err((data_shards.shown.unbind(), parity_shards.shown.unbind()))),
        }
    }

    /// k, the number of data shards of a group.
    #[getter]
    fn data_shards(&self) -> usize {
        self.0.data_shards()
    }

    /// m, the number of parity shards of a group.
    #[getter]
    fn parity_shards(&self) -> usize {
        self.0.parity_shards()
    }

    /// The name of the generator matrix.
    #[getter]
    fn matrix(&self) -> &'static str {
        self.0.matrix().name()
    }

    /// The parity shards of k data shards.
    ///
    /// Args:
    ///     data: uint8[k, n], one shard a row. Rows must be contiguous, at any distance; n may be 0.
    ///     out: uint8[m, n] to write to, apart from `data`; a new array when left out.
    ///
    /// Returns:
    ///     uint8[m, n], one parity shard a row: `out` itself, if given.
    ///
    /// Raises:
    ///     ShardShapeError: An array has another dtype, shape or layout.
    ///     OutputError: `out` is read-only, or shares memory with itself or `data`.
    ///     TypeError: An argument is not a NumPy array.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> from honeylink.fec import ReedSolomon
    ///     >>> data = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.uint8)
    ///     >>> ReedSolomon(3, 2).encode(data)
    ///     array([[  7,   0],
    ///            [ 82, 194]], dtype=uint8)
    #[pyo3(signature = (data, out = None))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rows = Rows::of(data, "data", self.0.data_shards(), None)?;
        let row_bytes = rows.row_bytes();
        let out = out.map_or_else(|| zeros(py, self.0.parity_shards(), row_bytes), Ok)?;
        let parity = Rows::of(&out, "out", self.0.parity_shards(), Some(row_bytes))?;
        let mut parity = parity.into_slices_mut(Some(&rows))?;
        let data = rows.into_slices();
        self.run(py, row_bytes, || self.0.encode(&data, &mut parity))?;
        Ok(out)
    }

    /// Fills in the shards that are not present, data and parity, in place.
    ///
    /// Args:
    ///     shards: uint8[k + m, n], data first. What absent rows hold is ignored and overwritten; present
    ///         rows are only read. Rows must be contiguous, at any distance.
    ///     present: bool[k + m], true where a shard is there.
    ///
    /// Raises:
    ///     TooFewShards: Fewer than k shards are present.
    ///     ShardShapeError: An array has another dtype, shape or layout.
    ///     OutputError: `shards` is read-only, or its rows share memory.
    ///     TypeError: An argument is not a NumPy array.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> from honeylink.fec import ReedSolomon
    ///     >>> shards = np.array([[0, 0], [3, 4], [5, 6], [0, 0], [82, 194]], dtype=np.uint8)
    ///     >>> present = np.array([False, True, True, False, True])
    ///     >>> ReedSolomon(3, 2).reconstruct(shards, present)
    ///     >>> shards
    ///     array([[  1,   2],
    ///            [  3,   4],
    ///            [  5,   6],
    ///            [  7,   0],
    ///            [ 82, 194]], dtype=uint8)
    fn reconstruct(
        &self,
        py: Python<'_>,
        shards: &Bound<'_, PyAny>,
        present: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let rows = Rows::of(shards, "shards", self.0.total_shards(), None)?;
        let row_bytes = rows.row_bytes();
        let present = flags(present, "present", self.0.total_shards())?;
        let mut shards = rows.into_slices_mut(None)?;
        self.run(py, row_bytes, || self.0.reconstruct(&mut shards, &present))
    }

    /// Whether the parity shards are those of the data shards.
    ///
    /// Args:
    ///     shards: uint8[k + m, n], data first. Rows must be contiguous, at any distance.
    ///
    /// Returns:
    ///     False when any byte of any shard was changed since encoding; which one, it does not say.
    ///
    /// Raises:
    ///     ShardShapeError: The array has another dtype, shape or layout.
    ///     TypeError: The argument is not a NumPy array.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> from honeylink.fec import ReedSolomon
    ///     >>> ReedSolomon(2, 1).verify(np.array([[1], [2], [3]], dtype=np.uint8))
    ///     True
    fn verify(&self, py: Python<'_>, shards: &Bound<'_, PyAny>) -> PyResult<bool> {
        let rows = Rows::of(shards, "shards", self.0.total_shards(), None)?;
        let row_bytes = rows.row_bytes();
        let shards = rows.into_slices();
        self.run(py, row_bytes, || self.0.verify(&shards))
    }

    fn __repr__(&self) -> String {
        let (k, m, matrix) = self.__getnewargs__();
        format!("ReedSolomon(data_shards={k}, parity_shards={m}, matrix='{matrix}')")
    }

    fn __getnewargs__(&self) -> (usize, usize, &'static str) {
        (self.0.data_shards(), self.0.parity_shards(), self.0.matrix().name())
    }
}

impl PyReedSolomon {
    /// Does `work` on shards of `row_bytes`, without the GIL when that pays.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        row_bytes: usize,
        work: impl FnOnce() -> Result<T, Error> + Send,
    ) -> PyResult<T> {
        let is_large = row_bytes.saturating_mul(self.0.total_shards()) >= DETACH_BYTES;
        if is_large { py.detach(work) } else { work() }.map_err(from_fec)
    }
}

fn named_matrix(name: &Bound<'_, PyAny>) -> PyResult<Matrix> {
    name.cast::<PyString>()?.to_string_lossy().parse().map_err(from_fec)
}

/// A Python integer as a number of shards.
pub struct Count<'py> {
    /// `None` when no number of shards can be that.
    pub value: Option<usize>,
    /// For the error. The nearest 64-bit integer where Python could not print the number itself.
    pub shown: Bound<'py, PyAny>,
}

impl<'py> Count<'py> {
    pub fn of(number: &Bound<'py, PyAny>) -> PyResult<Self> {
        if number.is_instance_of::<PyBool>() {
            return Ok(Self { value: None, shown: number.clone() });
        }
        match number.extract::<i64>() {
            Ok(value) => Ok(Self { value: usize::try_from(value).ok(), shown: number.clone() }),
            Err(error) if error.is_instance_of::<PyOverflowError>(number.py()) => {
                let nearest = if number.lt(0)? { i64::MIN } else { i64::MAX };
                Ok(Self { value: None, shown: nearest.into_pyobject(number.py())?.into_any() })
            }
            Err(error) => Err(error),
        }
    }
}
