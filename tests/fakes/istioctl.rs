//! A scripted istioctl: what it says, and how it ends, stands in a JSON file.
//!
//! `FAKE_ISTIOCTL_SCRIPT` names the script, `FAKE_ISTIOCTL_LOG` a directory that gets one file per
//! call. Without a script it is a well-behaved istioctl 1.31.0. Texts, streams and exit codes are
//! those of the real program of that version; nothing here waits for time to pass.
//!
//! ```json
//! {"is": "1.20.3",
//!  "install": [{"stderr": "- Pruning removed resources\n", "end": {"exit": 1}}, {"end": "hang"}]}
//! ```

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::exit,
    reason = "a program of the tests: it talks to the outside and may fail loudly"
)]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Everything that a test may decide.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Script {
    /// The version it is stamped with; `unknown` for an unstamped build.
    is: Option<String>,
    /// Answers by command word, one per call; the last one is repeated.
    #[serde(flatten)]
    words: BTreeMap<String, Vec<Answer>>,
}

/// One call.
#[derive(Deserialize, Clone, Default)]
#[serde(default, deny_unknown_fields)]
struct Answer {
    stdout: String,
    stderr: String,
    /// Written to stdout before the text: bytes that need not be UTF-8.
    bytes: Vec<u8>,
    /// Writes one line of that many characters to stderr first.
    long_line: usize,
    /// Shows the progress of a whole install first, as that version does.
    progress: bool,
    end: End,
}

/// How a call ends.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum End {
    Exit(u8),
    /// Kills itself by that signal.
    Signal(i32),
    /// Tells the test that it is there, then waits for SIGINT or SIGTERM and dies by it.
    Hang,
    /// The same, but catches the signal and exits with this code.
    Catch(u8),
}

impl Default for End {
    fn default() -> Self {
        End::Exit(0)
    }
}

fn main() {
    let argv: Vec<String> = std::env::args().skip(1).collect();
    let script = script();
    let word = word(&argv);
    let stdin = reads_stdin(&argv).then(|| {
        let mut bytes = Vec::new();
        std::io::stdin()
            .read_to_end(&mut bytes)
            .expect("stdin can be read");
        String::from_utf8(bytes).expect("the document is UTF-8")
    });
    let log = log(&argv, word, stdin.as_deref());
    let calls = log.as_deref().map_or(1, |(_, n)| *n);
    let answers = script.words.get(word).filter(|answers| !answers.is_empty());
    let answer = match answers {
        Some(answers) => answers[calls.min(answers.len()) - 1].clone(),
        None if word == "manifest" => Answer {
            stdout: stdin.as_deref().map(objects).unwrap_or_default(),
            ..Answer::default()
        },
        None => usual(&script, word, &argv),
    };
    say(&answer, &script, word);
    end(answer.end, log.as_deref().map(|(path, _)| path.as_path()));
}

fn script() -> Script {
    let Some(path) = std::env::var_os("FAKE_ISTIOCTL_SCRIPT") else {
        return Script::default();
    };
    let text = std::fs::read_to_string(path).expect("the script can be read");
    serde_json::from_str(&text).expect("the script is valid")
}

/// The command word: `manifest generate` is `manifest`, no word at all is `help`.
fn word(argv: &[String]) -> &str {
    const VALUED: &[&str] = &[
        "-n",
        "-i",
        "-c",
        "--namespace",
        "--istioNamespace",
        "--kubeconfig",
        "--context",
        "--vklog",
        "--as",
        "--as-uid",
        "--as-group",
        "--kubeclient-timeout",
    ];
    let mut skip = false;
    for arg in argv {
        if skip {
            skip = false;
        } else if VALUED.contains(&arg.as_str()) {
            skip = true;
        } else if !arg.starts_with('-') {
            return arg;
        }
    }
    "help"
}

