//! The link scheduler's promises, each against a model that is too slow to be used and too plain to be wrong.

#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::cast_precision_loss)] // small numbers

#[path = "../cases/mod.rs"]
mod cases;
mod ceilings;
mod changes;
mod errors;
mod fairness;
mod fluid;
mod guarantees;
mod limits;
mod machine;
mod replay;
mod run;
mod splits;
