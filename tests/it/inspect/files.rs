//! Single programs, and what is none.

use super::image::{elf, go_program};
use crate::env::{CommandOutput, TestEnv};

/// A build that is called FIPS, and has no module.
fn labelled() -> Vec<u8> {
    go_program("go1.24.3 X:boringcrypto", "build\tCGO_ENABLED=1\n")
}

fn plain() -> Vec<u8> {
    go_program("go1.24.3", "build\tCGO_ENABLED=0\n")
}

/// Runs `inspect -o short` on a file of that content.
fn short(content: &[u8]) -> CommandOutput {
    let env = TestEnv::new();
    env.file("program", content);
    env.line("inspect -o short program")
}

#[test]
fn what_is_no_program_is_unknown_and_refused() {
    let env = TestEnv::new();
    let noise: Vec<u8> = (0_u32..5000)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    for (content, why) in [
        (&b""[..], "the file is empty"),
        (b"#!/bin/sh\necho X:boringcrypto\n", "a script for /bin/sh"),
        (&noise, "no program"),
        (&plain()[..100], "damaged"),
    ] {
        env.file("program", content);
        let output = env.line("inspect program");
        assert_eq!(output.code(), 79, "{why}: {output}");
        assert!(
            output.stdout.contains("program: unknown"),
            "{why}: {output}"
        );
        assert!(output.stdout.contains(why), "{why}: {output}");
    }
}

#[test]
fn our_own_program_knows_every_marker_and_is_no_fips_build() {
    let env = TestEnv::new();
    let output = env.run(&["inspect", "-o", "short", env!("CARGO_BIN_EXE_glooistio")]);
    let line = output.success();
    assert!(line.starts_with("standard: "), "{line}");
}

