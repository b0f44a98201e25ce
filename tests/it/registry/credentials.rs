//! Who may see what, and what is said when they may not.

use std::os::unix::fs::PermissionsExt as _;

use glooistio::image::ImageError;
use glooistio::sys::registry::RegistryError;
use serde_json::json;

use super::{exists, programs, reference, sample, serving, with_file};
use crate::fake_registry::{Asked, Reply, Server};

#[test]
fn a_token_is_asked_for_once_and_only_who_gives_it_sees_the_password() {
    let sample = sample();
    let answer = serving(&sample);
    let server = Server::answering(move |asked| {
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
    let auths = json!({"auths": {server.host.as_str(): {"username": "user", "password": "pass"}}});
    let registry = with_file(dir.path(), &auths, None);
    programs(&registry, &reference(&server, "istio/pilot:1")).unwrap();
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
    let denied = exists(&super::registry(), &reference(&server, "istio/pilot:1")).unwrap_err();
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
    let server = Server::answering(move |asked| match asked.header("authorization") {
        "Basic dTpw" => answer(asked),
        _ => Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""),
    });
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("docker-credential-fake");
    let script = format!(
        "#!/bin/sh\nread place\n[ \"$1 $place\" = 'get {}' ] || exit 3\necho '{{\"Username\":\"u\",\"Secret\":\"p\"}}'\n",
        server.host
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let helpers = json!({"credHelpers": {server.host.as_str(): "fake"}});
    let registry = with_file(dir.path(), &helpers, Some(dir.path()));
    let reference = reference(&server, "istio/pilot:1");
    assert_eq!(programs(&registry, &reference).unwrap().len(), 2);
    for (script, wanted) in [
        (
            "#!/bin/sh\necho 'locked' >&2; exit 1\n",
            "`docker-credential-fake` failed with exit code 1: run `docker-credential-fake get`",
        ),
        (
            "#!/bin/sh\necho nonsense hunter2\n",
            "answers no JSON of user and secret",
        ),
        (
            "#!/bin/sh\necho '{\"Username\":\"u\",\"Secret\":\"hunter2\"}'; exit 1\n",
            "`docker-credential-fake` failed",
        ),
        ("#!/bin/sh\nsleep 60\n", "did not end within 2 s"),
        ("#!/bin/sh\nyes hunter2\n", "did not end within 2 s"),
        (
            "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n",
            "no credentials are known",
        ),
    ] {
        std::fs::write(&program, script).unwrap();
        let registry = with_file(dir.path(), &helpers, Some(dir.path()));
        let error = exists(&registry, &reference).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    std::fs::remove_file(&program).unwrap();
    let registry = with_file(dir.path(), &helpers, Some(dir.path()));
    let error = exists(&registry, &reference).unwrap_err().to_string();
    assert!(
        error.contains("`docker-credential-fake` is not on PATH"),
        "{error}"
    );
}

#[test]
fn an_identity_token_is_exchanged() {
    let sample = sample();
    let answer = serving(&sample);
    let server = Server::answering(move |asked| {
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
        json!({"auths": {server.host.as_str(): {"auth": "dTpw", "identitytoken": "secret"}}});
    let registry = with_file(dir.path(), &auths, None);
    assert_eq!(
        programs(&registry, &reference(&server, "istio/pilot:1"))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn credentials_that_are_refused_again_and_again_are_said_once() {
    let server =
        Server::answering(|_| Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\""));
    let dir = tempfile::tempdir().unwrap();
    let auths = json!({"auths": {server.host.as_str(): {"auth": "dTpw"}}});
    let registry = with_file(dir.path(), &auths, None);
    let error = exists(&registry, &reference(&server, "istio/pilot:1")).unwrap_err();
    let ImageError::Registry(RegistryError::Denied { credentials, .. }) = error else {
        panic!("{error}")
    };
    assert!(credentials.unwrap().contains("config.json"));
    assert_eq!(server.asked().len(), 2);
}
