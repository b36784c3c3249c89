//! The keys of a session: frozen ones, and what they depend on.
//!
//! The literals were computed by `tests/keys/reference.py`, which shares no code with the crate; more sessions are
//! compared with it by the tests of the Python package.

use honeylink_sessions::{Id, NewSession};

/// The ciphertext of the session's key, and the keys of its streams.
const FROZEN: [&str; 3] = [
    concat!(
        "ba5442bd35288e7cfc7a8f422af87f8ee99c240a09745cd6cb090a27876f2768",
        "f914c240f80587072c9a9307b56a7319",
    ),
    "47848fad48b1af25493e7a82ba1483c9a51d307b1f541deba25d43d3ba6ffd7c",
    "aa10b8e99fb74373bffb752c2060f729277ee201ddd04f1635d7bceabb211177",
];

const fn id(last: u8) -> Id {
    [0x01, 0x8F, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, last]
}

fn master_key() -> Vec<u8> {
    (0..32).collect()
}

fn session<'a>(master_key: &'a [u8], data_key: &'a [u8]) -> NewSession<'a> {
    NewSession {
        device_master_key: master_key,
        data_key,
        dek_id: id(4),
        tenant_id: id(1),
        device_id: "device-12345",
        session_id: id(2),
        stream_ids: vec![id(3), id(5)],
        nonce: *b"twelve bytes",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// What a session's keys are: the ciphertext, then the key of each stream.
fn keys(session: &NewSession<'_>) -> Vec<String> {
    let keys = session.keys().expect("all is short");
    let streams = keys.stream_keys.iter().map(|key| hex(&key[..]));
    core::iter::once(hex(&keys.ciphertext)).chain(streams).collect()
}

#[test]
fn the_keys_are_those_that_devices_hold_already() {
    let (master, data) = (master_key(), [b'd'; 32]);
    assert_eq!(keys(&session(&master, &data)), FROZEN);
}

#[test]
fn whatever_differs_changes_what_depends_on_it() {
    let (master, data) = (master_key(), [b'd'; 32]);
    let usual = keys(&session(&master, &data));
    let differs = |changed: &NewSession<'_>| {
        keys(changed).iter().zip(&usual).map(|(one, other)| one != other).collect::<Vec<_>>()
    };
    let base = || session(&master, &data);
    let all = [true, true, true];
    assert_eq!(differs(&NewSession { device_master_key: &[7; 32], ..base() }), all);
    assert_eq!(differs(&NewSession { tenant_id: id(9), ..base() }), all);
    assert_eq!(differs(&NewSession { device_id: "device-12346", ..base() }), all);
    assert_eq!(differs(&NewSession { session_id: id(9), ..base() }), all);
    let sealed_alone = [true, false, false];
    assert_eq!(differs(&NewSession { data_key: &[7; 32], ..base() }), sealed_alone);
    assert_eq!(differs(&NewSession { dek_id: id(9), ..base() }), sealed_alone);
    assert_eq!(differs(&NewSession { nonce: [7; 12], ..base() }), sealed_alone);
    assert_eq!(differs(&NewSession { stream_ids: vec![id(3), id(9)], ..base() }), [false, false, true]);
}

#[test]
fn a_session_may_have_no_streams() {
    let (master, data) = (master_key(), [b'd'; 32]);
    let none = NewSession { stream_ids: vec![], ..session(&master, &data) };
    assert_eq!(keys(&none), FROZEN[..1]);
}
