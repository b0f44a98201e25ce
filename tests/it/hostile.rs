//! What a tenant of one namespace puts there hides nothing, decides nothing and stops nothing.

use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::cluster::{self, HUB};
use crate::env::{CommandOutput, TestEnv};
use crate::images::digest;

const TAG: &str = "1.31.0-solo-fips";

/// A healthy mesh, with the objects of a tenant.
fn world(tag: &str, tenant: impl IntoIterator<Item = Value>) -> (Api, TestEnv) {
    let api = Api::new();
    let env = TestEnv::with(&api);
    for object in cluster::mesh(HUB, tag).into_iter().chain(tenant) {
        api.add(object);
    }
    cluster::says(&api, true);
    cluster::injects(&api, tag);
    (api, env)
}

fn deployment(name: &str, app: &str, image: &str) -> Value {
    let mut object = cluster::deployment(name, "discovery", image);
    object["metadata"]["namespace"] = json!("shop");
    object["metadata"]["labels"] = json!({"app": app, "istio.io/rev": "default"});
    object
}

#[expect(clippy::needless_pass_by_value, reason = "literals are handed in")]
fn pod(metadata: Value, spec: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    pod["metadata"]["namespace"] = json!("shop");
    pod["metadata"]["name"] = json!("evil-1");
    pod["metadata"]["uid"] = json!("evil-1");
    pod["spec"]["nodeName"] = json!("node-0");
    pod
}

/// A proxy of the standard build where a FIPS build is expected.
fn proxy(name: &str) -> Value {
    json!({"name": name, "image": format!("{HUB}/proxyv2:1.31.0-solo"), "args": ["proxy", "sidecar"]})
}

/// Message, subject and severity of each finding of a check.
fn findings(output: &CommandOutput, id: &str) -> String {
    let report = output.json();
    let checks = report["checks"].as_array().unwrap();
    let one = checks.iter().find(|one| one["id"] == id).unwrap();
    format!("{} {} {}", one["status"], one["detail"], one["findings"])
}

#[test]
fn a_deployment_that_calls_itself_istiod_stops_no_verification() {
    for image in ["evil.example/x:1.5.0", "evil.example/x", "$(touch pwned)"] {
        let (_api, env) = world(TAG, [deployment("istiod", "istiod", image)]);
        let output = env.line("verify -o json --no-registry");
        assert_eq!(output.code(), 0, "{image}: {output}");
        let said = findings(&output, "control-plane");
        assert!(
            said.contains("warned")
                && said.contains(r#"{"kind":"Deployment","namespace":"shop","name":"istiod"}"#),
            "{said}"
        );
        assert!(
            !output.json()["expected"].to_string().contains("shop"),
            "{output}"
        );
    }
}

#[test]
fn without_a_control_plane_what_calls_itself_one_is_named() {
    let api = Api::new();
    let env = TestEnv::with(&api);
    api.add(deployment("istiod", "istiod", "r.io/x/pilot:1.31.0"));
    let output = env.line("verify");
    output.fails(79, &["no Istio control plane", "Deployment shop/istiod"]);
    env.line("verify -i shop --no-registry")
        .stdout
        .find("1.31.0")
        .expect("what the user names is judged");
}

#[test]
fn nothing_of_a_tenant_keeps_a_mesh_from_being_upgraded() {
    let tag_service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "tag", "namespace": "shop",
        "labels": {"istio.io/tag": "default", "istio.io/rev": "nowhere"}}, "spec": {}});
    let ahead = json!({"containers": [{"name": "istio-proxy", "image": "evil.example/istio-proxy:1.99.0"}]});
    let (api, env) = world(
        "1.30.5-solo-fips",
        [
            deployment("istiod", "istiod", "evil.example/x:1.5.0"),
            deployment(
                "gloo-mesh-mgmt-server",
                "gloo-mesh-mgmt-server",
                "evil.example/x:1.0.0",
            ),
            tag_service,
            pod(json!({}), ahead),
        ],
    );
    let output =
        env.line("upgrade --to 1.31.0 --fips --forget-overlays --dry-run -o json --no-registry");
    assert_eq!(output.code(), 0, "{output}");
    for (check, named) in [
        (
            "manager",
            r#"{"kind":"Deployment","namespace":"shop","name":"istiod"}"#,
        ),
        (
            "gloo-mesh-range",
            r#"{"kind":"Deployment","namespace":"shop","name":"gloo-mesh-mgmt-server"}"#,
        ),
        ("data-plane-skew", r#"{"kind":"Namespace","name":"shop"}"#),
    ] {
        let said = findings(&output, check);
        assert!(said.contains(named), "{check}: {said}");
    }
    assert!(api.changes().is_empty());
}

