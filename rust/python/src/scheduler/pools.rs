//! Pools, as Python has them.

use honeylink_scheduler::{self as planner, Charge, Level};
use pyo3::{prelude::*, types::PyString};

use super::{PyStreamAsk, charging::each_allocated};
use crate::{
    arguments::{Items, text, whole, whole_or_none, word},
    errors::from_planner,
    pickling::{Reduced, reduced},
};

/// A bandwidth pool: a capacity that sessions reserve from.
///
/// Guarantee, limits and what is withheld are for pools that share the pool around them. Such a pool has a share, of
/// which it lends some while it does not use it; beyond its share it borrows. What it does not lend is kept for it.
///
/// Args:
///     id: Unique within its level, and on a path where active sessions name it.
///     level: `"device"`, inside `"tenant"`, inside `"node"`.
///     capacity_kbps: What all sessions together may reserve, in kbit/s.
///     reserved_kbps: What they have reserved. More than the capacity leaves no room; it is not an error.
///     charge: What a stream reserves: `"payload"`, what it carries, or `"wire"`, its parity too, rounded up for
///         each stream.
///     guaranteed_kbps: Its share of the pool around it; None is a share of 0.
///     borrow_limit_kbps: How far beyond its share it may go; None: as far as its capacity.
///     lend_limit_kbps: How much of its share others may use while it does not; None: all of it.
///     preemption: Whether sessions may lose bandwidth here to stronger ones.
///     min_hold_ms: For how long after its opening a session can't.
///     withheld_kbps: What it keeps free for pools inside it: the sum of their `claim_kbps`.
///
/// Raises:
///     PlannerError: There is no such level or charge, or a number is not from 0 to 2^64 - 1.
///
/// Example:
///     >>> from honeylink.scheduler import Pool
///     >>> Pool("drone-7", "device", capacity_kbps=8000, reserved_kbps=100)
///     Pool(id='drone-7', level='device', capacity_kbps=8000, reserved_kbps=100)
///     >>> Pool("acme", "tenant", 9000, 1000, guaranteed_kbps=6000, lend_limit_kbps=2000).claim_kbps
///     3000
#[pyclass(frozen, eq, hash, name = "Pool", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyPool(pub(super) planner::Pool);

