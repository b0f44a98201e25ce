//! What the injector of a revision gives a plain pod: it is asked through the API server.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use futures::future::join_all;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, WebhookClientConfig,
};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::rules::Rules;
use super::setting::Setting;
use super::{PROXY, Permitted, Reference, proxy_config};
use crate::facts::Fact;
use crate::facts::control_plane::revision as revision_of;
use crate::sys::cluster::{ClusterError, HookService, Pod, Session};

/// What plain pods ask for: a sidecar, one as an init container, a gateway.
const SHAPES: [(&str, &str); 3] = [
    ("sidecar.istio.io/nativeSidecar", "false"),
    ("sidecar.istio.io/nativeSidecar", "true"),
    ("inject.istio.io/templates", "gateway"),
];

/// Bytes of all `ConfigMap`s of the names that mesh configurations have.
const MESH_FILES_LIMIT: usize = 8 << 20;

/// Where a webhook listens that names no port.
const HTTPS: i32 = 443;

/// What pods of these revisions may have: their injectors are asked, and the files that gateways mount
/// are read. The answers depend on the control planes alone: no other webhook, default of a namespace
/// or quota touches them.
pub(in crate::facts) async fn permitted(session: &Session, revisions: &[&str]) -> Permitted {
    if revisions.is_empty() {
        return Permitted::default();
    }
    let all = ListParams::default();
    let hooks = session.list::<MutatingWebhookConfiguration>(None, &all);
    let hooks = match hooks.await {
        Ok(hooks) => hooks,
        Err(error) => {
            let unknown = || Fact::needing(&error, "list of mutatingwebhookconfigurations");
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
            None => Fact::Unknown(format!(
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
    let (references, mesh_files) = futures::join!(
        join_all(asking),
        mesh_files(session, revisions, trusted.clone())
    );
    Permitted {
        references: references.into_iter().collect(),
        mesh_files,
        homes: trusted,
        ..Permitted::default()
    }
}

async fn reference(session: &Session, hook: &HookService) -> Fact<Reference> {
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
            return Fact::needing(&error, &right);
        }
        None => {}
    }
    // Templates of their own may leave out gateways, and old versions know no native sidecars.
    for pod in answers.flatten() {
        reference.add(&pod);
    }
    Fact::Known(reference)
}

/// The Service of the injector: that of the revision's own webhook before that of one of its tags.
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

/// A pod with one container that asks for nothing but its shape.
fn plain(annotation: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "glooistio-",
            "labels": {"sidecar.istio.io/inject": "true"},
            "annotations": {annotation: value},
        },
        "spec": {"containers": [{"name": "app", "image": "pause"}]},
    })
}

