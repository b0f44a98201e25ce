//! Injection and validation webhooks, revision tags, and whether their Services have a ready endpoint.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::ResourceExt;
use kube::api::ListParams;

use super::Observed;
use super::control_plane::{homes, revision};
use crate::sys::cluster::{Result, Session};

/// The label with the name of a revision tag.
const TAG: &str = "istio.io/tag";

/// The label that istioctl adds to every selector of a webhook that it deactivates.
const NEVER: &str = "istio.io/deactivated";

/// The rights that are needed to read webhooks.
pub(super) const RIGHTS: &str =
    "list of mutating- and validatingwebhookconfigurations, and of services and endpointslices";

const BY_URL: &str = "called by URL, not by Service";

/// An injection or validation webhook of Istio.
///
/// A revision tag that is only a Service (Istio 1.28 and later) is represented as a mutating webhook that
/// selects nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub kind: WebhookKind,
    pub name: String,
    /// `istio.io/rev`; `default` if it is missing.
    pub revision: String,
    /// `istio.io/tag` of a revision tag.
    pub tag: Option<String>,
    /// Namespace and name of the Service that is called, if any.
    pub service: Option<(String, String)>,
    /// Whether that Service exists and has a ready endpoint.
    pub service_ready: Observed<bool>,
    /// Whether every webhook in the configuration has a CA bundle.
    pub ca_bundle: bool,
    /// Deactivated by istioctl: it selects nothing.
    pub deactivated: bool,
    pub fail_closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKind {
    Mutating,
    Validating,
}

/// One entry of a webhook configuration.
struct Entry<'a> {
    name: &'a str,
    client: &'a WebhookClientConfig,
    fails: Option<&'a str>,
    selects: Option<&'a LabelSelector>,
}

/// Returns the webhooks of the cluster, and the tags in the namespaces of control planes, including `named`.
pub(super) async fn webhooks(session: &Session, named: &str) -> Result<Vec<Webhook>> {
    let mut found = configurations(session).await?;
    let tagged = ListParams::default().labels(TAG);
    let homes = homes(&found, named);
    let listed = homes.iter();
    let listed =
        listed.map(async |home| session.list::<Service>(Some(home.as_str()), &tagged).await);
    let services: Result<Vec<_>> = join_all(listed).await.into_iter().collect();
    let known: BTreeSet<String> = found.iter().filter_map(|hook| hook.tag.clone()).collect();
    found.extend(
        services?
            .iter()
            .flatten()
            .filter_map(tag_service)
            .filter(|hook| hook.tag.as_ref().is_some_and(|tag| !known.contains(tag))),
    );
    ask_services(session, &mut found).await;
    Ok(found)
}

/// Returns the webhook configurations of Istio, without the readiness of their Services.
pub(super) async fn configurations(session: &Session) -> Result<Vec<Webhook>> {
    let all = ListParams::default();
    let (mutating, validating) = futures::join!(
        session.list::<MutatingWebhookConfiguration>(None, &all),
        session.list::<ValidatingWebhookConfiguration>(None, &all),
    );
    let (mutating, validating) = (mutating?, validating?);
    let mutating = mutating.iter().filter_map(self::mutating);
    Ok(mutating
        .chain(validating.iter().filter_map(self::validating))
        .collect())
}

fn mutating_entries(configuration: &MutatingWebhookConfiguration) -> Vec<Entry<'_>> {
    let hooks = configuration.webhooks.iter().flatten();
    hooks
        .map(|hook| Entry {
            name: &hook.name,
            client: &hook.client_config,
            fails: hook.failure_policy.as_deref(),
            selects: hook.namespace_selector.as_ref(),
        })
        .collect()
}

fn validating_entries(configuration: &ValidatingWebhookConfiguration) -> Vec<Entry<'_>> {
    let hooks = configuration.webhooks.iter().flatten();
    hooks
        .map(|hook| Entry {
            name: &hook.name,
            client: &hook.client_config,
            fails: hook.failure_policy.as_deref(),
            selects: hook.namespace_selector.as_ref(),
        })
        .collect()
}

fn webhook(kind: WebhookKind, meta: &ObjectMeta, entries: &[Entry<'_>]) -> Option<Webhook> {
    entries
        .iter()
        .find(|entry| entry.name.ends_with(".istio.io"))?;
    let none = BTreeMap::new();
    let labels = meta.labels.as_ref().unwrap_or(&none);
    let service = entries
        .iter()
        .find_map(|entry| entry.client.service.as_ref());
    let bundled = |entry: &Entry<'_>| {
        entry
            .client
            .ca_bundle
            .as_ref()
            .is_some_and(|bundle| !bundle.0.is_empty())
    };
    let never = |entry: &Entry<'_>| {
        let labels = entry
            .selects
            .and_then(|selector| selector.match_labels.as_ref());
        labels.is_some_and(|labels| labels.contains_key(NEVER))
    };
    Some(Webhook {
        kind,
        name: meta.name.clone().unwrap_or_default(),
        revision: revision(labels),
        tag: labels.get(TAG).cloned(),
        service: service.map(|service| (service.namespace.clone(), service.name.clone())),
        service_ready: Observed::NotCollected(BY_URL),
        ca_bundle: entries.iter().all(bundled),
        deactivated: entries.iter().all(never),
        fail_closed: entries.iter().any(|entry| entry.fails != Some("Ignore")),
    })
}

