//! Every word that is not ours is istioctl's, with its streams and its exit code.

use std::time::Duration;

use serde_json::json;

use crate::env::TestEnv;

#[test]
fn words_and_flags_arrive_as_they_were_typed() {
    for line in [
        "version --remote=false",
        "proxy-status",
        "--context c proxy-status -o json",
        "manifest generate --set tag=x",
        "-n bookinfo analyze -A",
        "x precheck",
        "uninstall --purge -y",
        "tag set prod --revision 1-31-0",
    ] {
        let mut env = TestEnv::new();
        env.var("KUBECONFIG", "/of/the/user");
        let output = env.line(line);
        assert_eq!(output.code(), 0, "{line}: {output}");
        let word = line
            .split(' ')
            .find(|word| env.calls(word).len() == 1)
            .expect("istioctl was called");
        let argv: Vec<&str> = line.split(' ').collect();
        assert_eq!(env.calls(word)[0].argv, argv);
        assert!(env.calls(word)[0].env.contains(&"KUBECONFIG".to_owned()));
    }
}

#[test]
fn streams_and_exit_code_are_kept() {
    let env = TestEnv::new();
    env.script(json!({"analyze": [{"stdout": "to stdout\n", "stderr": "to stderr\n", "end": {"exit": 79}}]}));
    let output = env.line("analyze");
    insta::assert_snapshot!(output, @r"
    --- stdout
    to stdout
    --- stderr
    to stderr
    --- exit 79
    ");
}

#[test]
fn bytes_pass_as_they_are() {
    let env = TestEnv::new();
    env.script(json!({"analyze": [{"bytes": [255, 0, 13, 10]}]}));
    let output = env.command(&["analyze"]).output().unwrap();
    assert_eq!(output.stdout, [255, 0, 13, 10]);
}

#[test]
fn an_unknown_word_is_refused_by_istioctl_itself() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.line("bogus"), @r#"
    --- stderr
    Error: unknown command "bogus" for "istioctl"
    Run 'istioctl --help' for usage.
    --- exit 64
    "#);
}

#[test]
fn a_signal_that_kills_istioctl_is_128_and_its_number() {
    for (signal, code) in [(9, 137), (11, 139), (15, 143)] {
        let env = TestEnv::new();
        env.script(json!({"analyze": [{"end": {"signal": signal}}]}));
        assert_eq!(env.line("analyze").code(), code);
    }
}

#[test]
fn a_signal_to_us_reaches_istioctl() {
    for (signal, number) in [
        (rustix::process::Signal::INT, "2"),
        (rustix::process::Signal::TERM, "15"),
    ] {
        let env = TestEnv::new();
        env.script(json!({"analyze": [{"end": {"catch": 7}}]}));
        let ready = env.listen();
        let child = env.command(&["analyze"]).spawn().unwrap();
        ready.wait();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(env.finish(child).code(), 7);
        assert_eq!(env.signal("analyze", 1).as_deref(), Some(number));
    }
}

#[test]
fn without_an_istioctl_the_error_says_what_to_do() {
    let env = TestEnv::new();
    env.without_istioctl();
    env.line("proxy-status")
        .fails(69, &["istioctl", "--istioctl PATH"]);
}

#[test]
fn the_client_may_be_named_before_the_word() {
    let env = TestEnv::new();
    env.without_istioctl();
    let fake = env!("CARGO_BIN_EXE_fake-istioctl");
    let output = env.run(&["--istioctl", fake, "proxy-status"]);
    assert_eq!(output.code(), 0, "{output}");
    assert_eq!(env.calls("proxy-status")[0].argv, ["proxy-status"]);
}

#[test]
fn the_client_of_the_environment_gets_the_words_too() {
    let mut env = TestEnv::new();
    env.without_istioctl();
    env.var("GLOOISTIO_ISTIOCTL", env!("CARGO_BIN_EXE_fake-istioctl"));
    assert_eq!(env.line("proxy-status").code(), 0);
    assert_eq!(env.calls("proxy-status")[0].argv, ["proxy-status"]);
}

/// Puts something else in the place of the fake istioctl.
fn instead(env: &TestEnv) -> std::path::PathBuf {
    env.without_istioctl();
    env.log().parent().unwrap().join("bin/istioctl")
}

#[test]
fn an_istioctl_that_is_a_link_to_us_is_refused() {
    let env = TestEnv::new();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_glooistio"), instead(&env)).unwrap();
    for line in ["proxy-status", "install -y"] {
        env.line(line).fails(69, &["is this very program"]);
    }
}

#[test]
fn an_istioctl_that_leads_back_to_us_is_run_once() {
    let env = TestEnv::new();
    let wrapper = instead(&env);
    let script = format!(
        "#!/bin/sh\necho called >&2\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_glooistio")
    );
    std::fs::write(&wrapper, script).unwrap();
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&wrapper, all).unwrap();
    let output = env.line("proxy-status");
    output.fails(69, &["leads back to glooistio", "--istioctl PATH"]);
    assert_eq!(output.stderr.matches("called").count(), 1, "{output}");
}

#[test]
fn a_mistyped_command_of_ours_names_what_was_meant() {
    let env = TestEnv::new();
    insta::assert_snapshot!(env.line("inpsect pilot-discovery"), @r"
    --- stderr
    error: no such command: `inpsect`
      hint: did you mean `glooistio inspect`?
    --- exit 64
    ");
    let output = env.line("verfy -o json");
    output.fails(64, &["glooistio verify"]);
    assert_eq!(output.json()["error"]["exit"], 64);
    assert!(env.calls("inpsect").is_empty() && env.calls("verfy").is_empty());
}

#[test]
fn it_costs_no_more_than_starting_a_program() {
    let env = TestEnv::new();
    let begun = std::time::Instant::now();
    assert_eq!(env.line("proxy-status").code(), 0);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "it waits for something"
    );
}

#[test]
fn version_names_glooistio_and_the_client_to_a_person_only() {
    let env = TestEnv::new();
    let output = env.line("version --remote=false");
    assert!(
        output.stderr.starts_with(concat!(
            "glooistio ",
            env!("CARGO_PKG_VERSION"),
            " (data of 20"
        )),
        "{output}"
    );
    assert!(
        output.stderr.contains("istioctl: ") && output.stderr.contains("bin/istioctl"),
        "{output}"
    );
    for line in [
        "version -o json",
        "version --output=yaml",
        "version --short",
        "proxy-status",
    ] {
        let output = env.line(line);
        assert!(!output.stderr.contains("data of"), "{line}: {output}");
    }
    env.without_istioctl();
    let output = env.line("version");
    assert_eq!(output.code(), 69, "{output}");
    assert!(output.stderr.starts_with("glooistio "), "{output}");
}

#[test]
fn locale_without_the_marks_gets_ascii_only() {
    let mut env = TestEnv::new();
    let text = env.line("matrix gloo-mesh").success();
    assert!(!text.is_ascii(), "the title has a sign of its own");
    env.var("LC_ALL", "C");
    for line in ["matrix", "explain"] {
        let text = env.line(line).success();
        assert!(text.is_ascii() && !text.contains('?'), "{line}");
    }
}
