//! Namespaces of gateways: istioctl creates only the one of the control plane.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::sys::cluster::{Cluster, Result};

/// Creates a namespace unless it exists; an existing one is not changed. Returns whether it was created.
pub fn ensure(cluster: &Cluster, name: &str) -> Result<bool> {
    cluster.run(async |session| {
        if session.get::<Namespace>(None, name).await?.is_some() {
            return Ok(false);
        }
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        session.apply(None, &namespace).await.map(|_| true)
    })?
}
