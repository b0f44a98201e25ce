//! Waits for changes that follow after istioctl has ended: istiod completes its webhooks, and controllers of
//! Kubernetes write endpoints and statuses. The checks run only after these had time to appear.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::ListParams;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::injected::until_injected;
use super::webhook::{has_ready_endpoint, mutating, validating};
use super::{Namespace, Webhook, WebhookKind, platform, webhook};
use crate::sys::cluster::{Cluster, ClusterError, Result, Session, Watched};

/// Longest wait for istiod to switch its validating webhook to `Fail`. istiod first tests at growing intervals
/// whether it is reachable. No check depends on it, so it does not delay an install any longer.
const FAIL_CLOSED: Duration = Duration::from_secs(15);

/// Longest wait for a new pod to get a proxy once everything that injection needs exists.
const INJECTED: Duration = Duration::from_secs(30);

/// The webhook configurations of a cluster at one moment: uid and generation, by name; `None` for a kind that
/// could not be read.
#[derive(Debug, Clone, Default)]
pub struct WebhookVersions {
    mutating: Option<Versions>,
    validating: Option<Versions>,
}

type Versions = BTreeMap<String, (Option<String>, Option<i64>)>;

/// Returns the webhook configurations as they are before an install changes them.
pub fn webhook_versions(cluster: &Cluster) -> WebhookVersions {
    let read = cluster.run(async |session| {
        let all = ListParams::default();
        let (mutating, validating) = futures::join!(
            session.list::<MutatingWebhookConfiguration>(None, &all),
            session.list::<ValidatingWebhookConfiguration>(None, &all),
        );
        WebhookVersions {
            mutating: versions(mutating),
            validating: versions(validating),
        }
    });
    read.unwrap_or_default()
}

fn versions<K: Resource>(listed: Result<Vec<K>>) -> Option<Versions> {
    let listed = listed.ok()?;
    let metas = listed.iter().map(Resource::meta);
    let versions = metas.map(|meta| (name(meta).to_owned(), version(meta)));
    Some(versions.collect())
}

fn name(meta: &ObjectMeta) -> &str {
    meta.name.as_deref().unwrap_or_default()
}

fn version(meta: &ObjectMeta) -> (Option<String>, Option<i64>) {
    (meta.uid.clone(), meta.generation)
}

/// An install, for finding the webhooks that it changed.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    /// The installed revision.
    pub revision: &'a str,
    /// Namespace of its control plane.
    pub namespace: &'a str,
    pub before: &'a WebhookVersions,
}

impl Changed<'_> {
    /// Checks whether an object belongs to the revision, or was created or changed by the install; if the
    /// earlier state is not known, only the revision counts.
    fn concerns(&self, hook: &Webhook, meta: &ObjectMeta) -> bool {
        let before = match hook.kind {
            WebhookKind::Mutating => &self.before.mutating,
            WebhookKind::Validating => &self.before.validating,
        };
        let is_changed = |before: &Versions| before.get(name(meta)) != Some(&version(meta));
        hook.revision == self.revision || before.as_ref().is_some_and(is_changed)
    }
}

/// Waits until every webhook configuration that an install created or changed is complete and reaches a ready
/// istiod, the CRDs of Istio are established, and a new pod gets a proxy; all within `limit`.
///
/// The checks report what is missing after that time or may not be read.
pub fn wait_until_complete(cluster: &Cluster, changed: Changed<'_>, limit: Duration) -> Result<()> {
    let started = Instant::now();
    let left = || limit.saturating_sub(started.elapsed());
    cluster.run(async |session| {
        let (established, bundles) = futures::join!(
            wait_for_definitions(session, limit),
            wait_for_trust(session, changed, left),
        );
        ignore_unless_interrupted(established)?;
        ignore_unless_interrupted(bundles)?;
        ignore_unless_interrupted(
            wait_for_fail_closed(session, changed, left().min(FAIL_CLOSED)).await,
        )?;
        // Gateways can use a revision without an injector: then no pod ever gets a proxy.
        let hooks = webhook::configurations(session).await.unwrap_or_default();
        if !hooks.iter().any(|hook| injects(hook, changed.revision)) {
            return Ok(());
        }
        let namespaces = platform::namespaces(session).await.unwrap_or_default();
        let outside = namespaces.iter().filter(|it| it.name != changed.namespace);
        let outside: Vec<&Namespace> = outside.collect();
        until_injected(session, changed.revision, &outside, left().min(INJECTED)).await;
        Ok(())
    })?
}

