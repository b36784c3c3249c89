//! The codec's class.

use honeylink_fec::{Error, Matrix, ReedSolomon};
use pyo3::{
    exceptions::PyOverflowError,
    prelude::*,
    types::{PyBool, PyString},
};

use crate::{
    arrays::{Grid, Shape, Shards, ShardsMut, as_rows, flags, flags_of_groups, zeros},
    encoder::PyEncoder,
    engines,
    errors::{CodeParameterError, ShardShapeError, TooFewShards, UnknownMatrix, from_fec},
    inputs::{Bytes, Data},
    pickling::{Reduced, reduced},
};

/// Bytes of shards from which work runs without the GIL. Giving it up and taking it back costs 0.04 µs
/// uncontended: a twentieth of the fastest work of this size, encoding 10 + 1 by XOR. How much a second thread brings
/// from there on stands in benches/README.md.
pub const DETACH_BYTES: usize = 64 * 1024;

/// Shards to be made of a group from which it is fetched while the one before is worked on. With one or two, work is no
/// longer than the CPU's own reading ahead takes, and asking for each line costs a fifth of it.
const PREFETCH_MADE_SHARDS: usize = 3;

/// Bytes up to which a group is fetched: about what the first-level cache holds. At 10 + 5 and 1200 B it gains up to a third;
/// at 2400 B it makes no difference; from 4096 B on, where the CPU reads ahead by itself, it costs a tenth to a quarter
/// (Zen 4, in and out of the third-level cache).
const PREFETCH_BYTES: usize = 32 * 1024;

