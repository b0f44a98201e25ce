//! Which programs of an image are looked at.

/// What to look for in an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Want {
    /// The programs that an image of Istio is known to have. Which image it is follows from its
    /// entry point; where that says nothing, every known program that is there.
    #[default]
    Known,
    /// `--path`: these, wherever links lead.
    Paths(Vec<String>),
    /// `--all`: every ELF file.
    All,
}
