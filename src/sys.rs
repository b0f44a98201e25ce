//! The only door outside: files, environment, clock, programs, signals and the cluster.

pub mod cluster;
pub mod os;
pub mod process;
pub mod signal;
