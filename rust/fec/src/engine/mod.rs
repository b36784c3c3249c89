//! Engines: the one inner loop of the codec, once per instruction set.
//!
//! [`portable`] is the reference implementation; every other engine gives the same bytes. An engine gets a whole product at
//! once, not one coefficient at a time, so that it can keep several outputs in registers.
//!
//! Modules depend on those before them, and on none after:
//!
//! ```text
//! tables      a coefficient in each form that engines multiply with
//! factors     a matrix in such a form
//! task        what an engine is given, and what makes one
//! vector      a register of bytes, as the kernel needs it        kernel      the inner loop over it
//! portable  x86  neon                                            the engines
//! detection   Engine: those that this CPU can run
//! product     Product: an engine with factors made for it; all that the codec sees
//! ```

mod detection;
mod factors;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod kernel;
#[cfg(target_arch = "aarch64")]
#[allow(clippy::inline_always)] // as in the kernel
mod neon;
mod portable;
mod product;
mod tables;
mod task;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;
#[cfg(target_arch = "x86_64")]
#[allow(clippy::inline_always)] // as in the kernel
mod x86;

#[cfg(test)]
mod tests;

pub use detection::Engine;
pub(crate) use factors::FirstRow;
pub(crate) use product::Product;
pub(crate) use task::Outputs;
