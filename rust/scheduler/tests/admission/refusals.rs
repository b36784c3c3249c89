//! What no pool, stream or session can be, each refused by the name of its field.

use honeylink_scheduler::{ActiveSession, Level, Pool, Priority, Request, StreamAsk, plan};

fn stream() -> StreamAsk {
    StreamAsk::new("", Priority::Normal, 10)
}

fn session(id: &str, streams: Vec<StreamAsk>) -> ActiveSession {
    ActiveSession {
        id: id.into(),
        pool_ids: vec!["d".into()],
        streams,
        hold_priority: 0,
        opened_ms: 0,
        expires_ms: 0,
    }
}

fn refusal(path: &[Pool], stream: StreamAsk, active: &[ActiveSession], others: &[Pool]) -> String {
    let active: Vec<&ActiveSession> = active.iter().collect();
    let verdict = plan(path, &Request::new(vec![stream]), &active, 0, others);
    verdict.expect_err("it can't be decided").to_string()
}

#[test]
fn streams() {
    let device = [Pool::new("d", Level::Device, 10, 0)];
    let cases = [
        (StreamAsk { bandwidth_kbps: 0, ..stream() }, "bandwidth_kbps: expected at least 1, found 0"),
        (
            StreamAsk { min_bandwidth_kbps: Some(0), ..stream() },
            "min_bandwidth_kbps: expected from 1 to the bandwidth, 10, found 0",
        ),
        (
            StreamAsk { min_bandwidth_kbps: Some(11), ..stream() },
            "min_bandwidth_kbps: expected from 1 to the bandwidth, 10, found 11",
        ),
        (StreamAsk { data_shards: 0, ..stream() }, "data_shards: expected at least 1, found 0"),
        (StreamAsk { data_shards: 257, ..stream() }, "data_shards: expected at most 256, found 257"),
        (
            StreamAsk { data_shards: 250, parity_shards: 7, ..stream() },
            "parity_shards: expected at most 6 beside 250 data shards, found 7",
        ),
    ];
    for (wrong, message) in cases {
        assert_eq!(refusal(&device, wrong.clone(), &[], &[]), format!("streams[0].{message}"));
        let active = [session("a", vec![stream()]), session("b", vec![stream(), wrong])];
        assert_eq!(refusal(&device, stream(), &active, &[]), format!("active[1].streams[1].{message}"));
    }
    let whole = StreamAsk { data_shards: 250, parity_shards: 6, min_bandwidth_kbps: Some(10), ..stream() };
    assert!(plan(&device, &Request::new(vec![whole]), &[], 0, &[]).is_ok());
}

#[test]
fn sessions_and_their_pools() {
    let [device, tenant] = [Pool::new("d", Level::Device, 10, 0), Pool::new("d", Level::Tenant, 10, 0)];
    let one = session("a", vec![stream()]);
    let endless = StreamAsk { bandwidth_kbps: u64::MAX, ..stream() };
    let path = std::slice::from_ref(&device);
    let cases = [
        (
            refusal(path, stream(), &[one.clone(), session("b", vec![])], &[]),
            "active[1].streams: expected at least one stream, found none",
        ),
        (
            refusal(path, stream(), &[one.clone(), one.clone()], &[]),
            "active[1].id: expected each session once, found a again",
        ),
        (
            refusal(path, stream(), &[session("a", vec![endless, stream()])], &[]),
            "active[0].streams: expected a total of at most 18446744073709551615 kbps, found more",
        ),
        (
            refusal(&[device.clone(), tenant.clone()], stream(), std::slice::from_ref(&one), &[]),
            "path[1].id: expected an id of its own, by which active sessions name it, found d again",
        ),
        (
            refusal(path, stream(), &[one], &[Pool::new("e", Level::Device, 1, 1), tenant.clone()]),
            "others[1].id: expected an id of its own, by which active sessions name it, found d again",
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(message, expected);
    }
    assert!(plan(&[device, tenant], &Request::new(vec![stream()]), &[], 0, &[]).is_ok(), "nobody names them");
}
