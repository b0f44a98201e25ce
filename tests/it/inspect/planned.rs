//! What is in the images of a plan is known before anything changes.

use serde_json::Value;

use super::image::{Entry, MANIFEST, go_program, layer};
use crate::cluster;
use crate::env::TestEnv;
use crate::fake_registry::{Body, Reply, Server};
use crate::images::{Blobs, gzip};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

const TAG: &str = "1.31.0-solo-fips";

/// A registry that has pilot and proxyv2 of that tag, with an ordinary program in each.
fn plain_images() -> Server {
    let server = Server::new();
    for (name, path) in [
        ("pilot", "usr/local/bin/pilot-discovery"),
        ("proxyv2", "usr/local/bin/pilot-agent"),
    ] {
        let program = go_program("go1.24.3", "build\tCGO_ENABLED=0\n");
        let mut blobs = Blobs::default();
        let image = blobs.image("amd64", &[layer(&[Entry::File(path, &program)])], gzip);
        let index = blobs.index(&[image]);
        for (digest, bytes) in &blobs.0 {
            let is_index = *digest == index["digest"];
            let kind = if is_index { INDEX } else { MANIFEST };
            let names = [digest.as_str(), TAG];
            for name_of in names.iter().take(if is_index { 2 } else { 1 }) {
                let path = format!("solo/{name}/manifests/{name_of}");
                server.put(&path, Reply::ok(kind, bytes));
            }
            let path = format!("solo/{name}/blobs/{digest}");
            server.put(&path, Reply::ok(kind, bytes));
        }
    }
    server
}

fn install(env: &TestEnv, server: &Server, more: &str) -> crate::env::CommandOutput {
    let hub = format!("{}/solo", server.host);
    env.line(&format!(
        "install --hub {hub} --istio {TAG} -y -o json {more}"
    ))
}

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|check| check["id"] == id).unwrap()
}

#[test]
fn fips_install_reads_the_images_and_changes_nothing_where_they_are_not_fips() {
    let (api, mut env) = cluster::installs(TAG);
    env.var("GLOOISTIO_NO_REGISTRY", "0");
    let server = plain_images();
    let output = install(&env, &server, "");
    assert_eq!(output.code(), 79, "{output}");
    let report = output.json();
    let evidence = check(&report, "image-evidence");
    assert_eq!(evidence["status"], "failed", "{output}");
    assert!(env.calls("install").is_empty(), "istioctl was run");
    assert!(api.changes().is_empty(), "{:?}", api.changes());
}

#[test]
fn registry_that_does_not_answer_keeps_no_fips_install_from_going_on() {
    let (_api, mut env) = cluster::installs(TAG);
    env.var("GLOOISTIO_NO_REGISTRY", "0");
    let silent = Server::answering(|_| Reply::bad(Body::Silence));
    let output = install(&env, &silent, "--timeout 2s");
    let report = output.json();
    assert_eq!(
        check(&report, "image-exists")["status"],
        "warned",
        "{output}"
    );
    for id in ["image-evidence", "image-certificates"] {
        let check = check(&report, id);
        assert_eq!(check["status"], "not-checked", "{id}: {output}");
        assert!(!check["detail"].as_str().unwrap().is_empty(), "{id}");
    }
    assert_eq!(env.calls("install").len(), 1, "{output}");
}
