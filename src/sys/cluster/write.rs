//! The few requests that write: access reviews, dry runs, and the record.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request as Path;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ClusterError, Result, Session};

/// The field manager of the fields that this program writes.
pub const MANAGER: &str = "glooistio";

/// A permission to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    pub verb: &'static str,
    pub group: &'static str,
    /// `pods`, or `pods/proxy`.
    pub resource: &'static str,
    /// `None` for all namespaces, or for cluster-scoped resources.
    pub namespace: Option<&'a str>,
}

impl Session {
    /// Returns true if the user has the permission, with the reason that the API server gives.
    pub async fn may(&self, access: Access<'_>) -> Result<(bool, String)> {
        let (resource, subresource) = match access.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (access.resource, None),
        };
        let resource_attributes = Some(ResourceAttributes {
            verb: Some(access.verb.to_owned()),
            group: Some(access.group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource,
            namespace: access.namespace.map(str::to_owned),
            ..ResourceAttributes::default()
        });
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes,
            ..Default::default()
        };
        let review = SelfSubjectAccessReview {
            spec,
            ..Default::default()
        };
        let answer = self.create(None, &review, &PostParams::default()).await?;
        let status = answer.status.unwrap_or_default();
        let reason = status
            .reason
            .or(status.evaluation_error)
            .unwrap_or_default();
        Ok((status.allowed, reason))
    }

    /// Returns the object that would be stored if `object` were created. Admission runs, but
    /// nothing is stored.
    pub async fn dry_run<K>(&self, namespace: Option<&str>, object: &K) -> Result<K>
    where
        K: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let dry = PostParams {
            dry_run: true,
            field_manager: Some(MANAGER.to_owned()),
        };
        self.create(namespace, object, &dry).await
    }

    async fn create<K>(&self, namespace: Option<&str>, object: &K, how: &PostParams) -> Result<K>
    where
        K: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        let path = K::url_path(&(), namespace);
        let body = serde_json::to_vec(object).map_err(|error| ClusterError::Garbled {
            what: path.clone(),
            reason: error.to_string(),
        })?;
        self.ask(&path, Path::new(path.as_str()).create(how, body))
            .await
    }

    /// Applies `object` by server-side apply. It takes over the fields that it contains.
    pub async fn apply<K>(&self, namespace: Option<&str>, object: &K) -> Result<K>
    where
        K: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned + std::fmt::Debug,
    {
        let path = K::url_path(&(), namespace);
        let name = object.meta().name.as_deref().unwrap_or_default();
        let how = PatchParams::apply(MANAGER).force();
        let request = Path::new(path.as_str()).patch(name, &how, &Patch::Apply(object));
        self.ask(&path, request).await
    }
}
