//! `render -O`: a file for each step of an install, numbered in its order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::action;
use crate::exit::{Exit, Failure};
use crate::install::prepare::Prepared;
use crate::render;
use crate::suggestion::quote_word;
use crate::sys::{os, signal};
use crate::ui::{Event, Ui};
use terminal_text::escape_line;

/// How every file that we write begins.
const WRITTEN_BY: &str = "# Written by glooistio ";

/// The line that shows whether a file was edited since it was written.
const DIGEST: &str = "# sha256 of what follows: ";

/// One file to write.
struct Step {
    /// Its file name after the number.
    name: String,
    /// The program that takes the file, with its arguments before the file.
    command: &'static str,
    body: String,
}

/// Writes the documents, and removes the files that an earlier render left.
pub(super) fn write(ui: &Ui, dir: &Path, prepared: &Prepared) -> Result<(), Failure> {
    os::create_dir(dir)?;
    let command = command_line(ui);
    let mut written = BTreeSet::new();
    for (place, step) in steps(prepared).iter().enumerate() {
        if signal::interrupted() {
            return Err(Failure::message(Exit::Interrupted, "interrupted"));
        }
        let file = format!("{:02}-{}.yaml", place + 1, step.name);
        let path = dir.join(&file);
        os::write(&path, text(step, &file, &command).as_bytes())?;
        ui.status(&format!("wrote {}", shown(&path)));
        written.insert(path);
    }
    remove_earlier(ui, dir, &written)
}

/// Returns the steps of `install`: control planes, the namespaces of gateways, all the rest.
fn steps(prepared: &Prepared) -> Vec<Step> {
    let (planes, others) = action::in_order(&prepared.manifest.documents);
    let install = |documents: Vec<&render::Rendered>| {
        let steps = documents.into_iter().map(|document| Step {
            name: document.name.clone(),
            command: "istioctl install -y -f",
            body: document.yaml.clone(),
        });
        steps.collect::<Vec<_>>()
    };
    let namespaces = prepared.gateway_namespaces();
    let namespaces = (!namespaces.is_empty()).then(|| Step {
        name: "namespaces".to_owned(),
        command: "kubectl apply -f",
        body: namespaces
            .iter()
            .map(|name| render::namespace(name))
            .collect::<Vec<_>>()
            .join("---\n"),
    });
    let mut steps = install(planes);
    steps.extend(namespaces);
    steps.extend(install(others));
    steps
}

fn text(step: &Step, file: &str, command: &str) -> String {
    format!(
        "{WRITTEN_BY}{}, which replaces it at the next render:\n#   {command}\n# Step of the install: {} {file}\n{DIGEST}{}\n{}",
        env!("CARGO_PKG_VERSION"),
        step.command,
        render::sha256(&step.body),
        step.body,
    )
}

/// Returns the command that wrote a file, without secrets and on one line.
fn command_line(ui: &Ui) -> String {
    let args = os::args().unwrap_or_default();
    let words = args.iter().map(|word| quote_word(word));
    let words: Vec<String> = std::iter::once("glooistio".to_owned())
        .chain(words)
        .collect();
    escape_line(&ui.masked(&words.join(" ")))
}

/// Removes files of an earlier render, which would be applied with the others, unless a user has edited them.
fn remove_earlier(ui: &Ui, dir: &Path, written: &BTreeSet<PathBuf>) -> Result<(), Failure> {
    for (_, path) in os::by_age(dir) {
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml");
        if !is_yaml || written.contains(&path) {
            continue;
        }
        let text = os::read(&path, os::TEXT_LIMIT).ok();
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
        match text.as_deref().map(origin) {
            Some(Origin::Unchanged) => {
                os::remove(&path)?;
                ui.status(&format!(
                    "removed {}: an earlier render wrote it, this one does not",
                    shown(&path)
                ));
            }
            Some(Origin::Edited) => ui.event(&Event::Warning(format!(
                "{} is of an earlier render, and was edited since: remove it unless it is still needed",
                shown(&path)
            ))),
            Some(Origin::Other) | None => {}
        }
    }
    Ok(())
}

/// The origin of the text of a file.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// As a render wrote it.
    Unchanged,
    Edited,
    /// Not written by a render.
    Other,
}

fn origin(text: &str) -> Origin {
    if !text.starts_with(WRITTEN_BY) {
        return Origin::Other;
    }
    let header = text.find(DIGEST).and_then(|at| {
        let (digest, body) = text[at + DIGEST.len()..].split_once('\n')?;
        Some(digest == render::sha256(body))
    });
    match header {
        Some(true) => Origin::Unchanged,
        _ => Origin::Edited,
    }
}

fn shown(path: &Path) -> String {
    escape_line(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_of_a_render_is_recognised_until_it_is_edited() {
        let step = Step {
            name: "a".into(),
            command: "istioctl install -y -f",
            body: "kind: IstioOperator\n".into(),
        };
        let text = text(&step, "01-a.yaml", "glooistio render");
        assert_eq!(origin(&text), Origin::Unchanged);
        assert_eq!(origin(&format!("{text}spec: {{}}\n")), Origin::Edited);
        assert_eq!(origin("kind: IstioOperator\n"), Origin::Other);
        assert!(text.contains("# Step of the install: istioctl install -y -f 01-a.yaml\n"));
    }
}
