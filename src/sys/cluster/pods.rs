//! The one big list: pods, page by page, as protobuf, and only the fields that are looked at.

use http::Request;
use http::header::ACCEPT;
use kube::client::Body;
use prost::Message;
use tokio::task::JoinSet;

use super::message::{Pod, PodList, Unknown};
use super::{ClusterError, Result, Session};

/// Pods of one page.
const PAGE: usize = 500;

/// Bytes that a page may have.
const PAGE_LIMIT: usize = 256 << 20;

/// How often a list begins anew because its continuation expired.
const RESTARTS: u32 = 3;

/// First choice first; the server takes the first that it knows.
const FORMATS: &str = "application/vnd.kubernetes.protobuf, application/json;q=0.9";

/// What stands before every protobuf answer.
const MAGIC: &[u8] = b"k8s\0";

const WHAT: &str = "pods";

/// What comes next in the list.
#[derive(Debug, Clone, PartialEq)]
pub enum Pages {
    Pods(Vec<Pod>),
    /// The list expired on the way and begins anew: what was folded so far does not count.
    Restarted,
}

/// All pods of a cluster, one page ahead of whoever reads them.
pub struct PodPages {
    session: Session,
    selector: String,
    /// The page under way; ends with the list.
    next: JoinSet<Result<PodList>>,
    restarts: u32,
}

impl Session {
    /// Begins to list the pods with these labels (all where empty), in every namespace.
    pub fn pods(&self, selector: &str) -> PodPages {
        let mut pages = PodPages {
            session: self.clone(),
            selector: selector.to_owned(),
            next: JoinSet::new(),
            restarts: 0,
        };
        pages.fetch(String::new());
        pages
    }

    /// A pod as it is now; none where the API server knows that there is none.
    ///
    /// Whoever stands in front of it and knows no such path says nothing of the pod.
    pub async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let request = Request::get(&path)
            .header(ACCEPT, "application/json")
            .body(Body::empty());
        let answer = self.send(&path, request, self.timeout, PAGE_LIMIT).await?;
        if answer.denies(WHAT, name) {
            return Ok(None);
        }
        let body = answer.success(&path)?;
        serde_json::from_slice(&body)
            .map_err(|error| ClusterError::Garbled {
                what: path,
                reason: error.to_string(),
            })
            .map(Some)
    }

    async fn page(self, path: String) -> Result<PodList> {
        let request = Request::get(path)
            .header(ACCEPT, FORMATS)
            .body(Body::empty());
        let answer = self.send(WHAT, request, self.timeout, PAGE_LIMIT).await?;
        decode(&answer.success(WHAT)?)
    }
}

