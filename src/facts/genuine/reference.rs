//! The settings that the injector of a revision gives a plain pod, queried through the API server.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use futures::future::join_all;
use futures::{StreamExt, stream};
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, WebhookClientConfig,
};
use kube::ResourceExt;
use kube::api::ListParams;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::rules::{Homes, Rules};
use super::setting::Setting;
use super::{PROXY, Permitted, Reference, proxy_config};
use crate::facts::Observed;
use crate::facts::control_plane::revision as revision_of;
use crate::sys::cluster::{ClusterError, HookService, Pod, Session};

/// The shapes of plain pods: a sidecar, a native sidecar, a gateway.
const SHAPES: [(&str, &str); 3] = [
    ("sidecar.istio.io/nativeSidecar", "false"),
    ("sidecar.istio.io/nativeSidecar", "true"),
    ("inject.istio.io/templates", "gateway"),
];

/// Bytes of the `ConfigMap` of a mesh configuration, as JSON: those of real meshes have some thousands.
const MESH_FILE_LIMIT: usize = 256 << 10;

/// Number of mesh configurations that are read at once.
const AT_ONCE: usize = 32;

/// The port of a webhook that sets none.
const HTTPS: i32 = 443;

/// Returns the settings that pods of these revisions may have, by querying their injectors. The answers depend
/// on the control planes alone: no other webhook, default of a namespace or quota affects them.
pub(in crate::facts) async fn permitted(session: &Session, revisions: &[&str]) -> Permitted {
    if revisions.is_empty() {
        return Permitted::default();
    }
    let all = ListParams::default();
    let hooks = session.list::<MutatingWebhookConfiguration>(None, &all);
    let hooks = match hooks.await {
        Ok(hooks) => hooks,
        Err(error) => {
            let unknown = || Observed::needing(&error, "list of mutatingwebhookconfigurations");
            let references = revisions.iter().map(|it| ((*it).to_owned(), unknown()));
            return Permitted {
                references: references.collect(),
                ..Permitted::default()
            };
        }
    };
    let found: Vec<Option<HookService>> = revisions.iter().map(|it| injector(&hooks, it)).collect();
    let asking = revisions.iter().zip(&found).map(async |(revision, hook)| {
        let reference = match hook {
            Some(hook) => reference(session, hook).await,
            None => Observed::Unknown(format!(
                "no injection webhook of revision {revision} calls a Service"
            )),
        };
        ((*revision).to_owned(), reference)
    });
    let trusted: BTreeSet<String> = found
        .iter()
        .flatten()
        .map(|it| it.namespace.clone())
        .collect();
    let references = join_all(asking).await.into_iter().collect();
    Permitted {
        references,
        mesh_files: MeshFiles::new(revisions, trusted.clone()),
        homes: trusted,
        ..Permitted::default()
    }
}

async fn reference(session: &Session, hook: &HookService) -> Observed<Reference> {
    let asking = SHAPES.iter().map(async |&(name, value)| {
        let pod = plain(name, value);
        let answer = session
            .review_injection(hook, &hook.namespace, &pod)
            .await?;
        injected(pod, &answer).map_err(|reason| ClusterError::Garbled {
            what: format!("injector {}/{}", hook.namespace, hook.name),
            reason,
        })
    });
    let mut answers = join_all(asking).await.into_iter();
    let mut reference = Reference::default();
    match answers.next() {
        Some(Ok(pod)) => reference.add(&pod),
        Some(Err(error)) => {
            let right = format!("create of services/proxy in namespace {}", hook.namespace);
            return Observed::needing(&error, &right);
        }
        None => {}
    }
    // Custom templates may not include gateways, and old versions do not support native sidecars.
    for pod in answers.flatten() {
        reference.add(&pod);
    }
    Observed::Known(reference)
}

/// Returns the Service of the injector: that of the revision's own webhook before that of one of its tags.
fn injector(hooks: &[MutatingWebhookConfiguration], revision: &str) -> Option<HookService> {
    let mut found: Vec<(bool, HookService)> = hooks
        .iter()
        .filter(|hook| revision_of(hook.labels()) == revision)
        .filter_map(|hook| {
            let all = hook.webhooks.iter().flatten();
            let mut own = all.filter(|it| it.name.ends_with(".istio.io"));
            let service = own.find_map(|it| service(&it.client_config))?;
            Some((hook.labels().contains_key("istio.io/tag"), service))
        })
        .collect();
    found.sort();
    found.into_iter().next().map(|(_, service)| service)
}

