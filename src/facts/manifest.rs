//! The objects that istioctl generates from the documents, without a cluster.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::Istioctl;
use crate::render::Rendered;
use crate::sys::process::{self, Captured, Invocation, Status};
use crate::sys::signal;
use crate::workload::{WorkloadKind, WorkloadRef};

/// Longest time for all documents: half a second is usual, and the charts may be read from a slow disk.
const PATIENCE: Duration = Duration::from_mins(1);

/// Bytes of objects that are read: those of a mesh with every component are 1.1 MB.
const OUTPUT: usize = 32 << 20;

/// Characters of an error message that are kept.
const LONGEST: usize = 600;

/// Kinds of objects that run images, or determine which ones run.
const KINDS: [&str; 8] = [
    "ConfigMap",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "ReplicaSet",
    "StatefulSet",
];

/// The image that the injector replaces when the pod is created.
const AUTO: &str = "auto";

/// Prefix of the name of the injector's `ConfigMap`; the name of a revision follows.
const INJECTOR: &str = "istio-sidecar-injector";

/// The result of the installer for one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the document.
    pub document: String,
    pub outcome: Result<Objects, ManifestError>,
}

/// The objects of a document, as far as they determine what runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    pub images: BTreeSet<ObjectImage>,
    /// The Deployments and `DaemonSets`.
    pub workloads: BTreeSet<WorkloadRef>,
}

/// An image in an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectImage {
    /// The position of the image, such as `Deployment istio-system/istiod, container discovery`.
    pub place: String,
    pub image: String,
}

/// Why the objects of a document are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestError {
    /// The installer rejects the document; its error message.
    Refused(String),
    /// The installer did not run to its end.
    NotRun(String),
    /// The output of the installer cannot be parsed.
    Unreadable(String),
}

/// Runs the installer of `istioctl` on each document in turn.
///
/// `flags` select its charts and how strict it is. Documents are passed on stdin because they may contain a
/// licence key.
pub fn manifests(istioctl: &Istioctl, flags: &[String], documents: &[Rendered]) -> Vec<Manifest> {
    let begun = Instant::now();
    let asked = documents.iter().map(|document| {
        let mut args = ["manifest", "generate", "-f", "-"].to_vec();
        args.extend(flags.iter().map(String::as_str));
        let asked = Invocation::new(&istioctl.path, &args).stdin(document.yaml.clone());
        let left = PATIENCE.saturating_sub(begun.elapsed());
        let outcome = if signal::interrupted() || left.is_zero() {
            let why = "the time for all documents was over, or the run was interrupted";
            Err(ManifestError::NotRun(why.to_owned()))
        } else {
            match process::capture(&asked, left, OUTPUT) {
                Ok(captured) => read(&captured),
                Err(error) => Err(ManifestError::NotRun(error.to_string())),
            }
        };
        Manifest {
            document: document.name.clone(),
            outcome,
        }
    });
    asked.collect()
}

fn read(captured: &Captured) -> Result<Objects, ManifestError> {
    match captured.status {
        Status::Code(0) => {}
        Status::Code(_) => return Err(ManifestError::Refused(complaint(&captured.stderr))),
        Status::Signal(signal) => {
            let why = format!("`istioctl manifest generate` was ended by signal {signal}");
            return Err(ManifestError::NotRun(why));
        }
    }
    if captured.stdout.len() >= OUTPUT {
        let why = format!("it is longer than {OUTPUT} bytes");
        return Err(ManifestError::Unreadable(why));
    }
    objects(&String::from_utf8_lossy(&captured.stdout))
}

/// Returns the error in istioctl's stderr: the text from the last `Error:` on, or the reason of a panic.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let error = text.rfind("Error: ").map(|at| &text[at..]);
    let panic = || {
        let mut lines = text.lines();
        lines.find(|line| line.starts_with("panic: "))
    };
    let last = || text.lines().rfind(|line| !line.trim().is_empty());
    let said = error
        .or_else(panic)
        .or_else(last)
        .unwrap_or("no reason given");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match said.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &said[..at]),
        None => said,
    }
}

