//! Objects of a mesh, as the real API server shows them.

use serde_json::{Value, json};

use crate::api::{Answer, Api};
use crate::env::TestEnv;

/// Hub of the mesh.
pub(crate) const HUB: &str = "us-docker.pkg.dev/soloio-img/istio";

/// A cluster that shows a healthy mesh of `tag` once istioctl has installed in `env`.
pub(crate) fn installs(tag: &str) -> (Api, TestEnv) {
    let api = Api::new();
    let env = TestEnv::with(&api);
    api.after(env.log().join("install-1.json"), mesh(HUB, tag));
    says(&api, tag.contains("-fips"));
    injects(&api, tag);
    (api, env)
}

/// What istiod and the gateway say of themselves through the pod proxy.
pub(crate) fn says(api: &Api, fips: bool) {
    let go = if fips {
        "go1.26.8 X:boringcrypto"
    } else {
        "go1.26.8"
    };
    let text = format!("# TYPE go_info gauge\ngo_info{{version=\"{go}\"}} 1\n");
    let metrics = |pod: &str| format!("/api/v1/namespaces/istio-system/pods/{pod}");
    api.answer(
        "GET",
        &metrics("istiod-1:15014/proxy/metrics"),
        Answer::Raw(200, "text/plain", text.into_bytes()),
    );
    let mode = u8::from(fips);
    let text = format!(
        "# TYPE envoy_server_compilation_settings_fips_mode gauge\nenvoy_server_compilation_settings_fips_mode{{}} {mode}\n"
    );
    api.answer(
        "GET",
        &metrics("istio-ingressgateway-1:15090/proxy/"),
        Answer::Raw(200, "text/plain", text.into_bytes()),
    );
}

/// What the injector makes of a new pod.
pub(crate) fn injects(api: &Api, tag: &str) {
    injects_image(api, &format!("{HUB}/proxyv2:{tag}"));
}

/// The same with an image of any place.
pub(crate) fn injects_image(api: &Api, image: &str) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "probe", "namespace": "default", "annotations": {"sidecar.istio.io/status": "{}"}},
        "spec": {
            "containers": [{"name": "probe", "image": "probe"}],
            "initContainers": [
                {"name": "istio-init", "image": image},
                {"name": "istio-proxy", "image": image, "restartPolicy": "Always"},
            ],
        },
    });
    api.answer(
        "POST",
        "/api/v1/namespaces/default/pods?",
        Answer::Json(201, pod),
    );
    let proxy = json!({"name": "istio-proxy", "image": image});
    let patch = json!([{"op": "add", "path": "/spec/containers/1", "value": proxy}]);
    let patch = k8s_openapi::ByteString(patch.to_string().into_bytes());
    api.answer(
        "POST",
        INJECTOR,
        Answer::Json(200, json!({"response": {"allowed": true, "patch": patch}})),
    );
}

/// Where the injector is asked what it gives plain pods.
pub(crate) const INJECTOR: &str =
    "/api/v1/namespaces/istio-system/services/https:istiod:443/proxy/inject";

/// Everything that an install of the default preset leaves behind.
pub(crate) fn mesh(hub: &str, tag: &str) -> Vec<Value> {
    let mut all = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system", "uid": "ns"}}),
        deployment("istiod", "discovery", &format!("{hub}/pilot:{tag}")),
        deployment("istio-ingressgateway", "istio-proxy", "auto"),
        pod("istiod", "discovery", &format!("{hub}/pilot:{tag}")),
        pod(
            "istio-ingressgateway",
            "istio-proxy",
            &format!("{hub}/proxyv2:{tag}"),
        ),
        service("istiod"),
        endpoints("istiod"),
    ];
    for (kind, name) in [
        ("MutatingWebhookConfiguration", "istio-sidecar-injector"),
        ("MutatingWebhookConfiguration", "istio-revision-tag-default"),
        (
            "ValidatingWebhookConfiguration",
            "istio-validator-istio-system",
        ),
        ("ValidatingWebhookConfiguration", "istiod-default-validator"),
    ] {
        all.push(webhook(kind, name));
    }
    all.extend(
        CRDS.iter()
            .map(|(group, plural, kind)| crd(group, plural, kind)),
    );
    all
}