fn service(client: &WebhookClientConfig) -> Option<HookService> {
    let service = client.service.as_ref()?;
    let path = service.path.clone().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.:".contains(c);
    let usable = path.starts_with('/') && path.chars().all(plain) && !path.contains("..");
    usable.then(|| HookService {
        namespace: service.namespace.clone(),
        name: service.name.clone(),
        port: u16::try_from(service.port.unwrap_or(HTTPS)).unwrap_or_default(),
        path,
    })
}

/// Returns a pod with one container that requests nothing but its shape.
///
/// The container has `resources`, as in all pods that an API server sends: with
/// `holdApplicationUntilProxyStarts` the patch puts the proxy at its position, and adds limits to the existing
/// `resources`.
fn plain(annotation: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "glooistio-",
            "labels": {"sidecar.istio.io/inject": "true"},
            "annotations": {annotation: value},
        },
        "spec": {"containers": [{"name": "app", "image": "pause", "resources": {}}]},
    })
}

/// Applies the injector's patch to the pod.
fn injected(mut pod: Value, response: &Value) -> Result<Pod, String> {
    let Some(patch) = response["patch"].as_str() else {
        let said = response["status"]["message"].as_str();
        let said: String = said.unwrap_or("nothing").chars().take(200).collect();
        return Err(format!(
            "it injects nothing into a plain pod and answers {said}"
        ));
    };
    let patch = base64::engine::general_purpose::STANDARD.decode(patch);
    let patch = patch.map_err(|error| format!("its patch is not base64: {error}"))?;
    let patch: json_patch::Patch =
        serde_json::from_slice(&patch).map_err(|error| format!("its patch: {error}"))?;
    json_patch::patch(&mut pod, &patch).map_err(|error| format!("its patch: {error}"))?;
    fill_volumes(&mut pod);
    serde_json::from_value(pod).map_err(|error| format!("the pod that it makes: {error}"))
}

/// Adds the `emptyDir` that the API server sets for a volume without a source.
fn fill_volumes(pod: &mut Value) {
    let volumes = pod.pointer_mut("/spec/volumes");
    let volumes = volumes.and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten() {
        if let Some(fields) = volume.as_object_mut()
            && fields.keys().all(|key| key == "name")
        {
            fields.insert("emptyDir".to_owned(), json!({}));
        }
    }
}

/// The mesh configurations that gateways of the charts mount: by namespace and name, whether their settings for
/// proxies are harmless.
#[derive(Debug, Default)]
pub(in crate::facts) struct MeshFiles {
    /// Their names: `istio`, `istio-REVISION`.
    names: Vec<String>,
    /// Those that pods mount and that were read. One that could not be read is not harmless.
    read: RefCell<BTreeMap<(String, String), bool>>,
    /// Namespaces of control planes, which alone control the content of their own namespaces.
    trusted: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeshFile {
    data: Option<BTreeMap<String, String>>,
    binary_data: Option<IgnoredAny>,
}

impl MeshFile {
    /// Checks that no text in it makes a proxy run other code: a pod may mount any of its keys as the file that
    /// the agent reads.
    fn is_harmless(&self, name: &str, homes: &Homes) -> bool {
        let texts = self.data.iter().flat_map(BTreeMap::values);
        let mut settings = texts.flat_map(|text| proxy_config::of_mesh(name, text));
        self.binary_data.is_none()
            && settings.all(|setting: Setting| Rules::builtin().permit(PROXY, &setting, homes))
    }
}

impl MeshFiles {
    fn new(revisions: &[&str], trusted: BTreeSet<String>) -> MeshFiles {
        let name = |revision: &&str| match *revision {
            "default" => "istio".to_owned(),
            revision => format!("istio-{revision}"),
        };
        MeshFiles {
            names: revisions.iter().map(name).collect(),
            read: RefCell::default(),
            trusted,
        }
    }

    /// Checks whether a pod of that namespace may mount the ConfigMap.
    pub(super) fn permit(&self, namespace: &str, name: &str) -> bool {
        let is_harmless = || {
            let key = (namespace.to_owned(), name.to_owned());
            self.read.borrow().get(&key) == Some(&true)
        };
        let is_known = self.names.iter().any(|known| known == name);
        is_known && (self.trusted.contains(namespace) || is_harmless())
    }

    /// Reads the files that pods mount, each on its own: the content of one namespace does not affect the
    /// others.
    pub(super) async fn read(&self, session: &Session, pods: impl Iterator<Item = &Pod>) {
        let mounted: BTreeSet<(String, String)> =
            pods.flat_map(|pod| self.unread(pod).into_iter()).collect();
        let read = stream::iter(mounted)
            .map(async |(namespace, name)| {
                let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
                let file = session.bounded::<MeshFile>(&path, MESH_FILE_LIMIT).await;
                // The charts mount it even if it does not exist.
                let harmless =
                    file.is_ok_and(|it| it.is_none_or(|it| it.is_harmless(&name, &self.trusted)));
                ((namespace, name), harmless)
            })
            .buffer_unordered(AT_ONCE);
        let read: Vec<_> = read.collect().await;
        self.read.borrow_mut().extend(read);
    }

