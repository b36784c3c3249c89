//! Engines: the one inner loop of the codec, once per instruction set.
//!
//! [`portable`] is the meaning; every other engine gives the same bytes. An engine gets a whole product at once,
//! not one coefficient at a time, so that it can keep several outputs in registers.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod kernel;
#[cfg(target_arch = "aarch64")]
#[allow(clippy::inline_always)] // as in the kernel
mod neon;
mod portable;
mod tables;
#[cfg(target_arch = "x86_64")]
#[allow(clippy::inline_always)] // as in the kernel
mod x86;

#[cfg(test)]
mod tests;

use core::fmt;

use crate::{
    Error,
    product::Product,
    rows::{Rows, RowsMut},
};

/// An implementation of the codec's inner loop that this CPU can run: having one is the proof.
#[derive(Clone, Copy)]
pub struct Engine(&'static Backend);

/// What makes an engine.
struct Backend {
    name: &'static str,
    is_usable: fn() -> bool,
    /// Most outputs made in one go over the inputs.
    pass_rows: usize,
    /// The form in which it wants each coefficient.
    factors: FactorTable,
    /// # Safety
    /// `is_usable` has been true, and the task fits its product: see [`Engine::run`].
    run: unsafe fn(Task<'_, '_>) -> bool,
}

/// By coefficient, what an engine multiplies with.
#[derive(Clone, Copy)]
pub(crate) enum FactorTable {
    /// One word each.
    Words(&'static [u64; 256]),
    /// Four words each.
    FourWords(&'static [[u64; 4]; 256]),
}

impl FactorTable {
    /// Words of one factor.
    pub(crate) fn words(self) -> usize {
        match self {
            Self::Words(_) => 1,
            Self::FourWords(_) => 4,
        }
    }
}

/// Fastest first; the last runs anywhere.
const BACKENDS: &[&Backend] = &[
    #[cfg(target_arch = "x86_64")]
    &x86::gfni_avx512::BACKEND,
    #[cfg(target_arch = "x86_64")]
    &x86::gfni_avx2::BACKEND,
    #[cfg(target_arch = "x86_64")]
    &x86::avx2::BACKEND,
    #[cfg(target_arch = "x86_64")]
    &x86::ssse3::BACKEND,
    #[cfg(target_arch = "aarch64")]
    &neon::BACKEND,
    &portable::BACKEND,
];

/// One product to carry out.
pub(crate) struct Task<'a, 'r> {
    pub(crate) product: &'a Product,
    /// The product's columns from this one on are multiplied with the inputs.
    pub(crate) first_column: usize,
    pub(crate) inputs: &'a Rows<'r>,
    pub(crate) outputs: Outputs<'a, 'r>,
}

/// The product's rows, and what happens to them.
pub(crate) enum Outputs<'a, 'r> {
    /// They become the product.
    Set(&'a mut RowsMut<'r>),
    /// The product is added to them.
    Add(&'a mut RowsMut<'r>),
    /// They are compared with the product.
    Compare(&'a Rows<'r>),
}

impl Outputs<'_, '_> {
    /// How many there are, and their length.
    fn size(&self) -> (usize, usize) {
        match self {
            Self::Set(rows) | Self::Add(rows) => (rows.as_slice().len(), rows.row_bytes()),
            Self::Compare(rows) => (rows.as_slice().len(), rows.row_bytes()),
        }
    }
}

impl Engine {
    /// Those that this CPU can run, fastest first. The last is `portable`, which any can.
    #[must_use]
    pub fn usable() -> Vec<Self> {
        BACKENDS.iter().filter(|backend| (backend.is_usable)()).map(|backend| Self(backend)).collect()
    }

    /// The fastest that this CPU can run.
    #[must_use]
    pub fn fastest() -> Self {
        Self(BACKENDS.iter().find(|backend| (backend.is_usable)()).unwrap_or(&&portable::BACKEND))
    }

    /// The one of that name.
    ///
    /// # Errors
    /// [`Error::UnknownEngine`] unless this CPU can run an engine of that name.
    pub fn named(name: &str) -> Result<Self, Error> {
        let named = Self::usable().into_iter().find(|engine| engine.name() == name);
        named.ok_or_else(|| Error::UnknownEngine { name: name.to_owned() })
    }

    /// Its name: the instruction sets it uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn pass_rows(self) -> usize {
        self.0.pass_rows
    }

    pub(crate) fn factors(self) -> FactorTable {
        self.0.factors
    }

    /// Carries out a product of this engine. False if outputs that were to be compared differ.
    pub(crate) fn run(task: Task<'_, '_>) -> bool {
        let Task { product, first_column, inputs, outputs } = &task;
        let count = inputs.as_slice().len();
        assert!(count > 0 && first_column + count <= product.columns(), "an input, and no more than columns");
        assert_eq!(
            outputs.size(),
            (product.rows(), inputs.row_bytes()),
            "an output for each row, as long as the inputs"
        );
        // SAFETY: an `Engine` is only made of a backend that is usable here, and the task fits, as just checked.
        unsafe { (product.engine().0.run)(task) }
    }
}

impl PartialEq for Engine {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Engine {}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.name()).finish()
    }
}
