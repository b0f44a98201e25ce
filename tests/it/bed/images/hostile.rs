//! What a tenant of one namespace puts there hides nothing, decides nothing and stops nothing: all of it at once.
//!
//! The objects are in `tests/testbed/hostile`; their names tell what is tried.

#![expect(
    clippy::disallowed_types,
    reason = "a registry that must not be contacted listens"
)]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Images, failed};
use crate::bed::Bed;
use crate::env::{CommandOutput, root};

/// Of the mesh, and of a build that is not wanted.
const TAG: &str = "1.31.0-solo-fips";
const STANDARD: &str = "1.31.0-solo";

/// The port of images that name the loopback of whoever runs glooistio.
const LOOPBACK: u16 = 5999;

/// How long a pod may take to end before it counts like any other.
const LEAVING: Duration = Duration::from_secs(63);

/// Characters of the longest line: a cut one, and its mark.
const LONGEST_LINE: usize = 2_100;

/// Commands that a report may suggest; `{}` is a plain word.
const COMMANDS: [&str; 5] = [
    "glooistio inspect --explain {}",
    "kubectl describe pod {} -n {}",
    "kubectl rollout restart deployment/{} -n {}",
    "glooistio upgrade --to {} -r {} --set values.pilot.env.COMPLIANCE_POLICY={}",
    "kubectl get pod {} -n {} -o yaml > {} && kubectl replace --force -f {}",
];

/// The pods in which other code may run than that of their image, with what is found of each.
const DEVIATING: [(&str, &str); 27] = [
    ("argument-mesh-config", "has the argument `--meshConfig="),
    ("argument-template", "has the argument `--templateFile="),
    ("bare-command", "has the command `pilot-agent`"),
    ("bare-command", "sets the variable PATH"),
    ("bootstrap", "sets the variable ISTIO_BOOTSTRAP"),
    (
        "bootstrap-annotation",
        "sets the variable ISTIO_BOOTSTRAP_OVERRIDE",
    ),
    (
        "bootstrap-override",
        "sets the variable ISTIO_BOOTSTRAP_OVERRIDE",
    ),
    ("config-annotation", "has binaryPath in its ProxyConfig"),
    ("config-variable", "has binaryPath in its ProxyConfig"),
    (
        "dynamic-modules",
        "sets the variable ENVOY_DYNAMIC_MODULES_SEARCH_PATH",
    ),
    (
        "false-init-container",
        "container istio-proxy has the image of a proxy",
    ),
    ("hidden-argument", "has the argument `--templateFile="),
    ("hidden-image", "runs the image "),
    ("hidden-mount", "mounts /etc/"),
    ("long", "text at proxy.istio.io/config that cannot be read"),
    ("loopback", "runs the image 127.0.0.1"),
    ("metadata-service", "runs the image 169.254.169.254"),
    ("mount-annotation", "mounts /usr/local/bin "),
    ("mount-libc", "mounts /lib/x86_64-linux-gnu/libc.so.6 "),
    ("mount-loader", "mounts /lib64/ld-linux-x86-64.so.2 "),
    ("mount-loader-cache", "mounts /etc/ld.so.cache "),
    ("mount-mesh-config", "mounts /etc/istio/config "),
    ("mount-preload", "mounts /etc/ld.so.preload "),
    ("odd-variable", "sets the variable $(touch pwned)"),
    ("post-start", "runs `postStart: sh -c cp"),
    ("second-container", "has the command `/tmp/evil`"),
    ("variables-from", "takes variables from ConfigMap evil"),
];

/// Other objects, with the check that names them and what it finds.
const NAMED: [(&str, &str, &str); 23] = [
    ("control-plane", "istiod", "is not a known control plane"),
    (
        "control-plane",
        "istiod-text",
        "is not a known control plane",
    ),
    ("data-plane-fips", "old-digest", "contradicted"),
    ("data-plane-fips", "preload", "sets the variable LD_PRELOAD"),
    ("gateways", "agentgateway", "runs 0.0.1, wanted"),
    ("gateways", "hidden-image", "is not an image reference"),
    ("gateways", "hidden-revision", "runs revision (not a name)"),
    ("gateways", "newer", "runs 1.99.0, wanted"),
    ("gateways", "owner-flag", "runs 1.30.5-solo, wanted"),
    ("gateways", "owner-hidden", "runs 1.30.8-solo, wanted"),
    ("gateways", "owner-kind", "runs 1.30.3-solo, wanted"),
    ("gateways", "owner-name", "runs 1.30.1-solo, wanted"),
    ("gateways", "owner-namespace", "runs 1.30.6-solo, wanted"),
    ("gateways", "owner-newline", "runs 1.30.4-solo, wanted"),
    ("gateways", "owner-percent", "runs 1.30.2-solo, wanted"),
    ("gateways", "owner-replica-set", "runs 1.30.7-solo, wanted"),
    ("pods-ready", "hidden-status", "CrashLoopBackOff"),
    ("proxies", "binary", "runs 1.31.0-solo, wanted"),
    (
        "proxies",
        "false-init-container",
        "runs 1.31.0-solo, wanted",
    ),
    ("proxies", "loopback-digest", "runs from localhost:5999"),
    ("proxies", "metadata-service", "runs from 169.254.169.254"),
    (
        "proxies",
        "old-digest",
        "which is not known to be the build",
    ),
    ("proxies", "other-revision", "runs revision other"),
];

