//! The command that a command line calls, found before clap parses it.
//!
//! istioctl's root flags may precede the command word, and a command that is not ours goes to istioctl with all its
//! arguments. So the command word is found first.

use super::istioctl_flags::{FLAGS, Kind};

/// A command line, classified.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandLine {
    /// One of our commands: the arguments with the command word first, for clap.
    Own(Vec<String>),
    /// A command that is planned: its name, and what to use until then.
    Reserved { word: String, instead: &'static str },
    /// An unknown word, and the nearest command of ours, if there is a near one.
    Mistyped {
        word: String,
        meant: Option<&'static str>,
    },
    /// All arguments unchanged for istioctl, except our own `--istioctl PATH`.
    Istioctl {
        args: Vec<String>,
        istioctl: Option<String>,
    },
}

/// Our own command words, with the name of the command in clap.
const OWN_COMMANDS: &[(&str, &str)] = &[
    ("render", "render"),
    ("check", "check"),
    ("install", "install"),
    ("apply", "install"),
    ("verify", "verify"),
    ("verify-install", "verify"),
    ("upgrade", "upgrade"),
    ("inspect", "inspect"),
    ("matrix", "matrix"),
    ("explain", "explain"),
    ("completion", "completion"),
    ("man", "man"),
    (HELP, HELP),
];

const HELP: &str = "help";

/// Words that are reserved, and what to use until the commands exist.
const RESERVED_COMMANDS: &[(&str, &str)] = &[
    (
        "images",
        "`glooistio render -o yaml` names the hub and tag of every image",
    ),
    ("istioctl", "give a client by --istioctl PATH"),
];

/// Commands of istioctl, of every known version, which are never mistyped words of ours.
const ISTIOCTL: &[&str] = &[
    "admin",
    "analyze",
    "authn",
    "authz",
    "bootstrap",
    "bug-report",
    "convert-ingress",
    "create-remote-secret",
    "d",
    "dash",
    "dashboard",
    "deregister",
    "ecs",
    "exp",
    "experimental",
    "istiod",
    "kube-inject",
    "manifest",
    "multicluster",
    "operator",
    "options",
    "pc",
    "profile",
    "proxy-config",
    "proxy-status",
    "ps",
    "register",
    "remote-clusters",
    "tag",
    "uninstall",
    "v",
    "validate",
    "version",
    "waypoint",
    "x",
    "zc",
    "ztunnel-config",
];

/// Switches of ours that may precede the command word; every other long flag takes a value there.
const SWITCHES: &[&str] = &[
    "quiet",
    "strict",
    "fips",
    "distroless",
    "arm",
    "no-verify",
    "allow-downgrade",
    "allow-fips-loss",
    "forget-overlays",
    "gateways",
    "print-rbac",
    "inspect-images",
    "no-registry",
    "no-cache",
    "all",
    "explain",
    "verbose",
    "help",
    "version",
];

/// Classifies a command line (without the program's name).
pub(super) fn classify(mut args: Vec<String>) -> CommandLine {
    match word_at(&args) {
        Some(at) if args[at] == HELP => {
            // `help WORD` means `WORD --help`, for our commands and for those of istioctl.
            "--help".clone_into(&mut args[at]);
            help(args)
        }
        Some(at) => classify_by_word(args, at),
        None => CommandLine::Own(args),
    }
}

fn help(args: Vec<String>) -> CommandLine {
    let named = word_at(&args).filter(|at| args[*at] != HELP);
    let Some(at) = named else {
        return CommandLine::Own(vec!["--help".to_owned()]);
    };
    let word = args[at].clone();
    match classify_by_word(args, at) {
        CommandLine::Istioctl { .. } if !ISTIOCTL.contains(&word.as_str()) => {
            CommandLine::Mistyped { word, meant: None }
        }
        asked => asked,
    }
}

/// Classifies by the word at index `at`.
fn classify_by_word(args: Vec<String>, at: usize) -> CommandLine {
    let word = args[at].as_str();
    let (length, name) = match (word, args.get(at + 1).map(String::as_str)) {
        ("manifest", Some("install" | "apply")) => (2, Some("install")),
        _ => (
            1,
            OWN_COMMANDS
                .iter()
                .find(|(ours, _)| *ours == word)
                .map(|(_, name)| *name),
        ),
    };
    if let Some((word, instead)) = RESERVED_COMMANDS.iter().find(|(later, _)| *later == word) {
        return CommandLine::Reserved {
            word: (*word).to_owned(),
            instead,
        };
    }
    let Some(name) = name else {
        return match meant(word) {
            None => for_istioctl(args, at),
            meant => CommandLine::Mistyped {
                word: word.to_owned(),
                meant,
            },
        };
    };
    let mut ours = vec![name.to_owned()];
    ours.extend_from_slice(&args[..at]);
    ours.extend_from_slice(&args[at + length..]);
    CommandLine::Own(ours)
}

/// Returns our command word that is nearest to `word`, unless one of istioctl's is as near.
fn meant(word: &str) -> Option<&'static str> {
    let words = ISTIOCTL
        .iter()
        .chain(OWN_COMMANDS.iter().map(|(ours, _)| ours));
    let meant = super::nearest(word, words.copied())?;
    OWN_COMMANDS
        .iter()
        .map(|(ours, _)| *ours)
        .find(|ours| *ours == meant)
}

