//! Files and surroundings that somebody else made: bounded in time and memory, and never trusted.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::env::TestEnv;

fn render(env: &TestEnv, flag: &str, text: &str) -> crate::env::CommandOutput {
    let file = env.file("hostile", text);
    env.run(&["render", "--istio", "1.30", flag, file.to_str().unwrap()])
}

#[test]
fn templates_that_never_end_or_explode_are_refused() {
    let doubled: Vec<String> = (0..26)
        .map(|at| {
            let next = at + 1;
            format!("{{{{#*inline \"p{at}\"}}}}{{{{> p{next}}}}}{{{{> p{next}}}}}{{{{/inline}}}}")
        })
        .collect();
    let doubled = doubled.concat() + "{{#*inline \"p26\"}}{{/inline}}{{> p0}}";
    for (text, says) in [
        (
            r#"{{#*inline "a"}}{{> b}}{{/inline}}{{#*inline "b"}}{{> a}}{{/inline}}{{> a}}"#,
            "includes itself",
        ),
        (doubled.as_str(), "more than 64 MiB"),
        (r#"{{> (lookup this "hub")}}"#, "computed"),
        (&"{{#if hub}}".repeat(900), "invalid handlebars syntax"),
        (&"{{#if hub}}".repeat(100_000), "more than 64 KiB"),
    ] {
        render(&TestEnv::new(), "--template", text).fails(65, &["template", says]);
    }
}

#[test]
fn overlays_are_bounded_by_bytes_values_and_documents() {
    let head = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n";
    let long = "x".repeat(200_000);
    let aliases = "*a,".repeat(60_000);
    for (text, says) in [
        (
            format!("{head}spec:\n  values:\n    a: &a {long}\n    b: [{aliases}]\n"),
            "more than 16 MiB",
        ),
        ("---\n".repeat(2000), "more than 1000 documents"),
        (
            format!("{head}spec: {{values: {{a: {}}}}}", "[".repeat(200)),
            "nested",
        ),
        (
            format!("[{}]", "a,".repeat(1_000_000)),
            "commas and brackets",
        ),
        (
            format!("{head}metadata:\n  <<: {{name: ../../x}}\n"),
            "is not a name that Kubernetes accepts",
        ),
    ] {
        render(&TestEnv::new(), "-f", &text).fails(65, &["$DIR/work/hostile:", says]);
    }
}

#[test]
fn a_program_in_the_current_directory_is_not_run() {
    let mut env = TestEnv::new();
    env.without_istioctl();
    let program = env.file("istioctl", "#!/bin/sh\necho pwned\n");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    for path in ["", ":/nonexistent", ".", "/nonexistent:.", "/nonexistent:"] {
        env.var("PATH", path);
        let output = env.run(&["proxy-status"]);
        output.fails(69, &["istioctl", "--istioctl PATH"]);
        assert!(!output.stdout.contains("pwned"), "{path}: {output}");
    }
    let output = env.run(&["--istioctl", "./istioctl", "proxy-status"]);
    assert!(output.stdout.contains("pwned"), "{output}");
}

#[test]
fn an_empty_variable_is_unset() {
    let mut env = TestEnv::new();
    for name in [
        "GLOOISTIO_ISTIOCTL",
        "GLOOISTIO_REPO_KEY",
        "GLOOISTIO_NO_REGISTRY",
    ] {
        env.var(name, "");
    }
    assert_eq!(env.run(&["render"]).code(), 0);
    let checked = env.run(&["check"]);
    assert!(![64, 65].contains(&checked.code()), "{checked}");
}

#[test]
fn documents_are_written_for_the_user_alone_and_through_no_link() {
    let env = TestEnv::new();
    let victim = env.file("victim", "kept");
    let dir = victim.with_file_name("out");
    std::fs::create_dir(&dir).unwrap();
    let target = dir.join("01-glooistio.yaml");
    symlink(&victim, &target).unwrap();
    let line = ["render", "--istio", "1.30", "-O", dir.to_str().unwrap()];
    assert_eq!(env.run(&line).code(), 0);
    let meta = target.symlink_metadata().unwrap();
    assert!(meta.is_file());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "kept");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
    std::fs::remove_file(&target).unwrap();
    std::fs::create_dir(&target).unwrap();
    env.run(&line).fails(74, &["is a directory"]);
}
