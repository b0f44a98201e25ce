//! The options of a run that its suggested commands need too: its cluster, its client and its data.

use std::path::Path;

use super::args::{CheckArgs, ISTIOCTL, ProofArgs, RegistryArgs, RunArgs};
use super::istioctl_flags::IstioctlFlags;
use crate::suggestion::{CommandContext, Reader, RunFlag};
use crate::sys::os;
use fips_evidence::{CertificatePolicy, RequiredAssurance};

/// The variable that means `--no-registry`.
const NO_REGISTRY: &str = "GLOOISTIO_NO_REGISTRY";

/// Programs that connect to the cluster.
const CLUSTER: &[Reader] = &[
    Reader::Kubectl,
    Reader::Istioctl,
    Reader::Own("check"),
    Reader::Own("install"),
    Reader::Own("upgrade"),
    Reader::Own("verify"),
];

/// Those of them that take the namespace of the control plane.
const MESH: &[Reader] = &[
    Reader::Istioctl,
    Reader::Own("check"),
    Reader::Own("install"),
    Reader::Own("upgrade"),
    Reader::Own("verify"),
];

/// Commands that run istioctl.
const CLIENT: &[Reader] = &[
    Reader::Own("check"),
    Reader::Own("install"),
    Reader::Own("upgrade"),
];

/// Commands that connect to the cluster and judge what runs.
const JUDGES: &[Reader] = &[
    Reader::Own("check"),
    Reader::Own("install"),
    Reader::Own("upgrade"),
    Reader::Own("verify"),
];

/// Commands that judge programs.
const PROGRAMS: &[Reader] = &[
    Reader::Own("check"),
    Reader::Own("install"),
    Reader::Own("upgrade"),
    Reader::Own("verify"),
    Reader::Own("inspect"),
];

/// Commands that read the matrix.
const MATRIX: &[Reader] = &[
    Reader::Own("render"),
    Reader::Own("check"),
    Reader::Own("install"),
    Reader::Own("upgrade"),
    Reader::Own("verify"),
    Reader::Own("matrix"),
];

/// Collects the options of a command that connects to the cluster.
pub(super) fn of_run(flags: &IstioctlFlags, checks: &CheckArgs, run: &RunArgs) -> CommandContext {
    let mut all = cluster_flags(flags);
    all.extend(path_flag(&["--istioctl"], run.istioctl.as_deref(), CLIENT));
    all.extend(path_flag(&["--matrix"], checks.matrix.as_deref(), MATRIX));
    all.extend(proof_flags(&run.proof));
    all.extend(registry_flags(&run.registry));
    // If the variable is set, the shell that runs the suggested command has it too.
    if run.no_registry && os::env(NO_REGISTRY).is_none() {
        all.push(RunFlag {
            spellings: &["--no-registry"],
            value: None,
            readers: JUDGES,
        });
    }
    let named = run.istioctl.as_ref().map(|path| path.display().to_string());
    let of_environment = || Some(os::env(ISTIOCTL)?.to_string_lossy().into_owned());
    CommandContext {
        flags: all,
        istioctl: named
            .or_else(of_environment)
            .filter(|path| !path.is_empty()),
    }
}

/// Collects the options of `inspect`.
pub(super) fn of_inspect(proof: &ProofArgs, registry: &RegistryArgs) -> CommandContext {
    let flags = proof_flags(proof)
        .into_iter()
        .chain(registry_flags(registry));
    CommandContext {
        flags: flags.collect(),
        istioctl: None,
    }
}

fn cluster_flags(flags: &IstioctlFlags) -> Vec<RunFlag> {
    let last = |long: &str| flags.last(long).map(str::to_owned);
    let single = [
        (&["--kubeconfig", "-c"][..], last("kubeconfig"), CLUSTER),
        (&["--context"], last("context"), CLUSTER),
        (&["--as"], last("as"), CLUSTER),
        (&["--as-uid"], last("as-uid"), CLUSTER),
        (&["-i", "--istioNamespace"], last("istioNamespace"), MESH),
    ];
    let single = single
        .into_iter()
        .filter_map(|(spellings, value, readers)| {
            let value = Some(value?);
            Some(RunFlag {
                spellings,
                value,
                readers,
            })
        });
    single
        .chain(repeated(&["--as-group"], flags.all("as-group"), CLUSTER))
        .collect()
}

fn proof_flags(proof: &ProofArgs) -> Vec<RunFlag> {
    let policy = (proof.policy != CertificatePolicy::default()).then(|| proof.policy.name());
    let named = [
        (
            &["--require"][..],
            proof.require.map(RequiredAssurance::name),
        ),
        (&["--policy"], policy),
    ];
    let named = named.into_iter().filter_map(|(spellings, value)| {
        let value = Some(value?.to_owned());
        Some(RunFlag {
            spellings,
            value,
            readers: PROGRAMS,
        })
    });
    let modules = path_flag(&["--modules"], proof.modules.as_deref(), PROGRAMS);
    named.chain(modules).collect()
}

fn registry_flags(registry: &RegistryArgs) -> Vec<RunFlag> {
    repeated(&["--plain-http"], &registry.plain_http, PROGRAMS)
        .chain(repeated(
            &["--allow-registry"],
            &registry.allow_registry,
            PROGRAMS,
        ))
        .collect()
}

fn path_flag(
    spellings: &'static [&'static str],
    path: Option<&Path>,
    readers: &'static [Reader],
) -> Option<RunFlag> {
    let value = Some(path?.display().to_string());
    Some(RunFlag {
        spellings,
        value,
        readers,
    })
}

fn repeated(
    spellings: &'static [&'static str],
    values: &[String],
    readers: &'static [Reader],
) -> impl Iterator<Item = RunFlag> {
    values.iter().map(move |value| RunFlag {
        spellings,
        value: Some(value.clone()),
        readers,
    })
}
