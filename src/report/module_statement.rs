//! Statements about the cryptographic modules of programs.

use serde::Serialize;

use super::{Deviations, Judgement, Proof, Severity};

/// The module statement: which cryptographic module is in a program. Ordered from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// Could not be read.
    Unknown,
    /// A label says FIPS and the module is not there, a located module's integrity value differs, or
    /// sources disagree.
    Contradicted,
    /// No FIPS module, or no cryptography at all.
    Standard,
    /// Only labels, build information, metrics, or texts of a module that could not be located.
    Declared,
    /// The integrity value holds, but the module is not, or not yet, a validated one.
    Identified,
    /// The integrity value was computed again from the bytes, and it is a module with a certificate.
    Proven,
}

impl Assurance {
    /// As reports write it.
    pub fn word(self) -> &'static str {
        match self {
            Assurance::Unknown => "unknown",
            Assurance::Contradicted => "contradicted",
            Assurance::Standard => "standard",
            Assurance::Declared => "declared",
            Assurance::Identified => "identified",
            Assurance::Proven => "proven",
        }
    }
}

/// One statement about the cryptography of what runs, per image × architecture × binary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ModuleStatement {
    /// Digest of the image that runs, as the runtime tells it; absent where it does not.
    pub digest: Option<String>,
    /// `amd64`, `arm64`; absent where no node tells.
    pub arch: Option<String>,
    /// `pilot-discovery`, `envoy`, …
    pub binary: String,
    pub module: Assurance,
    /// Whether the module is enabled, as far as build and environment show, or that it was not collected; empty where they
    /// say nothing.
    pub configuration: String,
    /// How it was seen: `go_info of istiod`, `envoy_server_compilation_settings_fips_mode`.
    pub source: String,
    /// Number of processes that this statement stands for; 0 for a file or an image that nothing runs.
    pub count: u64,
    /// Where these processes run, by namespace and role: at most [`ModuleStatement::PLACES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs_in: Vec<RunsIn>,
    /// Settings of its pod by which other code may run than that of its image.
    #[serde(skip_serializing_if = "Deviations::is_empty")]
    pub deviations: Deviations,
    /// What the bytes of the program gave, where they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Box<Proof>>,
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

    /// The word of the module with what it is worth: that it was refused, that its policy cannot be decided,
    /// or that its certificate does not count any more.
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

    /// The status of the certificate, where it does not count any more on the day that was judged for.
    pub(super) fn past_status(&self) -> Option<&str> {
        let certificate = self.proof.as_ref()?.certificate.as_ref()?;
        let past = certificate.number.is_some() && !certificate.active;
        past.then_some(certificate.status.as_str())
    }

    /// Whether an auditor is to be warned of the validation of its module.
    pub(super) fn has_warning(&self) -> bool {
        let remarks = self.proof.iter().flat_map(|proof| &proof.remarks);
        remarks
            .into_iter()
            .any(|remark| remark.severity >= Severity::Warning)
    }

    pub(super) fn judgement(&self) -> Option<&Judgement> {
        self.proof.as_ref().map(|proof| &proof.judgement)
    }

    /// Why the program that was read is not acceptable.
    pub(super) fn refused(&self) -> &[String] {
        self.judgement().map_or(&[], |judgement| &judgement.because)
    }

    /// Why it cannot be said whether the program that was read is acceptable.
    pub(super) fn undecided(&self) -> &[String] {
        self.judgement().map_or(&[], |judgement| &judgement.unknown)
    }
}
