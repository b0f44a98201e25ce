//! Credentials as docker and podman store them: in files, and in programs that the files name.
//!
//! A secret is never an argument and never part of a message. It is sent only to the host of its
//! registry and to the token service that this registry names.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::answer::short;
use super::{Reference, Registry, host};
use crate::sys::os;
use crate::sys::process::{self, Invocation, Status};

/// The maximum number of bytes of a credentials file.
const FILE_LIMIT: u64 = 4 << 20;

/// The maximum number of bytes of the output of a credential program.
const HELPER_LIMIT: usize = 64 << 10;

/// The names of Docker's own registry. Credential programs know it by the last one.
const DOCKER: [&str; 4] = [
    "docker.io",
    "registry-1.docker.io",
    "index.docker.io",
    "https://index.docker.io/v1/",
];

/// The output of credential programs for a registry that they do not know.
const NOT_FOUND: &str = "credentials not found";

/// The user name that marks a secret as an identity token.
const TOKEN_USER: &str = "<token>";

/// Where credentials are looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Credentials files. The first one that knows a registry counts.
    pub files: Vec<PathBuf>,
    /// The `PATH` for the programs that they name.
    pub path: Option<OsString>,
}

impl Places {
    /// Returns the places where podman and then docker look.
    pub fn of_user() -> Places {
        let from = |name: &str, rest: &str| os::env(name).map(|dir| PathBuf::from(dir).join(rest));
        let home = |rest: &str| os::home().map(|home| home.join(rest));
        let files = [
            os::env("REGISTRY_AUTH_FILE").map(PathBuf::from),
            from("XDG_RUNTIME_DIR", "containers/auth.json"),
            from("XDG_CONFIG_HOME", "containers/auth.json")
                .or_else(|| home(".config/containers/auth.json")),
            from("DOCKER_CONFIG", "config.json").or_else(|| home(".docker/config.json")),
        ];
        Places {
            files: files.into_iter().flatten().collect(),
            path: os::env("PATH"),
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    Password {
        user: String,
        password: String,
    },
    /// An identity token, which is exchanged for a token.
    Identity(String),
    /// A token that is sent as it is.
    Token(String),
}

/// The result of a lookup for a repository.
#[derive(Clone, Default)]
pub(super) struct Lookup {
    pub(super) credential: Option<Credential>,
    /// The file or program that the credentials come from.
    pub(super) from: Option<String>,
    /// The reason why no credentials were found, which is reported if the registry refuses.
    pub(super) problem: Option<String>,
}

/// The content of `config.json` or `auth.json`.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(alias = "identityToken")]
    identitytoken: Option<String>,
    #[serde(alias = "registryToken")]
    registrytoken: Option<String>,
}

/// The answer of a credential program.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Registry {
    /// Returns the credentials for a repository, which are looked up once.
    pub(super) fn lookup(&self, reference: &Reference) -> Lookup {
        let key = (
            host(reference).to_owned(),
            reference.repository().to_owned(),
        );
        // The lock is held while programs run, so that concurrent requests start each program only
        // once.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found
            .entry(key)
            .or_insert_with(|| {
                let _work = self.working();
                let wait = self.options.helper_timeout.min(self.budget.left());
                let lookup = self.options.credentials.find(reference, wait);
                match &lookup.credential {
                    Some(Credential::Password { user, password }) => {
                        self.options.secrets.add_login(user, password);
                    }
                    Some(Credential::Identity(token) | Credential::Token(token)) => {
                        self.options.secrets.add(token);
                    }
                    None => {}
                }
                lookup
            })
            .clone()
    }

    /// Returns the result of an earlier lookup for a repository, or an empty one.
    pub(super) fn looked_up(&self, reference: &Reference) -> Lookup {
        let key = (
            host(reference).to_owned(),
            reference.repository().to_owned(),
        );
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&key).cloned().unwrap_or_default()
    }
}

/// How credential programs are run.
#[derive(Clone, Copy)]
struct Helpers<'a> {
    path: Option<&'a OsStr>,
    /// The longest wait for one program.
    wait: Duration,
}

impl Places {
    fn find(&self, reference: &Reference, wait: Duration) -> Lookup {
        let mut problem = None;
        let path = self.path.as_deref();
        let helpers = Helpers { path, wait };
        for path in &self.files {
            let name = path.display().to_string();
            let text = match os::read(path, FILE_LIMIT) {
                Ok(text) => text,
                Err(os::ReadError::Missing(_)) => continue,
                Err(error) => {
                    problem.get_or_insert(error.to_string());
                    continue;
                }
            };
            let Ok(file) = serde_json::from_slice::<File>(&text) else {
                problem.get_or_insert(format!("`{name}` is not a file of credentials"));
                continue;
            };
            match file.find(&name, helpers, reference) {
                Ok(Some((credential, from))) => {
                    return Lookup {
                        credential: Some(credential),
                        from: Some(from),
                        problem: None,
                    };
                }
                Ok(None) => {}
                Err(why) => {
                    problem.get_or_insert(why);
                }
            }
        }
        Lookup {
            problem,
            ..Lookup::default()
        }
    }
}

