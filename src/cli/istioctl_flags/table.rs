//! What each flag is, and what becomes of it.
//!
//! Spelling, short form and repeat rules are istioctl's. A test holds the table against the help and
//! the completions of the real program.

use super::{Fate, Flag, Kind};
use crate::istio::Capability;

const fn flag(
    long: &'static str,
    short: Option<char>,
    kind: Kind,
    fate: Fate,
    help: &'static str,
) -> Flag {
    Flag {
        long,
        short,
        kind,
        fate,
        hidden: false,
        needs: None,
        help,
    }
}

const fn log(long: &'static str, kind: Kind) -> Flag {
    Flag {
        hidden: true,
        ..flag(long, None, kind, Fate::HandedOn, "Logging of istioctl")
    }
}

const fn impersonation(long: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag {
        needs: Some(Capability::ImpersonationFlags),
        ..flag(long, None, kind, Fate::Shared, help)
    }
}

/// Every flag that some istioctl takes for `install` or `upgrade`.
pub(in crate::cli) const FLAGS: &[Flag] = &[
    flag(
        "filename",
        Some('f'),
        Kind::Repeated,
        Fate::Folded,
        "IstioOperator file to merge over the preset; `-` is stdin; repeatable, or separated by commas",
    ),
    flag(
        "set",
        Some('s'),
        Kind::Repeated,
        Fate::Folded,
        "Override a value of the IstioOperator: `PATH=VALUE`; repeatable",
    ),
    flag(
        "revision",
        Some('r'),
        Kind::Value,
        Fate::Folded,
        "Name of the control plane revision",
    ),
    flag(
        "skip-confirmation",
        Some('y'),
        Kind::Switch,
        Fate::Ours,
        "Do not ask before the cluster is changed",
    ),
    flag(
        "dry-run",
        None,
        Kind::Switch,
        Fate::Ours,
        "Print the documents and commands and change nothing",
    ),
    flag(
        "verify",
        None,
        Kind::Switch,
        Fate::Ours,
        "Verify after the install: always done, unless --no-verify",
    ),
    flag(
        "manifests",
        Some('d'),
        Kind::Value,
        Fate::HandedOn,
        "Directory of charts and profiles for istioctl",
    ),
    Flag {
        hidden: true,
        ..flag(
            "charts",
            None,
            Kind::Value,
            Fate::HandedOn,
            "Old name of --manifests",
        )
    },
    flag(
        "readiness-timeout",
        None,
        Kind::Value,
        Fate::HandedOn,
        "How long istioctl waits for each component [istioctl: 5m0s]",
    ),
    flag(
        "force",
        None,
        Kind::Switch,
        Fate::HandedOn,
        "Let istioctl go on in spite of validation errors",
    ),
    flag(
        "kubeconfig",
        Some('c'),
        Kind::Value,
        Fate::Shared,
        "Kubernetes configuration file",
    ),
    flag(
        "context",
        None,
        Kind::Value,
        Fate::Shared,
        "Context of the Kubernetes configuration",
    ),
    impersonation("as", Kind::Value, "User to impersonate"),
    impersonation("as-uid", Kind::Value, "UID to impersonate"),
    impersonation(
        "as-group",
        Kind::Repeated,
        "Group to impersonate; repeatable",
    ),
    flag(
        "istioNamespace",
        Some('i'),
        Kind::Value,
        Fate::Folded,
        "Namespace of the control plane [default: istio-system]",
    ),
    Flag {
        hidden: true,
        ..flag(
            "namespace",
            Some('n'),
            Kind::Value,
            Fate::HandedOn,
            "Namespace flag of istioctl; its install does not use it",
        )
    },
    Flag {
        needs: Some(Capability::VklogFlag),
        ..flag(
            "vklog",
            None,
            Kind::Value,
            Fate::HandedOn,
            "Verbosity of istioctl's Kubernetes client",
        )
    },
    Flag {
        needs: Some(Capability::KubeclientTimeoutFlag),
        ..flag(
            "kubeclient-timeout",
            None,
            Kind::Value,
            Fate::HandedOn,
            "Timeout of istioctl's Kubernetes client",
        )
    },
    log("log_output_level", Kind::Value),
    log("log_as_json", Kind::Switch),
    log("log_target", Kind::Repeated),
    log("log_caller", Kind::Value),
    log("log_stacktrace_level", Kind::Value),
    log("log_rotate", Kind::Value),
    log("log_rotate_max_age", Kind::Value),
    log("log_rotate_max_backups", Kind::Value),
    log("log_rotate_max_size", Kind::Value),
];
