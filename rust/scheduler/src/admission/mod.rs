//! Admission of sessions against nested bandwidth pools.
//!
//! A pool is a capacity that sessions reserve from. A session's path leads from its device's pool up to the node's,
//! and every pool on it must have room for the whole session. The decision is a pure function of the pools' state, the
//! request and the time it is given: no clock, no I/O, no hidden order.
//!
//! # Shares of a pool
//! A pool may have a share of its parent, its `guaranteed_kbps`. Within its share it uses what is its own, and
//! beyond it borrows what others leave idle: up to its capacity, or by no more than its `borrow_limit_kbps`. Others in
//! turn borrow what it leaves idle of its share, up to its `lend_limit_kbps`. So of a share
//!
//! - the part above the lend limit is *kept*: nobody else can have it, and it is there at any time;
//! - the part that is lent comes back as sessions of the borrowers end, or at once by pre-emption, which in turn takes
//!   nothing from a pool that has no more than its share.
//!
//! What a pool keeps free for its children is one number, `withheld_kbps`. With it a path can be decided on
//! however many siblings its pools have, and what is stored can be guarded row by row. What a device keeps is
//! withheld by its tenant, and in the tenant's name by the node, so keeping reaches all the way up.
//!
//! ```text
//! share     = min(guaranteed, capacity)            none guaranteed: 0
//! kept      = share - lend limit                   no limit: 0
//! ceiling   = min(capacity, share + borrow limit)  no limit: the capacity
//! committed = reserved + withheld, and never more than the ceiling
//! counted   = max(committed, kept)                 what the parent counts a child for
//! claim     = counted - reserved
//! withheld  = Σ claims of the children
//! ```
//!
//! A session of a path finds in a pool what is between `committed` and the ceiling, and besides what the pool withholds
//! for this very path: what its descendants there have not used of what they keep. That can be told from the numbers
//! of the path if the pools charge alike; a pool that charges otherwise than its child counts that as 0.
//!
//! ```
//! use honeylink_scheduler::{Level, Pool, Request, StreamAsk, Priority, Verdict, plan};
//!
//! // A node of 100 Mbit/s with two tenants. Acme has a share of 60, of which it lends 20 at most, so it keeps 40.
//! let mut acme = Pool::new("acme", Level::Tenant, 90_000, 10_000);
//! acme.guaranteed_kbps = Some(60_000);
//! acme.lend_limit_kbps = Some(20_000);
//! assert_eq!(acme.claim_kbps(), 30_000); // kept and not used
//!
//! // Its neighbour has a share of 40, and has borrowed the 20 that acme lends.
//! let neighbour = Pool::new("neighbour", Level::Tenant, 100_000, 60_000);
//! let mut node = Pool::new("node-1", Level::Node, 100_000, 70_000);
//! node.withheld_kbps = acme.claim_kbps() + neighbour.claim_kbps();
//!
//! let room = |path: &[Pool]| {
//!     let request = Request::new(vec![StreamAsk::new("video", Priority::Burst, 1_000_000)]);
//!     let Ok(Verdict::Rejected(rejected)) = plan(path, &request, &[], 0, &[]) else { panic!("it is too much") };
//!     rejected.admissible_kbps
//! };
//! assert_eq!(room(&[acme, node.clone()]), 30_000); // what it keeps is there
//! assert_eq!(room(&[neighbour, node]), 0); // and is there for nobody else
//! ```
//!
//! # Charges
//! A pool charges payload, or what goes over the wire: × (k + m) / k, rounded up for each stream, so that parity is
//! paid for. Shares count in the charge of the pool that has them.

mod charge;
mod check;
mod error;
mod plan;
mod pool;
mod preempt;
mod request;
mod room;
mod share;

pub use charge::{PathCharge, charge_path, wire_kbps, withheld_when_empty};
pub use error::PlanError;
pub use plan::{Admitted, Rejected, Shrunk, Verdict, plan};
pub use pool::{Charge, Level, Pool};
pub use request::{ActiveSession, Priority, Request, StreamAsk};