/// Returns the command word of a command line.
pub(super) fn command_word(args: &[String]) -> Option<&str> {
    word_at(args)
        .and_then(|at| args.get(at))
        .map(String::as_str)
}

/// Returns the index of the command word: the first argument that is neither a flag nor a flag's value.
fn word_at(args: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        if arg == "--" {
            return None;
        }
        if !arg.starts_with('-') || arg == "-" {
            return Some(at);
        }
        at += if takes_next(arg) { 2 } else { 1 };
    }
    None
}

fn takes_next(arg: &str) -> bool {
    if let Some(long) = arg.strip_prefix("--") {
        let switch = FLAGS
            .iter()
            .any(|flag| flag.long == long && flag.kind == Kind::Switch);
        return !long.contains('=') && !switch && !SWITCHES.contains(&long);
    }
    arg.len() == 2 && !matches!(arg, "-h" | "-q" | "-y" | "-v" | "-V")
}

fn for_istioctl(mut args: Vec<String>, word: usize) -> CommandLine {
    let mut istioctl = None;
    let given = args[..word]
        .iter()
        .position(|arg| arg == "--istioctl" || arg.starts_with("--istioctl="));
    if let Some(at) = given {
        let flag = args.remove(at);
        istioctl = match flag.split_once('=') {
            Some((_, path)) => Some(path.to_owned()),
            None => (at < args.len()).then(|| args.remove(at)),
        };
    }
    CommandLine::Istioctl { args, istioctl }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> CommandLine {
        classify(line.split_whitespace().map(str::to_owned).collect())
    }

    fn ours(line: &str) -> CommandLine {
        CommandLine::Own(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn our_words_come_first_whatever_stood_before_them() {
        for (line, wanted) in [
            ("install -y", "install -y"),
            ("apply -f -", "install -f -"),
            ("manifest install -y -f -", "install -y -f -"),
            ("--context c install --fips", "install --context c --fips"),
            ("-f a --set tag=x install", "install -f a --set tag=x"),
            (
                "-q --kubeconfig=k verify-install",
                "verify -q --kubeconfig=k",
            ),
            (
                "--fips --dry-run=true install",
                "install --fips --dry-run=true",
            ),
            ("--help", "--help"),
            ("", ""),
        ] {
            assert_eq!(read(line), ours(wanted), "{line}");
        }
    }

    #[test]
    fn every_other_word_goes_to_istioctl_unchanged() {
        for line in [
            "--context c proxy-status",
            "manifest generate -f a",
            "version --remote=false",
            "-n x analyze install",
        ] {
            let args = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(
                read(line),
                CommandLine::Istioctl {
                    args,
                    istioctl: None
                },
                "{line}"
            );
        }
    }

    #[test]
    fn a_mistyped_word_of_ours_is_no_word_of_istioctl() {
        for (line, wanted) in [
            ("inpsect x", Some("inspect")),
            ("verfy", Some("verify")),
            ("-q instal -y", Some("install")),
            ("aply -f -", Some("apply")),
            ("Matrix", Some("matrix")),
            ("verify-instal", Some("verify-install")),
            ("unistall --purge", None),
            ("verson", None),
            ("proxy-statsu", None),
            ("bogus", None),
            ("__complete", None),
        ] {
            let meant = match read(line) {
                CommandLine::Mistyped { meant, .. } => meant,
                _ => None,
            };
            assert_eq!(meant, wanted, "{line}");
        }
    }

    #[test]
    fn help_of_a_word_is_the_word_with_help() {
        for (line, wanted) in [
            ("help", "--help"),
            ("help --help", "--help"),
            ("-q help -h", "--help"),
            ("help help", "--help"),
            ("help help help", "--help"),
            ("help inspect", "inspect --help"),
            ("help --help inspect", "inspect --help --help"),
            ("help apply nosuch", "install --help nosuch"),
            ("help manifest install", "install --help"),
        ] {
            assert_eq!(read(line), ours(wanted), "{line}");
        }
        let help = |line| match read(line) {
            CommandLine::Istioctl { args, .. } => args.join(" "),
            CommandLine::Mistyped { word, meant } => format!("{word}? {meant:?}"),
            other => format!("{other:?}"),
        };
        assert_eq!(help("help proxy-status"), "--help proxy-status");
        assert_eq!(help("help inspct"), "inspct? Some(\"inspect\")");
        assert_eq!(help("help nosuch"), "nosuch? None");
        assert!(help("help images").starts_with("Reserved"));
    }

    #[test]
    fn no_word_of_istioctl_is_taken_for_a_mistake() {
        for word in ISTIOCTL {
            assert!(matches!(read(word), CommandLine::Istioctl { .. }), "{word}");
        }
    }

    #[test]
    fn the_client_may_be_named_before_a_word_of_istioctl() {
        let wanted = CommandLine::Istioctl {
            args: vec!["ps".into()],
            istioctl: Some("/x".into()),
        };
        assert_eq!(read("--istioctl /x ps"), wanted);
        assert_eq!(read("--istioctl=/x ps"), wanted);
    }

    #[test]
    fn reserved_words_never_reach_istioctl() {
        for word in ["images", "istioctl"] {
            assert!(matches!(read(word), CommandLine::Reserved { .. }), "{word}");
        }
    }
}
