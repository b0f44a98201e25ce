//! Places that only this machine or its network can reach are contacted only if the user named them.

use serde_json::{Value, json};

use crate::api::Api;
use crate::cluster::{self, HUB};
use crate::env::TestEnv;
use crate::fake_registry::{Reply, Server};

const FIPS: &str = "1.31.0-solo-fips";

/// A mesh whose gateway's image is at that place.
fn mesh(image: &str, image_id: &str) -> (Api, TestEnv) {
    let api = Api::new();
    let mut env = TestEnv::with(&api);
    env.var("GLOOISTIO_NO_REGISTRY", "0");
    // The vendor's registry is out of reach at once.
    env.var("HTTPS_PROXY", "http://127.0.0.1:1");
    env.var("NO_PROXY", "127.0.0.1");
    for mut object in cluster::mesh(HUB, FIPS) {
        if object["kind"] == "Pod" && object["metadata"]["name"] == "istio-ingressgateway-1" {
            object["spec"]["containers"][0]["image"] = json!(image);
            object["status"]["containerStatuses"][0]["imageID"] = json!(image_id);
        }
        api.add(object);
    }
    cluster::says(&api, true);
    cluster::injects(&api, FIPS);
    (api, env)
}

fn digest() -> String {
    format!("sha256:{:064}", 7)
}

#[test]
fn the_image_of_a_pod_sends_no_request_to_this_machine() {
    let victim = Server::new();
    let port = victim.host.rsplit(':').next().unwrap();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0",
        "127.1",
    ] {
        let place = format!("{host}:{port}/any/path");
        for (image, id) in [
            (format!("{place}:{FIPS}"), format!("{place}@{}", digest())),
            (
                format!("{HUB}/proxyv2:{FIPS}"),
                format!("{place}@{}", digest()),
            ),
        ] {
            let (_api, env) = mesh(&image, &id);
            let report = env.line("verify -o json").json();
            assert!(
                !report["evidence"].as_array().unwrap().is_empty(),
                "{report}"
            );
        }
    }
    assert!(victim.asked().is_empty(), "{:?}", victim.asked());
}

#[test]
fn a_registry_that_was_not_contacted_is_named_and_is_contacted_where_the_user_names_it() {
    let server = Server::new();
    let image = format!("{}/any/path", server.host);
    let tagged = format!("{image}:{FIPS}");
    let (api, env) = mesh(&tagged, &format!("{image}@{}", digest()));
    // The image of a pod that deviates would not be read at all.
    cluster::injects_image(&api, &tagged);
    let report = env.line("verify -o json").json();
    let check = |report: &Value| {
        let checks = report["checks"].as_array().unwrap().iter();
        let mut found = checks.filter(|check| check["id"] == "data-plane-fips");
        found.next().unwrap().to_string()
    };
    let said = check(&report);
    assert!(
        said.contains("were not read") && said.contains("--allow-registry"),
        "{said}"
    );
    for flag in ["--allow-registry", "--plain-http"] {
        let before = server.asked().len();
        let output = env.line(&format!("verify -o json {flag} {}", server.host));
        assert!(server.asked().len() > before, "{flag}");
        assert_eq!(
            output.code(),
            79,
            "it answers, and has no such image: {output}"
        );
    }
}

#[test]
fn neither_a_redirect_nor_a_realm_leads_to_this_machine() {
    let victim = Server::new();
    let mut before = 0;
    let target = victim.host.clone();
    let to = move |place: &str| place.replace("HOST", &target);
    for (header, value) in [
        ("location", "http://HOST/any"),
        ("location", "https://HOST/any"),
        ("location", "//HOST/any"),
        (
            "www-authenticate",
            r#"Bearer realm="http://HOST/token",service="s""#,
        ),
        (
            "www-authenticate",
            r#"Bearer realm="https://HOST/token",service="s""#,
        ),
    ] {
        let status = if header == "location" { 307 } else { 401 };
        let value = to(value);
        let server =
            Server::answering(move |_| Reply::new(status, "").header(header, value.clone()));
        let output = TestEnv::new().line(&format!("inspect {}/istio/pilot:1", server.host));
        output.fails(69, &["is not contacted", "--allow-registry"]);
        assert_eq!(
            victim.asked().len(),
            before,
            "{header}: {:?}",
            victim.asked()
        );
        let allowed = format!(
            "inspect --allow-registry {} {}/istio/pilot:1",
            victim.host, server.host
        );
        assert_ne!(TestEnv::new().line(&allowed).code(), 0);
        before = victim.asked().len();
    }
    assert!(before > 0);
}
