//! A registry that lies, is silent or is none: a clear error, soon, and nothing is believed.

use std::time::{Duration, Instant};

use serde_json::json;

use super::image::{Image, MANIFEST, go_program};
use crate::env::{CommandOutput, TestEnv};
use crate::fake_registry::{Registry, Reply, digest};

const IT: &str = "istio/pilot/manifests/1";

/// Longest that a lie may keep us; the silent are waited for longer.
const SOON: Duration = Duration::from_secs(20);

fn plain() -> Vec<u8> {
    go_program("go1.24.3", "build\tCGO_ENABLED=0\n")
}

fn target(registry: &Registry) -> String {
    format!("{}/istio/pilot:1", registry.host)
}

/// What is said of an image in a registry, after what `lie` did to it.
#[track_caller]
fn told(lie: impl FnOnce(&Registry, &Image)) -> CommandOutput {
    let registry = Registry::new();
    let image = Image::of(&plain());
    image.push(&registry);
    lie(&registry, &image);
    let begun = Instant::now();
    let output = TestEnv::new().run(&["inspect", &target(&registry)]);
    assert!(begun.elapsed() < SOON, "{:?}: {output}", begun.elapsed());
    output
}

fn layer_path(image: &Image) -> String {
    format!("istio/pilot/blobs/{}", digest(&image.layers[0]))
}

