//! The context that pods are judged in: their namespaces, their nodes, and what the injectors of their
//! revisions produce.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::Namespace;
use crate::facts::genuine::Permitted;
use crate::facts::platform::NodeInfo;
use crate::sys::os;

/// Namespaces and nodes by name, and the settings that pods may have.
pub(in crate::facts) struct ClusterIndex {
    pub(in crate::facts) namespaces: BTreeMap<String, Namespace>,
    pub(in crate::facts) nodes: BTreeMap<String, NodeInfo>,
    /// The settings that the pods of revisions in scope may have.
    pub(in crate::facts) permitted: Permitted,
    /// Namespaces of control planes: their pods are queried first.
    pub(in crate::facts) homes: BTreeSet<String>,
    /// The current time in seconds since 1970.
    pub(in crate::facts) now: i64,
}

impl ClusterIndex {
    pub(in crate::facts) fn new(
        namespaces: &[Namespace],
        nodes: BTreeMap<String, NodeInfo>,
        homes: BTreeSet<String>,
    ) -> Self {
        let named = namespaces.iter().map(|it| (it.name.clone(), it.clone()));
        ClusterIndex {
            namespaces: named.collect(),
            nodes,
            permitted: Permitted::default(),
            homes,
            now: os::now(),
        }
    }
}
