//! What holds for any contest.

use std::collections::{BTreeMap, BTreeSet};

use honeylink_scheduler::{
    ActiveSession, Admitted, Level, Pool, Priority, Request, StreamAsk, Verdict, plan,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{has_kbps, least_kbps};
use crate::{
    cases::cases,
    oracle,
    strategies::{Contest, admitted, any_charge, any_contest, any_stream, held_kbps, rejected},
};

fn check_answer(contest: &Contest, answer: &Admitted) {
    let kept = contest.kept(answer);
    let minima = contest.minima();
    assert!(contest.fits(&answer.allocations, &kept), "no pool is over its capacity");
    let path = contest.path_after(&kept);
    for (pool, headroom) in path.iter().zip(&answer.headroom_kbps) {
        let charged = oracle::charged_kbps(pool.charge, &contest.request.streams, &answer.allocations);
        assert_eq!(pool.capacity_kbps - pool.reserved_kbps - charged, *headroom);
    }
    for (session, kbps) in contest.active.iter().zip(&kept) {
        let outcomes = contest.outcomes(session, true);
        assert!(outcomes.contains(kbps), "taken from {session:?}: {kbps:?}");
    }
    let named: BTreeSet<usize> =
        answer.evicted.iter().copied().chain(answer.shrunk.iter().map(|each| each.session)).collect();
    assert_eq!(named.len(), answer.evicted.len() + answer.shrunk.len(), "each victim once");

    let is_touched = !named.is_empty();
    assert!(!is_touched || !contest.fits(&minima, &contest.kept(&nothing())), "the newcomer shrinks first");
    assert!(
        answer.evicted.is_empty() || !contest.has_a_way(false),
        "victims are shrunk before any is evicted"
    );
    for &victim in &named {
        let mut spared = kept.clone();
        spared[victim] = has_kbps(&contest.active[victim]);
        assert!(!contest.fits(&minima, &spared), "victim {victim} could be spared");
        for stream in 0..kept[victim].len() {
            let mut more = kept.clone();
            more[victim][stream] += 1;
            let is_more = more[victim][stream] <= contest.active[victim].streams[stream].bandwidth_kbps;
            let is_evicted = answer.evicted.contains(&victim);
            if is_evicted {
                more[victim] = contest.active[victim].streams.iter().map(least_kbps).collect();
            }
            assert!(!is_more || !contest.fits(&minima, &more), "victim {victim} could keep more");
        }
    }
}

fn nothing() -> Admitted {
    Admitted { allocations: vec![], headroom_kbps: vec![], shrunk: vec![], evicted: vec![] }
}

/// What each session has by a verdict that admits, by its id; the newcomer has none.
fn by_id(contest: &Contest, verdict: Verdict) -> Option<BTreeMap<String, Vec<u64>>> {
    let answer = admitted(verdict)?;
    let ids = contest.active.iter().map(|session| session.id.clone());
    let kept = ids.zip(contest.kept(&answer));
    Some(kept.chain([(String::new(), answer.allocations.clone())]).collect())
}

proptest! {
    #![proptest_config(cases(20_000))]

    #[test]
    fn room_is_made_if_there_is_a_way_and_at_no_higher_cost_than_it_takes(contest in any_contest()) {
        match contest.plan() {
            Verdict::Admitted(answer) => check_answer(&contest, &answer),
            Verdict::Rejected(_) => prop_assert!(!contest.has_a_way(true)),
        }
    }

    #[test]
    fn the_order_of_sessions_does_not_matter(contest in any_contest(), at: Index) {
        let mut other = contest.clone();
        if !other.active.is_empty() {
            other.active.rotate_left(at.index(contest.active.len()));
        }
        other.active.reverse();
        prop_assert_eq!(by_id(&contest, contest.plan()), by_id(&other, other.plan()));
        prop_assert_eq!(contest.plan(), contest.plan());
    }

    #[test]
    fn more_capacity_never_turns_a_session_away(contest in any_contest(), at: Index, more in 0_u64..8) {
        let mut larger = contest.clone();
        at.get_mut(&mut larger.path).capacity_kbps += more;
        prop_assert!(admitted(contest.plan()).is_none() || admitted(larger.plan()).is_some());
    }

    #[test]
    fn a_stronger_request_is_never_turned_away_where_a_weaker_is_not(contest in any_contest()) {
        let mut stronger = contest.clone();
        stronger.request.setup_priority += 1;
        prop_assert!(admitted(contest.plan()).is_none() || admitted(stronger.plan()).is_some());
    }

    #[test]
    fn capacity_comes_free_when_it_is_said_to_and_not_before(contest in any_contest()) {
        let Some(refusal) = rejected(contest.plan()) else { return Ok(()) };
        let fits_after = |expires_ms: u64| {
            let kept: Vec<Vec<u64>> = contest
                .active
                .iter()
                .map(|session| if session.expires_ms <= expires_ms { vec![0; session.streams.len()] } else { has_kbps(session) })
                .collect();
            contest.fits(&contest.minima(), &kept)
        };
        let first = (contest.now_ms..20).find(|&at| fits_after(at));
        prop_assert_eq!(refusal.free_at_ms, first);
    }

    #[test]
    fn what_pools_beside_the_path_keep_does_not_come_free(
        sessions in vec((any_stream(12), 5_u64..12, any::<bool>()), 1..5), kept in (0_u64..20, 0_u64..20),
        charge in any_charge(), free in 0_u64..3, wanted in 1_u64..30,
    ) {
        // All are another tenant's, some of a device that keeps what it has of that tenant, which keeps what it has too.
        let of_session = |(index, (stream, expires_ms, is_of_device)): (usize, (StreamAsk, u64, bool))| {
            let pool_ids: &[&str] = if is_of_device { &["device", "other", "node"] } else { &["other", "node"] };
            ActiveSession {
                id: index.to_string(),
                pool_ids: pool_ids.iter().copied().map(String::from).collect(),
                streams: vec![stream],
                hold_priority: 0,
                opened_ms: 0,
                expires_ms,
            }
        };
        let active: Vec<ActiveSession> = sessions.into_iter().enumerate().map(of_session).collect();
        // By the definition of what is withheld, once all that end until then have ended.
        let pools_at = |now_ms: u64| {
            let pool = |id: &str, level, kept_kbps, withheld_kbps| {
                let bare = Pool { charge, ..Pool::new(id, level, 200, 0) };
                let live = active.iter().filter(|session| session.expires_ms > now_ms);
                Pool {
                    reserved_kbps: live.map(|session| held_kbps(&bare, session)).sum(),
                    guaranteed_kbps: Some(kept_kbps),
                    lend_limit_kbps: Some(0),
                    withheld_kbps,
                    ..bare
                }
            };
            let device = pool("device", Level::Device, kept.0, 0);
            let other = pool("other", Level::Tenant, kept.1, oracle::claim_kbps(&device));
            let node = pool("node", Level::Node, 0, oracle::claim_kbps(&other));
            (node, [device, other])
        };
        let (full, others) = pools_at(0);
        let capacity_kbps = full.reserved_kbps + full.withheld_kbps + free;
        let path_with = |node: Pool| {
            [Pool { charge, ..Pool::new("mine", Level::Tenant, 200, 0) }, Pool { capacity_kbps, ..node }]
        };
        let request = Request::new(vec![StreamAsk::new("", Priority::Normal, wanted)]);
        let sessions: Vec<&ActiveSession> = active.iter().collect();
        let verdict = plan(&path_with(full), &request, &sessions, 5, &others).expect("sound");
        let Some(refusal) = rejected(verdict) else { return Ok(()) };
        let fits_at = |now_ms: &u64| oracle::fits(&path_with(pools_at(*now_ms).0), &request.streams, &[wanted]);
        prop_assert_eq!(refusal.free_at_ms, (5..20).find(fits_at));
    }

    #[test]
    fn what_another_pool_is_guaranteed_is_not_taken(
        sessions in vec((any_stream(6), 0_i64..3, 0_u64..9), 1..5), guaranteed in 0_u64..30, wanted in 1_u64..40,
        has_minimum: bool,
    ) {
        // A full node of which another tenant has it all.
        let mut node = Pool { preemption: true, ..Pool::new("node", Level::Node, 0, 0) };
        let mut other = Pool { guaranteed_kbps: Some(guaranteed), ..Pool::new("other", Level::Tenant, 100, 0) };
        let active: Vec<ActiveSession> = sessions
            .into_iter()
            .enumerate()
            .map(|(index, (stream, hold_priority, opened_ms))| ActiveSession {
                id: index.to_string(),
                pool_ids: vec!["other".into(), "node".into()],
                streams: vec![stream],
                hold_priority,
                opened_ms,
                expires_ms: 100,
            })
            .collect();
        let held: u64 = active.iter().map(|session| held_kbps(&node, session)).sum();
        (node.capacity_kbps, node.reserved_kbps, other.reserved_kbps) = (held, held, held);
        let ask = StreamAsk {
            min_bandwidth_kbps: has_minimum.then_some(1),
            ..StreamAsk::new("", Priority::Normal, wanted)
        };
        let request = Request { streams: vec![ask], setup_priority: 9 };
        let path = [Pool::new("mine", Level::Tenant, 100, 0), node.clone()];
        let sessions: Vec<&ActiveSession> = active.iter().collect();
        let plan_with = |others: &[Pool]| admitted(plan(&path, &request, &sessions, 50, others).expect("sound"));

        let contest = Contest { path: path.to_vec(), active: active.clone(), request: request.clone(), now_ms: 50 };
        let lost = |answer: &Admitted| {
            held - contest.kept(answer).iter().flatten().sum::<u64>()
        };
        let borrowed = held.saturating_sub(guaranteed);
        if let Some(answer) = plan_with(&[other.clone()]) {
            prop_assert!(lost(&answer) <= borrowed);
            prop_assert!(plan_with(&[]).is_some());
        } else if has_minimum && borrowed > 0 {
            // One kbps is wanted: only sessions that are larger than what is borrowed and can't shrink stand against it.
            let is_too_large = |stream: &StreamAsk| {
                stream.bandwidth_kbps > borrowed && least_kbps(stream) == stream.bandwidth_kbps
            };
            prop_assert!(active.iter().all(|session| is_too_large(&session.streams[0])));
        }
    }
}