#[test]
fn an_honest_one_is_read_and_its_digests_are_kept() {
    let registry = Registry::new();
    Image::zipped(&Image::of(&plain()).layers).push(&registry);
    let env = TestEnv::new();
    let first = env.run(&["inspect", "-o", "short", &target(&registry)]);
    insta::assert_snapshot!(first, @r"
        --- stdout
        standard: 127.0.0.1:PORT/istio/pilot:1 arm64 /usr/local/bin/pilot-discovery
        --- exit 0
        ");
    let asked = registry.asked().len();
    let second = env.run(&["inspect", "-o", "short", &target(&registry)]);
    assert_eq!(second.success(), first.stdout);
    let blobs = registry.asked()[asked..]
        .iter()
        .filter(|path| path.contains("/blobs/"))
        .count();
    assert!(
        blobs <= 1,
        "only its configuration again: {:?}",
        registry.asked()
    );
    let anew = env.run(&["inspect", "-o", "short", "--no-cache", &target(&registry)]);
    assert_eq!(anew.success(), first.stdout);
}

#[test]
fn what_is_not_there_or_not_allowed() {
    let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    insta::assert_snapshot!(told(|registry, _| registry.answer(IT, Reply::status(404, unknown))), @r"
        --- stderr
        error: 127.0.0.1:PORT/istio/pilot:1 does not exist (manifest unknown): check name and tag
        --- exit 65
        ");
    insta::assert_snapshot!(told(|registry, _| registry.answer(IT, Reply::status(403, ""))), @r"
        --- stderr
        error: 127.0.0.1:PORT refuses 127.0.0.1:PORT/istio/pilot:1: no credentials are known for it: log in with `docker login 127.0.0.1:PORT`
        --- exit 65
        ");
    let challenge = "WWW-Authenticate: Basic realm=\"testbed\"\r\n".to_owned();
    insta::assert_snapshot!(told(|registry, _| {
        registry.answer(IT, Reply::Whole(401, challenge, Vec::new()));
    }), @r"
        --- stderr
        error: 127.0.0.1:PORT refuses 127.0.0.1:PORT/istio/pilot:1: no credentials are known for it: log in with `docker login 127.0.0.1:PORT`
        --- exit 65
        ");
    insta::assert_snapshot!(told(|registry, _| registry.answer(IT, Reply::status(503, ""))), @r"
        --- stderr
        error: cannot reach 127.0.0.1:PORT: it answers 503
        --- exit 69
        ");
}

#[test]
fn a_web_page_is_no_image() {
    let page = Reply::ok("text/html", b"<html>Please log in</html>");
    insta::assert_snapshot!(told(|registry, _| registry.answer(IT, page.clone())), @r"
        --- stderr
        error: 127.0.0.1:PORT gives no proper answer for 127.0.0.1:PORT/istio/pilot:1: it is a web page: a login page or a proxy stands in between, or this is no registry
        --- exit 65
        ");
    told(|registry, image| registry.answer(&layer_path(image), page)).fails(65, &["web page"]);
    told(|registry, _| registry.answer(IT, Reply::ok(MANIFEST, b"<html>"))).fails(65, &["pilot:1"]);
}

#[test]
fn redirects_without_end() {
    let around = Reply::Whole(307, format!("Location: /v2/{IT}\r\n"), Vec::new());
    insta::assert_snapshot!(told(|registry, _| registry.answer(IT, around)), @r"
        --- stderr
        error: 127.0.0.1:PORT gives no proper answer for 127.0.0.1:PORT/istio/pilot:1: it redirects more than 5 times
        --- exit 65
        ");
    let away = Reply::Whole(
        307,
        "Location: http://registry.invalid/x\r\n".into(),
        Vec::new(),
    );
    told(|registry, _| registry.answer(IT, away)).fails(65, &["without TLS"]);
}

#[test]
fn a_dropped_connection() {
    insta::assert_snapshot!(told(|registry, _| registry.answer(IT, Reply::Close)), @r"
        --- stderr
        error: 127.0.0.1:PORT gives no proper answer for 127.0.0.1:PORT/istio/pilot:1: the connection was dropped: connection closed before message completed
        --- exit 65
        ");
    insta::assert_snapshot!(told(|registry, image| {
        let layer = &image.layers[0];
        registry.answer(&layer_path(image), Reply::Cut(layer.len(), layer[..700].to_vec()));
    }), @r"
        --- stderr
        error: 127.0.0.1:PORT gives no proper answer for blob sha256:a8a617673bb13e3f12245215d3629258c3db63b73bb2deb70d5169eb75e40b42 of 127.0.0.1:PORT/istio/pilot:1: the connection was dropped
        --- exit 65
        ");
    told(|registry, image| {
        registry.answer(
            IT,
            Reply::Cut(image.manifest.len(), image.manifest[..50].to_vec()),
        );
    })
    .fails(65, &["dropped"]);
}

#[test]
fn a_size_or_a_digest_that_is_wrong() {
    insta::assert_snapshot!(told(|registry, image| {
        let mut layer = image.layers[0].clone();
        layer[600] ^= 1;
        registry.answer(&layer_path(image), Reply::ok("application/octet-stream", &layer));
    }), @r"
        --- stderr
        error: layer sha256:a8a617673bb13e3f12245215d3629258c3db63b73bb2deb70d5169eb75e40b42 of 127.0.0.1:PORT/istio/pilot:1 is damaged: its digest is sha256:d007cbc32691d22436eba736c5a4fa8f9a90674b94d75ebed531bdd386dcf374, not sha256:a8a617673bb13e3f12245215d3629258c3db63b73bb2deb70d5169eb75e40b42
        --- exit 65
        ");
    for change in [-512_isize, 512] {
        let output = told(|registry, image| {
            let mut layer = image.layers[0].clone();
            layer.resize(layer.len().strict_add_signed(change), 0);
            registry.answer(
                &layer_path(image),
                Reply::ok("application/octet-stream", &layer),
            );
        });
        output.fails(65, &["sha256:"]);
        assert_eq!(output.stdout, "", "{output}");
    }
    // What is stated of the manifest, and what the manifest states of its configuration.
    told(|registry, image| {
        let stated = format!("Docker-Content-Digest: {}\r\n", digest(b"other"));
        registry.answer(IT, Reply::Whole(200, stated, image.manifest.clone()));
    })
    .fails(65, &["its digest is"]);
    told(|registry, image| {
        let path = format!("istio/pilot/blobs/{}", digest(&image.config));
        let mut config = image.config.clone();
        config[20] ^= 1;
        registry.answer(&path, Reply::ok("application/json", &config));
    })
    .fails(65, &["sha256:"]);
}

#[test]
fn documents_and_layers_without_an_end() {
    let kind = || format!("Content-Type: {MANIFEST}\r\n");
    insta::assert_snapshot!(told(|registry, _| registry.answer(IT, Reply::Endless(kind()))), @r"
        --- stderr
        error: 127.0.0.1:PORT/istio/pilot:1 has more than 4194304 bytes: it is refused
        --- exit 65
        ");
    told(|registry, image| registry.answer(&layer_path(image), Reply::Endless(kind())))
        .fails(65, &["sha256:"]);
}

#[test]
fn a_layer_that_claims_to_be_larger_than_any() {
    let output = told(|registry, image| {
        let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
        manifest["layers"][0]["size"] = json!(i64::MAX);
        registry.answer(IT, Reply::ok(MANIFEST, manifest.to_string().as_bytes()));
    });
    output.fails(65, &[]);
}

#[test]
fn nobody_listens() {
    TestEnv::new()
        .run(&["inspect", "127.0.0.1:1/istio/pilot:1"])
        .fails(69, &["cannot reach 127.0.0.1:"]);
}
