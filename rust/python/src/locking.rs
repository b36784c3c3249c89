//! How objects that change are shared by threads.
//!
//! A lock may be waited for with the GIL held or released; but who has the lock runs no Python code, makes no Python
//! object and does not wait for the GIL. So it is always given back, and nobody waits in a circle.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
