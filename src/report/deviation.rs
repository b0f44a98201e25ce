//! Differences between a pod and what the injector of its mesh produces.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Settings of a pod that the injector of its mesh does not produce and that the data does not list as harmless.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Deviations {
    /// The number of settings.
    pub total: u64,
    /// The first of them in sort order, at most [`Deviations::MOST`].
    pub first: Vec<Deviation>,
}

/// One setting that deviates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Deviation {
    /// The container that has it.
    pub container: String,
    pub kind: SettingKind,
    /// The name of a variable, the path of a mount, the words of a command; truncated after [`Deviation::LONGEST`]
    /// characters. Values of variables are never shown, because they may be secret.
    pub item: String,
}

/// The kind of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingKind {
    Command,
    Argument,
    Variable,
    /// All keys of a ConfigMap or Secret as variables.
    VariableSource,
    Mount,
    Device,
    /// A command of a probe or of a lifecycle hook.
    Hook,
    Privilege,
    WorkingDirectory,
    TerminationMessage,
    /// A field of `ProxyConfig`.
    ProxyConfig,
    Annotation,
    /// Other containers can access its processes.
    SharedProcesses,
    /// Another container can write to a volume that it reads.
    SharedVolume,
    /// The container itself.
    Container,
    Image,
    /// The pod has more programs or settings than are compared.
    TooMany,
}

impl Deviations {
    /// How many of them are kept, so that a pod with thousands of them uses no more memory than any other.
    pub const MOST: usize = 10;

    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    pub fn of(all: impl IntoIterator<Item = Deviation>) -> Deviations {
        let mut deviations = Deviations::default();
        all.into_iter().for_each(|one| deviations.add(one));
        deviations
    }

    /// Counts another setting, and keeps the first ones in sort order.
    ///
    /// A duplicate counts once only while the first one is still kept, because memory is limited.
    pub fn add(&mut self, one: Deviation) {
        let Err(at) = self.first.binary_search(&one) else {
            return;
        };
        self.total += 1;
        if at < Self::MOST {
            self.first.truncate(Self::MOST - 1);
            self.first.insert(at, one);
        }
    }

    /// Returns the placeholder for the settings of a pod when too many other pods have settings of their own.
    pub fn unlisted() -> Deviations {
        Deviations {
            total: 1,
            first: Vec::new(),
        }
    }
}

impl Deviation {
    /// How many characters of an item are kept.
    pub const LONGEST: usize = 120;

    pub fn new(container: &str, kind: SettingKind, item: &str) -> Deviation {
        Deviation {
            container: shortened(container),
            kind,
            item: shortened(item),
        }
    }
}

/// Truncates a text that an untrusted user can make as long as an object may be.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(Deviation::LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deviation {
            container, item, ..
        } = self;
        write!(out, "container {container} ")?;
        match self.kind {
            SettingKind::Command => write!(out, "has the command `{item}`"),
            SettingKind::Argument => write!(out, "has the argument `{item}`"),
            SettingKind::Variable => write!(out, "sets the variable {item}"),
            SettingKind::VariableSource => write!(out, "takes variables from {item}"),
            SettingKind::Mount => write!(out, "mounts {item}"),
            SettingKind::Device => write!(out, "has the block device {item}"),
            SettingKind::Hook => write!(out, "runs `{item}`"),
            SettingKind::Privilege => write!(out, "has the privilege {item}"),
            SettingKind::WorkingDirectory => write!(out, "starts in the directory {item}"),
            SettingKind::TerminationMessage => write!(out, "has its termination message at {item}"),
            SettingKind::ProxyConfig => write!(out, "has {item} in its ProxyConfig"),
            SettingKind::Annotation => write!(out, "reads the annotation {item}"),
            SettingKind::SharedProcesses => write!(out, "shares its processes by {item}"),
            SettingKind::SharedVolume => write!(out, "shares {item}"),
            SettingKind::Container => {
                write!(out, "has the image of a proxy and is not one of the mesh")
            }
            SettingKind::Image => write!(out, "runs the image {item}"),
            SettingKind::TooMany => write!(out, "is in a pod that has {item}"),
        }
    }
}

impl fmt::Display for Deviations {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first.is_empty() && !self.is_empty() {
            return out.write_str("settings that are not listed: too many pods have their own");
        }
        let shown: Vec<String> = self.first.iter().map(Deviation::to_string).collect();
        out.write_str(&shown.join("; "))?;
        match self.total - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(out, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_of_a_stranger_are_bounded_in_number_and_length() {
        let name = |n: usize| format!("{n:04}{}", "ü".repeat(100_000));
        let all = (0..1000).map(|n| Deviation::new("istio-proxy", SettingKind::Variable, &name(n)));
        let found = Deviations::of(all.rev());
        assert_eq!((found.total, found.first.len()), (1000, Deviations::MOST));
        assert!(found.to_string().len() < 4000);
        assert!(found.to_string().ends_with("; and 990 more"));
    }
}
