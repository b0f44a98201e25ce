//! What may not be seen is not printed, and reaches no other program.

use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use serde_json::json;

use crate::cluster;
use crate::env::{CommandOutput, TestEnv};
use crate::fake_registry::{Reply, Server};

const KEY: &str = "0123456789ab";

const HUB: &str = "us-docker.pkg.dev/gloo-mesh/istio-0123456789ab";

/// Command lines of `render`, each with a mistake.
const LINES: &[&str] = &[
    "--hub HUB:1.28.0",
    "--hub=HUB:1.28.0",
    "--hub HUB/",
    "--hub https://HUB",
    "--hub HUB@sha256:00",
    "--hub HUB//x",
    "--hub 'HUB",
    "--hub https:%2F%2Fus-docker.pkg.dev%2Fgloo-mesh%2Fistio-0123456789ab",
    "--hub us-docker.pkg.dev/gloo-mesh/istio-oddkey:1.28.0",
    "--set values.global.hub=HUB:1.28.0",
    "--set values.global.hub=HUB/ --set hub=HUB:1",
    "--set hub=HUB:x",
    "--set HUB",
    "--set HUB=x",
    "--set values.HUB[=1",
    "--param HUB",
    "--istio HUB",
    "--istio HUB:1.28.0",
    "--preset HUB",
    "--template HUB",
    "--platform HUB --bogus HUB",
    "--repo-key HUB",
    "--repo-key 0123456789ab --bogus 0123456789ab",
    "--repo-key 0123456789AB",
    "--bogus=HUB",
    "HUB",
    "-f HUB",
    "-r HUB",
    "--skip HUB",
    "--severity HUB",
    "--matrix HUB",
];

#[track_caller]
fn hides(output: &CommandOutput, secret: &str, what: &str) {
    assert!(!output.stdout.contains(secret), "{what}: {output}");
    assert!(!output.stderr.contains(secret), "{what}: {output}");
    assert_ne!(output.code(), 0, "{what}: {output}");
}

#[test]
fn no_error_repeats_the_key_of_a_hub() {
    let env = TestEnv::new();
    let overlay = |text: &str| {
        let spec = text.replace("HUB", HUB);
        env.file(
            "o.yaml",
            format!("apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n{spec}\n"),
        );
    };
    for line in LINES {
        for format in ["", " -o json"] {
            let line = format!("render {line}{format}").replace("HUB", HUB);
            let output = env.line(&line);
            hides(&output, KEY, &line);
            hides(&output, "oddkey", &line);
        }
    }
    for spec in [
        "spec: {hub: 'HUB:1.28.0'}",
        "spec: {hub: 'HUB/'}",
        "spec: {values: {global: {hub: 'HUB:1'}}}",
        "spec: {tag: 'HUB'}",
        "spec: {HUB: 1}",
        "spec: {hub: 'HUB', hub: 'HUB'}",
        "spec: {components: {pilot: {hub: 'HUB:1'}}}",
        "spec: [HUB",
    ] {
        overlay(spec);
        for format in ["", " -o json"] {
            let output = env.line(&format!("render -f o.yaml{format}"));
            if output.code() != 0 {
                hides(&output, KEY, spec);
            }
            assert!(!output.stderr.contains(KEY), "{spec}: {output}");
        }
    }
}

#[test]
fn the_key_reaches_the_manifest_and_no_other_program() {
    let (_api, mut env) = cluster::installs("1.28.3-patch0-solo");
    env.script(json!({"is": "1.28.3"}));
    env.var("GLOOISTIO_REPO_KEY", KEY);
    let output = env.line("install -y --no-verify --istio 1.28.3-patch0-solo -o json");
    assert_eq!(output.code(), 0, "{output}");
    let mut report = output.json();
    for document in report["documents"].as_array_mut().unwrap() {
        assert!(document["yaml"].as_str().unwrap().contains(KEY));
        document["yaml"] = json!("");
    }
    assert!(!report.to_string().contains(KEY), "{report}");
    assert!(!output.stderr.contains(KEY), "{output}");
    let call = &env.calls("install")[0];
    assert!(call.stdin.as_ref().unwrap().contains(KEY));
    // The fake writes down the names.
    assert!(!call.env.contains(&"GLOOISTIO_REPO_KEY".to_owned()));
    assert!(!call.argv.join("\n").contains(KEY), "{:?}", call.argv);
    env.line("proxy-status").success();
    let call = &env.calls("proxy-status")[0];
    assert!(!call.env.contains(&"GLOOISTIO_REPO_KEY".to_owned()));
}

