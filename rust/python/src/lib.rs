//! `honeylink._native`: the Python face of the pure crates. A thin table of classes; it decides nothing.
//!
//! Its docstrings are in `_native.pyi`, where editors look for them. Errors are raised as the classes of
//! `honeylink.errors`, by one table in [`errors`].

#![allow(clippy::doc_markdown)] // the docstrings are Python's, not Markdown

/// The docstring that `_native.pyi` has for a class, function or member, as `docs!("ReedSolomon.encode")`.
macro_rules! docs {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/docs/", $name))
    };
}

mod arguments;
mod arrays;
mod encoder;
mod engines;
mod errors;
mod fec;
mod fec_plan;
mod inputs;
mod link;
mod locking;
mod packets;
mod pickling;
mod scheduler;
mod sessions;
mod shared;

use pyo3::prelude::*;

#[doc = docs!("_native")]
#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::encoder::PyEncoder;
    #[pymodule_export]
    use crate::engines::{engine, engines};
    #[pymodule_export]
    use crate::fec::PyReedSolomon;
    #[pymodule_export]
    use crate::fec_plan::{PyPlan, plan_parity};
    #[pymodule_export]
    use crate::link::{PyBatch, PyLinkScheduler, PyLinkStats};
    #[pymodule_export]
    use crate::packets::{PyPacketDecoder, PyPacketEncoder, PyPacketStats};
    #[pymodule_export]
    use crate::scheduler::{PyActiveSession, PyAdmitted, PyPool, PyRejected, PyRequest, PyStreamAsk, plan};
    #[pymodule_export]
    use crate::scheduler::{charge_path, wire_kbps, withheld_when_empty};
    #[pymodule_export]
    use crate::sessions::{PySessionBodyReader, session_keys};

    #[pymodule_export]
    #[allow(non_upper_case_globals)] // Python's name for it
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
