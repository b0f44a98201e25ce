//! `explain`

mod page;
mod topic;

use serde_json::{Value, json};

use super::args::{Format, OutputArgs};
use super::output::Shown;
use super::{Ended, output};
use crate::exit::{Exit, Failure};
use crate::report::Report;
use crate::report::text::wrap;
use crate::ui::Ui;
use topic::Topic;

/// Titles are wrapped at no less than this many columns.
const LEAST: usize = 16;

/// Show the page of a check, a word of reports, a preset, the exit codes or the JSON report, or list all pages
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio explain
  glooistio explain proxies
  glooistio explain fedramp-2026
  glooistio explain exit-codes
  glooistio explain production")]
pub(crate) struct Args {
    /// What to explain: `proxies`, `proven`, `fedramp-2026`, `exit-codes`, `79`, `json`, `production`
    id: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Returns the name and title of every page.
pub(super) fn topics() -> Vec<(&'static str, String)> {
    let all = topic::all().into_iter();
    all.map(|topic| (topic.id, topic.title.into_owned()))
        .collect()
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
            (Format::Yaml, _) => istio_operator::write(&values()),
            (Format::Csv, _) => return Err(output::no_table("pages")),
            (_, [topic]) => match ui.out_columns() {
                None => topic.page.clone().into_owned(),
                Some(columns) => ui.drawn(page::rendered(&topic.page, columns, color)),
            },
            (Format::Short, _) => asked
                .iter()
                .map(|topic| line("", topic, usize::MAX))
                .collect(),
            (Format::Text, _) => {
                let columns = ui.out_columns().unwrap_or(usize::MAX);
                ui.drawn(grouped(&asked, color, columns))
            }
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

/// Returns a line with name and title; a title that is too long continues in the same column below.
fn line(indent: &str, topic: &Topic, columns: usize) -> String {
    let name = format!("{indent}{:<20} ", topic.id);
    let (width, below) = (
        name.chars().count(),
        format!("\n{:1$}", "", name.chars().count()),
    );
    let title = wrap(&topic.title, columns.saturating_sub(width).max(LEAST));
    format!("{name}{}\n", title.join(&below))
}

/// Returns a heading for each group, with its pages below it.
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

/// Returns the page of that name, or all pages of the values that a flag takes: `policy`, `--require`.
fn named<'a>(id: &str, topics: &'a [Topic]) -> Result<Vec<&'a Topic>, Failure> {
    if let Some(topic) = topics.iter().find(|topic| topic.id == id) {
        return Ok(vec![topic]);
    }
    let is_code = Exit::TABLE
        .iter()
        .any(|(exit, _)| exit.code().to_string() == id);
    if let Some(topic) = topics
        .iter()
        .find(|topic| is_code && topic.id == "exit-codes")
    {
        return Ok(vec![topic]);
    }
    // `presets` and `policies` select the same pages as `preset` and `--policy`.
    let singular = match id.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => id.strip_suffix('s').unwrap_or(id).to_owned(),
    };
    let flags = [id, &singular].map(|word| format!("--{}", word.trim_start_matches('-')));
    let takes = |topic: &&Topic| {
        let mut words = topic.category.split([' ', ',']);
        words.any(|word| flags.iter().any(|flag| flag == word))
    };
    let all: Vec<&Topic> = topics.iter().filter(takes).collect();
    if all.is_empty() {
        return Err(unknown(id, topics));
    }
    Ok(all)
}

fn unknown(id: &str, topics: &[Topic]) -> Failure {
    let failure = Failure::message(Exit::Usage, format!("there is no page `{id}`"));
    let failure = match meant(id, topics).as_slice() {
        [] => failure,
        [one] => failure.hint(format!("did you mean `glooistio explain {one}`?")),
        several => failure.hint(format!("did you mean one of {}?", several.join(", "))),
    };
    failure.hint("`glooistio explain` lists them all")
}

/// The largest number of pages that are suggested.
const SUGGESTED: usize = 6;

/// Returns the pages that a word may mean: those that contain it in their name; otherwise the one with the nearest
/// name; otherwise those that contain it in their title.
fn meant<'a>(word: &str, topics: &'a [Topic]) -> Vec<&'a str> {
    /// Shorter words occur in too many names.
    const SHORTEST: usize = 3;
    let with = |has: &dyn Fn(&Topic) -> bool| -> Vec<&'a str> {
        let found = topics.iter().filter(|topic| has(topic));
        found.map(|topic| topic.id).take(SUGGESTED).collect()
    };
    let long = word.chars().count() >= SHORTEST;
    let named = with(&|topic| long && topic.id.contains(word));
    if !named.is_empty() {
        return named;
    }
    match super::nearest(word, topics.iter().map(|topic| topic.id)) {
        Some(near) => vec![near],
        None => with(&|topic| long && topic.title.to_lowercase().contains(word)),
    }
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
            ("policies", Ok(3)),
            ("preset", Ok(5)),
            ("presets", Ok(5)),
            ("production", Ok(1)),
            ("exit-codes", Ok(1)),
            ("79", Ok(1)),
            ("80", Err(Exit::Usage)),
            ("json", Ok(1)),
            ("beside", Err(Exit::Usage)),
            ("", Err(Exit::Usage)),
        ] {
            assert_eq!(ids(id), found, "{id}");
        }
    }

    #[test]
    fn unknown_word_is_answered_with_the_pages_that_may_be_meant() {
        let topics = topic::all();
        for (word, pages) in [
            ("proxys", vec!["proxies"]),
            ("preoven", vec!["proven"]),
            ("hub", vec!["hub", "hub-retirement", "running-hubs"]),
            ("retire", vec!["hub-retirement"]),
            ("approved", vec!["fipsonly", "fips-settings"]),
            ("xy", vec![]),
        ] {
            assert_eq!(meant(word, &topics), pages, "{word}");
        }
        let failure = unknown("retire", &topics);
        assert_eq!(
            failure.hints[0],
            "did you mean `glooistio explain hub-retirement`?".into()
        );
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
