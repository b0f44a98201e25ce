//! What to do next, and the flags that every command of a report needs to act on the cluster of its run.

use std::fmt;

use serde::Serialize;

use super::Report;
use crate::suggestion::SuggestedCommand;

/// A next step after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextStep {
    /// Absent where no command does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<SuggestedCommand>,
    /// What the command does, or what a person does where there is none.
    pub text: String,
}

impl NextStep {
    /// A step that is no command.
    pub fn text(text: impl Into<String>) -> NextStep {
        NextStep {
            command: None,
            text: text.into(),
        }
    }

    /// A command and what it does; `None` where it cannot be suggested.
    pub fn command(
        text: impl Into<String>,
        template: &'static str,
        values: &[&str],
    ) -> Option<NextStep> {
        let command = Some(SuggestedCommand::new(template, values)?);
        let text = text.into();
        Some(NextStep { command, text })
    }
}

/// `glooistio verify   # judges every proxy`: it can be pasted whole.
impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.command {
            Some(command) if self.text.is_empty() => write!(f, "{command}"),
            Some(command) => write!(f, "{command}   # {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl Report {
    /// Gives every suggested command the flags by which this run chose its cluster.
    ///
    /// Doing it twice changes nothing, so that each writer of a report may ask for it.
    pub fn complete_commands(&mut self) {
        let context = &self.context;
        let complete = |command: &mut Option<SuggestedCommand>| {
            *command = command.as_ref().and_then(|it| it.in_context(context));
        };
        let findings = self.checks.iter_mut().flat_map(|check| &mut check.findings);
        findings.for_each(|finding| complete(&mut finding.command));
        self.pending
            .iter_mut()
            .for_each(|pending| complete(&mut pending.command));
        self.next.retain_mut(|step| {
            let is_command = step.command.is_some();
            complete(&mut step.command);
            // Without its command, the rest of such a line says nothing.
            !is_command || step.command.is_some()
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::report::samples;
    use crate::suggestion::{CommandContext, Reader, RunFlag};

    fn context(value: &str) -> CommandContext {
        let flag = RunFlag {
            spellings: &["--context"],
            value: Some(value.to_owned()),
            readers: &[
                Reader::Kubectl,
                Reader::Own("verify"),
                Reader::Own("install"),
            ],
        };
        CommandContext {
            flags: vec![flag],
            istioctl: None,
        }
    }

    #[test]
    fn every_command_of_a_report_names_the_cluster_of_its_run() {
        let mut report = samples::full();
        report.context = context("prod");
        report.complete_commands();
        report.complete_commands();
        let findings = report.checks.iter().flat_map(|check| &check.findings);
        let mut commands: Vec<String> = findings
            .filter_map(|finding| finding.command.as_ref())
            .map(ToString::to_string)
            .collect();
        commands.extend(
            report
                .next
                .iter()
                .filter_map(|step| Some(step.command.as_ref()?.to_string())),
        );
        let pending = report.pending.iter();
        commands.extend(pending.filter_map(|it| Some(it.command.as_ref()?.to_string())));
        assert!(commands.len() > 2, "{commands:?}");
        for command in commands {
            assert_eq!(command.matches("--context prod").count(), 1, "{command}");
        }
    }

    #[test]
    fn no_command_is_left_where_the_cluster_cannot_be_shown() {
        let mut report = samples::full();
        report.context = context("a\u{1b}[2J");
        report.complete_commands();
        assert!(report.next.is_empty());
        assert!(
            report
                .pending
                .iter()
                .all(|pending| pending.command.is_none())
        );
    }
}
