//! The only access to the outside: files, environment, clock, programs, signals, registries and the
//! cluster.

pub mod cluster;
pub mod os;
pub mod process;
pub mod registry;
pub mod signal;
pub mod stdio;
