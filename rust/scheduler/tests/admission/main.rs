//! The planner's laws, and its verdicts against a brute-force planner.

mod bounds;
#[path = "../cases/mod.rs"]
mod cases;
mod charging;
mod contests;
mod examples;
mod oracle;
mod plain;
mod preemption;
mod refusals;
mod sharing;
mod strategies;
mod trees;