/// The mesh with the objects of the tenant.
struct Hostile {
    images: Images,
    /// The report without them.
    healthy: Value,
    since: Instant,
}

impl Hostile {
    fn new() -> Hostile {
        let images = Images::of(Bed::new());
        images.install(TAG, "");
        images.bed.workload("app", &serde_json::json!({}));
        // Read one after the other: a debug build takes its time.
        let old = images.inspect(&format!("proxyv2:{STANDARD}"), "-o json --platform amd64");
        let old = &old.json()["expected"]["images"][0]["digest"];
        let healthy = images.verify("--require proven");
        assert_eq!(healthy.code(), 0, "{healthy}");
        let made = Command::new(root().join("tests/testbed/hostile/create"))
            .args([&images.hub, TAG, STANDARD, old.as_str().unwrap()])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{stderr}");
        Hostile {
            healthy: healthy.json(),
            images,
            since: Instant::now(),
        }
    }

    /// The report with everything in it: a pod that is being deleted counts only after a while.
    fn report(&self) -> CommandOutput {
        sleep(LEAVING.saturating_sub(self.since.elapsed()));
        self.images.verify("")
    }

    /// The names of the pods of the tenant.
    fn pods(&self) -> BTreeSet<String> {
        let names = self.images.bed.kubectl("get pods -n shop -o name");
        let names = names.lines().map(|name| name.trim_start_matches("pod/"));
        names.map(str::to_owned).collect()
    }
}

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|check| check["id"] == id).expect(id)
}

fn findings(report: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.flat_map(|check| {
        let findings = check["findings"].as_array().into_iter().flatten();
        findings.map(|finding| (check["id"].as_str().unwrap(), finding))
    })
}

/// Whether a text names a pod, and not another whose name is longer.
fn names(text: &str, pod: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    text.split(|c| !part(c)).any(|word| word == pod)
}

/// What a finding says of whom.
fn said(finding: &Value) -> String {
    let fields = ["message", "found"].map(|field| finding[field].as_str());
    let fields = fields.map(Option::unwrap_or_default).join(" | ");
    format!("{} | {fields}", finding["subject"])
}

#[track_caller]
fn assert_named(report: &Value, check: &str, name: &str, text: &str) {
    let found = findings(report)
        .filter(|(id, _)| *id == check)
        .map(|(_, finding)| said(finding))
        .any(|said| names(&said, name) && said.contains(text));
    assert!(found, "{check} does not name {name} with `{text}`");
}

/// All texts under `command`, wherever they are.
fn commands(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("command").and_then(Value::as_str);
            let below = fields.values().flat_map(commands);
            own.into_iter().chain(below).collect()
        }
        Value::Array(items) => items.iter().flat_map(commands).collect(),
        _ => Vec::new(),
    }
}

/// Whether a command is one of these templates with plain words in it.
fn is_of_template(command: &str) -> bool {
    let plain = |word: &str| {
        let part = |c: char| c.is_ascii_alphanumeric() || ".-_/:@".contains(c);
        !word.is_empty() && !word.starts_with('-') && word.chars().all(part)
    };
    let words = shlex::split(command).unwrap();
    COMMANDS.iter().any(|template| {
        let parts: Vec<&str> = template.split(' ').collect();
        let fits = |(part, word): (&&str, &String)| match part.split_once("{}") {
            None => part == word,
            Some((before, _)) => word.strip_prefix(before).is_some_and(plain),
        };
        parts.len() == words.len() && parts.iter().zip(&words).all(fits)
    })
}

/// Characters that a terminal obeys or does not show.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{fffd}' | '\u{e0000}'..='\u{e007f}')
}

#[track_caller]
fn assert_readable(output: &CommandOutput) {
    for text in [&output.stdout, &output.stderr] {
        let hidden = text.char_indices().find(|(_, c)| is_hidden(*c));
        let near = hidden.map(|(at, c)| (c, text[..at].lines().last()));
        assert_eq!(near, None, "a terminal obeys or hides a character");
    }
}

/// The statements about the mesh of a report, as `binary, digest, module, count`.
fn statements(report: &Value) -> BTreeSet<String> {
    let rows = report["evidence"].as_array().unwrap().iter();
    let fields = ["binary", "digest", "arch", "module", "count"];
    rows.map(|row| fields.map(|field| row[field].to_string()).join(" "))
        .collect()
}

