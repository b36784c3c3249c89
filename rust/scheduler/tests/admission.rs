//! The planner's laws, and its verdicts against a brute-force oracle.

use honeylink_scheduler::{
    Admitted, Level, PlanError, Pool, Priority, Rejected, Request, StreamAsk, Verdict, plan,
};
use proptest::{collection::vec, prelude::*, sample::select};

fn pool(id: &str, level: Level, capacity_kbps: u64, reserved_kbps: u64) -> Pool {
    Pool { id: id.into(), level, capacity_kbps, reserved_kbps }
}

fn request(streams: &[(Priority, u64)]) -> Request {
    let stream = |(index, &(priority, bandwidth_kbps)): (usize, &(Priority, u64))| StreamAsk {
        name: format!("stream-{index}"),
        priority,
        bandwidth_kbps,
    };
    Request { streams: streams.iter().enumerate().map(stream).collect() }
}

/// One to three pools, small numbers so that fits are often exact, reserved sometimes above capacity.
fn any_path() -> impl Strategy<Value = Vec<Pool>> {
    vec((0_u64..40, 0_u64..30), 1..=3).prop_map(|pools| {
        let levels = Level::ALL.into_iter().zip(pools);
        levels.map(|(level, (capacity, reserved))| pool("same id", level, capacity, reserved)).collect()
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    vec((select(&Priority::ALL[..]), 1_u64..12), 1..=6).prop_map(|streams| request(&streams))
}

/// Grants one kbps at a time from every pool until one has none left.
fn verdict_by_brute_force(path: &[Pool], request: &Request) -> Verdict {
    let has_room = |pool: &Pool, granted: u64| pool.reserved_kbps + granted <= pool.capacity_kbps;
    let takes = |granted: u64| granted == 0 || path.iter().all(|pool| has_room(pool, granted));
    let admissible_kbps = (0..200).take_while(|&granted| takes(granted)).last().expect("0 is always taken");
    let requested_kbps = request.streams.iter().map(|stream| stream.bandwidth_kbps).sum();
    if takes(requested_kbps) {
        let headroom =
            |pool: &Pool| (0..200).take_while(|&more| has_room(pool, requested_kbps + more)).last();
        return Verdict::Admitted(Admitted {
            allocations: request.streams.iter().map(|stream| stream.bandwidth_kbps).collect(),
            headroom_kbps: path.iter().map(|pool| headroom(pool).expect("it has room")).collect(),
        });
    }
    let limiting_pool = path.iter().position(|pool| !has_room(pool, requested_kbps)).expect("one is short");
    let available_kbps = (1..200).take_while(|&granted| has_room(&path[limiting_pool], granted)).count();
    let mut granted = 0;
    let mut first_refused = None;
    for priority in Priority::ALL {
        for (index, stream) in request.streams.iter().enumerate().filter(|(_, s)| s.priority == priority) {
            granted += stream.bandwidth_kbps;
            first_refused = first_refused.or((!takes(granted)).then_some(index));
        }
    }
    Verdict::Rejected(Rejected {
        limiting_pool,
        requested_kbps,
        available_kbps: available_kbps as u64,
        admissible_kbps,
        first_refused: first_refused.expect("the whole does not fit"),
    })
}

fn is_admitted(path: &[Pool], request: &Request) -> bool {
    matches!(plan(path, request), Ok(Verdict::Admitted(_)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn verdicts_are_those_of_brute_force(path in any_path(), request in any_request()) {
        prop_assert_eq!(plan(&path, &request), Ok(verdict_by_brute_force(&path, &request)));
    }

    #[test]
    fn no_pool_is_ever_over_committed(path in any_path(), requests in vec(any_request(), 1..20)) {
        let mut path = path;
        let over = |pool: &Pool| pool.reserved_kbps.saturating_sub(pool.capacity_kbps);
        let over_before: Vec<u64> = path.iter().map(over).collect();
        for request in requests {
            if let Ok(Verdict::Admitted(admitted)) = plan(&path, &request) {
                for (pool, headroom_kbps) in path.iter_mut().zip(&admitted.headroom_kbps) {
                    pool.reserved_kbps += admitted.allocations.iter().sum::<u64>();
                    prop_assert_eq!(pool.capacity_kbps - pool.reserved_kbps, *headroom_kbps);
                }
            }
            prop_assert_eq!(&path.iter().map(over).collect::<Vec<_>>(), &over_before);
        }
    }

    #[test]
    fn more_capacity_never_turns_a_session_away(
        path in any_path(), request in any_request(), at: prop::sample::Index, more in 0_u64..20,
    ) {
        let mut larger = path.clone();
        at.get_mut(&mut larger).capacity_kbps += more;
        prop_assert!(!is_admitted(&path, &request) || is_admitted(&larger, &request));
    }

    #[test]
    fn what_is_called_admissible_is(path in any_path(), request_ in any_request()) {
        if let Ok(Verdict::Rejected(rejected)) = plan(&path, &request_) {
            let ask = |kbps| request(&[(Priority::Normal, kbps)]);
            prop_assert!(!is_admitted(&path, &ask(rejected.admissible_kbps + 1)));
            if rejected.admissible_kbps > 0 {
                prop_assert!(is_admitted(&path, &ask(rejected.admissible_kbps)));
            }
        }
    }

    #[test]
    fn no_number_makes_it_panic(capacity: u64, reserved: u64, bandwidths in vec(any::<u64>(), 0..4)) {
        let streams: Vec<_> = bandwidths.iter().map(|&kbps| (Priority::Burst, kbps)).collect();
        let sum: u128 = bandwidths.iter().map(|&kbps| u128::from(kbps)).sum();
        let verdict = plan(&[pool("p", Level::Node, capacity, reserved)], &request(&streams));
        let is_askable = !bandwidths.is_empty() && !bandwidths.contains(&0) && sum <= u128::from(u64::MAX);
        prop_assert_eq!(verdict.is_ok(), is_askable);
    }
}

#[test]
fn the_first_refused_is_the_least_urgent_that_no_longer_fits() {
    let path = [pool("d", Level::Device, 100, 0)];
    let request = request(&[(Priority::Burst, 60), (Priority::Normal, 30), (Priority::Latency, 20)]);
    let Ok(Verdict::Rejected(rejected)) = plan(&path, &request) else { panic!("110 do not fit into 100") };
    assert_eq!(rejected.first_refused, 0);
}

#[test]
fn what_no_path_or_request_can_be_is_named() {
    let device = pool("d", Level::Device, 10, 0);
    let tenant = pool("t", Level::Tenant, 10, 0);
    let one = request(&[(Priority::Normal, 1)]);
    let cases = [
        (vec![], one.clone(), "path: expected at least one pool, found none"),
        (vec![device.clone()], request(&[]), "streams: expected at least one stream, found none"),
        (
            vec![device.clone()],
            request(&[(Priority::Normal, 1), (Priority::Burst, 0)]),
            "streams[1].bandwidth_kbps: expected at least 1, found 0",
        ),
        (
            vec![tenant.clone(), device.clone()],
            one.clone(),
            "path[1].level: expected tenant or a level above it, found device",
        ),
        (
            vec![device.clone(), device.clone()],
            one,
            "path[1].id: expected each pool once, found device:d again",
        ),
        (
            vec![device],
            request(&[(Priority::Normal, u64::MAX), (Priority::Burst, 1)]),
            "streams: expected a total of at most 18446744073709551615 kbps, found more",
        ),
    ];
    for (path, request, message) in cases {
        assert_eq!(plan(&path, &request).map_err(|error| error.to_string()), Err(message.into()));
    }
    assert_eq!(plan::<Pool>(&[], &request(&[])), Err(PlanError::EmptyPath));
}

#[test]
fn names_are_read_back() {
    assert!(Level::ALL.iter().all(|&level| Level::from_name(level.name()) == Some(level)));
    assert!(Priority::ALL.iter().all(|&priority| Priority::from_name(priority.name()) == Some(priority)));
    assert_eq!((Level::from_name("Node"), Priority::from_name("")), (None, None));
}
