//! What only happens at a terminal: the question, Ctrl-C at it, and lines that fit.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::cluster;
use crate::env::TestEnv;

const TAG: &str = "1.31.0-solo-fips-distroless";

/// The program at a terminal, which util-linux' script gives its child.
fn script(env: &TestEnv, line: &str) -> Command {
    let line = format!("{} {line}", env!("CARGO_BIN_EXE_glooistio"));
    let mut script = Command::new("/usr/bin/script");
    env.prepare(&mut script);
    script.env("SHELL", "/bin/sh").args([
        "--quiet",
        "--flush",
        "--return",
        "--command",
        &line,
        "/dev/null",
    ]);
    script
}

/// Installs at a terminal, types `answer` at the question: the exit code, and all that was shown.
fn install(env: &TestEnv, answer: &[u8]) -> (i32, String) {
    let mut script = script(env, "install --fips --distroless");
    let mut child = script.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("[y/N/?]") {
        let mut chunk = [0; 4096];
        let read = stdout.read(&mut chunk).unwrap();
        assert!(read > 0, "no question: {}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&chunk[..read]);
    }
    stdin.write_all(answer).unwrap();
    stdout.read_to_end(&mut shown).unwrap();
    drop(stdin);
    let text = String::from_utf8_lossy(&shown).into_owned();
    (env.finish(child).code(), text)
}

#[test]
fn yes_installs() {
    for yes in [b"y\n".as_slice(), b"yes\n", b"Y\n"] {
        let (_api, env) = cluster::installs(TAG);
        let (code, text) = install(&env, yes);
        assert_eq!(code, 0, "{text}");
        assert_eq!(env.calls("install").len(), 1, "{text}");
        assert!(
            text.contains(&format!(
                "Install {TAG} as revision default in istio-system on context test?"
            )),
            "{text}"
        );
    }
}

#[test]
fn question_mark_shows_what_may_be_answered_and_asks_again() {
    let (_api, env) = cluster::installs(TAG);
    let (code, text) = install(&env, b"?\ny\n");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("y  do what the plan above says"), "{text}");
    assert!(text.contains("--dry-run"), "{text}");
    assert_eq!(text.matches("[y/N/?]").count(), 2, "{text}");
    let (api, env) = cluster::installs(TAG);
    let (code, text) = install(&env, b"?\n\n");
    assert_eq!(code, 130, "{text}");
    assert!(api.changes().is_empty());
}

#[test]
fn anything_else_declines() {
    for no in [b"n\n".as_slice(), b"\n", b"yeah\n", b"\x04"] {
        let (api, env) = cluster::installs(TAG);
        let (code, text) = install(&env, no);
        assert_eq!(code, 130, "{text}");
        assert!(text.contains("nothing was changed"), "{text}");
        assert!(env.calls("install").is_empty() && api.changes().is_empty());
    }
}

#[test]
fn an_interrupt_at_the_question_changes_nothing() {
    let (api, env) = cluster::installs(TAG);
    let (code, text) = install(&env, b"\x03");
    assert_eq!(code, 130, "{text}");
    assert!(env.calls("install").is_empty() && api.changes().is_empty());
}

#[test]
fn the_live_line_shows_no_key() {
    let (_api, env) = cluster::installs(TAG);
    let said = "- Processing resources for 0a1b2c3d4e5f.\n";
    env.script(json!({"install": [{"stderr": said, "end": {"exit": 1}}]}));
    let line = "install -y --fips --distroless --repo-key 0a1b2c3d4e5f";
    let output = env.finish(script(&env, line).spawn().unwrap());
    let shown = output.to_string();
    assert!(shown.contains("Processing resources for ****"), "{shown}");
    assert!(!shown.contains("0a1b2c3d4e5f"), "{shown}");
}

#[test]
fn tables_and_pages_fit_the_terminal_and_a_pipe_gets_all_of_them() {
    let mut env = TestEnv::new();
    env.var("COLUMNS", "60");
    for line in ["matrix kubernetes", "explain proven"] {
        let shown = env.finish(script(&env, line).spawn().unwrap()).success();
        let longest = |text: &str| text.lines().map(|line| line.chars().count()).max();
        assert!(longest(&shown) <= Some(60), "{shown}");
        let piped = env.line(line).success();
        assert!(longest(&piped) > Some(100), "{piped}");
    }
}
