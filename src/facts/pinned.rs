//! Images that are pinned by digest.

/// An image that is pinned by its digest: `proxyv2` and `sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PinnedName {
    /// The last part of its repository.
    pub name: String,
    pub digest: String,
}
