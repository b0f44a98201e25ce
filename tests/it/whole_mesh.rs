//! What `verify` is asked for holds for every image and every role of a mesh.

use serde_json::{Value, json};

use crate::api::Api;
use crate::cluster::{HUB, INJECTOR, injects, mesh, pod, says};
use crate::env::{CommandOutput, TestEnv};

const FIPS: &str = "1.31.0-patch4-solo-fips";

/// A cluster with that mesh and more, as its pods say of themselves.
fn world(tag: &str, more: impl IntoIterator<Item = Value>) -> (Api, TestEnv) {
    let api = Api::new();
    mesh(HUB, tag)
        .into_iter()
        .chain(more)
        .for_each(|object| api.add(object));
    says(&api, tag.contains("-fips"));
    injects(&api, tag);
    let env = TestEnv::with(&api);
    (api, env)
}

/// Status, messages and detail of a check.
fn check(output: &CommandOutput, id: &str) -> (String, String) {
    let report = output.json();
    let checks = report["checks"].as_array().unwrap();
    let one = checks.iter().find(|one| one["id"] == id).unwrap();
    let findings = one["findings"].as_array().into_iter().flatten();
    let said = findings.map(|finding| finding["message"].as_str().unwrap());
    let said: Vec<&str> = said.chain(one["detail"].as_str()).collect();
    (one["status"].as_str().unwrap().to_owned(), said.join("; "))
}

#[test]
fn a_floor_or_policy_judges_a_mesh_that_nobody_calls_fips() {
    let (_api, env) = world("1.31.0", []);
    let plain = env.line("verify -o json --no-registry");
    for id in ["control-plane-fips", "data-plane-fips", "fips-settings"] {
        assert_eq!(check(&plain, id).0, "not-applicable", "{plain}");
    }
    for asked in [
        "--require declared",
        "--require proven",
        "--policy 140-3-active",
    ] {
        let output = env.line(&format!("verify -o json --no-registry {asked}"));
        assert_eq!(output.code(), 79, "{asked}: {output}");
        for id in ["control-plane-fips", "data-plane-fips"] {
            let (status, said) = check(&output, id);
            assert_eq!(status, "failed", "{asked} {id}: {output}");
            assert!(said.contains("standard build"), "{asked} {id}: {said}");
        }
    }
}

/// A pod of a `DaemonSet` as the charts make it: without a revision, unless it says one.
fn of_node(name: &str, container: &str, image: &str, revision: Option<&str>) -> Value {
    let mut pod = pod(name, container, image);
    pod["metadata"]["labels"] = json!({"app": name, "k8s-app": name});
    if let Some(revision) = revision {
        pod["metadata"]["annotations"] = json!({"istio.io/rev": revision});
    }
    pod
}

#[test]
fn node_agents_are_judged_like_proxies() {
    let cni = format!("{HUB}/install-cni:{FIPS}");
    let verify = |cni: &str, ztunnel: &str, revision| {
        let (_api, env) = world(
            FIPS,
            [
                of_node("istio-cni-node", "install-cni", cni, None),
                of_node("ztunnel", "istio-proxy", ztunnel, revision),
            ],
        );
        env.line("verify -o json --no-registry")
    };
    let right = verify(&cni, &format!("{HUB}/ztunnel:{FIPS}"), None);
    assert_eq!(check(&right, "proxies").0, "passed", "{right}");
    assert_eq!(check(&right, "data-plane-fips").0, "passed", "{right}");
    assert_eq!(right.code(), 0, "{right}");

    let wrong = verify(
        &format!("{HUB}/install-cni:1.17.0"),
        &format!("evil.io/x/ztunnel:{FIPS}"),
        None,
    );
    assert_eq!(wrong.code(), 79, "{wrong}");
    let (status, said) = check(&wrong, "proxies");
    assert_eq!(status, "failed", "{wrong}");
    for part in [
        "install-cni runs 1.17.0,",
        "ztunnel runs from evil.io/x, wanted",
    ] {
        assert!(said.contains(part), "{said}");
    }
    let (status, said) = check(&wrong, "data-plane-fips");
    assert!(
        status == "failed" && said.contains("standard build"),
        "{wrong}"
    );

    let left = verify(&cni, &format!("{HUB}/ztunnel:{FIPS}"), Some("gone"));
    let (status, said) = check(&left, "proxies");
    assert!(status == "warned" && left.code() == 0, "{left}");
    assert!(
        said.contains("no control plane of revision gone is here"),
        "{said}"
    );
}

