//! Decides whether a module statement is acceptable. This is separate from the proof: a policy never changes a
//! statement.

use std::fmt;
use std::str::FromStr;

use super::Kind;
use super::modules::{Standard, Status};
use super::verdict::Verdict;
use crate::Assurance;

/// The certificate that a user requires.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CertificatePolicy {
    /// No certificate: only the required assurance decides.
    #[default]
    Any,
    /// A proven module with a FIPS 140-3 certificate that is active on the day of the judgement.
    Active140_3,
    /// A proven module with a certificate that is active on the day of the judgement, or a declared update stream.
    FedRamp2026,
}

impl CertificatePolicy {
    pub const ALL: [Self; 3] = [Self::Any, Self::Active140_3, Self::FedRamp2026];

    /// Returns the name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Active140_3 => "140-3-active",
            Self::FedRamp2026 => "fedramp-2026",
        }
    }
}

/// The least assurance that a user accepts, independent of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredAssurance {
    Declared,
    Identified,
    Proven,
    /// Like `declared`, and a Go program must also refuse algorithms that are not approved.
    FipsOnly,
}

impl RequiredAssurance {
    pub const ALL: [Self; 4] = [
        Self::Proven,
        Self::Identified,
        Self::Declared,
        Self::FipsOnly,
    ];

    /// Returns the name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Identified => "identified",
            Self::Proven => "proven",
            Self::FipsOnly => "fipsonly",
        }
    }

    const fn module(self) -> Assurance {
        match self {
            Self::Declared | Self::FipsOnly => Assurance::Declared,
            Self::Identified => Assurance::Identified,
            Self::Proven => Assurance::Proven,
        }
    }
}

/// An error: a word that is not a name of a policy or of a required assurance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a {what}: choose one of {choices}")]
pub struct UnknownName {
    word: String,
    what: &'static str,
    choices: String,
}

macro_rules! names {
    ($type:ty, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.into_iter().find(|one| one.name() == word);
                found.ok_or_else(|| UnknownName {
                    word: word.to_owned(),
                    what: $what,
                    choices: Self::ALL.map(Self::name).join(", "),
                })
            }
        }
    };
}

names!(CertificatePolicy, "policy");
names!(RequiredAssurance, "floor");

impl CertificatePolicy {
    /// Checks whether a statement that is based on texts alone can be enough.
    pub fn accepts_words(self, floor: Option<RequiredAssurance>) -> bool {
        self == Self::Any && matches!(floor, None | Some(RequiredAssurance::Declared))
    }

    /// Checks whether the verdict is acceptable, and returns all reasons if it is not.
    ///
    /// `contradicted` and `unknown` are never acceptable. A module with the required assurance can still fail the
    /// policy.
    pub fn judge(
        self,
        verdict: &Verdict,
        floor: Option<RequiredAssurance>,
    ) -> Result<(), Vec<String>> {
        let module = match verdict.module {
            Assurance::Unknown => Some("what is in it is unknown".to_owned()),
            Assurance::Contradicted => Some("it contradicts itself".to_owned()),
            _ => None,
        };
        let reasons = [
            module,
            floor.and_then(|floor| below(verdict, floor)),
            floor.and_then(|floor| unlimited(verdict, floor)),
            self.fails(verdict),
        ];
        let reasons: Vec<String> = reasons.into_iter().flatten().collect();
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons)
        }
    }

    fn fails(self, verdict: &Verdict) -> Option<String> {
        let standing = verdict.standing.as_ref();
        let active = standing.filter(|one| one.is_active() && verdict.module == Assurance::Proven);
        let state = || match standing {
            Some(standing) => standing.to_string(),
            None => "no certificate is known".to_owned(),
        };
        let accepted = match self {
            Self::Any => true,
            Self::Active140_3 => {
                active.is_some_and(|one| one.standard == Some(Standard::Fips140_3))
            }
            Self::FedRamp2026 => {
                let stream = standing.is_some_and(|one| one.status == Status::UpdateStream);
                active.is_some() || stream && verdict.module == Assurance::Identified
            }
        };
        (!accepted).then(|| format!("{self} asks for {}: {}", self.asks(), state()))
    }

    const fn asks(self) -> &'static str {
        match self {
            Self::Any => "nothing",
            Self::Active140_3 => "a proven module with an active FIPS 140-3 certificate",
            Self::FedRamp2026 => "a proven module with an active certificate, or an update stream",
        }
    }
}

/// Returns why the verdict is below the required assurance.
fn below(verdict: &Verdict, floor: RequiredAssurance) -> Option<String> {
    if verdict.module < floor.module() {
        return Some(format!(
            "{floor} is required, and it is {}",
            verdict.module.word()
        ));
    }
    let go = [Kind::GoBoring, Kind::GoModule, Kind::GoForeign].contains(&verdict.kind);
    (floor == RequiredAssurance::FipsOnly && go && verdict.fipsonly != Some(true)).then(|| {
        "fipsonly is required, and the program also accepts algorithms that are not approved"
            .to_owned()
    })
}

