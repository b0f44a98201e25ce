//! How much a run saw.

use std::collections::BTreeMap;

use serde::Serialize;

/// Numbers of a run, as far as it counted.
pub type Counts = BTreeMap<Count, u64>;

/// What a run counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Pods that were listed.
    Pods,
    /// Proxies of the meshes that were judged.
    Proxies,
    /// Pods of meshes that were not judged.
    OtherMeshes,
    /// Pods that finished, or that run where no proxy can be.
    NotApplicable,
    /// Pods that were deleted while they were read.
    Gone,
    /// Entries of archives that were not read.
    SkippedEntries,
}

impl Count {
    /// The words behind its number.
    pub(super) fn words(self) -> &'static str {
        match self {
            Count::Pods => "pods",
            Count::Proxies => "proxies",
            Count::OtherMeshes => "pods of other revisions or meshes",
            Count::NotApplicable => "pods without a proxy to judge",
            Count::Gone => "pods deleted while they were read",
            Count::SkippedEntries => "entries skipped",
        }
    }
}
