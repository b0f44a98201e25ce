//! The judgement of programs of the C linker: Envoy, ztunnel, and any other program with a cryptographic library.

use super::{Finding, Ground, name_of};
use crate::Assurance;
use crate::{BinaryFacts, Family, Label, Library, LibraryRow, Link, Place};

/// A label that says FIPS.
pub(super) struct Claim {
    pub text: String,
    /// The library that it names, if that is a known one.
    pub family: Option<Family>,
    pub place: Place,
}

/// Returns all labels that say FIPS.
pub(super) fn claims(evidence: &BinaryFacts) -> Vec<Claim> {
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

/// Returns the library that a label names.
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

pub(super) fn judge(
    evidence: &BinaryFacts,
    located: Option<Finding>,
    ground: Ground<'_>,
) -> Finding {
    let claims = claims(evidence);
    if let Some(finding) = located {
        let broken = finding.module == Assurance::Contradicted;
        return match other_label(evidence, &claims) {
            Some(reason) if !broken => Finding::new(Assurance::Contradicted, reason),
            _ => finding,
        };
    }
    match claims.first() {
        Some(claim) => claimed(evidence, claim),
        None => marked(evidence)
            .or_else(|| ground.fips_build(evidence))
            .unwrap_or_else(|| standard(evidence, ground)),
    }
}

/// Returns a reason if a label names another library than that of the module that was found.
fn other_label(evidence: &BinaryFacts, claims: &[Claim]) -> Option<String> {
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

/// Judges a program with a label that says FIPS, in which no module was located.
fn claimed(evidence: &BinaryFacts, claim: &Claim) -> Finding {
    let marked = evidence
        .marks
        .iter()
        .any(|mark| claim.family.is_none_or(|family| mark.family == family));
    if marked {
        let reason = match unmatched(evidence, &claim.text) {
            Some(reason) => reason,
            None => format!(
                "it calls itself {} and has the texts of a FIPS module, but the module itself could not be located in the bytes",
                claim.text
            ),
        };
        return Finding::new(Assurance::Declared, reason).named(claim.text.clone());
    }
    let elsewhere = [Some(Family::AwsLc), Some(Family::OpenSsl)].contains(&claim.family);
    match libcrypto(evidence).filter(|_| elsewhere) {
        Some(library) => Finding::new(
            Assurance::Declared,
            format!("it calls itself {}, and the module would be in {library} of its image: inspect that library", claim.text),
        )
        .named(claim.text.clone()),
        None => Finding::new(
            Assurance::Contradicted,
            format!("it calls itself {}, and there is no FIPS module in it: the label is wrong or forged", claim.text),
        ),
    }
}

/// Returns the library that the program loads and that can contain a module of AWS-LC or OpenSSL.
fn libcrypto(evidence: &BinaryFacts) -> Option<&str> {
    evidence
        .libraries
        .iter()
        .find_map(|library| match &library.link {
            Link::Loaded(soname) if ["openssl", "libcrypto", "aws-lc"].contains(&&*library.key) => {
                Some(soname.as_str())
            }
            _ => None,
        })
}

/// Returns a reason if there is the code of an integrity test without a module that matches.
fn unmatched(evidence: &BinaryFacts, module: &str) -> Option<String> {
    (!evidence.unmatched_tests.is_empty()).then(|| format!(
        "it has the integrity test of a FIPS module ({module}), and no value in the file fits the bytes between any two places that the test names: the module was changed after it was built, or its test is of a form that is not understood; get the file from its publisher again"
    ))
}

/// Judges a program that has only texts of a FIPS build.
pub(super) fn marked(evidence: &BinaryFacts) -> Option<Finding> {
    let mark = evidence.marks.first()?;
    let family = name_of(mark.family);
    let reason = unmatched(evidence, family).unwrap_or_else(|| format!(
        "it has the text {:?} of the {family} module, but the module itself could not be located in the bytes",
        mark.text
    ));
    Some(Finding::new(Assurance::Declared, reason).named(family))
}

impl Ground<'_> {
    /// Judges a FIPS module of another vendor, which is recognised by its texts alone: the value of its integrity
    /// test is not in this file, or not at a place where it could be compared.
    fn fips_build(&self, evidence: &BinaryFacts) -> Option<Finding> {
        let mut held = evidence.libraries.iter();
        let library = held.find(|library| library.is_fips && !is_loaded(library))?;
        let row = self.modules.library(&library.key)?;
        let build = row.fips.as_ref()?;
        let name = build.name.as_deref().unwrap_or(&library.name);
        let title = match &library.version {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        };
        let is = match &library.link {
            Link::Itself(soname) => format!("it is {soname} of {title}"),
            _ => format!("it has the texts of {title}"),
        };
        let itself = library.module.as_ref();
        let itself = itself.filter(|module| *module != name);
        let itself = itself.map_or_else(String::new, |module| {
            format!(" and calls itself {module:?}")
        });
        let finding = Finding::new(
            Assurance::Declared,
            format!("{is}{itself}: a FIPS build, which only its own name and texts say"),
        )
        .named(title)
        .because(format!(
            "the value of its integrity test is kept {}: it was not compared",
            build.integrity
        ));
        Some(match self.certified(row, library) {
            Some(reason) => finding.because(reason),
            None => finding,
        })
    }

    /// Returns what the data contains about a module of the version that the library states.
    fn certified(&self, row: &LibraryRow, library: &Library) -> Option<String> {
        // Builds of other vendors have certificates of their own.
        let name = library.module.as_ref().unwrap_or(&row.name);
        let version = library.version.as_deref().unwrap_or_default();
        let module = self.modules.by_name(name, version)?;
        let standing = self.modules.standing(module, self.at)?;
        Some(format!(
            "of {} the data knows {standing}; whether these bytes are that module is not shown by its texts",
            super::title(module)
        ))
    }
}

fn is_loaded(library: &Library) -> bool {
    matches!(library.link, Link::Loaded(_))
}

fn standard(evidence: &BinaryFacts, ground: Ground<'_>) -> Finding {
    let label = evidence.labels.iter().find_map(|label| match label {
        Label::Envoy { ssl: Some(ssl), .. } => Some(ssl.as_str()),
        Label::Ztunnel { provider, .. } => Some(provider.as_str()),
        _ => None,
    });
    let names = |loaded: bool| {
        let libraries = evidence.libraries.iter();
        let libraries = libraries.filter(|library| is_loaded(library) == loaded);
        let names = libraries.map(ToString::to_string);
        let names: Vec<String> = names.filter(|name| Some(name.as_str()) != label).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let finding = match (label, names(false), names(true)) {
        (Some(label), None, None) => format!("{label}, no FIPS module"),
        (None, None, None) => {
            "no FIPS module, and no cryptographic library that is known".to_owned()
        }
        (Some(label), Some(held), None) => format!("{label}, with {held}: no FIPS module"),
        (None, Some(held), None) => format!("{held}: no FIPS module"),
        (_, None, Some(loaded)) => {
            format!(
                "no FIPS module is in this file; it loads {loaded}: inspect that of its image, too"
            )
        }
        (_, Some(held), Some(loaded)) => {
            format!(
                "{held}: no FIPS module is in this file; it loads {loaded}: inspect that of its image, too"
            )
        }
    };
    let finding = Finding::new(Assurance::Standard, finding);
    let itself = evidence
        .libraries
        .iter()
        .find(|library| matches!(library.link, Link::Itself(_)));
    let row = itself.and_then(|library| ground.modules.library(&library.key));
    match row.and_then(|row| row.elsewhere.as_ref()) {
        Some(elsewhere) => finding.because(elsewhere.clone()),
        None => finding,
    }
}
