//! Pools, as Python has them.

use honeylink_scheduler::{self as planner, Charge, Level, PathCharge};
use pyo3::{prelude::*, types::PyString};

use super::{PyStreamAsk, charging::each_allocated};
use crate::{
    arguments::{Items, text, whole, whole_or_none, word},
    errors::from_planner,
    pickling::{Reduced, reduced, repr},
};

#[doc = docs!("Pool")]
#[pyclass(frozen, eq, hash, name = "Pool", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyPool(pub(super) planner::Pool);

getters!(
    struct Pool {
        capacity_kbps: u64,
        reserved_kbps: u64,
        guaranteed_kbps: Option<u64>,
        borrow_limit_kbps: Option<u64>,
        lend_limit_kbps: Option<u64>,
        preemption: bool,
        min_hold_ms: u64,
        withheld_kbps: u64,
    },
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

        #[doc = docs!("Pool.id")]
        #[getter]
        fn id(&self) -> &str {
            &self.0.id
        }

        #[doc = docs!("Pool.level")]
        #[getter]
        fn level(&self) -> &'static str {
            self.0.level.name()
        }

        #[doc = docs!("Pool.charge")]
        #[getter]
        fn charge(&self) -> &'static str {
            self.0.charge.name()
        }

        #[doc = docs!("Pool.ceiling_kbps")]
        #[getter]
        fn ceiling_kbps(&self) -> u64 {
            self.0.ceiling_kbps()
        }

        #[doc = docs!("Pool.share_kbps")]
        #[getter]
        fn share_kbps(&self) -> u64 {
            self.0.share_kbps()
        }

        #[doc = docs!("Pool.kept_kbps")]
        #[getter]
        fn kept_kbps(&self) -> u64 {
            self.0.kept_kbps()
        }

        #[doc = docs!("Pool.committed_kbps")]
        #[getter]
        fn committed_kbps(&self) -> u128 {
            self.0.committed_kbps()
        }

        #[doc = docs!("Pool.free_kbps")]
        #[getter]
        fn free_kbps(&self) -> u64 {
            self.0.free_kbps()
        }

        #[doc = docs!("Pool.claim_kbps")]
        #[getter]
        fn claim_kbps(&self) -> u64 {
            self.0.claim_kbps()
        }

        #[doc = docs!("Pool.with_charge")]
        fn with_charge(
            &self,
            reserved_kbps: &Bound<'_, PyAny>,
            used_kbps: &Bound<'_, PyAny>,
        ) -> PyResult<Self> {
            let (reserved_kbps, used_kbps) =
                (whole("reserved_kbps", reserved_kbps)?, whole("used_kbps", used_kbps)?);
            Ok(Self(self.0.with_charge(PathCharge { reserved_kbps, used_kbps })))
        }

        #[doc = docs!("Pool.charged_kbps")]
        #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
        fn charged_kbps(
            &self,
            streams: Items<Bound<'_, PyStreamAsk>>,
            allocations: Items<Bound<'_, PyAny>>,
        ) -> PyResult<u128> {
            let (streams, Items(allocations)) = each_allocated(&streams.0, &allocations)?;
            self.0.charged_kbps(&streams, &allocations).map_err(|error| from_planner(&error))
        }

        pub(super) fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            let pool = &self.0;
            let mut fields = vec![
                format!("id={}", repr(py, &pool.id)?),
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

        fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, impl IntoPyObject<'py>> {
            let pool = &self.0;
            let arguments = (
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
            );
            reduced::<Self, _>(py, arguments)
        }
    }
);

fn charge(value: &Bound<'_, PyAny>) -> PyResult<Charge> {
    word("charge", value.cast()?, Charge::ALL, Charge::name)
}

fn min_hold_ms(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole("min_hold_ms", value)
}

fn withheld_kbps(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole("withheld_kbps", value)
}
