//! End to end on the test bed: the real API server, istioctl and istiod.
//!
//! Run by `scripts/test`, one after the other, inside the bed:
//! `scripts/testbed run -- cargo test --all-features --test it bed:: -- --ignored --test-threads 1`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::env::{CommandOutput, TestEnv, root};

mod bulk;
mod default_tag;
mod failures;
mod fields;
mod images;
mod lifecycle;
mod merge;
mod red;
mod suggested;
mod surface;

/// Hub and tag of the demo.
pub(crate) const TAG: &str = "1.31.0-solo-fips-distroless";
pub(crate) const HUB: &str = "us-docker.pkg.dev/soloio-img/istio";

/// The running bed, put back to what it was after `up`.
pub(crate) struct Bed {
    env: TestEnv,
}

impl Bed {
    pub(crate) fn new() -> Bed {
        let bed = Bed::as_it_is();
        let reset = Command::new(root().join("scripts/testbed"))
            .arg("reset")
            .output()
            .unwrap();
        assert!(
            reset.status.success(),
            "{}",
            String::from_utf8_lossy(&reset.stderr)
        );
        bed
    }

    /// For tests that change nothing: whatever others left behind.
    pub(crate) fn as_it_is() -> Bed {
        let inside = std::env::var_os("GLOOISTIO_TESTBED_INSIDE").is_some();
        assert!(
            inside,
            "run by `scripts/testbed run -- …`, see tests/it/bed.rs"
        );
        let mut env = TestEnv::new();
        for name in ["PATH", "KUBECONFIG"] {
            env.var(name, &std::env::var(name).unwrap());
        }
        Bed { env }
    }

    /// The bed with istioctl of the next patch.
    pub(crate) fn next(mut self) -> Bed {
        let next = std::env::var("GLOOISTIO_TESTBED_ISTIOCTL_NEXT").unwrap();
        self.env.var("GLOOISTIO_ISTIOCTL", &next);
        self
    }

    pub(crate) fn env(&self) -> &TestEnv {
        &self.env
    }

    /// Runs glooistio, split at blanks.
    pub(crate) fn line(&self, line: &str) -> CommandOutput {
        self.env.line(line)
    }

    pub(crate) fn run(&self, args: &[impl AsRef<OsStr>]) -> CommandOutput {
        self.env.run(args)
    }

    /// The stdout of an install, which must go well.
    #[track_caller]
    pub(crate) fn install(&self, more: &str) -> String {
        self.line(&format!("install --fips --distroless -y {more}"))
            .success()
    }

    /// Stdout of another program, which must go well.
    #[track_caller]
    pub(crate) fn tool(&self, program: &str, line: &str) -> String {
        let output = self.tool_with(program, &line.split_whitespace().collect::<Vec<_>>(), "");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {line}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn tool_with(
        &self,
        program: &str,
        args: &[impl AsRef<OsStr>],
        stdin: &str,
    ) -> Output {
        let path = std::env::var("PATH").unwrap();
        let found = path
            .split(':')
            .map(|dir| format!("{dir}/{program}"))
            .find(|path| std::fs::exists(path).unwrap());
        let mut command = Command::new(found.expect("the program is on PATH"));
        self.env.prepare(&mut command);
        let mut child = command.args(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let bytes = stdin.as_bytes().to_owned();
        let writer = std::thread::spawn(move || {
            // A program that fails early does not read.
            let _gone = std::io::Write::write_all(&mut pipe, &bytes);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    /// Runs a suggested command as a person does who pastes it into a shell, and answers its question with yes.
    pub(crate) fn paste(&self, command: &str) -> CommandOutput {
        let asks = [
            "glooistio install",
            "glooistio upgrade",
            "istioctl uninstall",
        ];
        let answered = if asks.iter().any(|word| command.starts_with(word)) {
            format!("{command} -y")
        } else {
            command.to_owned()
        };
        let mut shell = Command::new("/bin/sh");
        self.env.prepare(&mut shell);
        let own = std::path::Path::new(env!("CARGO_BIN_EXE_glooistio"));
        let own = own.parent().unwrap().display().to_string();
        let path = format!("{own}:{}", std::env::var("PATH").unwrap());
        shell.env("PATH", path).args(["-c", &answered]);
        self.env.finish(shell.spawn().unwrap())
    }

    /// Pastes every command of a report's findings and pending restarts: each must at least run.
    #[track_caller]
    pub(crate) fn paste_all(&self, report: &Value) {
        let checks = report["checks"].as_array().into_iter().flatten();
        let findings = checks.flat_map(|check| check["findings"].as_array().into_iter().flatten());
        let pending = report["pending"].as_array().into_iter().flatten();
        let all = findings
            .chain(pending)
            .filter_map(|one| one["command"].as_str());
        // What is read of images needs their registry.
        let all: BTreeSet<&str> = all.filter(|it| !it.contains("inspect")).collect();
        for command in all {
            let output = self.paste(command);
            assert_eq!(output.code(), 0, "{command}: {output}");
        }
    }

    pub(crate) fn kubectl(&self, line: &str) -> String {
        self.tool("kubectl", line)
    }

    #[track_caller]
    pub(crate) fn apply(&self, manifest: &Value) {
        let output = self.tool_with("kubectl", &["apply", "-f", "-"], &manifest.to_string());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// A namespace whose pods are injected, with a Deployment `web` that runs.
    pub(crate) fn workload(&self, namespace: &str, annotations: &Value) {
        self.apply(&serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"istio-injection": "enabled"}},
        }));
        self.apply(&serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}, "annotations": annotations},
                    "spec": {"containers": [{"name": "web", "image": "web"}]},
                },
            },
        }));
        self.kubectl(&format!(
            "rollout status deployment/web -n {namespace} --timeout=60s"
        ));
    }
}

/// Ids of the checks that failed in a JSON report.
pub(crate) fn failed(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("a report");
    let red = checks
        .iter()
        .filter(|check| ["failed", "unknown"].contains(&check["status"].as_str().unwrap()));
    red.map(|check| check["id"].as_str().unwrap().to_owned())
        .collect()
}