    /// Returns the files that a pod mounts and that were not read yet.
    fn unread(&self, pod: &Pod) -> Vec<(String, String)> {
        let namespace = &pod.metadata.namespace;
        if self.trusted.contains(namespace) {
            return Vec::new();
        }
        let sources = pod.spec.volumes.iter().filter_map(|it| it.source.as_ref());
        let maps = sources.filter_map(|source| source.config_map.as_ref());
        let named = maps.filter(|map| self.names.iter().any(|name| name == map.name()));
        let keys = named.map(|map| (namespace.clone(), map.name().to_owned()));
        let read = self.read.borrow();
        keys.filter(|key| !read.contains_key(key)).collect()
    }
}

#[cfg(test)]
impl MeshFiles {
    /// Returns files of the revisions `default` and `canary`: namespace, name, and whether they are harmless;
    /// `istio-ingress` has none.
    pub(super) fn of(found: &[(&str, &str, bool)], trusted: &str) -> MeshFiles {
        let absent = ("istio-ingress", "istio", true);
        let read = found.iter().chain([&absent]);
        let read = read.map(|&(namespace, name, harmless)| {
            ((namespace.to_owned(), name.to_owned()), harmless)
        });
        MeshFiles {
            read: RefCell::new(read.collect()),
            ..MeshFiles::new(&["default", "canary"], BTreeSet::from([trusted.to_owned()]))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::facts::Role;
    use crate::facts::genuine::Parts;
    use crate::sys::cluster::Cluster;

    const HOOKS: &str = r#"{"metadata":{},"items":[
        {"metadata":{"name":"other"},"webhooks":[{"name":"x.example","clientConfig":{"service":{"namespace":"evil","name":"x","path":"/inject"}},"admissionReviewVersions":["v1"],"sideEffects":"None"}]},
        {"metadata":{"name":"tag","labels":{"istio.io/rev":"default","istio.io/tag":"prod"}},"webhooks":[{"name":"a.istio.io","clientConfig":{"service":{"namespace":"tagged","name":"x","path":"/inject"}},"admissionReviewVersions":["v1"],"sideEffects":"None"}]},
        {"metadata":{"name":"own","labels":{"istio.io/rev":"default"}},"webhooks":[{"name":"rev.namespace.sidecar-injector.istio.io","clientConfig":{"service":{"namespace":"istio-system","name":"istiod","path":"/inject/cluster/c","port":15017}},"admissionReviewVersions":["v1"],"sideEffects":"None"}]}]}"#;

