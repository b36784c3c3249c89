//! Room made at the cost of weaker sessions: whenever there is a way, and at no higher cost than it takes.

mod examples;
mod laws;

use honeylink_scheduler::{ActiveSession, Admitted, Pool, StreamAsk};

use crate::{
    oracle,
    strategies::{Contest, held_kbps},
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
