//! The documents say what the code says.
//!
//! `UPDATE_DOCS=1 cargo test --test it docs` writes what stands between `<!-- generated: NAME -->`
//! and `<!-- end -->`; with `TRYCMD=overwrite` it writes the output in `console` blocks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use glooistio::check::CHECKS;
use glooistio::exit::Exit;
use glooistio::render::template::{Head, PRESETS, Param};
use glooistio::report::{Document, ErrorReport, PendingRestart, PodRow, Report};
use glooistio::suggestion::SuggestedCommand;
use glooistio::workload::{WorkloadKind, WorkloadRef};

use crate::env::{TestEnv, root};

const README: &str = "README.md";
const ARCHITECTURE: &str = "ARCHITECTURE.md";
const CHECKS_PAGE: &str = "docs/checks.md";
const GLOSSARY: &str = "docs/glossary.md";
const PIPELINES: &str = "docs/pipelines.md";
const RENDER: &str = "docs/render.md";

/// What is written by a test: file, name of the block, and what it should hold.
type Block = (&'static str, &'static str, fn() -> String);

const BLOCKS: [Block; 5] = [
    (README, "commands", commands),
    (RENDER, "presets", presets),
    (CHECKS_PAGE, "checks", checks),
    (PIPELINES, "exit codes", exit_codes),
    (ARCHITECTURE, "data", data),
];

fn read(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table(head: [&str; 2], rows: impl IntoIterator<Item = [String; 2]>) -> String {
    let line = |row: [String; 2]| {
        let [left, right] = row.map(|cell| cell.replace('|', "\\|").replace('<', "\\<"));
        format!("| {left} | {right} |\n")
    };
    let rows: String = rows.into_iter().map(line).collect();
    format!("| {} | {} |\n|---|---|\n{rows}", head[0], head[1])
}

/// Words that are ours and do nothing yet.
const LATER: [&str; 2] = ["images", "istioctl"];

fn commands() -> String {
    let env = TestEnv::new();
    let help = env.line("--help").success();
    let ours = summaries(&help)
        .into_iter()
        .filter(|[name, _]| name != "`help`");
    for word in LATER {
        env.line(word).fails(64, &["is not part of this version"]);
    }
    let later = LATER.map(|word| format!("`{word}`")).join(", ");
    let rest = [
        [
            later,
            "reserved, not built yet: 64, with what to use until then".to_owned(),
        ],
        [
            "any other word".to_owned(),
            "goes to istioctl unchanged; streams and exit code are kept".to_owned(),
        ],
    ];
    table(["command", "does"], ours.chain(rest).collect::<Vec<_>>())
}

/// `[name, summary]` of each command in clap's help; a summary may go on in the next line.
fn summaries(help: &str) -> Vec<[String; 2]> {
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let mut rows: Vec<[String; 2]> = Vec::new();
    for line in list.lines().take_while(|line| !line.is_empty()) {
        let text = line.trim();
        match text.split_once("  ") {
            Some((name, about)) if line.len() - text.len() == 2 => {
                rows.push([format!("`{name}`"), about.trim().to_owned()]);
            }
            _ => {
                let row = rows.last_mut().expect("a command before it");
                row[1] = format!("{} {text}", row[1]);
            }
        }
    }
    rows
}

fn presets() -> String {
    let param = |param: &Param| match param.default.as_deref() {
        None => format!("**`{}`**", param.name),
        Some("") => format!("`{}`", param.name),
        Some(default) => format!("`{}={default}`", param.name),
    };
    let rows = PRESETS.iter().map(|(name, text)| {
        let head = Head::read(text);
        let params: Vec<String> = head.params.iter().map(param).collect();
        [
            format!("`{name}`"),
            format!("{}. Parameters: {}", head.about, params.join(", ")),
        ]
    });
    table(["preset", "gives"], rows)
}

fn checks() -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut category = "";
    for check in CHECKS {
        let phase = format!("{:?}", check.phase()).to_lowercase();
        let file = check.id.replace('-', "_");
        let page = format!("[{}](../src/check/{file}.md)", check.id);
        match rows.last_mut() {
            Some(row) if row[0] == phase && category == check.category => {
                row[1] = format!("{}, {page}", row[1]);
            }
            Some(row) if row[0] == phase => {
                row[1] = format!("{}; {}: {page}", row[1], check.category);
            }
            _ => rows.push([phase, format!("{}: {page}", check.category)]),
        }
        category = check.category;
    }
    table(["when", "checks"], rows)
}

