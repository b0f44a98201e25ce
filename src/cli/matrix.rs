//! `matrix`

use super::args::{Format, OutputArgs};
use super::output::Shown;
use super::{Ended, resolve, session};
use crate::exit::{Exit, Failure};
use crate::istio::{Level, Matrix, Minor, Part, Runs, Table};
use crate::report::Report;
use crate::ui::Ui;

/// Show what is supported with what, and what can run on a Kubernetes with a Gloo Mesh
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Part to show; all of them without one
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
                .map(|table| text(table, ui.out_style().color))
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

/// A table in columns as wide as their widest cell.
fn text(table: &Table, color: bool) -> String {
    let width = |at: usize| {
        let cells = table.rows.iter().map(|row| row[at].chars().count());
        cells.chain([table.columns[at].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let title = super::bold(table.title, color);
    let head: Vec<String> = table
        .columns
        .iter()
        .map(|column| column.to_uppercase())
        .collect();
    let head = line(head.iter().map(String::as_str).collect());
    let rows: String = table
        .rows
        .iter()
        .map(|row| line(row.iter().map(String::as_str).collect()))
        .collect();
    format!("{title}\n{head}{rows}")
}
