//! The flags of `istioctl install` and `upgrade`: parsed as istioctl parses them, and forwarded.

mod table;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::exit::{Exit, Failure};
use crate::facts::Istioctl;
use istio_builds::{Capability, Matrix};

pub(super) use table::FLAGS;

/// The handling of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagRouting {
    /// Forwarded to istioctl unchanged.
    Forward,
    /// Forwarded to istioctl, and used for our own connection to the cluster.
    ForwardAndRead,
    /// Becomes part of the documents.
    Merge,
    /// Handled by glooistio and never forwarded.
    Consume,
}

/// How often a flag may occur, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One value; the last one is used.
    Value,
    /// A value each time, all of which are used.
    Repeated,
    /// True, or the value after `=`.
    Switch,
}

/// A read-only command, which does not use all of the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Reads what would be installed.
    Check,
    /// Reads what runs.
    Verify,
}

impl Reader {
    fn uses(self, flag: &Flag) -> bool {
        match (self, flag.routing) {
            (_, FlagRouting::ForwardAndRead) | (Reader::Check, FlagRouting::Merge) => true,
            (Reader::Verify, FlagRouting::Merge) => {
                ["revision", "istioNamespace"].contains(&flag.long)
            }
            (_, FlagRouting::Forward | FlagRouting::Consume) => false,
        }
    }

    /// Hides the flags that the command does not use from its help.
    pub(super) fn hide(self) -> impl Fn(Arg) -> Arg {
        move |arg| {
            let named = |flag: &&Flag| arg.get_id() == flag.long;
            match FLAGS.iter().find(named) {
                Some(flag) if !self.uses(flag) => arg.hide(true),
                _ => arg,
            }
        }
    }
}

pub(super) struct Flag {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    pub(super) kind: Kind,
    pub(super) routing: FlagRouting,
    /// Whether istioctl does not show it in its help.
    pub(super) hidden: bool,
    /// The capability that an istioctl needs for this flag; `None` if every istioctl has the flag.
    pub(super) needs: Option<Capability>,
    pub(super) help: &'static str,
}

/// Parses a switch as Go's `strconv.ParseBool` does.
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("use true or false".to_owned()),
    }
}

impl Flag {
    fn arg(&self) -> Arg {
        let arg = Arg::new(self.long)
            .long(self.long)
            .help(self.help)
            .hide(self.hidden)
            .help_heading("Flags of istioctl");
        let arg = match self.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        match self.kind {
            Kind::Value => arg.value_name("VALUE").allow_hyphen_values(true),
            Kind::Repeated => arg
                .value_name("VALUE")
                .action(ArgAction::Append)
                .allow_hyphen_values(true),
            Kind::Switch => arg
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .hide_possible_values(true)
                .value_name("BOOL")
                .value_parser(go_bool),
        }
    }
}

/// The istioctl flags that the user typed.
#[derive(Debug, Clone, Default)]
pub(super) struct IstioctlFlags {
    values: Vec<(&'static str, Vec<String>)>,
}

impl IstioctlFlags {
    /// Returns every value of a repeated flag, in order.
    pub(super) fn all(&self, long: &str) -> &[String] {
        self.values
            .iter()
            .find(|(name, _)| *name == long)
            .map_or(&[], |(_, values)| values)
    }

    /// Returns the last value of a flag.
    pub(super) fn last(&self, long: &str) -> Option<&str> {
        self.all(long).last().map(String::as_str)
    }

    /// Whether a switch is on.
    pub(super) fn on(&self, long: &str) -> bool {
        self.last(long) == Some("true")
    }

    /// Refuses flags that the command does not use.
    pub(super) fn read_by(&self, reader: Reader) -> Result<&Self, Failure> {
        let given = |flag: &&Flag| self.values.iter().any(|(name, _)| *name == flag.long);
        let unused = FLAGS.iter().filter(given).find(|flag| !reader.uses(flag));
        let Some(flag) = unused else {
            return Ok(self);
        };
        let (command, instead) = match (reader, flag.routing) {
            (Reader::Verify, FlagRouting::Merge) => (
                "verify",
                "it judges what runs by the record of the install, or by --istio TAG",
            ),
            (Reader::Verify, _) => ("verify", "`verify` is read-only: remove the flag"),
            (Reader::Check, _) => ("check", "`check` is read-only: remove the flag"),
        };
        let message = format!("`{command}` does not use --{}", flag.long);
        Err(Failure::message(Exit::Usage, message).hint(instead))
    }

    /// Refuses flags that the istioctl at hand does not have.
    pub(super) fn known_to(&self, istioctl: &Istioctl, matrix: &Matrix) -> Result<(), Failure> {
        let Some(minor) = istioctl.version.minor() else {
            return Ok(());
        };
        let given = |flag: &&Flag| self.values.iter().any(|(name, _)| *name == flag.long);
        for flag in FLAGS.iter().filter(given) {
            let Some(needed) = flag.needs.filter(|needed| !matrix.line_has(*needed, minor)) else {
                continue;
            };
            let (version, long) = (&istioctl.version, flag.long);
            let message = format!("istioctl {version} has no flag --{long}");
            let span = matrix.capability_span(needed);
            let failure = Failure::message(Exit::Usage, message).hint(format!(
                "istioctl {span} has it: name one by --istioctl PATH"
            ));
            return Err(match needed {
                Capability::ImpersonationFlags => failure.hint(
                    "or remove the flag, and choose with --context a context that sets the impersonation",
                ),
                _ => failure.hint("or remove the flag"),
            });
        }
        Ok(())
    }

    /// Returns the arguments that istioctl gets, as a person would type them.
    pub(super) fn handed_on(&self) -> Vec<String> {
        let goes = |flag: &&Flag| {
            matches!(
                flag.routing,
                FlagRouting::Forward | FlagRouting::ForwardAndRead
            )
        };
        FLAGS
            .iter()
            .filter(goes)
            .flat_map(|flag| self.typed(flag))
            .collect()
    }

    /// Returns those flags that `manifest generate` has too: which charts to use, and how strict to be.
    pub(super) fn of_installer(&self) -> Vec<String> {
        let shared = |flag: &&Flag| ["manifests", "charts", "force"].contains(&flag.long);
        let flags = FLAGS.iter().filter(shared);
        flags.flat_map(|flag| self.typed(flag)).collect()
    }

    fn typed(&self, flag: &Flag) -> Vec<String> {
        let long = format!("--{}", flag.long);
        let values = self.all(flag.long).iter();
        match flag.kind {
            Kind::Switch if self.on(flag.long) => vec![long],
            Kind::Switch => values.map(|value| format!("{long}={value}")).collect(),
            Kind::Value | Kind::Repeated => values
                .flat_map(|value| [long.clone(), value.clone()])
                .collect(),
        }
    }
}

impl clap::FromArgMatches for IstioctlFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = FLAGS.iter().filter_map(|flag| {
            let texts: Vec<String> = match flag.kind {
                Kind::Switch => matches
                    .get_one::<bool>(flag.long)
                    .map(bool::to_string)
                    .into_iter()
                    .collect(),
                Kind::Value | Kind::Repeated => matches
                    .get_many::<String>(flag.long)
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect(),
            };
            (!texts.is_empty()).then_some((flag.long, texts))
        });
        Ok(IstioctlFlags {
            values: values.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for IstioctlFlags {
    fn augment_args(command: Command) -> Command {
        command
            .args(FLAGS.iter().map(Flag::arg))
            .args_override_self(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
