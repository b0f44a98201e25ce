//! `matrix`

use super::args::{Format, OutputArgs};
use super::output::Shown;
use super::{Ended, output, resolve, run_context};
use crate::exit::{Exit, Failure};
use crate::report::text::wrap;
use crate::report::{Report, csv, json};
use crate::ui::Ui;
use istio_builds::{
    Judgement, Level, Matrix, Minor, Part, Refused, Request, Runs, Table, UnknownPart,
};
use terminal_text::escape_line;

/// Show which versions are compatible, and what can run on a Kubernetes with a Gloo Mesh
///
/// On a terminal, text that is too long is truncated; a pipe and -o json contain the full text.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio matrix
  glooistio matrix kubernetes
  glooistio matrix builds --istio 1.30
  glooistio matrix --kubernetes 1.33 --gloo-mesh 2.12")]
pub(crate) struct Args {
    /// Part to show, such as `builds`, `kubernetes` or `features` [default: the newest builds of each minor version]
    part: Option<String>,
    /// Show all parts
    #[arg(long, conflicts_with_all = ["part", "kubernetes"])]
    all: bool,
    /// Show only the rows for this version or tag of Istio
    #[arg(long, value_name = "VERSION|TAG", conflicts_with = "kubernetes")]
    istio: Option<String>,
    /// Show what can run on this version of Kubernetes
    #[arg(long, value_name = "VERSION", conflicts_with = "part")]
    kubernetes: Option<String>,
    /// Show what can run together with this version of Gloo Mesh
    #[arg(long, value_name = "VERSION", requires = "kubernetes")]
    gloo_mesh: Option<String>,
    /// YAML file with rows that replace those of the built-in matrix
    #[arg(long, value_name = "FILE")]
    matrix: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let (shown, result) = match self.tables(ui) {
            Ok(tables) => self.written(ui, &tables),
            Err(failure) => (Shown::Report, Err(failure)),
        };
        Ended {
            report: Report::new("matrix"),
            result,
            shown,
        }
    }

    fn tables(&self, ui: &Ui) -> Result<Vec<Table>, Failure> {
        let matrix = run_context::matrix(self.matrix.as_deref(), ui)?;
        if let Some(kubernetes) = &self.kubernetes {
            let kubernetes: istio_builds::KubeVersion =
                resolve::parsed("--kubernetes", kubernetes)?;
            let gloo_mesh = self.gloo_mesh.as_deref();
            let gloo_mesh = gloo_mesh
                .map(|text| resolve::parsed::<Minor>("--gloo-mesh", text))
                .transpose()?;
            return Ok(vec![answer(&matrix, kubernetes.minor(), gloo_mesh)]);
        }
        let istio = self.istio.as_deref();
        let istio = istio
            .map(|text| resolve::parsed::<Request>("--istio", text))
            .transpose()?;
        let Some(part) = &self.part else {
            // A program and a filter are better served by everything.
            let is_document = matches!(self.output.output, Format::Json | Format::Yaml);
            if !self.all && istio.is_none() && !is_document {
                return Ok(vec![matrix.overview()]);
            }
            let tables = Part::ALL
                .iter()
                .map(|part| matrix.table(*part, istio.as_ref()));
            return Ok(tables
                .filter(|table| istio.is_none() || !table.rows.is_empty())
                .collect());
        };
        let part: Part = part.parse().map_err(|error| unknown(part, &error))?;
        Ok(vec![matrix.table(part, istio.as_ref())])
    }

    fn written(&self, ui: &Ui, tables: &[Table]) -> (Shown, Result<Exit, Failure>) {
        let mut value = serde_json::json!(tables);
        output::mask(ui, &mut value);
        let mut document = Vec::new();
        let written = match self.output.output {
            Format::Short => {
                return (
                    Shown::Text(tables.iter().map(short).collect()),
                    Ok(Exit::Ok),
                );
            }
            Format::Text => {
                let (color, columns) = (ui.out_style().color, ui.out_columns());
                let texts = tables.iter().map(|table| text(table, color, columns));
                let text = texts.collect::<Vec<_>>().join("\n");
                return (Shown::Text(ui.drawn(text)), Ok(Exit::Ok));
            }
            Format::Csv => {
                let [table] = tables else {
                    let failure =
                        Failure::message(Exit::Usage, "CSV has one table, and these are several");
                    let failure =
                        failure.hint("name one, such as `glooistio matrix builds -o csv`");
                    return (Shown::Report, Err(failure));
                };
                csv::write_table(&table.columns, &table.rows, &mut document)
            }
            Format::Json => json::write(&value, &mut document),
            Format::Yaml => json::write_yaml(&value, &mut document),
        };
        let result = written
            .map(|()| Exit::Ok)
            .map_err(|error| Failure::new(Exit::CannotWrite, &error));
        (Shown::Document(document), result)
    }
}

