//! What an upgrade keeps, what it refuses without a flag of its own, and when it has nothing to do.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::api::Api;
use crate::cluster::{self, HUB};
use crate::env::{CommandOutput, TestEnv};

const TAG: &str = "1.31.0-solo-fips-distroless";

const OVERLAY: &str = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  meshConfig:\n    accessLogFile: /dev/stdout\n";

/// A cluster where that install was made, with its record.
fn installed(line: &str) -> (Api, TestEnv) {
    let (api, env) = cluster::installs(TAG);
    env.file("base.yaml", OVERLAY);
    let output = env.line(&format!("install --fips --distroless -y {line}"));
    assert_eq!(output.code(), 0, "{output}");
    keep_record(&api);
    (api, env)
}

/// Puts the last record that was written into the cluster.
fn keep_record(api: &Api) {
    let mut record = api.changes().pop().unwrap().body;
    record["apiVersion"] = "v1".into();
    record["kind"] = "ConfigMap".into();
    record["metadata"]["managedFields"] = json!([{"manager": "glooistio", "operation": "Apply",
        "fieldsV1": {"f:data": {"f:record.json": {}, "f:record.sha256": {}}}}]);
    api.add(record);
}

/// What the last record says.
fn last_record(api: &Api) -> Value {
    let body = api.changes().pop().unwrap().body;
    serde_json::from_str(body["data"]["record.json"].as_str().unwrap()).unwrap()
}

/// A cluster with a mesh of that tag and no record.
fn runs(tag: &str) -> (Api, TestEnv) {
    let api = Api::new();
    let env = TestEnv::with(&api);
    for object in cluster::mesh(HUB, tag) {
        api.add(object);
    }
    cluster::says(&api, tag.contains("-fips"));
    (api, env)
}

fn status(output: &CommandOutput, id: &str) -> Value {
    let report = output.json();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id);
    check.unwrap_or_else(|| panic!("{id}: {output}"))["status"].clone()
}

#[test]
fn the_overlays_of_the_record_are_applied_again_and_keep_their_names() {
    let (api, env) = installed("-f base.yaml --set values.pilot.traceSampling=5");
    let output = env.line(&format!(
        "upgrade --to {TAG} --set values.global.logAsJson=true -y"
    ));
    assert_eq!(output.code(), 0, "{output}");
    let spec = &env.calls("install")[1].document()["spec"];
    assert_eq!(spec["meshConfig"]["accessLogFile"], "/dev/stdout");
    assert_eq!(spec["values"]["pilot"]["traceSampling"], 5);
    let record = last_record(&api);
    assert_eq!(record["request"]["overlays"][0]["name"], "base.yaml");
    // A newer version of the same file takes the place of the old one.
    env.file("base.yaml", OVERLAY.replace("stdout", "stderr"));
    keep_record(&api);
    let output = env.line(&format!("upgrade --to {TAG} -f base.yaml -y"));
    assert_eq!(output.code(), 0, "{output}");
    let overlays = &last_record(&api)["request"]["overlays"];
    assert_eq!(overlays.as_array().unwrap().len(), 1);
}

#[test]
fn an_install_that_would_drop_inputs_of_the_record_is_refused_by_their_names() {
    let line = "-f base.yaml --set values.pilot.traceSampling=5 --param cluster=one";
    let (api, env) = installed(line);
    let changes = api.changes().len();
    let refused = env.line("install --fips --distroless -y");
    refused.fails(
        64,
        &[
            "overlay 1 (base.yaml)",
            "--set values.pilot.traceSampling=5",
            "--param cluster=one",
            "--forget-overlays",
            "glooistio upgrade -r default\n",
        ],
    );
    // The version that was asked for is repeated; a flavour is left to the record.
    let named = env.line("install --istio 1.31.0 -y");
    named.fails(64, &["glooistio upgrade -r default --to 1.31.0\n"]);
    assert_eq!(
        (env.calls("install").len(), api.changes().len()),
        (1, changes)
    );
    let checked = env.line("check --fips --distroless -o json");
    let notes = checked.json()["expected"]["notes"].to_string();
    assert!(
        notes.contains("refuses to drop") && notes.contains("base.yaml"),
        "{notes}"
    );
    let again = env.line(&format!("install --fips --distroless -y {line}"));
    assert_eq!(again.code(), 0, "{again}");
    let forgotten = env.line("install --fips --distroless -y --forget-overlays");
    assert_eq!(forgotten.code(), 0, "{forgotten}");
    let last = env.calls("install").pop().unwrap().document();
    assert!(
        last["spec"]["meshConfig"].get("accessLogFile").is_none(),
        "{last}"
    );
}

