//! Registries, good and bad ones, on loopback.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a registry listens, and a slow one sleeps"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use glooistio::image::{
    Found, ImageError, ImageId, Inspected, Request, Target, Unresolved, exists, exists_all, resolve,
};
use glooistio::sys::registry::{Options, Places, Reference, Registry, RegistryError, Why};
use serde_json::{Value, json};

use crate::images::{Blobs, digest, gzip, read, tar};

/// A request as it came.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    /// With the query.
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

enum Body {
    Whole(Vec<u8>),
    /// As many bytes are promised, and only these come.
    Cut(Vec<u8>, usize),
    Endless,
    /// A byte now and then.
    Drip(usize),
    /// Nothing at all, not even a head.
    Silence,
}

impl Reply {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: Body::Whole(body.into()),
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: Body) -> Reply {
        self.body = body;
        self
    }

    fn send(self, stream: &mut TcpStream) -> std::io::Result<()> {
        let length = match &self.body {
            Body::Whole(bytes) => Some(bytes.len()),
            Body::Cut(_, promised) => Some(*promised),
            Body::Drip(size) => Some(*size),
            Body::Endless => None,
            Body::Silence => {
                thread::sleep(Duration::from_secs(20));
                return Ok(());
            }
        };
        write!(
            stream,
            "HTTP/1.1 {} x\r\nconnection: close\r\n",
            self.status
        )?;
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        if let Some(length) = length {
            write!(stream, "content-length: {length}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        match self.body {
            Body::Whole(bytes) | Body::Cut(bytes, _) => stream.write_all(&bytes),
            Body::Endless => loop {
                stream.write_all(&[b' '; 1 << 13])?;
            },
            Body::Drip(_) => loop {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_millis(100));
            },
            Body::Silence => Ok(()),
        }
    }
}

/// A server that answers as it is told and remembers what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn new(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let seen = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                thread::spawn(move || {
                    // A client that goes away is no failure of the server.
                    let _gone = serve(stream, &seen, answer.as_ref());
                });
            }
        });
        Server { address, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.address).parse().unwrap()
    }
}

fn serve(
    stream: TcpStream,
    seen: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Reply,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    // What begins with TLS is answered as servers without it do.
    if !reader
        .fill_buf()?
        .first()
        .is_some_and(u8::is_ascii_uppercase)
    {
        return stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    }
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let mut asked = Asked {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: BTreeMap::new(),
        body: String::new(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim().split_once(':') {
            None => break,
            Some((name, value)) => {
                let name = name.to_ascii_lowercase();
                asked.headers.insert(name, value.trim().to_owned());
            }
        }
    }
    let length = asked.header("content-length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    std::io::Read::read_exact(&mut reader, &mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    seen.lock().unwrap().push(asked.clone());
    answer(&asked).send(&mut stream)
}

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
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(2),
        grace: Duration::from_millis(500),
        slowest: 1 << 20,
        ..Options::default()
    }
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
    let programs = images.iter().flat_map(|image| {
        let platform = image.platform.to_string();
        image
            .programs
            .iter()
            .map(move |program| format!("{platform} {:?}", program.reading))
    });
    Ok(programs.collect())
}