/// The pod as the injector would change it.
fn injected(mut pod: Value, response: &Value) -> Result<Pod, String> {
    let Some(patch) = response["patch"].as_str() else {
        let said = response["status"]["message"].as_str();
        let said: String = said.unwrap_or("nothing").chars().take(200).collect();
        return Err(format!(
            "it injects nothing into a plain pod, and says {said}"
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

/// A volume without a source becomes an `emptyDir` when the API server takes it.
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

/// The mesh configurations that gateways of the charts mount: by namespace and name, whether what they
/// say to proxies is harmless.
#[derive(Debug, Default)]
pub(in crate::facts) struct MeshFiles {
    /// The names that they have: `istio`, `istio-REVISION`.
    names: Vec<String>,
    /// Those that exist; all of them unknown where they could not be listed.
    found: Option<BTreeMap<(String, String), bool>>,
    /// Of control planes, which alone decide on what is in their own namespaces.
    trusted: BTreeSet<String>,
}

impl MeshFiles {
    /// Whether a pod of that namespace may mount the ConfigMap.
    pub(super) fn permit(&self, namespace: &str, name: &str) -> bool {
        if !self.names.iter().any(|known| known == name) {
            return false;
        }
        if self.trusted.contains(namespace) {
            return true;
        }
        let key = (namespace.to_owned(), name.to_owned());
        let found = self.found.as_ref();
        // The charts mount it whether it is there or not.
        found.is_some_and(|found| found.get(&key).copied().unwrap_or(true))
    }
}

#[cfg(test)]
impl MeshFiles {
    /// Those of the default revision: namespace, name, and whether they are harmless.
    pub(super) fn of(found: &[(&str, &str, bool)], trusted: &str) -> MeshFiles {
        let found = found.iter().map(|&(namespace, name, harmless)| {
            ((namespace.to_owned(), name.to_owned()), harmless)
        });
        MeshFiles {
            names: vec!["istio".to_owned(), "istio-canary".to_owned()],
            found: Some(found.collect()),
            trusted: BTreeSet::from([trusted.to_owned()]),
        }
    }
}

/// Reads the mesh configurations of the revisions in every namespace.
async fn mesh_files(session: &Session, revisions: &[&str], trusted: BTreeSet<String>) -> MeshFiles {
    let names: Vec<String> = revisions
        .iter()
        .map(|&revision| match revision {
            "default" => "istio".to_owned(),
            revision => format!("istio-{revision}"),
        })
        .collect();
    let mut found = BTreeMap::new();
    let mut complete = true;
    for name in &names {
        let path = format!("/api/v1/configmaps?limit=500&fieldSelector=metadata.name%3D{name}");
        let Ok(list) = session.raw_within(&path, MESH_FILES_LIMIT).await else {
            complete = false;
            break;
        };
        let more = list["metadata"]["continue"].as_str();
        complete &= more.is_none_or(str::is_empty);
        for map in list["items"].as_array().into_iter().flatten() {
            let namespace = map["metadata"]["namespace"].as_str().unwrap_or_default();
            // A pod may mount any of its keys as the file that the agent reads.
            let texts = map["data"]
                .as_object()
                .into_iter()
                .flat_map(|keys| keys.values());
            let mut settings = texts
                .flat_map(|text| proxy_config::of_mesh(name, text.as_str().unwrap_or_default()));
            let harmless = map["binaryData"].is_null()
                && settings
                    .all(|setting: Setting| Rules::builtin().permit(PROXY, &setting, &trusted));
            found.insert((namespace.to_owned(), name.clone()), harmless);
        }
    }
    MeshFiles {
        names,
        found: complete.then_some(found),
        trusted,
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

    const MAPS: &str = r#"{"metadata":{},"items":[
        {"metadata":{"namespace":"bad","name":"istio"},"data":{"x":"defaultConfig: {binaryPath: /x}"}},
        {"metadata":{"namespace":"binary","name":"istio"},"binaryData":{"mesh":"eA=="}},
        {"metadata":{"namespace":"good","name":"istio"},"data":{"mesh":"defaultConfig: {concurrency: 2}","meshNetworks":"networks: {}"}}]}"#;

    /// What pods may have in a cluster whose injector answers so.
    fn asked(injector: fn() -> (u16, String)) -> Permitted {
        let service = move |request: Request<Body>| async move {
            let (status, body) = match request.uri().path() {
                "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations" => {
                    (200, HOOKS.to_owned())
                }
                "/api/v1/configmaps" => (200, MAPS.to_owned()),
                "/api/v1/namespaces/istio-system/services/https:istiod:15017/proxy/inject/cluster/c" => {
                    injector()
                }
                other => (404, format!("no {other}")),
            };
            Response::builder()
                .status(status)
                .body(Body::from(body.into_bytes()))
                .unwrap()
        };
        let cluster = Cluster::answering(service, Duration::from_secs(5));
        cluster
            .run(async |session| permitted(session, &["default"]).await)
            .unwrap()
    }

    fn patched(patch: &Value) -> String {
        let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
        json!({"response": {"allowed": true, "patch": patch, "patchType": "JSONPatch"}}).to_string()
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
        assert!(matches!(permitted.references["default"], Fact::Known(_)));
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
                Some(Fact::Unknown(why)) => why,
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
    fn mesh_configurations_of_tenants_are_read_whatever_key_they_mount() {
        let files = asked(|| (403, String::new())).mesh_files;
        for (namespace, name, permit) in [
            ("istio-system", "istio", true),
            ("absent", "istio", true),
            ("good", "istio", true),
            ("bad", "istio", false),
            ("binary", "istio", false),
            ("absent", "mine", false),
        ] {
            assert_eq!(files.permit(namespace, name), permit, "{namespace}/{name}");
        }
    }
}
