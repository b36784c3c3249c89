//! Many paths of one tree: what is withheld adds up, nothing is over its ceiling, and what is kept is there.

use honeylink_scheduler::{Charge, Level, PlanError, Pool, Priority, Request, StreamAsk};
use proptest::{collection::vec, option, prelude::*};

use crate::{
    cases::cases,
    oracle,
    strategies::{admitted, any_charge, any_stream, plan_alone, rejected},
};

/// A node with two tenants with two devices each, all charged alike.
#[derive(Clone, Debug)]
pub struct Tree {
    /// First the node, then the tenants, then the devices.
    pub pools: Vec<Pool>,
}

pub const NODE: usize = 0;
const TENANTS: [usize; 2] = [1, 2];
pub const DEVICES: [usize; 4] = [3, 4, 5, 6];

pub fn parent(pool: usize) -> usize {
    if pool <= 2 { NODE } else { (pool - 1) / 2 }
}

impl Tree {
    pub fn path(&self, device: usize) -> Vec<Pool> {
        [device, parent(device), NODE].map(|pool| self.pools[pool].clone()).to_vec()
    }

    /// What each pool withholds by its definition: the claims of the pools inside it.
    pub fn settle(&mut self) {
        for outer in [1, 2, NODE] {
            let children = (1..self.pools.len()).filter(|&pool| parent(pool) == outer);
            let claims: u64 = children.map(|pool| oracle::claim_kbps(&self.pools[pool])).sum();
            self.pools[outer].withheld_kbps = claims;
        }
    }

    pub fn reserve(&mut self, device: usize, kbps: u64) {
        for pool in [device, parent(device), NODE] {
            self.pools[pool].reserved_kbps += kbps;
        }
        self.settle();
    }

    pub fn release(&mut self, device: usize, kbps: u64) {
        for pool in [device, parent(device), NODE] {
            self.pools[pool].reserved_kbps -= kbps;
        }
        self.settle();
    }

    pub fn is_sound(&self) -> bool {
        self.pools.iter().all(oracle::is_within_ceiling)
    }
}

/// Shares are such that the pool around has room for what is kept of them.
pub fn any_tree() -> impl Strategy<Value = Tree> {
    let limit = || option::weighted(0.6, 0_u64..20);
    let pool = || (1_u64..80, limit(), limit(), limit());
    (vec(pool(), 7), any_charge()).prop_filter_map("what is kept has room", |(pools, charge)| {
        let of_index = |(index, (capacity, guaranteed, borrow, lend))| {
            let level = if index == NODE {
                Level::Node
            } else if TENANTS.contains(&index) {
                Level::Tenant
            } else {
                Level::Device
            };
            Pool {
                charge,
                guaranteed_kbps: guaranteed,
                borrow_limit_kbps: borrow,
                lend_limit_kbps: lend,
                ..Pool::new(index.to_string(), level, capacity, 0)
            }
        };
        let mut tree = Tree { pools: pools.into_iter().enumerate().map(of_index).collect() };
        tree.pools[NODE].borrow_limit_kbps = None;
        tree.settle();
        tree.is_sound().then_some(tree)
    })
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn sessions_come_and_go_and_no_pool_is_over_its_ceiling(
        tree in any_tree(), steps in vec((0..4_usize, any_stream(12), prop::bool::weighted(0.3)), 1..30),
    ) {
        let mut tree = tree;
        let mut live: Vec<(usize, u64)> = Vec::new();
        for (device, stream, ends) in steps {
            let device = DEVICES[device];
            if ends && !live.is_empty() {
                let (device, kbps) = live.swap_remove(device % live.len());
                tree.release(device, kbps);
            } else {
                let path = tree.path(device);
                let request = Request::new(vec![stream]);
                if let Some(answer) = admitted(plan_alone(&path, &request)) {
                    let kbps = oracle::charged_kbps(path[0].charge, &request.streams, &answer.allocations);
                    // What the planner counts on, pool by pool, is what the tree's definition comes to.
                    let after = oracle::charge(&path, &[kbps; 3]).0;
                    tree.reserve(device, kbps);
                    prop_assert_eq!(after, tree.path(device));
                    live.push((device, kbps));
                }
            }
            prop_assert!(tree.is_sound());
        }
    }

    #[test]
    fn what_is_kept_is_there_whatever_others_do(
        tree in any_tree(), others in vec((0..4_usize, any_stream(40)), 0..12), mine in 0..4_usize,
    ) {
        let mut tree = tree;
        let mine = DEVICES[mine];
        let kept = tree.pools[mine].claim_kbps();
        for (device, stream) in others {
            let device = DEVICES[device];
            if device != mine {
                let request = Request::new(vec![stream]);
                if let Some(answer) = admitted(plan_alone(&tree.path(device), &request)) {
                    let charge = tree.pools[device].charge;
                    tree.reserve(device, oracle::charged_kbps(charge, &request.streams, &answer.allocations));
                }
            }
        }
        let all = StreamAsk::new("", Priority::Normal, 1_000_000);
        let refusal = rejected(plan_alone(&tree.path(mine), &Request::new(vec![all]))).expect("too much");
        prop_assert!(refusal.admissible_kbps >= kept);
    }

    #[test]
    fn what_pools_say_of_themselves_is_what_is_documented(tree in any_tree(), withheld in 0_u64..20) {
        for pool in tree.pools {
            let pool = Pool { withheld_kbps: withheld, ..pool };
            prop_assert_eq!(pool.claim_kbps(), oracle::claim_kbps(&pool));
            let full = Pool { reserved_kbps: pool.ceiling_kbps().saturating_sub(withheld), ..pool.clone() };
            let over = Pool { reserved_kbps: full.reserved_kbps + 1, ..full.clone() };
            prop_assert!(!oracle::is_within_ceiling(&over));
            prop_assert!(oracle::is_within_ceiling(&full) || withheld > pool.ceiling_kbps());
        }
    }
}

#[test]
fn one_charge_after_another_counts_parity() {
    let stream = StreamAsk { data_shards: 10, parity_shards: 5, ..StreamAsk::new("", Priority::Burst, 7) };
    let pool = |charge| Pool { charge, ..Pool::new("", Level::Node, 0, 0) };
    assert_eq!(pool(Charge::Payload).charged_kbps(std::slice::from_ref(&stream), &[7]), Ok(7));
    assert_eq!(pool(Charge::Wire).charged_kbps(std::slice::from_ref(&stream), &[7]), Ok(11)); // 10.5, rounded up
    for charge in Charge::ALL {
        let no_code = StreamAsk { data_shards: 0, parity_shards: 1, ..stream.clone() };
        let refusal = PlanError::DataShards { session: None, stream: 1, found: 0 };
        assert_eq!(pool(charge).charged_kbps(&[stream.clone(), no_code], &[7, 1]), Err(refusal));
        let too_wide = StreamAsk { data_shards: 256, parity_shards: u64::MAX, ..stream.clone() };
        let refusal = PlanError::ParityShards { session: None, stream: 0, data_shards: 256, found: u64::MAX };
        assert_eq!(pool(charge).charged_kbps(&[too_wide], &[u64::MAX]), Err(refusal));
    }
}
