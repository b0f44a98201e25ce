//! Registries, good and bad ones, on loopback.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use glooistio::image::{
    Found, ImageError, ImageId, Inspected, Request, Target, Unresolved, exists_all, resolve,
};
use glooistio::sys::registry::{Options, Places, Reference, Registry, RegistryError, Why};
use serde_json::{Value, json};

mod credentials;
mod lies;

use crate::fake_registry::{Asked, Body, Reply, Server, hosts};
use crate::images::{Blobs, digest, gzip, read, tar};

/// What an honest registry answers: blobs by digest, and manifests by tag too.
fn honest(
    blobs: &BTreeMap<String, Vec<u8>>,
    tags: &BTreeMap<String, String>,
    asked: &Asked,
) -> Reply {
    let last = asked.path.rsplit('/').next().unwrap();
    let digest = tags.get(last).map_or(last, String::as_str);
    if let Some(bytes) = blobs.get(digest) {
        return Reply::new(200, bytes.clone()).header("docker-content-digest", digest);
    }
    let error = json!({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]});
    Reply::new(404, error.to_string())
}

const PATH: &str = "usr/local/bin/pilot-discovery";

struct Sample {
    blobs: BTreeMap<String, Vec<u8>>,
    tags: BTreeMap<String, String>,
    index: Value,
    amd64: Value,
    config: String,
    layer: String,
}

/// An index of two platforms as `istio/pilot:1`, and one of them as `istio/pilot:amd64`.
fn sample() -> Sample {
    let mut blobs = Blobs::default();
    let layer = tar([(PATH, &b"program"[..])]);
    let amd64 = blobs.image("amd64", std::slice::from_ref(&layer), gzip);
    let arm64 = blobs.image("arm64", std::slice::from_ref(&layer), gzip);
    let index = blobs.index(&[amd64.clone(), arm64]);
    let name = |descriptor: &Value| descriptor["digest"].as_str().unwrap().to_owned();
    let manifest: Value = serde_json::from_slice(&blobs.0[&name(&amd64)]).unwrap();
    let tags = [("1", &index), ("amd64", &amd64)].map(|(tag, image)| (tag.to_owned(), name(image)));
    Sample {
        tags: tags.into(),
        config: name(&manifest["config"]),
        layer: name(&manifest["layers"][0]),
        blobs: blobs.0,
        index,
        amd64,
    }
}

fn serving(sample: &Sample) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let (blobs, tags) = (sample.blobs.clone(), sample.tags.clone());
    move |asked| honest(&blobs, &tags, asked)
}

/// Nothing of this machine shows through, and nothing is waited for long.
fn options() -> Options {
    Options {
        credentials: Places::default(),
        allowed: hosts(),
        connect: Duration::from_secs(5),
        helper_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_secs(2),
        rate_window: Duration::from_millis(500),
        min_bytes_per_sec: 1 << 20,
        backoff: Duration::from_millis(10),
        retry_budget: Duration::from_secs(1),
        ..Options::default()
    }
}

fn reference(server: &Server, rest: &str) -> Reference {
    format!("{}/{rest}", server.host).parse().unwrap()
}

fn registry() -> Registry {
    Registry::new(options())
}

fn with_file(dir: &Path, text: &Value, path: Option<&Path>) -> Registry {
    let file = dir.join("config.json");
    std::fs::write(&file, text.to_string()).unwrap();
    Registry::new(Options {
        credentials: Places {
            files: vec![file],
            path: path.map(|path| path.as_os_str().to_owned()),
        },
        ..options()
    })
}

fn programs(registry: &Registry, reference: &Reference) -> Result<Vec<String>, ImageError> {
    let target = Target::Registry(reference.clone());
    let Inspected::Images(images) = read(&target, &Request::default(), registry, None)? else {
        panic!("no image")
    };
    if let Some(unread) = images.unread.into_iter().next() {
        return Err(unread.why);
    }
    let programs = images.read.iter().flat_map(|image| {
        let platform = image.platform.to_string();
        image
            .programs
            .iter()
            .map(move |program| format!("{platform} {:?}", program.reading))
    });
    Ok(programs.collect())
}

/// Whether one image is there.
fn exists(registry: &Registry, reference: &Reference) -> Result<Found, ImageError> {
    exists_all(registry, std::slice::from_ref(reference), &BTreeSet::new()).remove(0)
}

