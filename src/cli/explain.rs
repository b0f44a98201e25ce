//! `explain`

use super::Ended;
use super::args::{Format, OutputArgs};
use super::output::Shown;
use crate::check::{CHECKS, Check};
use crate::exit::{Exit, Failure};
use crate::report::Report;
use crate::ui::Ui;

/// Show the page of a check, or list them all
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The check, as reports name it
    id: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, _: &Ui) -> Ended {
        let (shown, result) = match self.page() {
            Ok(bytes) => (Shown::Own(bytes), Ok(Exit::Ok)),
            Err(failure) => (Shown::Report, Err(failure)),
        };
        Ended {
            report: Report::new("explain"),
            result,
            shown,
        }
    }

    fn page(&self) -> Result<Vec<u8>, Failure> {
        let Some(id) = &self.id else {
            return Ok(self.listed(CHECKS.iter()).into_bytes());
        };
        let check = CHECKS
            .iter()
            .find(|check| check.id == id)
            .ok_or_else(|| unknown(id))?;
        Ok(match self.output.output {
            Format::Text | Format::Short => check.page.to_owned(),
            _ => self.listed(std::iter::once(check)),
        }
        .into_bytes())
    }

    fn listed<'a>(&self, checks: impl Iterator<Item = &'a Check>) -> String {
        let value = |check: &Check| {
            serde_json::json!({
                "id": check.id, "title": check.title, "category": check.category,
                "phase": check.phase(), "page": check.page,
            })
        };
        match self.output.output {
            Format::Text | Format::Short => checks.map(line).collect(),
            Format::Json => format!("{:#}\n", checks.map(value).collect::<serde_json::Value>()),
            Format::Yaml => crate::overlay::write(&checks.map(value).collect()),
        }
    }
}

fn line(check: &Check) -> String {
    format!("{:<28} {}\n", check.id, check.title)
}

fn unknown(id: &str) -> Failure {
    Failure::message(Exit::Usage, format!("there is no check `{id}`"))
        .hint("`glooistio explain` lists them all")
}