const CRDS: &[(&str, &str, &str)] = &[
    (
        "security.istio.io",
        "authorizationpolicies",
        "AuthorizationPolicy",
    ),
    ("networking.istio.io", "destinationrules", "DestinationRule"),
    ("networking.istio.io", "envoyfilters", "EnvoyFilter"),
    ("networking.istio.io", "gateways", "Gateway"),
    (
        "security.istio.io",
        "peerauthentications",
        "PeerAuthentication",
    ),
    ("networking.istio.io", "proxyconfigs", "ProxyConfig"),
    (
        "security.istio.io",
        "requestauthentications",
        "RequestAuthentication",
    ),
    ("networking.istio.io", "serviceentries", "ServiceEntry"),
    ("networking.istio.io", "sidecars", "Sidecar"),
    ("telemetry.istio.io", "telemetries", "Telemetry"),
    ("networking.istio.io", "virtualservices", "VirtualService"),
    (
        "extensions.istio.io",
        "trafficextensions",
        "TrafficExtension",
    ),
    ("extensions.istio.io", "wasmplugins", "WasmPlugin"),
    ("networking.istio.io", "workloadentries", "WorkloadEntry"),
    ("networking.istio.io", "workloadgroups", "WorkloadGroup"),
];

fn crd(group: &str, plural: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}"), "uid": plural},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1", "served": true, "storage": true}],
        },
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    })
}

/// The same for pods: with the hash of their `ReplicaSet`.
fn pod_labels(name: &str) -> Value {
    let mut labels = labels(name);
    labels["pod-template-hash"] = json!("5d8f");
    labels
}

fn labels(name: &str) -> Value {
    json!({
        "app": name, "istio": name.trim_start_matches("istio-"), "istio.io/rev": "default",
        "operator.istio.io/managed": "Reconcile", "operator.istio.io/component": "Pilot",
        "install.operator.istio.io/owning-resource": "glooistio",
    })
}

pub(crate) fn deployment(name: &str, container: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": name, "namespace": "istio-system", "uid": format!("{name}-uid"),
            "generation": 1, "labels": labels(name),
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels(name)},
                "spec": {"containers": [{"name": container, "image": image}]},
            },
        },
        "status": {
            "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [{"type": "Available", "status": "True"}],
        },
    })
}

pub(crate) fn pod(name: &str, container: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{name}-1"), "namespace": "istio-system", "uid": format!("{name}-1"), "labels": pod_labels(name),
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{name}-5d8f"), "uid": "rs", "controller": true}],
        },
        "spec": {"nodeName": "node-0", "containers": [{"name": container, "image": image}]},
        "status": {
            "phase": "Running", "podIP": "10.244.0.9",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{
                "name": container, "image": image, "ready": true, "restartCount": 0, "started": true,
                "imageID": format!("registry.example/x@sha256:{:064}", 7), "state": {"running": {}},
            }],
        },
    })
}

fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "istio-system", "labels": labels(name)},
        "spec": {"selector": {"app": name}, "ports": [{"name": "https-webhook", "port": 443, "targetPort": 15017}]},
    })
}

fn endpoints(service: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": format!("{service}-abcde"), "namespace": "istio-system",
            "labels": {"kubernetes.io/service-name": service},
        },
        "endpoints": [{"addresses": ["10.244.0.9"], "conditions": {"ready": true}}],
        "ports": [{"name": "https-webhook", "port": 15017}],
    })
}

fn webhook(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {
            "name": name, "uid": name,
            "labels": {"app": "sidecar-injector", "istio.io/rev": "default", "operator.istio.io/managed": "Reconcile"},
        },
        "webhooks": [{
            "name": "rev.namespace.sidecar-injector.istio.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail",
            "namespaceSelector": {"matchLabels": {"istio-injection": "enabled"}},
            "clientConfig": {
                "caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",
                "service": {"name": "istiod", "namespace": "istio-system", "path": "/inject", "port": 443},
            },
        }],
    })
}
