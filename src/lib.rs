//! Chooses, installs and proves Solo's hardened builds of Istio, with the real istioctl.
//!
//! ```text
//! request → plan → render → facts(before) → check(Before) → actions → facts(after) → check(After) → report
//! ```
//!
//! The modules are listed in the order of their dependencies: each uses only those above it.

pub mod suggestion;
pub mod workload;

pub mod exit;
pub mod report;
pub mod secret;

pub mod sys;
pub mod ui;

pub mod request;

pub mod plan;
pub mod render;

pub mod image;

pub mod facts;

pub mod data;

pub mod check;

pub mod action;

pub mod install;
pub mod upgrade;
pub mod verify;

pub mod inspect;

pub mod cli;
