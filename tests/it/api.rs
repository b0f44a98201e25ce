//! A Kubernetes API server of one file: recorded answers over plain HTTP.
//!
//! It holds objects and gives them back by path and selector; a test may put any answer, or none,
//! in place of a path. After istioctl has installed, it can show another cluster than before.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};

#[expect(clippy::disallowed_types, reason = "only the product never listens")]
type Listener = std::net::TcpListener;
#[expect(
    clippy::disallowed_types,
    reason = "the other end of what the product opens"
)]
type Stream = std::net::TcpStream;

/// What is answered instead of objects.
#[derive(Clone)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// Status, content type, body.
    Raw(u16, &'static str, Vec<u8>),
    /// The request is read and never answered; the sender hears of it.
    Hang(Option<mpsc::Sender<()>>),
    /// The connection ends without an answer.
    Close,
    /// The answer breaks off in the middle.
    Cut,
    /// Given once, and forgotten.
    Once(Box<Answer>),
}

/// A request that asks for a change, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    objects: Vec<Value>,
    /// What is there once `installed` exists.
    later: Vec<Value>,
    installed: Option<PathBuf>,
    /// Method, beginning of the path with its query, answer. The last one that fits counts.
    answers: Vec<(&'static str, String, Answer)>,
    changes: Vec<Change>,
    /// What objects become as soon as somebody watches them.
    upcoming: Vec<Value>,
}

/// A running server; it ends with the test process.
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    address: String,
}

impl Api {
    /// An empty healthy cluster: Kubernetes 1.34 with two nodes, where everything is allowed.
    pub(crate) fn new() -> Api {
        let api = Api::bare();
        for n in 0..2 {
            api.add(node(&format!("node-{n}")));
        }
        for name in ["default", "kube-system"] {
            api.add(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": name}}));
        }
        api
    }

    /// A cluster without nodes and namespaces.
    pub(crate) fn bare() -> Api {
        let listener = Listener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let api = Api {
            state: Arc::clone(&state),
            address,
        };
        api.version("v1.34.2");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || {
                    // A client that goes away ends its thread.
                    let _gone = serve(stream.unwrap(), &state);
                });
            }
        });
        api
    }

    pub(crate) fn kubeconfig(&self) -> String {
        kubeconfig(&self.address)
    }

    pub(crate) fn version(&self, git: &str) {
        let minor = git.split('.').nth(1).unwrap();
        let answer = json!({
            "major": "1", "minor": minor, "gitVersion": git, "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "", "goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64",
        });
        self.answer("GET", "/version", Answer::Json(200, answer));
    }

    pub(crate) fn add(&self, object: Value) {
        self.state.lock().unwrap().objects.push(object);
    }

    /// Shows these objects instead, from the moment on that the file exists.
    pub(crate) fn after(&self, installed: PathBuf, objects: Vec<Value>) {
        let mut state = self.state.lock().unwrap();
        state.installed = Some(installed);
        state.later = objects;
    }

    /// Puts this object in place of the one of that kind and name, as soon as somebody watches its kind.
    pub(crate) fn becomes(&self, object: Value) {
        self.state.lock().unwrap().upcoming.push(object);
    }

    /// Whether all that was to change has changed.
    pub(crate) fn is_settled(&self) -> bool {
        self.state.lock().unwrap().upcoming.is_empty()
    }

    pub(crate) fn answer(&self, method: &'static str, path: &str, answer: Answer) {
        self.state
            .lock()
            .unwrap()
            .answers
            .push((method, path.to_owned(), answer));
    }

    /// Never answers a GET of that path; the receiver hears of each one.
    pub(crate) fn hang_at(&self, path: &str) -> mpsc::Receiver<()> {
        let (tell, hear) = mpsc::channel();
        self.answer("GET", path, Answer::Hang(Some(tell)));
        hear
    }

    /// Refuses with a Status, as the API server does.
    pub(crate) fn refuse(&self, method: &'static str, path: &str, code: u16, message: &str) {
        self.answer(method, path, Answer::Json(code, status(code, message)));
    }

    /// Every change that was asked for, in order.
    pub(crate) fn changes(&self) -> Vec<Change> {
        self.state.lock().unwrap().changes.clone()
    }
}

pub(crate) fn kubeconfig(server: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    })
    .to_string()
}

pub(crate) fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": name},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {
                "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.1.4",
                "kernelVersion": "6.12", "kubeProxyVersion": "", "kubeletVersion": "v1.34.2",
                "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": "",
            },
        },
    })
}

fn status(code: u16, message: &str) -> Value {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        _ => "InternalError",
    };
    json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

struct Request {
    method: String,
    /// With its query.
    path: String,
    body: Vec<u8>,
}

fn serve(mut stream: Stream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = read(&mut reader)? {
        match decide(&request, &mut state.lock().unwrap()) {
            Answer::Json(code, value) => {
                respond(
                    &mut stream,
                    code,
                    "application/json",
                    value.to_string().as_bytes(),
                )?;
            }
            Answer::Raw(code, kind, body) => respond(&mut stream, code, kind, &body)?,
            Answer::Hang(tell) => {
                if let Some(tell) = tell {
                    // The test may have ended already.
                    let _gone = tell.send(());
                }
                // Ends when the client has had enough.
                reader.read_to_end(&mut Vec::new())?;
            }
            Answer::Once(_) => unreachable!("it is unpacked"),
            Answer::Close => return stream.shutdown(std::net::Shutdown::Both),
            Answer::Cut => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{\"kind\":")?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }
    Ok(())
}

fn read(reader: &mut BufReader<Stream>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, path, body }))
}