fn exit_codes() -> String {
    let ours = Exit::TABLE
        .iter()
        .map(|(exit, why)| [format!("`{}`", exit.code()), (*why).to_owned()]);
    let istioctl = [
        "istioctl's own, 128 + N",
        "istioctl failed, or was ended by signal N",
    ];
    let istioctl = [istioctl.map(str::to_owned)];
    table(["code", "means"], ours.chain(istioctl))
}

fn data() -> String {
    let all = glooistio::data::FOLDERS.map(|dir| files(dir, "yaml"));
    let rows = all.into_iter().flatten().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let comment: Vec<&str> = text
            .lines()
            .map_while(|line| line.strip_prefix("# "))
            .collect();
        let comment = comment.join(" ");
        let sentence = comment.split(". ").next().unwrap_or_default();
        let name = path.file_name().unwrap().to_string_lossy();
        [
            format!("`{name}`"),
            sentence.trim_end_matches('.').to_owned(),
        ]
    });
    table(["file", "claims"], rows)
}

/// Files below a directory of the package.
fn files(dir: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root().join(dir)]);
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// README, ARCHITECTURE and the pages in docs.
fn documents() -> Vec<String> {
    let pages = files("docs", "md");
    let pages = pages.iter().map(|page| {
        let page = page.strip_prefix(root()).unwrap();
        page.to_str().unwrap().to_owned()
    });
    pages
        .chain([README, ARCHITECTURE].map(str::to_owned))
        .collect()
}

/// The document with another text in one of its blocks.
fn replaced(document: &str, name: &str, wanted: &str) -> String {
    let open = format!("<!-- generated: {name} -->\n");
    let (before, rest) = document
        .split_once(&open)
        .unwrap_or_else(|| panic!("no block `{name}`"));
    let (_, after) = rest
        .split_once("<!-- end -->\n")
        .unwrap_or_else(|| panic!("block `{name}` has no end"));
    format!("{before}{open}{wanted}<!-- end -->\n{after}")
}

#[test]
fn generated_blocks_say_what_the_code_says() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut complaints = Vec::new();
    for (file, name, wanted) in BLOCKS {
        let (document, wanted) = (read(file), wanted());
        let right = replaced(&document, name, &wanted);
        if right == document {
            continue;
        }
        if update {
            std::fs::write(root().join(file), right).unwrap();
        } else {
            complaints.push(format!("{file}: block `{name}` should be\n\n{wanted}"));
        }
    }
    assert!(
        complaints.is_empty(),
        "\n{}\nUPDATE_DOCS=1 cargo test --test it docs writes it",
        complaints.join("\n")
    );
}

#[test]
fn documents_show_what_their_commands_print() {
    let empty = tempfile::tempdir().unwrap();
    let nowhere = empty.path().display().to_string();
    let cases = trycmd::TestCases::new();
    cases.register_bin("glooistio", Path::new(env!("CARGO_BIN_EXE_glooistio")));
    for (name, value) in [
        ("HOME", nowhere.as_str()),
        ("PATH", nowhere.as_str()),
        ("KUBECONFIG", ""),
        ("GLOOISTIO_REPO_KEY", ""),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("NO_COLOR", "1"),
        ("COLUMNS", "100"),
    ] {
        cases.env(name, value);
    }
    for file in documents() {
        cases.case(root().join(file));
    }
    cases.run();
}

#[test]
fn the_documented_json_has_every_key_of_a_report() {
    let text = read(PIPELINES);
    let (_, rest) = text.split_once("```json\n").expect("a JSON report");
    let (sample, _) = rest.split_once("```").unwrap();
    let sample: serde_json::Value = serde_json::from_str(sample).unwrap();
    let real = serde_json::to_value(full()).unwrap();
    let keys = |value: &serde_json::Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&sample), keys(&real));
}

