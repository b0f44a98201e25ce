//! Images that run: what may be any of several is proven by all of them or by none.

use std::collections::{BTreeMap, BTreeSet};

use glooistio::facts::{
    MeshInventory, Observed, PodGroup, PodGroupKey, Reader, Role, RunningImage, SelfReport,
};
use glooistio::image::{Budget, ImageId, Sources, resolve};
use glooistio::report::Deviations;
use glooistio::sys::registry::{Options, Reference, Registry};
use serde_json::{Value, json};

use super::image::{Entry, go_program, layer};
use crate::fake_registry::{Reply, Server, hosts};
use crate::images::{Blobs, gzip};

const OWN: &str = "usr/local/bin/pilot-discovery";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

pub(super) fn labelled() -> Vec<u8> {
    go_program("go1.24.3 X:boringcrypto", "build\tCGO_ENABLED=1\n")
}

fn plain() -> Vec<u8> {
    go_program("go1.24.3", "build\tCGO_ENABLED=0\n")
}

pub(super) fn of(blobs: &mut Blobs, architecture: &str, program: &[u8]) -> Value {
    blobs.image(architecture, &[layer(&[Entry::File(OWN, program)])], gzip)
}

/// A registry with these blobs, and the imageID of one of them.
fn served(blobs: &Blobs, image: &Value) -> (Server, String) {
    let server = Server::new();
    for (digest, bytes) in &blobs.0 {
        let kind = if bytes.starts_with(b"{\"manifests\"") {
            INDEX
        } else {
            MANIFEST
        };
        server.put(
            &format!("istio/pilot/manifests/{digest}"),
            Reply::ok(kind, bytes),
        );
        server.put(
            &format!("istio/pilot/blobs/{digest}"),
            Reply::ok(kind, bytes),
        );
    }
    let id = format!(
        "{}/istio/pilot@{}",
        server.host,
        image["digest"].as_str().unwrap()
    );
    (server, id)
}

pub(super) fn name(descriptor: &Value) -> String {
    descriptor["digest"].as_str().unwrap().to_owned()
}

#[test]
fn whatever_an_image_id_may_stand_for_is_found() {
    let mut blobs = Blobs::default();
    let amd = of(&mut blobs, "amd64", b"1");
    let mut newer = of(&mut blobs, "amd64", b"2");
    newer["platform"]["variant"] = json!("v2");
    let arm = of(&mut blobs, "arm64", b"3");
    // What an index says is what runtimes go by, whatever stands beside it or in the image.
    let mut lying = of(&mut blobs, "s390x", b"4");
    lying["platform"] = json!({"os": "linux", "architecture": "amd64"});
    lying["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let index = blobs.index(&[
        amd.clone(),
        newer.clone(),
        amd.clone(),
        arm.clone(),
        lying.clone(),
    ]);
    let (server, id) = served(&blobs, &index);
    let spec: Reference = format!("{}/istio/pilot@{}", server.host, name(&index))
        .parse()
        .unwrap();
    let found = |id: &str, architecture: Option<&str>| -> Vec<String> {
        let id: ImageId = id.parse().unwrap();
        let registry = Registry::new(Options {
            allowed: hosts(),
            ..Options::default()
        });
        let found = resolve(&registry, &id, &spec, architecture).unwrap();
        found.iter().map(|it| it.manifest.to_string()).collect()
    };
    assert_eq!(found(&id, Some("amd64")), [&amd, &newer, &lying].map(name));
    assert_eq!(found(&id, Some("arm64")), [name(&arm)]);
    assert_eq!(found(&id, None), [&amd, &newer, &arm, &lying].map(name));
    assert_eq!(found(&name(&newer), None), [name(&newer)]);
    // Docker with the images of containerd gives the digest of the index, and no place.
    let amds = [&amd, &newer, &lying].map(name);
    assert_eq!(found(&name(&index), Some("amd64")), amds);
}

/// What is said of the image of an istiod: its programs, or why there are none.
fn read(blobs: &Blobs, image: &Value, arch: Option<&str>) -> String {
    let (server, image_id) = served(blobs, image);
    let group = PodGroupKey {
        role: Role::Istiod,
        namespace: "istio-system".to_owned(),
        revision: "default".to_owned(),
        connects: [].into(),
        container: "discovery".to_owned(),
        image: format!("{}/istio/pilot:1", server.host),
        image_id,
        deviations: Deviations::default(),
        settings: BTreeMap::new(),
        hidden_settings: [].into(),
        others: [].into(),
        ready: true,
        status: "Running".to_owned(),
        arch: arch.map(str::to_owned),
        report: SelfReport::NotCollected,
    };
    let key: RunningImage = group.running().unwrap();
    let mut inventory = MeshInventory::default();
    inventory.groups.insert(group, PodGroup::default());
    let registry = Registry::new(Options {
        allowed: hosts(),
        ..Options::default()
    });
    let sources = Sources {
        registry: &registry,
        cache: None,
        on_event: &|_| {},
        budget: &Budget::default(),
    };
    let reader = Reader {
        sources,
        modules: fips_evidence::Modules::builtin(),
    };
    match &reader
        .running(&inventory, &|_| true, &BTreeSet::new())
        .unwrap()
        .images[&key]
    {
        Observed::Known(programs) => {
            let said = programs.iter().map(|it| {
                let go = it.reading.evidence.as_ref().unwrap().go.as_ref();
                let version = go.and_then(|go| go.version.clone()).unwrap();
                format!("{} {} {version}", it.arch, it.path)
            });
            said.collect::<Vec<_>>().join(", ")
        }
        Observed::Unknown(why) => format!("unknown: {why}"),
        Observed::NotCollected(why) => format!("not asked: {why}"),
    }
}

#[test]
fn images_that_differ_prove_nothing_where_any_of_them_may_run() {
    let mut blobs = Blobs::default();
    let good = of(&mut blobs, "amd64", &labelled());
    let mut bad = of(&mut blobs, "amd64", &plain());
    bad["platform"]["variant"] = json!("v2");
    let arm = of(&mut blobs, "arm64", &labelled());
    let twice = blobs.index(&[good.clone(), bad.clone()]);
    let turned = blobs.index(&[bad.clone(), good.clone()]);
    let alike = blobs.index(&[good.clone(), arm.clone()]);
    let unlike = blobs.index(&[arm, bad]);
    let said = [
        read(&blobs, &twice, Some("amd64")),
        read(&blobs, &turned, Some("amd64")),
        read(&blobs, &alike, Some("arm64")),
        read(&blobs, &alike, None),
        read(&blobs, &unlike, None),
        read(&blobs, &good, None),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    unknown: each of these in its index may be what runs, and they do not hold the same modules: linux/amd64, linux/amd64
    unknown: each of these in its index may be what runs, and they do not hold the same modules: linux/amd64, linux/amd64
    arm64 /usr/local/bin/pilot-discovery go1.24.3 X:boringcrypto
    amd64 /usr/local/bin/pilot-discovery go1.24.3 X:boringcrypto, arm64 /usr/local/bin/pilot-discovery go1.24.3 X:boringcrypto
    unknown: each of these in its index may be what runs, and they do not hold the same modules: linux/arm64, linux/amd64
    amd64 /usr/local/bin/pilot-discovery go1.24.3 X:boringcrypto
    ");
}