/// Parses the relevant objects; CRDs, which are most of the text, are skipped.
fn objects(text: &str) -> Result<Objects, ManifestError> {
    let mut objects = Objects::default();
    for document in documents(text) {
        let kind = document
            .lines()
            .find_map(|line| line.strip_prefix("kind: "));
        let kind = kind.map(|kind| kind.trim().trim_matches(['"', '\'']));
        if !kind.is_some_and(|kind| KINDS.contains(&kind)) {
            continue;
        }
        let object: Value = serde_yaml::from_str(&document)
            .map_err(|error| ManifestError::Unreadable(error.to_string()))?;
        objects.add(&object)?;
    }
    Ok(objects)
}

/// Splits a stream into documents. Skips log lines that istioctl may print before the start of a document.
fn documents(text: &str) -> Vec<String> {
    let begins = |line: &str| line.starts_with("apiVersion:") || line.starts_with("kind:");
    let mut documents = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut()
            && (!document.is_empty() || begins(line))
        {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents
}

impl Objects {
    fn add(&mut self, object: &Value) -> Result<(), ManifestError> {
        let kind = object["kind"].as_str().unwrap_or_default();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        if kind == "ConfigMap" {
            if name.starts_with(INJECTOR) {
                self.add_injector(name, namespace, object)?;
            }
            return Ok(());
        }
        let known = match kind {
            "Deployment" => Some(WorkloadKind::Deployment),
            "DaemonSet" => Some(WorkloadKind::DaemonSet),
            _ => None,
        };
        let workload = known.and_then(|kind| WorkloadRef::new(kind, namespace, name));
        self.workloads.extend(workload);
        self.add_containers(&format!("{kind} {namespace}/{name}"), &object["spec"]);
        Ok(())
    }

    /// Adds the images of all pod templates below `value`.
    fn add_containers(&mut self, place: &str, value: &Value) {
        let Some(fields) = value.as_object() else {
            return;
        };
        for (key, value) in fields {
            let listed = value.as_array().filter(|_| key.ends_with("ontainers"));
            for container in listed.into_iter().flatten() {
                let name = container["name"].as_str().unwrap_or_default();
                if let Some(image) = container["image"].as_str().filter(|it| *it != AUTO) {
                    self.images.insert(ObjectImage {
                        place: format!("{place}, container {name}"),
                        image: image.to_owned(),
                    });
                }
            }
            self.add_containers(place, value);
        }
    }

    /// Adds the images that the injector gives to new pods.
    fn add_injector(
        &mut self,
        name: &str,
        namespace: &str,
        object: &Value,
    ) -> Result<(), ManifestError> {
        let values = object["data"]["values"].as_str().unwrap_or_default();
        let values: InjectorValues = serde_json::from_str(values).map_err(|error| {
            ManifestError::Unreadable(format!("values of ConfigMap {namespace}/{name}: {error}"))
        })?;
        let global = values.global;
        for (field, image) in [("proxy", &global.proxy), ("proxy_init", &global.proxy_init)] {
            if let Some(image) = global.image(image) {
                let place = format!("ConfigMap {namespace}/{name}, values.global.{field}");
                self.images.insert(ObjectImage { place, image });
            }
        }
        Ok(())
    }
}

/// The image settings in the injector's `ConfigMap`.
#[derive(Deserialize)]
struct InjectorValues {
    global: InjectorGlobal,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InjectorGlobal {
    hub: String,
    /// A number if the document contains a number.
    tag: Value,
    variant: Option<String>,
    proxy: InjectorImage,
    proxy_init: InjectorImage,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InjectorImage {
    image: String,
}

/// The suffixes of a tag that name a variant; the injector replaces one by another.
const VARIANTS: [&str; 2] = ["distroless", "debug"];

impl InjectorGlobal {
    /// Returns the reference that istiod builds from hub, name, tag and variant.
    fn image(&self, image: &InjectorImage) -> Option<String> {
        let name = image.image.as_str();
        if name.is_empty() {
            return None;
        }
        if name.contains('/') {
            return Some(name.to_owned());
        }
        let tag = match &self.tag {
            Value::String(tag) => tag.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let bare = VARIANTS
            .iter()
            .find_map(|known| tag.strip_suffix(known)?.strip_suffix('-'))
            .unwrap_or(&tag);
        let tag = match self.variant.as_deref().unwrap_or_default() {
            "" => tag.clone(),
            "default" => bare.to_owned(),
            variant => format!("{bare}-{variant}"),
        };
        let hub = &self.hub;
        Some(format!("{hub}/{name}:{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"2026-12-01T01:20:33Z	warn	warnings occurred during mesh validation: 1 error occurred:
	* trust domains

apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: [not, read, at, all}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio-sidecar-injector-canary, namespace: istio-system}
data:
  values: '{"global":{"hub":"h/s","tag":"1.31.0-solo","variant":"distroless","proxy":{"image":"proxyv2"},"proxy_init":{"image":"x/y:z"}}}'
---
2026-12-01T01:20:33Z	warn	again: 1 error

apiVersion: apps/v1
kind: "Deployment"
metadata: {name: istiod, namespace: istio-system}
spec:
  template:
    spec:
      initContainers: [{name: a, image: i/j:k}]
      containers: [{name: discovery, image: h/s/pilot:1}, {name: istio-proxy, image: auto}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: j, namespace: n}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: q/r:s}]}}}}}
