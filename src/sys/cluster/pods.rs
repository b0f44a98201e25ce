//! Lists pods page by page as protobuf, with only the fields that are used.

use http::Request;
use http::header::ACCEPT;
use kube::client::Body;
use prost::Message;
use tokio::task::JoinSet;

use super::message::{JsonPodList, Named, Pod, PodList, Unknown};
use super::text::repair;
use super::{ClusterError, Result, Session};

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

/// The maximum number of pods of one page: about 3 MB for pods of usual size. Two pages are held in
/// memory.
const PAGE: usize = 250;

/// The maximum number of bytes of a page, about five times the size of a page of usual pods. A
/// single pod is smaller: the API server refuses requests of more than 3 MiB.
const PAGE_LIMIT: usize = 16 << 20;

/// The factor by which a page shrinks after one that was too large, and grows after one that was
/// not.
const STEP: usize = 8;

/// The maximum number of times that a list starts again because its continuation expired.
const RESTARTS: u32 = 3;

/// The formats in order of preference; the server uses the first that it supports.
const FORMATS: &str = "application/vnd.kubernetes.protobuf, application/json;q=0.9";

/// The prefix of every protobuf answer.
const MAGIC: &[u8] = b"k8s\0";

const WHAT: &str = "pods";

/// The next part of the list.
#[derive(Debug, Clone, PartialEq)]
pub enum Pages {
    Pods(Vec<Listed>),
    /// The list expired and starts again: the pods so far do not count.
    Restarted,
}

/// A pod of the list, or the name of a pod that cannot be read, with the reason.
pub type Listed = std::result::Result<Pod, Unreadable>;

/// A pod that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub namespace: String,
    pub name: String,
    pub reason: String,
}

/// All pods of a cluster, fetched one page ahead of the reader.
pub struct PodPages {
    session: Session,
    path: String,
    selector: String,
    /// The page that is being fetched; empty after the last one.
    next: JoinSet<Result<Page>>,
    /// The continuation at which that page begins.
    begin: String,
    /// The maximum number of pods that it may have.
    size: usize,
    restarts: u32,
}

/// A page, and the continuation of the next one.
#[derive(Debug, PartialEq)]
struct Page {
    continuation: String,
    pods: Vec<Listed>,
}

impl Session {
    /// Starts to list the pods with these labels (all if empty), of one namespace or of all.
    pub fn pods(&self, namespace: Option<&str>, selector: &str) -> PodPages {
        let path = match namespace {
            Some(namespace) => format!("/api/v1/namespaces/{namespace}/pods"),
            None => "/api/v1/pods".to_owned(),
        };
        let mut pages = PodPages {
            session: self.clone(),
            path,
            selector: selector.to_owned(),
            next: JoinSet::new(),
            begin: String::new(),
            size: PAGE,
            restarts: 0,
        };
        pages.fetch();
        pages
    }

    /// Returns a pod as it is now, or `None` if the API server states that it does not exist.
    ///
    /// A 404 from a proxy in front of the API server that does not know the path is an error
    /// instead.
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

    async fn page(self, path: String) -> Result<Page> {
        let request = Request::get(path)
            .header(ACCEPT, FORMATS)
            .body(Body::empty());
        let answer = self.send(WHAT, request, self.timeout, PAGE_LIMIT).await?;
        decode(&answer.success(WHAT)?)
    }
}

