//! Pools, requests and sessions, small so that fits are often exact.

use honeylink_scheduler::{
    ActiveSession, Admitted, Charge, Level, Pool, Priority, Rejected, Request, StreamAsk, Verdict, plan,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::oracle;

pub fn any_priority() -> impl Strategy<Value = Priority> {
    select(&Priority::ALL[..])
}

pub fn any_charge() -> impl Strategy<Value = Charge> {
    select(&Charge::ALL[..])
}

/// Half of them with a minimum, some with more parity than data.
pub fn any_stream(max_kbps: u64) -> impl Strategy<Value = StreamAsk> {
    let bandwidths = (1..=max_kbps).prop_flat_map(|kbps| (Just(kbps), option::of(1..=kbps)));
    (any_priority(), bandwidths, 1_u64..4, 0_u64..4).prop_map(|(priority, (kbps, least), k, m)| StreamAsk {
        min_bandwidth_kbps: least,
        data_shards: k,
        parity_shards: m,
        ..StreamAsk::new("", priority, kbps)
    })
}

pub fn any_request() -> impl Strategy<Value = Request> {
    vec(any_stream(9), 1..=4).prop_map(Request::new)
}

/// One to three pools that charge as they like, some with shares of the next, some with more reserved than they have.
/// Each withholds what the pool inside it claims and perhaps more, for pools that are not on the path.
pub fn any_path() -> impl Strategy<Value = Vec<Pool>> {
    let limit = || option::weighted(0.4, 0_u64..20);
    let pool = (0_u64..60, 0_u64..30, any_charge(), limit(), limit(), limit(), 0_u64..4);
    vec(pool, 1..=3).prop_map(|pools| {
        let mut path: Vec<Pool> = Vec::new();
        for (level, (capacity, reserved, charge, guaranteed, borrow, lend, more)) in
            Level::ALL.into_iter().zip(pools)
        {
            let claim = path.last().map_or(0, oracle::claim_kbps);
            path.push(Pool {
                charge,
                guaranteed_kbps: guaranteed,
                borrow_limit_kbps: borrow,
                lend_limit_kbps: lend,
                withheld_kbps: claim + more,
                ..Pool::new(level.name(), level, capacity, reserved)
            });
        }
        path
    })
}

/// A path with sessions on it that other streams may take from, and a request.
#[derive(Clone, Debug)]
pub struct Contest {
    pub path: Vec<Pool>,
    pub active: Vec<ActiveSession>,
    pub request: Request,
    pub now_ms: u64,
}

impl Contest {
    pub fn plan(&self) -> Verdict {
        let active: Vec<&ActiveSession> = self.active.iter().collect();
        plan(&self.path, &self.request, &active, self.now_ms, &[]).expect("nothing is wrong with it")
    }
}

/// One or two pools of which most allow pre-emption, and are mostly full of one to three sessions.
pub fn any_contest() -> impl Strategy<Value = Contest> {
    let pool = (any_charge(), prop::bool::weighted(0.9), 0_u64..3, 0_u64..6, 0_u64..3);
    let session = (
        vec(any_stream(4), 1..=2),
        -1_i64..3,
        0_u64..6,
        5_u64..12,
        select(vec![&["device", "node"][..], &["node"], &["node"], &["device"], &[]]),
    );
    let request = (vec(any_stream(6), 1..=2), 0_i64..4);
    (vec(pool, 1..=2), vec(session, 0..=3), request).prop_map(
        |(pools, sessions, (streams, setup_priority))| {
            let of_session =
                |(index, (streams, hold_priority, opened_ms, expires_ms, pool_ids)): (usize, _)| {
                    let pool_ids: &[&str] = pool_ids;
                    let pool_ids = pool_ids.iter().copied().map(String::from).collect();
                    ActiveSession {
                        id: format!("s{index}"),
                        pool_ids,
                        streams,
                        hold_priority,
                        opened_ms,
                        expires_ms,
                    }
                };
            let active: Vec<ActiveSession> = sessions.into_iter().enumerate().map(of_session).collect();
            let levels = [Level::Device, Level::Node];
            let mut path = Vec::new();
            for (level, (charge, preemption, min_hold_ms, free_kbps, unknown_kbps)) in
                levels.into_iter().zip(pools)
            {
                let mut pool =
                    Pool { charge, preemption, min_hold_ms, ..Pool::new(level.name(), level, 0, 0) };
                let held: u64 = active.iter().map(|session| held_kbps(&pool, session)).sum();
                pool.reserved_kbps = held + unknown_kbps;
                pool.capacity_kbps = pool.reserved_kbps + free_kbps;
                path.push(pool);
            }
            Contest { path, active, request: Request { streams, setup_priority }, now_ms: 5 }
        },
    )
}

/// What a session has of a pool.
pub fn held_kbps(pool: &Pool, session: &ActiveSession) -> u64 {
    let has: Vec<u64> = session.streams.iter().map(|stream| stream.bandwidth_kbps).collect();
    let is_in = session.pool_ids.contains(&pool.id);
    if is_in { oracle::charged_kbps(pool.charge, &session.streams, &has) } else { 0 }
}

pub fn plan_alone(path: &[Pool], request: &Request) -> Verdict {
    plan(path, request, &[], 0, &[]).expect("nothing is wrong with it")
}

pub fn admitted(verdict: Verdict) -> Option<Admitted> {
    match verdict {
        Verdict::Admitted(admitted) => Some(admitted),
        Verdict::Rejected(_) => None,
    }
}

pub fn rejected(verdict: Verdict) -> Option<Rejected> {
    match verdict {
        Verdict::Admitted(_) => None,
        Verdict::Rejected(rejected) => Some(rejected),
    }
}
