//! Suggested commands act on the cluster of their run, and each level of detail shows what it says.

use serde_json::{Value, json};

use crate::api::Api;
use crate::cluster::{self, HUB};
use crate::env::TestEnv;

const TAG: &str = "1.31.0-solo-fips-distroless";

/// A mesh of another flavour than that which is expected, and a namespace with both labels.
fn broken() -> (Api, TestEnv) {
    let api = Api::new();
    let env = TestEnv::with(&api);
    for object in cluster::mesh(HUB, "1.31.0-solo") {
        api.add(object);
    }
    let mut pod = cluster::pod("web", "istio-proxy", &format!("{HUB}/proxyv2:1.30.0-solo"));
    pod["metadata"]["namespace"] = json!("shop");
    pod["metadata"]["annotations"] =
        json!({"sidecar.istio.io/status": "{}", "istio.io/rev": "default"});
    api.add(pod);
    let labels = json!({"istio-injection": "enabled", "istio.io/rev": "canary"});
    api.add(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "shop", "labels": labels}}));
    cluster::says(&api, false);
    cluster::injects(&api, "1.31.0-solo");
    (api, env)
}

/// Every command that a report suggests.
fn commands(report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(report, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(command) if name == "command" => found.push(command.clone()),
                    field => collect(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// The programs of a command line with their arguments.
fn parts(command: &str) -> Vec<&str> {
    command
        .split([';', '|'])
        .flat_map(|part| part.split("&&"))
        .collect()
}

#[test]
fn every_suggested_command_keeps_the_cluster_of_the_run() {
    let (_api, env) = broken();
    let kubeconfig = env.work().join("../kubeconfig").display().to_string();
    let asking = format!(
        "--kubeconfig {kubeconfig} --context test --as jo --as-group dev --as-group ops -i istio-system"
    );
    for line in ["verify", "verify --istio 1.31.0 --fips", "check"] {
        let output = env.line(&format!("{line} -o json {asking}"));
        let mut report = output.json();
        let label = report["command"].take();
        let all = commands(&report);
        let of_cluster: Vec<&str> = all
            .iter()
            .flat_map(|command| parts(command))
            .map(str::trim)
            .filter(|part| {
                !part.starts_with("glooistio explain") && !part.starts_with("glooistio matrix")
            })
            .filter(|part| !part.starts_with("glooistio inspect") && !part.contains("--print-rbac"))
            .collect();
        assert!(line == "check" || of_cluster.len() > 2, "{label}: {all:?}");
        for part in of_cluster {
            for flag in [
                "--kubeconfig ",
                "--context test",
                "--as jo",
                "--as-group dev",
                "--as-group ops",
            ] {
                assert_eq!(part.matches(flag).count(), 1, "{flag}: {part}");
            }
            assert_eq!(
                part.starts_with("kubectl"),
                !part.contains("-i istio-system"),
                "{part}"
            );
        }
    }
}

#[test]
fn hints_of_failures_keep_the_cluster_of_the_run_too() {
    let api = Api::new();
    let env = TestEnv::with(&api);
    let output = env.line("upgrade -y --context test");
    output.fails(69, &["install one: glooistio install --context test"]);
    api.refuse("GET", "/apis/apps/v1/", 403, "no");
    let output = env.line("verify --context test -o json");
    let hints = output.json()["error"]["hints"].to_string();
    assert!(
        hints.contains("kubectl auth can-i --list --context test"),
        "{output}"
    );
}

#[test]
fn a_namespace_with_both_labels_is_found_with_one_command_that_moves_it() {
    let (_api, env) = broken();
    let output = env.line("verify");
    assert_eq!(output.code(), 79, "{output}");
    for said in [
        "namespace shop: the label istio.io/rev=canary has no effect",
        "kubectl label namespace shop istio-injection- istio.io/rev=canary --overwrite && kubectl rollout restart deployment,statefulset,daemonset -n shop",
    ] {
        assert!(output.stdout.contains(said), "{said}: {output}");
    }
}

#[test]
fn levels_of_detail_exclude_each_other_on_every_command() {
    let env = TestEnv::new();
    let file = env.file("x", "x");
    for line in ["render", "check", "install -y", "upgrade -y", "verify"] {
        env.line(&format!("{line} -q -v"))
            .fails(64, &["cannot be used with"]);
    }
    env.line(&format!("inspect -q -v {}", file.display()))
        .fails(64, &["cannot be used with"]);
}

#[test]
fn quiet_says_nothing_where_all_is_green_and_what_is_not_green_otherwise() {
    let (_api, env) = cluster::installs(TAG);
    for line in [
        "install --fips --distroless -y",
        "verify",
        "upgrade -y --forget-overlays",
        "check --fips --distroless --skip istioctl-issues=known",
    ] {
        let output = env.line(&format!("{line} -q"));
        assert_eq!(output.code(), 0, "{line}: {output}");
        assert_eq!(output.stdout, "", "{line}");
        assert!(!output.stderr.contains('√'), "{line}: {output}");
    }
    let rendered = env.line("render --fips -q");
    assert_eq!(rendered.stderr, "", "{rendered}");
    assert_eq!(rendered.documents().len(), 1);
    let (_api, env) = broken();
    let output = env.line("verify --istio 1.31.0 --fips -q");
    assert_eq!(output.code(), 79, "{output}");
    assert!(
        output.stdout.contains('×') && !output.stdout.contains('√'),
        "{output}"
    );
}

#[test]
fn verbose_shows_every_check_and_the_dates_of_the_data() {
    let (_api, env) = cluster::installs(TAG);
    let install = "install --fips --distroless -y";
    assert_eq!(env.line(install).code(), 0);
    for line in [
        "render --fips",
        "check --fips",
        "verify",
        "install --fips --distroless --dry-run",
    ] {
        let normal = env.line(line);
        let verbose = env.line(&format!("{line} -v"));
        let text = verbose.to_string();
        assert!(
            text.contains("data      builds.yaml of 2"),
            "{line}: {verbose}"
        );
        assert!(
            text.lines().any(|line| line.starts_with("- ")),
            "{line}: {verbose}"
        );
        assert!(
            text.lines().count() > normal.to_string().lines().count() + 5,
            "{line}"
        );
    }
}

#[test]
fn inspect_is_quiet_about_what_is_accepted_and_shows_each_step_where_it_is_told_to() {
    let env = TestEnv::new();
    let program = env!("CARGO_BIN_EXE_fake-istioctl");
    assert_eq!(env.line(&format!("inspect -q {program}")).success(), "");
    let normal = env.line(&format!("inspect {program}")).success();
    assert!(
        normal.contains("standard") && !normal.contains("chain"),
        "{normal}"
    );
    let verbose = env.line(&format!("inspect -v {program}")).success();
    assert!(verbose.contains("chain"), "{verbose}");
    let refused = env.line(&format!("inspect -q --require declared {program}"));
    assert_eq!(refused.code(), 79, "{refused}");
    assert!(refused.stdout.contains("refused"), "{refused}");
}

#[test]
fn one_role_for_an_administrator_is_printed_without_a_cluster() {
    let env = TestEnv::new();
    env.without_istioctl();
    let output = env.line("check --print-rbac");
    assert_eq!(output.code(), 0, "{output}");
    assert!(output.stdout.starts_with("# Rights"), "{output}");
    let role = &output.documents()[0];
    assert_eq!(role["kind"], "ClusterRole");
    let json = env.line("check --print-rbac -o json").json();
    assert_eq!(&json, role);
}
