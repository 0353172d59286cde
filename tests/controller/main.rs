//! The controller on a real cluster: what the API server, the Job controller, the scheduler and
//! kubelet make of what it writes, and what it makes of what they do.
//!
//! The workers are actors that play a script (`tests/actor`), because these tests are about what
//! becomes of a run and not about backups. They need the test cluster with the definition and the
//! actor's image: `tests/controller/prepare` sees to both.

mod followers;
mod outcomes;
mod placement;
mod policies;
mod setups;
mod site;
