//! Registries that have less than their indexes say, and images that run under several names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use glooistio::facts::{MeshInventory, Observed, PodGroup, PodGroupKey, Reader, Role, SelfReport};
use glooistio::image::{Budget, Found, ImageError, Sources, exists_all};
use glooistio::report::Deviations;
use glooistio::sys::registry::{Options, Places, Registry, RegistryError};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cluster;
use crate::env::{LONGEST, TestEnv};
use crate::fake_registry::{Asked, Body, Reply, Server, hosts};
use crate::images::{Blobs, gzip, tar};

const PATH: &str = "usr/local/bin/pilot-discovery";

fn registry() -> Registry {
    Registry::new(Options {
        credentials: Places::default(),
        allowed: hosts(),
        read_timeout: Duration::from_secs(2),
        ..Options::default()
    })
}

fn name(descriptor: &Value) -> String {
    descriptor["digest"].as_str().unwrap().to_owned()
}

/// An index as `istio/pilot:1`, and the names of its parts.
struct Sample {
    blobs: Blobs,
    images: Vec<Value>,
}

impl Sample {
    /// An image for each processor, whose layer is its own.
    fn new() -> Sample {
        let mut blobs = Blobs::default();
        let images = ["amd64", "arm64"].map(|arch| {
            let layer = tar([(PATH, arch.as_bytes())]);
            blobs.image(arch, &[layer], gzip)
        });
        Sample {
            blobs,
            images: images.into(),
        }
    }

    fn manifest(&self, at: usize) -> Value {
        serde_json::from_slice(&self.blobs.0[&name(&self.images[at])]).unwrap()
    }

    /// A registry with all of it but `without`.
    fn serve(mut self, without: &str) -> Server {
        let index = name(&self.blobs.index(&self.images));
        let mut blobs = self.blobs.0;
        let tag = blobs[&index].clone();
        blobs.insert("1".to_owned(), tag);
        blobs.remove(without);
        Server::answering(move |asked| answer(&blobs, asked))
    }
}

/// What an honest registry answers, that gives a part where it is asked for one.
fn answer(blobs: &BTreeMap<String, Vec<u8>>, asked: &Asked) -> Reply {
    match blobs.get(asked.path.rsplit('/').next().unwrap()) {
        Some(bytes) if asked.header("range") == "bytes=0-0" => Reply::new(206, &bytes[..1]),
        Some(bytes) => Reply::new(200, bytes.clone()),
        None => Reply::new(404, ""),
    }
}

fn ask(server: &Server, architectures: &[&str]) -> Result<Found, ImageError> {
    let reference = format!("{}/istio/pilot:1", server.host).parse().unwrap();
    let architectures = architectures.iter().map(|&name| name.to_owned()).collect();
    exists_all(&registry(), &[reference], &architectures).remove(0)
}

