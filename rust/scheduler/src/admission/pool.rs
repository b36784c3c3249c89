//! Bandwidth pools, their levels, and what they have in common with their parents.

use super::{PathCharge, PlanError, StreamAsk, check::check_codes};

/// Where a pool stands: a device's pool is a child of its tenant's, and that one a child of the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One device.
    Device,
    /// All devices of one tenant.
    Tenant,
    /// All tenants of one machine.
    Node,
}

impl Level {
    /// Every level, from the device up.
    pub const ALL: [Self; 3] = [Self::Device, Self::Tenant, Self::Node];

    /// The level's word, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Tenant => "tenant",
            Self::Node => "node",
        }
    }

    /// The level of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// What a stream costs a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Charge {
    /// What it carries. Its parity is free.
    #[default]
    Payload,
    /// What it sends: its parity too, rounded up to whole kbps for each stream.
    Wire,
}

impl Charge {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Payload, Self::Wire];

    /// The charge's word, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Wire => "wire",
        }
    }

    /// The charge of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|charge| charge.name() == name)
    }
}

/// The state of one pool. How `guaranteed_kbps`, the two limits and `withheld_kbps` work together stands at the
/// head of [the module](super).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Unique within its level.
    pub id: String,
    /// Where it stands.
    pub level: Level,
    /// What all its sessions together may reserve.
    pub capacity_kbps: u64,
    /// What they have reserved. Above the capacity when that was lowered after the fact.
    pub reserved_kbps: u64,
    /// What a stream costs here.
    pub charge: Charge,
    /// Its share of its parent. None is a share of 0; above the capacity it counts as the capacity.
    pub guaranteed_kbps: Option<u64>,
    /// How far beyond its share it may go. None: as far as its capacity.
    pub borrow_limit_kbps: Option<u64>,
    /// How much of its share others may use while it does not. None: all of it.
    pub lend_limit_kbps: Option<u64>,
    /// Whether sessions may lose bandwidth here to stronger ones.
    pub preemption: bool,
    /// For how long after its opening a session can't.
    pub min_hold_ms: u64,
    /// What it keeps free for its children: the sum of their [claims](Pool::claim_kbps). This one number stands for
    /// all of them, so that a decision needs the pools of one path and none of their siblings.
    pub withheld_kbps: u64,
}

impl Pool {
    /// A pool that is a capacity and no more: nothing guaranteed, lent or taken away.
    #[must_use]
    pub fn new(id: impl Into<String>, level: Level, capacity_kbps: u64, reserved_kbps: u64) -> Self {
        Self {
            id: id.into(),
            level,
            capacity_kbps,
            reserved_kbps,
            charge: Charge::Payload,
            guaranteed_kbps: None,
            borrow_limit_kbps: None,
            lend_limit_kbps: None,
            preemption: false,
            min_hold_ms: 0,
            withheld_kbps: 0,
        }
    }

    /// What its sessions and its claims may come to: the capacity, or less where it may borrow little.
    #[must_use]
    pub fn ceiling_kbps(&self) -> u64 {
        let borrowing = self.borrow_limit_kbps.map(|limit| self.share_kbps().saturating_add(limit));
        borrowing.map_or(self.capacity_kbps, |kbps| kbps.min(self.capacity_kbps))
    }

    /// What its parent keeps free for it beyond what it has reserved: the part of its share that it does not lend, or
    /// what it keeps free itself.
    #[must_use]
    pub fn claim_kbps(&self) -> u64 {
        let counted_kbps = self.counted_kbps(self.committed_kbps());
        u64::try_from(counted_kbps - u128::from(self.reserved_kbps)).unwrap_or(u64::MAX)
    }

    /// What streams of these asks reserve here at these allocations.
    ///
    /// # Errors
    /// [`PlanError::DataShards`] or [`PlanError::ParityShards`] when a stream has FEC that can't be.
    pub fn charged_kbps(&self, streams: &[StreamAsk], allocations: &[u64]) -> Result<u128, PlanError> {
        check_codes(None, streams)?;
        let charged = streams.iter().zip(allocations).map(|(ask, &kbps)| ask.charged_kbps(self.charge, kbps));
        Ok(charged.sum())
    }

    /// The same after sessions that change so much here, one or several added up.
    ///
    /// Where they were decided on from different snapshots, they may use more than was withheld: nothing is left then.
    #[must_use]
    pub fn with_charge(&self, charge: PathCharge) -> Self {
        Self {
            reserved_kbps: self.reserved_kbps.saturating_add(charge.reserved_kbps),
            withheld_kbps: self.withheld_kbps.saturating_sub(charge.used_kbps),
            ..self.clone()
        }
    }

    /// What it is guaranteed of its parent.
    #[must_use]
    pub fn share_kbps(&self) -> u64 {
        self.guaranteed_kbps.unwrap_or(0).min(self.capacity_kbps)
    }

    /// The part of its share that others can't have.
    #[must_use]
    pub fn kept_kbps(&self) -> u64 {
        self.lend_limit_kbps.map_or(0, |limit| self.share_kbps().saturating_sub(limit))
    }

    /// What is reserved or kept free here.
    #[must_use]
    pub fn committed_kbps(&self) -> u128 {
        u128::from(self.reserved_kbps) + u128::from(self.withheld_kbps)
    }

    /// What is left up to its ceiling.
    #[must_use]
    pub fn free_kbps(&self) -> u64 {
        u64::try_from(u128::from(self.ceiling_kbps()).saturating_sub(self.committed_kbps()))
            .unwrap_or(u64::MAX)
    }

    /// What it counts for, with so much committed in it, in a parent that charges alike.
    pub(super) fn counted_kbps(&self, committed_kbps: u128) -> u128 {
        committed_kbps.max(self.kept_kbps().into())
    }
}
