//! `scripts/data check`: the program behind it.

use std::path::Path;
use std::process::{Command, Output};

use crate::env::root;

fn check(root: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_data-check"))
        .arg("--root")
        .arg(root)
        .args(args)
        .output()
        .unwrap()
}

const FILE: &str = "# Hubs.
date: 2026-11-01

openshift:
  - source: https://example.com/a
    evidence: docs
    page: {era: now, date: 2026-01-01}
    order: 1
    rows:
      - {openshift: 4.1, kubernetes: 1.13}
  - source: https://example.com/b
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {openshift: 4.2, kubernetes: 1.14}
";

#[test]
fn old_rows_are_listed_with_line_date_and_source() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("crates/istio-builds/data");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("openshift.yaml"), FILE).unwrap();
    let output = check(dir.path(), &["--at", "2026-11-30"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "crates/istio-builds/data/openshift.yaml:10: 4.1 is of 2026-01-01 (333 days): https://example.com/a\n\
         1 data files, 0 invalid; 2 rows, 1 older than 90 days on 2026-11-30\n"
    );
    // Later the file itself is old, and with it the row that has no date of its own.
    let output = check(dir.path(), &["--at", "2027-03-01"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("2 older than 90 days"), "{text}");
}

#[test]
fn invalid_file_fails_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("crates/istio-builds/data");
    std::fs::create_dir_all(&folder).unwrap();
    let broken = FILE.replace("kubernetes: 1.14", "kubernetes: soon");
    std::fs::write(folder.join("openshift.yaml"), broken).unwrap();
    let output = check(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("error: crates/istio-builds/data/openshift.yaml:16:"),
        "{text}"
    );
}

#[test]
fn data_of_the_sources_is_valid() {
    let output = check(root(), &["--days", "36500"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