#[test]
fn a_label_alone_is_a_declaration() {
    insta::assert_snapshot!(short(&labelled()), @r"
        --- stdout
        declared BoringCrypto: arm64 program
        --- exit 0
        ");
    insta::assert_snapshot!(short(&plain()), @r"
        --- stdout
        standard: arm64 program
        --- exit 0
        ");
    insta::assert_snapshot!(short(&elf(b"hello")), @r"
        --- stdout
        standard: arm64 program
        --- exit 0
        ");
}

#[test]
fn each_step_is_explained() {
    let env = TestEnv::new();
    env.file("program", labelled());
    let output = env.line("inspect --explain --at 2026-11-23 program");
    insta::assert_snapshot!(output, @r"
        --- stdout
        ‼ program: declared
            module    BoringCrypto
            settings  CGO_ENABLED=1; not limited to approved algorithms by what is seen here
            program   Go 1.24.3
            sha256    fc10b46fc70d98c81e0b310549cde7a564390c722cb40de1e58811cbf1cd61f0
            because   only its build information (go1.24.3 X:boringcrypto) says BoringCrypto; the table of
                      its functions could not be read
            elsewhere goversion -crypto FILE: no symbol section
                      it gives no verdict, and still exits with 0
            elsewhere go version FILE: go1.24.3 X:boringcrypto
            chain     1. the file is sha256:fc10b46fc70d98c81e0b310549cde7a564390c722cb40de1e58811cbf1cd61f0
                      (program; recomputed)
                      2. file: ELF 64 bit without section headers arm64 of 247 bytes (headers; code)
                      3. Go build information: go1.24.3 X:boringcrypto (119 bytes at offset 0x80; label)
                      4. Go build setting: CGO_ENABLED=1 (119 bytes at offset 0x80; label)

        Status check results are ‼
        --- exit 0
        ");
}

#[test]
fn a_floor_or_a_policy_refuses_what_the_default_accepts() {
    let env = TestEnv::new();
    env.file("program", plain());
    for (flags, code, says) in [
        ("", 0, ""),
        ("--require declared", 79, "declared"),
        ("--require proven", 79, "proven"),
        (
            "--require fipsonly",
            79,
            "fipsonly is required, and it is standard",
        ),
        ("--policy 140-3-active", 79, "140-3"),
        ("--policy fedramp-2026", 79, "no certificate"),
        ("--policy any --at 2030-01-01", 0, ""),
    ] {
        let output = env.line(&format!("inspect program {flags}"));
        assert_eq!(output.code(), code, "{flags}: {output}");
        assert!(output.stdout.contains(says), "{flags}: {output}");
    }
    let report = env.line("inspect program -o json --policy 140-3-active --at 2030-01-01");
    let judgement = &report.json()["evidence"][0]["proof"]["judgement"];
    assert_eq!(judgement["policy"], "140-3-active");
    assert_eq!(judgement["at"], "2030-01-01");
    assert_eq!(judgement["accepted"], false);
}

#[test]
fn words_that_are_none_are_usage_errors() {
    let env = TestEnv::new();
    env.file("program", plain());
    for (flags, says) in [
        ("--at yesterday", "--at"),
        ("--at 2026-02-30", "--at"),
        ("--require certified", "declared"),
        ("--policy fips", "140-3-active"),
        ("--env GODEBUG", "NAME=VALUE"),
        ("--platform linux/", "linux/amd64"),
        ("--all --path /x", "--all"),
        ("--bogus", "--bogus"),
    ] {
        env.line(&format!("inspect program {flags}"))
            .fails(64, &[says]);
    }
    env.line("inspect").fails(64, &["TARGET"]);
}

#[test]
fn a_file_of_modules_is_read_and_named_or_refused_with_its_line() {
    let env = TestEnv::new();
    env.file("program", plain());
    env.file("broken.yaml", "modules:\n  - name: [\n");
    env.file("strange.yaml", "date: 2026-01-01\nwidgets: []\n");
    env.line("inspect program --modules broken.yaml")
        .fails(65, &["broken.yaml:2:", "modules[0].name"]);
    env.line("inspect program --modules strange.yaml")
        .fails(65, &["strange.yaml:2:", "widgets"]);
    env.line("inspect program --modules none.yaml")
        .fails(65, &["none.yaml"]);
}

#[test]
fn a_machine_gets_one_document() {
    let env = TestEnv::new();
    env.file("program", plain());
    let output = env.line("inspect -o json program");
    let report = output.json();
    assert_eq!(output.code(), 0, "{output}");
    assert_eq!(output.stderr, "");
    let evidence = &report["evidence"][0];
    assert_eq!(report["command"], "inspect");
    assert_eq!(evidence["module"], "standard");
    assert_eq!(evidence["arch"], "arm64");
    assert_eq!(evidence["proof"]["path"], "program");
    assert_eq!(
        evidence["proof"]["sha256"]
            .as_str()
            .map(|hex| format!("sha256:{hex}")),
        Some(crate::fake_registry::digest(&plain()))
    );
    let yaml = env.line("inspect -o yaml program");
    assert_eq!(yaml.documents(), [report]);
    let failed = env.line("inspect -o json missing");
    assert_eq!(failed.code(), 65, "{failed}");
    assert_eq!(failed.json()["error"]["exit"], 65);
}

#[test]
fn standard_input_is_a_program_too() {
    let env = TestEnv::new();
    let program = String::from_utf8_lossy(b"#!/bin/sh\n").into_owned();
    let output = env.run_with_stdin(&["inspect", "-"], &program);
    assert_eq!(output.code(), 79, "{output}");
    assert!(output.stdout.contains("a script for /bin/sh"), "{output}");
    let empty = env.run_with_stdin(&["inspect", "-o", "short", "-"], "");
    insta::assert_snapshot!(empty, @r#"
        --- stdout
        refused unknown: -: the file is empty
        --- exit 79
        "#);
}

#[test]
fn one_target_that_cannot_be_read_keeps_no_other_from_being_judged() {
    let env = TestEnv::new();
    env.file("program", plain());
    env.file("labelled", labelled());
    let output = env.line("inspect -o json ./missing nosuch h.io/No:1 oci: program labelled");
    assert_eq!(output.code(), 65, "{output}");
    let report = output.json();
    let modules: Vec<&str> = report["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["module"].as_str().unwrap())
        .collect();
    assert_eq!(modules, ["standard", "declared"]);
    let message = report["error"]["message"].as_str().unwrap();
    assert!(message.contains("4 of 6"), "{message}");
    let text = env.line("inspect ./none program");
    insta::assert_snapshot!(text, @r#"
        --- stdout
        - program: standard
            settings  CGO_ENABLED=0
            program   Go 1.24.3
            sha256    d19f3a2527a178834596b001539bbd7e94cf261ea6fbad2cc96a80e2a252a6a1
            because   nothing in it says FIPS; the table of its functions could not be read
            elsewhere goversion -crypto FILE: no symbol section
            elsewhere go version FILE: go1.24.3

        × error: 1 of 2 could not be read: `./none` does not exist: check the path, or give `-` to read
          standard input

        Status check results are ×
        --- exit 65
        "#);
}

#[test]
fn settings_of_the_container_are_judged_against_the_program() {
    let env = TestEnv::new();
    env.file("program", plain());
    let output = env.line("inspect -o json program --env GODEBUG=fips140=on");
    let configuration = output.json()["evidence"][0]["configuration"].to_string();
    assert!(configuration.contains("fips140"), "{output}");
}

#[test]
fn images_are_not_inspected_without_a_registry() {
    let mut env = TestEnv::new();
    for line in ["check --inspect-images", "install -y --inspect-images"] {
        env.line(line)
            .fails(64, &["--inspect-images", "GLOOISTIO_NO_REGISTRY"]);
    }
    env.var("GLOOISTIO_NO_REGISTRY", "0");
    env.line("install -y --inspect-images").fails(69, &[]);
}