---
"#;

    #[test]
    fn finds_images_of_pod_templates_and_of_the_injector() {
        let objects = objects(TEXT).unwrap();
        let images: Vec<String> = objects
            .images
            .iter()
            .map(|it| format!("{}: {}", it.place, it.image))
            .collect();
        assert_eq!(
            images,
            [
                "ConfigMap istio-system/istio-sidecar-injector-canary, values.global.proxy: h/s/proxyv2:1.31.0-solo-distroless",
                "ConfigMap istio-system/istio-sidecar-injector-canary, values.global.proxy_init: x/y:z",
                "CronJob n/j, container c: q/r:s",
                "Deployment istio-system/istiod, container a: i/j:k",
                "Deployment istio-system/istiod, container discovery: h/s/pilot:1",
            ]
        );
        let workloads: Vec<String> = objects.workloads.iter().map(ToString::to_string).collect();
        assert_eq!(workloads, ["Deployment istio-system/istiod"]);
    }

    fn ended(status: Status, stdout: &str, stderr: &str) -> Result<Objects, ManifestError> {
        read(&Captured {
            status,
            stdout: stdout.as_bytes().to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        })
    }

    #[test]
    fn refusal_keeps_the_error_of_istioctl_on_one_line() {
        for (stderr, wanted) in [
            (
                "! a warning\nError: generate: unknown field\n  \"x\"\n",
                "Error: generate: unknown field \"x\"",
            ),
            (
                "panic: index out of range\n\ngoroutine 1\n",
                "panic: index out of range",
            ),
            ("no luck\n\n", "no luck"),
            ("", "no reason given"),
        ] {
            let refused = ended(Status::Code(1), "", stderr);
            assert_eq!(refused, Err(ManifestError::Refused(wanted.to_owned())));
        }
        let Err(ManifestError::Refused(long)) = ended(Status::Code(1), "", &"é".repeat(5000))
        else {
            panic!("it is refused")
        };
        assert_eq!(long.chars().count(), LONGEST + 1);
    }

    #[test]
    fn end_by_a_signal_and_output_that_is_no_yaml_are_no_answer() {
        let killed = ended(Status::Signal(9), "", "");
        assert!(matches!(killed, Err(ManifestError::NotRun(_))));
        let garbled = ended(Status::Code(0), "kind: Deployment\n\tx", "");
        assert!(matches!(garbled, Err(ManifestError::Unreadable(_))));
        let injector = "kind: ConfigMap\nmetadata: {name: istio-sidecar-injector}\ndata: {values: '{\"global\":{\"hub\":1}}'}\n";
        let garbled = ended(Status::Code(0), injector, "");
        assert!(matches!(garbled, Err(ManifestError::Unreadable(_))));
    }

    proptest! {
        #[test]
        fn no_output_panics(text: String) {
            objects(&format!("kind: Pod\n{text}")).ok();
            complaint(text.as_bytes());
        }
    }
}
