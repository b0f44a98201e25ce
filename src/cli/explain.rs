//! `explain`

mod page;
mod topic;

use serde_json::{Value, json};

use super::Ended;
use super::args::{Format, OutputArgs};
use super::output::Shown;
use crate::exit::{Exit, Failure};
use crate::report::Report;
use crate::report::text::wrap;
use crate::ui::Ui;
use topic::Topic;

/// Fewer columns are no reason to break a title further.
const LEAST: usize = 16;

/// Show the page of a check, of a word of reports or of a file's form, or list them all
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio explain
  glooistio explain proxies
  glooistio explain fedramp-2026")]
pub(crate) struct Args {
    /// The check, or the word of a report: `proxies`, `proven`, `fedramp-2026`
    id: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let (shown, result) = match self.page(ui) {
            Ok(text) => (Shown::Text(text), Ok(Exit::Ok)),
            Err(failure) => (Shown::Report, Err(failure)),
        };
        Ended {
            report: Report::new("explain"),
            result,
            shown,
        }
    }

    fn page(&self, ui: &Ui) -> Result<String, Failure> {
        let (topics, color) = (topic::all(), ui.out_style().color);
        let asked: Vec<&Topic> = match &self.id {
            None => topics.iter().collect(),
            Some(id) => named(&id.to_lowercase(), &topics)?,
        };
        let values = || asked.iter().map(|topic| value(topic)).collect::<Value>();
        Ok(match (self.output.output, asked.as_slice()) {
            (Format::Json, _) => format!("{:#}\n", values()),
            (Format::Yaml, _) => crate::overlay::write(&values()),
            (_, [topic]) => match ui.out_columns() {
                None => topic.page.to_owned(),
                Some(columns) => page::fitted(topic.page, columns, color),
            },
            (Format::Short, _) => asked
                .iter()
                .map(|topic| line("", topic, usize::MAX))
                .collect(),
            (Format::Text, _) => grouped(&asked, color, ui.out_columns().unwrap_or(usize::MAX)),
        })
    }
}

fn value(topic: &Topic) -> Value {
    let mut value = json!({ "id": topic.id, "title": topic.title, "category": topic.category });
    if let Some(phase) = topic.phase {
        value["phase"] = json!(phase);
    }
    value["page"] = json!(topic.page);
    value
}

/// Name and title; what is too long for the columns stands below its beginning.
fn line(indent: &str, topic: &Topic, columns: usize) -> String {
    let name = format!("{indent}{:<20} ", topic.id);
    let (width, below) = (
        name.chars().count(),
        format!("\n{:1$}", "", name.chars().count()),
    );
    let title = wrap(topic.title, columns.saturating_sub(width).max(LEAST));
    format!("{name}{}\n", title.join(&below))
}

/// A heading for each group, with what stands in it below.
fn grouped(topics: &[&Topic], color: bool, columns: usize) -> String {
    let groups = topics.chunk_by(|left, right| left.heading() == right.heading());
    let group = |group: &[&Topic]| {
        let heading = group.first().map(|topic| topic.heading());
        let heading = super::bold(&heading.unwrap_or_default(), color);
        let lines: String = group
            .iter()
            .map(|topic| line("  ", topic, columns))
            .collect();
        format!("{heading}\n{lines}")
    };
    groups.map(group).collect::<Vec<_>>().join("\n")
}

/// The page of that name, or all that a flag takes: `policy`, `--require`.
fn named<'a>(id: &str, topics: &'a [Topic]) -> Result<Vec<&'a Topic>, Failure> {
    if let Some(topic) = topics.iter().find(|topic| topic.id == id) {
        return Ok(vec![topic]);
    }
    let flag = format!("--{}", id.trim_start_matches('-'));
    let takes = |topic: &&Topic| topic.category.split([' ', ',']).any(|word| word == flag);
    let all: Vec<&Topic> = topics.iter().filter(takes).collect();
    if all.is_empty() {
        return Err(unknown(id, topics));
    }
    Ok(all)
}

fn unknown(id: &str, topics: &[Topic]) -> Failure {
    let failure = Failure::message(Exit::Usage, format!("there is no page `{id}`"));
    let failure = match super::nearest(id, topics.iter().map(|topic| topic.id)) {
        Some(meant) => failure.hint(format!("did you mean `glooistio explain {meant}`?")),
        None => failure,
    };
    failure.hint("`glooistio explain` lists them all")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_as_it_is_written_and_what_a_flag_takes_by_the_flag() {
        let topics = topic::all();
        let ids = |id: &str| {
            let found = named(id, &topics).map(|found| found.len());
            found.map_err(|failure| failure.exit)
        };
        for (id, found) in [
            ("proven", Ok(1)),
            ("modules", Ok(1)),
            ("policy", Ok(3)),
            ("require", Ok(1)),
            ("beside", Err(Exit::Usage)),
            ("", Err(Exit::Usage)),
        ] {
            assert_eq!(ids(id), found, "{id}");
        }
    }

    #[test]
    fn the_list_fits_a_terminal_and_is_a_line_each_in_a_pipe() {
        let topics = topic::all();
        let topics: Vec<&Topic> = topics.iter().collect();
        let long = |columns| {
            let list = grouped(&topics, false, columns);
            let widths = list.lines().map(|line| line.chars().count());
            widths.max().unwrap_or(0)
        };
        assert!(long(80) <= 80 && long(usize::MAX) > 80);
        let list = grouped(&topics, false, usize::MAX);
        let titled = |topic: &&Topic| list.contains(&format!(" {}\n", topic.title));
        assert!(topics.iter().all(titled), "{list}");
    }
}