fn platforms(found: &Found) -> String {
    let names = found.platforms.iter().map(ToString::to_string);
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_sparse_mirror_lacks_what_it_does_not_have_of_an_image() {
    let parts = Sample::new();
    let manifest = parts.manifest(1);
    for part in [
        &parts.images[1],
        &manifest["config"],
        &manifest["layers"][0],
    ] {
        let part = name(part);
        let server = Sample::new().serve(&part);
        let found = ask(&server, &["amd64", "arm64"]).unwrap();
        assert_eq!(platforms(&found), "linux/amd64");
        let (platform, why) = &found.missing[..][0];
        assert_eq!(platform.to_string(), "linux/arm64");
        assert!(
            why.contains(&part) && why.contains("does not exist"),
            "{why}"
        );
        let anywhere = ask(&server, &[]).unwrap();
        assert_eq!(anywhere, found, "where no node is known, all are asked for");
        let elsewhere = ask(&server, &["amd64"]).unwrap();
        assert_eq!(platforms(&elsewhere), "linux/amd64 linux/arm64");
        assert!(elsewhere.missing.is_empty(), "no node needs it");
    }
}

#[test]
fn a_whole_image_costs_three_questions_for_each_platform_and_one() {
    let server = Sample::new().serve("");
    let found = ask(&server, &["amd64", "arm64", "s390x"]).unwrap();
    assert_eq!(platforms(&found), "linux/amd64 linux/arm64");
    assert!(found.missing.is_empty() && !found.runs_on("s390x"));
    let asked: Vec<Asked> = server.asked();
    assert_eq!(asked.len(), 1 + 2 * 3, "{asked:?}");
}

#[test]
fn an_entry_that_does_not_say_for_what_it_is_is_looked_at() {
    let mut sample = Sample::new();
    sample.images[1].as_object_mut().unwrap().remove("platform");
    let found = ask(&sample.serve(""), &["amd64", "arm64"]).unwrap();
    assert_eq!(platforms(&found), "linux/amd64 linux/arm64");
    let mut sample = Sample::new();
    for image in &mut sample.images {
        image.as_object_mut().unwrap().remove("platform");
    }
    let found = ask(&sample.serve(""), &["arm64"]).unwrap();
    assert_eq!(platforms(&found), "linux/amd64 linux/arm64");
}

#[test]
fn an_entry_that_names_another_processor_than_its_configuration_is_none() {
    let mut sample = Sample::new();
    sample.images.pop();
    let mut twice = sample.images[0].clone();
    twice["platform"]["architecture"] = json!("arm64");
    sample.images.push(twice);
    let found = ask(&sample.serve(""), &["amd64", "arm64"]).unwrap();
    assert_eq!(platforms(&found), "linux/amd64");
    let (platform, why) = &found.missing[0];
    assert!(
        platform.to_string() == "linux/arm64" && why.contains("linux/amd64"),
        "{why}"
    );
}

#[test]
fn a_manifest_alone_is_for_what_its_configuration_says() {
    let sample = Sample::new();
    let (manifest, mut blobs) = (name(&sample.images[1]), sample.blobs.0);
    let tag = blobs[&manifest].clone();
    blobs.insert("1".to_owned(), tag);
    let server = Server::answering(move |asked| answer(&blobs, asked));
    let found = ask(&server, &["amd64"]).unwrap();
    assert_eq!(
        (platforms(&found), found.digest.to_string()),
        ("linux/arm64".to_owned(), manifest)
    );
}

#[test]
fn a_part_that_is_refused_is_not_taken_for_missing() {
    let sample = Sample::new();
    let part = name(&sample.images[1]);
    let server = sample.serve("");
    server.put(
        &format!("istio/pilot/manifests/{part}"),
        Reply::new(403, ""),
    );
    let error = ask(&server, &["amd64", "arm64"]).unwrap_err();
    assert!(
        matches!(error, ImageError::Registry(RegistryError::Denied { .. })),
        "{error}"
    );
}

fn group(image: &str, image_id: &str) -> PodGroupKey {
    PodGroupKey {
        role: Role::Istiod,
        namespace: "istio-system".to_owned(),
        revision: "default".to_owned(),
        connects: BTreeSet::new(),
        container: "discovery".to_owned(),
        image: image.to_owned(),
        image_id: image_id.to_owned(),
        deviations: Deviations::default(),
        settings: BTreeMap::new(),
        hidden_settings: BTreeSet::new(),
        others: BTreeSet::new(),
        ready: true,
        status: "Running".to_owned(),
        arch: Some("amd64".to_owned()),
        report: SelfReport::NotCollected,
    }
}

/// What is known of the images of these groups: `IMAGE: 1 programs`.
fn known(groups: impl IntoIterator<Item = PodGroupKey>) -> Vec<String> {
    let members = groups.into_iter().map(|group| (group, PodGroup::default()));
    let inventory = MeshInventory {
        groups: members.collect(),
        ..MeshInventory::default()
    };
    let registry = registry();
    let reader = Reader {
        sources: Sources {
            registry: &registry,
            cache: None,
            on_event: &|_| {},
            budget: &Budget::default(),
        },
        modules: fips_evidence::Modules::builtin(),
    };
    let facts = reader
        .running(&inventory, &|_| true, &BTreeSet::new())
        .unwrap()
        .images;
    let words = facts.iter().map(|(image, fact)| {
        let word = match fact {
            Observed::Known(programs) => format!("{} programs", programs.len()),
            Observed::Unknown(_) => "unknown".to_owned(),
            Observed::NotCollected(why) => (*why).to_owned(),
        };
        format!("{}: {word}", image.image)
    });
    words.collect()
}

#[test]
fn what_runs_is_read_once_for_each_manifest_whatever_names_it_has() {
    let sample = Sample::new();
    let (image, manifest) = (name(&sample.images[0]), sample.manifest(0));
    let server = sample.serve("");
    let pilot = format!("{}/istio/pilot", server.host);
    let other = format!("{}/other/pilot", server.host);
    let words = known([
        group(&format!("{pilot}:1"), &format!("{pilot}@{image}")),
        group(&format!("{pilot}:1"), &name(&manifest["config"])),
        group(
            &format!("{other}:1"),
            &format!("docker-pullable://{other}@{image}"),
        ),
        group("no image", "nothing"),
    ]);
    let read = |image: &str| format!("{image}:1: 1 programs");
    let unknown = "no image: unknown".to_owned();
    assert_eq!(words, [read(&pilot), read(&pilot), read(&other), unknown]);
    let layer = name(&manifest["layers"][0]);
    let asked = server.asked().into_iter();
    assert_eq!(
        asked.filter(|asked| asked.path.ends_with(&layer)).count(),
        1
    );
}

#[test]
fn nobody_is_asked_again_who_is_away_and_that_is_no_verdict() {
    let away = Server::answering(|_| Reply::bad(Body::Silence));
    let id = format!("{}/istio/pilot@sha256:{}", away.host, "0a".repeat(32));
    let images = [1, 2, 3].map(|tag| format!("{}/istio/pilot:{tag}", away.host));
    let words = known(images.each_ref().map(|image| group(image, &id)));
    let gone = images.map(|image| format!("{image}: its registry is not reachable from here"));
    assert_eq!(words, gone);
    let asked: Vec<String> = away.asked().into_iter().map(|it| it.path).collect();
    assert_eq!(asked.len(), 2, "the image and its registry: {asked:?}");
}

/// A cluster whose images are asked of a registry that keeps silent.
fn silent(env: &mut TestEnv) -> Server {
    env.var("GLOOISTIO_NO_REGISTRY", "0");
    Server::answering(|_| Reply::bad(Body::Silence))
}

/// Interrupts a command while the registry is asked: its code and what it says.
#[track_caller]
fn interrupted(env: &TestEnv, server: &Server, args: &[&str]) -> String {
    let child = env.command(args).spawn().unwrap();
    let begun = Instant::now();
    while server.asked().is_empty() {
        assert!(begun.elapsed() < LONGEST, "nobody asked");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = env.finish(child);
    assert_eq!(output.code(), 130, "{output}");
    output.stderr.clone()
}

#[test]
fn an_interruption_while_registries_are_asked_ends_the_command() {
    const TAG: &str = "1.31.0-solo-fips";
    let (api, mut env) = cluster::installs(TAG);
    let server = silent(&mut env);
    let hub = format!("{}/istio", server.host);
    let args = ["install", "--hub", &hub, "--istio", TAG, "-y"];
    let said = interrupted(&env, &server, &args);
    assert!(said.contains("interrupted: nothing was changed"), "{said}");
    assert!(env.calls("install").is_empty() && api.changes().is_empty());

    let (api, mut env) = cluster::installs(TAG);
    let server = silent(&mut env);
    let hub = format!("{}/istio", server.host);
    for object in cluster::mesh(&hub, TAG) {
        api.add(object);
    }
    let args = ["verify", "--allow-registry", &server.host];
    let said = interrupted(&env, &server, &args);
    assert!(said.contains("interrupted"), "{said}");
}