fn respond(stream: &mut Stream, code: u16, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {code} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())
}

fn decide(request: &Request, state: &mut State) -> Answer {
    let Request { method, path, body } = request;
    let body: Value = serde_yaml::from_slice(body).unwrap_or(Value::Null);
    let asks = ["dryRun=All", "accessreviews", "/proxy/inject"];
    if method != "GET" && !asks.iter().any(|part| path.contains(part)) {
        state.changes.push(Change {
            method: method.clone(),
            path: path.clone(),
            body: body.clone(),
        });
    }
    let fits =
        |(wanted, begin, _): &&(&str, String, Answer)| wanted == method && path.starts_with(begin);
    if let Some(at) = state.answers.iter().rposition(|answer| fits(&answer)) {
        if let Answer::Once(answer) = state.answers[at].2.clone() {
            state.answers.remove(at);
            return *answer;
        }
        return state.answers[at].2.clone();
    }
    match method.as_str() {
        "GET" if path.contains("watch=") => watch(path, state),
        "GET" => get(path, state),
        _ if path.contains("accessreviews") => {
            let mut body = body;
            body["status"] = json!({"allowed": true});
            Answer::Json(201, body)
        }
        "POST" => Answer::Json(201, body),
        _ => Answer::Json(200, body),
    }
}

/// The objects of that kind that are changing by now.
fn watch(path: &str, state: &mut State) -> Answer {
    let kind = path.split('?').next().unwrap().rsplit('/').next().unwrap();
    let is_of_kind = |object: &mut Value| plural_of(object["kind"].as_str().unwrap()) == kind;
    let mut events = String::new();
    for object in state.upcoming.extract_if(.., is_of_kind) {
        events += &json!({"type": "MODIFIED", "object": object}).to_string();
        events.push('\n');
        let is_same = |old: &&mut Value| {
            old["kind"] == object["kind"] && old["metadata"]["name"] == object["metadata"]["name"]
        };
        if let Some(old) = state.later.iter_mut().find(is_same) {
            *old = object;
        }
    }
    Answer::Raw(200, "application/json", events.into_bytes())
}

/// One object or a list of them, by the shape of the path.
fn get(path: &str, state: &State) -> Answer {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let rest = match parts.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        ["apis"] => {
            return Answer::Json(
                200,
                json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
            );
        }
        _ => {
            return Answer::Json(
                404,
                status(404, "the server could not find the requested resource"),
            );
        }
    };
    let (namespace, plural, name) = match rest {
        ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
        ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
        [plural, name] => (None, *plural, Some(*name)),
        [plural] => (None, *plural, None),
        _ => {
            return Answer::Json(
                404,
                status(404, "the server could not find the requested resource"),
            );
        }
    };
    let selector = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("labelSelector="))
        .unwrap_or("");
    let installed = state.installed.as_ref().is_some_and(|file| file.exists());
    let later = state.later.iter().filter(|_| installed);
    let found = state.objects.iter().chain(later).filter(|object| {
        plural_of(object["kind"].as_str().unwrap_or_default()) == plural
            && namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
            && name.is_none_or(|name| object["metadata"]["name"] == name)
            && selected(&object["metadata"]["labels"], &decode(selector))
    });
    let mut found: Vec<Value> = found.cloned().collect();
    match name {
        Some(name) if found.is_empty() => {
            let mut missing = status(404, &format!("{plural} \"{name}\" not found"));
            missing["details"] = json!({"kind": plural, "name": name});
            Answer::Json(404, missing)
        }
        Some(_) => Answer::Json(200, found.swap_remove(0)),
        None => Answer::Json(
            200,
            json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": found}),
        ),
    }
}

/// `Deployment` → `deployments`.
fn plural_of(kind: &str) -> String {
    format!("{}s", kind.to_ascii_lowercase())
}

/// Whether labels fit a selector of terms `k`, `!k`, `k=v`, `k!=v`, `k in (a,b)`.
fn selected(labels: &Value, selector: &str) -> bool {
    let mut depth = 0;
    let terms = selector.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    terms.filter(|term| !term.is_empty()).all(|term| {
        if let Some((key, values)) = term.split_once(" in (") {
            let values: Vec<&str> = values
                .trim_end_matches(')')
                .split(',')
                .map(str::trim)
                .collect();
            return labels[key]
                .as_str()
                .is_some_and(|label| values.contains(&label));
        }
        match (
            term.split_once("!="),
            term.split_once('='),
            term.strip_prefix('!'),
        ) {
            (Some((key, value)), ..) => labels[key] != value,
            (_, Some((key, value)), _) => labels[key] == value.trim_start_matches('='),
            (.., Some(key)) => labels.get(key).is_none(),
            _ => labels.get(term).is_some(),
        }
    })
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            out.push(if byte == b'+' { b' ' } else { byte });
        }
    }
    String::from_utf8(out).unwrap()
}
