//! Which engine the codec runs on.

use std::{env, sync::OnceLock};

use honeylink_fec::Engine;
use pyo3::prelude::*;

use crate::errors::from_fec;

/// Names an engine, for tests and to compare them.
const VARIABLE: &str = "HONEYLINK_FEC_ENGINE";

static IN_USE: OnceLock<Engine> = OnceLock::new();

/// Settles the engine, once, when the module is imported.
pub fn choose() -> PyResult<()> {
    let engine = match env::var_os(VARIABLE) {
        Some(name) if !name.is_empty() => Engine::named(&name.to_string_lossy()).map_err(from_fec)?,
        _ => Engine::fastest(),
    };
    IN_USE.get_or_init(|| engine);
    Ok(())
}

pub fn in_use() -> Engine {
    *IN_USE.get_or_init(Engine::fastest)
}

/// The engines that this CPU can run, fastest first. The last is `"portable"`, which runs anywhere.
///
/// Returns:
///     Names, each of which HONEYLINK_FEC_ENGINE may have when honeylink.fec is imported; another fails the import.
///
/// Example:
///     >>> from honeylink.fec import engines
///     >>> engines()[-1]
///     'portable'
#[pyfunction]
pub fn engines() -> Vec<&'static str> {
    Engine::usable().into_iter().map(Engine::name).collect()
}

/// The engine in use: the fastest, or the one that HONEYLINK_FEC_ENGINE names. All give the same bytes.
///
/// Example:
///     >>> from honeylink.fec import engine, engines
///     >>> engine() in engines()
///     True
#[pyfunction]
pub fn engine() -> &'static str {
    in_use().name()
}
