//! The main job with a scripted istioctl and a recorded cluster.

use serde_json::{Value, json};

use crate::api::{Api, Change};
use crate::cluster::{self, HUB};
use crate::env::TestEnv;

const TAG: &str = "1.31.0-solo-fips-distroless";

#[test]
fn it_renders_checks_installs_verifies_and_writes_a_record() {
    let (api, env) = cluster::installs(TAG);
    let output = env.line("install --fips --distroless -y");
    assert_eq!(output.code(), 0, "{output}");
    let calls = env.calls("install");
    assert_eq!(calls.len(), 1, "{output}");
    assert_eq!(calls[0].argv, ["install", "-f", "-", "-y"]);
    let spec = &calls[0].document()["spec"];
    assert_eq!(
        (&spec["hub"], &spec["tag"]),
        (&json!(HUB), &json!(TAG)),
        "{output}"
    );
    let record = record(&api.changes());
    assert!(record.to_string().contains(TAG), "{record}");
}

/// The body of the only change of ours: the ConfigMap.
fn record(changes: &[Change]) -> Value {
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(
        changes[0]
            .path
            .contains("/namespaces/istio-system/configmaps"),
        "{changes:?}"
    );
    assert!(["POST", "PUT", "PATCH"].contains(&changes[0].method.as_str()));
    changes[0].body.clone()
}

#[test]
fn the_record_is_owned_by_the_istiod_of_its_revision() {
    let (api, env) = cluster::installs(TAG);
    let output = env.line("install --fips --distroless -y");
    assert_eq!(output.code(), 0, "{output}");
    let record = record(&api.changes());
    assert_eq!(
        record["metadata"]["ownerReferences"][0]["uid"], "istiod-uid",
        "{record}"
    );
}

#[test]
fn flags_of_istioctl_go_on_and_ours_do_not() {
    let (_api, env) = cluster::installs(TAG);
    let line = "--vklog=3 install --fips --distroless -y --force --readiness-timeout 90s -d charts --verify --no-verify \
                --context test --as me --as-group a --as-group b --kubeclient-timeout 9s --log_output_level all:debug";
    let output = env.line(line);
    assert_eq!(output.code(), 0, "{output}");
    let argv = env.calls("install")[0].argv.join(" ");
    for flag in [
        "--vklog",
        "--force",
        "--readiness-timeout",
        "charts",
        "--context",
        "--as-group",
        "--kubeclient-timeout",
        "--log_output_level",
    ] {
        assert!(argv.contains(flag), "{flag} is lost: {argv}");
    }
    for flag in [
        "--verify",
        "--no-verify",
        "--dry-run",
        "--fips",
        "--set",
        "--revision",
    ] {
        assert!(!argv.contains(flag), "{flag} was handed on: {argv}");
    }
    assert_eq!(argv.matches("--as-group").count(), 2, "{argv}");
}

#[test]
fn a_dry_run_prints_the_documents_and_commands_and_changes_nothing() {
    let (api, env) = cluster::installs(TAG);
    let output =
        env.line("install --fips --distroless --preset production --param cluster=one --dry-run");
    assert_eq!(output.code(), 0, "{output}");
    let headings: Vec<&str> = output
        .stdout
        .lines()
        .filter(|line| line.starts_with("# "))
        .collect();
    assert_eq!(
        headings,
        [
            "# 1/3: istioctl install -f - -y",
            "# 2/3: istioctl install -f - -y",
            "# 3/3: istioctl install -f - -y"
        ],
        "{output}"
    );
    assert_eq!(output.documents().len(), 3);
    assert!(env.calls("install").is_empty() && api.changes().is_empty());
}

#[test]
fn several_documents_are_one_run_each_control_plane_first() {
    let (_api, env) = cluster::installs(TAG);
    let output = env
        .line("install --fips --distroless --preset production --param cluster=one -y --no-verify");
    assert_eq!(output.code(), 0, "{output}");
    let calls = env.calls("install");
    let names: Vec<Value> = calls
        .iter()
        .map(|call| call.document()["metadata"]["name"].clone())
        .collect();
    assert_eq!(
        names,
        ["glooistio", "glooistio-ingress", "glooistio-eastwest"]
    );
}