#[pymethods]
impl PyPool {
    #[new]
    #[pyo3(signature = (
        id, level, capacity_kbps, reserved_kbps, charge = Charge::Payload, guaranteed_kbps = None,
        borrow_limit_kbps = None, lend_limit_kbps = None, preemption = false, min_hold_ms = 0, withheld_kbps = 0,
    ))]
    #[pyo3(
        text_signature = "(id, level, capacity_kbps, reserved_kbps, charge='payload', guaranteed_kbps=None, borrow_limit_kbps=None, lend_limit_kbps=None, preemption=False, min_hold_ms=0, withheld_kbps=0)"
    )]
    #[allow(clippy::too_many_arguments)] // a pool is so much
    fn new(
        id: &Bound<'_, PyString>,
        level: &Bound<'_, PyString>,
        capacity_kbps: &Bound<'_, PyAny>,
        reserved_kbps: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = charge)] charge: Charge,
        guaranteed_kbps: Option<&Bound<'_, PyAny>>,
        borrow_limit_kbps: Option<&Bound<'_, PyAny>>,
        lend_limit_kbps: Option<&Bound<'_, PyAny>>,
        preemption: bool,
        #[pyo3(from_py_with = min_hold_ms)] min_hold_ms: u64,
        #[pyo3(from_py_with = withheld_kbps)] withheld_kbps: u64,
    ) -> PyResult<Self> {
        Ok(Self(planner::Pool {
            id: text("id", id)?,
            level: word("level", level, Level::ALL, Level::name)?,
            capacity_kbps: whole("capacity_kbps", capacity_kbps)?,
            reserved_kbps: whole("reserved_kbps", reserved_kbps)?,
            charge,
            guaranteed_kbps: whole_or_none("guaranteed_kbps", guaranteed_kbps)?,
            borrow_limit_kbps: whole_or_none("borrow_limit_kbps", borrow_limit_kbps)?,
            lend_limit_kbps: whole_or_none("lend_limit_kbps", lend_limit_kbps)?,
            preemption,
            min_hold_ms,
            withheld_kbps,
        }))
    }

    /// Its name within its level.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// Where it stands: `"device"`, `"tenant"` or `"node"`.
    #[getter]
    fn level(&self) -> &'static str {
        self.0.level.name()
    }

    /// What all sessions together may reserve, in kbit/s.
    #[getter]
    fn capacity_kbps(&self) -> u64 {
        self.0.capacity_kbps
    }

    /// What they have reserved, in kbit/s.
    #[getter]
    fn reserved_kbps(&self) -> u64 {
        self.0.reserved_kbps
    }

    /// What a stream reserves: `"payload"` or `"wire"`.
    #[getter]
    fn charge(&self) -> &'static str {
        self.0.charge.name()
    }

    /// Its share of the pool around it, in kbit/s.
    #[getter]
    fn guaranteed_kbps(&self) -> Option<u64> {
        self.0.guaranteed_kbps
    }

    /// How far beyond its share it may go, in kbit/s.
    #[getter]
    fn borrow_limit_kbps(&self) -> Option<u64> {
        self.0.borrow_limit_kbps
    }

    /// How much of its share others may use while it does not, in kbit/s.
    #[getter]
    fn lend_limit_kbps(&self) -> Option<u64> {
        self.0.lend_limit_kbps
    }

    /// Whether sessions may lose bandwidth here to stronger ones.
    #[getter]
    fn preemption(&self) -> bool {
        self.0.preemption
    }

    /// For how long after its opening a session can't, in milliseconds.
    #[getter]
    fn min_hold_ms(&self) -> u64 {
        self.0.min_hold_ms
    }

    /// What it keeps free for pools inside it, in kbit/s.
    #[getter]
    fn withheld_kbps(&self) -> u64 {
        self.0.withheld_kbps
    }

    /// What reserved and withheld may come to, in kbit/s: its capacity, or less where it may borrow little.
    #[getter]
    fn ceiling_kbps(&self) -> u64 {
        self.0.ceiling_kbps()
    }

    /// What it is guaranteed of its parent, in kbit/s.
    #[getter]
    fn share_kbps(&self) -> u64 {
        self.0.share_kbps()
    }

    /// The part of its share that others can't have, in kbit/s.
    #[getter]
    fn kept_kbps(&self) -> u64 {
        self.0.kept_kbps()
    }

    /// What is reserved or withheld here, in kbit/s.
    #[getter]
    fn committed_kbps(&self) -> u128 {
        self.0.committed_kbps()
    }

    /// What is left up to its ceiling, in kbit/s.
    #[getter]
    fn free_kbps(&self) -> u64 {
        self.0.free_kbps()
    }

    /// What the pool around it keeps free for it beyond what it has reserved, in kbit/s.
    ///
    /// It is the part of its share that it does not lend, or what it withholds itself if that is more.
    #[getter]
    fn claim_kbps(&self) -> u64 {
        self.0.claim_kbps()
    }

    /// What streams reserve here.
    ///
    /// Args:
    ///     streams: What was asked for them.
    ///     allocations: What each of them gets, in kbit/s.
    ///
    /// Returns:
    ///     Their sum in this pool's charge, in kbit/s.
    ///
    /// Raises:
    ///     PlannerError: There is not one allocation for each stream, or one is not from 0 to 2^64 - 1; or a stream has
    ///         FEC that can't be.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import Pool, StreamAsk
    ///     >>> video = StreamAsk("video", "burst", 5000, data_shards=10, parity_shards=5)
    ///     >>> Pool("acme", "tenant", 9000, 0, charge="wire").charged_kbps([video], [4001])
    ///     6002
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn charged_kbps(
        &self,
        streams: Items<Bound<'_, PyStreamAsk>>,
        allocations: Items<Bound<'_, PyAny>>,
    ) -> PyResult<u128> {
        let (streams, allocations) = each_allocated(&streams.0, &allocations.0)?;
        self.0.charged_kbps(&streams, &allocations).map_err(|error| from_planner(&error))
    }

    pub(super) fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let pool = &self.0;
        let id = PyString::new(py, &pool.id).repr()?;
        let mut fields = vec![
            format!("id={id}"),
            format!("level='{}'", pool.level.name()),
            format!("capacity_kbps={}", pool.capacity_kbps),
            format!("reserved_kbps={}", pool.reserved_kbps),
        ];
        // What a pool does not have is not shown.
        let mut show = |name: &str, value: Option<String>| {
            fields.extend(value.map(|value| format!("{name}={value}")));
        };
        let not_zero = |number: u64| (number != 0).then(|| number.to_string());
        let given = |number: Option<u64>| number.map(|number| number.to_string());
        show("charge", (pool.charge != Charge::Payload).then(|| format!("'{}'", pool.charge.name())));
        show("guaranteed_kbps", given(pool.guaranteed_kbps));
        show("borrow_limit_kbps", given(pool.borrow_limit_kbps));
        show("lend_limit_kbps", given(pool.lend_limit_kbps));
        show("preemption", pool.preemption.then(|| "True".to_owned()));
        show("min_hold_ms", not_zero(pool.min_hold_ms));
        show("withheld_kbps", not_zero(pool.withheld_kbps));
        Ok(format!("Pool({})", fields.join(", ")))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, PoolArguments<'_>> {
        reduced::<Self, _>(py, self.arguments())
    }
}

type PoolArguments<'a> =
    (&'a str, &'static str, u64, u64, &'static str, Option<u64>, Option<u64>, Option<u64>, bool, u64, u64);

impl PyPool {
    fn arguments(&self) -> PoolArguments<'_> {
        let pool = &self.0;
        (
            &pool.id,
            pool.level.name(),
            pool.capacity_kbps,
            pool.reserved_kbps,
            pool.charge.name(),
            pool.guaranteed_kbps,
            pool.borrow_limit_kbps,
            pool.lend_limit_kbps,
            pool.preemption,
            pool.min_hold_ms,
            pool.withheld_kbps,
        )
    }
}

fn charge(value: &Bound<'_, PyAny>) -> PyResult<Charge> {
    word("charge", value.cast()?, Charge::ALL, Charge::name)
}

fn min_hold_ms(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole("min_hold_ms", value)
}

fn withheld_kbps(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole("withheld_kbps", value)
}