/// A systematic Reed-Solomon code over GF(2^8), polynomial 0x11D: any k of k + m shards give the data.
///
/// A code is immutable: it can be shared by threads, compared, hashed and pickled. Calls on 64 KiB of shards or
/// more release the GIL. While one runs, no other thread may write to its arrays. A call that raises has
/// written nothing.
///
/// Args:
///     data_shards: k, at least 1.
///     parity_shards: m, at least 0; k + m is at most 256.
///     matrix: The generator matrix, with g[i][j] = 1/((k+i) xor j).
///         `"cauchy"`: g[i][j] * g[0][0] / (g[0][j] * g[i][0]), the fastest; with m = 1 it is XOR.
///         `"cauchy-isal"`: g itself, as ISA-L's `gf_gen_cauchy1_matrix` has it.
///         `"vandermonde"`: that of Backblaze, klauspost/reedsolomon and reed-solomon-erasure.
///         `"rfc5510"`: that of zfec.
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
            (Some(k), Some(m)) => {
                ReedSolomon::with_engine(k, m, matrix, engines::in_use()?).map(Self).map_err(from_fec)
            }
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
    ///     data: uint8[k, n], one shard a row; or a sequence of k equally long bytes-like rows; or k * n adjacent
    ///         bytes. Rows of an array must be contiguous, at any distance. n may be 0.
    ///     out: uint8[m, n] to write to, apart from `data`; a new array when left out. With it, nothing is
    ///         allocated for an array.
    ///
    /// Returns:
    ///     uint8[m, n], one parity shard a row: `out` itself, if given.
    ///
    /// Raises:
    ///     ShardShapeError: An argument has another dtype, shape or layout.
    ///     OutputError: `out` is read-only, or shares memory with itself or `data`.
    ///     TypeError: `data` is neither bytes-like nor a sequence of what is, or `out` not a NumPy array.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> from honeylink.fec import ReedSolomon
    ///     >>> data = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.uint8)
    ///     >>> ReedSolomon(3, 2).encode(data)
    ///     array([[  7,   0],
    ///            [ 82, 194]], dtype=uint8)
    ///     >>> ReedSolomon(3, 1).encode([b"ab", b"cd", b"ef"]).tobytes()
    ///     b'g`'
    #[pyo3(signature = (data, out = None))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let k = self.0.data_shards();
        let held;
        let mut inputs = Shards::new();
        if let Some(array) = as_rows(data) {
            Grid::of_array(array, "data", Shape::of(k, None))?.group(0, &mut inputs);
        } else {
            held = Data::of(data, k)?;
            held.shards(k, &mut inputs);
        }
        let out = out.map_or_else(|| zeros(py, [self.0.parity_shards(), inputs[0].len()]), Ok)?;
        self.encode_into(py, &inputs, &out)?;
        Ok(out)
    }

    /// The parity shards of many groups, in one call: for packets, where a call costs as much as the work.
    ///
    /// Args:
    ///     data: uint8[g, k, n], one shard a row. Rows must be contiguous; rows and groups at any distance.
    ///     out: uint8[g, m, n] to write to, apart from `data`; a new array when left out.
    ///
    /// Returns:
    ///     uint8[g, m, n]: `out` itself, if given.
    ///
    /// Raises:
    ///     ShardShapeError: An array has another dtype, shape or layout.
    ///     OutputError: `out` is read-only, or shares memory with itself or `data`.
    ///     TypeError: An argument is not a NumPy array.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> from honeylink.fec import ReedSolomon
    ///     >>> packets = np.zeros((1024, 10, 1200), dtype=np.uint8)
    ///     >>> ReedSolomon(10, 2).encode_groups(packets).shape
    ///     (1024, 2, 1200)
    #[pyo3(signature = (data, out = None))]
    fn encode_groups<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (k, m) = (self.0.data_shards(), self.0.parity_shards());
        let data = Grid::of(data, "data", Shape::of_groups(None, k, None))?;
        let out = out.map_or_else(|| zeros(py, [data.groups(), m, data.shard_bytes()]), Ok)?;
        let shape = Shape::of_groups(Some(data.groups()), m, Some(data.shard_bytes()));
        let parity = Grid::of(&out, "out", shape)?;
        parity.check_writeable()?;
        parity.check_apart_from(py, &data)?;
        if parity.bytes() == 0 {
            return Ok(out); // An array may claim 2^60 groups of nothing.
        }
        run(py, data.bytes().saturating_add(parity.bytes()), || {
            let (mut inputs, mut outputs, mut next) = (Shards::new(), ShardsMut::new(), Shards::new());
            (0..data.groups()).try_for_each(|group| {
                data.group(group, &mut inputs);
                if pays_to_prefetch(m, k * data.shard_bytes()) {
                    data.prefetch(group + 1, &mut next);
                }
                // SAFETY: checked above; each group's slices are dropped before others of it are made.
                unsafe { parity.group_mut(group, &mut outputs) };
                self.0.encode(&inputs, &mut outputs)
            })
        })?;
        Ok(out)
    }

    /// Fills in the shards that are not present, data and parity, in place.
    ///
    /// A code remembers the first patterns of losses that it sees, up to 256 of them or 1 MiB: they cost less when they
    /// come again.
    ///
    /// Args:
    ///     shards: uint8[k + m, n], data first. What absent rows hold is ignored and overwritten; present
    ///         rows are only read. Rows must be contiguous, at any distance.
    ///     present: bool[k + m], true where a shard is there.
    ///     want: bool[k + m], true for the absent shards to fill in; the others are left as they are. All when
    ///         left out.
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
    #[pyo3(signature = (shards, present, want = None))]
    fn reconstruct(
        &self,
        py: Python<'_>,
        shards: &Bound<'_, PyAny>,
        present: &Bound<'_, PyAny>,
        want: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let total = self.0.total_shards();
        let grid = Grid::of(shards, "shards", Shape::of(total, None))?;
        let present = flags(present, "present", total)?;
        let want = want.map(|want| flags(want, "want", total)).transpose()?;
        grid.check_writeable()?;
        let mut shards = ShardsMut::new();
        // SAFETY: checked above; these are the only slices.
        unsafe { grid.group_mut(0, &mut shards) };
        run(py, grid.bytes(), || match &want {
            None => self.0.reconstruct(&mut shards, &present),
            Some(want) => self.0.reconstruct_wanted(&mut shards, &present, want),
        })
    }

    /// Fills in the shards that are not present in many groups, in one call. All groups or none.
    ///
    /// Args:
    ///     shards: uint8[g, k + m, n], the data first in each group. Rows must be contiguous; rows and groups at
    ///         any distance.
    ///     present: bool[g, k + m], true where a shard is there.
    ///
    /// Raises:
    ///     TooFewShards: Fewer than k shards of a group are present; `group` says which group.
    ///     ShardShapeError: An array has another dtype, shape or layout.
    ///     OutputError: `shards` is read-only, or its rows share memory.
    ///     TypeError: An argument is not a NumPy array.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> from honeylink.fec import ReedSolomon
    ///     >>> shards = np.array([[[1], [2], [3]], [[4], [0], [1]]], dtype=np.uint8)
    ///     >>> present = np.array([[True, True, True], [True, False, True]])
    ///     >>> ReedSolomon(2, 1).reconstruct_groups(shards, present)
    ///     >>> shards[1].ravel()
    ///     array([4, 5, 1], dtype=uint8)
    fn reconstruct_groups(
        &self,
        py: Python<'_>,
        shards: &Bound<'_, PyAny>,
        present: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (k, total) = (self.0.data_shards(), self.0.total_shards());
        let grid = Grid::of(shards, "shards", Shape::of_groups(None, total, None))?;
        let present = flags_of_groups(present, "present", grid.groups(), total)?;
        grid.check_writeable()?;
        let count = |present: &[bool]| present.iter().filter(|&&is_present| is_present).count();
        for (group, present) in present.chunks_exact(total).enumerate() {
            let have = count(present);
            if have < k {
                return Err(TooFewShards::new_err((have, k, group)));
            }
        }
        if grid.bytes() == 0 {
            return Ok(());
        }
        run(py, grid.bytes(), || {
            let (mut shards, mut next) = (ShardsMut::new(), Shards::new());
            let mut groups = present.chunks_exact(total).enumerate().peekable();
            while let Some((group, present)) = groups.next() {
                let lost = groups.peek().map_or(0, |(_, present)| total - count(present));
                if pays_to_prefetch(lost, total * grid.shard_bytes()) {
                    grid.prefetch(group + 1, &mut next);
                }
                // SAFETY: checked above; each group's slices are dropped before the next are made.
                unsafe { grid.group_mut(group, &mut shards) };
                self.0.reconstruct(&mut shards, present)?;
            }
            Ok(())
        })
    }

    /// Whether the parity shards are those of the data shards. Allocates nothing.
    ///
    /// Args:
    ///     shards: uint8[k + m, n], data first. Rows must be contiguous, at any distance.
    ///
    /// Returns:
    ///     True if the parity fits the data. Changes in up to m shards are always seen; in more they may cancel out.
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
        let grid = Grid::of(shards, "shards", Shape::of(self.0.total_shards(), None))?;
        let mut shards = Shards::new();
        grid.group(0, &mut shards);
        run(py, grid.bytes(), || self.0.verify(&shards))
    }

    /// Corrects the parity shards, in place, for one data shard that changes.
    ///
    /// Args:
    ///     parity: uint8[m, n], the group's parity before.
    ///     index: Which data shard changes, 0 to k - 1.
    ///     old: Its n bytes before: bytes-like, or uint8[n].
    ///     new: Its n bytes from now on.
    ///
    /// Raises:
    ///     ShardShapeError: There is no such data shard, or an argument has another dtype, shape or layout.
    ///     OutputError: `parity` is read-only, or shares memory with itself, `old` or `new`.
    ///     TypeError: `parity` is not a NumPy array, `index` not an integer, or `old` or `new` not bytes-like.
    ///
    /// Example:
    ///     >>> import numpy as np
    ///     >>> from honeylink.fec import ReedSolomon
    ///     >>> code = ReedSolomon(3, 2)
    ///     >>> parity = code.encode([b"ab", b"cd", b"ef"])
    ///     >>> code.update(parity, 1, b"cd", b"CD")
    ///     >>> bool(np.array_equal(parity, code.encode([b"ab", b"CD", b"ef"])))
    ///     True
    fn update(
        &self,
        py: Python<'_>,
        parity: &Bound<'_, PyAny>,
        index: &Bound<'_, PyAny>,
        old: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let index = shard_index(index, self.0.data_shards())?;
        let (old, new) = (Bytes::of(old, "old")?, Bytes::of(new, "new")?);
        let grid = Grid::of(parity, "parity", Shape::of(self.0.parity_shards(), Some(old.len())))?;
        grid.check_writeable()?;
        let (old, new) = (old.as_slice(), new.as_slice());
        grid.check_apart_from_rows(&[old, new])?;
        let mut parity = ShardsMut::new();
        // SAFETY: checked above; these are the only slices.
        unsafe { grid.group_mut(0, &mut parity) };
        run(py, grid.bytes(), || self.0.update(&mut parity, index, old, new))
    }

    /// A progressive encoder of one group: it takes data shards as they come, in any order.
    ///
    /// Example:
    ///     >>> from honeylink.fec import ReedSolomon
    ///     >>> encoder = ReedSolomon(2, 1).encoder()
    ///     >>> encoder.add(1, b"cd")
    ///     >>> encoder.add(0, b"ab")
    ///     >>> encoder.parity.tolist()
    ///     [[2, 6]]
    fn encoder(&self) -> PyEncoder {
        PyEncoder::new(self.0.clone())
    }

    fn __repr__(&self) -> String {
        let (k, m, matrix) = self.arguments();
        format!("ReedSolomon(data_shards={k}, parity_shards={m}, matrix='{matrix}')")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, (usize, usize, &'static str)> {
        reduced::<Self, _>(py, self.arguments())
    }
}

