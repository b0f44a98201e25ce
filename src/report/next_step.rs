//! The next steps, and the flags that every command of a report needs to act on the cluster of its run.

use std::fmt;

use serde::Serialize;

use super::Report;
use crate::suggestion::SuggestedCommand;

/// A next step after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NextStep {
    /// Absent where there is no command for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<SuggestedCommand>,
    /// What the command does, or what a person does if there is no command.
    pub text: String,
}

impl NextStep {
    /// Creates a step that has no command.
    pub fn text(text: impl Into<String>) -> NextStep {
        NextStep {
            command: None,
            text: text.into(),
        }
    }

    /// Creates a step with a command and its description; `None` where the command cannot be suggested.
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

/// Written as `glooistio verify   # judges every proxy`, so that the whole line can be pasted.
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
    /// Adds to every suggested command the flags by which this run chose its cluster.
    ///
    /// A second call changes nothing, so that each writer of a report may call it.
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
            // Without its command, the text of such a step is useless.
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