/// A registry that wants a password and repeats what it is given, in many forms.
fn echoing() -> Server {
    Server::answering(|asked| {
        let given = asked.header("authorization");
        if given.is_empty() {
            return Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\"");
        }
        let pair = given.trim_start_matches("Basic ");
        let pair = base64::engine::general_purpose::STANDARD.decode(pair);
        let pair = String::from_utf8(pair.unwrap()).unwrap();
        let (_, password) = pair.split_once(':').unwrap();
        let encoded: Vec<String> = password
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        let encoded = encoded.concat();
        let message = format!(
            "{given} is wrong: {pair} {encoded} https://{pair}@h/?x={password} {}{password}",
            "x".repeat(60)
        );
        let error = json!({"errors": [{"code": "DENIED", "message": message}]});
        Reply::new(403, error.to_string())
    })
}

#[test]
fn a_registry_that_repeats_a_password_does_not_make_us_print_it() {
    for password in ["hunter2-secret", "pw", "p\"w'd \\ %41", "päss/wörd+="] {
        let server = echoing();
        let mut env = TestEnv::new();
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("bob:{password}"));
        let config = json!({"auths": {server.host.as_str(): {"auth": auth}}});
        env.file("config.json", config.to_string());
        let dir = env.work().display().to_string();
        env.var("DOCKER_CONFIG", &dir);
        for format in ["text", "json", "short"] {
            let output = env.line(&format!(
                "inspect -o {format} {}/istio/pilot:1",
                server.host
            ));
            assert_eq!(output.code(), 65, "{output}");
            let said = format!("{}{}", output.stdout, output.stderr);
            assert!(said.contains("refuses"), "{output}");
            for secret in [password, &auth, &password.replace('"', "\\\"")] {
                let shown = said.replace("config.json", "");
                let word = shown
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|it| it == secret);
                assert!(!word, "{secret}: {output}");
                assert!(
                    secret.len() < 6 || !shown.contains(secret),
                    "{secret}: {output}"
                );
            }
        }
    }
}

#[test]
fn a_credential_program_gets_no_key_and_what_it_prints_is_not_repeated() {
    let server = echoing();
    let mut env = TestEnv::new();
    let config = json!({"credHelpers": {server.host.as_str(): "fake"}});
    env.file("config.json", config.to_string());
    let dir = env.work().display().to_string();
    env.var("DOCKER_CONFIG", &dir);
    env.var("PATH", &format!("{dir}:/usr/bin:/bin"));
    env.var("GLOOISTIO_REPO_KEY", KEY);
    let script = format!(
        "#!/bin/sh\nenv > {dir}/seen\necho 'cannot unlock with hunter2' >&2\necho 'hunter2'\nexit 1\n"
    );
    let path = env.file("docker-credential-fake", script);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = env.line(&format!("inspect {}/istio/pilot:1", server.host));
    hides(&output, "hunter2", "failing program");
    let seen = std::fs::read_to_string(env.work().join("seen")).unwrap();
    assert!(seen.contains("PATH=") && !seen.contains(KEY), "{seen}");
}

#[test]
fn programs_of_a_kubeconfig_get_no_key() {
    for (name, user) in [
        (
            "plugin",
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: PROGRAM, interactiveMode: Never}",
        ),
        (
            "provider",
            "auth-provider: {name: gcp, config: {cmd-path: PROGRAM, cmd-args: token, cmd-drop-env: NONE, token-key: '{.token}', expiry-key: '{.expiry}'}}",
        ),
    ] {
        let api = cluster::installs("1.31.0-solo").0;
        let mut env = TestEnv::with(&api);
        env.var("GLOOISTIO_REPO_KEY", KEY);
        let dir = env.work().display().to_string();
        let program = env.file(
            "credentials",
            format!("#!/bin/sh\n/usr/bin/env > {dir}/seen\nexit 1\n"),
        );
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let user = user.replace("PROGRAM", &program.display().to_string());
        let mut kubeconfig: serde_json::Value = serde_yaml::from_str(&api.kubeconfig()).unwrap();
        kubeconfig["users"][0]["user"] = serde_yaml::from_str(&format!("{{{user}}}")).unwrap();
        env.kubeconfig(&kubeconfig.to_string());
        let output = env.line("verify");
        assert_ne!(output.code(), 0, "{name}: {output}");
        let seen = std::fs::read_to_string(env.work().join("seen")).unwrap_or_default();
        assert!(
            seen.contains("PATH=") && !seen.contains(KEY),
            "{name}: {seen}\n{output}"
        );
    }
}