/// Reads an injection webhook; `None` for those of other programs.
pub(super) fn mutating(configuration: &MutatingWebhookConfiguration) -> Option<Webhook> {
    let entries = mutating_entries(configuration);
    webhook(WebhookKind::Mutating, &configuration.metadata, &entries)
}

/// Reads a validation webhook; `None` for those of other programs.
pub(super) fn validating(configuration: &ValidatingWebhookConfiguration) -> Option<Webhook> {
    let entries = validating_entries(configuration);
    webhook(WebhookKind::Validating, &configuration.metadata, &entries)
}

/// Reads a tag in the form of a Service; it selects no pods for injection.
fn tag_service(service: &Service) -> Option<Webhook> {
    let place = (service.namespace().unwrap_or_default(), service.name_any());
    Some(Webhook {
        kind: WebhookKind::Mutating,
        name: place.1.clone(),
        revision: revision(service.labels()),
        tag: Some(service.labels().get(TAG)?.clone()),
        service: Some(place),
        service_ready: Observed::NotCollected(BY_URL),
        ca_bundle: true,
        deactivated: true,
        fail_closed: false,
    })
}

/// Sets the readiness of the Services. Each Service is read once, however many webhooks call it.
async fn ask_services(session: &Session, hooks: &mut [Webhook]) {
    let places: BTreeSet<(String, String)> = hooks
        .iter()
        .filter_map(|hook| hook.service.clone())
        .collect();
    let asking = places
        .iter()
        .map(async |(namespace, name)| ready(session, namespace, name).await);
    let answers: Vec<Observed<bool>> = join_all(asking)
        .await
        .into_iter()
        .map(Observed::from)
        .collect();
    let known: BTreeMap<_, _> = places.into_iter().zip(answers).collect();
    for hook in hooks {
        if let Some(answer) = hook.service.as_ref().and_then(|place| known.get(place)) {
            hook.service_ready = answer.clone();
        }
    }
}

/// Checks whether the Service exists and has a ready endpoint.
async fn ready(session: &Session, namespace: &str, name: &str) -> Result<bool> {
    let selector = format!("kubernetes.io/service-name={name}");
    let of_service = ListParams::default().labels(&selector);
    let (service, slices) = futures::join!(
        session.get::<Service>(Some(namespace), name),
        session.list::<EndpointSlice>(Some(namespace), &of_service),
    );
    let (service, slices) = (service?, slices?);
    Ok(service.is_some() && has_ready_endpoint(slices.iter()))
}

/// Checks whether a Service has a ready endpoint.
pub(super) fn has_ready_endpoint<'a>(slices: impl Iterator<Item = &'a EndpointSlice>) -> bool {
    let mut endpoints = slices.flat_map(|slice| &slice.endpoints);
    endpoints.any(|endpoint| {
        let conditions = endpoint.conditions.as_ref();
        // An endpoint without a condition counts as ready, by definition of the API.
        conditions
            .and_then(|conditions| conditions.ready)
            .unwrap_or(true)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(configuration: serde_json::Value) -> Option<Webhook> {
        let parsed: MutatingWebhookConfiguration = serde_json::from_value(configuration).unwrap();
        mutating(&parsed)
    }

    #[expect(clippy::needless_pass_by_value, reason = "literals are handed in")]
    fn entry(bundle: &str, selector: serde_json::Value) -> serde_json::Value {
        json!({"name": "rev.namespace.sidecar-injector.istio.io", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "namespaceSelector": selector, "clientConfig": {
                "caBundle": bundle, "service": {"name": "istiod", "namespace": "istio-system"}}})
    }

    #[test]
    fn an_injector_is_live_unless_every_selector_is_switched_off() {
        let never = json!({"matchLabels": {NEVER: "never-match"}});
        let live = read(json!({"metadata": {"name": "a"}, "webhooks":
            [entry("YQ==", json!({})), entry("YQ==", never.clone())]}))
        .unwrap();
        assert!(!live.deactivated && live.ca_bundle && live.fail_closed);
        assert_eq!(live.service, Some(("istio-system".into(), "istiod".into())));
        let off = read(json!({"metadata": {"name": "a"}, "webhooks": [entry("", never)]})).unwrap();
        assert!(off.deactivated && !off.ca_bundle);
    }

    #[test]
    fn revision_and_tag_come_from_the_labels() {
        let labels = json!({"name": "a", "labels": {"istio.io/rev": "x", "istio.io/tag": "prod"}});
        let hook = read(json!({"metadata": labels, "webhooks": [entry("", json!({}))]})).unwrap();
        assert_eq!(
            (hook.revision.as_str(), hook.tag.as_deref()),
            ("x", Some("prod"))
        );
    }

    #[test]
    fn webhooks_of_others_are_left_out() {
        let other = json!({"metadata": {"name": "a"}, "webhooks": [{"name": "pods.example.com",
            "clientConfig": {}, "sideEffects": "None", "admissionReviewVersions": []}]});
        assert_eq!(read(other), None);
    }
}
