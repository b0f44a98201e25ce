//! Comparison of images that may be the one that runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::ImageProgram;
use fips_evidence::{BinaryFacts, Integrity};

/// Checks whether the images contain the same modules, as far as they can be the same on different
/// architectures.
pub(super) fn have_same_modules(images: &[Vec<ImageProgram>]) -> bool {
    let held = images.iter().map(|programs| {
        let programs = programs.iter();
        let held = programs.map(|it| (&it.path, it.reading.evidence.as_ref().ok().map(modules)));
        held.collect::<BTreeMap<_, _>>()
    });
    let held: Vec<_> = held.collect();
    held.iter().all(|one| Some(one) == held.first())
}

fn modules(evidence: &BinaryFacts) -> impl PartialEq {
    let of_c = evidence.modules.iter();
    let of_c = of_c.map(|it| (it.family, it.integrity == Integrity::Holds));
    let go = evidence.go.as_ref();
    let names = go.and_then(|go| go.names.as_ref());
    let names = names.map(|it| {
        (
            it.boring,
            it.fipsonly,
            it.frozen.clone(),
            it.foreign.clone(),
        )
    });
    let sealed = go.and_then(|go| go.fipsinfo.as_ref());
    let sealed = sealed.map(|it| it.integrity == Integrity::Holds);
    let toolchain = go.and_then(|go| go.version.clone());
    (of_c.collect::<BTreeSet<_>>(), toolchain, names, sealed)
}