/// A report that leaves no optional key out.
fn full() -> Report {
    let text = String::new;
    let mut report = Report::new("verify");
    report.time = Some(text());
    report.documents.push(Document {
        name: text(),
        sha256: text(),
        command: text(),
        yaml: text(),
    });
    report.pods.push(PodRow {
        namespace: text(),
        name: text(),
        ready: text(),
        status: text(),
        restarts: 0,
    });
    report.pending.push(PendingRestart {
        namespace: text(),
        workload: WorkloadRef::new(WorkloadKind::Deployment, "shop", "cart"),
        pods: 0,
        reason: text(),
        command: SuggestedCommand::new("true", &[]),
    });
    report
        .next
        .extend(glooistio::report::NextStep::command("a step", "true", &[]));
    report.error = Some(ErrorReport {
        exit: 0,
        message: text(),
        hints: Vec::new(),
    });
    report
}

/// Words of a text that begin so.
fn words(text: &str, start: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .filter(|word| word.starts_with(start))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_of_pipelines_names_every_variable_of_ours() {
    let code: String = files("src", "rs")
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let shown: BTreeSet<String> = words(&read(PIPELINES), "GLOOISTIO_")
        .into_iter()
        .filter(|word| !word.starts_with("GLOOISTIO_TESTBED") && word != "GLOOISTIO_NO_BED")
        .collect();
    assert_eq!(shown, words(&code, "GLOOISTIO_"));
}

#[test]
fn the_glossary_names_what_is_in_the_code() {
    let code: String = ["src", "crates"]
        .iter()
        .flat_map(|dir| files(dir, "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let known: BTreeSet<&str> = code
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let glossary = read(GLOSSARY);
    let named: Vec<&str> = glossary
        .lines()
        .filter_map(|line| Some(line.strip_suffix("` |")?.rsplit_once("| `")?.1))
        .collect();
    assert!(named.len() > 10, "the column of the names is read");
    let missing: Vec<&str> = named
        .into_iter()
        .filter(|name| !known.contains(name))
        .collect();
    assert!(missing.is_empty(), "not in the code: {missing:?}");
}

#[test]
fn the_code_map_goes_in_the_order_of_the_modules() {
    let modules: Vec<String> = read("src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    let text = read(ARCHITECTURE);
    let (_, map) = text.split_once("\n## Code map\n").expect("the code map");
    let map = map.split("\n## ").next().unwrap();
    let named: Vec<String> = map
        .lines()
        .filter_map(|line| line.strip_prefix("**`")?.split_once("`**"))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.starts_with("crates/"))
        .collect();
    assert_eq!(named, modules);
}

#[test]
fn what_the_documents_name_is_there() {
    let code: String = ["src", "crates", "tests"]
        .iter()
        .flat_map(|dir| files(dir, "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let mut complaints = Vec::new();
    for file in documents() {
        let text = read(&file);
        let place = root().join(&file);
        let folder = place.parent().unwrap();
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next());
        let links = links.flatten().filter(|link| !link.contains("://"));
        let files = links.filter_map(|link| link.split('#').next());
        let missing = files.filter(|link| !folder.join(link).exists());
        complaints.extend(missing.map(|link| format!("{file}: there is no {link}")));
        let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let is_path = |word: &&str| {
            let place = ["src/", "crates/", "tests/", "scripts/", "templates/"]
                .iter()
                .any(|place| word.starts_with(place));
            place && !word.contains([' ', '*'])
        };
        let paths = quoted.iter().copied().filter(is_path);
        let missing = paths.filter(|path| !root().join(path).exists());
        complaints.extend(missing.map(|path| format!("{file}: there is no {path}")));
        let is_test = |word: &&str| {
            let letters = |c: char| c.is_ascii_lowercase() || c == '_';
            word.matches('_').count() > 2 && word.chars().all(letters)
        };
        let tests = quoted.iter().copied().filter(is_test);
        let missing = tests.filter(|name| !code.contains(&format!("fn {name}(")));
        complaints.extend(missing.map(|name| format!("{file}: no test is called {name}")));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