#[test]
fn install_over_a_record_that_cannot_be_used_is_refused() {
    let (api, env) = cluster::installs(TAG);
    env.file("base.yaml", OVERLAY);
    let first = env.line("install --fips --distroless -y -f base.yaml");
    assert_eq!(first.code(), 0, "{first}");
    let mut record = api.changes().pop().unwrap().body;
    record["apiVersion"] = "v1".into();
    record["kind"] = "ConfigMap".into();
    record["data"]["record.sha256"] = "0".repeat(64).into();
    api.add(record);
    let refused = env.line("install --fips --distroless -y");
    refused.fails(
        65,
        &[
            "record of revision default",
            "--forget-overlays",
            "kubectl get configmap",
        ],
    );
    assert_eq!(env.calls("install").len(), 1);
    let forgotten = env.line("install --fips --distroless -y --forget-overlays");
    assert_eq!(forgotten.code(), 0, "{forgotten}");
}

#[test]
fn an_upgrade_forgets_what_it_is_told_to_forget() {
    let (_api, env) = installed("-f base.yaml");
    let output = env.line("upgrade --forget-overlays --dry-run -o json");
    assert_eq!(output.code(), 0, "{output}");
    let yaml = output.json()["documents"][0]["yaml"].to_string();
    assert!(
        yaml.contains(TAG) && !yaml.contains("accessLogFile"),
        "{yaml}"
    );
}

#[test]
fn an_upgrade_to_what_runs_says_so_and_changes_nothing() {
    let (api, env) = installed("-f base.yaml");
    let changes = api.changes().len();
    for (line, place) in [("upgrade -y", ""), ("upgrade -y -o short", "")] {
        let output = env.line(line);
        assert_eq!(output.code(), 0, "{output}");
        let said = format!("revision default already runs {TAG}");
        assert!(output.stdout.contains(&said), "{place}{output}");
    }
    let report = env.line("upgrade -y -o json").json();
    assert!(report["up_to_date"].is_string(), "{report:#}");
    assert_eq!(
        (env.calls("install").len(), api.changes().len()),
        (1, changes)
    );
    // Another setting is something to do.
    let output = env.line("upgrade -y --set values.global.logAsJson=true");
    assert_eq!(
        (output.code(), env.calls("install").len()),
        (0, 2),
        "{output}"
    );
}

#[test]
fn an_upgrade_without_a_record_needs_the_inputs_of_the_install() {
    let (api, env) = runs("1.31.0-solo-fips");
    env.file("base.yaml", OVERLAY);
    let words = [
        "has no record of an install",
        "--preset",
        "--forget-overlays",
    ];
    env.line("upgrade -y").fails(64, &words);
    env.line("upgrade -r canary -y").fails(64, &words);
    assert!(env.calls("install").is_empty() && api.changes().is_empty());
    for inputs in [
        "-f base.yaml",
        "--preset minimal",
        "--set values.global.logAsJson=true",
        "--forget-overlays",
    ] {
        let output = env.line(&format!("upgrade --dry-run -o json {inputs}"));
        assert_eq!(output.code(), 0, "{output}");
    }
}

#[test]
fn an_older_build_needs_a_flag_of_its_own() {
    let (_api, env) = runs("1.31.1-solo-fips-distroless");
    // The client is older: nothing on the command line asks for a downgrade.
    let output = env.line("upgrade -y --forget-overlays -o json");
    assert_eq!(output.code(), 79, "{output}");
    assert_eq!(status(&output, "upgrade-skew"), "failed");
    assert!(output.stdout.contains("--allow-downgrade"), "{output}");
    assert!(env.calls("install").is_empty());
    let allowed = env.line("upgrade --forget-overlays --dry-run --allow-downgrade -o json");
    assert_eq!(allowed.code(), 0, "{allowed}");
    assert_eq!(status(&allowed, "upgrade-skew"), "warned");
}

#[test]
fn the_loss_of_fips_needs_a_flag_of_its_own() {
    let (_api, env) = runs("1.31.0-solo-fips");
    for command in [
        "upgrade --forget-overlays --to 1.31.0-solo",
        "install --istio 1.31.0-solo",
    ] {
        let output = env.line(&format!("{command} -y -o json"));
        assert_eq!(output.code(), 79, "{output}");
        assert_eq!(status(&output, "build-change"), "failed");
        assert!(output.stdout.contains("--allow-fips-loss"), "{output}");
        let allowed = env.line(&format!("{command} --dry-run --allow-fips-loss -o json"));
        assert_eq!(allowed.code(), 0, "{allowed}");
    }
    assert!(env.calls("install").is_empty());
}

