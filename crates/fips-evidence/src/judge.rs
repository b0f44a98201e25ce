//! From a reading to a judged statement: the statement, its certificate, and whether it is accepted.

use jiff::civil::Date;

use super::{
    BinaryFacts, Build, CertificatePolicy, CompliancePolicies, Environment, Modules,
    OtherCryptography, Place, Reading, RequiredAssurance, Step, Strength, Verdict, approved_only,
    certificate, effects, recipes,
};
use crate::proof::{self, Proof};
use crate::{Assurance, Severity};

/// The data and options that statements are judged by.
#[derive(Debug, Clone)]
pub struct Judge {
    pub modules: Modules,
    /// The day for which certificates are judged.
    pub at: Date,
    pub policy: CertificatePolicy,
    /// The value of `--require`.
    pub floor: Option<RequiredAssurance>,
    /// Maximum age of the status of a certificate, in days.
    pub max_age: u32,
    /// `--strict`: an older status does not decide a policy.
    pub strict: bool,
}

/// A program with its context.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The image reference; absent for a file.
    pub image: Option<&'a str>,
    pub manifest: Option<&'a str>,
    /// Architecture of the image or the node, by Go's name; absent for a file, where the header determines it.
    pub arch: Option<&'a str>,
    pub path: &'a str,
    pub reading: &'a Reading,
    /// The environment that it runs with, as far as it is known.
    pub environment: &'a Environment,
    /// The policies that its version of Istio supports.
    pub known: Option<CompliancePolicies>,
    /// Whether the tag or a label of its image says FIPS.
    pub says_fips: bool,
    pub role: ProgramRole,
}

/// The statement about the module of one program, before it is known where the program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramStatement {
    /// Architecture by Go's name; absent if neither the image nor the header names it.
    pub arch: Option<String>,
    /// Which module is in the program.
    pub module: Assurance,
    /// Whether the module is enabled, as far as build and environment show it; empty if they do not.
    pub configuration: String,
    /// The evidence and the judgement.
    pub proof: Proof,
}

/// The purpose of a program in its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgramRole {
    /// The main program of the image, as far as it is known.
    #[default]
    Main,
    /// A program that only starts the main program.
    Wrapper,
    /// Any other program of the image.
    Helper,
}

impl Judge {
    /// Checks whether a statement that is based on texts alone can be enough.
    pub fn accepts_words(&self) -> bool {
        self.policy.accepts_words(self.floor)
    }

    /// Returns the verdict on what was read, for callers that judge further.
    pub fn verdict(&self, reading: &Reading) -> Option<Verdict> {
        let evidence = reading.evidence.as_ref().ok()?;
        Some(evidence.judge(&self.modules, self.at))
    }

    /// Returns the statement about a program.
    pub fn statement(&self, subject: &Subject<'_>) -> ProgramStatement {
        match &subject.reading.evidence {
            Err(why) => ProgramStatement {
                arch: subject.arch.map(str::to_owned),
                module: Assurance::Unknown,
                configuration: "not known".to_owned(),
                proof: self.unread(subject, why),
            },
            Ok(evidence) => {
                let verdict = evidence.judge(&self.modules, self.at);
                let header = evidence.arch.as_ref().map(|arch| arch.0.clone());
                if let (Some(header), Some(named)) = (&header, subject.arch)
                    && header != named
                {
                    return self.another_arch(subject, &verdict, header);
                }
                let mut proof = self.proof(subject, &verdict);
                let module = self.by_image(subject, evidence, verdict.module, &mut proof);
                ProgramStatement {
                    arch: subject.arch.map(str::to_owned).or(header),
                    module,
                    configuration: configuration(&verdict, subject),
                    proof,
                }
            }
        }
    }

    /// Combines a `standard` module with what the image says: a tag that says FIPS contradicts it, unless the
    /// program is not the main program of the image and computes no cryptography. A program that only starts
    /// another one does not have to meet the requirements for that one.
    fn by_image(
        &self,
        subject: &Subject<'_>,
        evidence: &BinaryFacts,
        module: Assurance,
        proof: &mut Proof,
    ) -> Assurance {
        if module != Assurance::Standard {
            return module;
        }
        let idle = subject.role != ProgramRole::Main && evidence.has_no_cryptography();
        if subject.role == ProgramRole::Wrapper && idle {
            let why =
                "it only starts the program behind it, and nothing in it computes cryptography";
            proof.reasons.push(why.to_owned());
            proof.judgement = self.judgement(Vec::new(), true);
        } else if subject.says_fips && !idle {
            let against =
                "the tag or a label of its image says FIPS, and it has no FIPS module".to_owned();
            proof.reasons.insert(0, against.clone());
            proof.judgement.accepted = false;
            proof.judgement.because.push(against);
            return Assurance::Contradicted;
        }
        module
    }

