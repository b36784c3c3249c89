//! The table of cases that Python and the SQL statements are held to as well.

use honeylink_scheduler::{
    Charge, Level, PathCharge, Pool, Priority, StreamAsk, charge_path, wire_kbps, withheld_when_empty,
};
use serde_json::Value;

fn table(name: &str) -> Vec<Value> {
    let text = include_str!("../../../../tests/cases/charging.json");
    let table: Value = serde_json::from_str(text).expect("JSON");
    table[name].as_array().expect("a list of cases").clone()
}

fn kbps(case: &Value, name: &str) -> u64 {
    case[name].as_u64().unwrap_or_else(|| panic!("{name} of {case}"))
}

fn pool(level: Level, case: &Value) -> Pool {
    Pool {
        charge: case["charge"]
            .as_str()
            .map_or(Charge::Payload, |name| Charge::from_name(name).expect("a charge")),
        guaranteed_kbps: case["guaranteed_kbps"].as_u64(),
        borrow_limit_kbps: case["borrow_limit_kbps"].as_u64(),
        lend_limit_kbps: case["lend_limit_kbps"].as_u64(),
        withheld_kbps: case["withheld_kbps"].as_u64().unwrap_or(0),
        ..Pool::new(level.name(), level, kbps(case, "capacity_kbps"), kbps(case, "reserved_kbps"))
    }
}

fn path(case: &Value) -> Vec<Pool> {
    let pools = case["pools"].as_array().expect("pools");
    Level::ALL.into_iter().zip(pools).map(|(level, case)| pool(level, case)).collect()
}

#[test]
fn streams_go_over_the_wire_with_their_parity_rounded_up() {
    for case in table("wire") {
        let of = |name| kbps(&case, name);
        let found = wire_kbps(of("bandwidth_kbps"), of("data_shards"), of("parity_shards"));
        assert_eq!(found, Ok(of("wire_kbps")), "{case}");
    }
}

#[test]
fn what_follows_from_a_pool() {
    for case in table("pools") {
        let (pool, expected) = (pool(Level::Tenant, &case["pool"]), &case["expected"]);
        assert_eq!(pool.share_kbps(), kbps(expected, "share_kbps"), "{case}");
        assert_eq!(pool.kept_kbps(), kbps(expected, "kept_kbps"), "{case}");
        assert_eq!(pool.ceiling_kbps(), kbps(expected, "ceiling_kbps"), "{case}");
        assert_eq!(pool.claim_kbps(), kbps(expected, "claim_kbps"), "{case}");
    }
}

#[test]
fn what_a_session_charges_its_path() {
    for case in table("paths") {
        let streams = case["streams"].as_array().expect("streams").iter().map(|stream| StreamAsk {
            data_shards: kbps(stream, "data_shards"),
            parity_shards: kbps(stream, "parity_shards"),
            ..StreamAsk::new("", Priority::Normal, kbps(stream, "bandwidth_kbps"))
        });
        let streams: Vec<StreamAsk> = streams.collect();
        let allocations: Vec<u64> = streams.iter().map(|stream| stream.bandwidth_kbps).collect();
        let expected = case["charges"].as_array().expect("charges").iter().map(|charge| PathCharge {
            reserved_kbps: kbps(charge, "reserved_kbps"),
            used_kbps: kbps(charge, "used_kbps"),
        });
        assert_eq!(charge_path(&path(&case), &streams, &allocations), Ok(expected.collect()), "{case}");
    }
}

#[test]
fn a_pool_after_it_was_charged() {
    let pool = Pool { withheld_kbps: 100, ..Pool::new("acme", Level::Tenant, 2000, 700) };
    let after = |reserved_kbps, used_kbps| pool.with_charge(PathCharge { reserved_kbps, used_kbps });
    assert_eq!(after(0, 0), pool);
    assert_eq!(after(50, 30), Pool { reserved_kbps: 750, withheld_kbps: 70, ..pool.clone() });
    assert_eq!(after(50, 130), Pool { reserved_kbps: 750, withheld_kbps: 0, ..pool.clone() });
    assert_eq!(after(u64::MAX, 0).reserved_kbps, u64::MAX);
}

#[test]
fn what_a_path_withholds_when_nobody_has_reserved_anything() {
    for case in table("paths") {
        let expected: Vec<_> =
            case["withheld_when_empty"].as_array().expect("kbps").iter().map(Value::as_u64).collect();
        let found: Vec<_> = withheld_when_empty(&path(&case)).into_iter().map(Some).collect();
        assert_eq!(found, expected, "{case}");
    }
}
