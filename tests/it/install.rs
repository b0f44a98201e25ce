//! The main job with a scripted istioctl and a recorded cluster.

use serde_json::{Value, json};

use crate::api::{Answer, Api, Change};
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
fn namespace_that_is_being_deleted_is_refused_before_anything_is_changed() {
    let (api, env) = cluster::installs(TAG);
    api.add(deleted_namespace());
    let output = env.line("install --fips --distroless -y -o json");
    assert_eq!(output.code(), 79, "{output}");
    let report = output.json();
    assert_eq!(report["changed"], false, "{output}");
    let failed = report["checks"].as_array().unwrap().iter();
    let failed = failed.filter(|check| check["status"] == "failed");
    let ids: Vec<&str> = failed.map(|check| check["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["namespace-deletion"]);
    assert!(env.calls("install").is_empty() && api.changes().is_empty());
    let short = env.line("install --fips --distroless -y -o short");
    let wanted = "install failed (nothing was changed): ";
    assert!(short.stdout.starts_with(wanted), "{short}");
}

fn deleted_namespace() -> Value {
    let message = "Some resources are remaining: configmaps. has 1 resource instances";
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "istio-system", "uid": "ns", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"phase": "Terminating", "conditions": [
            {"type": "NamespaceContentRemaining", "status": "True", "reason": "SomeResourcesRemain", "message": message}]},
    })
}

#[test]
fn failure_whose_cause_refuses_the_same_command_does_not_advise_to_repeat_it() {
    let api = Api::new();
    let env = TestEnv::with(&api);
    api.after(env.log().join("install-1.json"), vec![deleted_namespace()]);
    let failed = "- Processing resources for Istiod.\nError: failed to install manifests: unable to create new content\n";
    env.script(json!({"install": [{"stderr": failed, "end": {"exit": 1}}]}));
    let output = env.line("install --fips --distroless -y -o json");
    assert_eq!(output.code(), 1, "{output}");
    let report = output.json();
    assert_eq!(report["changed"], true, "{output}");
    let hints = report["error"]["hints"].to_string();
    for words in [
        "the cluster says: namespace istio-system is being deleted: Some resources are remaining",
        "no step was finished, but objects may have been created",
        "the same command would be refused now by check namespace-deletion",
    ] {
        assert!(hints.contains(words), "{words}: {hints}");
    }
    assert!(!hints.contains("run the same command again"), "{hints}");
}

#[test]
fn flags_that_istioctl_does_not_accept_change_nothing_and_are_not_to_be_repeated() {
    let (api, env) = cluster::installs(TAG);
    env.script(json!({"install": [{"stderr": "Error: unknown flag: --x\n", "end": {"exit": 64}}]}));
    let output = env.line("install --fips --distroless -y");
    output.fails(
        64,
        &[
            "unknown flag: --x",
            "nothing was changed",
            "istioctl install --help",
        ],
    );
    assert!(
        !output.stderr.contains("run the same command again"),
        "{output}"
    );
    assert!(api.changes().is_empty());
}

#[test]
fn flag_that_this_istioctl_does_not_have_is_refused_before_anything_else() {
    for (version, flag, since) in [
        ("1.22.6", "--as admin", "istioctl 1.24 and later has it"),
        (
            "1.23.6",
            "--as-group system:masters --as admin",
            "istioctl 1.24 and later has it",
        ),
        (
            "1.26.8",
            "--kubeclient-timeout 9s",
            "istioctl 1.27 and later has it",
        ),
        ("1.10.6", "--vklog 3", "istioctl 1.11 and later has it"),
    ] {
        let env = TestEnv::with(&Api::new());
        env.script(json!({"is": version}));
        let name = flag.split(' ').next().unwrap().trim_end_matches("-group");
        let message = format!("istioctl {version} has no flag {name}");
        for more in ["-y", "--dry-run"] {
            let output = env.line(&format!(
                "install --istio {version} --hub r.example/istio {flag} {more}"
            ));
            output.fails(64, &[&message, since]);
        }
        assert!(env.calls("install").is_empty());
    }
    let (_api, env) = cluster::installs(TAG);
    let output =
        env.line("install --fips --distroless -y --as admin --kubeclient-timeout 9s --vklog 3");
    assert_eq!(output.code(), 0, "{output}");
}

