//! The builds against which settings are judged: those that were read, otherwise those that the tag allows.

use crate::check::Before;
use crate::facts::ImageProgram;
use crate::report::{Assurance, Severity};
use fips_evidence::{AtStart, Build, Effect, Environment, Kind, Unsupported};

/// A build that may get the settings of a document.
pub(super) struct Candidate {
    pub(super) build: Build,
    /// Name of the program; `None` if no image was read.
    pub(super) program: Option<String>,
    /// The condition under which it is this build; `None` if its content shows it.
    condition: Option<&'static str>,
}

const ISTIOD: &str = "pilot-discovery";

/// Programs of the proxies, which receive istiod's policy.
const PROXIES: [&str; 2] = ["pilot-agent", "envoy"];

/// Parts of a path in a document, in lower case, and the programs that get the settings below it.
const PLACES: [(&str, &[&str]); 5] = [
    ("gateways", &PROXIES),
    ("proxymetadata", &PROXIES),
    ("ztunnel", &["ztunnel"]),
    ("cni", &["install-cni", "istio-cni"]),
    ("pilot", &[ISTIOD]),
];

/// Checks whether the settings at a path are for the program's own container. For an unknown path, they may be.
fn is_own(place: &str, program: &str) -> bool {
    let place = place.to_lowercase();
    let mut places = PLACES.iter();
    let known = places.find(|(part, _)| place.contains(part));
    known.is_none_or(|(_, programs)| programs.contains(&program))
}

impl Candidate {
    /// Returns the settings at a path that reach this build; `None` if it gets none of them.
    pub(super) fn settings(&self, place: &str, all: &Environment) -> Option<Environment> {
        let Some(program) = self.program.as_deref() else {
            return Some(all.clone());
        };
        if is_own(place, program) {
            return Some(all.clone());
        }
        let handed_on = is_own(place, ISTIOD) && PROXIES.contains(&program);
        let policy = all.compliance.clone().filter(|_| handed_on)?;
        Some(Environment {
            compliance: Some(policy),
            ..Environment::default()
        })
    }

    /// Reduces an error to a warning if it applies to only one of several possible builds.
    pub(super) fn weighed(&self, effect: Effect) -> Effect {
        match self
            .condition
            .filter(|_| effect.severity == Severity::Error)
        {
            Some(condition) => Effect {
                severity: Severity::Warning,
                message: format!("{condition}: {}", effect.message),
                ..effect
            },
            None => effect,
        }
    }
}

/// Returns the builds that get at least one of the settings at a path.
pub(super) fn candidates(before: &Before<'_>, place: &str, all: &Environment) -> Vec<Candidate> {
    let images = before.facts.images.known().into_iter().flatten();
    let programs = images.flat_map(|image| image.programs.known().into_iter().flatten());
    let read: Vec<Candidate> = programs
        .filter_map(|program| of_program(before, program))
        .filter(|one| one.settings(place, all).is_some())
        .collect();
    if read.is_empty() {
        return possible(before.plan.tag.flavor.is_fips());
    }
    read
}

fn of_program(before: &Before<'_>, program: &ImageProgram) -> Option<Candidate> {
    let verdict = before.judge.verdict(&program.reading)?;
    let name = program.path.rsplit('/').next()?;
    Some(Candidate {
        build: Build::from(&verdict),
        program: Some(name.to_owned()),
        condition: None,
    })
}

/// Returns the possible builds for a tag: a FIPS tag does not show which module the build has.
fn possible(fips: bool) -> Vec<Candidate> {
    let one = |kind, module, condition| Candidate {
        build: Build {
            kind,
            module,
            knows_fips140: true,
            knows_auto: false,
            // Released builds enable their module.
            at_start: if kind == Kind::GoModule {
                AtStart::On
            } else {
                AtStart::Off
            },
            unsupported: (kind == Kind::GoBoring).then_some(Unsupported::BoringCrypto),
            fipsonly: false,
        },
        program: None,
        condition,
    };
    if !fips {
        return vec![one(Kind::GoStandard, Assurance::Standard, None)];
    }
    let boring = Some("if it is built with BoringCrypto");
    let own = Some("if it is built with GOFIPS140");
    vec![
        one(Kind::GoBoring, Assurance::Declared, boring),
        one(Kind::GoModule, Assurance::Declared, own),
    ]
}
