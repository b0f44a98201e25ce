//! Layouts that hold more than good images: what is foreign is skipped and said, what cannot be read is
//! unknown, and the good images are judged.

use std::path::Path;

use serde_json::{Value, json};

use super::image::{Image, MANIFEST, go_program};
use crate::env::TestEnv;
use crate::fake_registry::digest;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn good() -> Image {
    Image::of(&go_program("go1.24.3", "build\tCGO_ENABLED=0\n"))
}

fn blob(dir: &Path, bytes: &[u8]) -> (String, usize) {
    let digest = digest(bytes);
    std::fs::write(dir.join("blobs").join(digest.replace(':', "/")), bytes).unwrap();
    (digest, bytes.len())
}

/// Writes a manifest, and gives the entry for it.
fn manifest(dir: &Path, config: (&str, &Value), layers: &[(&str, &[u8])]) -> Value {
    let (digest, size) = blob(dir, config.1.to_string().as_bytes());
    let layers = layers.iter().map(|(kind, bytes)| {
        let (digest, size) = blob(dir, bytes);
        json!({"mediaType": kind, "digest": digest, "size": size})
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": config.0, "digest": digest, "size": size},
        "layers": layers.collect::<Vec<_>>(),
    });
    let (digest, size) = blob(dir, manifest.to_string().as_bytes());
    json!({"mediaType": MANIFEST, "digest": digest, "size": size})
}

/// A layout of the good image and `more` entries.
fn layout(env: &TestEnv, more: impl Fn(&Path) -> Vec<Value>) {
    let dir = env.work().join("layout");
    std::fs::remove_dir_all(&dir).ok();
    good().layout(&dir);
    let mut index: Value =
        serde_json::from_slice(&std::fs::read(dir.join("index.json")).unwrap()).unwrap();
    let mut entries = more(&dir);
    entries.extend(index["manifests"].as_array().unwrap().clone());
    index["manifests"] = Value::from(entries);
    std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all(".", dir).unwrap();
    env.file(
        "oci.tar.gz",
        crate::images::gzip(&tar.into_inner().unwrap()),
    );
}

/// The configuration of an image for amd64 that has one layer.
fn configuration(layer: &[u8]) -> Value {
    json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}})
}