/// Returns the cryptography outside of the module, which nothing limits to approved algorithms.
fn unlimited(verdict: &Verdict, floor: RequiredAssurance) -> Option<String> {
    let other = verdict.other_cryptography.iter();
    let other: Vec<&str> = other.map(|one| one.name.as_str()).collect();
    (floor == RequiredAssurance::FipsOnly && !other.is_empty()).then(|| {
        format!(
            "fipsonly was required, and the program links cryptography outside of its module: {}",
            other.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BinaryFacts, Format, OtherCryptography, Standing};

    /// Returns a verdict with this assurance and this state of a certificate.
    fn verdict(module: Assurance, standing: Option<Standing>) -> Verdict {
        let nothing = BinaryFacts {
            size: 0,
            format: Format::Empty,
            arch: None,
            opaque: None,
            go: None,
            modules: Vec::new(),
            marks: Vec::new(),
            labels: Vec::new(),
            libraries: Vec::new(),
            unmatched_tests: Vec::new(),
        };
        let day = "2026-11-23".parse().unwrap();
        let verdict = nothing.judge(crate::Modules::builtin(), day);
        Verdict {
            module,
            standing,
            kind: Kind::Native,
            ..verdict
        }
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "cases stand beside others without a standing"
    )]
    fn standing(key: Option<u32>, standard: Option<Standard>, status: Status) -> Option<Standing> {
        Some(Standing {
            certificate: key,
            standard,
            level: Some(1),
            vendor: None,
            algorithms: Vec::new(),
            environments: Vec::new(),
            limitations: Vec::new(),
            status,
            stage: None,
            at: "2026-11-23".parse().unwrap(),
            from: None,
            until: None,
            seen: None,
            source: "here".parse().unwrap(),
            evidence: dated_data::SourceQuality::Docs,
            note: String::new(),
        })
    }

    #[test]
    fn a_policy_judges_the_certificate_and_nothing_else() {
        use Assurance::{Declared, Identified, Proven, Standard as Plain};
        let new = || standing(Some(1), Some(Standard::Fips140_3), Status::Active);
        let interim = || standing(Some(1), Some(Standard::Fips140_3), Status::Interim);
        let old = || standing(Some(1), Some(Standard::Fips140_2), Status::Active);
        let past = || standing(Some(1), Some(Standard::Fips140_3), Status::Historical);
        let stream = || standing(None, None, Status::UpdateStream);
        let pending = || standing(None, None, Status::Pending);
        // assurance, state, whether it passes: any, 140-3-active, fedramp-2026
        let table = [
            (Proven, new(), [true, true, true]),
            (Proven, interim(), [true, true, true]),
            (Proven, old(), [true, false, true]),
            (Proven, past(), [true, false, false]),
            (Identified, new(), [true, false, false]),
            (Identified, stream(), [true, false, true]),
            (Identified, pending(), [true, false, false]),
            (Identified, None, [true, false, false]),
            (Declared, stream(), [true, false, false]),
            (Plain, None, [true, false, false]),
            (Assurance::Unknown, None, [false; 3]),
            (Assurance::Contradicted, new(), [false; 3]),
        ];
        for (module, standing, expected) in table {
            let verdict = verdict(module, standing);
            let passes = CertificatePolicy::ALL.map(|policy| policy.judge(&verdict, None).is_ok());
            assert_eq!(passes, expected, "{:?}", (verdict.module, verdict.standing));
        }
        let reasons = CertificatePolicy::Active140_3.judge(&verdict(Proven, past()), None);
        assert!(reasons.unwrap_err()[0].contains("historical on 2026-11-23"));
    }

    #[test]
    fn what_is_below_the_floor_fails_every_policy() {
        use Assurance::{Declared, Identified, Proven, Standard};
        let passes = |module, floor| {
            let judged = CertificatePolicy::Any.judge(&verdict(module, None), Some(floor));
            judged.is_ok()
        };
        for (floor, lowest, below) in [
            (RequiredAssurance::Declared, Declared, Standard),
            (RequiredAssurance::FipsOnly, Declared, Standard),
            (RequiredAssurance::Identified, Identified, Declared),
            (RequiredAssurance::Proven, Proven, Identified),
        ] {
            assert!(passes(lowest, floor) && !passes(below, floor), "{floor}");
        }
        assert!(
            CertificatePolicy::Any
                .judge(&verdict(Standard, None), None)
                .is_ok()
        );
    }

    #[test]
    fn fipsonly_is_asked_of_go_alone() {
        let with = |kind, fipsonly| {
            let verdict = Verdict {
                kind,
                fipsonly,
                ..verdict(Assurance::Proven, None)
            };
            CertificatePolicy::Any
                .judge(&verdict, Some(RequiredAssurance::FipsOnly))
                .is_ok()
        };
        assert!(with(Kind::GoBoring, Some(true)));
        assert!(!with(Kind::GoBoring, Some(false)));
        assert!(!with(Kind::GoBoring, None));
        assert!(!with(Kind::GoModule, Some(false)));
        assert!(!with(Kind::GoForeign, None));
        assert!(with(Kind::Envoy, None));
    }

    #[test]
    fn fipsonly_refuses_cryptography_outside_of_the_module_and_names_it() {
        let other = |name: &str| OtherCryptography {
            name: name.to_owned(),
            shown_by: String::new(),
            place: None,
        };
        for (kind, fipsonly) in [(Kind::GoModule, Some(true)), (Kind::Envoy, None)] {
            let verdict = Verdict {
                kind,
                fipsonly,
                other_cryptography: vec![other("example.test/sm3"), other("ring 0.17.14")],
                ..verdict(Assurance::Proven, None)
            };
            let refused = CertificatePolicy::Any
                .judge(&verdict, Some(RequiredAssurance::FipsOnly))
                .unwrap_err();
            assert_eq!(refused.len(), 1, "{refused:?}");
            assert!(
                refused[0].contains("example.test/sm3, ring 0.17.14"),
                "{refused:?}"
            );
            assert_eq!(
                CertificatePolicy::Any.judge(&verdict, Some(RequiredAssurance::Proven)),
                Ok(())
            );
        }
    }

    #[test]
    fn names_are_read_back() {
        for policy in CertificatePolicy::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        for floor in RequiredAssurance::ALL {
            assert_eq!(floor.to_string().parse(), Ok(floor));
        }
        let error = "strict".parse::<CertificatePolicy>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`strict` is not a policy: choose one of any, 140-3-active, fedramp-2026"
        );
    }
}