impl PyReedSolomon {
    fn arguments(&self) -> (usize, usize, &'static str) {
        (self.0.data_shards(), self.0.parity_shards(), self.0.matrix().name())
    }

    pub fn code(&self) -> &ReedSolomon {
        &self.0
    }

    fn encode_into(&self, py: Python<'_>, data: &Shards<'_>, out: &Bound<'_, PyAny>) -> PyResult<()> {
        let shard_bytes = data[0].len();
        let grid = Grid::of(out, "out", Shape::of(self.0.parity_shards(), Some(shard_bytes)))?;
        grid.check_writeable()?;
        grid.check_apart_from_rows(data)?;
        let mut parity = ShardsMut::new();
        // SAFETY: checked above; these are the only slices.
        unsafe { grid.group_mut(0, &mut parity) };
        run(py, shard_bytes.saturating_mul(self.0.total_shards()), || self.0.encode(data, &mut parity))
    }
}

/// Whether a group of so many bytes, of which so many shards are to be made, is better fetched ahead of its turn.
fn pays_to_prefetch(made_shards: usize, bytes: usize) -> bool {
    made_shards >= PREFETCH_MADE_SHARDS && bytes <= PREFETCH_BYTES
}

/// Does `work` on so many bytes of shards, without the GIL when that pays.
pub fn run<T: Send>(
    py: Python<'_>,
    bytes: usize,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> PyResult<T> {
    if bytes >= DETACH_BYTES { py.detach(work) } else { work() }.map_err(from_fec)
}

/// The index of one of k data shards.
pub fn shard_index(index: &Bound<'_, PyAny>, data_shards: usize) -> PyResult<usize> {
    let count = Count::of(index)?;
    count.value.filter(|&index| index < data_shards).ok_or_else(|| {
        let expected = format!("the index of a data shard, 0 to {}", data_shards - 1);
        ShardShapeError::new_err((expected, count.shown.to_string()))
    })
}

fn named_matrix(name: &Bound<'_, PyAny>) -> PyResult<Matrix> {
    let name = name.cast::<PyString>()?;
    // The error shows what was given, which UTF-8 may not hold.
    Matrix::ALL.into_iter().find(|matrix| matrix.name() == name.to_string_lossy()).ok_or_else(|| {
        UnknownMatrix::new_err((name.clone().unbind(), Matrix::ALL.map(Matrix::name).to_vec()))
    })
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