/// Makes an entry of a layout in a directory.
type Make<'a> = &'a dyn Fn(&Path) -> Value;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn skips_what_is_no_container_image_and_says_so() {
    let env = TestEnv::new();
    let empty = json!({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}});
    let absent = digest(b"absent");
    let kinds: [(&str, Make<'_>); 8] = [
        ("application/vnd.dev.cosign.simplesigning.v1+json", &|dir| {
            manifest(
                dir,
                (CONFIG, &empty),
                &[("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")],
            )
        }),
        ("application/vnd.dsse.envelope.v1+json", &|dir| {
            manifest(
                dir,
                (CONFIG, &empty),
                &[("application/vnd.dsse.envelope.v1+json", b"{}")],
            )
        }),
        ("application/vnd.cncf.helm.config.v1+json", &|dir| {
            manifest(
                dir,
                ("application/vnd.cncf.helm.config.v1+json", &json!({})),
                &[("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"x")],
            )
        }),
        ("application/vnd.wasm.config.v0+json", &|dir| {
            manifest(
                dir,
                ("application/vnd.wasm.config.v0+json", &json!({})),
                &[("application/wasm", b"x")],
            )
        }),
        ("application/vnd.oci.empty.v1+json", &|dir| {
            manifest(
                dir,
                ("application/vnd.oci.empty.v1+json", &json!({})),
                &[("text/plain", b"x")],
            )
        }),
        ("application/vnd.oci.artifact.manifest.v1+json", &|dir| {
            let kind = "application/vnd.oci.artifact.manifest.v1+json";
            let artifact = json!({"mediaType": kind, "blobs": []});
            let (digest, size) = blob(dir, artifact.to_string().as_bytes());
            json!({"mediaType": kind, "digest": digest, "size": size})
        }),
        (
            "application/vnd.in-toto+json",
            &|_| json!({"mediaType": "application/vnd.in-toto+json", "digest": absent, "size": 3}),
        ),
        ("attestation-manifest", &|_| {
            json!({"mediaType": MANIFEST, "digest": absent, "size": 3,
                "platform": {"os": "unknown", "architecture": "unknown"}})
        }),
    ];
    for (kind, make) in kinds {
        layout(&env, |dir| vec![make(dir)]);
        for target in ["oci:layout", "oci-archive:oci.tar.gz"] {
            let output = env.line(&format!("inspect {target}"));
            assert_eq!(output.code(), 0, "{kind}: {output}");
            // The text wraps.
            let said = output
                .stdout
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            assert!(said.contains("are skipped: 1 × "), "{kind}: {output}");
            let report: Value =
                serde_json::from_str(&env.line(&format!("inspect -o json {target}")).stdout)
                    .unwrap();
            assert!(
                report["expected"]["notes"][0]
                    .as_str()
                    .unwrap()
                    .ends_with(&format!("1 × {kind}")),
                "{report}"
            );
            assert_eq!(report["counts"]["skipped_entries"], 1, "{report}");
            assert_eq!(report["evidence"].as_array().unwrap().len(), 1);
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn image_that_cannot_be_read_is_unknown_beside_the_others() {
    let env = TestEnv::new();
    let absent = digest(b"absent");
    let layer = b"layer".as_slice();
    let of_kind =
        |dir: &Path, kind: &str| manifest(dir, (CONFIG, &configuration(layer)), &[(kind, layer)]);
    let kinds: [(&str, Make<'_>); 14] = [
        (
            "there is no `blobs",
            &|_| json!({"mediaType": "application/x-unknown", "digest": absent, "size": 3}),
        ),
        ("no program of Istio", &|dir| {
            // Some runtimes go by the platform alone.
            let tar = "application/vnd.oci.image.layer.v1.tar";
            let layer = [0; 1024].as_slice();
            let mut entry = manifest(dir, (CONFIG, &configuration(layer)), &[(tar, layer)]);
            entry["mediaType"] = json!("application/json");
            entry["platform"] = json!({"os": "linux", "architecture": "arm64"});
            entry
        }),
        ("it is not a container image but a", &|dir| {
            let helm = "application/vnd.cncf.helm.config.v1+json";
            let mut entry = manifest(dir, (helm, &json!({})), &[("text/plain", b"x")]);
            entry["platform"] = json!({"os": "linux", "architecture": "arm64"});
            entry
        }),
        ("application/octet-stream", &|dir| {
            let tar = "application/vnd.oci.image.layer.v1.tar";
            let config = configuration(layer);
            manifest(dir, ("application/octet-stream", &config), &[(tar, layer)])
        }),
        ("nydus", &|dir| {
            of_kind(dir, "application/vnd.oci.image.layer.nydus.blob.v1")
        }),
        ("squashfs", &|dir| {
            of_kind(
                dir,
                "application/vnd.stacker.image.layer.squashfs+zstd+verity",
            )
        }),
        ("elsewhere", &|dir| {
            of_kind(
                dir,
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            )
        }),
        ("encrypted", &|dir| {
            of_kind(dir, "application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
        }),
        ("damaged", &|dir| {
            of_kind(dir, "application/vnd.oci.image.layer.v1.tar")
        }),
        (
            "there is no `blobs",
            &|_| json!({"mediaType": MANIFEST, "digest": absent, "size": 3}),
        ),
        ("index", &|_| json!({"mediaType": MANIFEST})),
        ("index", &|_| json!("text")),
        ("there is no `blobs", &|dir| {
            let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
                {"mediaType": MANIFEST, "digest": absent, "size": 3,
                 "platform": {"os": "linux", "architecture": "amd64"}}]});
            let (digest, size) = blob(dir, inner.to_string().as_bytes());
            json!({"mediaType": INDEX, "digest": digest, "size": size})
        }),
        ("digest", &|dir| {
            let entry = manifest(dir, (CONFIG, &configuration(layer)), &[]);
            let name = entry["digest"].as_str().unwrap().replace(':', "/");
            std::fs::write(dir.join("blobs").join(name), "{}").unwrap();
            entry
        }),
    ];
    for (number, (why, make)) in kinds.into_iter().enumerate() {
        layout(&env, |dir| vec![make(dir)]);
        for target in ["oci:layout", "oci-archive:oci.tar.gz"] {
            let output = env.line(&format!("inspect -o short {target}"));
            assert_eq!(output.code(), 79, "{number} {why}: {output}");
            assert!(
                output.stdout.contains("standard: "),
                "{number} {why}: {output}"
            );
            let line = output
                .stdout
                .lines()
                .find(|line| line.contains("unknown"))
                .unwrap();
            assert!(line.contains(why), "{number} {why}: {line}");
        }
    }
}

#[test]
fn platforms_that_were_not_saved_are_said_and_no_failure() {
    let env = TestEnv::new();
    let absent = digest(b"absent");
    layout(&env, |dir| {
        let there = good();
        let inner = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": MANIFEST, "digest": digest(&there.manifest), "size": there.manifest.len(),
             "platform": {"os": "linux", "architecture": "arm64"}},
            {"mediaType": MANIFEST, "digest": absent, "size": 3,
             "platform": {"os": "linux", "architecture": "s390x"}}]});
        let (digest, size) = blob(dir, inner.to_string().as_bytes());
        vec![json!({"mediaType": INDEX, "digest": digest, "size": size})]
    });
    let output = env.line("inspect oci:layout");
    assert_eq!(output.code(), 0, "{output}");
    let said = output
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(said.contains("1 × linux/s390x"), "{output}");
}

#[test]
fn layer_that_unpacks_to_something_else_is_refused_in_every_form() {
    let env = TestEnv::new();
    for zipped in [false, true] {
        let plain = good().layers;
        let mut image = if zipped {
            Image::zipped(&plain)
        } else {
            Image::new(&plain)
        };
        let config = String::from_utf8(image.config.clone()).unwrap();
        let config = config.replace(&digest(&plain[0]), &digest(b"something else"));
        let manifest = String::from_utf8(image.manifest.clone()).unwrap();
        let manifest = manifest.replace(&digest(&image.config), &digest(config.as_bytes()));
        image.config = config.into_bytes();
        image.manifest = manifest.into_bytes();
        let dir = env.work().join("layout");
        std::fs::remove_dir_all(&dir).ok();
        image.layout(&dir);
        image.docker_archive(&env.work().join("saved.tar"));
        env.file(
            "saved.tar.gz",
            crate::images::gzip(&std::fs::read(env.work().join("saved.tar")).unwrap()),
        );
        let registry = crate::fake_registry::Server::new();
        image.push(&registry);
        let reference = format!("{}/istio/pilot:1", registry.host);
        for target in ["oci:layout", "saved.tar", "saved.tar.gz", &reference] {
            let output = env.line(&format!("inspect -o short {target}"));
            assert_eq!(output.code(), 65, "{zipped} {target}: {output}");
            assert!(
                output
                    .to_string()
                    .contains("configuration of its image says"),
                "{target}: {output}"
            );
        }
    }
}
