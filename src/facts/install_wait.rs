//! Waiting for what others write after istioctl has ended: istiod into its webhooks, controllers of Kubernetes into
//! endpoints and statuses. Nothing of it is judged before it can be there.

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

/// How long istiod is waited for that makes a webhook refuse what it cannot judge. It tries itself whether it is
/// reached, at growing intervals; nothing is judged by it, so that it holds up an install no longer than this.
const FAIL_CLOSED: Duration = Duration::from_secs(15);

/// How long a new pod may stay without a proxy when everything that injection needs is there.
const INJECTED: Duration = Duration::from_secs(30);

/// The webhook configurations of a cluster at one moment: uid and generation, by name; `None` for a kind that could not
/// be read.
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

/// What an install did to the webhooks of a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Changed<'a> {
    /// The revision that was installed.
    pub revision: &'a str,
    /// Namespace of its control plane.
    pub namespace: &'a str,
    pub before: &'a WebhookVersions,
}

impl Changed<'_> {
    /// Whether an object is of the revision, or was created or changed since; without a reading from before, only the
    /// revision counts.
    fn concerns(&self, hook: &Webhook, meta: &ObjectMeta) -> bool {
        let before = match hook.kind {
            WebhookKind::Mutating => &self.before.mutating,
            WebhookKind::Validating => &self.before.validating,
        };
        let is_changed = |before: &Versions| before.get(name(meta)) != Some(&version(meta));
        hook.revision == self.revision || before.as_ref().is_some_and(is_changed)
    }
}

/// Waits until every webhook configuration that an install created or changed is complete and reaches a ready istiod,
/// its definitions are established, and a new pod is given a proxy; all of it for at most `limit`.
///
/// What is not there in time, or may not be read, is left to the checks.
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
        // Gateways can be of a revision that has no injector: then no pod is given a proxy, however long it takes.
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

/// What may not be read, or gets no answer for too long, is not waited for: the install is over, and the checks say
/// what is not known of it. The only error is an interruption.
fn ignore_unless_interrupted<T>(waited: Result<T>) -> Result<()> {
    match waited.map(drop) {
        Err(ClusterError::Interrupted) => Err(ClusterError::Interrupted),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether new pods of a revision are given a proxy by this webhook.
fn injects(hook: &Webhook, revision: &str) -> bool {
    hook.kind == WebhookKind::Mutating && !hook.deactivated && hook.revision == revision
}

/// Waits until the API server trusts whom the webhooks call, and somebody is there to be called.
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
    // That of a control plane elsewhere, which is called by URL, is switched there or never.
    let is_closed = |hook: &Webhook| {
        let is_own = hook.kind == WebhookKind::Validating && hook.service.is_some();
        !is_own || hook.fail_closed || hook.deactivated
    };
    hooks(session, changed, limit, is_closed).await.map(drop)
}

/// Waits until `holds` of all webhooks that were changed; returns the Services that they call.
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
    // The right to read one kind can be there without the other.
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

/// Waits until the API server serves every definition of Istio.
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
        // Without a reading from before, nothing tells a change.
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
