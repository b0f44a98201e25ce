//! Waits for conditions of the cluster, by watch.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{ListParams, ObjectList, WatchEvent, WatchParams};
use kube::core::Request as Path;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{ClusterError, Result, Session};

/// The pause before a watch that ended starts again.
const AGAIN: Duration = Duration::from_millis(500);

/// How long an API server may be unavailable during a wait, because it is replaced or restarts.
const AWAY: Duration = Duration::from_secs(15);

/// The objects that a wait watches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    pub namespace: Option<String>,
    /// Label selector; empty for none.
    pub labels: String,
    /// Field selector; empty for none.
    pub fields: String,
}

impl Session {
    /// Waits until `holds` returns true for the objects by `namespace/name`, for at most `limit`.
    ///
    /// Returns false if this did not happen in time. If the API server does not answer for a short
    /// time, the request is repeated.
    pub async fn until<K>(
        &self,
        watched: &Watched,
        limit: Duration,
        mut holds: impl FnMut(&BTreeMap<String, K>) -> bool,
    ) -> Result<bool>
    where
        K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let waiting = async {
            let mut away: Option<Instant> = None;
            loop {
                match self.watch(watched, &mut holds).await {
                    Ok(true) => return Ok(true),
                    Ok(false) => away = None,
                    Err(error) if !error.is_temporary() => return Err(error),
                    Err(error) => {
                        let since = *away.get_or_insert_with(Instant::now);
                        if since.elapsed() > AWAY {
                            return Err(error);
                        }
                    }
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::time::timeout(limit, waiting)
            .await
            .unwrap_or(Ok(false))
    }

    /// Lists the objects and watches them. Returns true if `holds` became true before the watch
    /// ended.
    async fn watch<K>(
        &self,
        watched: &Watched,
        holds: &mut impl FnMut(&BTreeMap<String, K>) -> bool,
    ) -> Result<bool>
    where
        K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let path = K::url_path(&(), watched.namespace.as_deref());
        let list = ListParams::default()
            .labels(&watched.labels)
            .fields(&watched.fields);
        let list: ObjectList<K> = self
            .ask(&path, Path::new(path.as_str()).list(&list))
            .await?;
        let version = list.metadata.resource_version.unwrap_or_default();
        let mut objects: BTreeMap<String, K> = list
            .items
            .into_iter()
            .map(|object| (key(&object), object))
            .collect();
        if holds(&objects) {
            return Ok(true);
        }
        let params = WatchParams::default()
            .labels(&watched.labels)
            .fields(&watched.fields);
        let request = Path::new(path.as_str())
            .watch(&params, &version)
            .map_err(|error| ClusterError::Garbled {
                what: path.clone(),
                reason: error.to_string(),
            })?;
        let opened = self.client.request_events::<K>(request);
        let mut events = std::pin::pin!(self.within(self.timeout, &path, opened).await?);
        while let Some(event) = events.next().await {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    objects.insert(key(&object), object);
                }
                Ok(WatchEvent::Deleted(object)) => {
                    objects.remove(&key(&object));
                }
                Ok(WatchEvent::Bookmark(_)) => continue,
                // Expired or interrupted: the caller lists again.
                Ok(WatchEvent::Error(_)) | Err(_) => return Ok(false),
            }
            if holds(&objects) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn key<K: kube::Resource>(object: &K) -> String {
    let meta = object.meta();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    format!("{namespace}/{}", meta.name.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;

    use super::*;
    use crate::sys::cluster::Cluster;

    const LIST: &str = r#"{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[]}"#;
    const EVENTS: &str = concat!(
        r#"{"type":"ADDED","object":{"metadata":{"name":"a","namespace":"n"}}}"#,
        "\n",
        r#"{"type":"DELETED","object":{"metadata":{"name":"a","namespace":"n"}}}"#,
        "\n",
        r#"{"type":"ADDED","object":{"metadata":{"name":"b","namespace":"n"}}}"#,
        "\n"
    );

    fn cluster() -> Cluster {
        let answer = |request: Request<Body>| async move {
            let watching = request
                .uri()
                .query()
                .unwrap_or_default()
                .contains("watch=true");
            let from = request
                .uri()
                .query()
                .unwrap_or_default()
                .contains("resourceVersion=7");
            let body = if watching && from { EVENTS } else { LIST };
            Response::new(Body::from(body.as_bytes().to_vec()))
        };
        Cluster::answering(answer, Duration::from_secs(5))
    }

    fn wait(limit: Duration, holds: impl Fn(Vec<&str>) -> bool) -> Result<bool> {
        let waited = cluster().run(async |session| {
            let watched = Watched::default();
            let keys = |objects: &BTreeMap<String, ConfigMap>| {
                holds(objects.keys().map(String::as_str).collect())
            };
            session.until(&watched, limit, keys).await
        });
        waited?
    }

    #[test]
    fn it_ends_when_the_predicate_holds_of_what_is_left() {
        assert_eq!(
            wait(Duration::from_secs(5), |keys| keys == ["n/b"]),
            Ok(true)
        );
    }

    #[test]
    fn waits_for_an_api_server_that_is_away_for_a_moment() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let answer = move |_| {
            let begins = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            async move {
                let (status, body) = if begins {
                    (503, "starting")
                } else {
                    (200, LIST)
                };
                let body = Body::from(body.as_bytes().to_vec());
                Response::builder().status(status).body(body).unwrap()
            }
        };
        let cluster = Cluster::answering(answer, Duration::from_secs(5));
        let waited = cluster.run(async |session| {
            let none = |objects: &BTreeMap<String, ConfigMap>| objects.is_empty();
            session
                .until(&Watched::default(), Duration::from_secs(5), none)
                .await
        });
        assert_eq!(waited.unwrap(), Ok(true));
    }

    #[test]
    fn it_ends_false_when_the_time_is_over() {
        assert_eq!(
            wait(Duration::from_millis(100), |keys| keys == ["n/c"]),
            Ok(false)
        );
    }
}
