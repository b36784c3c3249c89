//! How objects that change are shared by threads.
//!
//! Who waits for such an object has given up the GIL, so that all others go on; and who has it runs no Python code and does
//! not wait for the GIL. So it is always given back, and nobody waits in a circle. `shared.rs` sees to the GIL.
//!
//! A panic while somebody has the object leaves it half changed. Nobody gets it from then on: a scheduler that
//! lost a packet, or a decoder that delivers one twice, would be worse than one that is gone.

use std::sync::{Mutex, TryLockError};

/// A state that one thread has at a time, and the class that it is the state of.
pub struct Shared<T> {
    class: &'static str,
    state: Mutex<T>,
}

/// What the state of this class is, nobody knows.
#[derive(Debug, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

impl<T> Shared<T> {
    pub const fn new(class: &'static str, state: T) -> Self {
        Self { class, state: Mutex::new(state) }
    }

    /// Does `work` on the state when nobody else has it.
    ///
    /// # Errors
    /// [`Corrupt`] if ever such work has panicked.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, Corrupt> {
        self.state.lock().map(|mut state| work(&mut state)).map_err(|_| Corrupt(self.class))
    }

    /// Does `work` on the state if nobody else has it; else gives it back.
    ///
    /// # Errors
    /// [`Corrupt`] if ever such work has panicked.
    pub fn try_with<R, W: FnOnce(&mut T) -> R>(&self, work: W) -> Result<Result<R, W>, Corrupt> {
        match self.state.try_lock() {
            Ok(mut state) => Ok(Ok(work(&mut state))),
            Err(TryLockError::WouldBlock) => Ok(Err(work)),
            Err(TryLockError::Poisoned(_)) => Err(Corrupt(self.class)),
        }
    }
}
