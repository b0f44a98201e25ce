//! What a run counted.

use std::collections::BTreeMap;

use serde::Serialize;

/// The counts of a run, for what it counted.
pub type Counts = BTreeMap<Count, u64>;

/// Something that a run counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Pods that were listed.
    Pods,
    /// Proxies that were judged, of the meshes in scope.
    Proxies,
    /// Pods of meshes that were not judged.
    OtherMeshes,
    /// Pods that have finished, or that run where there can be no proxy.
    NotApplicable,
    /// Pods that were deleted while they were read.
    Gone,
    /// Entries of archives that were not read.
    SkippedEntries,
}

impl Count {
    /// Returns the words that follow the number.
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
