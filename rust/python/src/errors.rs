//! The one table from Rust errors to the Python classes, which Python owns.

use honeylink_fec::{self as fec, Error, Matrix};
use honeylink_scheduler::{LinkError as LinkRefusal, PlanError};
use pyo3::{PyErr, exceptions::PyMemoryError, import_exception};

use crate::locking::Corrupt;

import_exception!(honeylink.errors, CodeParameterError);
import_exception!(honeylink.errors, CorruptState);
import_exception!(honeylink.errors, DelayOutOfReach);
import_exception!(honeylink.errors, FecError);
import_exception!(honeylink.errors, Incomplete);
import_exception!(honeylink.errors, LinkError);
import_exception!(honeylink.errors, OutputError);
import_exception!(honeylink.errors, OverCommitted);
import_exception!(honeylink.errors, PacketParameterError);
import_exception!(honeylink.errors, PacketTooLong);
import_exception!(honeylink.errors, PlanParameterError);
import_exception!(honeylink.errors, PlanUnreachable);
import_exception!(honeylink.errors, PlannerError);
import_exception!(honeylink.errors, ShardShapeError);
import_exception!(honeylink.errors, TimeBackwards);
import_exception!(honeylink.errors, TooFewShards);
import_exception!(honeylink.errors, UnknownEngine);
import_exception!(honeylink.errors, UnknownHandle);
import_exception!(honeylink.errors, UnknownMatrix);

impl From<Corrupt> for PyErr {
    fn from(Corrupt(class): Corrupt) -> Self {
        CorruptState::new_err((class,))
    }
}

pub fn from_fec(error: Error) -> PyErr {
    match error {
        Error::CodeParameters { data_shards, parity_shards } => {
            CodeParameterError::new_err((data_shards, parity_shards))
        }
        Error::Count { what, expected, found } => {
            ShardShapeError::new_err((format!("{expected} {what}"), found.to_string()))
        }
        Error::ShardLength { expected, found } => {
            ShardShapeError::new_err((format!("shards of {expected} bytes"), format!("one of {found}")))
        }
        Error::Repeated { index } => {
            let expected = "a data shard that was not added before";
            ShardShapeError::new_err((expected, format!("{index} again")))
        }
        Error::Incomplete { missing } => Incomplete::new_err((missing,)),
        Error::TooFewShards { have, need } => TooFewShards::new_err((have, need)),
        Error::PacketLength { most, found } => PacketTooLong::new_err((most, found)),
        Error::PacketMatrix { found } => {
            let expected = format!("a code of the matrix {}, which datagrams stand for", Matrix::default());
            PacketParameterError::new_err(("rs", expected, found.name()))
        }
        Error::Memory { .. } => PyMemoryError::new_err(error.to_string()),
        other => FecError::new_err(other.to_string()),
    }
}

pub fn from_fec_plan(error: &fec::PlanError) -> PyErr {
    match *error {
        fec::PlanError::DataShards { found } => CodeParameterError::new_err((found, 0)),
        fec::PlanError::Probability { name, found } => {
            PlanParameterError::new_err((name, "a probability from 0 to 1", found))
        }
        fec::PlanError::Burst { least, found } if least.is_finite() => {
            PlanParameterError::new_err(("burst", format!("at least {least} packets at this loss"), found))
        }
        fec::PlanError::Burst { found, .. } => {
            PlanParameterError::new_err(("burst", "none, as a loss of 1 is no burst that ends", found))
        }
        fec::PlanError::Unreachable { best, target } => PlanUnreachable::new_err((best, target)),
        _ => FecError::new_err(error.to_string()),
    }
}

pub fn from_planner(error: &PlanError) -> PyErr {
    PlannerError::new_err((error.field(), error.expected(), error.found()))
}

#[allow(clippy::needless_pass_by_value)] // it stands in `map_err`
pub fn from_link(error: LinkRefusal) -> PyErr {
    let (field, expected, found) = (error.field(), error.expected(), error.found());
    // No argument can have that name in Python.
    let field = if field == "class" { "cls".to_owned() } else { field };
    match error {
        LinkRefusal::Memory { packets } => {
            PyMemoryError::new_err(format!("no room for {packets} packets of 16 bytes"))
        }
        LinkRefusal::UnknownHandle { found: handle, .. } => {
            UnknownHandle::new_err((field, expected, found, handle))
        }
        LinkRefusal::TimeBackwards { last_ns, found_ns } => {
            TimeBackwards::new_err((field, expected, found, last_ns, found_ns))
        }
        LinkRefusal::OverCommitted { class, capacity_kbps, guaranteed_kbps, .. } => {
            OverCommitted::new_err((field, expected, found, class, capacity_kbps, guaranteed_kbps))
        }
        LinkRefusal::DelayOutOfReach { class, least_us, .. } => {
            DelayOutOfReach::new_err((field, expected, found, class, least_us))
        }
        LinkRefusal::DelayUnderCeiling { class, .. } => {
            DelayOutOfReach::new_err((field, expected, found, class, None::<u64>))
        }
        LinkRefusal::DelayWithCeiling { .. } => {
            DelayOutOfReach::new_err((field, expected, found, None::<u32>, None::<u64>))
        }
        _ => LinkError::new_err((field, expected, found)),
    }
}