type Found = Result<Option<(Credential, String)>, String>;

impl File {
    /// Looks up credentials: first by the program for the host, then by the longest part of
    /// `host/path` that has an entry. For the host alone, the store comes before the entry.
    /// Credentials apply only to the places that their key covers.
    fn find(&self, name: &str, helpers: Helpers<'_>, reference: &Reference) -> Found {
        let registry = reference.registry();
        let mut problem = None;
        let mut asked = |found: Found| {
            found.unwrap_or_else(|why| {
                problem.get_or_insert(why);
                None
            })
        };
        if let Some((_, program)) = self.helpers.iter().find(|(key, _)| is_for(key, registry))
            && let Some(found) = asked(helpers.ask(program, registry))
        {
            return Ok(Some(found));
        }
        let whole = format!("{registry}/{}", reference.repository());
        let mut place = whole.as_str();
        while let Some((shorter, _)) = place.rsplit_once('/') {
            if let Some(found) = asked(self.entry(name, place)) {
                return Ok(Some(found));
            }
            place = shorter;
        }
        if let Some(store) = &self.store
            && let Some(found) = asked(helpers.ask(store, registry))
        {
            return Ok(Some(found));
        }
        let found = asked(self.entry(name, registry));
        match (found, problem) {
            (None, Some(why)) => Err(why),
            (found, _) => Ok(found),
        }
    }

    /// Returns the credentials in `auths` for a place. The place itself takes precedence over a key
    /// with a scheme, which old versions of docker wrote.
    fn entry(&self, name: &str, place: &str) -> Found {
        let exact = self.auths.get_key_value(place);
        let alike = self.auths.iter().filter(|(key, _)| is_for(key, place));
        for (_, entry) in exact.into_iter().chain(alike) {
            let bad = |why: &str| format!("`{name}` has credentials for {place} that {why}");
            if let Some(credential) = entry.credential().map_err(bad)? {
                return Ok(Some((credential, format!("`{name}`"))));
            }
        }
        Ok(None)
    }
}

/// Returns true if a key of a file covers a place: `https://h.io/v1/` covers `h.io`, and
/// `https://h.io/a` covers `h.io/a`.
fn is_for(key: &str, place: &str) -> bool {
    if DOCKER.contains(&key) && DOCKER.contains(&place) {
        return true;
    }
    let bare = key.strip_prefix("https://");
    let bare = bare.or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let bare = bare.trim_end_matches('/');
    let api = ["/v1", "/v2"].iter().find_map(|api| bare.strip_suffix(api));
    let host = api.filter(|host| !host.contains('/'));
    host.unwrap_or(bare) == place
}

impl Entry {
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credential::Identity(token)));
        }
        if let Some(token) = given(&self.registrytoken) {
            return Ok(Some(Credential::Token(token)));
        }
        if let Some(auth) = given(&self.auth) {
            let pair = STANDARD
                .decode(auth.trim())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or("are not base64")?;
            let (user, password) = pair
                .split_once(':')
                .ok_or("are not a user and a password")?;
            return Ok(Some(Credential::Password {
                user: user.to_owned(),
                password: password.trim_end_matches('\0').to_owned(),
            }));
        }
        let pair = given(&self.username).zip(given(&self.password));
        Ok(pair.map(|(user, password)| Credential::Password { user, password }))
    }
}

