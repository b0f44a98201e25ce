//! The bytes decide: real images in a real registry, under every kind of tag.
//!
//! What each tag holds stands in `tests/testbed/README.md`.

use std::process::Command;

use serde_json::{Value, json};

use super::{Bed, failed};
use crate::env::{CommandOutput, root};

mod hostile;

const DAY: &str = "2026-11-23";

/// A bed whose registry is asked.
struct Images {
    bed: Bed,
    hub: String,
}

impl Images {
    fn of(mut bed: Bed) -> Images {
        let registry = std::env::var("GLOOISTIO_REGISTRY")
            .expect("the bed has no images: `scripts/testbed images`, then `scripts/testbed up`");
        bed.env.var("GLOOISTIO_NO_REGISTRY", "0");
        // Digests are read once for all tests.
        let cache = std::env::temp_dir().join(format!("glooistio-images-{}", std::process::id()));
        bed.env.var("XDG_CACHE_HOME", cache.to_str().unwrap());
        bed.env.var("XDG_STATE_HOME", cache.to_str().unwrap());
        Images {
            bed,
            hub: format!("{registry}/solo"),
        }
    }

    fn inspect(&self, image: &str, more: &str) -> CommandOutput {
        let hub = &self.hub;
        self.bed
            .line(&format!("inspect --at {DAY} {hub}/{image} {more}"))
    }

    /// Installs a tag, which must go well.
    #[track_caller]
    fn install(&self, tag: &str, more: &str) {
        let hub = &self.hub;
        self.bed
            .line(&format!("install --hub {hub} --istio {tag} -y {more}"))
            .success();
    }

    fn verify(&self, more: &str) -> CommandOutput {
        self.bed.line(&format!("verify -o json --at {DAY} {more}"))
    }
}

/// Runs another command of the bed.
#[track_caller]
fn testbed(args: &[&str]) {
    let output = Command::new(root().join("scripts/testbed"))
        .args(args)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
}

/// `amd64 /usr/local/bin/envoy: standard`, of every statement.
fn statements(report: &Value) -> Vec<String> {
    let rows = report["evidence"].as_array().expect("a report").iter();
    let mut rows: Vec<String> = rows
        .map(|row| {
            let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
            let number = &row["proof"]["certificate"]["number"];
            let number = number.as_u64().map(|number| format!(" #{number}"));
            format!(
                "{} {}: {}{}",
                text(&row["arch"]),
                text(&row["proof"]["path"]),
                text(&row["module"]),
                number.unwrap_or_default()
            )
        })
        .collect();
    rows.sort();
    rows
}

/// Every statement about the three images of a tag.
fn table(images: &Images, tag: &str) -> String {
    let mut lines = Vec::new();
    for name in ["pilot", "proxyv2", "install-cni"] {
        let output = images.inspect(&format!("{name}:{tag}"), "-o json");
        lines.push(format!("{name}, exit {}", output.code()));
        lines.extend(
            statements(&output.json())
                .into_iter()
                .map(|row| format!("  {row}")),
        );
    }
    lines.join("\n")
}