impl PodPages {
    /// Returns the next page, or `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<Pages>> {
        let fetched = self.next.join_next().await?;
        let page = fetched.unwrap_or_else(|error| {
            Err(ClusterError::Lost {
                what: WHAT.to_owned(),
                reason: error.to_string(),
            })
        });
        match page {
            Ok(Page { continuation, pods }) => {
                if !continuation.is_empty() {
                    self.begin = continuation;
                    self.size = self.size.saturating_mul(STEP).min(PAGE);
                    self.fetch();
                }
                Some(Ok(Pages::Pods(pods)))
            }
            // Pods can be made large on purpose: a smaller page holds fewer of them.
            Err(ClusterError::TooLarge { .. }) if self.size > 1 => {
                self.size = (self.size / STEP).max(1);
                self.fetch();
                Some(Ok(Pages::Pods(Vec::new())))
            }
            Err(ClusterError::Api { code: 410, .. }) if self.restarts < RESTARTS => {
                self.restarts += 1;
                self.begin = String::new();
                self.fetch();
                Some(Ok(Pages::Restarted))
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn fetch(&mut self) {
        let mut query = vec![("limit", self.size.to_string())];
        if !self.selector.is_empty() {
            query.push(("labelSelector", self.selector.clone()));
        }
        if !self.begin.is_empty() {
            query.push(("continue", self.begin.clone()));
        }
        let path = format!("{}?{}", self.path, super::session::query(&query));
        self.next.spawn(self.session.clone().page(path));
    }
}

fn decode(body: &bytes::Bytes) -> Result<Page> {
    let garbled = |reason: String| ClusterError::Garbled {
        what: WHAT.to_owned(),
        reason,
    };
    let (metadata, pods) = if body.starts_with(MAGIC) {
        let unknown = Unknown::decode(body.slice(MAGIC.len()..));
        let list = unknown.and_then(|unknown| PodList::decode(unknown.raw));
        let list = list.map_err(|error| garbled(error.to_string()))?;
        (
            list.metadata,
            list.items.into_iter().map(of_bytes).collect(),
        )
    } else {
        let list: JsonPodList =
            serde_json::from_slice(body).map_err(|error| garbled(error.to_string()))?;
        let items = list.items.unwrap_or_default();
        (list.metadata, items.iter().map(of_json).collect())
    };
    let continuation = metadata.map(|meta| meta.continuation);
    Ok(Page {
        continuation: continuation.unwrap_or_default(),
        pods,
    })
}

fn of_bytes(bytes: bytes::Bytes) -> Listed {
    let error = match Pod::decode(bytes.clone()) {
        Ok(pod) => return Ok(pod),
        Err(error) => error,
    };
    let repaired = repair(&bytes);
    match repaired.as_deref().map(Pod::decode) {
        Some(Ok(pod)) => Ok(pod),
        _ => Err(unreadable(Named::decode(bytes).unwrap_or_default(), &error)),
    }
}

fn of_json(value: &serde_json::Value) -> Listed {
    use serde::Deserialize as _;
    Pod::deserialize(value).map_err(|error| {
        let named = Named::deserialize(value).unwrap_or_default();
        unreadable(named, &error)
    })
}

fn unreadable(named: Named, error: &dyn std::fmt::Display) -> Unreadable {
    Unreadable {
        namespace: named.metadata.namespace,
        name: named.metadata.name,
        reason: error.to_string(),
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
        let items = names.iter().map(|name| pod(name).encode_to_vec().into());
        list(metadata, items.collect())
    }

    fn list(metadata: Option<ListMeta>, items: Vec<bytes::Bytes>) -> Vec<u8> {
        let raw = PodList { metadata, items }.encode_to_vec().into();
        [MAGIC, &Unknown { raw }.encode_to_vec()].concat()
    }

    fn names(cluster: &Cluster) -> Result<Vec<String>> {
        let folded = cluster.run(async |session| {
            let (mut pages, mut names) = (session.pods(None, ""), Vec::new());
            while let Some(page) = pages.next().await {
                match page? {
                    Pages::Pods(pods) => names.extend(pods.into_iter().map(|it| match it {
                        Ok(pod) => pod.metadata.name,
                        Err(unreadable) => format!("unreadable {}", unreadable.name),
                    })),
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
        let page = decode(&bytes::Bytes::from_static(json)).unwrap();
        let pod = page.pods[0].as_ref().unwrap();
        let metadata = Some(ListMeta {
            continuation: page.continuation.clone(),
        });
        let encoded = list(metadata, vec![pod.encode_to_vec().into()]);
        assert_eq!(decode(&encoded.into()).unwrap(), page);
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
        let deleted = pod
            .metadata
            .deletion_timestamp
            .as_ref()
            .map(|it| it.seconds);
        assert_eq!(deleted, Some(1_767_225_600));
        assert!(pod.metadata.owner_references[0].controller);
    }

    /// Returns a pod with an annotation that is not UTF-8.
    fn broken(name: &str) -> bytes::Bytes {
        let mut pod = pod(name);
        let annotation = ("note".to_owned(), "ZZ".to_owned());
        pod.metadata.annotations.extend([annotation]);
        let mut bytes = pod.encode_to_vec();
        let at = bytes.windows(2).position(|it| it == b"ZZ").unwrap();
        bytes[at] = 0xff;
        bytes.into()
    }

    #[test]
    fn a_pod_that_is_not_utf_8_is_read_like_any_other() {
        let items = vec![pod("a").encode_to_vec().into(), broken("b")];
        let page = decode(&list(None, items).into()).unwrap();
        let broken = page.pods[1].as_ref().unwrap();
        assert_eq!(broken.metadata.name, "b");
        assert_eq!(broken.metadata.annotations["note"], "?Z");
    }

    #[test]
    fn a_pod_that_cannot_be_read_is_named_and_keeps_no_other_from_being_read() {
        // The status of this pod is a number.
        let mut odd = pod("b").encode_to_vec();
        odd.extend([0x18, 0x01]);
        let items = vec![odd.into(), pod("c").encode_to_vec().into()];
        let protobuf = list(None, items);
        let json = br#"{"items":[{"metadata":{"name":"b","namespace":"n","labels":7}},{"metadata":{"name":"c"}}]}"#;
        for body in [protobuf, json.to_vec()] {
            let page = decode(&body.into()).unwrap();
            assert_eq!(page.pods[0].as_ref().unwrap_err().name, "b");
            assert_eq!(page.pods[1].as_ref().unwrap().metadata.name, "c");
        }
    }

    #[test]
    fn an_empty_list_may_be_null() {
        let page = decode(&bytes::Bytes::from_static(
            br#"{"metadata":{},"items":null}"#,
        ));
        assert_eq!(page.unwrap().pods, []);
    }

    #[test]
    fn pages_that_are_too_large_are_asked_for_in_parts() {
        let cluster = answering(&[
            (200, || vec![b' '; PAGE_LIMIT + 1]),
            (200, || vec![b' '; PAGE_LIMIT + 1]),
            (200, || protobuf(&["a"], "more")),
            (200, || protobuf(&["b"], "")),
        ]);
        assert_eq!(names(&cluster).unwrap(), ["a", "b"]);
        let never = answering(&[(200, || vec![b' '; PAGE_LIMIT + 1])]);
        assert!(matches!(names(&never), Err(ClusterError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>, magic: bool) {
            let body = if magic { [MAGIC, &body].concat() } else { body };
            decode(&body.into()).ok();
        }
    }
}
