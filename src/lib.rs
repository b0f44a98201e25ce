//! Chooses, installs and proves Solo's hardened builds of Istio, by the real istioctl.

pub mod exit;
pub mod sys;
