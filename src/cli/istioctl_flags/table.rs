//! The table of flags, and what happens to each.
//!
//! Spelling, short form and repeat rules are istioctl's. A test compares the table with the help and the completions of
//! the real program.

use super::{Flag, FlagRouting, Kind};
use istio_builds::Capability;

const fn flag(
    long: &'static str,
    short: Option<char>,
    kind: Kind,
    routing: FlagRouting,
    help: &'static str,
) -> Flag {
    Flag {
        long,
        short,
        kind,
        routing,
        hidden: false,
        needs: None,
        help,
    }
}

const fn log(long: &'static str, kind: Kind) -> Flag {
    Flag {
        hidden: true,
        ..flag(
            long,
            None,
            kind,
            FlagRouting::Forward,
            "Logging of istioctl",
        )
    }
}

const fn impersonation(long: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag {
        needs: Some(Capability::ImpersonationFlags),
        ..flag(long, None, kind, FlagRouting::ForwardAndRead, help)
    }
}

/// Every flag that some istioctl takes for `install` or `upgrade`.
pub(in crate::cli) const FLAGS: &[Flag] = &[
    flag(
        "filename",
        Some('f'),
        Kind::Repeated,
        FlagRouting::Merge,
        "IstioOperator file to merge over the preset; `-` is stdin; repeatable, or separated by commas",
    ),
    flag(
        "set",
        Some('s'),
        Kind::Repeated,
        FlagRouting::Merge,
        "Override a value of the IstioOperator: `PATH=VALUE`; repeatable",
    ),
    flag(
        "revision",
        Some('r'),
        Kind::Value,
        FlagRouting::Merge,
        "Name of the control plane revision",
    ),
    flag(
        "skip-confirmation",
        Some('y'),
        Kind::Switch,
        FlagRouting::Consume,
        "Do not ask before the cluster is changed",
    ),
    flag(
        "dry-run",
        None,
        Kind::Switch,
        FlagRouting::Consume,
        "Print the documents and commands and change nothing",
    ),
    flag(
        "verify",
        None,
        Kind::Switch,
        FlagRouting::Consume,
        "Verify after the install: always done, unless --no-verify",
    ),
    flag(
        "manifests",
        Some('d'),
        Kind::Value,
        FlagRouting::Forward,
        "Directory of charts and profiles for istioctl",
    ),
    Flag {
        hidden: true,
        ..flag(
            "charts",
            None,
            Kind::Value,
            FlagRouting::Forward,
            "Old name of --manifests",
        )
    },
    flag(
        "readiness-timeout",
        None,
        Kind::Value,
        FlagRouting::Forward,
        "How long istioctl waits for each component [istioctl: 5m0s]",
    ),
    flag(
        "force",
        None,
        Kind::Switch,
        FlagRouting::Forward,
        "Let istioctl go on in spite of validation errors",
    ),
    flag(
        "kubeconfig",
        Some('c'),
        Kind::Value,
        FlagRouting::ForwardAndRead,
        "Kubernetes configuration file",
    ),
    flag(
        "context",
        None,
        Kind::Value,
        FlagRouting::ForwardAndRead,
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
        FlagRouting::Merge,
        "Namespace of the control plane [default: istio-system]",
    ),
    Flag {
        hidden: true,
        ..flag(
            "namespace",
            Some('n'),
            Kind::Value,
            FlagRouting::Forward,
            "Namespace flag of istioctl; its install does not use it",
        )
    },
    Flag {
        needs: Some(Capability::VklogFlag),
        ..flag(
            "vklog",
            None,
            Kind::Value,
            FlagRouting::Forward,
            "Verbosity of istioctl's Kubernetes client",
        )
    },
    Flag {
        needs: Some(Capability::KubeclientTimeoutFlag),
        ..flag(
            "kubeclient-timeout",
            None,
            Kind::Value,
            FlagRouting::Forward,
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