/// Returns one line: the first cell of each row, with the judgement if there is one.
fn short(table: &Table) -> String {
    let judgement = table.columns.iter().position(|name| *name == JUDGEMENT);
    let one = |row: &Vec<String>| {
        let cells = [row.first(), judgement.and_then(|at| row.get(at))];
        let cells: Vec<&str> = cells.into_iter().flatten().map(String::as_str).collect();
        escape_line(&cells.join(" "))
    };
    let mut rows: Vec<String> = table.rows.iter().map(one).collect();
    rows.dedup();
    format!("{}: {}\n", table.title, rows.join(", "))
}

/// Returns the failure for a word that is not a part, with the nearest part if there is a near one.
fn unknown(part: &str, error: &UnknownPart) -> Failure {
    let failure = Failure::new(Exit::Usage, error);
    let names = Part::ALL.iter().map(|part| part.name());
    match super::nearest(part, names) {
        Some(meant) => failure.hint(format!("did you mean `glooistio matrix {meant}`?")),
        None => failure,
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Pass | Level::Info => "supported",
        Level::NoData => "no data",
        Level::Warning => "warning",
        Level::Error => "refused",
    }
}

/// Answers what can run there, or, if nothing can, which lines come nearest and what refuses them.
fn answer(matrix: &Matrix, kubernetes: Minor, gloo_mesh: Option<Minor>) -> Table {
    let table = what_runs(matrix, kubernetes, gloo_mesh);
    if !table.rows.is_empty() {
        return table;
    }
    let reasons = |judgements: &[Judgement], of: fn(&Judgement) -> String| {
        let texts: Vec<String> = judgements.iter().map(of).collect();
        texts.join("; ")
    };
    let row = |refused: Refused| {
        vec![
            refused.istio.to_string(),
            "-".to_owned(),
            level(Level::Error).to_owned(),
            reasons(&refused.reasons, |reason| {
                format!("{} is not among {}", reason.found, reason.wanted)
            }),
            reasons(&refused.reasons, |reason| {
                let quotes = reason.quotes.iter().map(ToString::to_string);
                quotes.collect::<Vec<_>>().join("; ")
            }),
        ]
    };
    let refused = matrix.nearest_refused(kubernetes, gloo_mesh);
    Table {
        title: "Nothing can run there",
        columns: vec!["istio", "newest build seen", JUDGEMENT, "why", "sources"],
        rows: refused.into_iter().map(row).collect(),
    }
}

/// Returns the lines of Istio that nothing refuses there.
fn what_runs(matrix: &Matrix, kubernetes: Minor, gloo_mesh: Option<Minor>) -> Table {
    let row = |runs: Runs| {
        let quotes: Vec<String> = runs
            .judgement
            .quotes
            .iter()
            .map(ToString::to_string)
            .collect();
        vec![
            runs.istio.to_string(),
            runs.newest
                .map_or_else(|| "-".to_owned(), |tag| tag.to_string()),
            level(runs.judgement.level).to_owned(),
            runs.judgement.wanted,
            quotes.join("; "),
        ]
    };
    Table {
        title: "What can run there",
        columns: vec!["istio", "newest build seen", JUDGEMENT, "range", "sources"],
        rows: matrix
            .what_runs(kubernetes, gloo_mesh)
            .into_iter()
            .map(row)
            .collect(),
    }
}

/// The column with the answer to a question.
const JUDGEMENT: &str = "judgement";

/// Blanks between two columns.
const GAP: usize = 2;

/// The width that every column keeps if possible, so that the first ones do not use all the space.
const LEAST: usize = 10;

/// Columns with the source of a row, which are left out first if there is no space.
const ORIGIN: [&str; 4] = ["source", "sources", "evidence", "era"];

/// Returns a table in columns as wide as their widest cell, or narrower so that they fit into the terminal.
fn text(table: &Table, color: bool, terminal: Option<usize>) -> String {
    let head: Vec<String> = table
        .columns
        .iter()
        .map(|name| name.to_uppercase())
        .collect();
    let cells = |row: &Vec<String>| row.iter().map(|cell| escape_line(cell)).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head)
        .chain(table.rows.iter().map(cells))
        .collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let title = super::bold(table.title, color);
    let title = match terminal {
        // The user asked for the reasons of a judgement, so they are wrapped and not cut.
        Some(columns) if total(&widths) > columns && table.columns.contains(&JUDGEMENT) => {
            return format!("{title}\n{}", stacked(&rows, &widths, columns));
        }
        Some(columns) if total(&widths) > columns => {
            fit(&mut widths, &table.columns, columns);
            format!("{title} (cut to fit, -o json has all)")
        }
        _ => title,
    };
    if table.rows.is_empty() {
        return format!("{title}\n  no rows\n");
    }
    let line = |row: &Vec<String>| {
        let shown = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
        let padded = shown.map(|(cell, width)| format!("{:<width$}", cut(cell, *width)));
        let gap = " ".repeat(GAP);
        format!("{}\n", padded.collect::<Vec<_>>().join(&gap).trim_end())
    };
    format!("{title}\n{}", rows.iter().map(line).collect::<String>())
}

