//! Admission of sessions against nested bandwidth pools.
//!
//! A pool is a capacity that sessions reserve from. A session's path leads from its device's pool up to the
//! node's, and every pool on it must have room for the whole session. The decision is a pure function of the
//! pools' state and the request: no clock, no I/O, no hidden order.
//!
//! ```
//! use honeylink_scheduler::{Level, Pool, Priority, Request, StreamAsk, Verdict, plan};
//!
//! let pool = |id: &str, level, capacity_kbps| Pool { id: id.into(), level, capacity_kbps, reserved_kbps: 0 };
//! let path = [pool("drone-7", Level::Device, 8_000), pool("acme", Level::Tenant, 5_000)];
//! let stream = |name: &str, priority, bandwidth_kbps| StreamAsk { name: name.into(), priority, bandwidth_kbps };
//! let request = Request {
//!     streams: vec![stream("video", Priority::Burst, 5_000), stream("control", Priority::Latency, 50)],
//! };
//!
//! let Verdict::Rejected(rejected) = plan(&path, &request)? else { panic!("the tenant's pool is short") };
//! assert_eq!(path[rejected.limiting_pool].id, "acme");
//! assert_eq!(rejected.admissible_kbps, 5_000);
//! assert_eq!(request.streams[rejected.first_refused].name, "video");
//! # Ok::<(), honeylink_scheduler::PlanError>(())
//! ```

#![forbid(unsafe_code)]

mod error;
mod link;
mod plan;
mod pool;
mod request;

pub use error::PlanError;
pub use link::{
    Aqm, ClassConfig, Columns, Drop, LinkError, LinkOptions, LinkScheduler, LinkStats, StreamConfig,
};
pub use plan::{Admitted, Rejected, Verdict, plan};
pub use pool::{Level, Pool};
pub use request::{Priority, Request, StreamAsk};
