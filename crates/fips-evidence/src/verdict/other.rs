//! Cryptography that is linked into a program in addition to its FIPS module.

use super::{Kind, native};
use crate::Assurance;
use crate::{BinaryFacts, Family, Library, OtherCryptography};

/// Returns the cryptography that a program computes outside of its FIPS module; empty if it has no module.
pub(super) fn besides_module(
    evidence: &BinaryFacts,
    kind: Kind,
    module: Assurance,
) -> Vec<OtherCryptography> {
    if module < Assurance::Declared {
        return Vec::new();
    }
    let names = evidence.go.as_ref().and_then(|go| go.names.as_ref());
    let packages = names.iter().flat_map(|names| &names.other).cloned();
    packages.chain(libraries(evidence, kind)).collect()
}

/// Returns the libraries that are not the module itself.
fn libraries(evidence: &BinaryFacts, kind: Kind) -> Vec<OtherCryptography> {
    let mut families: Vec<Family> = evidence.modules.iter().map(|one| one.family).collect();
    if families.is_empty() {
        families.extend(evidence.marks.iter().map(|mark| mark.family));
        families.extend(
            native::claims(evidence)
                .iter()
                .filter_map(|claim| claim.family),
        );
    }
    match kind {
        Kind::GoBoring => families.push(Family::BoringCrypto),
        Kind::GoForeign => families.push(Family::OpenSsl),
        _ => {}
    }
    // If no module was found, the FIPS build of another vendor's library is the module.
    let own = evidence.libraries.iter().find(|library| library.is_fips);
    let own = own.filter(|_| families.is_empty());
    let is_module = |library: &Library| {
        own.is_some_and(|own| own.name == library.name)
            || families.iter().any(|family| is_of(*family, library))
    };
    let libraries = evidence.libraries.iter();
    let other = libraries.filter(|library| !is_module(library));
    let other = other.map(|library| OtherCryptography {
        name: library.to_string(),
        shown_by: library.shown_by.clone(),
        place: library.place,
    });
    other.collect()
}

/// Checks whether the library is the one that contains modules of this family.
fn is_of(family: Family, library: &Library) -> bool {
    match family {
        Family::BoringCrypto => library.name == "BoringSSL",
        Family::AwsLc => library.name.starts_with("AWS-LC") || library.key == "libcrypto",
        Family::OpenSsl => {
            ["openssl", "openssl-fips-provider", "libcrypto"].contains(&&*library.key)
        }
        Family::Go => false,
    }
}
