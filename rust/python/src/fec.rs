//! The codec's class.

use honeylink_fec::{Error, Matrix, ReedSolomon, pays_to_prefetch};
use pyo3::{prelude::*, types::PyString};

use crate::{
    arguments::{count, nearest},
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

#[doc = docs!("ReedSolomon")]
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
        match (count(data_shards)?, count(parity_shards)?) {
            (Some(k), Some(m)) => {
                ReedSolomon::with_engine(k, m, matrix, engines::in_use()?).map(Self).map_err(from_fec)
            }
            _ => Err(no_code(data_shards, parity_shards)),
        }
    }

    #[doc = docs!("ReedSolomon.data_shards")]
    #[getter]
    fn data_shards(&self) -> usize {
        self.0.data_shards()
    }

    #[doc = docs!("ReedSolomon.parity_shards")]
    #[getter]
    fn parity_shards(&self) -> usize {
        self.0.parity_shards()
    }

    #[doc = docs!("ReedSolomon.matrix")]
    #[getter]
    fn matrix(&self) -> &'static str {
        self.0.matrix().name()
    }

    #[doc = docs!("ReedSolomon.encode")]
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

    #[doc = docs!("ReedSolomon.encode_groups")]
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

    #[doc = docs!("ReedSolomon.reconstruct")]
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

    #[doc = docs!("ReedSolomon.reconstruct_groups")]
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

    #[doc = docs!("ReedSolomon.verify")]
    fn verify(&self, py: Python<'_>, shards: &Bound<'_, PyAny>) -> PyResult<bool> {
        let grid = Grid::of(shards, "shards", Shape::of(self.0.total_shards(), None))?;
        let mut shards = Shards::new();
        grid.group(0, &mut shards);
        run(py, grid.bytes(), || self.0.verify(&shards))
    }

    #[doc = docs!("ReedSolomon.update")]
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

    #[doc = docs!("ReedSolomon.encoder")]
    fn encoder(&self) -> PyEncoder {
        PyEncoder::new(&self.0)
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
    if let Some(index) = count(index)?.filter(|&index| index < data_shards) {
        return Ok(index);
    }
    let expected = format!("the index of a data shard, 0 to {}", data_shards - 1);
    Err(ShardShapeError::new_err((expected, nearest(index)?.to_string())))
}

/// That no code has so many shards.
pub fn no_code(data_shards: &Bound<'_, PyAny>, parity_shards: &Bound<'_, PyAny>) -> PyErr {
    match (nearest(data_shards), nearest(parity_shards)) {
        (Ok(k), Ok(m)) => CodeParameterError::new_err((k.unbind(), m.unbind())),
        (Err(error), _) | (_, Err(error)) => error,
    }
}

fn named_matrix(name: &Bound<'_, PyAny>) -> PyResult<Matrix> {
    let name = name.cast::<PyString>()?;
    // The error shows what was given, which UTF-8 may not hold.
    Matrix::ALL.into_iter().find(|matrix| matrix.name() == name.to_string_lossy()).ok_or_else(|| {
        UnknownMatrix::new_err((name.clone().unbind(), Matrix::ALL.map(Matrix::name).to_vec()))
    })
}