#[test]
fn a_failure_keeps_the_code_of_istioctl_and_says_what_is_in_place() {
    let (_api, env) = cluster::installs(TAG);
    let failed = "✘ Ingress gateways encountered an error: failed to wait for resource: resources not ready after 5m0s\nError: failed to install manifests\n";
    env.script(json!({"install": [{"progress": true}, {"stderr": failed, "end": {"exit": 1}}]}));
    let output = env.line("install --fips --distroless --preset production --param cluster=one -y");
    assert_eq!(output.code(), 1, "{output}");
    assert!(
        output.stderr.contains("failed to install manifests"),
        "{output}"
    );
    assert!(output.stderr.contains("in place:"), "{output}");
    assert_eq!(env.calls("install").len(), 2, "it stops");
}

#[test]
fn an_istioctl_that_is_killed_ends_with_128_and_the_signal() {
    let (_api, env) = cluster::installs(TAG);
    env.script(json!({"install": [{"progress": true, "end": {"signal": 9}}]}));
    let output = env.line("install --fips --distroless -y");
    output.fails(137, &["signal 9", "run the same command again"]);
}

#[test]
fn garbage_and_endless_lines_of_istioctl_do_no_harm() {
    let (_api, env) = cluster::installs(TAG);
    env.script(json!({"install": [{"progress": true, "bytes": [255, 254, 27, 91, 51, 49, 109, 10], "long_line": 300_000}]}));
    let output = env.line("install --fips --distroless -y");
    assert_eq!(output.code(), 0, "{output}");
    assert!(!output.stderr.contains('\u{1b}') && !output.stdout.contains('\u{1b}'));
}