    fn proof(&self, subject: &Subject<'_>, verdict: &Verdict) -> Proof {
        let evidence = subject.reading.evidence.as_ref().ok();
        let refusals = self.refusals(subject, verdict);
        let unknown = if refusals.is_empty() {
            self.undecided(verdict)
        } else {
            Vec::new()
        };
        let accepted = refusals.is_empty() && unknown.is_empty();
        Proof {
            size: evidence.map_or(0, |evidence| evidence.size),
            program: verdict.program.clone(),
            name: verdict.name.clone(),
            certificate: verdict.standing.as_ref().map(certificate::of),
            fipsonly: verdict.fipsonly,
            other_cryptography: verdict.other_cryptography.iter().map(other).collect(),
            remarks: self.remarks(verdict, evidence),
            reasons: verdict.reasons.clone(),
            chain: chain(subject, verdict),
            recipes: evidence
                .map(|evidence| recipes(evidence, verdict))
                .unwrap_or_default(),
            judgement: proof::Judgement {
                unknown,
                ..self.judgement(refusals, accepted)
            },
            ..self.unread(subject, "")
        }
    }

    /// Returns the statement for a program of another processor than that of its image, which contradicts the
    /// image.
    fn another_arch(
        &self,
        subject: &Subject<'_>,
        verdict: &Verdict,
        header: &str,
    ) -> ProgramStatement {
        let named = subject.arch.unwrap_or_default();
        let reason = format!("the image is for {named}, and its program for {header}");
        let mut proof = self.proof(subject, verdict);
        proof.reasons.insert(0, reason.clone());
        proof.judgement.accepted = false;
        proof.judgement.because.push(reason);
        ProgramStatement {
            arch: subject.arch.map(str::to_owned),
            module: Assurance::Contradicted,
            configuration: configuration(verdict, subject),
            proof,
        }
    }

    /// Returns why the statement is not acceptable: because of required assurance, policy, or settings that undo
    /// it.
    fn refusals(&self, subject: &Subject<'_>, verdict: &Verdict) -> Vec<String> {
        let build = Build::from(verdict);
        let mut verdict = verdict.clone();
        if approved_only(subject.environment, build, subject.known).is_some() {
            verdict.fipsonly = Some(true);
        }
        let judged = self.policy.judge(&verdict, self.floor);
        let effects = effects(subject.environment, build, subject.known).into_iter();
        // If only the host decides whether the module is on, that is enough for `--require declared` but for
        // nothing stricter.
        let certain = self
            .floor
            .is_some_and(|floor| floor != RequiredAssurance::Declared)
            || self.policy != CertificatePolicy::Any;
        let undone = effects.filter(|effect| {
            effect.severity == Severity::Error || certain && effect.depends_on_host
        });
        let mut refusals = judged.err().unwrap_or_default();
        refusals.extend(undone.map(|effect| effect.message));
        refusals
    }

    /// Returns the proof of a program that could not be read.
    fn unread(&self, subject: &Subject<'_>, why: &str) -> Proof {
        Proof {
            image: subject.image.map(str::to_owned),
            manifest: subject.manifest.map(str::to_owned),
            path: subject.path.to_owned(),
            size: 0,
            sha256: subject.reading.sha256.clone(),
            program: "not read".to_owned(),
            name: None,
            certificate: None,
            fipsonly: None,
            other_cryptography: Vec::new(),
            remarks: Vec::new(),
            reasons: vec![why.to_owned()],
            chain: Vec::new(),
            recipes: Vec::new(),
            judgement: self.judgement(vec!["what is in it is unknown".to_owned()], false),
        }
    }

    fn judgement(&self, because: Vec<String>, accepted: bool) -> proof::Judgement {
        proof::Judgement {
            policy: self.policy.to_string(),
            at: self.at.to_string(),
            require: self.floor.map(|floor| floor.to_string()),
            max_data_age: self.max_age,
            accepted,
            because,
            unknown: Vec::new(),
        }
    }
}

fn chain(subject: &Subject<'_>, verdict: &Verdict) -> Vec<proof::Statement> {
    let digest = subject
        .reading
        .sha256
        .as_ref()
        .map(|sha256| proof::Statement {
            what: format!("the file is sha256:{sha256}"),
            place: subject.path.to_owned(),
            strength: Strength::Recomputed,
        });
    digest
        .into_iter()
        .chain(verdict.chain.iter().map(step))
        .collect()
}

fn step(step: &Step) -> proof::Statement {
    let bytes = step.place.map(bytes_at);
    let places: Vec<String> = bytes.into_iter().chain(step.source.clone()).collect();
    let place = if places.is_empty() {
        "headers".to_owned()
    } else {
        places.join(", ")
    };
    proof::Statement {
        what: step.what.clone(),
        place,
        strength: step.strength,
    }
}

fn other(one: &OtherCryptography) -> proof::OtherCryptography {
    proof::OtherCryptography {
        name: one.name.clone(),
        shown_by: one.shown_by.clone(),
        place: one.place.map(bytes_at),
    }
}

fn bytes_at(place: Place) -> String {
    format!("{} bytes at offset {:#x}", place.len, place.offset)
}

/// Returns whether the module is enabled and restricted to approved algorithms, as far as build and environment
/// show it; empty if neither of them shows it.
fn configuration(verdict: &Verdict, subject: &Subject<'_>) -> String {
    let build = Build::from(verdict);
    let mut parts = verdict.configuration.clone();
    match approved_only(subject.environment, build, subject.known) {
        Some(limit) => parts.push(format!("approved algorithms only: {limit}")),
        None if verdict.module >= Assurance::Declared => {
            parts.push("not limited to approved algorithms by what is seen here".to_owned());
        }
        None => {}
    }
    let effects = effects(subject.environment, build, subject.known);
    parts.extend(effects.into_iter().map(|effect| effect.message));
    parts.join("; ")
}
