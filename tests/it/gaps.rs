//! What `verify` and `check` make of clusters that do not say everything.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::Api;
use crate::cluster::{self, HUB};
use crate::env::TestEnv;

const TAG: &str = "1.31.0-solo";

/// A cluster with a healthy mesh.
fn healthy() -> (Api, TestEnv) {
    let api = Api::new();
    for object in cluster::mesh(HUB, TAG) {
        api.add(object);
    }
    cluster::says(&api, false);
    cluster::injects(&api, TAG);
    let env = TestEnv::with(&api);
    (api, env)
}

/// The status of each check; none where the command ended before.
fn outcomes(env: &TestEnv, line: &str) -> BTreeMap<String, Value> {
    let report = env.line(line).json();
    let checks = report["checks"].as_array().into_iter().flatten();
    checks
        .map(|one| (one["id"].to_string(), one["status"].clone()))
        .collect()
}

/// Whatever these commands read, and whether its absence (404) says something as well.
const READ: &[(&str, &str, bool)] = &[
    ("check", "/version", true),
    ("check verify", "/apis/apps/v1/deployments", true),
    ("check verify", "/api/v1/pods", true),
    ("check", "/api/v1/nodes", true),
    ("check verify", "/api/v1/namespaces?", true),
    (
        "check verify",
        "/apis/apps/v1/namespaces/istio-system/deployments",
        true,
    ),
    (
        "check verify",
        "/api/v1/namespaces/istio-system/configmaps/",
        false,
    ),
    (
        "check verify",
        "/apis/admissionregistration.k8s.io/v1/mutating",
        true,
    ),
    (
        "check verify",
        "/apis/admissionregistration.k8s.io/v1/validating",
        true,
    ),
    (
        "verify",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        true,
    ),
    ("verify", "/apis/discovery.k8s.io/v1/", true),
    (
        "check",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.",
        false,
    ),
    (
        "check",
        "/apis/config.openshift.io/v1/clusterversions",
        false,
    ),
];

#[test]
fn nothing_that_is_read_can_be_refused_without_another_outcome() {
    for (word, line) in [
        ("check", "check --istio 1.31.0-solo -o json"),
        ("verify", "verify -o json"),
    ] {
        let (_api, env) = healthy();
        let fine = outcomes(&env, line);
        assert!(fine.values().any(|status| status == "passed"), "{fine:?}");
        for (_, path, absence) in READ.iter().filter(|(words, ..)| words.contains(word)) {
            for code in [403, 404, 500] {
                if code == 404 && !absence {
                    continue;
                }
                let (api, env) = healthy();
                api.refuse("GET", path, code, "no");
                let seen = outcomes(&env, line);
                assert_ne!(seen, fine, "{word} {path} {code}");
                let mut passed = seen.iter().filter(|(_, status)| *status == "passed");
                assert!(
                    passed.all(|(id, _)| fine[id] == "passed"),
                    "{word} {path} {code}: {seen:?}"
                );
            }
        }
    }
}

#[test]
fn what_was_typed_or_answered_drives_no_terminal() {
    let api = Api::new();
    let env = TestEnv::with(&api);
    let evil = "a\u{1b}[31m\u{7}\u{202e}b";
    for args in [
        &["verify", "-r", evil][..],
        &["check", "--skip", evil],
        &["inspect", evil],
        &["verify", &format!("--{evil}")],
    ] {
        let output = env.run(args);
        assert!(output.stderr.contains(r"\u{202e}b"), "{output}");
        let bad = ['\u{1b}', '\u{7}', '\u{202e}'];
        assert!(!output.stderr.contains(bad), "{args:?}: {output}");
    }
    api.refuse("GET", "/apis/apps/v1/deployments", 403, evil);
    let output = env.line("verify");
    assert!(!output.stderr.contains('\u{1b}'), "{output}");
}

#[test]
fn verify_names_the_operators_mesh_that_it_leaves_out() {
    let api = Api::new();
    let env = TestEnv::with(&api);
    let mut mesh = cluster::mesh(HUB, TAG);
    for object in &mut mesh {
        object["metadata"]["ownerReferences"] = serde_json::json!([{"apiVersion": "x/v1", "kind": "IstioRevision", "name": "prod", "uid": "u"}]);
        api.add(object.clone());
    }
    let said = [
        "IstioRevision/prod manages revision default",
        "judge it: glooistio verify -r default -i istio-system",
    ];
    env.line("verify").fails(79, &said);
    let named = env.line("verify -r default -v");
    assert!(
        named.stdout.contains("the control plane is ready"),
        "{named}"
    );
}
