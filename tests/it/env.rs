//! Runs glooistio where nothing of the machine shows through.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::api::Api;

/// Longest wait for anything: a test that needs it has failed.
pub(crate) const LONGEST: Duration = Duration::from_mins(1);

/// A home, a PATH with nothing but a fake istioctl, and no kubeconfig.
pub(crate) struct TestEnv {
    dir: tempfile::TempDir,
    vars: Vec<(String, String)>,
}

impl TestEnv {
    pub(crate) fn new() -> TestEnv {
        let dir = tempfile::tempdir().unwrap();
        for name in ["home", "bin", "log", "work"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let fake = dir.path().join("bin/istioctl");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fake-istioctl"), fake).unwrap();
        TestEnv {
            dir,
            vars: Vec::new(),
        }
    }

    /// An environment whose cluster is `api`.
    pub(crate) fn with(api: &Api) -> TestEnv {
        let env = TestEnv::new();
        env.kubeconfig(&api.kubeconfig());
        env
    }

    /// Directory that the program runs in.
    pub(crate) fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Writes a file to the working directory.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn kubeconfig(&self, text: &str) {
        std::fs::write(self.dir.path().join("kubeconfig"), text).unwrap();
    }

    /// Tells the fake istioctl what to do.
    #[expect(clippy::needless_pass_by_value, reason = "reads better with json!")]
    pub(crate) fn script(&self, script: Value) {
        std::fs::write(self.dir.path().join("script.json"), script.to_string()).unwrap();
    }

    /// Sets a variable for every later run.
    pub(crate) fn var(&mut self, name: &str, value: &str) {
        self.vars.push((name.to_owned(), value.to_owned()));
    }

    /// Takes istioctl away.
    pub(crate) fn without_istioctl(&self) {
        std::fs::remove_file(self.dir.path().join("bin/istioctl")).unwrap();
    }

    pub(crate) fn command(&self, args: &[impl AsRef<OsStr>]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_glooistio"));
        self.prepare(&mut command);
        command.args(args);
        command
    }

    /// Makes any program run in this environment.
    pub(crate) fn prepare(&self, command: &mut std::process::Command) {
        let dir = self.dir.path();
        command
            .current_dir(dir.join("work"))
            .env_clear()
            .env("HOME", dir.join("home"))
            .env("PATH", dir.join("bin"))
            .env("TMPDIR", dir)
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("GLOOISTIO_NO_REGISTRY", "1")
            .env("FAKE_ISTIOCTL_LOG", dir.join("log"))
            .env("FAKE_ISTIOCTL_READY", dir.join("ready"))
            .envs(self.vars.iter().map(|(name, value)| (name, value)));
        if dir.join("kubeconfig").exists() {
            command.env("KUBECONFIG", dir.join("kubeconfig"));
        }
        if dir.join("script.json").exists() {
            command.env("FAKE_ISTIOCTL_SCRIPT", dir.join("script.json"));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    pub(crate) fn run(&self, args: &[impl AsRef<OsStr>]) -> CommandOutput {
        let child = self.command(args).spawn().unwrap();
        self.finish(child)
    }

    /// Runs a command line as one would type it, split at blanks.
    pub(crate) fn line(&self, line: &str) -> CommandOutput {
        self.run(&line.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn run_with_stdin(&self, args: &[impl AsRef<OsStr>], stdin: &str) -> CommandOutput {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let bytes = stdin.as_bytes().to_owned();
        let writer = std::thread::spawn(move || {
            // A program that refuses its arguments does not read.
            let _gone = pipe.write_all(&bytes);
        });
        let output = self.finish(child);
        writer.join().unwrap();
        output
    }

    /// Waits for the end and takes everything that was said.
    pub(crate) fn finish(&self, child: Child) -> CommandOutput {
        let output = watched(child).unwrap();
        CommandOutput {
            stdout: self.redact(&String::from_utf8_lossy(&output.stdout)),
            stderr: self.redact(&String::from_utf8_lossy(&output.stderr)),
            status: output.status,
        }
    }

    /// The calls of a word that istioctl got, in order.
    pub(crate) fn calls(&self, word: &str) -> Vec<Call> {
        let path = |n: usize| self.log().join(format!("{word}-{n}.json"));
        (1..)
            .map_while(|n| std::fs::read(path(n)).ok())
            .map(|bytes| serde_json::from_slice(&bytes).unwrap())
            .collect()
    }

    /// The signal that the fake of that call got.
    pub(crate) fn signal(&self, word: &str, call: usize) -> Option<String> {
        std::fs::read_to_string(self.log().join(format!("{word}-{call}.signal"))).ok()
    }

    /// Listens for a fake istioctl that hangs; call it before the program is started.
    pub(crate) fn listen(&self) -> Ready {
        let listener = UnixListener::bind(self.dir.path().join("ready")).unwrap();
        let (start, started) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut line = String::new();
                let mut reader = BufReader::new(stream.unwrap());
                reader.read_line(&mut line).unwrap();
                if start.send(line.trim().parse().unwrap()).is_err() {
                    return;
                }
                // The fake holds its end until it got a signal.
                reader.read_to_end(&mut Vec::new()).unwrap();
                if end.send(()).is_err() {
                    return;
                }
            }
        });
        Ready { started, ended }
    }

    fn redact(&self, text: &str) -> String {
        let text = text.replace(&self.dir.path().display().to_string(), "$DIR");
        let text = text.replace(env!("CARGO_BIN_EXE_fake-istioctl"), "$FAKE");
        ports(&text)
    }
}

/// `127.0.0.1:40123` → `127.0.0.1:PORT`.
fn ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let port = if rest.len() == part.len() { "" } else { "PORT" };
        out = format!("{out}127.0.0.1:{port}{rest}");
    }
    out
}

