//! Statements about the cryptographic modules of programs.

use serde::Serialize;

use fips_evidence::{Judge, Subject};

use super::{Assurance, Deviations, Judgement, Proof, Severity};

/// A statement about the cryptography of what runs, one per image × architecture × binary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ModuleStatement {
    /// Digest of the running image, as the container runtime reports it; absent where it does not.
    pub digest: Option<String>,
    /// `amd64`, `arm64`; absent where no node reports it.
    pub arch: Option<String>,
    /// `pilot-discovery`, `envoy`, …
    pub binary: String,
    pub module: Assurance,
    /// Whether the module is enabled, as far as build and environment show, or that this was not collected; empty where
    /// they do not show it.
    pub configuration: String,
    /// How it was observed: `go_info of istiod`, `envoy_server_compilation_settings_fips_mode`.
    pub source: String,
    /// Number of processes that this statement covers; 0 for a file or an image that no pod runs.
    pub count: u64,
    /// Where these processes run, by namespace and role: at most [`ModuleStatement::PLACES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs_in: Vec<RunsIn>,
    /// Number of places that `runs_in` leaves out.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_places: u64,
    /// Settings of the pod that can make it run code other than that of its image.
    #[serde(skip_serializing_if = "Deviations::is_empty")]
    pub deviations: Deviations,
    /// What was read from the bytes of the program, if they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The pods of one role in one namespace that run a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RunsIn {
    pub namespace: String,
    /// `control-plane`, `sidecar`, `gateway`, `agentgateway`, `ztunnel`, `cni`.
    pub role: &'static str,
    pub pods: u64,
}

impl ModuleStatement {
    /// The most places of a statement that a report lists.
    pub const PLACES: usize = 100;

    /// Judges a program; where it runs is added by the caller.
    pub fn of_program(judge: &Judge, subject: &Subject<'_>) -> Self {
        let judged = judge.statement(subject);
        let binary = subject.path.rsplit('/').next().unwrap_or(subject.path);
        ModuleStatement {
            digest: subject.manifest.map(str::to_owned),
            arch: judged.arch,
            binary: binary.to_owned(),
            module: judged.module,
            configuration: judged.configuration,
            source: "its bytes".to_owned(),
            count: 0,
            runs_in: Vec::new(),
            more_places: 0,
            deviations: Deviations::default(),
            proof: Some(Box::new(judged.proof)),
        }
    }

    /// Returns the word for the module with the judgement on it: refused, not decidable by the policy, or that its
    /// certificate is no longer active.
    pub(super) fn judged(&self) -> String {
        let word = self.module.word();
        let plainly = matches!(self.module, Assurance::Unknown | Assurance::Contradicted);
        match (self.past_status(), self.judgement()) {
            _ if plainly => word.to_owned(),
            (_, Some(judgement)) if !judgement.because.is_empty() => format!("refused ({word})"),
            (_, Some(judgement)) if !judgement.unknown.is_empty() => {
                format!("unknown by policy {} ({word})", judgement.policy)
            }
            (Some(status), _) => format!("{word}, but its certificate is {status}"),
            (None, _) => word.to_owned(),
        }
    }

    /// Returns the status of the certificate if it was not active on the day of the judgement.
    pub(super) fn past_status(&self) -> Option<&str> {
        let certificate = self.proof.as_ref()?.certificate.as_ref()?;
        let past = certificate.number.is_some() && !certificate.active;
        past.then_some(certificate.status.as_str())
    }

    /// Whether the validation of the module has a remark that an auditor must be warned of.
    pub(super) fn has_warning(&self) -> bool {
        let remarks = self.proof.iter().flat_map(|proof| &proof.remarks);
        remarks
            .into_iter()
            .any(|remark| remark.severity >= Severity::Warning)
    }

    pub(super) fn judgement(&self) -> Option<&Judgement> {
        self.proof.as_ref().map(|proof| &proof.judgement)
    }

    /// Returns why the program is not acceptable.
    pub(super) fn refused(&self) -> &[String] {
        self.judgement().map_or(&[], |judgement| &judgement.because)
    }

    /// Returns why it cannot be decided whether the program is acceptable.
    pub(super) fn undecided(&self) -> &[String] {
        self.judgement().map_or(&[], |judgement| &judgement.unknown)
    }
}
