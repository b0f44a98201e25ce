//! `matrix`

use super::args::{Format, OutputArgs};
use super::output::Shown;
use super::{Ended, resolve, session};
use crate::exit::{Exit, Failure};
use crate::istio::{Level, Matrix, Minor, Part, Runs, Table};
use crate::report::Report;
use crate::report::text::printable;
use crate::ui::Ui;

/// Show what is supported with what, and what can run on a Kubernetes with a Gloo Mesh
///
/// A terminal shows the beginning of what is too long for it; a pipe and -o json have all of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio matrix kubernetes
  glooistio matrix --kubernetes 1.33 --gloo-mesh 2.12")]
pub(crate) struct Args {
    /// Part to show, such as `builds`, `kubernetes` or `features`; all of them without one
    part: Option<String>,
    /// What can run on this version of Kubernetes?
    #[arg(long, value_name = "VERSION", conflicts_with = "part")]
    kubernetes: Option<String>,
    /// … together with this version of Gloo Mesh?
    #[arg(long, value_name = "VERSION", requires = "kubernetes")]
    gloo_mesh: Option<String>,
    /// YAML file whose rows replace those of the built-in matrix
    #[arg(long, value_name = "FILE")]
    matrix: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let (shown, result) = match self.tables() {
            Ok(tables) => (Shown::Own(self.written(ui, &tables)), Ok(Exit::Ok)),
            Err(failure) => (Shown::Report, Err(failure)),
        };
        Ended {
            report: Report::new("matrix"),
            result,
            shown,
        }
    }

    fn tables(&self) -> Result<Vec<Table>, Failure> {
        let matrix = session::matrix(self.matrix.as_deref())?;
        if let Some(kubernetes) = &self.kubernetes {
            let kubernetes: crate::istio::KubeVersion =
                resolve::parsed("--kubernetes", kubernetes)?;
            let gloo_mesh = self.gloo_mesh.as_deref();
            let gloo_mesh = gloo_mesh
                .map(|text| resolve::parsed::<Minor>("--gloo-mesh", text))
                .transpose()?;
            return Ok(vec![what_runs(&matrix, kubernetes.minor(), gloo_mesh)]);
        }
        let Some(part) = &self.part else {
            return Ok(Part::ALL.iter().map(|part| matrix.table(*part)).collect());
        };
        let part: Part = part
            .parse()
            .map_err(|error| Failure::new(Exit::Usage, &error))?;
        Ok(vec![matrix.table(part)])
    }

    fn written(&self, ui: &Ui, tables: &[Table]) -> Vec<u8> {
        let value = || serde_json::json!(tables);
        let text = match self.output.output {
            Format::Text | Format::Short => tables
                .iter()
                .map(|table| text(table, ui.out_style().color, ui.out_columns()))
                .collect::<Vec<_>>()
                .join("\n"),
            Format::Json => format!("{:#}\n", value()),
            Format::Yaml => crate::overlay::write(&value()),
        };
        text.into_bytes()
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

/// The lines of Istio that nothing refuses there.
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
        columns: vec![
            "istio",
            "newest build seen",
            "judgement",
            "range",
            "sources",
        ],
        rows: matrix
            .what_runs(kubernetes, gloo_mesh)
            .into_iter()
            .map(row)
            .collect(),
    }
}

/// Blanks between two columns.
const GAP: usize = 2;

/// A table in columns as wide as their widest cell, or as a terminal of so many columns lets them be.
fn text(table: &Table, color: bool, columns: Option<usize>) -> String {
    let head: Vec<String> = table
        .columns
        .iter()
        .map(|column| column.to_uppercase())
        .collect();
    let rows: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let lines = || std::iter::once(&head).chain(&rows);
    let width = |at: usize| {
        let cells = lines().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..head.len()).map(width).collect();
    if let Some(columns) = columns {
        fit(&mut widths, columns);
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded = cells.map(|(cell, width)| format!("{:<width$}", cut(cell, *width)));
        let gap = " ".repeat(GAP);
        format!("{}\n", padded.collect::<Vec<_>>().join(&gap).trim_end())
    };
    let title = super::bold(table.title, color);
    format!("{title}\n{}", lines().map(line).collect::<String>())
}

/// Takes from the widest columns until all of them fit.
fn fit(widths: &mut [usize], columns: usize) {
    let room = columns.saturating_sub(GAP * widths.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > 1 => *widest -= 1,
            _ => break,
        }
    }
}

/// The beginning of a text, and a sign that there is more.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(width.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_terminal_the_widest_columns_give_way_and_in_a_pipe_none() {
        let table = Table {
            title: "Builds",
            columns: vec!["tag", "source", "at"],
            rows: vec![
                vec!["1.2".into(), "https://example.com/a".into(), "x".into()],
                vec!["1.2-solo".into(), "\u{1b}[2J".into(), "a long place".into()],
            ],
        };
        insta::assert_snapshot!(text(&table, false, Some(28)), @r"
        Builds
        TAG       SOURCE    AT
        1.2       https:/…  x
        1.2-solo  �[2J      a long …
        ");
        let whole = text(&table, false, None);
        assert!(whole.contains("https://example.com/a") && !whole.contains('\u{1b}'));
        assert_eq!(text(&table, false, Some(200)), whole);
        for columns in [0, 8, 20] {
            let narrow = text(&table, false, Some(columns));
            let widest = narrow.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(columns.max(7)), "{narrow}");
        }
    }
}
