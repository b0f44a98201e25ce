//! Programs of the C linker: Envoy, ztunnel, and whatever else links a cryptographic library.

use super::{Finding, name_of};
use crate::fips::{Evidence, Family, Label, Mark, Place};
use crate::report::Module;

/// A label that says FIPS.
pub(super) struct Claim {
    pub text: String,
    /// The library that it names, where it is a known one.
    family: Option<Family>,
    pub place: Place,
}

/// Every label that says FIPS.
pub(super) fn claims(evidence: &Evidence) -> Vec<Claim> {
    let claim = |label: &Label| match label {
        Label::Envoy {
            ssl: Some(ssl),
            place,
            ..
        } if says_fips(ssl) => Some((ssl.clone(), family(ssl), *place)),
        Label::Ztunnel { provider, place } if family(provider) == Some(Family::BoringCrypto) => {
            Some((provider.clone(), Some(Family::BoringCrypto), *place))
        }
        Label::Library { text, place } if says_fips(text) => {
            Some((text.clone(), family(text), *place))
        }
        _ => None,
    };
    let found = evidence.labels.iter().filter_map(claim);
    found
        .map(|(text, family, place)| Claim {
            text,
            family,
            place,
        })
        .collect()
}

fn says_fips(label: &str) -> bool {
    label.to_ascii_lowercase().contains("fips")
}

/// The library that a label names.
fn family(label: &str) -> Option<Family> {
    let label = label.to_ascii_lowercase();
    let named = |name: &str| label.contains(name);
    if named("boring") {
        Some(Family::BoringCrypto)
    } else if named("aws-lc") {
        Some(Family::AwsLc)
    } else if named("openssl") {
        Some(Family::OpenSsl)
    } else {
        None
    }
}

pub(super) fn judge(evidence: &Evidence, located: Option<Finding>) -> Finding {
    let claims = claims(evidence);
    if let Some(finding) = located {
        let broken = finding.module == Module::Contradicted;
        return match other_label(evidence, &claims) {
            Some(reason) if !broken => Finding::new(Module::Contradicted, reason),
            _ => finding,
        };
    }
    match claims.first() {
        Some(claim) => claimed(evidence, claim),
        None => evidence
            .marks
            .first()
            .map_or_else(|| standard(evidence), marked),
    }
}

/// A label that names another library than the module that was found.
fn other_label(evidence: &Evidence, claims: &[Claim]) -> Option<String> {
    let here = evidence.modules.first()?.family;
    let disagree = |label: &str| {
        format!(
            "its sources disagree: it calls itself {label}, and a {} module is in it",
            name_of(here)
        )
    };
    let other = claims
        .iter()
        .find(|claim| claim.family.is_some_and(|family| family != here));
    if let Some(claim) = other {
        return Some(disagree(&claim.text));
    }
    evidence.labels.iter().find_map(|label| match label {
        Label::Envoy { ssl: Some(ssl), .. } if !says_fips(ssl) => Some(disagree(ssl)),
        Label::Ztunnel { provider, .. } if family(provider) != Some(here) => {
            Some(disagree(provider))
        }
        _ => None,
    })
}

/// A label says FIPS, and no module was located.
fn claimed(evidence: &Evidence, claim: &Claim) -> Finding {
    let marked = evidence
        .marks
        .iter()
        .any(|mark| claim.family.is_none_or(|family| mark.family == family));
    if marked {
        return Finding::new(
            Module::Declared,
            format!("it calls itself {} and has the texts of a FIPS module, but the module itself could not be located in the bytes", claim.text),
        )
        .named(claim.text.clone());
    }
    let elsewhere = [Some(Family::AwsLc), Some(Family::OpenSsl)].contains(&claim.family);
    let library = evidence
        .libraries
        .iter()
        .find(|name| name.contains("libcrypto"));
    match library.filter(|_| elsewhere) {
        Some(library) => Finding::new(
            Module::Declared,
            format!("it calls itself {}, and the module would be in {library} of its image: inspect that library", claim.text),
        )
        .named(claim.text.clone()),
        None => Finding::new(
            Module::Contradicted,
            format!("it calls itself {}, and there is no FIPS module in it: the label is wrong or forged", claim.text),
        ),
    }
}

/// Nothing but a text that only a FIPS build contains.
pub(super) fn marked(mark: &Mark) -> Finding {
    let family = name_of(mark.family);
    Finding::new(
        Module::Declared,
        format!(
            "it has the text {:?} of the {family} module, but the module itself could not be located in the bytes",
            mark.text
        ),
    )
    .named(family)
}

fn standard(evidence: &Evidence) -> Finding {
    let dynamic = evidence
        .libraries
        .iter()
        .find(|name| name.contains("libcrypto"));
    let label = evidence.labels.iter().find_map(|label| match label {
        Label::Envoy { ssl: Some(ssl), .. } => Some(ssl.as_str()),
        Label::Ztunnel { provider, .. } => Some(provider.as_str()),
        _ => None,
    });
    match (label, dynamic) {
        (_, Some(library)) => Finding::new(
            Module::Standard,
            format!(
                "no FIPS module is in it; it loads {library}, which decides at run time: inspect that library of its image"
            ),
        ),
        (Some(label), None) => Finding::new(Module::Standard, format!("{label}, no FIPS module")),
        (None, None) if evidence.libraries.is_empty() => Finding::new(
            Module::Standard,
            "no FIPS module, and no cryptographic library that is known",
        ),
        (None, None) => Finding::new(
            Module::Standard,
            format!("{}: no FIPS module", evidence.libraries.join(", ")),
        ),
    }
}