#[test]
fn a_hub_of_the_record_is_known_before_the_plan_is_made() {
    let (api, env) = cluster::installs("1.27.0-solo");
    api.version("v1.31.4");
    env.script(json!({"is": "1.27.0"}));
    let mirror = "mirror.example.com/istio";
    api.after(
        env.log().join("install-1.json"),
        cluster::mesh(mirror, "1.27.0-solo"),
    );
    cluster::injects_image(&api, &format!("{mirror}/proxyv2:1.27.0-solo"));
    let line = format!("install --istio 1.27.0-solo --hub {mirror} -y --no-verify");
    let output = env.line(&line);
    assert_eq!(output.code(), 0, "{output}");
    keep_record(&api);
    env.script(json!({"is": "1.27.1"}));
    let output = env.line("upgrade --to 1.27.1 --dry-run -o json");
    let report = output.json();
    let yaml = report["documents"][0]["yaml"].as_str().unwrap_or_default();
    assert!(yaml.contains(&format!("hub: {mirror}")), "{output}");
    assert!(yaml.contains("tag: \"1.27.1-solo\""), "{output}");
    let from = &report["expected"]["chosen"][0];
    assert_eq!(
        (&from["what"], &from["value"]),
        (&json!("from"), &json!("1.27.0-solo"))
    );
}

#[test]
fn a_canary_leaves_the_gateways_unless_they_are_asked_for() {
    let (_api, env) = installed("");
    let rendered = |line: &str| {
        let output = env.line(&format!(
            "upgrade --to {TAG} -r canary --dry-run -o json {line}"
        ));
        assert_eq!(output.code(), 0, "{output}");
        let takeover = status(&output, "gateway-takeover");
        let yaml = output.json()["documents"][0]["yaml"]
            .as_str()
            .unwrap()
            .to_owned();
        (serde_yaml::from_str::<Value>(&yaml).unwrap(), takeover)
    };
    let (canary, takeover) = rendered("");
    assert_eq!(canary["spec"]["revision"], "canary");
    let gateways = &canary["spec"]["components"]["ingressGateways"];
    assert_eq!(
        gateways,
        &json!([{"name": "istio-ingressgateway", "enabled": false}])
    );
    assert_eq!(takeover, "passed");
    let (moved, takeover) = rendered("--gateways");
    assert!(
        moved["spec"]["components"].get("ingressGateways").is_none(),
        "{moved}"
    );
    assert_eq!(takeover, "passed", "a note");
}

#[test]
fn verify_means_the_build_that_install_means() {
    let (api, env) = cluster::installs(TAG);
    let output = env.line("install --fips --distroless -y");
    assert_eq!(output.code(), 0, "{output}");
    drop(api);
    for version in ["1.31.0", "1.31"] {
        let right = env.line(&format!(
            "verify --istio {version} --fips --distroless -o json"
        ));
        assert_eq!(right.code(), 0, "{right}");
        let chosen = right.json()["expected"]["chosen"].to_string();
        assert!(chosen.contains(TAG), "{chosen}");
        let other = env.line(&format!("verify --istio {version} -o json"));
        assert_eq!(other.code(), 79, "{other}");
        assert!(
            other.stdout.contains("wanted 1.31.0-solo\\\"")
                || other.stdout.contains("1.31.0-solo\""),
            "{other}"
        );
    }
    env.line("verify --istio 1.31.0-solo --fips")
        .fails(64, &["the flags request solo fips"]);
    env.line("verify --distroless").fails(64, &["--istio"]);
}

/// A credential plugin may ask a person, and may be slow: a command runs it for one connection.
#[test]
fn a_command_connects_to_the_cluster_once() {
    let (api, env) = installed("");
    let dir = env.work().display().to_string();
    let program = env.file(
        "credentials",
        format!(
            "#!/bin/sh\necho run >> {dir}/runs\necho '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \
             \"kind\": \"ExecCredential\", \"status\": {{\"token\": \"t\"}}}}'\n"
        ),
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut kubeconfig: Value = serde_yaml::from_str(&api.kubeconfig()).unwrap();
    kubeconfig["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": program.display().to_string(),
        "interactiveMode": "Never"}});
    env.kubeconfig(&kubeconfig.to_string());
    let runs = |line: &str| {
        let _earlier = std::fs::remove_file(env.work().join("runs"));
        let output = env.line(line);
        assert_eq!(output.code(), 0, "{line}: {output}");
        let runs = std::fs::read_to_string(env.work().join("runs")).unwrap();
        runs.lines().count()
    };
    // The client itself runs the plugin more than once for a connection.
    let once = runs("verify --no-registry");
    for line in [
        "install --fips --distroless -y",
        "upgrade --to 1.31.0-solo-fips-distroless -y",
        "check --fips --distroless --no-registry",
    ] {
        assert_eq!(runs(line), once, "{line}");
    }
}
