//! Requests that can do with less, and offers to those that can't.

use honeylink_scheduler::{Admitted, Pool, Rejected, Request, StreamAsk, Verdict};
use proptest::{prelude::*, sample::Index};

use crate::{
    cases::cases,
    oracle,
    strategies::{admitted, any_path, any_request, plan_alone, rejected},
};

fn verdict_by_brute_force(path: &[Pool], request: &Request) -> Verdict {
    let streams = &request.streams;
    let floors = |without: fn(&StreamAsk) -> u64| -> Vec<u64> {
        streams.iter().map(|stream| stream.min_bandwidth_kbps.unwrap_or_else(|| without(stream))).collect()
    };
    let minima = floors(|stream| stream.bandwidth_kbps);
    if let Some(allocations) = oracle::share_out(path, streams, &minima) {
        let charged = oracle::charges_kbps(path, streams, &allocations);
        let headroom = (0..path.len()).map(|pool| oracle::left_kbps(path, pool) - charged[pool]);
        return Verdict::Admitted(Admitted {
            headroom_kbps: headroom.collect(),
            allocations,
            shrunk: vec![],
            evicted: vec![],
        });
    }
    let limiting_pool = oracle::over(path, streams, &minima)[0];
    let asks: Vec<u64> = streams.iter().map(|stream| stream.bandwidth_kbps).collect();
    Verdict::Rejected(Rejected {
        limiting_pool,
        requested_kbps: oracle::charges_kbps(path, streams, &asks)[limiting_pool],
        available_kbps: oracle::left_kbps(path, limiting_pool),
        counter_offer: oracle::share_out(path, streams, &floors(|_| 1)),
        free_at_ms: None,
        admissible_kbps: (0..path.len()).map(|pool| oracle::left_kbps(path, pool)).min().expect("a pool"),
    })
}

/// Whether a stream could have more: it asks for more, and one kbps more fits.
fn could_have_more(path: &[Pool], streams: &[StreamAsk], kbps: &[u64]) -> bool {
    (0..streams.len()).any(|stream| {
        let mut more = kbps.to_vec();
        more[stream] += 1;
        more[stream] <= streams[stream].bandwidth_kbps && oracle::fits(path, streams, &more)
    })
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn verdicts_are_those_of_brute_force(path in any_path(), request in any_request()) {
        prop_assert_eq!(plan_alone(&path, &request), verdict_by_brute_force(&path, &request));
    }

    /// Somebody may say less of what a pool withholds than one inside it keeps; he gets no more than there is.
    #[test]
    fn no_pool_is_over_its_capacity_whatever_is_said_to_be_withheld(
        path in any_path(), request in any_request(), withheld in prop::collection::vec(0_u64..10, 3),
    ) {
        let mut path = path;
        for (pool, withheld_kbps) in path.iter_mut().zip(withheld) {
            pool.withheld_kbps = withheld_kbps;
        }
        if let Some(Admitted { allocations, .. }) = admitted(plan_alone(&path, &request)) {
            for (pool, charged) in path.iter().zip(oracle::charges_kbps(&path, &request.streams, &allocations)) {
                prop_assert!(pool.reserved_kbps + charged <= pool.capacity_kbps, "{pool:?}");
            }
        }
    }

    /// But where a pool's capacity has cut its share short: that grows with it, at the cost of the pools around.
    #[test]
    fn more_capacity_never_refuses_what_less_admitted(
        path in any_path(), request in any_request(), at: Index, more in 0_u64..20,
    ) {
        let mut larger = path.clone();
        let pool = at.get_mut(&mut larger);
        if pool.guaranteed_kbps.is_none_or(|kbps| kbps <= pool.capacity_kbps) {
            pool.capacity_kbps += more;
        }
        prop_assert!(admitted(plan_alone(&path, &request)).is_none() || admitted(plan_alone(&larger, &request)).is_some());
    }

    #[test]
    fn streams_have_what_fits_and_no_kbps_less(path in any_path(), request in any_request()) {
        let streams = &request.streams;
        if let Some(Admitted { allocations, .. }) = admitted(plan_alone(&path, &request)) {
            for (stream, &kbps) in streams.iter().zip(&allocations) {
                let least = stream.min_bandwidth_kbps.unwrap_or(stream.bandwidth_kbps);
                prop_assert!((least..=stream.bandwidth_kbps).contains(&kbps));
            }
            prop_assert!(oracle::fits(&path, streams, &allocations));
            prop_assert!(!could_have_more(&path, streams, &allocations));
        }
    }

    #[test]
    fn an_offer_is_admitted_and_could_not_be_larger(path in any_path(), request in any_request()) {
        let streams = &request.streams;
        if let Some(Rejected { counter_offer: Some(offer), .. }) = rejected(plan_alone(&path, &request)) {
            let ask = |(stream, &kbps): (&StreamAsk, &u64)| StreamAsk {
                bandwidth_kbps: kbps,
                min_bandwidth_kbps: None,
                ..stream.clone()
            };
            let smaller = Request::new(streams.iter().zip(&offer).map(ask).collect());
            let answer = admitted(plan_alone(&path, &smaller));
            prop_assert_eq!(&answer.expect("it was offered").allocations, &offer);
            prop_assert!(!could_have_more(&path, streams, &offer));
            let minima = streams.iter().map(|stream| stream.min_bandwidth_kbps.unwrap_or(1));
            prop_assert!(offer.iter().zip(minima).all(|(&kbps, least)| kbps >= least));
        }
    }

    #[test]
    fn the_less_urgent_go_short_first(path in any_path(), request in any_request()) {
        let streams = &request.streams;
        let Some(Admitted { allocations, .. }) = admitted(plan_alone(&path, &request)) else { return Ok(()) };
        let without_parity = streams.iter().all(|stream| stream.parity_shards == 0);
        let is_short = |&stream: &usize| allocations[stream] < streams[stream].bandwidth_kbps;
        for short in (0..streams.len()).filter(is_short) {
            let less_urgent = (0..streams.len()).filter(|&s| streams[s].priority > streams[short].priority);
            for stream in less_urgent {
                // What parity makes too large for the more urgent one may be of use to this one.
                let at_floor = allocations[stream] == streams[stream].min_bandwidth_kbps.unwrap_or(allocations[stream]);
                prop_assert!(at_floor || !without_parity);
            }
        }
    }

    #[test]
    fn equals_have_equal_parts(path in any_path(), request in any_request()) {
        let streams: Vec<StreamAsk> =
            request.streams.iter().map(|stream| StreamAsk { parity_shards: 0, ..stream.clone() }).collect();
        let Some(answer) = admitted(plan_alone(&path, &Request::new(streams.clone()))) else { return Ok(()) };
        for (poor, &has) in streams.iter().zip(&answer.allocations) {
            for (rich, &more) in streams.iter().zip(&answer.allocations) {
                // Nobody who is above its floor has a larger part than one who is short, but for the rounding of both.
                if poor.priority == rich.priority
                    && has < poor.bandwidth_kbps
                    && more > rich.min_bandwidth_kbps.unwrap_or(more)
                {
                    prop_assert!((more - 1) * poor.bandwidth_kbps < (has + 1) * rich.bandwidth_kbps);
                }
            }
        }
    }

    #[test]
    fn more_capacity_never_turns_a_session_away(
        path in any_path(), request in any_request(), at: Index, more in 0_u64..20,
    ) {
        let mut larger = path.clone();
        at.get_mut(&mut larger).capacity_kbps += more;
        if admitted(plan_alone(&path, &request)).is_some() {
            prop_assert!(admitted(plan_alone(&larger, &request)).is_some());
        }
    }
}