    /// Returns the `ConfigMap` at a path.
    fn map(path: &str) -> Option<String> {
        let namespace = path
            .strip_prefix("/api/v1/namespaces/")?
            .strip_suffix("/configmaps/istio")?;
        let text = match namespace {
            "bad" => r#"{"data":{"x":"defaultConfig: {binaryPath: /x}"}}"#,
            "binary" => r#"{"binaryData":{"mesh":"eA=="}}"#,
            "good" => {
                r#"{"data":{"mesh":"defaultConfig: {concurrency: 2}","meshNetworks":"networks: {}"}}"#
            }
            "large" => return Some(" ".repeat(MESH_FILE_LIMIT + 1)),
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Returns the permitted settings in a cluster with an injector that gives this response.
    fn asked(injector: fn() -> (u16, String)) -> Permitted {
        let service = move |request: Request<Body>| async move {
            let (status, body) = match request.uri().path() {
                "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations" => {
                    (200, HOOKS.to_owned())
                }
                "/api/v1/namespaces/istio-system/services/https:istiod:15017/proxy/inject/cluster/c" => {
                    injector()
                }
                path if path.contains("/configmaps/") => match map(path) {
                    Some(map) => (200, map),
                    None if path.contains("/absent/") => (404, status(404)),
                    None => (403, status(403)),
                },
                other => (404, format!("no {other}")),
            };
            Response::builder()
                .status(status)
                .body(Body::from(body.into_bytes()))
                .unwrap()
        };
        let cluster = Cluster::answering(service, Duration::from_secs(5));
        cluster
            .run(async |session| {
                let permitted = permitted(session, &["default"]).await;
                let pods = ["absent", "bad", "binary", "forbidden", "good", "large"]
                    .map(|namespace| Ok(mounting(namespace)));
                permitted.read_mesh_files(session, &pods).await;
                permitted
            })
            .unwrap()
    }

    fn status(code: u16) -> String {
        json!({"kind": "Status", "code": code, "message": "no"}).to_string()
    }

    /// Returns a pod of a namespace that mounts a `ConfigMap` which may be a mesh configuration.
    fn mounting(namespace: &str) -> Pod {
        let maps = ["istio", "mine"].map(|name| json!({"name": name, "configMap": {"name": name}}));
        let pod = json!({"metadata": {"namespace": namespace}, "spec": {"volumes": maps}});
        serde_json::from_value(pod).unwrap()
    }

    fn patched(patch: &Value) -> String {
        let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
        json!({"response": {"allowed": true, "patch": patch, "patchType": "JSONPatch"}}).to_string()
    }

    #[test]
    fn patch_may_put_the_proxy_first() {
        let patch = json!([
            {"op": "replace", "path": "/spec/containers/0/name", "value": "istio-proxy"},
            {"op": "add", "path": "/spec/containers/0/resources/limits", "value": {"cpu": "2"}},
            {"op": "add", "path": "/spec/containers/1", "value": {"name": "app", "image": "pause", "resources": {}}},
        ]);
        let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
        let pod = plain("sidecar.istio.io/nativeSidecar", "false");
        let pod = injected(pod, &json!({"patch": patch})).unwrap();
        let names: Vec<&str> = pod
            .spec
            .containers
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["istio-proxy", "app"]);
    }

    #[test]
    fn the_injector_of_the_revision_is_asked() {
        let permitted = asked(|| {
            let proxy = json!({"name": "istio-proxy", "image": "r/proxyv2:1",
                "env": [{"name": "CUSTOM", "value": "x"}], "volumeMounts": [{"name": "v", "mountPath": "/v"}]});
            (
                200,
                patched(&json!([
                    {"op": "add", "path": "/spec/containers/1", "value": proxy},
                    {"op": "add", "path": "/spec/volumes", "value": [{"name": "v"}]},
                ])),
            )
        });
        assert!(matches!(
            permitted.references["default"],
            Observed::Known(_)
        ));
        let found = |fields: Value| {
            let mut proxy = json!({"name": "istio-proxy", "image": "r/proxyv2:2"});
            for (key, value) in fields.as_object().unwrap() {
                proxy[key] = value.clone();
            }
            let pod = json!({"spec": {"containers": [proxy], "volumes": [{"name": "v", "emptyDir": {}}]}});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            let own = &pod.spec.containers[0];
            let parts = Parts {
                pod: &pod,
                role: Role::Gateway,
                revision: "default",
                own,
                others: Vec::new(),
            };
            permitted.deviations(&parts).total
        };
        assert_eq!(found(json!({"env": [{"name": "CUSTOM", "value": "x"}]})), 0);
        assert_eq!(found(json!({"env": [{"name": "CUSTOM", "value": "y"}]})), 1);
        assert_eq!(
            found(json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]})),
            0
        );
        assert_eq!(found(json!({"image": "evil/proxyv2:1"})), 1);
    }

    #[test]
    fn an_injector_that_cannot_be_asked_is_unknown_with_the_missing_right() {
        let why =
            |injector: fn() -> (u16, String)| match asked(injector).references.remove("default") {
                Some(Observed::Unknown(why)) => why,
                other => panic!("{other:?}"),
            };
        let forbidden = why(|| {
            (
                403,
                json!({"kind": "Status", "code": 403, "message": "no"}).to_string(),
            )
        });
        assert!(
            forbidden.contains("allow create of services/proxy in namespace istio-system"),
            "{forbidden}"
        );
        assert!(!why(|| (503, String::new())).is_empty());
        assert!(why(|| (200, "rubbish".to_owned())).contains("istio-system/istiod"));
        let refused = why(|| {
            (
                200,
                json!({"response": {"status": {"message": "template not found"}}}).to_string(),
            )
        });
        assert!(refused.contains("template not found"), "{refused}");
        let garbled = why(|| {
            (
                200,
                patched(&json!([{"op": "add", "path": "/nowhere/x", "value": 1}])),
            )
        });
        assert!(garbled.contains("patch"), "{garbled}");
    }

    #[test]
    fn each_mesh_configuration_of_a_tenant_is_read_for_itself_whatever_key_is_mounted() {
        let files = asked(|| (403, String::new())).mesh_files;
        for (namespace, name, permit) in [
            ("istio-system", "istio", true),
            ("absent", "istio", true),
            ("good", "istio", true),
            ("bad", "istio", false),
            ("binary", "istio", false),
            ("forbidden", "istio", false),
            ("large", "istio", false),
            ("not-mounted", "istio", false),
            ("absent", "mine", false),
        ] {
            assert_eq!(files.permit(namespace, name), permit, "{namespace}/{name}");
        }
    }
}
