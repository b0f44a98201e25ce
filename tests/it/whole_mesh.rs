//! What `verify` is asked for holds for every image and every role of a mesh.

use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::cluster::{HUB, mesh, pod, says};
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
