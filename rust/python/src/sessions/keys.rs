//! The keys of new sessions.

use honeylink_sessions::{Id, NewSession};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyString},
};

use crate::arguments::Items;

/// Sessions from which the GIL is released. It takes 0.05 µs to give it up and take it back uncontended, and a session
/// takes some 7 µs; but among threads that want it too, a group of one would wait longer for it than it computes.
const DETACH_SESSIONS: usize = 4;

/// The device's master key, the tenant's data key, the ids of data key and tenant, the device's id, the session's own, the
/// ids of its streams, and the nonce.
type Session<'py> = (
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyString>,
    Bound<'py, PyBytes>,
    Items<Bound<'py, PyBytes>>,
    Bound<'py, PyBytes>,
);

/// The ciphertext of the session's key, and the keys of its streams.
type Keys<'py> = (Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>);

#[doc = docs!("session_keys()")]
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
pub fn session_keys<'py>(py: Python<'py>, sessions: Items<Session<'py>>) -> PyResult<Vec<Keys<'py>>> {
    let sessions = sessions.0.iter().map(new_session).collect::<PyResult<Vec<_>>>()?;
    let work = || sessions.iter().map(NewSession::keys).collect::<Result<Vec<_>, _>>();
    let keys = if sessions.len() < DETACH_SESSIONS { work() } else { py.detach(work) };
    let keys = keys.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    Ok(keys
        .iter()
        .map(|each| (bytes(&each.ciphertext), each.stream_keys.iter().map(|key| bytes(&key[..])).collect()))
        .collect())
}

fn new_session<'a>(session: &'a Session<'_>) -> PyResult<NewSession<'a>> {
    let (device_master_key, data_key, dek_id, tenant_id, device_id, session_id, stream_ids, nonce) = session;
    Ok(NewSession {
        device_master_key: device_master_key.as_bytes(),
        data_key: data_key.as_bytes(),
        dek_id: exactly("a data key's id", dek_id)?,
        tenant_id: exactly("a tenant's id", tenant_id)?,
        device_id: device_id.to_str()?,
        session_id: exactly("a session's id", session_id)?,
        stream_ids: stream_ids
            .0
            .iter()
            .map(|id| exactly("a stream's id", id))
            .collect::<PyResult<Vec<Id>>>()?,
        nonce: exactly("a nonce", nonce)?,
    })
}

fn exactly<const N: usize>(what: &str, value: &Bound<'_, PyBytes>) -> PyResult<[u8; N]> {
    let found = value.as_bytes();
    found
        .try_into()
        .map_err(|_| PyValueError::new_err(format!("{what}: expected {N} bytes, found {}", found.len())))
}
