//! What verify could not see, or was told by somebody who may not tell it, is never a pass.

use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::cluster::{self, HUB};
use crate::env::{CommandOutput, TestEnv};
use crate::images::digest;

const FIPS: &str = "1.31.0-solo-fips";

const STANDARD: &str = "1.31.0-solo";

/// A healthy mesh of a tag, with a workload whose proxy says the same as the others.
fn world(tag: &str) -> (Api, TestEnv) {
    let api = Api::new();
    let env = TestEnv::with(&api);
    for object in cluster::mesh(HUB, tag) {
        api.add(object);
    }
    cluster::says(&api, tag == FIPS);
    cluster::injects(&api, tag);
    (api, env)
}

fn verify(env: &TestEnv) -> CommandOutput {
    env.line("verify --no-registry -o json")
}

/// How the check with that id ended, and its detail.
fn check(output: &CommandOutput, id: &str) -> (String, String) {
    let report = output.json();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id).unwrap();
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("detail"))
}

#[track_caller]
fn unknown(output: &CommandOutput, id: &str, right: &str) {
    let (status, detail) = check(output, id);
    assert_eq!(status, "unknown", "{id}: {output}");
    assert!(detail.contains(right), "{id}: {detail}");
}

#[test]
fn a_healthy_mesh_passes() {
    for tag in [FIPS, STANDARD] {
        let (_api, env) = world(tag);
        assert_eq!(verify(&env).code(), 0);
    }
}

#[test]
fn verbose_shows_the_checks_that_do_not_apply() {
    let (_api, env) = world(STANDARD);
    let lines = |line: &str| env.line(line).success().lines().count();
    let short = lines("verify --no-registry");
    for flag in ["-v", "--verbose"] {
        assert!(lines(&format!("verify --no-registry {flag}")) > short);
    }
}

#[test]
fn pods_whose_proxies_are_closed_are_not_gone() {
    let not_found = "the server could not find the requested resource";
    for (code, says) in [(404, not_found), (403, "may not"), (500, "no")] {
        let (api, env) = world(FIPS);
        cluster::says(&api, false);
        for pod in ["istiod-1:15014", "istio-ingressgateway-1:15090"] {
            let path = format!("/api/v1/namespaces/istio-system/pods/{pod}");
            api.refuse("GET", &path, code, says);
        }
        let output = verify(&env);
        assert_eq!(output.code(), 79, "{code}: {output}");
        assert_eq!(output.json()["counts"]["gone"], 0, "{output}");
        for id in ["control-plane-fips", "data-plane-fips"] {
            unknown(
                &output,
                id,
                if code == 403 {
                    "pods/proxy"
                } else {
                    "port-forward"
                },
            );
        }
    }
}

#[test]
fn a_pod_that_has_really_left_is_gone() {
    let (api, env) = world(FIPS);
    for at in ["", ":15090"] {
        let path = format!("/api/v1/namespaces/istio-system/pods/istio-ingressgateway-1{at}");
        let mut gone = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 404,
            "reason": "NotFound", "message": "pods \"istio-ingressgateway-1\" not found"});
        gone["details"] = json!({"kind": "pods", "name": "istio-ingressgateway-1"});
        api.answer("GET", &path, Answer::Json(404, gone));
    }
    let output = verify(&env);
    assert_eq!(output.code(), 0, "{output}");
    assert_eq!(output.json()["counts"]["gone"], 1, "{output}");
}

#[test]
fn without_namespaces_neither_injection_nor_proxies_pass() {
    let (api, env) = world(STANDARD);
    let said = "namespaces is forbidden: User \"dev\" cannot list resource \"namespaces\"";
    api.refuse("GET", "/api/v1/namespaces?", 403, said);
    let output = env.line("verify --no-registry -o json --skip injection=x");
    assert_eq!(output.code(), 79, "{output}");
    for id in ["uninjected", "proxies", "gateways"] {
        unknown(&output, id, "allow list of namespaces");
    }
    unknown(&verify(&env), "injection", "allow list of namespaces");
}

#[test]
fn without_nodes_the_programs_that_run_are_not_known() {
    let (api, env) = world(FIPS);
    api.refuse("GET", "/api/v1/nodes", 403, "nodes is forbidden");
    let output = verify(&env);
    assert_eq!(output.code(), 79, "{output}");
    unknown(&output, "node-info", "allow list of nodes");
}

/// A record of the default revision, as an install writes it.
fn record(namespace: &str, tag: &str) -> Value {
    let text = json!({"revision": "default", "hub": HUB, "tag": tag, "request": {},
        "documents": {}, "data": {}, "tool": "0.1.0"})
    .to_string();
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "glooistio-record", "namespace": namespace, "uid": namespace,
            "labels": {"app.kubernetes.io/managed-by": "glooistio", "istio.io/rev": "default"}},
        "data": {"record.sha256": digest(text.as_bytes()).trim_start_matches("sha256:"), "record.json": text}})
}

#[test]
fn a_record_of_another_namespace_lowers_nothing_and_is_said() {
    let (api, env) = world(STANDARD);
    api.add(record("istio-system", FIPS));
    assert_eq!(
        verify(&env).code(),
        79,
        "standard builds where FIPS was installed"
    );
    api.add(record("aaa", STANDARD));
    let output = verify(&env);
    assert_eq!(output.code(), 79, "{output}");
    assert!(
        output
            .stdout
            .contains("configmap aaa/glooistio-record is ignored"),
        "{output}"
    );
    let (api, env) = world(STANDARD);
    api.add(record("aaa", FIPS));
    assert_eq!(verify(&env).code(), 0, "nor does it raise anything");
}

#[test]
fn a_damaged_record_is_said_and_ignored() {
    let (api, env) = world(STANDARD);
    let mut damaged = record("istio-system", FIPS);
    let text = damaged["data"]["record.json"]
        .as_str()
        .unwrap()
        .replace("-fips", "");
    damaged["data"]["record.json"] = json!(text);
    api.add(damaged);
    let output = verify(&env);
    assert_eq!(output.code(), 0, "{output}");
    let expected = output.json()["expected"].to_string();
    for said in [
        "the record of revision default is ignored",
        "its hash does not fit",
        "no usable record of an install",
    ] {
        assert!(expected.contains(said), "{expected}");
    }
}

#[test]
fn a_slip_in_a_kubeconfig_or_a_data_file_shows_nothing_of_it() {
    let env = TestEnv::new();
    let whole = |user: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters: [{{name: test, cluster: {{server: \"http://127.0.0.1:1\"}}}}]\n\
         users:\n- name: test\n  user:\n{user}\ncontexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n"
        )
    };
    for user in [
        "    token: hunter2\n   bad: x",
        "    token: \"hunter2\n    foo: bar",
        "    token: [hunter2]",
    ] {
        env.kubeconfig(&whole(user));
        let output = verify(&env);
        assert_eq!(output.code(), 69, "{output}");
        assert!(
            output.json()["error"].to_string().contains("line "),
            "{output}"
        );
        assert!(!output.to_string().contains("hunter2"), "{output}");
    }
    env.file("secret", "root:hunter2:0:0\n");
    for line in ["verify --modules secret", "render --matrix secret"] {
        let output = env.line(line);
        output.fails(65, &["secret:1:1"]);
        assert!(!output.to_string().contains("hunter2"), "{output}");
    }
}
