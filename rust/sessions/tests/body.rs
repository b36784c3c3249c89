//! Which bodies are read, and what is read from them. The tests of the Python package compare with the full check.

use honeylink_sessions::{BodyReader, UsualBody, UsualStream};

const USUAL: &str = r#"{"device_id": "drone-7", "ttl_seconds": 600, "streams": [
    {"name": "video", "mode": "unreliable", "qos": {"priority": "Burst", "bandwidth_kbps": 5000}},
    {"name": "a b", "mode": "RELIABLE", "qos": {"priority": "latency", "bandwidth_kbps": 9, "min_bandwidth_kbps": 9}}
], "setup_priority": 1, "hold_priority": 2}"#;

fn reader() -> BodyReader {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    BodyReader {
        modes: words(&["reliable", "unreliable"]),
        priorities: words(&["latency", "burst"]),
        streams_max: 3,
        name_max_length: 8,
        kbps_max: 5000,
        priority_max: 7,
    }
}

fn is_read(body: &str) -> bool {
    reader().read(body.as_bytes(), 600).is_some()
}

/// The usual body with one part of it replaced.
fn with(part: &str, by: &str) -> String {
    assert_eq!(USUAL.matches(part).count(), 1, "{part}");
    USUAL.replace(part, by)
}

fn streams(names: &[&str]) -> String {
    let stream = |name| {
        format!(r#"{{"name":"{name}","mode":"reliable","qos":{{"priority":"burst","bandwidth_kbps":1}}}}"#)
    };
    let streams: Vec<String> = names.iter().map(stream).collect();
    format!(r#"{{"device_id":"drone-7","streams":[{}]}}"#, streams.join(","))
}

#[test]
fn the_usual_body_is_read() {
    let stream = |name, mode, priority, bandwidth_kbps, min_bandwidth_kbps| UsualStream {
        name,
        mode,
        priority,
        bandwidth_kbps,
        min_bandwidth_kbps,
    };
    let expected = UsualBody {
        device_id: "drone-7",
        streams: vec![stream("video", 1, 1, 5000, None), stream("a b", 0, 0, 9, Some(9))],
        ttl_seconds: Some(600),
        setup_priority: Some(1),
        hold_priority: Some(2),
    };
    assert_eq!(reader().read(USUAL.as_bytes(), 600), Some(expected));
}

#[test]
fn members_that_may_be_left_out_may_be_null() {
    for (given, left_out) in [
        (r#", "ttl_seconds": 600"#, r#", "ttl_seconds": null"#),
        (r#", "setup_priority": 1"#, r#", "setup_priority": null"#),
        (r#", "hold_priority": 2"#, r#", "hold_priority": null"#),
        (r#", "min_bandwidth_kbps": 9"#, r#", "min_bandwidth_kbps": null"#),
    ] {
        let null = with(given, left_out);
        assert!(is_read(&null), "{null}");
        let absent = with(given, "");
        assert_eq!(reader().read(null.as_bytes(), 600), reader().read(absent.as_bytes(), 600));
    }
}

#[test]
fn limits_are_inclusive() {
    for (part, last, beyond) in [
        (r#""ttl_seconds": 600"#, r#""ttl_seconds": 1"#, r#""ttl_seconds": 0"#),
        (r#""ttl_seconds": 600"#, r#""ttl_seconds": 600"#, r#""ttl_seconds": 601"#),
        (r#""setup_priority": 1"#, r#""setup_priority": 2"#, r#""setup_priority": 3"#),
        (r#""hold_priority": 2"#, r#""hold_priority": 7"#, r#""hold_priority": 8"#),
        (r#""setup_priority": 1, "hold_priority": 2"#, r#""setup_priority": 7"#, r#""setup_priority": 8"#),
        (r#""bandwidth_kbps": 5000"#, r#""bandwidth_kbps": 5000"#, r#""bandwidth_kbps": 5001"#),
        (r#""bandwidth_kbps": 5000"#, r#""bandwidth_kbps": 1"#, r#""bandwidth_kbps": 0"#),
        (r#""min_bandwidth_kbps": 9"#, r#""min_bandwidth_kbps": 1"#, r#""min_bandwidth_kbps": 0"#),
        (r#""min_bandwidth_kbps": 9"#, r#""min_bandwidth_kbps": 9"#, r#""min_bandwidth_kbps": 10"#),
        ("a b", "12345678", "123456789"),
        ("a b", "1", ""),
        ("a b", " ~", "\u{7F}"),
    ] {
        assert!(is_read(&with(part, last)), "{last}");
        assert!(!is_read(&with(part, beyond)), "{beyond}");
    }
}

#[test]
fn streams_have_names_of_their_own_and_are_not_too_many() {
    assert!(!is_read(&streams(&[])));
    assert!(is_read(&streams(&["c", "a", "b"])));
    assert!(!is_read(&streams(&["c", "a", "b", "d"])));
    assert!(!is_read(&streams(&["b", "a", "b"])));
}

#[test]
fn what_is_not_certainly_right_is_left_to_the_full_check() {
    let loss = r#""bandwidth_kbps": 5000, "loss_rate": 0.1"#;
    for body in [
        with(r#""bandwidth_kbps": 5000"#, loss),
        with(r#""device_id": "drone-7","#, ""),
        with(r#""device_id": "drone-7""#, r#""device_id": 7"#),
        with("drone-7", "drone-é"),
        with("drone-7", r"drone-\u0037"),
        with("600", "600.0"),
        with("600", "6e2"),
        with("600", "-600"),
        with("600", "true"),
        with("600", "\"600\""),
        with("600", "18446744073709551616"),
        with("RELIABLE", "reliably"),
        with("Burst", "bursts"),
        with(r#""ttl_seconds""#, r#""ttl""#),
        with(r#""ttl_seconds": 600"#, r#""ttl_seconds": 600, "ttl_seconds": 600"#),
        with(r#"{"priority": "Burst", "bandwidth_kbps": 5000}"#, r#"["Burst", 5000, null]"#),
        with(r#"{"priority": "Burst", "bandwidth_kbps": 5000}"#, "{}"),
        with(r#"{"priority": "Burst", "bandwidth_kbps": 5000}"#, "null"),
        format!("\u{FEFF}{USUAL}"),
        format!("{USUAL}{{}}"),
        format!("[{USUAL}]"),
        r#"["drone-7", [["video", "reliable", ["burst", 1, null]]], null, null, null]"#.to_owned(),
        "[".repeat(100_000),
        r#"{"streams":"#.repeat(100_000),
        String::new(),
    ] {
        assert!(!is_read(&body), "{}", &body[..body.len().min(200)]);
    }
    assert!(reader().read(b"{\"device_id\":\"\xFF\"", 600).is_none());
}