/// Ignores every error but an interruption: the install is over, so the wait ends if something may not be read
/// or does not answer in time, and the checks report what is unknown.
fn ignore_unless_interrupted<T>(waited: Result<T>) -> Result<()> {
    match waited.map(drop) {
        Err(ClusterError::Interrupted) => Err(ClusterError::Interrupted),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Checks whether this webhook gives new pods of a revision a proxy.
fn injects(hook: &Webhook, revision: &str) -> bool {
    hook.kind == WebhookKind::Mutating && !hook.deactivated && hook.revision == revision
}

/// Waits until the API server has a CA bundle for the webhooks, and the Services that they call have a ready
/// endpoint.
async fn wait_for_trust(
    session: &Session,
    changed: Changed<'_>,
    left: impl Fn() -> Duration,
) -> Result<()> {
    let is_trusted = |hook: &Webhook| hook.ca_bundle || hook.deactivated;
    let services = hooks(session, changed, left(), is_trusted).await?;
    let waits = services.iter().map(async |(namespace, name)| {
        let watched = Watched {
            namespace: Some(namespace.clone()),
            labels: format!("kubernetes.io/service-name={name}"),
            ..Watched::default()
        };
        let answers =
            |slices: &BTreeMap<String, EndpointSlice>| has_ready_endpoint(slices.values());
        session.until(&watched, left(), answers).await.map(drop)
    });
    join_all(waits).await.into_iter().collect()
}

/// Waits until istiod has switched validation from `Ignore` to `Fail`.
async fn wait_for_fail_closed(
    session: &Session,
    changed: Changed<'_>,
    limit: Duration,
) -> Result<()> {
    // The webhook of a control plane outside of the cluster is called by URL, and this istiod never switches
    // it.
    let is_closed = |hook: &Webhook| {
        let is_own = hook.kind == WebhookKind::Validating && hook.service.is_some();
        !is_own || hook.fail_closed || hook.deactivated
    };
    hooks(session, changed, limit, is_closed).await.map(drop)
}

/// Waits until `holds` is true for all changed webhooks; returns the Services that they call.
async fn hooks(
    session: &Session,
    changed: Changed<'_>,
    limit: Duration,
    holds: impl Fn(&Webhook) -> bool,
) -> Result<BTreeSet<(String, String)>> {
    let (mut called, mut called_too) = (BTreeSet::new(), BTreeSet::new());
    let all = Watched::default();
    let (first, second) = futures::join!(
        session.until(&all, limit, |found| {
            complete(found, mutating, changed, &holds, &mut called)
        }),
        session.until(&all, limit, |found| {
            complete(found, validating, changed, &holds, &mut called_too)
        }),
    );
    // The right to read one kind can exist without that for the other.
    ignore_unless_interrupted(first)?;
    ignore_unless_interrupted(second)?;
    called.append(&mut called_too);
    Ok(called)
}

fn complete<K: Resource + DeserializeOwned>(
    found: &BTreeMap<String, K>,
    read: fn(&K) -> Option<Webhook>,
    changed: Changed<'_>,
    holds: &impl Fn(&Webhook) -> bool,
    called: &mut BTreeSet<(String, String)>,
) -> bool {
    let hooks = found.values();
    let hooks = hooks.filter_map(|it| read(it).filter(|hook| changed.concerns(hook, it.meta())));
    let hooks: Vec<Webhook> = hooks.collect();
    let active = hooks.iter().filter(|hook| !hook.deactivated);
    *called = active.filter_map(|hook| hook.service.clone()).collect();
    hooks.iter().all(holds)
}

/// Waits until the API server serves every CRD of Istio.
async fn wait_for_definitions(session: &Session, limit: Duration) -> Result<()> {
    let all = Watched::default();
    let served = |found: &BTreeMap<String, Definition>| {
        let mut own = found
            .values()
            .filter(|it| name(&it.metadata).ends_with(".istio.io"));
        own.all(Definition::is_established)
    };
    session.until(&all, limit, served).await.map(drop)
}

/// A `CustomResourceDefinition` without its schemas.
#[derive(Debug, Clone, Deserialize)]
struct Definition {
    metadata: ObjectMeta,
    #[serde(default)]
    status: DefinitionStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct DefinitionStatus {
    #[serde(default)]
    conditions: Vec<DefinitionCondition>,
}

#[derive(Debug, Clone, Deserialize)]
struct DefinitionCondition {
    r#type: String,
    status: String,
}

impl Definition {
    fn is_established(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|it| it.r#type == "Established" && it.status == "True")
    }
}

impl Resource for Definition {
    type DynamicType = ();
    type Scope = kube::core::ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "CustomResourceDefinition".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "apiextensions.k8s.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "customresourcedefinitions".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn validator(
        revision: &str,
        generation: i64,
        bundle: &str,
        policy: &str,
    ) -> ValidatingWebhookConfiguration {
        let configuration = json!({
            "metadata": {"name": format!("istio-validator-{revision}"), "uid": "u", "generation": generation,
                "labels": {"istio.io/rev": revision}},
            "webhooks": [{"name": "rev.validation.istio.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "failurePolicy": policy, "clientConfig": {"caBundle": bundle,
                    "service": {"name": "istiod", "namespace": "istio-system"}}}],
        });
        serde_json::from_value(configuration).unwrap()
    }

    fn awaited(configuration: &ValidatingWebhookConfiguration, before: &WebhookVersions) -> bool {
        let changed = Changed {
            revision: "default",
            namespace: "istio-system",
            before,
        };
        changed.concerns(&validating(configuration).unwrap(), &configuration.metadata)
    }

    #[test]
    fn only_an_interruption_ends_a_wait_as_an_error() {
        assert!(ignore_unless_interrupted::<()>(Err(ClusterError::Interrupted)).is_err());
        for error in [
            ClusterError::Forbidden("webhooks".to_owned()),
            ClusterError::TooLarge {
                what: "webhooks".to_owned(),
                limit: 1,
            },
            ClusterError::Lost {
                what: "webhooks".to_owned(),
                reason: "reset".to_owned(),
            },
        ] {
            assert_eq!(ignore_unless_interrupted::<()>(Err(error)), Ok(()));
        }
    }

    #[test]
    fn awaits_webhooks_of_the_revision_and_those_that_were_changed() {
        let old = validator("old", 3, "YQ==", "Fail");
        let before = WebhookVersions {
            validating: versions(Ok(vec![old.clone()])),
            ..WebhookVersions::default()
        };
        assert!(!awaited(&old, &before));
        assert!(awaited(&validator("old", 4, "YQ==", "Fail"), &before));
        assert!(awaited(&validator("new", 1, "YQ==", "Fail"), &before));
        assert!(awaited(&validator("default", 3, "YQ==", "Fail"), &before));
        // Without the earlier state, nothing shows a change.
        let unread = WebhookVersions::default();
        assert!(!awaited(&validator("new", 1, "YQ==", "Fail"), &unread));
        assert!(awaited(&validator("default", 3, "YQ==", "Fail"), &unread));
    }

    #[test]
    fn webhook_is_complete_with_a_bundle_and_names_the_service_that_is_called() {
        let before = WebhookVersions::default();
        let changed = Changed {
            revision: "default",
            namespace: "istio-system",
            before: &before,
        };
        for (bundle, wanted) in [("", false), ("YQ==", true)] {
            let found =
                BTreeMap::from([("a".to_owned(), validator("default", 1, bundle, "Ignore"))]);
            let mut called = BTreeSet::new();
            let is_trusted = |hook: &Webhook| hook.ca_bundle;
            assert_eq!(
                complete(&found, validating, changed, &is_trusted, &mut called),
                wanted
            );
            assert_eq!(
                called,
                BTreeSet::from([("istio-system".to_owned(), "istiod".to_owned())])
            );
        }
    }
}
