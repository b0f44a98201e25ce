//! Inputs of every kind that istioctl's own tests have: the real istioctl makes the same objects of our document.
//!
//! Further istioctls, of other versions, are compared too where `GLOOISTIO_OTHER_ISTIOCTLS` lists their paths,
//! separated by colons.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Bed, HUB};
use crate::env::{TestEnv, root};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// Both make the same objects.
    same: Vec<Input>,
    /// Both refuse.
    refused: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    /// `1.24..` or `..1.23`: the versions that it is meant for.
    istio: Option<String>,
    spec: Option<Value>,
    /// In place of `spec`: the whole file.
    text: Option<String>,
}

impl Input {
    fn is_for(&self, minor: u32) -> bool {
        let Some((from, to)) = self.istio.as_deref().and_then(|span| span.split_once("..")) else {
            return true;
        };
        let number = |text: &str| {
            text.strip_prefix("1.")
                .map(|minor| minor.parse::<u32>().unwrap())
        };
        number(from).is_none_or(|from| from <= minor) && number(to).is_none_or(|to| minor <= to)
    }

    fn text(&self, tag: &str) -> String {
        let document = || {
            let spec = self.spec.clone().unwrap();
            let head = json!({"apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator"});
            let mut document = head;
            document["spec"] = spec;
            serde_yaml::to_string(&document).unwrap()
        };
        let text = self.text.clone().unwrap_or_else(document);
        text.replace("HUB", HUB).replace("TAG", tag)
    }
}

/// An istioctl, and what is planned for it.
struct Installer {
    program: PathBuf,
    version: String,
    tag: String,
    minor: u32,
    env: TestEnv,
}

impl Installer {
    fn new(program: &Path) -> Installer {
        let mut env = TestEnv::new();
        env.var("GLOOISTIO_ISTIOCTL", program.to_str().unwrap());
        let said = run(&env, program, &["version", "--remote=false", "-o", "json"]);
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        let version = said["clientVersion"]["version"]
            .as_str()
            .unwrap()
            .to_owned();
        let minor = version.split('.').nth(1).unwrap().parse().unwrap();
        let tag = format!("{version}-solo-fips");
        env.file("base.yaml", base(HUB, &tag));
        env.file("base.hbs", base("{{hub}}", "{{tag}}"));
        Installer {
            program: program.to_owned(),
            version,
            tag,
            minor,
            env,
        }
    }

    fn generate(&self, files: &[&str]) -> Output {
        let mut args = vec!["manifest", "generate"];
        args.extend(files.iter().flat_map(|file| ["-f", file]));
        run(&self.env, &self.program, &args)
    }

    /// Our own command on the input `in.yaml`, over a document that has hub and tag alone.
    fn own(&self, command: &str) -> crate::env::CommandOutput {
        let tag = &self.tag;
        self.env.line(&format!(
            "{command} --istio {tag} --hub {HUB} --template base.hbs -f in.yaml"
        ))
    }

    /// Why an input is not the same for us, and what our check says of it.
    fn difference(&self, input: &Input) -> Option<String> {
        self.env.file("in.yaml", input.text(&self.tag));
        let real = self.generate(&["base.yaml", "in.yaml"]);
        if !real.status.success() {
            return Some(format!("istioctl refuses it: {}", stderr(&real)));
        }
        let own = self.own("render");
        if own.code() != 0 {
            return Some(format!("render ends with {}: {own}", own.code()));
        }
        self.env.file("own.yaml", own.stdout.clone());
        let merged = self.generate(&["own.yaml"]);
        if !merged.status.success() {
            return Some(format!("istioctl refuses ours: {}\n{own}", stderr(&merged)));
        }
        first_difference(&real.stdout, &merged.stdout)
            .map(|difference| format!("{difference}\n{}", own.stdout))
            .or_else(|| self.manifest_check(&["passed", "warned"]))
    }

    /// What the check that asks istioctl says, where it is something else.
    fn manifest_check(&self, wanted: &[&str]) -> Option<String> {
        let report = self.own("check --no-registry -o json").json();
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|it| it["id"] == "istioctl-manifest");
        let check = check.unwrap();
        let is_wanted = wanted.iter().any(|status| check["status"] == *status);
        (!is_wanted).then(|| format!("istioctl-manifest: {check}"))
    }

    /// Why an input is not refused by both.
    fn acceptance(&self, input: &Input) -> Option<String> {
        self.env.file("in.yaml", input.text(&self.tag));
        if self.generate(&["base.yaml", "in.yaml"]).status.success() {
            return Some("istioctl accepts it".to_owned());
        }
        let output = self.own("check --no-registry -o json");
        if [64, 65].contains(&output.code()) {
            return None;
        }
        self.manifest_check(&["failed"])
    }
}

fn base(hub: &str, tag: &str) -> String {
    format!(
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata:\n  name: bulk\n\
         spec:\n  hub: {hub}\n  tag: {tag}\n"
    )
}

fn run(env: &TestEnv, program: &Path, args: &[&str]) -> Output {
    let mut command = std::process::Command::new(program);
    env.prepare(&mut command);
    command.args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The objects without the log lines, with times, that istioctl writes among them.
fn without_log(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let is_object = |line: &&str| !line.starts_with(|c: char| c.is_ascii_digit() || c == '\t');
    text.lines()
        .filter(is_object)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The first line that differs, with what is before it.
fn first_difference(real: &[u8], own: &[u8]) -> Option<String> {
    let (real, own) = (without_log(real), without_log(own));
    if real == own {
        return None;
    }
    let at = real
        .lines()
        .zip(own.lines())
        .position(|(one, other)| one != other);
    let at = at.unwrap_or_else(|| real.lines().count().min(own.lines().count()));
    let around = |text: &str| {
        let lines = text.lines().skip(at.saturating_sub(3)).take(6);
        lines.collect::<Vec<_>>().join("\n")
    };
    Some(format!(
        "line {} differs\n--- istioctl\n{}\n--- ours\n{}",
        at + 1,
        around(&real),
        around(&own)
    ))
}

fn installers() -> Vec<Installer> {
    let path = std::env::var("PATH").unwrap();
    let mut named = path.split(':').map(|dir| Path::new(dir).join("istioctl"));
    let own = named
        .find(|path| path.exists())
        .expect("istioctl is on PATH");
    let others = std::env::var("GLOOISTIO_OTHER_ISTIOCTLS").unwrap_or_default();
    let others = others
        .split(':')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let all = std::iter::once(own).chain(others);
    all.map(|program| Installer::new(&program)).collect()
}

#[test]
#[ignore = "needs the test bed"]
fn inputs_of_every_kind_make_the_same_objects() {
    let _inside = Bed::as_it_is();
    let text = std::fs::read_to_string(root().join("tests/data/operator-inputs.yaml")).unwrap();
    let inputs: Inputs = serde_yaml::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    for installer in installers() {
        let mine = |input: &&Input| input.is_for(installer.minor);
        let same = inputs.same.iter().filter(mine);
        let same = same.filter_map(|input| Some((input, installer.difference(input)?)));
        let refused = inputs.refused.iter().filter(mine);
        let refused = refused.filter_map(|input| Some((input, installer.acceptance(input)?)));
        wrong.extend(
            same.chain(refused)
                .map(|(input, why)| format!("## {} ({})\n{why}", input.name, installer.version)),
        );
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}