/// `Child::wait_with_output`, but never for ever.
fn watched(mut child: Child) -> std::io::Result<std::process::Output> {
    let (done, wait) = mpsc::channel::<()>();
    let pid = rustix::process::Pid::from_child(&child);
    let guard = std::thread::spawn(move || {
        if wait.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
    });
    let stderr = child.stderr.take().map(|mut pipe| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).map(|_| bytes)
        })
    });
    let mut stdout = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout)?;
    }
    let stderr = stderr.map_or(Ok(Vec::new()), |reader| reader.join().unwrap())?;
    let status = child.wait()?;
    drop(done);
    guard.join().unwrap();
    Ok(std::process::Output {
        status,
        stdout,
        stderr,
    })
}

/// Fakes that hang, one after the other.
pub(crate) struct Ready {
    started: mpsc::Receiver<i32>,
    ended: mpsc::Receiver<()>,
}

impl Ready {
    /// Process id of the next fake that hangs.
    pub(crate) fn wait(&self) -> i32 {
        self.started
            .recv_timeout(LONGEST)
            .expect("the fake istioctl was started")
    }

    /// Waits until it was told to end.
    pub(crate) fn ended(&self) {
        self.ended
            .recv_timeout(LONGEST)
            .expect("the fake istioctl is not left behind");
    }
}

/// What one call of istioctl was given.
#[derive(Deserialize)]
pub(crate) struct Call {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) stdin: Option<String>,
}

impl Call {
    /// The IstioOperator that it read.
    pub(crate) fn document(&self) -> Value {
        serde_yaml::from_str(self.stdin.as_ref().expect("it read stdin")).unwrap()
    }
}

/// Everything that a run said: shown as one text, so that one snapshot holds a whole behaviour.
#[must_use = "compare it, or look at one part"]
pub(crate) struct CommandOutput {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    status: ExitStatus,
}

impl CommandOutput {
    /// The exit code; a signal is shown as a shell shows it.
    pub(crate) fn code(&self) -> i32 {
        let signalled = || 128 + self.status.signal().expect("it ended by code or signal");
        self.status.code().unwrap_or_else(signalled)
    }

    /// Its stdout, of a run that must have gone well.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code(), 0, "{self}");
        self.stdout
    }

    /// Fails unless it ended with that code, and said this to the person.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code(), code, "{self}");
        for said in said {
            assert!(self.stderr.contains(said), "missing `{said}`:\n{self}");
        }
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{self}"))
    }

    /// All YAML documents on stdout.
    #[track_caller]
    pub(crate) fn documents(&self) -> Vec<Value> {
        serde_yaml::Deserializer::from_str(&self.stdout)
            .map(|document| Value::deserialize(document).unwrap())
            .filter(|document| !document.is_null())
            .collect()
    }
}

impl fmt::Display for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end_matches('\n'))?;
            }
        }
        write!(f, "--- exit {}", self.code())
    }
}

/// The root of the package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
