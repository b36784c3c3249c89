//! Bandwidth for sessions: whether one can be [admitted](admission) to the pools that it would reserve from, and which
//! stream's packet [leaves a link](LinkScheduler) next.
//!
//! ```
//! use honeylink_scheduler::{Level, Pool, Priority, Request, StreamAsk, Verdict, plan};
//!
//! let path = [Pool::new("drone-7", Level::Device, 8_000, 0), Pool::new("acme", Level::Tenant, 5_000, 0)];
//! let mut video = StreamAsk::new("video", Priority::Burst, 6_000);
//! let control = StreamAsk::new("control", Priority::Latency, 50);
//!
//! let request = Request::new(vec![video.clone(), control.clone()]);
//! let Verdict::Rejected(rejected) = plan(&path, &request, &[], 0, &[])? else { panic!("the tenant's pool is short") };
//! assert_eq!(path[rejected.limiting_pool].id, "acme");
//! assert_eq!(rejected.counter_offer, Some(vec![4_950, 50]));
//!
//! video.min_bandwidth_kbps = Some(2_000); // it can do with less
//! let request = Request::new(vec![video, control]);
//! let Verdict::Admitted(admitted) = plan(&path, &request, &[], 0, &[])? else { panic!("2050 kbps fit") };
//! assert_eq!(admitted.allocations, [4_950, 50]);
//! # Ok::<(), honeylink_scheduler::PlanError>(())
//! ```

#![forbid(unsafe_code)]

pub mod admission;
#[cfg(test)]
#[path = "../tests/cases/mod.rs"]
mod cases;
mod link;

pub use admission::{
    ActiveSession, Admitted, Charge, Level, PathCharge, PlanError, Pool, Priority, Rejected, Request, Shrunk,
    StreamAsk, Verdict, charge_path, plan, wire_kbps, withheld_when_empty,
};
pub use link::{
    Aqm, ClassConfig, Columns, Drop, LinkError, LinkOptions, LinkScheduler, LinkStats, StreamConfig,
};
