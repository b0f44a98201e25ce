//! `check --manifest` as the gate of a pull request: no istioctl, no cluster, several files and directories.

use serde_json::Value;

use crate::env::TestEnv;
use crate::fake_registry::{Reply, Server};

const RIGHT: &str = "apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata:
  name: istio
spec:
  hub: us-docker.pkg.dev/soloio-img/istio
  tag: 1.30.5-solo
";

/// An environment with neither istioctl nor cluster.
fn gate() -> TestEnv {
    let env = TestEnv::new();
    env.without_istioctl();
    env
}

fn status<'a>(report: &'a Value, id: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id).unwrap();
    check["status"].as_str().unwrap()
}

fn json(env: &TestEnv, line: &str, code: i32) -> Value {
    let output = env.line(line);
    assert_eq!(output.code(), code, "{output}");
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn manifest_is_judged_without_istioctl() {
    let env = gate();
    env.file("a.yaml", RIGHT);
    let report = json(&env, "check --manifest a.yaml -o json", 0);
    assert_eq!(status(&report, "istioctl-version"), "not-checked");
    assert_eq!(status(&report, "istioctl-issues"), "not-checked");
    assert_eq!(status(&report, "build-known"), "passed");
    // An istioctl that the user names must be there.
    let output = env.line("check --manifest a.yaml --istioctl /nowhere/istioctl");
    assert_eq!(output.code(), 79, "{output}");
}

#[test]
fn istioctl_of_another_minor_does_not_judge_a_manifest() {
    let env = TestEnv::new();
    env.file("a.yaml", RIGHT);
    let report = json(&env, "check --manifest a.yaml -o json", 0);
    assert_eq!(status(&report, "istioctl-version"), "not-checked");
}

#[test]
fn directory_is_searched_and_each_finding_names_its_file() {
    let env = gate();
    let work = env.work();
    std::fs::create_dir_all(work.join("clusters/b")).unwrap();
    std::fs::create_dir_all(work.join("clusters/.git")).unwrap();
    env.file("clusters/a.yaml", RIGHT);
    let wrong = RIGHT.replace("us-docker.pkg.dev/soloio-img/istio", "docker.io/istio");
    let namespace = "kind: Namespace\napiVersion: v1\nmetadata: {name: istio-system}\n---\n";
    env.file("clusters/b/b.yaml", format!("{namespace}{wrong}"));
    env.file("clusters/service.yaml", "kind: Service\napiVersion: v1\n");
    env.file(
        "clusters/.git/c.yaml",
        RIGHT.replace("1.30.5-solo", "nonsense tag"),
    );
    let report = json(&env, "check --manifest clusters -o json", 79);
    assert_eq!(status(&report, "hub"), "failed");
    let checks = report["checks"].as_array().unwrap();
    let hub = checks.iter().find(|check| check["id"] == "hub").unwrap();
    assert_eq!(hub["findings"].as_array().unwrap().len(), 1, "{hub:#}");
    assert_eq!(hub["findings"][0]["file"], "clusters/b/b.yaml", "{hub:#}");
    let notes = report["expected"]["notes"].to_string();
    assert!(
        notes.contains("clusters/a.yaml: 1.30.5-solo from us-docker.pkg.dev"),
        "{notes}"
    );
}

#[test]
fn several_files_are_judged_each_for_itself() {
    let env = gate();
    env.file("a.yaml", RIGHT);
    // A tag that is not a version leaves nothing to plan: the file cannot be used, which is not a finding.
    env.file("b.yaml", RIGHT.replace("1.30.5-solo", "nonsense tag"));
    env.file(
        "c.yaml",
        RIGHT.replace("us-docker.pkg.dev/soloio-img/istio", "docker.io/istio"),
    );
    let output = env.line("check --manifest a.yaml c.yaml -o json");
    assert_eq!(output.code(), 79, "{output}");
    let output = env.line("check --manifest a.yaml b.yaml c.yaml -o json");
    assert_eq!(output.code(), 65, "{output}");
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        status(&report, "hub"),
        "failed",
        "the others are judged all the same"
    );
    assert!(output.stderr.contains("b.yaml"), "{output}");
}

#[test]
fn directory_without_an_istio_operator_is_refused() {
    let env = gate();
    std::fs::create_dir(env.work().join("empty")).unwrap();
    let output = env.line("check --manifest empty");
    assert_eq!(output.code(), 65, "{output}");
    assert!(
        output
            .stderr
            .contains("no file below `empty` has an IstioOperator in it"),
        "{output}"
    );
}

#[test]
fn mirror_is_asked_for_its_tags_where_the_build_is_not_known() {
    let mut env = gate();
    env.var("GLOOISTIO_NO_REGISTRY", "0");
    let server = Server::new();
    let page = |tags: &str| {
        Reply::ok(
            "application/json",
            format!("{{\"tags\":[{tags}]}}").as_bytes(),
        )
    };
    server.put(
        "istio/pilot/tags/list?n=1000",
        page("\"1.99.0-solo\",\"latest\"").header("link", "</next>; rel=\"next\""),
    );
    server.put(
        "istio/pilot/tags/list?n=1000&last=latest",
        page("\"1.99.3-solo\""),
    );
    let hub = format!("{}/istio", server.host);
    let line = format!("check --hub {hub} --istio 1.99.7-solo -o json");
    let output = env.line(&line);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let known = checks
        .iter()
        .find(|check| check["id"] == "build-known")
        .unwrap();
    let finding = &known["findings"][0];
    assert_eq!(
        finding["found"], "127.0.0.1:PORT/istio/pilot has 1.99.3-solo, 1.99.0-solo",
        "{known:#}"
    );
    assert_eq!(finding["fix"], "use --istio 1.99.3-solo");
    // A build that the data knows is not asked for.
    let asked = server.asked().len();
    let output = env.line(&format!("check --hub {hub} --istio 1.30.5-solo -o json"));
    assert!(output.stdout.contains("build-known"), "{output}");
    let later = server.asked().into_iter().skip(asked);
    assert!(later.into_iter().all(|it| !it.path.contains("tags/list")));
}