#[test]
fn no_label_or_name_takes_a_proxy_out_of_the_totals() {
    let labels = json!({"labels": {"k8s-app": "istio-cni-node", "app": "istiod",
        "gateway.istio.io/managed": "istio.io-agentgateway-controller"}});
    let foreign = json!({"annotations": {"istio.io/rev": "other",
        "sidecar.istio.io/status": "{\"revision\":\"other\"}"}});
    let leaving = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30,
        "finalizers": ["evil.example/keep"]});
    let app = || json!({"name": "app", "image": "r.io/app:1"});
    let all = |more: Value| json!({"containers": [app(), more]});
    let shadow = json!({"name": "istio-proxy", "image": format!("{HUB}/proxyv2:{TAG}"), "args": ["version"]});
    let shadowed = json!({"initContainers": [shadow], "containers": [app(), proxy("real")]});
    let put_in = json!({"containers": [app()], "ephemeralContainers": [proxy("debug")]});
    let named = json!({"name": "install-cni", "image": "r.io/x:1"});
    for (what, metadata, spec) in [
        ("labels", labels.clone(), all(proxy("istio-proxy"))),
        (
            "labels and names",
            labels,
            json!({"containers": [named, proxy("istio-proxy")]}),
        ),
        ("a foreign revision", foreign, all(proxy("istio-proxy"))),
        ("a finalizer", leaving, all(proxy("istio-proxy"))),
        ("an init container", json!({}), shadowed),
        ("another name", json!({}), all(proxy("app2"))),
        ("an ephemeral container", json!({}), put_in),
    ] {
        let (api, env) = world(TAG, [pod(metadata, spec)]);
        let gauge = b"envoy_server_compilation_settings_fips_mode{} 0\n".to_vec();
        let path = "/api/v1/namespaces/shop/pods/evil-1:15090/proxy/";
        api.answer("GET", path, Answer::Raw(200, "text/plain", gauge));
        let output = env.line("verify -o json --no-registry");
        assert_eq!(output.code(), 79, "{what}: {output}");
        let said = findings(&output, "proxies") + &findings(&output, "gateways");
        assert!(
            said.contains("runs 1.31.0-solo, wanted") && said.contains("evil-1"),
            "{what}: {said}"
        );
        assert_eq!(output.json()["counts"]["not_applicable"], 0, "{what}");
    }
}

#[test]
fn several_proxies_of_one_pod_are_several() {
    let right = json!({"name": "istio-proxy", "image": format!("{HUB}/proxyv2:{TAG}")});
    let spec = json!({"containers": [{"name": "app"}, right, proxy("second")]});
    let (_api, env) = world(TAG, [pod(json!({}), spec)]);
    let output = env.line("verify -o json --no-registry");
    assert_eq!(output.code(), 79, "{output}");
    assert_eq!(output.json()["counts"]["proxies"], 3, "{output}");
}

