//! README says what the program does: its tables come from the code, its commands run.

use glooistio::exit::Exit;

use crate::env::{TestEnv, root};

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// What stands between `<!-- NAME -->` and `<!-- end of NAME -->`.
#[track_caller]
fn between(text: &str, name: &str) -> String {
    let (_, rest) = text
        .split_once(&format!("<!-- {name} -->\n"))
        .unwrap_or_else(|| panic!("README.md has no `<!-- {name} -->`"));
    let (inner, _) = rest
        .split_once(&format!("<!-- end of {name} -->"))
        .unwrap_or_else(|| panic!("README.md has no `<!-- end of {name} -->`"));
    inner.to_owned()
}

#[test]
fn the_table_of_exit_codes_is_that_of_the_code() {
    let rows: String = Exit::TABLE
        .iter()
        .map(|(exit, meaning)| format!("| {} | {meaning} |\n", exit.code()))
        .collect();
    let table = format!(
        "| code | means |\n|---|---|\n{rows}| other | what istioctl ended with; 128 + N when signal N killed it |\n"
    );
    assert_eq!(between(&readme(), "exit codes"), table);
}

#[test]
fn the_table_of_commands_is_that_of_the_help() {
    let help = TestEnv::new().line("--help").success();
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.trim().split_once(' '))
        .map(|(name, about)| format!("| `{name}` | {} |\n", about.trim()));
    let table = format!("| command | does |\n|---|---|\n{}", commands.collect::<String>());
    assert_eq!(between(&readme(), "commands"), table);
}

#[test]
fn the_blocks_run() {
    let env = TestEnv::new();
    let (bin, home) = (env.work().join("../bin"), env.work().join("../home"));
    trycmd::TestCases::new()
        .register_bin("glooistio", std::path::Path::new(env!("CARGO_BIN_EXE_glooistio")))
        .env("PATH", bin.display().to_string())
        .env("HOME", home.display().to_string())
        .env("KUBECONFIG", "/nowhere")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .case(root().join("README.md"));
}