/// Nothing of the mesh itself is judged otherwise than without the tenant.
fn assert_unmoved(hostile: &Hostile, report: &Value) {
    for id in [
        "crds",
        "webhooks",
        "revision-tags",
        "injection",
        "node-info",
        "control-plane-fips",
    ] {
        assert_eq!(check(report, id), check(&hostile.healthy, id), "{id}");
    }
    assert_eq!(check(report, "control-plane")["status"], "warned");
    assert_eq!(
        report["expected"]["chosen"],
        hostile.healthy["expected"]["chosen"]
    );
    let lost: Vec<String> = statements(&hostile.healthy)
        .difference(&statements(report))
        .cloned()
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    for (id, finding) in findings(report) {
        let said = said(finding);
        let of_mesh = names(&said, "istio-system") || said.contains("namespace app");
        assert!(
            finding["severity"] != "error" || !of_mesh,
            "{id}: {finding}"
        );
    }
}

fn assert_totals(hostile: &Hostile, report: &Value) {
    let count = |report: &Value, name: &str| report["counts"][name].as_u64().unwrap();
    let pods = hostile.pods().len() as u64;
    let more = |name: &str| count(report, name) - count(&hostile.healthy, name);
    assert_eq!(more("pods"), pods, "every pod is seen");
    assert_eq!(more("proxies"), pods + 1, "one pod has two proxies");
    for name in ["not_applicable", "other_meshes", "gone"] {
        assert_eq!(count(report, name), 0, "{name}");
    }
}

fn assert_all_named(hostile: &Hostile, report: &Value) {
    for (pod, found) in DEVIATING {
        assert_named(report, "data-plane-fips", pod, found);
    }
    for (check, name, found) in NAMED {
        assert_named(report, check, name, found);
    }
    let texts: Vec<String> = findings(report).map(|(_, it)| said(it)).collect();
    let texts = [texts.join("\n"), report["pending"].to_string()].join("\n");
    let unnamed = hostile.pods().into_iter().filter(|pod| !names(&texts, pod));
    assert_eq!(unnamed.collect::<Vec<_>>(), Vec::<String>::new());
    let notes = report["expected"]["notes"].to_string();
    assert!(
        names(&notes, "shop") && notes.contains("large-record-10"),
        "{notes}"
    );
}

fn assert_commands(report: &Value) {
    let parts = ["checks", "pending"].map(|part| commands(&report[part]));
    let commands = parts.concat();
    let odd: Vec<&&str> = commands.iter().filter(|it| !is_of_template(it)).collect();
    assert!(odd.is_empty(), "{odd:?}");
    let restart = "kubectl rollout restart deployment/stale -n shop";
    assert!(commands.contains(&restart), "{commands:?}");
}

fn assert_upgrade_is_possible(hostile: &Hostile) {
    let hub = &hostile.images.hub;
    let next = std::env::var("GLOOISTIO_TESTBED_ISTIOCTL_NEXT").unwrap();
    let output = hostile.images.bed.line(&format!(
        "upgrade --to 1.31.1-solo-fips --hub {hub} --istioctl {next} --dry-run --no-registry -o json"
    ));
    assert_eq!(output.code(), 0, "{output}");
    assert_readable(&output);
    let report = output.json();
    assert_eq!(failed(&report), [""; 0]);
    for (check, name, found) in [
        ("manager", "istiod", "is not a known control plane"),
        (
            "gloo-mesh-range",
            "gloo-mesh-mgmt-server",
            "looks like Gloo Mesh",
        ),
        (
            "data-plane-skew",
            "shop",
            "would be ahead of their control plane",
        ),
    ] {
        assert_named(&report, check, name, found);
    }
}

#[test]
#[ignore = "needs the test bed"]
fn all_that_a_tenant_can_create_is_named_and_misleads_nothing() {
    let listener = TcpListener::bind(("127.0.0.1", LOOPBACK)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let hostile = Hostile::new();
    assert_upgrade_is_possible(&hostile);

    let output = hostile.images.verify("--require proven");
    assert_eq!(output.code(), 79, "{output}");
    assert_unmoved(&hostile, &output.json());

    let output = hostile.report();
    assert_eq!(output.code(), 79, "{output}");
    assert_readable(&output);
    let report = output.json();
    assert_all_named(&hostile, &report);
    assert_commands(&report);
    assert_unmoved(&hostile, &report);
    assert_totals(&hostile, &report);

    let text = hostile.images.bed.line("verify --verbose");
    assert_eq!(text.code(), 79, "{text}");
    assert_readable(&text);
    assert!(
        text.stdout
            .contains(r"/etc/\u{61c}\u{e0041}\u{1b}[2J/ld.so.preload"),
        "{text}"
    );
    let longest = text.stdout.lines().map(|line| line.chars().count()).max();
    assert!(longest < Some(LONGEST_LINE), "{longest:?}");

    let asked = listener.accept().map(|(_, from)| from);
    assert!(
        asked.is_err(),
        "the loopback of the administrator was asked by {asked:?}"
    );
}