#[test]
fn fails_where_other_code_may_run_in_a_proxy() {
    let verify = |change: fn(&mut Value)| {
        let api = Api::new();
        for mut object in mesh(HUB, FIPS) {
            if object["kind"] == "Pod" && object["metadata"]["name"] == "istio-ingressgateway-1" {
                change(&mut object);
            }
            api.add(object);
        }
        says(&api, true);
        injects(&api, FIPS);
        TestEnv::with(&api).line("verify -o json --no-registry")
    };
    assert_eq!(check(&verify(|_| ()), "data-plane-fips").0, "passed");
    for (change, item) in [
        (
            (|pod| pod["spec"]["containers"][0]["command"] = json!(["/bin/sh"])) as fn(&mut Value),
            "has the command `/bin/sh`",
        ),
        (
            |pod| {
                pod["metadata"]["annotations"] =
                    json!({"proxy.istio.io/config": "{\"binary\\u0050ath\": \"/x\"}"});
            },
            "has binaryPath in its ProxyConfig",
        ),
    ] {
        let output = verify(change);
        assert_eq!(output.code(), 79, "{output}");
        let (status, said) = check(&output, "data-plane-fips");
        assert_eq!(status, "failed", "{output}");
        assert!(
            said.contains("other code than that of its image may run"),
            "{said}"
        );
        assert!(output.to_string().contains(item), "{output}");
        let evidence = output.json()["evidence"].clone();
        let all = evidence.as_array().unwrap().iter();
        let deviating: Vec<_> = all.filter(|one| one["deviations"]["total"] == 1).collect();
        assert_eq!(deviating.len(), 1, "{evidence}");
        assert_eq!(deviating[0]["module"], "unknown");
    }
}

#[test]
fn warns_where_the_injector_may_not_be_asked() {
    let (api, env) = world(FIPS, []);
    api.refuse("POST", INJECTOR, 403, "cannot create services/proxy");
    let plain = env.line("verify -o json --no-registry");
    assert_eq!(check(&plain, "data-plane-fips").0, "warned", "{plain}");
    assert_eq!(plain.code(), 0, "{plain}");
    let right = "allow create of services/proxy in namespace istio-system";
    assert!(plain.to_string().contains(right), "{plain}");
}

#[test]
fn the_certificates_of_a_gateway_are_those_where_its_pods_run() {
    let chain = include_bytes!("../data/certificates.pem").to_vec();
    let more = [
        json!({
            "apiVersion": "networking.istio.io/v1beta1", "kind": "Gateway",
            "metadata": {"name": "shop", "namespace": "default"},
            "spec": {
                "selector": {"istio": "ingressgateway"},
                "servers": [{"tls": {"mode": "SIMPLE", "credentialName": "shop"}}],
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "shop", "namespace": "istio-system"},
            "data": {"tls.crt": k8s_openapi::ByteString(chain)},
        }),
    ];
    let (api, env) = world(FIPS, more);
    let line = format!("check -o json --istio {FIPS}");
    let output = env.line(&line);
    let (status, said) = check(&output, "fips-keys");
    assert_eq!(status, "warned", "{output}");
    assert!(said.contains("Ed25519 is refused"), "{output}");

    let secret = "/api/v1/namespaces/istio-system/secrets/shop";
    api.refuse("GET", secret, 403, "cannot get");
    let output = env.line(&line);
    let (status, said) = check(&output, "fips-keys");
    assert_eq!(status, "unknown", "{output}");
    let right = "ask for the right to get secrets in namespace istio-system";
    assert!(said.contains(right), "{output}");
}
