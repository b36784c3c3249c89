//! Choosing parity: the function and its answer.

use core::hash::{Hash, Hasher};

use honeylink_fec::{MAX_SHARDS, Plan, PlanError, plan};
use pyo3::{exceptions::PyOverflowError, prelude::*};

use crate::{
    errors::{CodeParameterError, from_fec_plan},
    fec::Count,
    pickling::{Reduced, reduced},
};

/// How much parity a group needs, and what it gives.
///
/// Args:
///     data_shards: k, the number of data shards of a group.
///     parity_shards: m, the number of parity shards of a group.
///     recovery: The probability that all data of a group comes back.
///
/// Raises:
///     CodeParameterError: No code has k and m.
///     PlanParameterError: The recovery is no probability.
///
/// Example:
///     >>> from honeylink.fec import Plan
///     >>> Plan(10, 4, 0.9995).overhead
///     0.4
#[pyclass(frozen, eq, hash, name = "Plan", module = "honeylink.fec")]
pub struct PyPlan(Plan);

#[pymethods]
impl PyPlan {
    #[new]
    fn new(
        data_shards: &Bound<'_, PyAny>,
        parity_shards: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = number)] recovery: f64,
    ) -> PyResult<Self> {
        let (k, m) = (Count::of(data_shards)?, Count::of(parity_shards)?);
        let (data_shards, parity_shards) = match (k.value, m.value) {
            (Some(k), Some(m)) if k >= 1 && k + m <= MAX_SHARDS => (k, m),
            _ => return Err(CodeParameterError::new_err((k.shown.unbind(), m.shown.unbind()))),
        };
        if !(0.0..=1.0).contains(&recovery) {
            let error = PlanError::Probability { name: "recovery", found: recovery };
            return Err(from_fec_plan(&error));
        }
        // The sum makes -0.0 the 0.0 that it equals.
        Ok(Self(Plan { data_shards, parity_shards, recovery: recovery + 0.0 }))
    }

    /// k, the number of data shards of a group.
    #[getter]
    fn data_shards(&self) -> usize {
        self.0.data_shards
    }

    /// m, the number of parity shards of a group.
    #[getter]
    fn parity_shards(&self) -> usize {
        self.0.parity_shards
    }

    /// The probability that all data of a group comes back, rounded down: 1.0 means always.
    #[getter]
    fn recovery(&self) -> f64 {
        self.0.recovery
    }

    /// What parity costs: m / k.
    #[getter]
    fn overhead(&self) -> f64 {
        self.0.overhead()
    }

    fn __repr__(&self) -> String {
        let (k, m, recovery) = self.arguments();
        format!("Plan(data_shards={k}, parity_shards={m}, recovery={recovery:?})")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, (usize, usize, f64)> {
        reduced::<Self, _>(py, self.arguments())
    }
}

impl PyPlan {
    fn arguments(&self) -> (usize, usize, f64) {
        (self.0.data_shards, self.0.parity_shards, self.0.recovery)
    }

    fn identity(&self) -> (usize, usize, u64) {
        (self.0.data_shards, self.0.parity_shards, self.0.recovery.to_bits())
    }
}

impl PartialEq for PyPlan {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Hash for PyPlan {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// The least parity that brings groups through a link's losses as often as wanted.
///
/// All data of a group comes back when at most m of its k + m packets are lost. One more parity shard never
/// makes that rarer, so m is the first that is enough. The probability to fail is computed exactly, to 12
/// digits, so a target may be as close to 1 as a float can be.
///
/// Args:
///     loss: The share of packets that are lost, from 0 to 1.
///     target: The probability to recover a group, from 0 to 1. 1 asks for certainty, which only a link gives
///         that can't lose more than m.
///     data_shards: k, from 1 to 256.
///     burst: The mean number of packets that are lost in a row, where losses come in bursts: at least 1 and
///         loss / (1 - loss). The link is Gilbert's: a state that loses all, one that loses none, each as
///         likely to be met by a group as it is common. Left out: each packet is lost by itself.
///
/// Returns:
///     The plan. Its recovery is at least the target, and would not be with one parity shard less.
///
/// Raises:
///     PlanUnreachable: No group of 256 shards or less is enough; `best` is what 256 give.
///     PlanParameterError: No link loses like that, or the target is no probability.
///     CodeParameterError: k is out of range.
///
/// Source: E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960.
///
/// Example:
///     >>> from honeylink.fec import plan
///     >>> plan(loss=0.02, target=0.999).parity_shards
///     3
///     >>> plan(loss=0.02, target=0.999, burst=3).parity_shards
///     12
#[pyfunction]
#[pyo3(signature = (loss, target, data_shards = 10, burst = None))]
pub fn plan_parity(
    #[pyo3(from_py_with = number)] loss: f64,
    #[pyo3(from_py_with = number)] target: f64,
    #[pyo3(from_py_with = group_size)] data_shards: usize,
    #[pyo3(from_py_with = optional_number)] burst: Option<f64>,
) -> PyResult<PyPlan> {
    plan(loss, target, data_shards, burst).map(PyPlan).map_err(|error| from_fec_plan(&error))
}

/// A Python number, infinite when it is too large for a float: out of range all the same.
fn number(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    match value.extract::<f64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            Ok(if value.lt(0)? { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        result => result,
    }
}

fn optional_number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if value.is_none() { Ok(None) } else { number(value).map(Some) }
}

fn group_size(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    let count = Count::of(value)?;
    count.value.ok_or_else(|| CodeParameterError::new_err((count.shown.unbind(), 0)))
}