/// Returns the columns up to the judgement next to each other, and the others wrapped below them.
fn stacked(rows: &[Vec<String>], widths: &[usize], columns: usize) -> String {
    const ABREAST: usize = 3;
    const INDENT: &str = "    ";
    let one = |row: &Vec<String>| {
        let cells = row.iter().zip(widths).take(ABREAST);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let head = cells.join(&" ".repeat(GAP)).trim_end().to_owned();
        let rest = row.iter().skip(ABREAST);
        let lines = rest.flat_map(|cell| wrap(cell, columns.saturating_sub(INDENT.len())));
        let below = lines.map(|line| format!("{INDENT}{line}"));
        let all: Vec<String> = std::iter::once(head).chain(below).collect();
        format!("{}\n", all.join("\n"))
    };
    rows.iter().map(one).collect()
}

/// Returns the width of a line; a column of width 0 is not shown.
fn total(widths: &[usize]) -> usize {
    let shown = widths.iter().filter(|width| **width > 0);
    shown
        .map(|width| width + GAP)
        .sum::<usize>()
        .saturating_sub(GAP)
}

/// Leaves out the source columns, and then shortens the last columns until the rest fits.
fn fit(widths: &mut [usize], names: &[&str], columns: usize) {
    for (width, name) in widths.iter_mut().zip(names) {
        if ORIGIN.contains(name) {
            *width = 0;
        }
    }
    let shown = widths.iter().filter(|width| **width > 0).count();
    let room = columns.saturating_sub(GAP * shown.saturating_sub(1));
    let least = LEAST.min(room / shown.max(1)).max(1);
    let kept: usize = widths.iter().map(|width| least.min(*width)).sum();
    let mut spare = room.saturating_sub(kept);
    for width in widths {
        let more = width.saturating_sub(least).min(spare);
        *width = least.min(*width) + more;
        spare -= more;
    }
}

/// Returns the beginning of a text, with `…` if it was cut.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_run_the_nearest_lines_are_named_with_what_refuses_them() {
        let minor = |text: &str| text.parse::<Minor>().unwrap();
        let table = answer(Matrix::builtin(), minor("1.22"), Some(minor("2.12")));
        assert_eq!(table.title, "Nothing can run there");
        let why = |line: &str| {
            let row = table.rows.iter().find(|row| row[0] == line).unwrap();
            assert_eq!(row[2], "refused");
            row[3].clone()
        };
        let newer = why("1.29");
        assert!(
            newer.starts_with("Kubernetes 1.22 is not among 1.3"),
            "{newer}"
        );
        let older = why("1.16");
        assert!(
            older.starts_with("Istio 1.16 is not among ") && older.contains("Gloo Mesh 2.12"),
            "{older}"
        );
        let runs = answer(Matrix::builtin(), minor("1.33"), Some(minor("2.12")));
        assert_eq!(runs.title, "What can run there");
    }

    #[test]
    fn mistyped_part_is_answered_with_the_one_that_is_meant() {
        let error = "build".parse::<Part>().unwrap_err();
        let failure = unknown("build", &error);
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(
            failure.hints,
            ["did you mean `glooistio matrix builds`?".into()]
        );
    }

    #[test]
    fn why_something_can_run_is_never_cut() {
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        let table = Table {
            title: "What can run there",
            columns: vec!["istio", "build", JUDGEMENT, "range", "sources"],
            rows: vec![
                row([
                    "1.26",
                    "1.26.8",
                    "warning",
                    "1.23 to 1.26",
                    "https://a.example/, docs",
                ]),
                row(["1.25", "-", "supported", "1.23 to 1.26", "b"]),
            ],
        };
        insta::assert_snapshot!(text(&table, false, Some(30)), @r"
        What can run there
        ISTIO  BUILD   JUDGEMENT
            RANGE
            SOURCES
        1.26   1.26.8  warning
            1.23 to 1.26
            https://a.example/, docs
        1.25   -       supported
            1.23 to 1.26
            b
        ");
        assert_eq!(text(&table, false, None).lines().count(), 4);
        assert_eq!(
            short(&table),
            "What can run there: 1.26 warning, 1.25 supported\n"
        );
    }

    #[test]
    fn on_a_terminal_the_last_columns_give_way_and_in_a_pipe_none() {
        let table = Table {
            title: "Builds",
            columns: vec!["tag", "at", "source"],
            rows: vec![
                vec![
                    "1.2-solo-fips".into(),
                    "x".into(),
                    "https://a.example/".into(),
                ],
                vec!["\u{1b}[2J".into(), "a long place, named".into(), "b".into()],
            ],
        };
        insta::assert_snapshot!(text(&table, false, Some(28)), @r"
        Builds (cut to fit, -o json has all)
        TAG            AT
        1.2-solo-fips  x
        \u{1b}[2J      a long place…
        ");
        let whole = text(&table, false, None);
        assert!(whole.starts_with("Builds\n") && whole.contains("https://a.example/"));
        assert!(!whole.contains('\u{1b}'));
        assert_eq!(text(&table, false, Some(200)), whole);
        for columns in [0, 8, 20, 34, 35, 52] {
            let narrow = text(&table, false, Some(columns));
            let lines = narrow.lines().skip(1).map(|line| line.chars().count());
            assert!(lines.max() <= Some(columns.max(4)), "{columns}: {narrow}");
        }
    }
}