fn refused(server: &Server) -> RegistryError {
    match exists(&registry(), &reference(server, "istio/pilot:1")) {
        Err(ImageError::Registry(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_image_is_read_from_a_registry() {
    let server = Server::answering(serving(&sample()));
    let found = programs(&registry(), &reference(&server, "istio/pilot:1")).unwrap();
    assert_eq!(
        found,
        [
            r#"linux/amd64 Ok("program")"#,
            r#"linux/arm64 Ok("program")"#
        ]
    );
}

#[test]
fn refusals_are_told_apart() {
    let error =
        |code: &str| json!({"errors": [{"code": code, "message": "as it says"}]}).to_string();
    let kind = |status: u16, body: String| {
        refused(&Server::answering(move |_| {
            Reply::new(status, body.clone())
        }))
    };
    assert!(matches!(
        kind(404, String::new()),
        RegistryError::NotFound { .. }
    ));
    assert!(matches!(
        kind(403, error("NAME_UNKNOWN")),
        RegistryError::NotFound { .. }
    ));
    let RegistryError::Denied {
        said, credentials, ..
    } = kind(403, error("DENIED"))
    else {
        panic!("403")
    };
    assert_eq!((said.as_str(), credentials), ("as it says", None));
}

#[test]
fn a_registry_that_is_busy_is_asked_again_a_few_times() {
    for (failures, wanted) in [(2, true), (3, false)] {
        let sample = sample();
        let honest = serving(&sample);
        let left = AtomicUsize::new(failures);
        let server = Server::answering(move |asked| {
            let busy = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
            match busy {
                Ok(left) if left % 2 == 0 => Reply::new(503, "").header("retry-after", "0"),
                Ok(_) => Reply::bad(Body::Close),
                Err(_) => honest(asked),
            }
        });
        let found = exists(&registry(), &reference(&server, "istio/pilot:1"));
        assert_eq!(found.is_ok(), wanted);
        let asked = server.asked().into_iter();
        let of_tag = asked.filter(|asked| asked.path.ends_with("manifests/1"));
        assert_eq!(of_tag.count(), 3);
        let again = exists(&registry(), &reference(&server, "istio/pilot:1"));
        assert!(again.is_ok(), "it is no outage that lasts: {again:?}");
    }
}

#[test]
fn waits_for_who_is_busy_are_bounded_in_all() {
    let server = Server::answering(|_| Reply::new(429, "").header("retry-after", "1"));
    let registry = registry();
    let began = Instant::now();
    for _ in 0..5 {
        let busy = exists(&registry, &reference(&server, "istio/pilot:1")).unwrap_err();
        let ImageError::Registry(busy) = busy else {
            panic!("{busy}")
        };
        assert_eq!(busy.outage(), Some(server.host.as_str()));
        assert!(!registry.is_away(&busy));
    }
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(server.asked().len(), 6);
}

#[test]
fn a_registry_that_was_not_to_be_reached_is_not_asked_again() {
    let server = Server::answering(|_| Reply::bad(Body::Silence));
    let registry = registry();
    let first = exists(&registry, &reference(&server, "istio/pilot:1")).unwrap_err();
    let began = Instant::now();
    let second = exists(&registry, &reference(&server, "istio/proxyv2:1")).unwrap_err();
    assert_eq!(second.to_string(), first.to_string());
    let ImageError::Registry(second) = second else {
        panic!("{second}")
    };
    assert!(registry.is_away(&second));
    assert!(began.elapsed() < Duration::from_millis(500));
    let asked: Vec<String> = server.asked().into_iter().map(|it| it.path).collect();
    assert_eq!(asked, ["/v2/istio/pilot/manifests/1", "/v2/"]);
}

#[test]
fn redirects_take_no_credentials_along() {
    let sample = sample();
    let (blobs, tags) = (sample.blobs.clone(), sample.tags.clone());
    let elsewhere = Server::answering(move |asked| honest(&blobs, &tags, asked));
    let other = elsewhere.host.clone();
    let answer = serving(&sample);
    let server = Server::answering(move |asked| match asked.header("authorization") {
        "Basic dTpw" if asked.path.contains("/blobs/") => {
            Reply::new(307, "").header("location", format!("http://{other}{}", asked.path))
        }
        "Basic dTpw" => answer(asked),
        _ => Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""),
    });
    let dir = tempfile::tempdir().unwrap();
    let auths = json!({"auths": {server.host.as_str(): {"auth": "dTpw"}}});
    let registry = with_file(dir.path(), &auths, None);
    assert_eq!(
        programs(&registry, &reference(&server, "istio/pilot:1"))
            .unwrap()
            .len(),
        2
    );
    assert!(!elsewhere.asked().is_empty());
    assert!(
        elsewhere
            .asked()
            .iter()
            .all(|asked| asked.header("authorization").is_empty())
    );
}

/// What reading an image says when the answer for its layer is another.
fn with_layer(
    reply: impl Fn(&Asked, &[u8]) -> Reply + Send + Sync + 'static,
) -> (Result<Vec<String>, ImageError>, Server) {
    let sample = sample();
    let layer = sample.layer.clone();
    let bytes = sample.blobs[&layer].clone();
    let answer = serving(&sample);
    let server = Server::answering(move |asked| {
        if asked.path.ends_with(&layer) {
            reply(asked, &bytes)
        } else {
            answer(asked)
        }
    });
    (
        programs(&registry(), &reference(&server, "istio/pilot:amd64")),
        server,
    )
}

#[test]
fn a_dropped_connection_is_taken_up_where_it_broke_off_a_few_times() {
    let rest = |asked: &Asked| -> usize {
        let range = asked.header("range").strip_prefix("bytes=");
        range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap())
    };
    let part = |bytes: &[u8], from: usize, piece: usize| {
        let (left, end) = (bytes.len() - from, bytes.len().min(from + piece));
        Reply::new(if from == 0 { 200 } else { 206 }, "")
            .header(
                "content-range",
                format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
            )
            .body(Body::Promised(left, bytes[from..end].to_vec()))
    };
    for (pieces, wanted) in [(4, true), (5, false)] {
        let (read, server) =
            with_layer(move |asked, bytes| part(bytes, rest(asked), bytes.len().div_ceil(pieces)));
        assert_eq!(read.is_ok(), wanted, "{read:?}");
        let ranges = server
            .asked()
            .into_iter()
            .filter(|asked| !asked.header("range").is_empty());
        assert_eq!(ranges.count(), 3);
    }
    // One that begins anew instead of going on would be a stream of something else.
    let (read, _) = with_layer(move |_, bytes| part(bytes, 0, 20));
    assert!(read.unwrap_err().to_string().contains("dropped"));
}

#[test]
fn a_registry_that_is_not_there_is_not_reached() {
    let error = exists(&registry(), &"127.0.0.1:1/istio/pilot:1".parse().unwrap()).unwrap_err();
    let ImageError::Registry(error) = error else {
        panic!("{error}")
    };
    assert!(
        matches!(
            &error,
            RegistryError::Unreachable {
                why: Why::Connect(_),
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.exit().code(), 69);
    let named = exists(
        &registry(),
        &"no-such-host.invalid/istio/pilot:1".parse().unwrap(),
    );
    assert!(matches!(
        named,
        Err(ImageError::Registry(RegistryError::Unreachable { .. }))
    ));
}

#[test]
fn many_images_are_asked_for_at_once_and_answered_in_order() {
    let sample = sample();
    let server = Server::answering(serving(&sample));
    let names: Vec<Reference> = (0..20)
        .map(|number| {
            reference(
                &server,
                &format!("istio/pilot:{}", if number % 2 == 0 { "1" } else { "2" }),
            )
        })
        .collect();
    let answers = exists_all(&registry(), &names, &BTreeSet::new());
    assert_eq!(answers.len(), 20);
    for (number, answer) in answers.into_iter().enumerate() {
        if number % 2 == 0 {
            let Found {
                digest, platforms, ..
            } = answer.unwrap();
            assert_eq!(digest.to_string(), sample.index["digest"]);
            assert_eq!(platforms.len(), 2);
        } else {
            let error = answer.unwrap_err();
            assert!(matches!(
                error,
                ImageError::Registry(RegistryError::NotFound { .. })
            ));
        }
    }
    let found = exists(&registry(), &reference(&server, "istio/pilot:amd64")).unwrap();
    assert!(found.runs_on("amd64") && !found.runs_on("arm64"));
}

#[test]
fn every_form_of_an_image_id_leads_to_the_same_image() {
    let sample = sample();
    let server = Server::answering(serving(&sample));
    let spec = reference(&server, "istio/pilot:1");
    let name = |descriptor: &Value| descriptor["digest"].as_str().unwrap().to_owned();
    let place = |digest: &str| format!("{}/istio/pilot@{digest}", server.host);
    for id in [
        format!("docker-pullable://{}", place(&name(&sample.index))),
        place(&name(&sample.amd64)),
        sample.config.clone(),
        sample.config.strip_prefix("sha256:").unwrap().to_owned(),
    ] {
        let id: ImageId = id.parse().unwrap();
        let mut running = resolve(&registry(), &id, &spec, Some("amd64")).unwrap();
        assert_eq!(running.len(), 1, "{id:?}");
        let running = running.remove(0);
        assert_eq!(running.config.to_string(), sample.config, "{id:?}");
        assert_eq!(running.manifest.to_string(), name(&sample.amd64));
        assert_eq!(running.platform.to_string(), "linux/amd64");
        assert_eq!(programs(&registry(), &running.reference).unwrap().len(), 1);
    }
    let moved: ImageId = digest(b"older").parse().unwrap();
    let error = resolve(&registry(), &moved, &spec, Some("amd64")).unwrap_err();
    assert!(matches!(error, Unresolved::Moved { .. }), "{error}");
    let index: ImageId = place(&name(&sample.index)).parse().unwrap();
    let error = resolve(&registry(), &index, &spec, Some("s390x")).unwrap_err();
    assert!(
        matches!(error, Unresolved::Image(ImageError::NoPlatform { .. })),
        "{error}"
    );
}
