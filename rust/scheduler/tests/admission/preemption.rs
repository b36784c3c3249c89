//! Room made at the cost of weaker sessions: whenever there is a way, and at no higher cost than it takes.

use std::collections::{BTreeMap, BTreeSet};

use honeylink_scheduler::{
    ActiveSession, Admitted, Level, Pool, Priority, Request, Shrunk, StreamAsk, Verdict, plan,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::{
    cases::cases,
    oracle,
    strategies::{Contest, admitted, any_charge, any_contest, any_stream, held_kbps, rejected},
};

fn least_kbps(stream: &StreamAsk) -> u64 {
    stream.min_bandwidth_kbps.unwrap_or(stream.bandwidth_kbps)
}

pub fn has_kbps(session: &ActiveSession) -> Vec<u64> {
    session.streams.iter().map(|stream| stream.bandwidth_kbps).collect()
}

impl Contest {
    pub fn minima(&self) -> Vec<u64> {
        self.request.streams.iter().map(least_kbps).collect()
    }

    /// The path after its sessions have come to `kept`.
    fn path_after(&self, kept: &[Vec<u64>]) -> Vec<Pool> {
        let mut path = self.path.clone();
        for pool in &mut path {
            for (session, kbps) in self.active.iter().zip(kept) {
                if session.pool_ids.contains(&pool.id) {
                    pool.reserved_kbps -= held_kbps(pool, session);
                    pool.reserved_kbps += oracle::charged_kbps(pool.charge, &session.streams, kbps);
                }
            }
        }
        path
    }

    fn fits(&self, newcomer: &[u64], kept: &[Vec<u64>]) -> bool {
        oracle::fits(&self.path_after(kept), &self.request.streams, newcomer)
    }

    /// Whether the newcomer may take from a session.
    fn may_take_from(&self, session: &ActiveSession) -> bool {
        let over = oracle::over(&self.path, &self.request.streams, &self.minima());
        let mut short =
            over.iter().map(|&pool| &self.path[pool]).filter(|pool| session.pool_ids.contains(&pool.id));
        let held_ms = self.now_ms.saturating_sub(session.opened_ms);
        over.iter().all(|&pool| self.path[pool].preemption)
            && session.hold_priority < self.request.setup_priority
            && short.clone().next().is_some()
            && short.all(|pool| held_ms >= pool.min_hold_ms)
    }

    /// All that one session could come to.
    pub fn outcomes(&self, session: &ActiveSession, evict: bool) -> Vec<Vec<u64>> {
        let mut outcomes = vec![vec![]];
        for stream in &session.streams {
            let least = if self.may_take_from(session) { least_kbps(stream) } else { stream.bandwidth_kbps };
            let with = |head: &Vec<u64>| -> Vec<Vec<u64>> {
                (least..=stream.bandwidth_kbps).map(|kbps| [&head[..], &[kbps]].concat()).collect()
            };
            outcomes = outcomes.iter().flat_map(with).collect();
        }
        if evict && self.may_take_from(session) {
            outcomes.push(vec![0; session.streams.len()]);
        }
        outcomes
    }

    /// Whether any outcome for all sessions lets the newcomer in with its minima.
    fn has_a_way(&self, evict: bool) -> bool {
        let mut all = vec![vec![]];
        for session in &self.active {
            let outcomes = self.outcomes(session, evict);
            let with = |head: &Vec<Vec<u64>>| -> Vec<Vec<Vec<u64>>> {
                outcomes.iter().map(|kbps| [&head[..], std::slice::from_ref(kbps)].concat()).collect()
            };
            all = all.iter().flat_map(with).collect();
        }
        all.iter().any(|kept| self.fits(&self.minima(), kept))
    }

    /// What each session comes to by a verdict.
    pub fn kept(&self, answer: &Admitted) -> Vec<Vec<u64>> {
        let mut kept: Vec<Vec<u64>> = self.active.iter().map(has_kbps).collect();
        answer.evicted.iter().for_each(|&session| kept[session].fill(0));
        answer.shrunk.iter().for_each(|each| kept[each.session].clone_from(&each.allocations));
        kept
    }
}

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

fn session(id: &str, hold_priority: i64, kbps: u64, min_kbps: Option<u64>, opened_ms: u64) -> ActiveSession {
    ActiveSession {
        id: id.into(),
        pool_ids: vec!["node".into()],
        streams: vec![StreamAsk {
            min_bandwidth_kbps: min_kbps,
            ..StreamAsk::new("", Priority::Burst, kbps)
        }],
        hold_priority,
        opened_ms,
        expires_ms: 1_000,
    }
}

fn node(capacity_kbps: u64, active: &[ActiveSession]) -> Pool {
    let reserved = active.iter().flat_map(has_kbps).sum();
    Pool { preemption: true, ..Pool::new("node", Level::Node, capacity_kbps, reserved) }
}

fn ask(kbps: u64, min_kbps: Option<u64>, setup_priority: i64) -> Request {
    let stream = StreamAsk { min_bandwidth_kbps: min_kbps, ..StreamAsk::new("", Priority::Latency, kbps) };
    Request { streams: vec![stream], setup_priority }
}

fn decide(node: &Pool, request: &Request, active: &[ActiveSession], now_ms: u64) -> Option<Admitted> {
    let active: Vec<&ActiveSession> = active.iter().collect();
    admitted(
        plan(std::slice::from_ref(node), request, &active, now_ms, &[]).expect("nothing is wrong with it"),
    )
}

#[test]
fn the_weakest_is_shrunk_first_and_of_equals_the_youngest() {
    let active = [
        session("strong", 1, 40, Some(10), 3),
        session("old", 0, 40, Some(10), 1),
        session("young", 0, 40, Some(10), 2),
    ];
    let node = node(120, &active);
    let shrunk = |kbps| decide(&node, &ask(kbps, None, 2), &active, 9).expect("it can be had").shrunk;
    assert_eq!(shrunk(10), [Shrunk { session: 2, allocations: vec![30] }]);
    assert_eq!(
        shrunk(40),
        [Shrunk { session: 2, allocations: vec![10] }, Shrunk { session: 1, allocations: vec![30] }]
    );
    assert_eq!(shrunk(90).len(), 3);
}

#[test]
fn a_session_is_evicted_when_all_are_shrunk_and_others_get_back_what_it_leaves() {
    let active = [session("a", 0, 100, None, 0), session("b", 1, 100, Some(50), 0)];
    let node = node(200, &active);
    let answer = decide(&node, &ask(80, None, 2), &active, 0).expect("it can be had");
    assert_eq!((answer.evicted, answer.shrunk, answer.headroom_kbps), (vec![0], vec![], vec![20]));
}

#[test]
fn what_an_eviction_leaves_over_is_the_newcomers() {
    let active = [session("a", 0, 100, None, 0)];
    let node = node(100, &active);
    let answer = decide(&node, &ask(80, Some(30), 1), &active, 0).expect("it can be had");
    assert_eq!((answer.allocations, answer.headroom_kbps, answer.evicted), (vec![80], vec![20], vec![0]));
}

#[test]
fn nothing_is_taken_from_equals_from_the_young_or_where_a_pool_forbids_it() {
    let active = [session("a", 1, 100, Some(1), 10)];
    let node = node(100, &active);
    assert!(decide(&node, &ask(1, None, 2), &active, 10).is_some());
    assert!(decide(&node, &ask(1, None, 1), &active, 10).is_none());
    assert!(decide(&Pool { preemption: false, ..node.clone() }, &ask(1, None, 2), &active, 10).is_none());
    let holding = Pool { min_hold_ms: 5, ..node };
    assert!(decide(&holding, &ask(1, None, 2), &active, 14).is_none());
    assert!(decide(&holding, &ask(1, None, 2), &active, 15).is_some());
}

#[test]
fn every_short_pool_must_allow_it() {
    let mut victim = session("a", 0, 100, None, 0);
    victim.pool_ids = vec!["device".into(), "node".into()];
    let device = Pool { preemption: false, ..Pool::new("device", Level::Device, 100, 100) };
    let node = node(150, std::slice::from_ref(&victim));
    let decide = |kbps, device: &Pool| {
        plan(&[device.clone(), node.clone()], &ask(kbps, None, 1), &[&victim], 0, &[]).expect("sound")
    };
    assert_eq!(rejected(decide(10, &device)).expect("the device's pool is short").limiting_pool, 0);
    let willing = Pool { preemption: true, ..device.clone() };
    assert!(admitted(decide(60, &willing)).is_some());
    let roomy = Pool { capacity_kbps: 200, ..device };
    assert!(admitted(decide(60, &roomy)).is_some(), "its pool is not short");
}

#[test]
fn of_a_session_that_has_more_than_its_pool_keeps_the_rest_comes_free() {
    let other = Pool {
        guaranteed_kbps: Some(60),
        lend_limit_kbps: Some(0),
        ..Pool::new("other", Level::Tenant, 100, 100)
    };
    let path = [Pool::new("mine", Level::Tenant, 100, 0), Pool::new("node", Level::Node, 100, 100)];
    let mut large = session("s", 0, 100, None, 0);
    large.pool_ids = vec!["other".into(), "node".into()];
    let free_at_ms = |kbps| {
        let verdict = plan(&path, &ask(kbps, None, 0), &[&large], 0, std::slice::from_ref(&other));
        rejected(verdict.expect("sound")).expect("the node is full").free_at_ms
    };
    assert_eq!(free_at_ms(40), Some(1_000));
    assert_eq!(free_at_ms(41), None);
}

#[test]
fn with_a_share_too_the_weakest_loses_first() {
    let session = |id, hold_priority| {
        let pool_ids = ["other", "other", "node"].map(String::from).to_vec(); // named twice, it still loses once
        ActiveSession { pool_ids, ..session(id, hold_priority, 50, Some(10), 0) }
    };
    let active = [session("strong", 1), session("weak", 0)];
    let other = Pool { guaranteed_kbps: Some(60), ..Pool::new("other", Level::Tenant, 100, 100) };
    let node = node(100, &active);
    let sessions: Vec<&ActiveSession> = active.iter().collect();
    let verdict =
        plan(std::slice::from_ref(&node), &ask(40, None, 2), &sessions, 0, &[other]).expect("sound");
    assert_eq!(
        admitted(verdict).expect("what was lent").shrunk,
        [Shrunk { session: 1, allocations: vec![10] }]
    );
}

/// What a pool beside the path withholds for those inside it, it has given away as well, so it has borrowed more.
#[test]
fn what_a_pool_withholds_counts_against_its_share() {
    let mut borrower = session("b", 0, 50, Some(10), 0);
    borrower.pool_ids = vec!["other".into(), "node".into()];
    let bare = Pool { guaranteed_kbps: Some(60), ..Pool::new("other", Level::Tenant, 100, 50) };
    let node = node(50, std::slice::from_ref(&borrower));
    let decide = |other: &Pool| {
        let others = std::slice::from_ref(other);
        admitted(
            plan(std::slice::from_ref(&node), &ask(20, None, 1), &[&borrower], 0, others).expect("sound"),
        )
    };
    assert_eq!(decide(&bare), None, "it has not even its share");
    assert!(decide(&Pool { withheld_kbps: 30, ..bare }).is_some());
}

#[test]
fn a_borrower_gives_back_what_was_lent_and_no_more() {
    let mut borrower = session("b", 0, 100, Some(10), 0);
    borrower.pool_ids = vec!["other".into(), "node".into()];
    let other = Pool { guaranteed_kbps: Some(60), ..Pool::new("other", Level::Tenant, 100, 100) };
    let node = node(100, std::slice::from_ref(&borrower));
    let decide = |kbps, others: &[Pool]| {
        admitted(
            plan(std::slice::from_ref(&node), &ask(kbps, None, 1), &[&borrower], 0, others).expect("sound"),
        )
    };
    let answer = decide(40, std::slice::from_ref(&other)).expect("what was lent");
    assert_eq!(answer.shrunk, [Shrunk { session: 0, allocations: vec![60] }]);
    assert_eq!(decide(41, std::slice::from_ref(&other)), None);
    assert!(decide(41, &[]).is_some(), "without the pool nothing is known of its share");
}