#[test]
fn progress_of_every_era_is_told_in_our_words() {
    for (is, tag) in [
        ("1.13.5", "1.13.5-solo-fips"),
        ("1.31.0", "1.31.0-solo-fips"),
    ] {
        let (api, env) = cluster::installs(tag);
        api.version(if is == "1.13.5" {
            "v1.22.17"
        } else {
            "v1.34.2"
        });
        env.script(json!({"is": is}));
        let output = env.line(&format!(
            "install -y --no-verify --repo-key 0a1b2c3d4e5f --istio {tag}"
        ));
        assert_eq!(output.code(), 0, "{output}");
        for done in [
            "Istio core installed",
            "Istiod installed",
            "Ingress gateways installed",
            "Installation complete",
        ] {
            assert!(
                output.stderr.contains(&format!("✔ {done}\n")),
                "{done}: {output}"
            );
        }
        assert!(
            !output.stderr.contains("___"),
            "the drawing is left out: {output}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_does_not_stop_an_install() {
    let (api, env) = cluster::installs(TAG);
    let mut child = env
        .command(&["install", "--fips", "--distroless", "-y"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    let output = env.finish(child);
    assert_eq!(output.code(), 0);
    assert_eq!(env.calls("install").len(), 1);
    assert_eq!(api.changes().len(), 1);
}

#[test]
fn the_wrong_image_is_found_after_the_install() {
    let (api, env) = cluster::installs(TAG);
    api.after(
        env.log().join("install-1.json"),
        cluster::mesh(HUB, "1.31.0-solo"),
    );
    let output = env.line("install --fips --distroless -y");
    assert_eq!(output.code(), 79, "{output}");
    assert!(output.to_string().contains("1.31.0-solo"), "{output}");
}

#[test]
fn a_build_that_says_it_is_not_fips_is_contradicted() {
    let (api, env) = cluster::installs(TAG);
    cluster::says(&api, false);
    let output = env.line("install --fips --distroless -y -o json");
    assert_eq!(output.code(), 79, "{output}");
    let report = output.json();
    assert!(
        report["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["module"] == "contradicted"),
        "{report:#}"
    );
}

#[test]
fn after_a_failed_proof_the_next_step_is_the_way_back() {
    let next = |env: &TestEnv, line: &str| {
        let output = env.line(line);
        assert_eq!(output.code(), 79, "{output}");
        let next = output.json()["next"].clone();
        assert!(!next.to_string().contains("label namespace"), "{next}");
        next
    };
    let line = "install --fips --distroless -y -o json";
    // Nothing ran before.
    let (api, env) = cluster::installs(TAG);
    cluster::says(&api, false);
    let first = next(&env, line);
    let command = first[0]["command"].as_str().unwrap();
    assert!(
        command.starts_with("istioctl uninstall --revision default "),
        "{command}"
    );
    // Another build ran before.
    let (api, env) = cluster::installs(TAG);
    cluster::says(&api, false);
    for object in cluster::mesh(HUB, "1.31.0-solo-distroless") {
        api.add(object);
    }
    let replaced = next(&env, line);
    let command = replaced[0]["command"].as_str().unwrap();
    let wanted = format!("glooistio install --istio 1.31.0-solo-distroless --hub {HUB}");
    assert!(command.starts_with(&wanted), "{command}");
    assert!(
        replaced[1]["command"]
            .as_str()
            .unwrap()
            .starts_with("glooistio verify")
    );
    // What was proved is followed by the workloads.
    let (_api, env) = cluster::installs(TAG);
    let proved = env.line(line).json()["next"].to_string();
    assert!(proved.contains("label namespace"), "{proved}");
}

#[test]
fn what_is_proved_is_said_with_its_source() {
    let (_api, env) = cluster::installs(TAG);
    let report = env.line("install --fips --distroless -y -o json").json();
    let evidence = report["evidence"].as_array().unwrap();
    assert!(!evidence.is_empty(), "{report:#}");
    assert!(
        evidence
            .iter()
            .all(|one| one["module"] == "declared" && one["source"] != ""),
        "{report:#}"
    );
    assert_eq!(report["pods"].as_array().unwrap().len(), 2);
}

#[test]
fn an_upgrade_over_two_minors_in_place_is_refused() {
    let api = Api::new();
    let env = TestEnv::with(&api);
    for object in cluster::mesh(HUB, "1.28.3-solo-fips") {
        api.add(object);
    }
    let output = env.line("upgrade --to 1.31.0 --fips -y");
    assert_eq!(output.code(), 79, "{output}");
    assert!(output.to_string().contains("upgrade-skew"), "{output}");
    assert!(env.calls("install").is_empty());
}

/// The mesh once it is installed, with that field of the istiod Deployment's status.
fn installs_with(field: &str, value: Value) -> (Api, TestEnv) {
    let (api, env) = cluster::installs(TAG);
    let mut mesh = cluster::mesh(HUB, TAG);
    let mut objects = mesh.iter_mut();
    let istiod = objects.find(|object| object["metadata"]["uid"] == "istiod-uid");
    istiod.unwrap()["status"][field] = value;
    api.after(env.log().join("install-1.json"), mesh);
    (api, env)
}

#[test]
fn a_rollout_that_does_not_end_is_no_success_verified_or_not() {
    let (_api, env) = installs_with("updatedReplicas", json!(0));
    let line = "install --fips --distroless -y --timeout 1s";
    let output = env.line(line);
    assert_eq!(output.code(), 79, "{output}");
    assert!(output.stdout.contains("0 of 1 pods"), "{output}");
    let output = env.line(&format!("{line} --no-verify"));
    output.fails(79, &["not rolled out within 1 s: istio-system/istiod"]);
}

#[test]
fn an_istiod_pod_of_another_hub_is_found_under_the_right_deployment() {
    let (api, env) = cluster::installs(TAG);
    let mut mesh = cluster::mesh(HUB, TAG);
    let mut objects = mesh.iter_mut();
    let pod = objects.find(|object| object["metadata"]["uid"] == "istiod-1");
    pod.unwrap()["spec"]["containers"][0]["image"] = json!(format!("evil.io/x/pilot:{TAG}"));
    api.after(env.log().join("install-1.json"), mesh);
    let output = env.line("install --fips --distroless -y");
    assert_eq!(output.code(), 79, "{output}");
    assert!(output.stdout.contains("runs from evil.io/x"), "{output}");
}
