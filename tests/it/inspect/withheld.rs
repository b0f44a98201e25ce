//! A registry that answers, and keeps back the one image that contradicts its tag.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use fips_evidence::Modules;
use glooistio::facts::{
    MeshInventory, Observed, PodGroup, PodGroupKey, ReadImages, Reader, Role, SelfReport,
};
use glooistio::image::{Budget, Sources};
use glooistio::report::Deviations;
use glooistio::sys::registry::{Options, Places, Registry};
use serde_json::Value;

use super::running::{labelled, name, of};
use crate::fake_registry::{Asked, Body, Reply, Server, hosts};
use crate::images::{Blobs, gzip, tar};

/// Nothing of this machine shows through, and nothing is waited for long.
fn options() -> Options {
    Options {
        credentials: Places::default(),
        allowed: hosts(),
        connect: Duration::from_secs(5),
        read_timeout: Duration::from_millis(500),
        rate_window: Duration::from_millis(500),
        min_bytes_per_sec: 1 << 20,
        backoff: Duration::from_millis(5),
        retry_budget: Duration::from_secs(1),
        ..Options::default()
    }
}

fn group(server: &Server, name: &str, digest: &str) -> PodGroupKey {
    PodGroupKey {
        role: Role::Istiod,
        namespace: "istio-system".to_owned(),
        revision: "default".to_owned(),
        connects: BTreeSet::new(),
        container: "discovery".to_owned(),
        image: format!("{}/istio/{name}:1", server.host),
        image_id: format!("{}/istio/{name}@{digest}", server.host),
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

fn read(registry: &Registry, groups: Vec<PodGroupKey>) -> ReadImages {
    let members = groups.into_iter().map(|group| (group, PodGroup::default()));
    let inventory = MeshInventory {
        groups: members.collect(),
        ..MeshInventory::default()
    };
    let sources = Sources {
        registry,
        cache: None,
        on_event: &|_| {},
        budget: &Budget::default(),
    };
    let reader = Reader {
        sources,
        modules: Modules::builtin(),
    };
    reader
        .running(&inventory, &|_| true, &BTreeSet::new())
        .unwrap()
}

/// `a: 1 programs`, `b: unknown`, `c: not asked` of each image, by its name.
fn words(read: &ReadImages) -> Vec<String> {
    let words = read.images.iter().map(|(image, fact)| {
        let name = image.image.rsplit('/').next().unwrap();
        let word = match fact {
            Observed::Known(programs) => format!("{} programs", programs.len()),
            Observed::Unknown(_) => "unknown".to_owned(),
            Observed::NotCollected(_) => "not asked".to_owned(),
        };
        format!("{}: {word}", name.trim_end_matches(":1"))
    });
    words.collect()
}

/// Two images of one registry, of which the second is kept back.
struct Sample {
    blobs: BTreeMap<String, Vec<u8>>,
    kept_back: Value,
    layer: String,
}

impl Sample {
    fn new() -> Sample {
        let mut blobs = Blobs::default();
        of(&mut blobs, "amd64", &labelled());
        let layer = tar([("usr/local/bin/pilot-discovery", &b"other"[..])]);
        let kept_back = blobs.image("amd64", &[layer], gzip);
        let manifest: Value = serde_json::from_slice(&blobs.0[&name(&kept_back)]).unwrap();
        Sample {
            layer: name(&manifest["layers"][0]),
            blobs: blobs.0,
            kept_back,
        }
    }

    fn good(&self) -> String {
        let mut manifests = self.blobs.iter().filter(|(digest, bytes)| {
            **digest != name(&self.kept_back) && bytes.windows(8).any(|it| it == b"\"layers\"")
        });
        let found = manifests.find(|(_, bytes)| {
            let parsed: Value = serde_json::from_slice(bytes).unwrap_or_default();
            parsed["layers"].is_array()
        });
        found.unwrap().0.clone()
    }

    /// What is known of both when `path` is answered by `reply`.
    fn with(self, path: &str, reply: &Reply) -> (Vec<String>, Vec<String>) {
        let (good, bad) = (self.good(), name(&self.kept_back));
        let (path, reply, blobs) = (path.to_owned(), reply.clone(), self.blobs);
        let server = Server::answering(move |asked| {
            if asked.path.ends_with(&path) {
                return reply.clone();
            }
            serve(&blobs, asked)
        });
        let registry = Registry::new(options());
        let both = vec![group(&server, "a", &good), group(&server, "b", &bad)];
        let alone = vec![group(&server, "b", &bad)];
        let together = words(&read(&registry, both));
        (together, words(&read(&Registry::new(options()), alone)))
    }
}

fn serve(blobs: &BTreeMap<String, Vec<u8>>, asked: &Asked) -> Reply {
    let digest = asked.path.rsplit('/').next().unwrap();
    match blobs.get(digest) {
        Some(bytes) => Reply::new(200, bytes.clone()).header("docker-content-digest", digest),
        None => Reply::new(404, ""),
    }
}

#[test]
fn an_image_that_its_registry_keeps_back_is_unknown_and_never_only_declared() {
    let busy = |status| Reply::new(status, "").header("retry-after", "0");
    let html = Reply::ok("text/html", b"<html>");
    let faults = [
        ("503", busy(503)),
        ("429", busy(429)),
        ("500", busy(500)),
        ("501", busy(501)),
        ("408", busy(408)),
        ("418", busy(418)),
        ("401", busy(401)),
        ("403", busy(403)),
        ("404", busy(404)),
        ("204", busy(204)),
        ("an hour", Reply::new(429, "").header("retry-after", "3600")),
        ("reset", Reply::bad(Body::Close)),
        ("silence", Reply::bad(Body::Silence)),
        ("half a head", Reply::bad(Body::Head)),
        ("drops", Reply::bad(Body::Drip(1 << 20))),
        ("cut off", Reply::bad(Body::Promised(99, b"{".to_vec()))),
        ("another", Reply::new(200, "{}")),
        ("page", html),
        ("no place", Reply::new(302, "")),
        (
            "local",
            Reply::new(307, "").header("location", "http://127.0.0.1:2/"),
        ),
        (
            "away",
            Reply::new(307, "").header("location", "http://127.0.0.1:1/"),
        ),
        ("circle", Reply::new(307, "").header("location", "/v2/x/y")),
    ];
    std::thread::scope(|scope| {
        for (fault, reply) in &faults {
            scope.spawn(move || {
                for path in [
                    name(&Sample::new().kept_back),
                    format!("blobs/{}", Sample::new().layer),
                ] {
                    let (together, alone) = Sample::new().with(&path, reply);
                    assert_eq!(together, ["a: 1 programs", "b: unknown"], "{fault} {path}");
                    assert_eq!(alone, ["b: unknown"], "{fault} {path}");
                }
            });
        }
    });
}

#[test]
fn a_registry_that_fails_after_some_requests_is_no_outage() {
    for last in 1..6 {
        let sample = Sample::new();
        let (good, bad) = (sample.good(), name(&sample.kept_back));
        let (blobs, left) = (sample.blobs, AtomicUsize::new(last));
        let server = Server::answering(move |asked| {
            let left = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
            match left {
                Ok(_) => serve(&blobs, asked),
                Err(_) => Reply::bad(Body::Close),
            }
        });
        let groups = vec![group(&server, "a", &good), group(&server, "b", &bad)];
        let read = read(&Registry::new(options()), groups);
        let words = words(&read);
        assert!(
            words.iter().all(|it| !it.contains("not asked")),
            "{last}: {words:?}"
        );
        assert!(read.unreached.is_empty());
    }
}

#[test]
fn only_a_registry_that_gives_no_answer_at_all_counts_as_out_of_reach() {
    for (body, out_of_reach) in [
        (Body::Close, true),
        (Body::Silence, true),
        (Body::Whole(vec![]), false),
    ] {
        let status = if matches!(body, Body::Whole(_)) {
            503
        } else {
            200
        };
        let server = Server::answering(move |_| Reply::new(status, "").body(body.clone()));
        let digest = format!("sha256:{}", "0a".repeat(32));
        let read = read(
            &Registry::new(options()),
            vec![group(&server, "a", &digest)],
        );
        let wanted = if out_of_reach {
            "a: not asked"
        } else {
            "a: unknown"
        };
        assert_eq!(words(&read), [wanted]);
        let named: Vec<&str> = read
            .unreached
            .values()
            .map(|it| it.registry.as_str())
            .collect();
        assert_eq!(
            named,
            if out_of_reach {
                vec![server.host.as_str()]
            } else {
                vec![]
            }
        );
    }
}

#[test]
fn all_images_together_are_read_within_one_time() {
    let mut groups = Vec::new();
    let sample = Sample::new();
    let (bad, layer, blobs) = (name(&sample.kept_back), sample.layer, sample.blobs);
    let server = Server::answering(move |asked| {
        if asked.path.ends_with(&layer) {
            return Reply::bad(Body::Drip(blobs[&layer].len()));
        }
        serve(&blobs, asked)
    });
    for number in 0..5 {
        groups.push(group(&server, &format!("i{number}"), &bad));
    }
    let registry = Registry::new(Options {
        read_timeout: Duration::from_mins(1),
        min_bytes_per_sec: 0,
        limit: Duration::from_secs(1),
        ..options()
    });
    let began = Instant::now();
    let read = read(&registry, groups);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    for (image, fact) in &read.images {
        let Observed::Unknown(why) = fact else {
            panic!("{image:?}: {fact:?}")
        };
        assert!(
            why.contains("all registries together may take 1 s (--timeout"),
            "{why}"
        );
    }
}

#[test]
fn images_that_the_user_named_are_read_before_others_can_take_the_time() {
    let sample = Sample::new();
    let (good, blobs) = (sample.good(), sample.blobs);
    let named = Server::answering(move |asked| serve(&blobs, asked));
    let mut registry = options();
    registry.allowed = [named.host.clone()].into();
    let read = read(
        &Registry::new(registry),
        vec![
            PodGroupKey {
                // Sorts before the other one.
                image: "0.example/istio/pilot:1".to_owned(),
                ..group(&named, "x", &good)
            },
            group(&named, "a", &good),
        ],
    );
    assert_eq!(words(&read).last().unwrap(), "a: 1 programs");
    let paths: Vec<String> = named.asked().into_iter().map(|it| it.path).collect();
    assert!(paths[0].starts_with("/v2/istio/a/"), "{paths:?}");
}