fn refused(server: &Server) -> RegistryError {
    match exists(&registry(), &server.reference("istio/pilot:1")) {
        Err(ImageError::Registry(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_image_is_read_from_a_registry() {
    let server = Server::new(serving(&sample()));
    let found = programs(&registry(), &server.reference("istio/pilot:1")).unwrap();
    assert_eq!(
        found,
        [
            r#"linux/amd64 Ok("program")"#,
            r#"linux/arm64 Ok("program")"#
        ]
    );
}

#[test]
fn a_token_is_asked_for_once_and_only_who_gives_it_sees_the_password() {
    let sample = sample();
    let answer = serving(&sample);
    let server = Server::new(move |asked| {
        let here = asked.header("host");
        if asked.path.starts_with("/token?") {
            return match asked.header("authorization") {
                "Basic dXNlcjpwYXNz" => Reply::new(200, r#"{"access_token": "abc"}"#),
                _ => Reply::new(401, "{}"),
            };
        }
        match asked.header("authorization") {
            "Bearer abc" => answer(asked),
            "" => Reply::new(401, "").header(
                "www-authenticate",
                format!(r#"Bearer realm="http://{here}/token",service="s",scope="repository:istio/pilot:pull""#),
            ),
            other => panic!("{other}"),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let auths =
        json!({"auths": {server.address.as_str(): {"username": "user", "password": "pass"}}});
    let registry = with_file(dir.path(), &auths, None);
    programs(&registry, &server.reference("istio/pilot:1")).unwrap();
    let tokens: Vec<Asked> = server
        .asked()
        .into_iter()
        .filter(|asked| asked.path.contains("token"))
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        tokens[0].path,
        "/token?service=s&scope=repository%3Aistio%2Fpilot%3Apull"
    );
    let denied = exists(&self::registry(), &server.reference("istio/pilot:1")).unwrap_err();
    let said = denied.to_string();
    assert!(
        said.contains("no credentials are known for it: log in with `docker login"),
        "{said}"
    );
}

#[test]
fn a_credential_program_is_asked_by_its_standard_input() {
    let sample = sample();
    let answer = serving(&sample);
    let server = Server::new(move |asked| match asked.header("authorization") {
        "Basic dTpw" => answer(asked),
        _ => Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""),
    });
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("docker-credential-fake");
    let script = format!(
        "#!/bin/sh\nread place\n[ \"$1 $place\" = 'get {}' ] || exit 3\necho '{{\"Username\":\"u\",\"Secret\":\"p\"}}'\n",
        server.address
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let helpers = json!({"credHelpers": {server.address.as_str(): "fake"}});
    let registry = with_file(dir.path(), &helpers, Some(dir.path()));
    let reference = server.reference("istio/pilot:1");
    assert_eq!(programs(&registry, &reference).unwrap().len(), 2);
    for (script, wanted) in [
        (
            "#!/bin/sh\necho 'locked' >&2; exit 1\n",
            "`docker-credential-fake` failed: locked",
        ),
        (
            "#!/bin/sh\necho nonsense\n",
            "answers no JSON of user and secret",
        ),
        (
            "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n",
            "no credentials are known",
        ),
    ] {
        std::fs::write(&program, script).unwrap();
        let registry = with_file(dir.path(), &helpers, Some(dir.path()));
        let error = exists(&registry, &reference).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn an_identity_token_is_exchanged() {
    let sample = sample();
    let answer = serving(&sample);
    let server = Server::new(move |asked| {
        let here = asked.header("host");
        match (asked.method.as_str(), asked.header("authorization")) {
            ("POST", "")
                if asked.body.contains("grant_type=refresh_token")
                    && asked.body.contains("refresh_token=secret") =>
            {
                Reply::new(200, r#"{"token": "abc"}"#)
            }
            ("GET", "Bearer abc") => answer(asked),
            _ => Reply::new(401, "").header(
                "www-authenticate",
                format!(r#"Bearer realm="http://{here}/token""#),
            ),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let auths =
        json!({"auths": {server.address.as_str(): {"auth": "dTpw", "identitytoken": "secret"}}});
    let registry = with_file(dir.path(), &auths, None);
    assert_eq!(
        programs(&registry, &server.reference("istio/pilot:1"))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn refusals_are_told_apart() {
    let error =
        |code: &str| json!({"errors": [{"code": code, "message": "as it says"}]}).to_string();
    let kind = |status: u16, body: String| {
        refused(&Server::new(move |_| Reply::new(status, body.clone())))
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
    for status in [429, 500, 503] {
        let busy = kind(status, String::new());
        assert!(
            matches!(busy, RegistryError::Unreachable { why: Why::Busy(code), .. } if code == status)
        );
    }
    assert!(matches!(
        kind(418, String::new()),
        RegistryError::Broken { .. }
    ));
    assert!(matches!(
        kind(401, String::new()),
        RegistryError::Broken { .. }
    ));
}

#[test]
fn credentials_that_are_refused_again_and_again_are_said_once() {
    let server =
        Server::new(|_| Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""));
    let dir = tempfile::tempdir().unwrap();
    let auths = json!({"auths": {server.address.as_str(): {"auth": "dTpw"}}});
    let registry = with_file(dir.path(), &auths, None);
    let error = exists(&registry, &server.reference("istio/pilot:1")).unwrap_err();
    let ImageError::Registry(RegistryError::Denied { credentials, .. }) = error else {
        panic!("{error}")
    };
    assert!(credentials.unwrap().contains("config.json"));
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn redirects_are_bounded_and_take_no_credentials_along() {
    let sample = sample();
    let (blobs, tags) = (sample.blobs.clone(), sample.tags.clone());
    let elsewhere = Server::new(move |asked| honest(&blobs, &tags, asked));
    let other = elsewhere.address.clone();
    let answer = serving(&sample);
    let server = Server::new(move |asked| match asked.header("authorization") {
        "Basic dTpw" if asked.path.contains("/blobs/") => {
            Reply::new(307, "").header("location", format!("http://{other}{}", asked.path))
        }
        "Basic dTpw" => answer(asked),
        _ => Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""),
    });
    let dir = tempfile::tempdir().unwrap();
    let auths = json!({"auths": {server.address.as_str(): {"auth": "dTpw"}}});
    let registry = with_file(dir.path(), &auths, None);
    assert_eq!(
        programs(&registry, &server.reference("istio/pilot:1"))
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

    let endless =
        Server::new(|asked| Reply::new(302, "").header("location", format!("{}x", asked.path)));
    let error = refused(&endless).to_string();
    assert!(error.contains("redirects more than 5 times"), "{error}");
    assert_eq!(endless.asked().len(), 6);
    let outside =
        Server::new(|_| Reply::new(302, "").header("location", "http://registry.invalid/x"));
    let error = refused(&outside).to_string();
    assert!(
        error.contains("redirects to a place without TLS"),
        "{error}"
    );
    let nowhere = Server::new(|_| Reply::new(302, ""));
    assert!(
        refused(&nowhere)
            .to_string()
            .contains("redirects to nowhere")
    );
}

#[test]
fn manifests_that_are_none_are_named() {
    let html = Server::new(|_| {
        Reply::new(200, "<html>").header("content-type", "text/html; charset=utf-8")
    });
    assert!(refused(&html).to_string().contains("it is a web page"));
    let endless = Server::new(|_| Reply::new(200, "").body(Body::Endless));
    assert!(matches!(refused(&endless), RegistryError::TooLarge { .. }));
    let lie =
        Server::new(|_| Reply::new(200, "{}").header("docker-content-digest", digest(b"other")));
    let error = refused(&lie);
    assert!(
        matches!(&error, RegistryError::Broken { why, .. } if why.contains("its digest is")),
        "{error}"
    );
    let dropped = Server::new(|_| Reply::new(200, "").body(Body::Cut(b"{".to_vec(), 100)));
    assert!(matches!(refused(&dropped), RegistryError::Broken { .. }));
    let garbage = Server::new(|_| Reply::new(200, "[1, 2"));
    let error = exists(&registry(), &garbage.reference("istio/pilot:1")).unwrap_err();
    assert!(matches!(error, ImageError::Damaged { .. }), "{error}");

    let sample = sample();
    let other = sample.blobs[sample.amd64["digest"].as_str().unwrap()].clone();
    let server = Server::new(move |_| Reply::new(200, other.clone()));
    let by_digest = server.reference(&format!("istio/pilot@{}", digest(b"wanted")));
    let error = exists(&registry(), &by_digest).unwrap_err();
    assert!(
        matches!(error, ImageError::Registry(RegistryError::Broken { .. })),
        "{error}"
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
    let server = Server::new(move |asked| {
        if asked.path.ends_with(&layer) {
            reply(asked, &bytes)
        } else {
            answer(asked)
        }
    });
    (
        programs(&registry(), &server.reference("istio/pilot:amd64")),
        server,
    )
}

#[test]
fn a_dropped_connection_is_taken_up_where_it_broke_off_once() {
    let (read, server) = with_layer(|asked, bytes| match asked.header("range") {
        "" => Reply::new(200, "").body(Body::Cut(bytes[..20].to_vec(), bytes.len())),
        "bytes=20-" => Reply::new(206, bytes[20..].to_vec()).header(
            "content-range",
            format!("bytes 20-{}/{}", bytes.len() - 1, bytes.len()),
        ),
        other => panic!("{other}"),
    });
    assert_eq!(read.unwrap(), [r#"linux/amd64 Ok("program")"#]);
    assert!(
        server
            .asked()
            .iter()
            .any(|asked| asked.header("range") == "bytes=20-")
    );

    let (read, _) = with_layer(|asked, bytes| match asked.header("range") {
        "" => Reply::new(200, "").body(Body::Cut(bytes[..20].to_vec(), bytes.len())),
        _ => Reply::new(206, "")
            .header("content-range", "bytes 20-")
            .body(Body::Cut(bytes[20..25].to_vec(), bytes.len() - 20)),
    });
    let error = read.unwrap_err();
    assert!(
        matches!(error, ImageError::Registry(RegistryError::Broken { .. })),
        "{error}"
    );
    // One that begins anew instead of going on would be a stream of something else.
    let (read, _) = with_layer(|_, bytes| {
        Reply::new(200, "").body(Body::Cut(bytes[..20].to_vec(), bytes.len()))
    });
    assert!(read.is_err());
}

#[test]
fn a_layer_that_is_not_what_was_declared_is_refused() {
    let (read, _) = with_layer(|_, bytes| Reply::new(200, bytes[1..].to_vec()));
    assert!(read.unwrap_err().to_string().contains("were declared"));
    let (read, _) = with_layer(|_, bytes| {
        let mut other = bytes.to_vec();
        other[8] ^= 1;
        Reply::new(200, other)
    });
    assert!(matches!(read.unwrap_err(), ImageError::Damaged { .. }));
    let (read, _) =
        with_layer(|_, _| Reply::new(200, "<html>").header("content-type", "text/html"));
    assert!(read.unwrap_err().to_string().contains("it is a web page"));
    let (read, _) = with_layer(|_, _| Reply::new(200, "").body(Body::Endless));
    assert!(read.is_err());
}

#[test]
fn who_is_slow_or_silent_is_not_waited_for() {
    let began = Instant::now();
    let silent = Server::new(|_| Reply::new(200, "").body(Body::Silence));
    assert!(matches!(
        refused(&silent),
        RegistryError::Unreachable {
            why: Why::Silent(_),
            ..
        }
    ));
    let dripping = Server::new(|_| Reply::new(200, "").body(Body::Drip(1 << 20)));
    assert!(matches!(
        refused(&dripping),
        RegistryError::Unreachable {
            why: Why::Silent(_),
            ..
        }
    ));
    let (read, _) = with_layer(|_, bytes| Reply::new(200, "").body(Body::Drip(bytes.len())));
    let error = read.unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::Registry(RegistryError::Unreachable { .. })
        ),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_mins(1));
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
    let server = Server::new(serving(&sample));
    let names: Vec<Reference> = (0..20)
        .map(|number| {
            server.reference(&format!(
                "istio/pilot:{}",
                if number % 2 == 0 { "1" } else { "2" }
            ))
        })
        .collect();
    let answers = exists_all(&registry(), &names);
    assert_eq!(answers.len(), 20);
    for (number, answer) in answers.into_iter().enumerate() {
        if number % 2 == 0 {
            let Found { digest, platforms } = answer.unwrap();
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
    let found = exists(&registry(), &server.reference("istio/pilot:amd64")).unwrap();
    assert!(found.runs_on("amd64") && !found.runs_on("arm64"));
}

#[test]
fn every_form_of_an_image_id_leads_to_the_same_image() {
    let sample = sample();
    let server = Server::new(serving(&sample));
    let spec = server.reference("istio/pilot:1");
    let name = |descriptor: &Value| descriptor["digest"].as_str().unwrap().to_owned();
    let place = |digest: &str| format!("{}/istio/pilot@{digest}", server.address);
    for id in [
        format!("docker-pullable://{}", place(&name(&sample.index))),
        place(&name(&sample.amd64)),
        sample.config.clone(),
        sample.config.strip_prefix("sha256:").unwrap().to_owned(),
    ] {
        let id: ImageId = id.parse().unwrap();
        let running = resolve(&registry(), &id, &spec, "amd64").unwrap();
        assert_eq!(running.config.to_string(), sample.config, "{id:?}");
        assert_eq!(running.manifest.to_string(), name(&sample.amd64));
        assert_eq!(running.platform.to_string(), "linux/amd64");
        assert_eq!(programs(&registry(), &running.reference).unwrap().len(), 1);
    }
    let moved: ImageId = digest(b"older").parse().unwrap();
    let error = resolve(&registry(), &moved, &spec, "amd64").unwrap_err();
    assert!(matches!(error, Unresolved::Moved { .. }), "{error}");
    let index: ImageId = place(&name(&sample.index)).parse().unwrap();
    let error = resolve(&registry(), &index, &spec, "s390x").unwrap_err();
    assert!(
        matches!(error, Unresolved::Image(ImageError::NoPlatform { .. })),
        "{error}"
    );
}
