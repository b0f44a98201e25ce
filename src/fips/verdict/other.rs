//! Cryptography that is linked into a program in addition to its FIPS module.

use super::Kind;
use crate::fips::{Evidence, OtherCryptography};
use crate::report::Module;

/// What a program with a FIPS module computes without it; none where the program has no module.
pub(super) fn besides_module(
    evidence: &Evidence,
    kind: Kind,
    module: Module,
) -> Vec<OtherCryptography> {
    if module < Module::Declared {
        return Vec::new();
    }
    let names = evidence.go.as_ref().and_then(|go| go.names.as_ref());
    let packages = names.iter().flat_map(|names| &names.other).cloned();
    packages.chain(libraries(evidence, kind)).collect()
}

/// Libraries of C that are not the module of a Go program.
fn libraries(evidence: &Evidence, kind: Kind) -> Vec<OtherCryptography> {
    let is_module = |name: &str| kind == Kind::GoBoring && name.starts_with("BoringSSL");
    match kind {
        Kind::GoModule | Kind::GoBoring => evidence
            .libraries
            .iter()
            .filter(|name| !is_module(name))
            .map(|name| of_library(name))
            .collect(),
        _ => Vec::new(),
    }
}

/// A library that is loaded, or one that its texts show.
fn of_library(name: &str) -> OtherCryptography {
    let shown_by = if name.contains(".so") {
        "a library that it loads"
    } else {
        "texts of the library"
    };
    OtherCryptography {
        name: name.to_owned(),
        shown_by: shown_by.to_owned(),
        place: None,
    }
}