impl Helpers<'_> {
    /// Runs `docker-credential-NAME get`.
    fn ask(self, name: &str, place: &str) -> Found {
        let program = format!("docker-credential-{name}");
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!(
                "`{}` is not a name of a credential program",
                short(name)
            ));
        }
        let path = process::find(&program, self.path).map_err(|error| error.to_string())?;
        let docker = DOCKER.contains(&place);
        let asked = if docker { DOCKER[3] } else { place };
        let invocation = Invocation::new(path, &["get"]).stdin(format!("{asked}\n"));
        let said = process::capture(&invocation, self.wait, HELPER_LIMIT)
            .map_err(|error| error.to_string())?;
        if said.status != Status::Code(0) {
            let words = [said.stdout, said.stderr].concat();
            let words = String::from_utf8_lossy(&words);
            if words.contains(NOT_FOUND) {
                return Ok(None);
            }
            // The output may contain the secret, which is not known and so cannot be masked.
            let ended = match said.status {
                Status::Code(code) => format!("with exit code {code}"),
                Status::Signal(signal) => format!("by signal {signal}"),
            };
            return Err(format!(
                "`{program}` failed {ended}: run `{program} get` to see why"
            ));
        }
        let answer: Answer = serde_json::from_slice(&said.stdout)
            .map_err(|_| format!("`{program}` answers no JSON of user and secret"))?;
        let credential = if answer.username == TOKEN_USER {
            Credential::Identity(answer.secret)
        } else {
            Credential::Password {
                user: answer.username,
                password: answer.secret,
            }
        };
        Ok(Some((credential, format!("`{program}`"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Helpers<'_> = Helpers {
        path: None,
        wait: Duration::ZERO,
    };

    fn found(json: &str, reference: &str) -> String {
        let file: File = serde_json::from_str(json).unwrap();
        match file.find("config.json", NOWHERE, &reference.parse().unwrap()) {
            Ok(Some((Credential::Password { user, password }, _))) => format!("{user}/{password}"),
            Ok(Some((Credential::Identity(token), _))) => format!("identity {token}"),
            Ok(Some((Credential::Token(token), _))) => format!("token {token}"),
            Ok(None) => "none".to_owned(),
            Err(why) => why,
        }
    }

    fn auths(entries: &[(&str, &str)]) -> String {
        let entries = entries
            .iter()
            .map(|(place, pair)| (*place, serde_json::json!({"auth": STANDARD.encode(pair)})));
        serde_json::json!({"auths": entries.collect::<BTreeMap<_, _>>()}).to_string()
    }

    #[test]
    fn the_longest_place_that_fits_counts() {
        let json = auths(&[
            ("h.io", "host:1"),
            ("h.io/ns", "ns:2"),
            ("h.io/ns/pilot", "repo:3"),
            ("https://other.io/v1/", "old:4:5"),
            ("h.io:5000", "port:6"),
            ("https://part.io/team/", "team:7"),
            ("https://two.io", "old:8"),
            ("two.io", "new:9"),
            ("three.io/v2/", "api:10"),
        ]);
        for (reference, wanted) in [
            ("h.io/x/pilot:1", "host/1"),
            ("h.io/ns/proxyv2:1", "ns/2"),
            ("h.io/ns/pilot:1", "repo/3"),
            ("h.io/nsx/pilot:1", "host/1"),
            ("other.io/a:1", "old/4:5"),
            ("h.io:5000/ns/pilot:1", "port/6"),
            ("no.io/ns/pilot:1", "none"),
            // Credentials for a path do not apply to other paths, with or without a scheme.
            ("part.io/team/pilot:1", "team/7"),
            ("part.io/teams/pilot:1", "none"),
            ("part.io/pilot:1", "none"),
            ("two.io/pilot:1", "new/9"),
            ("three.io/pilot:1", "api/10"),
        ] {
            assert_eq!(found(&json, reference), wanted, "{reference}");
        }
    }

    #[test]
    fn dockers_own_registry_is_known_by_all_of_its_names() {
        for key in [
            "https://index.docker.io/v1/",
            "docker.io",
            "index.docker.io",
        ] {
            assert_eq!(
                found(&auths(&[(key, "u:p")]), "istio/pilot:1"),
                "u/p",
                "{key}"
            );
        }
        assert_eq!(
            found(&auths(&[("docker.io", "u:p")]), "h.io/pilot:1"),
            "none"
        );
    }

    #[test]
    fn every_way_to_write_credentials_is_read() {
        for (entry, wanted) in [
            (r#"{"username": "u", "password": "p"}"#, "u/p"),
            (r#"{"auth": "dTo=", "identitytoken": "t"}"#, "identity t"),
            (r#"{"registrytoken": "t"}"#, "token t"),
            ("{}", "none"),
            (
                r#"{"auth": "???"}"#,
                "`config.json` has credentials for h.io that are not base64",
            ),
            (
                r#"{"auth": "dQ=="}"#,
                "`config.json` has credentials for h.io that are not a user and a password",
            ),
        ] {
            let json = format!(r#"{{"auths": {{"h.io": {entry}}}}}"#);
            assert_eq!(found(&json, "h.io/pilot:1"), wanted);
        }
    }

    #[test]
    fn a_program_is_named_by_a_plain_name_only() {
        for name in ["../x", "", "a b", "/bin/sh"] {
            let json = serde_json::json!({"credHelpers": {"h.io": name}}).to_string();
            let why = found(&json, "h.io/pilot:1");
            assert!(
                why.contains("is not a name of a credential program"),
                "{why}"
            );
        }
        let why = found(r#"{"credsStore": "no-such"}"#, "h.io/pilot:1");
        assert!(
            why.contains("`docker-credential-no-such` is not on PATH"),
            "{why}"
        );
    }

    #[test]
    fn files_are_asked_in_order_and_a_broken_one_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let (broken, good) = (dir.path().join("broken"), dir.path().join("good"));
        os::write(&broken, b"{").unwrap();
        os::write(&good, auths(&[("h.io", "u:p")]).as_bytes()).unwrap();
        let missing = dir.path().join("missing");
        let places = Places {
            files: vec![missing, broken.clone(), good.clone()],
            path: None,
        };
        let find = |reference: &str| places.find(&reference.parse().unwrap(), Duration::ZERO);
        let lookup = find("h.io/pilot:1");
        assert_eq!(lookup.from, Some(format!("`{}`", good.display())));
        let lookup = find("no.io/pilot:1");
        assert!(lookup.credential.is_none());
        assert_eq!(
            lookup.problem,
            Some(format!(
                "`{}` is not a file of credentials",
                broken.display()
            ))
        );
    }
}