#[test]
#[ignore = "needs the test bed"]
fn each_tag_is_what_its_bytes_are() {
    let images = Images::of(Bed::as_it_is());
    insta::assert_snapshot!(table(&images, "1.31.0-solo"), @r"
        pilot, exit 0
          amd64 /usr/local/bin/pilot-discovery: standard
          arm64 /usr/local/bin/pilot-discovery: standard
        proxyv2, exit 0
          amd64 /usr/local/bin/envoy: standard
          amd64 /usr/local/bin/pilot-agent: standard
          arm64 /usr/local/bin/envoy: standard
          arm64 /usr/local/bin/pilot-agent: standard
        install-cni, exit 0
          amd64 /opt/cni/bin/istio-cni: standard
          amd64 /usr/local/bin/install-cni: standard
          arm64 /opt/cni/bin/istio-cni: standard
          arm64 /usr/local/bin/install-cni: standard
        ");
    insta::assert_snapshot!(table(&images, "1.31.0-solo-fips"), @r"
        pilot, exit 0
          amd64 /usr/local/bin/pilot-discovery: proven #4735
          arm64 /usr/local/bin/pilot-discovery: proven #4735
        proxyv2, exit 0
          amd64 /usr/local/bin/envoy: proven #4735
          amd64 /usr/local/bin/pilot-agent: proven #4735
          arm64 /usr/local/bin/envoy: proven #4735
          arm64 /usr/local/bin/pilot-agent: proven #4735
        install-cni, exit 0
          amd64 /opt/cni/bin/istio-cni: proven #4735
          amd64 /usr/local/bin/install-cni: proven #4735
          arm64 /opt/cni/bin/istio-cni: proven #4735
          arm64 /usr/local/bin/install-cni: proven #4735
        ");
    insta::assert_snapshot!(table(&images, "1.31.0-patch1-solo-fips"), @r"
        pilot, exit 0
          amd64 /usr/local/bin/pilot-discovery: proven #5247
          arm64 /usr/local/bin/pilot-discovery: proven #5247
        proxyv2, exit 0
          amd64 /usr/local/bin/envoy: proven #5247
          amd64 /usr/local/bin/pilot-agent: proven #5247
          arm64 /usr/local/bin/envoy: proven #5247
          arm64 /usr/local/bin/pilot-agent: proven #5247
        install-cni, exit 0
          amd64 /opt/cni/bin/istio-cni: proven #5247
          amd64 /usr/local/bin/install-cni: proven #5247
          arm64 /opt/cni/bin/istio-cni: proven #5247
          arm64 /usr/local/bin/install-cni: proven #5247
        ");
}

#[test]
#[ignore = "needs the test bed"]
fn how_an_image_is_stored_changes_nothing() {
    let images = Images::of(Bed::as_it_is());
    let usual = table(&images, "1.31.0-solo-fips");
    for tag in [
        "1.31.0-patch2-solo-fips",
        "1.31.0-patch3-solo-fips",
        "1.31.0-solo-fips-distroless",
    ] {
        assert_eq!(table(&images, tag), usual, "{tag}");
    }
}

#[test]
#[ignore = "needs the test bed"]
fn a_tag_that_lies_is_told_by_the_bytes() {
    let images = Images::of(Bed::as_it_is());
    insta::assert_snapshot!(table(&images, "1.31.0-patch4-solo-fips"), @r"
        pilot, exit 0
          amd64 /usr/local/bin/pilot-discovery: proven #4735
          arm64 /usr/local/bin/pilot-discovery: proven #4735
        proxyv2, exit 79
          amd64 /usr/local/bin/envoy: contradicted
          amd64 /usr/local/bin/pilot-agent: proven #4735
          arm64 /usr/local/bin/envoy: contradicted
          arm64 /usr/local/bin/pilot-agent: proven #4735
        install-cni, exit 0
          amd64 /opt/cni/bin/istio-cni: proven #4735
          amd64 /usr/local/bin/install-cni: proven #4735
          arm64 /opt/cni/bin/istio-cni: proven #4735
          arm64 /usr/local/bin/install-cni: proven #4735
        ");
    insta::assert_snapshot!(table(&images, "1.31.0-patch5-solo-fips"), @r"
        pilot, exit 79
          amd64 /usr/local/bin/pilot-discovery: contradicted
          arm64 /usr/local/bin/pilot-discovery: contradicted
        proxyv2, exit 0
          amd64 /usr/local/bin/envoy: proven #4735
          amd64 /usr/local/bin/pilot-agent: proven #4735
          arm64 /usr/local/bin/envoy: proven #4735
          arm64 /usr/local/bin/pilot-agent: proven #4735
        install-cni, exit 0
          amd64 /opt/cni/bin/istio-cni: proven #4735
          amd64 /usr/local/bin/install-cni: proven #4735
          arm64 /opt/cni/bin/istio-cni: proven #4735
          arm64 /usr/local/bin/install-cni: proven #4735
        ");
    insta::assert_snapshot!(table(&images, "1.31.0-patch6-solo-fips"), @r"
        pilot, exit 79
          amd64 /usr/local/bin/pilot-discovery: contradicted
          arm64 /usr/local/bin/pilot-discovery: contradicted
        proxyv2, exit 0
          amd64 /usr/local/bin/envoy: proven #4735
          amd64 /usr/local/bin/pilot-agent: proven #4735
          arm64 /usr/local/bin/envoy: proven #4735
          arm64 /usr/local/bin/pilot-agent: proven #4735
        install-cni, exit 0
          amd64 /opt/cni/bin/istio-cni: proven #4735
          amd64 /usr/local/bin/install-cni: proven #4735
          arm64 /opt/cni/bin/istio-cni: proven #4735
          arm64 /usr/local/bin/install-cni: proven #4735
        ");
}

#[test]
#[ignore = "needs the test bed"]
fn the_certificate_and_its_date_are_named() {
    let images = Images::of(Bed::as_it_is());
    for (tag, module) in [
        ("1.31.0-solo-fips", "BoringCrypto"),
        ("1.31.0-patch1-solo-fips", "Go Cryptographic Module"),
    ] {
        let output = images.inspect(&format!("pilot:{tag}"), "--platform amd64");
        let text = output.success();
        for said in [
            "proven",
            "CMVP      #",
            module,
            DAY,
            "FIPS 140-3 level 1",
            "https://csrc.nist.gov/projects/cryptographic-module-validation-program/certificate/",
            "last seen so on 2026-09-30",
            "its security policy",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        let limited = text.contains("no TLS 1.3 key derivation among the tested algorithms");
        assert_eq!(limited, module == "BoringCrypto", "{text}");
    }
}

#[test]
#[ignore = "needs the test bed"]
fn status_that_is_too_old_is_named_and_no_answer_to_who_asks_strictly() {
    let images = Images::of(Bed::as_it_is());
    let image = "pilot:1.31.0-patch1-solo-fips";
    for (more, code, said) in [
        ("", 0, ""),
        ("--max-data-age 30d", 0, "was last seen on 2026-09-30"),
        ("--policy 140-3-active --strict", 0, ""),
        (
            "--policy 140-3-active --max-data-age 30",
            0,
            "54 days before",
        ),
        (
            "--policy 140-3-active --strict --max-data-age 30",
            79,
            "unknown by policy 140-3-active (proven)",
        ),
    ] {
        let output = images.inspect(image, &format!("--platform amd64 {more}"));
        assert_eq!(output.code(), code, "{more}: {output}");
        assert!(output.stdout.contains(said), "{more}: {output}");
        let warned = output.stdout.contains("was last seen on");
        assert_eq!(warned, !said.is_empty(), "{more}: {output}");
    }
}

#[test]
#[ignore = "needs the test bed"]
fn certificates_of_what_runs_are_judged_by_the_day_on_which_they_were_seen() {
    let images = Images::of(Bed::new());
    images.install("1.31.0-solo-fips", "");
    let status = |more: &str| {
        let output = images.verify(more);
        let report = output.json();
        let checks = report["checks"].as_array().unwrap().iter();
        let mut checks = checks.filter(|one| one["id"] == "certificates");
        let check = checks.next().unwrap().clone();
        (output.code(), check["status"].clone(), check.to_string())
    };
    let (code, passed, text) = status("");
    assert_eq!((code, passed), (0, json!("passed")), "{text}");
    assert!(text.contains("no TLS 1.3 key derivation"), "{text}");
    let (code, warned, text) = status("--max-data-age 30d");
    assert_eq!((code, warned), (0, json!("warned")), "{text}");
    assert!(text.contains("2026-09-30"), "{text}");
    let output = images.verify("--max-data-age 30d --strict --policy 140-3-active");
    assert_eq!(output.code(), 79, "{output}");
    let report = output.json();
    let checks = report["checks"].as_array().unwrap().iter();
    for one in checks.filter(|one| one["id"].as_str().unwrap().ends_with("-plane-fips")) {
        assert_eq!(one["status"], "unknown", "{one}");
    }
}

#[test]
#[ignore = "needs the test bed"]
fn what_the_registry_lacks_is_said() {
    let images = Images::of(Bed::as_it_is());
    images
        .inspect("proxyv2:1.31.0-patch8-solo-fips", "")
        .fails(65, &["does not exist"]);
    images
        .inspect("pilot:1.31.0-patch7-solo-fips", "--platform arm64")
        .fails(65, &["linux/arm64", "linux/amd64"]);
    images
        .inspect("pilot:1.31.0-patch9-solo-fips", "-o short")
        .success();
}

#[test]
#[ignore = "needs the test bed"]
fn a_locked_registry_opens_by_the_file_of_docker() {
    let mut images = Images::of(Bed::as_it_is());
    let locked = std::env::var("GLOOISTIO_REGISTRY_LOCKED").unwrap();
    images.hub = format!("{locked}/solo");
    let image = "pilot:1.31.0-solo-fips";
    images
        .inspect(image, "--no-cache")
        .fails(65, &["refuses", "docker login 127.0.0.1:"]);
    // `testbed:open-sesame`, and the same user with another password.
    for (secret, code) in [
        ("dGVzdGJlZDpvcGVuLXNlc2FtZQ==", 0),
        ("dGVzdGJlZDpjbG9zZQ==", 65),
    ] {
        let file = json!({"auths": {&locked: {"auth": secret}}}).to_string();
        images.bed.env.file("config.json", file);
        let dir = images.bed.env.work();
        images.bed.env.var("DOCKER_CONFIG", dir.to_str().unwrap());
        let output = images.inspect(image, "-o short");
        assert_eq!(output.code(), code, "{output}");
        assert!(!output.to_string().contains("open-sesame"), "{output}");
    }
}

/// An arm64 node beside those of the bed.
fn arm64_node(bed: &Bed) {
    let node = bed.kubectl("get node node-1 -o json");
    let mut node: Value = serde_json::from_str(&node).unwrap();
    let (name, arch) = ("node-arm64", "arm64");
    node["metadata"] = json!({
        "name": name,
        "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": arch,
            "type": "kwok",
        },
    });
    node["status"]["nodeInfo"]["architecture"] = json!(arch);
    bed.apply(&node);
}

/// Everything that an install could have changed.
fn everything(bed: &Bed) -> String {
    bed.kubectl(
        "get namespaces,deployments,configmaps,services,mutatingwebhookconfigurations,\
         customresourcedefinitions -A --no-headers \
         -o custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name,V:.metadata.resourceVersion",
    )
}

/// An install is refused, for that reason, and has changed nothing.
#[track_caller]
fn refused(images: &Images, tag: &str, more: &str, check: &str, says: &[&str]) {
    let before = everything(&images.bed);
    let hub = &images.hub;
    let output = images.bed.line(&format!(
        "install --hub {hub} --istio {tag} -y -o json {more}"
    ));
    assert_eq!(output.code(), 79, "{tag}: {output}");
    let report = output.json();
    let red = failed(&report);
    assert!(red.contains(&check.to_owned()), "{tag}: {red:?}");
    let checks = report["checks"].as_array().unwrap();
    let text = checks
        .iter()
        .find(|one| one["id"] == check)
        .unwrap()
        .to_string();
    for said in says {
        assert!(text.contains(said), "{tag}: {said} is not in {text}");
    }
    assert_eq!(
        everything(&images.bed),
        before,
        "{tag}: nothing was changed"
    );
}

#[test]
#[ignore = "needs the test bed"]
fn install_refuses_a_tag_that_the_registry_lacks() {
    let images = Images::of(Bed::new());
    arm64_node(&images.bed);
    let check = "image-exists";
    refused(
        &images,
        "1.31.0-patch7-solo-fips",
        "",
        check,
        &["arm64", "pilot", "proxyv2"],
    );
    refused(
        &images,
        "1.31.0-patch8-solo-fips",
        "",
        check,
        &["proxyv2", "does not exist"],
    );
    refused(&images, "1.31.0-patch9-solo-fips", "", check, &["arm64"]);
}

#[test]
#[ignore = "needs the test bed"]
fn install_refuses_what_is_not_what_its_tag_says() {
    let images = Images::of(Bed::new());
    // A FIPS build is read without being told so.
    let (check, flag) = ("image-evidence", "");
    refused(
        &images,
        "1.31.0-patch4-solo-fips",
        flag,
        check,
        &["envoy", "contradicted"],
    );
    refused(
        &images,
        "1.31.0-patch5-solo-fips",
        flag,
        check,
        &["pilot-discovery", "contradicted"],
    );
    refused(
        &images,
        "1.31.0-patch6-solo-fips",
        flag,
        check,
        &["pilot-discovery", "contradicted"],
    );
    // A BoringCrypto build would panic at start with the setting that comes with this policy.
    refused(
        &images,
        "1.31.0-solo-fips",
        "--set values.pilot.env.COMPLIANCE_POLICY=fips-140-3",
        "fips-configuration",
        &["pilot-discovery", "pilot-agent", "panics at start"],
    );
    images.install("1.31.0-solo-fips", "");
}

#[test]
#[ignore = "needs the test bed"]
fn verify_proves_both_planes_whatever_form_the_image_ids_have() {
    let images = Images::of(Bed::new());
    images.install("1.31.0-solo-fips", "");
    images.bed.workload("app", &json!({}));
    for form in ["index", "platform", "config", "bare", "docker-pullable"] {
        testbed(&["image-ids", form]);
        let output = images.verify("--require proven");
        assert_eq!(output.code(), 0, "{form}: {output}");
        let report = output.json();
        let statements = statements(&report);
        for program in ["pilot-discovery", "pilot-agent", "envoy"] {
            let of = |row: &&String| row.contains(program);
            let rows: Vec<&String> = statements.iter().filter(of).collect();
            assert!(!rows.is_empty(), "{form}: {program}: {statements:?}");
            let proven = |row: &&String| row.contains("proven #");
            assert!(rows.iter().all(proven), "{form}: {rows:?}");
        }
    }
    testbed(&["image-ids", "index"]);
}

#[test]
#[ignore = "needs the test bed"]
fn verify_names_the_one_image_that_is_not_what_its_tag_says() {
    let images = Images::of(Bed::new());
    // What it installs, `install` would find out itself.
    let blind = "--no-verify --skip image-evidence=verify-shall-find-it";
    images.install("1.31.0-patch4-solo-fips", blind);
    for form in ["platform", "config"] {
        testbed(&["image-ids", form]);
        let output = images.verify("");
        assert_eq!(output.code(), 79, "{form}: {output}");
        let report = output.json();
        assert_eq!(failed(&report), ["data-plane-fips"], "{form}: {output}");
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|one| one["id"] == "data-plane-fips");
        let text = check.unwrap()["findings"].to_string();
        for said in ["envoy", "proxyv2:1.31.0-patch4-solo-fips", "sha256:"] {
            assert!(text.contains(said), "{form}: {said} is not in {text}");
        }
        assert!(!text.contains("pilot-discovery"), "{form}: {text}");
    }
    testbed(&["image-ids", "index"]);
}
