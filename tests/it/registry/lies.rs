//! What a registry may do wrong: a clear error with 65 or 69, soon, and nothing is believed.

use std::thread;
use std::time::{Duration, Instant};

use glooistio::exit::Failure;
use serde_json::{Value, json};

use super::{Sample, programs, reference, registry, sample, serving};
use crate::fake_registry::{Body, Reply, Server, digest};

/// Longest that any of them may keep us, all waits of the tests being short.
const SOON: Duration = Duration::from_secs(15);

/// What is answered falsely.
#[derive(Clone, Copy)]
enum Place {
    Manifest,
    Config,
    Layer,
    /// Who gives tokens.
    Token,
    /// The first question, which is answered by 401.
    Challenge,
}

use Place::{Challenge, Config, Layer, Manifest, Token};

impl Place {
    fn path(self, sample: &Sample) -> String {
        match self {
            Manifest | Challenge => "istio/pilot/manifests/amd64".to_owned(),
            Config => format!("istio/pilot/blobs/{}", sample.config),
            Layer => format!("istio/pilot/blobs/{}", sample.layer),
            Token => "/token?service=s&scope=a".to_owned(),
        }
    }
}

/// What is said when the answer for one place is another, behind the exit code.
fn told(place: Place, reply: Reply) -> String {
    let sample = sample();
    let honest = serving(&sample);
    let server = Server::answering(move |asked| {
        let here = asked.header("host");
        let challenge = format!(r#"Bearer realm="http://{here}/token",service="s",scope="a""#);
        if matches!(place, Token) && asked.header("authorization").is_empty() {
            return Reply::new(401, "").header("www-authenticate", challenge);
        }
        honest(asked)
    });
    server.put(&place.path(&sample), reply);
    match programs(&registry(), &reference(&server, "istio/pilot:amd64")) {
        Ok(programs) => format!("0 {programs:?}"),
        Err(error) => {
            let failure = Failure::from(error);
            format!("{} {}", failure.exit.code(), failure.message)
        }
    }
}

/// All at once: some of them are waited for.
fn each(rows: Vec<(Place, Reply, &str)>) {
    let began = Instant::now();
    thread::scope(|scope| {
        for (row, (place, reply, wanted)) in rows.into_iter().enumerate() {
            scope.spawn(move || {
                let said = told(place, reply);
                let (code, words) = wanted.split_once(' ').unwrap();
                assert!(said.starts_with(code), "row {row}: {wanted}: {said}");
                assert!(said.contains(words), "row {row}: {wanted}: {said}");
                let took = began.elapsed();
                assert!(took < SOON, "row {row}: {wanted}: {took:?}");
            });
        }
    });
}

fn bad(body: Body) -> Reply {
    Reply::bad(body)
}

fn html() -> Reply {
    Reply::ok("text/html; charset=utf-8", b"<html>")
}

#[test]
fn documents_that_are_none() {
    each(vec![
        (Manifest, html(), "65 web page"),
        (Manifest, Reply::new(200, "<html>"), "65 not the JSON"),
        (Manifest, Reply::new(200, ""), "65 the answer is empty"),
        (Manifest, Reply::new(204, ""), "65 the answer is empty"),
        (Manifest, Reply::new(200, "[1, 2"), "65 not the JSON"),
        (
            Manifest,
            Reply::new(200, "[".repeat(100_000)),
            "65 not the JSON",
        ),
        (Manifest, Reply::new(200, "{}"), "65 neither an index"),
        (Manifest, bad(Body::Endless), "65 more than 4194304 bytes"),
        (Manifest, bad(Body::Chunks), "65 more than 4194304 bytes"),
        (Manifest, bad(Body::Drip(1 << 20)), "69 within 2 s"),
        (Manifest, bad(Body::Head), "69 within 2 s"),
        (Manifest, bad(Body::Silence), "69 within 2 s"),
        (Manifest, bad(Body::Close), "69 dropped the connection"),
        (
            Manifest,
            bad(Body::Promised(100, b"{".to_vec())),
            "69 dropped",
        ),
        (
            Manifest,
            bad(Body::Promised(1, b"{}".to_vec())),
            "65 not the JSON",
        ),
        (
            Manifest,
            Reply::new(200, "{}").header("docker-content-digest", digest(b"other")),
            "65 its digest is",
        ),
        (
            Manifest,
            Reply::new(
                200,
                r#"{"schemaVersion": 1, "fsLayers": [], "history": []}"#,
            ),
            "65 schema 1",
        ),
        (Config, Reply::new(200, ""), "65 it has 0 bytes"),
        (Config, Reply::new(404, ""), "65 does not exist"),
        (Config, bad(Body::Chunks), "65 longer than"),
        (Config, html(), "65 web page"),
    ]);
}

#[test]
fn errors_that_do_not_end() {
    let failing = |status, body| Reply::new(status, "").body(body);
    each(vec![
        (Manifest, failing(404, Body::Endless), "65 does not exist"),
        (Manifest, failing(404, Body::Chunks), "65 does not exist"),
        (
            Manifest,
            failing(404, Body::Drip(1 << 20)),
            "65 does not exist",
        ),
        (Manifest, failing(403, Body::Drip(1 << 20)), "65 refuses"),
        (
            Manifest,
            failing(500, Body::Drip(1 << 20)),
            "69 it answers 500",
        ),
        (Manifest, failing(500, Body::Endless), "69 it answers 500"),
        (
            Manifest,
            failing(418, Body::Promised(9, vec![])),
            "65 answers 418",
        ),
        (Layer, failing(503, Body::Endless), "69 it answers 503"),
        (Layer, failing(404, Body::Endless), "65 does not exist"),
        (
            Manifest,
            Reply::new(429, "").header("retry-after", "3600"),
            "69 try again in 3600 s",
        ),
        (
            Manifest,
            Reply::new(429, "").header("retry-after", "99999999999999999999999"),
            "69 (429)",
        ),
        (
            Manifest,
            Reply::new(503, "").header("retry-after", u64::MAX.to_string()),
            "69 it answers 503",
        ),
    ]);
}

#[test]
fn layers_that_are_not_what_was_declared() {
    let sample = sample();
    let layer = &sample.blobs[&sample.layer];
    let size = layer.len();
    let mut other = layer.clone();
    other[8] ^= 1;
    each(vec![
        (Layer, Reply::new(200, &layer[1..]), "65 were declared"),
        (Layer, Reply::new(200, other), "65 damaged"),
        (
            Layer,
            Reply::new(200, [layer.as_slice(), b"!"].concat()),
            "65 were declared",
        ),
        (Layer, Reply::new(200, ""), "65 it has 0 bytes"),
        (
            Layer,
            Reply::ok("text/html", &vec![b'<'; size]),
            "65 web page",
        ),
        (Layer, bad(Body::Endless), "65 longer than"),
        (Layer, bad(Body::Chunks), "65 longer than"),
        (Layer, bad(Body::Drip(size)), "69 it sent no more than"),
        (
            Layer,
            bad(Body::Promised(size, layer[..20].to_vec())),
            "69 dropped",
        ),
        (
            Layer,
            bad(Body::Promised(size - 1, layer.clone())),
            "65 were declared",
        ),
        (Layer, bad(Body::Silence), "69 within 2 s"),
    ]);
}

#[test]
fn tokens_that_are_none() {
    each(vec![
        (
            Token,
            Reply::new(200, "garbage"),
            "65 there is no token in it",
        ),
        (Token, Reply::new(200, ""), "65 there is no token in it"),
        (
            Token,
            Reply::new(200, r#"{"token": "a\nb"}"#),
            "65 there is no token in it",
        ),
        (
            Token,
            Reply::new(200, r#"{"token": ""}"#),
            "65 there is no token in it",
        ),
        (Token, html(), "65 web page"),
        (Token, bad(Body::Endless), "65 more than 1048576 bytes"),
        (Token, bad(Body::Drip(1 << 20)), "69 within 2 s"),
        (Token, bad(Body::Close), "69 dropped"),
        (Token, Reply::new(500, ""), "69 it answers 500"),
        (Token, Reply::new(404, ""), "65 a token for"),
        (Token, Reply::new(403, ""), "65 no credentials are known"),
        (
            Token,
            Reply::new(307, "").header("location", "http://registry.invalid/"),
            "65 a place without TLS",
        ),
    ]);
}

#[test]
fn challenges_that_are_none() {
    let challenge = |text: &str| Reply::new(401, "").header("www-authenticate", text);
    each(vec![
        (Challenge, Reply::new(401, ""), "65 no kind that is known"),
        (
            Challenge,
            challenge("Bearer realm"),
            "65 no kind that is known",
        ),
        (Challenge, challenge("\u{7f}\"=,,"), "65 is not HTTP"),
        (
            Challenge,
            challenge("Negotiate"),
            "65 no kind that is known",
        ),
        (
            Challenge,
            challenge("Bearer service=\"s\""),
            "65 where its tokens are given",
        ),
        (
            Challenge,
            challenge("Bearer realm=\"no address\""),
            "65 where its tokens are given",
        ),
        (
            Challenge,
            challenge("Bearer realm=\"file:///etc/passwd\""),
            "65 without TLS",
        ),
        (
            Challenge,
            challenge("Bearer realm=\"http://registry.invalid/t\""),
            "65 without TLS",
        ),
        (
            Challenge,
            challenge("Bearer realm=\"http://127.0.0.1:1/t\""),
            "69 cannot reach 127.0.0.1:1:",
        ),
    ]);
}

#[test]
fn redirects_that_lead_nowhere() {
    let to = |place: &str| Reply::new(302, "").header("location", place);
    each(vec![
        (
            Manifest,
            to("/v2/istio/pilot/manifests/amd64"),
            "65 more than 5 times",
        ),
        (
            Manifest,
            to("http://registry.invalid/x"),
            "65 a place without TLS",
        ),
        (Manifest, to("ftp://127.0.0.1/x"), "65 a place without TLS"),
        (Manifest, to("http://"), "65 redirects to nowhere"),
        (Manifest, Reply::new(302, ""), "65 redirects to nowhere"),
        (
            Manifest,
            to("http://127.0.0.1:1/x"),
            "69 cannot reach 127.0.0.1:1:",
        ),
        (
            Layer,
            to("https://127.0.0.1:1/x"),
            "69 cannot reach 127.0.0.1:1:",
        ),
    ]);
}

/// An index of `entries`, as `istio/pilot:1`.
fn index_of(entries: &[Value]) -> Reply {
    Reply::new(
        200,
        json!({"schemaVersion": 2, "manifests": entries}).to_string(),
    )
}

#[test]
fn indexes_without_an_end() {
    let sample = sample();
    let kind = "application/vnd.oci.image.index.v1+json";
    let entry = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()});
    // Each index names the one below it ten times: 10^5 in all.
    let mut inner = sample.amd64.clone();
    let server = Server::answering(serving(&sample));
    for _ in 0..5 {
        let text = json!({"schemaVersion": 2, "manifests": vec![inner; 10]}).to_string();
        inner = entry(kind, text.as_bytes());
        let path = format!("istio/pilot/manifests/{}", digest(text.as_bytes()));
        server.put(&path, Reply::new(200, text));
    }
    server.put("istio/pilot/manifests/deep", index_of(&[inner]));
    let many: Vec<Value> = (0..10_000_u32)
        .map(|n| entry(kind, &n.to_le_bytes()))
        .collect();
    server.put("istio/pilot/manifests/many", index_of(&many));
    let same = vec![sample.amd64.clone(); 300];
    server.put("istio/pilot/manifests/same", index_of(&same));
    for (tag, wanted) in [
        ("deep", "more than 3 deep"),
        ("many", "more than 1024"),
        ("same", "more than 256 images"),
    ] {
        let began = Instant::now();
        let place = reference(&server, &format!("istio/pilot:{tag}"));
        let error = programs(&registry(), &place).unwrap_err();
        let failure = Failure::from(error);
        assert_eq!(failure.exit.code(), 65, "{tag}: {}", failure.message);
        assert!(
            failure.message.contains(wanted),
            "{tag}: {}",
            failure.message
        );
        assert!(began.elapsed() < SOON, "{tag}: {:?}", began.elapsed());
    }
}
