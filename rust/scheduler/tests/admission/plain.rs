//! Streams that take all or nothing, and pools that are a capacity and no more.

use honeylink_scheduler::{
    Admitted, Charge, Level, PlanError, Pool, Priority, Request, StreamAsk, Verdict, plan,
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    cases::cases,
    strategies::{admitted, plan_alone, rejected},
};

fn request(streams: &[(Priority, u64)]) -> Request {
    let stream = |(index, &(priority, kbps)): (usize, &(Priority, u64))| {
        StreamAsk::new(format!("stream-{index}"), priority, kbps)
    };
    Request::new(streams.iter().enumerate().map(stream).collect())
}

/// One to three pools, small numbers so that fits are often exact, reserved sometimes above capacity.
fn any_path() -> impl Strategy<Value = Vec<Pool>> {
    vec((0_u64..40, 0_u64..30), 1..=3).prop_map(|pools| {
        let levels = Level::ALL.into_iter().zip(pools);
        levels.map(|(level, (capacity, reserved))| Pool::new("same id", level, capacity, reserved)).collect()
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    vec((select(&Priority::ALL[..]), 1_u64..12), 1..=6).prop_map(|streams| request(&streams))
}

/// Grants one kbps at a time from every pool until one has none left.
fn check_by_brute_force(path: &[Pool], request: &Request) {
    let has_room = |pool: &Pool, granted: u64| pool.reserved_kbps + granted <= pool.capacity_kbps;
    let takes = |granted: u64| granted == 0 || path.iter().all(|pool| has_room(pool, granted));
    let admissible_kbps = (0..200).take_while(|&granted| takes(granted)).last().expect("0 is always taken");
    let requested_kbps = request.streams.iter().map(|stream| stream.bandwidth_kbps).sum();
    let verdict = plan_alone(path, request);
    if takes(requested_kbps) {
        let headroom =
            |pool: &Pool| (0..200).take_while(|&more| has_room(pool, requested_kbps + more)).last();
        let expected = Admitted {
            allocations: request.streams.iter().map(|stream| stream.bandwidth_kbps).collect(),
            headroom_kbps: path.iter().map(|pool| headroom(pool).expect("it has room")).collect(),
            shrunk: vec![],
            evicted: vec![],
        };
        assert_eq!(verdict, Verdict::Admitted(expected));
        return;
    }
    let limiting_pool = path.iter().position(|pool| !has_room(pool, requested_kbps)).expect("one is short");
    let available_kbps = (1..200).take_while(|&granted| has_room(&path[limiting_pool], granted)).count();
    let refusal = rejected(verdict).expect("it does not fit");
    assert_eq!((refusal.limiting_pool, refusal.requested_kbps), (limiting_pool, requested_kbps));
    assert_eq!((refusal.available_kbps, refusal.admissible_kbps), (available_kbps as u64, admissible_kbps));
    // Each stream has at least 1 kbps of an offer, and then all that is admissible is offered.
    let is_offered = admissible_kbps >= request.streams.len() as u64;
    assert_eq!(refusal.counter_offer.map(|kbps| kbps.iter().sum()), is_offered.then_some(admissible_kbps));
    assert_eq!(refusal.free_at_ms, None);
}

fn is_admitted(path: &[Pool], request: &Request) -> bool {
    admitted(plan_alone(path, request)).is_some()
}

proptest! {
    #![proptest_config(cases(5_000))]

    #[test]
    fn verdicts_are_those_of_brute_force(path in any_path(), request in any_request()) {
        check_by_brute_force(&path, &request);
    }

    #[test]
    fn no_pool_is_ever_over_committed(path in any_path(), requests in vec(any_request(), 1..20)) {
        let mut path = path;
        let over = |pool: &Pool| pool.reserved_kbps.saturating_sub(pool.capacity_kbps);
        let over_before: Vec<u64> = path.iter().map(over).collect();
        for request in requests {
            if let Some(admitted) = admitted(plan_alone(&path, &request)) {
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
        if let Some(rejected) = rejected(plan_alone(&path, &request_)) {
            let ask = |kbps| request(&[(Priority::Normal, kbps)]);
            prop_assert!(!is_admitted(&path, &ask(rejected.admissible_kbps + 1)));
            if rejected.admissible_kbps > 0 {
                prop_assert!(is_admitted(&path, &ask(rejected.admissible_kbps)));
            }
        }
    }
}

#[test]
fn what_no_path_or_request_can_be_is_named() {
    let device = Pool::new("d", Level::Device, 10, 0);
    let tenant = Pool::new("t", Level::Tenant, 10, 0);
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
        assert_eq!(
            plan(&path, &request, &[], 0, &[]).map_err(|error| error.to_string()),
            Err(message.into())
        );
    }
    assert_eq!(plan::<Pool>(&[], &request(&[]), &[], 0, &[]), Err(PlanError::EmptyPath));
}

#[test]
fn names_are_read_back() {
    assert!(Level::ALL.iter().all(|&level| Level::from_name(level.name()) == Some(level)));
    assert!(Priority::ALL.iter().all(|&priority| Priority::from_name(priority.name()) == Some(priority)));
    assert!(Charge::ALL.iter().all(|&charge| Charge::from_name(charge.name()) == Some(charge)));
    assert_eq!(
        (Level::from_name("Node"), Priority::from_name(""), Charge::from_name("WIRE")),
        (None, None, None)
    );
}
