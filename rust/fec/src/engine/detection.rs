//! Which engines this CPU can run.

use core::fmt;

#[cfg(target_arch = "aarch64")]
use super::neon;
#[cfg(target_arch = "x86_64")]
use super::x86;
use super::{portable, task::Backend};
use crate::Error;

/// An implementation of the codec's inner loop that this CPU can run: having one is the proof.
#[derive(Clone, Copy)]
pub struct Engine(&'static Backend);

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

    pub(super) fn backend(self) -> &'static Backend {
        self.0
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
