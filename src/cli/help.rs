//! What `--help` shows in addition to `-h`: the steps of the work, exit codes, and variables.

use std::fmt::Write as _;

use clap::Command;

use crate::exit::Exit;

/// The steps of each command, in order.
const STEPS: &[(&str, &[&str])] = &[
    (
        "install",
        &[
            "Choose version, flavour and hub, and render the IstioOperator documents",
            "Read the cluster and the registry, and run the preflight checks",
            "Show the plan, and ask (-y: do not ask; --dry-run: end here, and print documents and commands)",
            "Run istioctl once for each document, and wait until everything is rolled out",
            "Write the record of the install to a ConfigMap, so that an upgrade applies the same again",
            "Verify what runs, and list the workloads that still run an older proxy",
        ],
    ),
    (
        "upgrade",
        &[
            "Read the record of the earlier install, and put this command line over it",
            "Choose the version, and check that the step from the running one is allowed",
            "Go on as `glooistio install` does, from the preflight checks on",
        ],
    ),
    (
        "render",
        &[
            "Choose version, flavour and hub: no cluster is read, and no program is started",
            "Merge preset or template, then -f in order, then --set, as the installer of that Istio does",
            "Run the checks that need no cluster, and write the documents to stdout or -O DIR",
        ],
    ),
    (
        "check",
        &[
            "Choose and render as `glooistio install` does",
            "Read the cluster, if there is one, and the registry",
            "Run the preflight checks, and change nothing",
        ],
    ),
    (
        "verify",
        &[
            "Read the records of earlier installs, which say what should run; --istio says it instead",
            "Read control planes, webhooks and every proxy",
            "Judge all of it strictly, and change nothing",
        ],
    ),
];

/// Variables that these commands read.
const VARIABLES: &[(&str, &str)] = &[
    ("GLOOISTIO_ISTIOCTL", "the istioctl to run, as --istioctl"),
    (
        "GLOOISTIO_REPO_KEY",
        "the key of Solo's registry, as --repo-key",
    ),
    ("GLOOISTIO_NO_REGISTRY", "ask no registry, as --no-registry"),
    ("KUBECONFIG", "the clusters, as for kubectl"),
    ("NO_COLOR, CI, TERM", "plain lines without colours"),
];

/// Adds to `--help` of each command what `-h` leaves out.
pub(super) fn lengthen(command: Command) -> Command {
    STEPS.iter().fold(command, |command, (name, steps)| {
        command.mut_subcommand(name, |command| {
            let examples = command.get_after_help().map(ToString::to_string);
            let text = long(&examples.unwrap_or_default(), steps);
            command.after_long_help(text)
        })
    })
}

fn long(examples: &str, steps: &[&str]) -> String {
    let mut text = format!("{examples}\n\nWhat happens, in this order:\n");
    for (at, step) in steps.iter().enumerate() {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "  {}. {step}", at + 1);
    }
    text.push_str("\nExit codes (`glooistio explain exit-codes`):\n");
    for (exit, why) in Exit::TABLE {
        let _written = writeln!(text, "  {:<4} {why}", exit.code());
    }
    text.push_str("  any other code is that of istioctl\n\nEnvironment:\n");
    for (name, what) in VARIABLES {
        let _written = writeln!(text, "  {name:<22} {what}");
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn long_help_says_more_than_the_short_one_or_is_the_same() {
        let mut command = crate::cli::command_line();
        command.build();
        for sub in command.get_subcommands() {
            let (mut short, mut long) = (sub.clone(), sub.clone());
            let short = short.render_help().to_string();
            let long = long.render_long_help().to_string();
            if short == long {
                continue;
            }
            let more = words(&long).len() > words(&short).len();
            assert!(more, "{}: only the layout differs", sub.get_name());
        }
    }

    #[test]
    fn long_help_of_each_command_with_steps_keeps_its_examples() {
        let command = crate::cli::command_line();
        for (name, steps) in STEPS {
            let mut sub = command.find_subcommand(name).unwrap().clone();
            let long = sub.render_long_help().to_string();
            assert!(long.contains("Examples:"), "{name}");
            assert!(long.contains(steps[0]), "{name}: {long}");
            assert!(long.contains("79   checks found errors"), "{name}");
            let short = sub.render_help().to_string();
            assert!(!short.contains(steps[0]), "{name}");
        }
    }
}