impl PodPages {
    /// The next page, or nothing after the last.
    pub async fn next(&mut self) -> Option<Result<Pages>> {
        let fetched = self.next.join_next().await?;
        let page = fetched.unwrap_or_else(|error| {
            Err(ClusterError::Lost {
                what: WHAT.to_owned(),
                reason: error.to_string(),
            })
        });
        match page {
            Ok(page) => {
                let continuation = page
                    .metadata
                    .map(|meta| meta.continuation)
                    .unwrap_or_default();
                if !continuation.is_empty() {
                    self.fetch(continuation);
                }
                Some(Ok(Pages::Pods(page.items)))
            }
            Err(ClusterError::Api { code: 410, .. }) if self.restarts < RESTARTS => {
                self.restarts += 1;
                self.fetch(String::new());
                Some(Ok(Pages::Restarted))
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn fetch(&mut self, continuation: String) {
        let mut query = vec![("limit", PAGE.to_string())];
        if !self.selector.is_empty() {
            query.push(("labelSelector", self.selector.clone()));
        }
        if !continuation.is_empty() {
            query.push(("continue", continuation));
        }
        let path = format!("/api/v1/pods?{}", super::session::query(&query));
        self.next.spawn(self.session.clone().page(path));
    }
}

fn decode(body: &bytes::Bytes) -> Result<PodList> {
    let garbled = |reason: String| ClusterError::Garbled {
        what: WHAT.to_owned(),
        reason,
    };
    if body.starts_with(MAGIC) {
        let unknown = Unknown::decode(body.slice(MAGIC.len()..));
        let list = unknown.and_then(|unknown| PodList::decode(unknown.raw));
        list.map_err(|error| garbled(error.to_string()))
    } else {
        serde_json::from_slice(body).map_err(|error| garbled(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use http::Response;
    use proptest::prelude::*;

    use super::super::message::{ListMeta, Meta};
    use super::*;
    use crate::sys::cluster::Cluster;

    fn pod(name: &str) -> Pod {
        Pod {
            metadata: Meta {
                name: name.to_owned(),
                ..Meta::default()
            },
            ..Pod::default()
        }
    }

    fn protobuf(names: &[&str], continuation: &str) -> Vec<u8> {
        let metadata = Some(ListMeta {
            continuation: continuation.to_owned(),
        });
        let items = names.iter().map(|name| pod(name)).collect();
        let raw = PodList { metadata, items }.encode_to_vec().into();
        [MAGIC, &Unknown { raw }.encode_to_vec()].concat()
    }

    fn names(cluster: &Cluster) -> Result<Vec<String>> {
        let folded = cluster.run(async |session| {
            let (mut pages, mut names) = (session.pods(""), Vec::new());
            while let Some(page) = pages.next().await {
                match page? {
                    Pages::Pods(pods) => names.extend(pods.into_iter().map(|it| it.metadata.name)),
                    Pages::Restarted => names.clear(),
                }
            }
            Ok(names)
        });
        folded?
    }

    type Recorded = (u16, fn() -> Vec<u8>);

    fn answering(answers: &'static [Recorded]) -> Cluster {
        let asked = Arc::new(AtomicUsize::new(0));
        let answer = move |_| {
            let at = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let (status, body) = answers[at];
            async move {
                Response::builder()
                    .status(status)
                    .body(Body::from(body()))
                    .unwrap()
            }
        };
        Cluster::answering(answer, Duration::from_secs(5))
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let cluster = answering(&[
            (200, || protobuf(&["a", "b"], "more")),
            (200, || protobuf(&["c"], "")),
        ]);
        assert_eq!(names(&cluster).unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn an_expired_list_begins_anew_and_gives_up_in_the_end() {
        let once = answering(&[
            (200, || protobuf(&["a"], "more")),
            (410, || {
                br#"{"kind":"Status","code":410,"message":"expired"}"#.to_vec()
            }),
            (200, || protobuf(&["b"], "")),
        ]);
        assert_eq!(names(&once).unwrap(), ["b"]);
        let always = answering(&[(410, || {
            br#"{"kind":"Status","code":410,"message":"expired"}"#.to_vec()
        })]);
        assert!(matches!(
            names(&always),
            Err(ClusterError::Api { code: 410, .. })
        ));
    }

    #[test]
    fn json_says_the_same_as_protobuf() {
        let json = br#"{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"more"},"items":[{
            "metadata":{"name":"a","namespace":"n","deletionTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"x"},
              "ownerReferences":[{"kind":"ReplicaSet","name":"r","controller":true}]},
            "spec":{"nodeName":"node","initContainers":[{"name":"istio-proxy","image":"i","restartPolicy":"Always","command":["a"],"args":["b"],
                "volumeMounts":[{"name":"v","mountPath":"/usr"}],"envFrom":[{"configMapRef":{"name":"m"}}],
                "env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"x"}}}]}],
              "ephemeralContainers":[{"name":"debug","image":"d","targetContainerName":"c"}]},
            "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],
              "containerStatuses":[{"name":"c","imageID":"sha","ready":true,"restartCount":2,"state":{"running":{"startedAt":"x"}}}]}}]}"#;
        let list = decode(&bytes::Bytes::from_static(json)).unwrap();
        let encoded = Unknown {
            raw: list.encode_to_vec().into(),
        }
        .encode_to_vec();
        assert_eq!(decode(&[MAGIC, &encoded].concat().into()).unwrap(), list);
        let pod = &list.items[0];
        assert_eq!(pod.status.container_statuses[0].image_id, "sha");
        let native = &pod.spec.init_containers[0];
        assert_eq!(native.restart_policy, "Always");
        assert_eq!(
            (&native.command[..], &native.args[..]),
            (&["a".into()][..], &["b".into()][..])
        );
        assert_eq!(native.volume_mounts[0].mount_path, "/usr");
        assert!(native.env_from.len() == 1 && native.env[0].value_from.is_some());
        assert_eq!(pod.spec.ephemeral_containers[0].container.image, "d");
        assert!(
            pod.metadata.deletion_timestamp.is_some()
                && pod.metadata.owner_references[0].controller
        );
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>, magic: bool) {
            let body = if magic { [MAGIC, &body].concat() } else { body };
            decode(&body.into()).ok();
        }
    }
}
