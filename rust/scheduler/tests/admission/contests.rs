//! Room made in a whole tree of pools, with shares: what a verdict comes to, by the definition of each pool.

use honeylink_scheduler::{ActiveSession, Admitted, Pool, Request, Verdict, plan};
use proptest::{collection::vec, prelude::*};

use crate::{
    cases::cases,
    oracle,
    strategies::{Contest, any_stream, held_kbps},
    trees::{DEVICES, NODE, Tree, any_tree, parent},
};

/// Sessions of any devices of a tree, and a request of the first.
#[derive(Clone, Debug)]
struct TreeContest {
    tree: Tree,
    /// The device of each session.
    devices: Vec<usize>,
    contest: Contest,
}

const MINE: usize = DEVICES[0];

fn path_of(device: usize) -> [usize; 3] {
    [device, parent(device), NODE]
}

/// Most pools allow pre-emption, and many have hardly anything left.
fn any_tree_contest() -> impl Strategy<Value = TreeContest> {
    let session = (0..4_usize, vec(any_stream(5), 1..=2), -1_i64..3, 0_u64..6, 5_u64..12);
    let rules = (prop::bool::weighted(0.9), 0_u64..3, prop::option::weighted(0.7, 0_u64..3));
    let request = (vec(any_stream(7), 1..=2), 1_i64..4);
    (any_tree(), vec(session, 1..=3), vec(rules, 7), request).prop_map(
        |(mut tree, sessions, rules, (streams, setup_priority))| {
            let (mut devices, mut active) = (Vec::new(), Vec::new());
            for (device, streams, hold_priority, opened_ms, expires_ms) in sessions {
                let device = DEVICES[device];
                let id = format!("s{}", active.len());
                let pool_ids = path_of(device).map(|pool| tree.pools[pool].id.clone()).to_vec();
                let session = ActiveSession { id, pool_ids, streams, hold_priority, opened_ms, expires_ms };
                let kbps = held_kbps(&tree.pools[device], &session);
                tree.reserve(device, kbps);
                if tree.is_sound() {
                    devices.push(device);
                    active.push(session);
                } else {
                    tree.release(device, kbps);
                }
            }
            for (pool, (preemption, min_hold_ms, free_kbps)) in rules.into_iter().enumerate() {
                let before = tree.clone();
                let each = &mut tree.pools[pool];
                (each.preemption, each.min_hold_ms) = (preemption, min_hold_ms);
                if let Some(free_kbps) = free_kbps {
                    each.capacity_kbps = each.reserved_kbps + each.withheld_kbps + free_kbps;
                }
                tree.settle();
                if !tree.is_sound() {
                    tree = before;
                }
            }
            let path = tree.path(MINE);
            let contest = Contest { path, active, request: Request { streams, setup_priority }, now_ms: 5 };
            TreeContest { tree, devices, contest }
        },
    )
}

impl TreeContest {
    fn others(&self) -> Vec<Pool> {
        let is_sibling = |pool: &usize| !path_of(MINE).contains(pool);
        (0..self.tree.pools.len()).filter(is_sibling).map(|pool| self.tree.pools[pool].clone()).collect()
    }

    fn plan(&self) -> Verdict {
        let Contest { path, active, request, now_ms } = &self.contest;
        let active: Vec<&ActiveSession> = active.iter().collect();
        let others = self.others();
        plan(&path.iter().collect::<Vec<_>>(), request, &active, *now_ms, &others.iter().collect::<Vec<_>>())
            .expect("nothing is wrong with it")
    }

    /// The tree after its sessions have come to `kept` and the newcomer has what it is given.
    fn after(&self, newcomer: &[u64], kept: &[Vec<u64>]) -> Tree {
        let mut tree = self.tree.clone();
        for ((session, &device), kbps) in self.contest.active.iter().zip(&self.devices).zip(kept) {
            let charge = tree.pools[device].charge;
            tree.release(device, held_kbps(&tree.pools[device], session));
            tree.reserve(device, oracle::charged_kbps(charge, &session.streams, kbps));
        }
        let charge = tree.pools[MINE].charge;
        tree.reserve(MINE, oracle::charged_kbps(charge, &self.contest.request.streams, newcomer));
        tree
    }

    /// Whether no pool is over its ceiling then, and none beside the path has lost of what it is guaranteed.
    fn is_allowed(&self, newcomer: &[u64], kept: &[Vec<u64>]) -> bool {
        let after = self.after(newcomer, kept);
        let has_its_share = |pool: &usize| {
            let (old, new) = (&self.tree.pools[*pool], &after.pools[*pool]);
            let committed = |pool: &Pool| pool.reserved_kbps + pool.withheld_kbps;
            committed(new) >= committed(old).min(oracle::share_kbps(old))
        };
        let mut siblings = (0..after.pools.len()).filter(|pool| !path_of(MINE).contains(pool));
        after.is_sound() && siblings.all(|pool| has_its_share(&pool))
    }

    /// Whether any outcome for all sessions lets the newcomer in with its minima.
    fn has_a_way(&self, evict: bool) -> bool {
        let mut all = vec![vec![]];
        for session in &self.contest.active {
            let outcomes = self.contest.outcomes(session, evict);
            let with = |head: &Vec<Vec<u64>>| -> Vec<Vec<Vec<u64>>> {
                outcomes.iter().map(|kbps| [&head[..], std::slice::from_ref(kbps)].concat()).collect()
            };
            all = all.iter().flat_map(with).collect();
        }
        all.iter().any(|kept| self.is_allowed(&self.contest.minima(), kept))
    }

    /// Whether a pool beside the path has a share, in which case which sessions lose what of it is settled beforehand.
    fn is_protected(&self) -> bool {
        self.others().iter().any(|pool| oracle::share_kbps(pool) > 0)
    }

    fn check(&self, answer: &Admitted) {
        let Contest { active, .. } = &self.contest;
        let kept = self.contest.kept(answer);
        let minima = self.contest.minima();
        assert!(self.is_allowed(&answer.allocations, &kept), "all pools have what they may have");
        for (session, kbps) in active.iter().zip(&kept) {
            let outcomes = self.contest.outcomes(session, true);
            assert!(outcomes.contains(kbps), "taken from {session:?}: {kbps:?}");
        }
        let has: Vec<Vec<u64>> = active.iter().map(crate::preemption::has_kbps).collect();
        let victims: Vec<usize> =
            (0..active.len()).filter(|&session| kept[session] != has[session]).collect();
        assert!(victims.is_empty() || !self.is_allowed(&minima, &has), "the newcomer shrinks first");
        for victim in victims {
            let mut spared = kept.clone();
            spared[victim].clone_from(&has[victim]);
            assert!(!self.is_allowed(&minima, &spared), "victim {victim} could be spared");
        }
        let is_settled = self.is_protected() || answer.evicted.is_empty();
        assert!(is_settled || !self.has_a_way(false), "victims are shrunk before any is evicted");
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn room_is_made_in_a_tree_if_there_is_a_way_and_no_share_is_touched(contest in any_tree_contest()) {
        match contest.plan() {
            Verdict::Admitted(answer) => contest.check(&answer),
            Verdict::Rejected(_) => prop_assert!(contest.is_protected() || !contest.has_a_way(true)),
        }
    }
}