/// Writes what the call was to a file of its own; its path, and how many calls of that word it makes.
fn log(argv: &[String], word: &str, stdin: Option<&str>) -> Option<Box<(PathBuf, usize)>> {
    let dir = PathBuf::from(std::env::var_os("FAKE_ISTIOCTL_LOG")?);
    let names: Vec<String> = std::env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    let entry = json!({ "argv": argv, "env": names, "stdin": stdin, "pid": std::process::id() });
    for n in 1.. {
        let path = dir.join(format!("{word}-{n}.json"));
        match std::fs::File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(entry.to_string().as_bytes())
                    .expect("the log can be written");
                return Some(Box::new((path, n)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => unreachable!("{}: {error}", path.display()),
        }
    }
    None
}

fn reads_stdin(argv: &[String]) -> bool {
    let joined = ["-f=-", "--filename=-", "-f-"];
    argv.iter().any(|arg| joined.contains(&arg.as_str()))
        || argv
            .windows(2)
            .any(|pair| matches!(pair[0].as_str(), "-f" | "--filename") && pair[1] == "-")
}

/// What `manifest generate` makes of a document, as far as it says which images run.
fn objects(document: &str) -> String {
    let document: serde_json::Value = serde_yaml::from_str(document).expect("the document is YAML");
    let spec = &document["spec"];
    let global = &spec["values"]["global"];
    let said = |name: &str| {
        let over = &global[name];
        let value = if over.is_null() { &spec[name] } else { over };
        value.as_str().unwrap_or_default().to_owned()
    };
    let (hub, tag) = (said("hub"), said("tag"));
    let values = json!({"global": {"hub": hub, "tag": tag, "proxy": {"image": "proxyv2"}}});
    let images = json!([{"name": "discovery", "image": format!("{hub}/pilot:{tag}")}]);
    if spec["profile"] == "empty" {
        return String::new();
    }
    format!(
        "kind: ConfigMap\nmetadata: {{name: istio-sidecar-injector, namespace: istio-system}}\ndata:\n  \
         values: '{values}'\n---\nkind: Deployment\nmetadata: {{name: istiod, namespace: istio-system}}\n\
         spec:\n  template: {{spec: {{containers: {images}}}}}\n---\n"
    )
}

/// What a healthy istioctl of that version does with the word.
fn usual(script: &Script, word: &str, argv: &[String]) -> Answer {
    let is = script.is.as_deref().unwrap_or("1.31.0");
    let text = match word {
        "version" if argv.iter().any(|arg| arg == "json" || arg == "--output=json" || arg == "-ojson") => {
            version_json(is)
        }
        "version" if minor(is) >= 24 => format!("client version: {is}\n"),
        "version" => format!("{is}\n"),
        "install" | "apply" | "upgrade" => return Answer { progress: true, ..Answer::default() },
        "help" => "Istio configuration command line utility for service operators to\ndebug and diagnose their Istio mesh.\n".to_owned(),
        "__complete" => COMPLETE.to_owned(),
        "uninstall" | "analyze" | "proxy-status" | "ps" | "manifest" | "profile" | "x"
        | "experimental" | "tag" | "bug-report" | "proxy-config" | "pc" | "validate" | "kube-inject"
        | "admin" | "waypoint" | "ztunnel-config" | "operator" | "dashboard" | "create-remote-secret" => String::new(),
        unknown => {
            let stderr = format!(
                "Error: unknown command \"{unknown}\" for \"istioctl\"\nRun 'istioctl --help' for usage.\n"
            );
            return Answer { stderr, end: End::Exit(64), ..Answer::default() };
        }
    };
    Answer {
        stdout: text,
        ..Answer::default()
    }
}

fn version_json(is: &str) -> String {
    format!(
        "{{\n  \"clientVersion\": {{\n    \"version\": \"{is}\",\n    \"revision\": \"0123456789ab\",\n    \
         \"golang_version\": \"go1.26.8\",\n    \"status\": \"Clean\",\n    \"tag\": \"{is}\"\n  }}\n}}\n"
    )
}

/// The minor of the version it claims; the newest where it claims none.
fn minor(is: &str) -> u32 {
    is.split('.')
        .nth(1)
        .and_then(|minor| minor.parse().ok())
        .unwrap_or(31)
}

fn say(answer: &Answer, script: &Script, word: &str) {
    // The reader may be gone: the real program does not mind either.
    let mut stderr = std::io::stderr().lock();
    if answer.long_line > 0 {
        let _gone = writeln!(stderr, "{}", "x".repeat(answer.long_line));
    }
    if answer.progress {
        let _gone =
            stderr.write_all(progress(script.is.as_deref().unwrap_or("1.31.0"), word).as_bytes());
    }
    let _gone = stderr.write_all(answer.stderr.as_bytes());
    let mut stdout = std::io::stdout().lock();
    let _gone = stdout.write_all(&answer.bytes);
    let _gone = stdout.write_all(answer.stdout.as_bytes());
    let _gone = stdout.flush();
}

/// The progress of an install without a terminal: every change of status is a line on stderr.
fn progress(is: &str, word: &str) -> String {
    let sail = if minor(is) >= 23 && word == "install" {
        SAIL
    } else {
        ""
    };
    let components = [
        ("Istio core", "⛵️", None),
        ("Istiod", "🧠", Some("Deployment/istio-system/istiod")),
        (
            "Ingress gateways",
            "🛬",
            Some("Deployment/istio-system/istio-ingressgateway"),
        ),
    ];
    let lines = components.map(|(name, icon, waits)| {
        let begins = format!("- Processing resources for {name}.");
        let waits = waits.map_or(String::new(), |resource| {
            format!("{begins} Waiting for {resource}\n")
        });
        let icon = if minor(is) >= 23 {
            format!(" {icon}")
        } else {
            String::new()
        };
        format!("{begins}\n{waits}✔ {name} installed{icon}\n")
    });
    let default = if (12..=23).contains(&minor(is)) {
        "Made this installation the default for injection and validation.\n"
    } else {
        ""
    };
    format!(
        "{sail}{}- Pruning removed resources\n✔ Installation complete\n{default}",
        lines.concat()
    )
}

const SAIL: &str = r"        |\
        | \
        |  \
        |   \
      /||    \
     / ||     \
    /  ||      \
   /   ||       \
  /    ||        \
 /     ||         \
/______||__________\
____________________
  \__       _____/
     \_____/

";

/// `istioctl __complete install --` of 1.31, without the descriptions.
const COMPLETE: &str = "--as\n--as-group\n--as-uid\n--context\n--istioNamespace\n--kubeclient-timeout\n\
--kubeconfig\n--namespace\n--vklog\n--charts\n--dry-run\n--filename\n--force\n--help\n--manifests\n\
--readiness-timeout\n--revision\n--set\n--skip-confirmation\n--verify\n:4\n";

fn end(how: End, log: Option<&Path>) -> ! {
    match how {
        End::Exit(code) => std::process::exit(code.into()),
        End::Signal(signal) => die(signal),
        End::Hang => die(wait_for_signal(log)),
        End::Catch(code) => {
            wait_for_signal(log);
            std::process::exit(code.into())
        }
    }
}

/// Tells the test by connecting to `FAKE_ISTIOCTL_READY`, then waits for SIGINT or SIGTERM.
fn wait_for_signal(log: Option<&Path>) -> i32 {
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).expect("signals can be caught");
    let ready = std::env::var_os("FAKE_ISTIOCTL_READY").map(|path| {
        let mut stream = UnixStream::connect(path).expect("the test listens");
        writeln!(stream, "{}", std::process::id()).expect("the test reads");
        stream
    });
    let signal = signals.forever().next().expect("a signal came");
    if let Some(path) = log {
        std::fs::write(path.with_extension("signal"), signal.to_string())
            .expect("the log can be written");
    }
    drop(ready);
    signal
}

fn die(signal: i32) -> ! {
    signal_hook::low_level::emulate_default_handler(signal).expect("the signal is known");
    unreachable!("signal {signal} kills")
}
