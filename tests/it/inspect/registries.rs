//! What is said of registries; all that they may do wrong is in `tests/it/registry.rs`.

use std::time::{Duration, Instant};

use super::image::{Image, go_program};
use crate::env::{CommandOutput, TestEnv};
use crate::fake_registry::{Body, Reply, Server, digest};

const IT: &str = "istio/pilot/manifests/1";

/// Longest that a lie may keep us.
const SOON: Duration = Duration::from_secs(20);

fn target(registry: &Server) -> String {
    format!("{}/istio/pilot:1", registry.host)
}

/// A plain program, as `istio/pilot:1`.
fn pushed() -> (Server, Image) {
    let registry = Server::new();
    let image = Image::of(&go_program("go1.24.3", "build\tCGO_ENABLED=0\n"));
    image.push(&registry);
    (registry, image)
}

/// What is said of an image in a registry, after what `lie` did to it.
#[track_caller]
fn told(lie: impl FnOnce(&Server, &Image)) -> CommandOutput {
    let (registry, image) = pushed();
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
    let (_, image) = pushed();
    let registry = Server::new();
    let plain = image.layers;
    Image::zipped(&plain).push(&registry);
    let env = TestEnv::new();
    let first = env.run(&["inspect", "-o", "short", &target(&registry)]);
    insta::assert_snapshot!(first, @r"
        --- stdout
        standard: 127.0.0.1:PORT/istio/pilot:1 arm64 /usr/local/bin/pilot-discovery
        --- exit 0
        ");
    let before = registry.asked().len();
    let second = env.run(&["inspect", "-o", "short", &target(&registry)]);
    assert_eq!(second.success(), first.stdout);
    let asked = registry.asked().split_off(before);
    let blobs = asked.iter().filter(|it| it.path.contains("/blobs/"));
    assert!(blobs.count() <= 1, "only its configuration: {asked:?}");
    let anew = env.run(&["inspect", "-o", "short", "--no-cache", &target(&registry)]);
    assert_eq!(anew.success(), first.stdout);
    for (how, kept) in [("", true), ("--no-cache", false), ("--explain", false)] {
        let text = env.line(&format!("inspect {how} {}", target(&registry)));
        let words: Vec<&str> = text.stdout.split_whitespace().collect();
        assert_eq!(
            words.join(" ").contains("comes from the cache"),
            kept,
            "{how}: {text}"
        );
    }
    let json = env
        .run(&["inspect", "-o", "json", &target(&registry)])
        .json();
    let note = json["expected"]["notes"][0].as_str().unwrap();
    assert!(
        note.contains("istio/pilot:1 linux/arm64 was read on 20"),
        "{note}"
    );
}

#[test]
fn what_is_not_there_or_not_allowed() {
    let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    insta::assert_snapshot!(told(|registry, _| registry.put(IT, Reply::new(404, unknown))), @r"
        --- stderr
        error: 127.0.0.1:PORT/istio/pilot:1 does not exist (manifest unknown): check name and tag
        --- exit 65
        ");
    insta::assert_snapshot!(told(|registry, _| registry.put(IT, Reply::new(403, ""))), @r"
        --- stderr
        error: 127.0.0.1:PORT refuses 127.0.0.1:PORT/istio/pilot:1: no credentials are known for it: log in with `docker login 127.0.0.1:PORT`
        --- exit 65
        ");
    let challenge = Reply::new(401, "").header("www-authenticate", "Basic realm=\"testbed\"");
    insta::assert_snapshot!(told(|registry, _| registry.put(IT, challenge)), @r"
        --- stderr
        error: 127.0.0.1:PORT refuses 127.0.0.1:PORT/istio/pilot:1: no credentials are known for it: log in with `docker login 127.0.0.1:PORT`
        --- exit 65
        ");
}

#[test]
fn a_part_that_is_lost_is_no_matter_of_name_and_tag() {
    let said = told(|registry, image| registry.put(&layer_path(image), Reply::new(404, "")));
    said.fails(65, &["push or mirror it again"]);
}

#[test]
fn what_is_not_reached_ends_with_another_code() {
    insta::assert_snapshot!(told(|registry, _| registry.put(IT, Reply::new(503, ""))), @r"
        --- stderr
        error: cannot reach 127.0.0.1:PORT: it answers 503
        --- exit 69
        ");
    let later = Reply::new(429, "").header("retry-after", "3600");
    insta::assert_snapshot!(told(|registry, _| registry.put(IT, later)), @r"
        --- stderr
        error: cannot reach 127.0.0.1:PORT: it allows no more requests for now (429): try again in 3600 s
        --- exit 69
        ");
    insta::assert_snapshot!(told(|registry, _| registry.put(IT, Reply::bad(Body::Close))), @r"
        --- stderr
        error: cannot reach 127.0.0.1:PORT: it dropped the connection
        --- exit 69
        ");
    TestEnv::new()
        .run(&["inspect", "127.0.0.1:1/istio/pilot:1"])
        .fails(69, &["cannot reach 127.0.0.1:"]);
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let mut env = TestEnv::new();
    env.var("HTTPS_PROXY", "http://127.0.0.1:1");
    env.line("inspect registry.example.com/istio/pilot:1")
        .fails(69, &["HTTPS_PROXY is set: is that proxy there?"]);
}

#[test]
fn what_is_no_image_or_another_one() {
    let page = Reply::ok("text/html", b"<html>Please log in</html>");
    insta::assert_snapshot!(told(|registry, _| registry.put(IT, page.clone())), @r"
        --- stderr
        error: 127.0.0.1:PORT gives no proper answer for 127.0.0.1:PORT/istio/pilot:1: it is a web page: a login page or a proxy is in between, or this is not a registry
        --- exit 65
        ");
    insta::assert_snapshot!(told(|registry, image| {
        let mut layer = image.layers[0].clone();
        layer[600] ^= 1;
        registry.put(&layer_path(image), Reply::new(200, layer));
    }), @r"
        --- stderr
        error: layer sha256:a8a617673bb13e3f12245215d3629258c3db63b73bb2deb70d5169eb75e40b42 of 127.0.0.1:PORT/istio/pilot:1 is damaged: its digest is sha256:d007cbc32691d22436eba736c5a4fa8f9a90674b94d75ebed531bdd386dcf374, not sha256:a8a617673bb13e3f12245215d3629258c3db63b73bb2deb70d5169eb75e40b42
        --- exit 65
        ");
}

#[test]
fn names_the_timeout_that_a_silent_registry_used_up() {
    let registry = Server::answering(|_| Reply::bad(Body::Silence));
    let output = TestEnv::new().run(&["inspect", "--timeout", "1s", &target(&registry)]);
    output.fails(69, &["did not answer within 1 s"]);
    let refused = TestEnv::new().run(&["inspect", "--timeout", "0s", &target(&registry)]);
    refused.fails(64, &["must be greater than 0"]);
}
