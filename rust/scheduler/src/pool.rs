//! Bandwidth pools and their levels.

/// Where a pool stands: a device's pool is inside its tenant's, and that one inside the node's.
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
    /// Every level, from the inside out.
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

/// The state of one pool.
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
}

impl Pool {
    /// What can still be reserved; none when the capacity was lowered below what is reserved.
    #[must_use]
    pub fn room_kbps(&self) -> u64 {
        self.capacity_kbps.saturating_sub(self.reserved_kbps)
    }
}
