//! `render`

mod directory;

use std::path::PathBuf;

use super::args::{CheckArgs, Format, OutputArgs, PlanArgs, ProofArgs, RunArgs};
use super::istioctl_flags::IstioctlFlags;
use super::output::{self, Shown};
use super::{Ended, resolve, run_context};
use crate::action::Action;
use crate::exit::{Exit, Failure};
use crate::facts::{self, Observed};
use crate::install::prepare::{Prepared, prepare};
use crate::render::Rendered;
use crate::report::Report;
use crate::sys::cluster::KubeTarget;
use crate::ui::Ui;

/// Render the IstioOperator documents, without reading a cluster or starting a program
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio render --fips --distroless > operator.yaml
  glooistio render --istio 1.31 --preset production --param cluster=one -O manifests")]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    flags: IstioctlFlags,
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
    /// Write each document to its own file in this directory, numbered in the order of an install and readable only
    /// by you (a hub can contain a key); files of an earlier render that this one does not write are removed
    #[arg(short = 'O', long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let mut report = Report::new("render");
        let mut bytes = Vec::new();
        let result = self.render(ui, &mut report, &mut bytes);
        Ended {
            report,
            result,
            shown: Shown::Document(bytes),
        }
    }

    fn render(&self, ui: &Ui, report: &mut Report, out: &mut Vec<u8>) -> Result<Exit, Failure> {
        if matches!(self.output.output, Format::Short | Format::Csv)
            || (self.output_dir.is_some() && self.output.output == Format::Json)
        {
            let failure = Failure::message(
                Exit::Usage,
                "documents are written as YAML, or as one JSON List on stdout",
            );
            return Err(failure.hint("remove -o, or use -o json without -O"));
        }
        let request = resolve::request(&self.plan, &self.flags)?;
        let rules = run_context::Policies::of(&self.checks, &ProofArgs::default(), ui, report)?;
        let client = Observed::NotCollected("render starts no program");
        let prepared = prepare(&request, &rules.matrix, &client)?;
        let run = RunArgs {
            no_registry: true,
            ..RunArgs::default()
        };
        let mut ctx = rules.run_context(ui, report, KubeTarget::default(), &run);
        ctx.describe(&prepared);
        if self.output_dir.is_none() {
            ctx.report.expected.notes.extend(by_hand(&prepared));
        }
        ctx.check(
            &prepared,
            &facts::Before::not_asked("render asks no cluster", client),
        );
        let failed = report.failed();
        output::before(ui, report).map_err(|error| Failure::new(Exit::CannotWrite, &error))?;
        if failed {
            return Ok(Exit::Findings);
        }
        if self.output_dir.is_none() && ui.out_columns().is_some() {
            ui.status("");
        }
        match &self.output_dir {
            Some(dir) => directory::write(ui, dir, &prepared)?,
            None => *out = printed(self.output.output, &prepared.manifest.documents)?,
        }
        Ok(Exit::Ok)
    }
}

/// Returns notes on what istioctl does not do by itself with the documents of one stream.
fn by_hand(prepared: &Prepared) -> Vec<String> {
    let mut notes = Vec::new();
    if prepared.manifest.documents.len() > 1 {
        notes.push(
            "istioctl takes one document at a time: -O DIR writes each to a file of its own"
                .to_owned(),
        );
    }
    let namespaces = prepared.gateway_namespaces().into_iter();
    let commands: Vec<String> = namespaces
        .map(|name| Action::Namespace { name }.to_string())
        .collect();
    if !commands.is_empty() {
        notes.push(format!(
            "istioctl does not create the namespaces of gateways: {}",
            commands.join(" && ")
        ));
    }
    notes
}

/// Returns the documents as one stream of YAML, or as one JSON List.
fn printed(format: Format, documents: &[Rendered]) -> Result<Vec<u8>, Failure> {
    if format != Format::Json {
        let separated: Vec<&str> = documents
            .iter()
            .map(|document| document.yaml.as_str())
            .collect();
        return Ok(separated.join("---\n").into_bytes());
    }
    let items: Vec<&serde_json::Value> = documents.iter().map(|document| &document.value).collect();
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items });
    let mut bytes =
        serde_json::to_vec_pretty(&list).map_err(|error| Failure::new(Exit::Internal, &error))?;
    bytes.push(b'\n');
    Ok(bytes)
}