#[test]
fn a_node_that_calls_itself_virtual_hides_no_proxy() {
    let spec = json!({"containers": [{"name": "app"}, proxy("istio-proxy")]});
    let (api, env) = world(TAG, [pod(json!({}), spec)]);
    let mut node = crate::api::node("node-0");
    node["metadata"]["labels"] = json!({"type": "virtual-kubelet"});
    api.answer(
        "GET",
        "/api/v1/nodes",
        Answer::Json(200, json!({"metadata": {}, "items": [node]})),
    );
    let output = env.line("verify -o json --no-registry");
    assert_eq!(output.code(), 79, "{output}");
    assert!(findings(&output, "proxies").contains("evil-1"), "{output}");
}

#[test]
fn pods_that_answer_503_close_the_way_to_no_other() {
    let spec = || json!({"containers": [{"name": "app"}, {"name": "istio-proxy", "image": format!("{HUB}/proxyv2:{TAG}")}]});
    let tenant = (0..70).map(|n| {
        let mut pod = pod(json!({}), spec());
        pod["metadata"]["namespace"] = json!("aaa");
        pod["metadata"]["name"] = json!(format!("evil-{n}"));
        pod["metadata"]["uid"] = json!(format!("evil-{n}"));
        pod
    });
    let (api, env) = world(TAG, tenant);
    api.refuse("GET", "/api/v1/namespaces/aaa/pods/evil-", 503, "no");
    let output = env.line("verify -o json --no-registry");
    assert_eq!(output.code(), 79, "{output}");
    assert!(
        findings(&output, "control-plane-fips").starts_with("\"passed\""),
        "{output}"
    );
    let said = findings(&output, "data-plane-fips");
    assert!(
        said.contains("in aaa") && !said.contains("istio-system"),
        "{said}"
    );
}

/// A record of the default revision with a setting that is applied again, written by `manager`.
fn record(manager: &str) -> Value {
    let text = json!({"revision": "default", "hub": HUB, "tag": "1.30.5-solo-fips",
        "request": {
            "overlays": [{"name": "base.yaml", "text": "spec:\n  meshConfig:\n    rootNamespace: evil\n"}],
            "sets": ["values.pilot.env.A=b"]},
        "documents": {}, "data": {}, "tool": "0.1.0"})
    .to_string();
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "glooistio-record", "namespace": "istio-system", "uid": "record",
            "labels": {"app.kubernetes.io/managed-by": "glooistio", "istio.io/rev": "default"},
            "managedFields": [{"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:data": {"f:record.json": {}, "f:record.sha256": {}}}}]},
        "data": {"record.sha256": digest(text.as_bytes()).trim_start_matches("sha256:"), "record.json": text}})
}

#[test]
fn what_a_record_applies_again_is_shown_and_never_applied_unread_where_another_wrote_it() {
    let upgrade = |manager: &str, flags: &str| {
        let (api, env) = world("1.30.5-solo-fips", [record(manager)]);
        let output = env.line(&format!("upgrade --to 1.31.0 --no-registry {flags}"));
        (output, api.changes().len(), env.calls("install").len())
    };
    let (shown, ..) = upgrade("glooistio", "--dry-run -o json");
    let again = &shown.json()["expected"]["applied_again"];
    assert_eq!(again[0]["source"], "overlay 1 (base.yaml)", "{shown}");
    assert_eq!(
        again[0]["settings"][0],
        "spec.meshConfig.rootNamespace=evil"
    );
    assert_eq!(again[1]["settings"][0], "values.pilot.env.A=b");

    let (refused, changes, calls) = upgrade("kubectl-edit", "-y");
    refused.fails(65, &["last written by kubectl-edit (Apply)", "without -y"]);
    assert_eq!((changes, calls), (0, 0), "{refused}");
    let (shown, ..) = upgrade("kubectl-edit", "--dry-run");
    assert_eq!(shown.code(), 0, "{shown}");
    let text = format!("{}{}", shown.stdout, shown.stderr);
    assert!(
        text.contains("kubectl-edit") && text.contains("rootNamespace=evil"),
        "{text}"
    );
}
