//! Reads the version of an istioctl, without a cluster.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Istioctl;
use crate::sys::process::{self, Captured, Invocation, RunError, Status};
use istio_builds::client::ClientVersion;

/// Longest wait: the command only prints a constant, so a longer time means that it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of output that are read.
const OUTPUT: usize = 1 << 20;

/// Why a program could not be confirmed to be istioctl.
#[derive(Debug, thiserror::Error)]
pub enum IstioctlError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("`{command}` {why}: is it an istioctl?")]
    Answer { command: String, why: String },
}

/// Runs the istioctl at `path` to read its version.
pub fn istioctl(path: &Path) -> Result<Istioctl, IstioctlError> {
    let asked = Invocation::new(path, &["version", "--remote=false", "-o", "json"]);
    let said = process::capture(&asked, PATIENCE, OUTPUT)?;
    let text = version(&said).map_err(|why| IstioctlError::Answer {
        command: asked.to_string(),
        why,
    })?;
    Ok(Istioctl {
        path: path.to_owned(),
        version: ClientVersion::read(&text),
    })
}

fn version(said: &Captured) -> Result<String, String> {
    match said.status {
        Status::Code(0) => {}
        Status::Code(code) => return Err(format!("failed with {code}{}", complaint(&said.stderr))),
        Status::Signal(signal) => return Err(format!("was killed by signal {signal}")),
    }
    let text = String::from_utf8_lossy(&said.stdout);
    let document = last_document(&text).ok_or("did not answer in JSON")?;
    let version = document
        .pointer("/clientVersion/version")
        .and_then(Value::as_str);
    version
        .map(str::to_owned)
        .ok_or_else(|| "named no client version".to_owned())
}

fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map(|line| format!(": {line}")).unwrap_or_default()
}

/// Returns the last JSON object that starts at the beginning of a line: wrappers and warnings print before it.
fn last_document(text: &str) -> Option<Value> {
    let mut begins: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    begins.insert(0, 0);
    begins.retain(|&at| text[at..].starts_with('{'));
    begins.into_iter().rev().find_map(|at| {
        let first = serde_json::Deserializer::from_str(&text[at..])
            .into_iter::<Value>()
            .next();
        first.and_then(Result::ok).filter(Value::is_object)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(status: Status, stdout: &str, stderr: &str) -> Result<String, String> {
        version(&Captured {
            status,
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        })
    }

    const PLAIN: &str = "{\n  \"clientVersion\": {\n    \"version\": \"1.31.0\"\n  }\n}\n";

    #[test]
    fn the_version_is_found_in_noise() {
        for noise in [
            "",
            "WARNING: a wrapper\n",
            "{not json}\n",
            "{\"level\":\"warn\"}\n",
        ] {
            let text = format!("{noise}{PLAIN}");
            assert_eq!(
                said(Status::Code(0), &text, ""),
                Ok("1.31.0".to_owned()),
                "{noise}"
            );
        }
        let trailing = format!("{PLAIN}a newer istioctl is there\n");
        assert_eq!(
            said(Status::Code(0), &trailing, ""),
            Ok("1.31.0".to_owned())
        );
    }

    #[test]
    fn other_endings_are_told_apart() {
        for (status, stdout, stderr, words) in [
            (Status::Code(0), "hello", "", "did not answer in JSON"),
            (
                Status::Code(0),
                "{\"version\": 1}",
                "",
                "named no client version",
            ),
            (
                Status::Code(1),
                "",
                "Error: unknown flag\n\n",
                "failed with 1: Error: unknown flag",
            ),
            (Status::Signal(9), "", "", "was killed by signal 9"),
        ] {
            assert_eq!(said(status, stdout, stderr), Err(words.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn no_output_panics(text: String) {
            last_document(&text);
        }
    }
}
