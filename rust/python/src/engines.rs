//! Which engine the codec runs on.

use std::{env, ffi::OsStr, sync::OnceLock};

use honeylink_fec::Engine;
use pyo3::prelude::*;

use crate::errors::UnknownEngine;

/// Names an engine, for tests and to compare them.
const VARIABLE: &str = "HONEYLINK_FEC_ENGINE";

static IN_USE: OnceLock<Engine> = OnceLock::new();

/// The engine in use, settled when it is first asked for.
pub fn in_use() -> PyResult<Engine> {
    if let Some(engine) = IN_USE.get() {
        return Ok(*engine);
    }
    let engine = match env::var_os(VARIABLE) {
        Some(name) if !name.is_empty() => usable(&name)?,
        _ => Engine::fastest(),
    };
    Ok(*IN_USE.get_or_init(|| engine))
}

/// The engine of that name. The error shows what was given, which UTF-8 may not hold.
fn usable(name: &OsStr) -> PyResult<Engine> {
    let named = Engine::usable().into_iter().find(|engine| name == engine.name());
    named.ok_or_else(|| UnknownEngine::new_err((name.to_owned(), engines())))
}

#[doc = docs!("engines()")]
#[pyfunction]
pub fn engines() -> Vec<&'static str> {
    Engine::usable().into_iter().map(Engine::name).collect()
}

#[doc = docs!("engine()")]
#[pyfunction]
pub fn engine() -> PyResult<&'static str> {
    in_use().map(Engine::name)
}
