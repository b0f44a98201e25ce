//! Validates every data file of the sources, and lists the rows that are old.
//!
//! `scripts/data check` builds and runs it; see there for its options.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for those who maintain the data, at a terminal"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use glooistio::data;
use jiff::civil::Date;
use saphyr_parser::{Event, Parser};

/// A value of a YAML file with the line that it begins in.
enum Node {
    Text(String),
    List(Vec<(usize, Node)>),
    Map(Vec<(String, usize, Node)>),
}

/// A row of a data file.
struct Row {
    line: usize,
    /// The first value of the row, which says what it is about.
    key: String,
    date: Date,
    source: String,
}

/// What the command line asks for.
struct Options {
    root: PathBuf,
    today: Date,
    days: u32,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(64);
        }
    };
    let (mut invalid, mut rows, mut old) = (0, 0, 0);
    let files = files(&options.root);
    for path in &files {
        let name = path.strip_prefix(&options.root).unwrap_or(path);
        let name = name.display().to_string();
        match check(&name, path) {
            Err(message) => {
                invalid += 1;
                eprintln!("error: {message}");
            }
            Ok(found) => {
                rows += found.len();
                old += print_old(&name, &found, &options);
            }
        }
    }
    println!(
        "{} data files, {invalid} invalid; {rows} rows, {old} older than {} days on {}",
        files.len(),
        options.days,
        options.today
    );
    if invalid > 0 || files.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        root: PathBuf::from("."),
        today: jiff::Timestamp::now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date(),
        days: data::MAX_AGE,
    };
    while let Some(flag) = args.next() {
        let value = args
            .next()
            .ok_or_else(|| format!("{flag} needs a value, or is not known"))?;
        let refuse = || format!("{flag} cannot be `{value}`");
        match flag.as_str() {
            "--root" => options.root = PathBuf::from(&value),
            "--at" => options.today = value.parse().map_err(|_| refuse())?,
            "--days" => options.days = value.parse().map_err(|_| refuse())?,
            _ => return Err(format!("unknown option {flag}")),
        }
    }
    Ok(options)
}

/// Every data file of the program, in the order of the paths.
fn files(root: &Path) -> Vec<PathBuf> {
    let folders = data::FOLDERS.iter().map(|folder| root.join(folder));
    let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok());
    let paths = entries.flatten().flatten().map(|entry| entry.path());
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "yaml");
    let mut found: Vec<PathBuf> = paths.filter(is_yaml).collect();
    found.sort();
    found
}

/// Reads one file as the program does, and returns its rows.
fn check(name: &str, path: &Path) -> Result<Vec<Row>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    data::validate(name, &text)?;
    let (_, root) = parse(&text).map_err(|error| format!("{name}: {error}"))?;
    let date = root
        .field("date")
        .and_then(Node::date)
        .ok_or_else(|| format!("{name}: no date in the form YYYY-MM-DD"))?;
    Ok(rows(&root, date))
}

/// Prints the rows that are old, and returns their number.
fn print_old(name: &str, rows: &[Row], options: &Options) -> usize {
    let old = rows
        .iter()
        .filter(|row| data::is_old(row.date, options.today, options.days));
    let mut number = 0;
    for row in old {
        number += 1;
        let age = data::age(row.date, options.today);
        println!(
            "{name}:{}: {} is of {} ({age} days): {}",
            row.line, row.key, row.date, row.source
        );
    }
    number
}

/// The rows of a file: the items of its lists, or the `rows` of an item that is a page.
fn rows(root: &Node, date: Date) -> Vec<Row> {
    let Node::Map(sections) = root else {
        return Vec::new();
    };
    let lists = sections.iter().filter_map(|(_, _, section)| match section {
        Node::List(items) => Some(items),
        _ => None,
    });
    let mut found = Vec::new();
    for (line, item) in lists.flatten() {
        let source = item.field("source").and_then(Node::text).unwrap_or("-");
        let dated = item.field("page").and_then(|page| page.field("date"));
        let dated = dated.and_then(Node::date).unwrap_or(date);
        match item.field("rows") {
            Some(Node::List(rows)) => found.extend(rows.iter().map(|(line, row)| Row {
                line: *line,
                key: row.key(),
                date: row.newest().unwrap_or(dated),
                source: source.to_owned(),
            })),
            _ => found.push(Row {
                line: *line,
                key: item.key(),
                date: item.newest().unwrap_or(dated),
                source: source.to_owned(),
            }),
        }
    }
    found
}

impl Node {
    fn field(&self, name: &str) -> Option<&Node> {
        match self {
            Node::Map(fields) => fields
                .iter()
                .find(|(field, _, _)| field == name)
                .map(|(_, _, value)| value),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    fn date(&self) -> Option<Date> {
        self.text()?.parse().ok()
    }

    /// What a row is about: its first value that is a text.
    fn key(&self) -> String {
        match self {
            Node::Text(text) => text.clone(),
            Node::List(items) => items
                .first()
                .map(|(_, item)| item.key())
                .unwrap_or_default(),
            Node::Map(fields) => fields
                .first()
                .map(|(_, _, value)| value.key())
                .unwrap_or_default(),
        }
    }

    /// The newest day on which anything in it was seen.
    fn newest(&self) -> Option<Date> {
        match self {
            Node::Text(_) => None,
            Node::List(items) => items.iter().filter_map(|(_, item)| item.newest()).max(),
            Node::Map(fields) => fields
                .iter()
                .filter_map(|(name, _, value)| {
                    if name == "seen" {
                        value.date()
                    } else {
                        value.newest()
                    }
                })
                .max(),
        }
    }
}

/// A collection that is being read.
enum Open {
    List(usize, Vec<(usize, Node)>),
    Map(usize, Vec<(String, usize, Node)>, Option<(String, usize)>),
}

fn parse(text: &str) -> Result<(usize, Node), String> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let line = span.start.line();
        let done = match event {
            Event::Scalar(text, ..) => Some((line, Node::Text(text.into_owned()))),
            Event::SequenceStart(..) => {
                open.push(Open::List(line, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(line, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| match open {
                Open::List(line, items) => (line, Node::List(items)),
                Open::Map(line, fields, _) => (line, Node::Map(fields)),
            }),
            _ => None,
        };
        let Some((line, node)) = done else {
            continue;
        };
        match open.last_mut() {
            None => return Ok((line, node)),
            Some(Open::List(_, items)) => items.push((line, node)),
            Some(Open::Map(_, fields, key)) => match key.take() {
                Some((name, at)) => fields.push((name, at, node)),
                None => *key = Some((node.key(), line)),
            },
        }
    }
    Err("an empty file".to_owned())
}