#[test]
fn step_that_failed_is_the_reason_where_the_old_engine_gives_none() {
    let (api, env) = cluster::installs("1.20.8-solo-fips");
    api.version("v1.28.3");
    let failed = "✘ Istiod encountered an error: no matches for kind \"X\" in version \"policy/v1beta1\"\n\
                  Error: failed to install manifests: errors occurred during operation\n";
    env.script(json!({"is": "1.20.8", "install": [{"stderr": failed, "end": {"exit": 1}}]}));
    let output = env.line(
        "install --istio 1.20.8-solo-fips -y --skip known-issues=test --repo-key 0a1b2c3d4e5f",
    );
    output.fails(
        1,
        &["istioctl failed with exit code 1: Istiod encountered an error: no matches for kind"],
    );
}

/// What the check of the installer says of an answer of `manifest generate`.
fn manifest_check(answer: &Value) -> Value {
    let (api, env) = cluster::installs(TAG);
    env.script(json!({"manifest": [answer]}));
    let output = env.line("install --fips --distroless -y -o json");
    let report = output.json();
    let checks = report["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|it| it["id"] == "istioctl-manifest")
        .unwrap()
        .clone();
    if ["failed", "unknown"].contains(&check["status"].as_str().unwrap()) {
        assert_eq!(output.code(), 79, "{output}");
        assert!(env.calls("install").is_empty() && api.changes().is_empty());
    }
    check
}

#[test]
fn document_that_the_installer_refuses_is_never_installed() {
    let refused =
        "Error: generate: unknown field \"nosuch\" in v1alpha1.IstioOperatorSpec\u{1b}[2J\n";
    let check = manifest_check(&json!({"stderr": refused, "end": {"exit": 1}}));
    assert_eq!(check["status"], "failed", "{check}");
    let found = check["findings"][0]["found"].as_str().unwrap();
    assert!(found.contains("unknown field \"nosuch\""), "{check}");
}

#[test]
fn image_that_the_installer_makes_and_nobody_planned_is_an_error() {
    let object = |image: &str| {
        json!({"kind": "Deployment", "metadata": {"name": "istiod", "namespace": "istio-system"},
            "spec": {"template": {"spec": {"containers": [{"name": "discovery", "image": image}]}}}})
    };
    let text = |image: &str| {
        let object = object(image);
        format!(
            "kind: Deployment\nmetadata: {}\nspec: {}\n---\n",
            object["metadata"], object["spec"]
        )
    };
    let other = "gcr.io/istio-testing/pilot:latest";
    let check = manifest_check(&json!({"stdout": text(other)}));
    assert_eq!(check["status"], "failed", "{check}");
    assert_eq!(check["findings"][0]["found"], other, "{check}");
    assert_eq!(
        check["findings"][0]["expected"],
        format!("{HUB}/pilot:{TAG}"),
        "{check}"
    );
    let check = manifest_check(&json!({"stdout": text(&format!("{HUB}/pilot:{TAG}"))}));
    assert_eq!(check["status"], "passed", "{check}");
}

#[test]
fn installer_that_is_killed_or_writes_garbage_is_no_answer() {
    for answer in [
        json!({"end": {"signal": 9}}),
        json!({"stdout": "kind: Deployment\n\tx: ["}),
    ] {
        let check = manifest_check(&answer);
        assert_eq!(check["status"], "unknown", "{check}");
    }
}

#[test]
fn installer_is_asked_with_the_document_on_stdin_and_the_flags_that_choose_its_charts() {
    let (_api, env) = cluster::installs(TAG);
    let output = env.line(
        "install --fips --distroless -y --force -d charts --context test --readiness-timeout 9s",
    );
    assert_eq!(output.code(), 0, "{output}");
    let calls = env.calls("manifest");
    assert_eq!(calls.len(), 1, "{output}");
    assert_eq!(
        calls[0].argv,
        [
            "manifest",
            "generate",
            "-f",
            "-",
            "--manifests",
            "charts",
            "--force"
        ]
    );
    assert_eq!(calls[0].document(), env.calls("install")[0].document());
}

#[test]
fn an_istioctl_that_is_killed_ends_with_128_and_the_signal() {
    let (_api, env) = cluster::installs(TAG);
    env.script(json!({"install": [{"progress": true, "end": {"signal": 9}}]}));
    let output = env.line("install --fips --distroless -y");
    output.fails(137, &["signal 9", "run the same command again"]);
}

/// A cluster where `change` is still to come for the object of that kind and name when istioctl has ended.
fn is_late(kind: &str, name: &str, change: impl Fn(&mut Value)) -> (Api, TestEnv) {
    let api = Api::new();
    let env = TestEnv::with(&api);
    let mut mesh = cluster::mesh(HUB, TAG);
    let is_named =
        |object: &&mut Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let object = mesh.iter_mut().find(is_named).unwrap();
    api.becomes(object.clone());
    change(object);
    api.after(env.log().join("install-1.json"), mesh);
    cluster::says(&api, true);
    cluster::injects(&api, TAG);
    (api, env)
}

#[test]
fn what_is_written_a_moment_after_istioctl_ended_is_waited_for() {
    type Late = (&'static str, &'static str, fn(&mut Value));
    let late: [Late; 6] = [
        (
            "ValidatingWebhookConfiguration",
            "istio-validator-istio-system",
            |it| {
                it["webhooks"][0]["clientConfig"]["caBundle"] = json!("");
            },
        ),
        (
            "ValidatingWebhookConfiguration",
            "istiod-default-validator",
            |it| {
                it["webhooks"][0]["clientConfig"]["caBundle"] = json!("");
            },
        ),
        (
            "MutatingWebhookConfiguration",
            "istio-revision-tag-default",
            |it| {
                it["webhooks"][0]["clientConfig"]["caBundle"] = json!("");
            },
        ),
        ("EndpointSlice", "istiod-abcde", |it| {
            it["endpoints"][0]["conditions"]["ready"] = json!(false);
        }),
        (
            "CustomResourceDefinition",
            "gateways.networking.istio.io",
            |it| {
                it["status"]["conditions"] = json!([]);
            },
        ),
        ("Deployment", "istiod", |it| {
            it["status"]["updatedReplicas"] = json!(0);
        }),
    ];
    for (kind, name, change) in late {
        let (_api, env) = is_late(kind, name, change);
        let output = env.line("install --fips --distroless -y");
        assert_eq!(output.code(), 0, "{kind} {name}: {output}");
    }
}

#[test]
fn validation_that_still_lets_everything_pass_is_waited_for() {
    let (api, env) = is_late(
        "ValidatingWebhookConfiguration",
        "istio-validator-istio-system",
        |it| {
            it["webhooks"][0]["failurePolicy"] = json!("Ignore");
        },
    );
    let output = env.line("install --fips --distroless -y");
    assert_eq!(output.code(), 0, "{output}");
    assert!(
        api.is_settled(),
        "nobody watched until istiod had switched it"
    );
}

#[test]
fn injection_that_the_api_server_does_not_reach_yet_is_tried_again() {
    let (api, env) = cluster::installs(TAG);
    for message in [
        "failed calling webhook: connection refused",
        "x509: unknown authority",
    ] {
        let status =
            json!({"kind": "Status", "code": 500, "message": message, "status": "Failure"});
        let answer = Answer::Once(Box::new(Answer::Json(500, status)));
        api.answer("POST", "/api/v1/namespaces/default/pods?", answer);
    }
    let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
        "spec": {"containers": [{"name": "probe", "image": "probe"}]}});
    let answer = Answer::Once(Box::new(Answer::Json(201, plain)));
    api.answer("POST", "/api/v1/namespaces/default/pods?", answer);
    let output = env.line("install --fips --distroless -y");
    assert_eq!(output.code(), 0, "{output}");
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
    let output = env.line("upgrade --to 1.31.0 --fips --forget-overlays -y");
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
