//! Requests to the API server and their answers.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::ACCEPT;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::{ListParams, ObjectList};
use kube::client::Body;
use kube::core::Request as Path;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ClusterError, Result, Session};

/// The maximum number of names that are listed of objects that anyone may create.
const NAMES: usize = 50;

/// The maximum number of bytes of their metadata.
const NAMES_LIMIT: usize = 16 << 20;

/// The formats in order of preference: metadata alone, if the API server supports it.
const METADATA: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json;q=0.9";

/// The locations of objects, as `(namespace, name)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub places: Vec<(String, String)>,
    /// True if there are more of them.
    pub more: bool,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct NameList {
    metadata: NameListMeta,
    items: Option<Vec<NameItem>>,
}

/// A page of objects, and the continuation of the next one.
pub struct ObjectPage<T> {
    pub items: Vec<T>,
    /// Empty after the last page.
    pub continuation: String,
    /// The number of bytes of the answer.
    pub bytes: usize,
}

#[derive(Deserialize)]
struct Objects<T> {
    #[serde(default)]
    metadata: NameListMeta,
    items: Option<Vec<T>>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct NameListMeta {
    #[serde(rename = "continue")]
    continuation: String,
}

#[derive(Deserialize)]
struct NameItem {
    metadata: NameMeta,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct NameMeta {
    namespace: String,
    name: String,
}

/// The maximum number of times that a request is repeated after the API server postponed it (429).
const PUT_OFF: u32 = 5;

impl Session {
    /// Returns the version of the API server.
    pub async fn version(&self) -> Result<Info> {
        self.raw("/version").await
    }

    /// Returns the object at a path, as any type that can be deserialized.
    pub async fn raw<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = Request::get(path).body(Vec::new());
        self.ask(path, request).await
    }

    /// Lists the objects of a kind: of one namespace, of all namespaces, or of the cluster.
    pub async fn list<K>(&self, namespace: Option<&str>, params: &ListParams) -> Result<Vec<K>>
    where
        K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned,
    {
        let path = K::url_path(&(), namespace);
        let request = Path::new(path.as_str()).list(params);
        self.ask::<ObjectList<K>, _>(&path, request)
            .await
            .map(|list| list.items)
    }

    /// Returns one object, or `None` if it does not exist.
    pub async fn get<K>(&self, namespace: Option<&str>, name: &str) -> Result<Option<K>>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned,
    {
        let path = format!("{}/{name}", K::url_path(&(), namespace));
        match self.raw(&path).await {
            Ok(object) => Ok(Some(object)),
            Err(ClusterError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the names of the first objects of all namespaces that match a label selector.
    ///
    /// For objects that anyone may create: number and size of the answers are limited, however many
    /// and large the objects are.
    pub async fn names(&self, path: &str, selector: &str) -> Result<Names> {
        let (mut places, mut begin, mut size) = (Vec::new(), String::new(), NAMES);
        while places.len() < NAMES {
            match self.names_page(path, selector, size, &begin).await {
                // Long annotations cannot hide objects: a page of a single object always fits.
                Err(ClusterError::TooLarge { .. }) if size > 1 => size = 1,
                Err(error) => return Err(error),
                Ok(list) => {
                    let items = list.items.unwrap_or_default().into_iter();
                    places.extend(items.map(|item| (item.metadata.namespace, item.metadata.name)));
                    begin = list.metadata.continuation;
                    if begin.is_empty() {
                        break;
                    }
                }
            }
        }
        let more = places.len() > NAMES || !begin.is_empty();
        places.truncate(NAMES);
        Ok(Names { places, more })
    }

    async fn names_page(
        &self,
        path: &str,
        selector: &str,
        size: usize,
        begin: &str,
    ) -> Result<NameList> {
        let mut pairs = vec![
            ("limit", size.to_string()),
            ("labelSelector", selector.to_owned()),
        ];
        if !begin.is_empty() {
            pairs.push(("continue", begin.to_owned()));
        }
        let request = Request::get(format!("{path}?{}", query(&pairs)))
            .header(ACCEPT, METADATA)
            .body(Body::empty());
        let answer = self.send(path, request, self.timeout, NAMES_LIMIT).await?;
        parsed(path, &answer.success(path)?)
    }

    /// Returns a page of the objects at a path, starting at the continuation `begin`, with a limit
    /// on their number and their bytes.
    pub async fn objects<T: DeserializeOwned>(
        &self,
        path: &str,
        begin: &str,
        (number, size): (usize, usize),
    ) -> Result<ObjectPage<T>> {
        let mut pairs = vec![("limit", number.to_string())];
        pairs.extend((!begin.is_empty()).then(|| ("continue", begin.to_owned())));
        let request = Request::get(format!("{path}?{}", query(&pairs))).body(Body::empty());
        let answer = self.send(path, request, self.timeout, size).await?;
        let body = answer.success(path)?;
        let list: Objects<T> = parsed(path, &body)?;
        Ok(ObjectPage {
            items: list.items.unwrap_or_default(),
            continuation: list.metadata.continuation,
            bytes: body.len(),
        })
    }

    /// Returns one object of at most `size` bytes, or `None` if it does not exist.
    pub async fn bounded<T: DeserializeOwned>(&self, path: &str, size: usize) -> Result<Option<T>> {
        let request = Request::get(path).body(Body::empty());
        let answer = self.send(path, request, self.timeout, size).await?;
        match answer.success(path) {
            Ok(body) => parsed(path, &body).map(Some),
            Err(ClusterError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request for JSON and parses the answer.
    pub(super) async fn ask<T, E>(
        &self,
        what: &str,
        request: std::result::Result<Request<Vec<u8>>, E>,
    ) -> Result<T>
    where
        T: DeserializeOwned,
        E: std::fmt::Display,
    {
        let request = request.map_err(|error| ClusterError::Garbled {
            what: what.to_owned(),
            reason: error.to_string(),
        })?;
        let asking = async {
            let mut left = PUT_OFF;
            loop {
                match self.client.request(request.clone()).await {
                    Err(kube::Error::Api(status)) if status.code == 429 && left > 0 => left -= 1,
                    answer => break answer,
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        self.within(self.timeout, what, asking).await
    }

    /// Sends a request and reads at most `size` bytes of the answer, whatever its status is.
    pub(super) async fn send(
        &self,
        what: &str,
        request: http::Result<Request<Body>>,
        limit: Duration,
        size: usize,
    ) -> Result<Answer> {
        let garbled = |reason: String| ClusterError::Garbled {
            what: what.to_owned(),
            reason,
        };
        let request = request.map_err(|error| garbled(error.to_string()))?;
        let asking = async {
            let response = self.client.send(request).await?;
            let status = response.status().as_u16();
            Ok((
                status,
                Limited::new(response.into_body(), size).collect().await,
            ))
        };
        let (status, body) = self.within(limit, what, asking).await?;
        match body {
            Ok(body) => Ok(Answer {
                status,
                body: body.to_bytes(),
            }),
            Err(error) if error.is::<LengthLimitError>() => Err(ClusterError::TooLarge {
                what: what.to_owned(),
                limit: size,
            }),
            Err(error) => Err(ClusterError::of(
                &kube::Error::Service(error),
                what,
                &self.server,
            )),
        }
    }

    /// Waits for an answer, but at most `limit`.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        asking: impl Future<Output = kube::Result<T>>,
    ) -> Result<T> {
        match tokio::time::timeout(limit, asking).await {
            Ok(answer) => answer.map_err(|error| ClusterError::of(&error, what, &self.server)),
            Err(_) => Err(ClusterError::Timeout {
                what: what.to_owned(),
                seconds: limit.as_secs(),
            }),
        }
    }
}

fn parsed<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| ClusterError::Garbled {
        what: what.to_owned(),
        reason: error.to_string(),
    })
}

/// An answer of any status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Answer {
    /// Returns true if the API server itself states that the object does not exist: it understood
    /// the path and names the object.
    pub(super) fn denies(&self, plural: &str, name: &str) -> bool {
        let status = serde_json::from_slice::<kube::core::Status>(&self.body).ok();
        let details = status
            .filter(|_| self.status == 404)
            .and_then(|status| status.details);
        details.is_some_and(|details| details.kind == plural && details.name == name)
    }

    /// Returns the body of a success, or the error that the answer stands for.
    pub(super) fn success(self, what: &str) -> Result<Bytes> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        // The API server answers with Status objects. But a pod behind its proxy, or a gateway in
        // front of the API, can do so too: their messages are a reason, and never proof that a pod
        // is gone.
        match serde_json::from_slice::<kube::core::Status>(&self.body) {
            Ok(status) if status.code == self.status => {
                Err(ClusterError::answered(status.code, &status.message, what))
            }
            _ => Err(ClusterError::Api {
                what: what.to_owned(),
                code: self.status,
                message: String::from_utf8_lossy(&self.body)
                    .chars()
                    .take(200)
                    .collect(),
            }),
        }
    }
}

/// Builds a query string. Keys are written as they are, values are escaped.
pub(super) fn query(pairs: &[(&str, String)]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |value: &str| -> String {
        value
            .bytes()
            .map(|b| {
                if plain(b) {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect()
    };
    pairs
        .iter()
        .map(|(key, value)| format!("{key}={}", escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;
    use crate::sys::cluster::Cluster;

    #[test]
    fn long_annotations_hide_no_object() {
        let page = |name: &str, next: &str| {
            format!(
                r#"{{"metadata":{{"continue":"{next}"}},"items":[{{"metadata":{{"namespace":"shop","name":"{name}"}}}}]}}"#
            )
        };
        let answer = move |request: Request<Body>| async move {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let body = if !query.contains("limit=1&") {
                " ".repeat(NAMES_LIMIT + 1)
            } else if query.ends_with("&continue=x") {
                page("b", "")
            } else {
                page("a", "x")
            };
            Response::new(Body::from(body.into_bytes()))
        };
        let cluster = Cluster::answering(answer, Duration::from_secs(5));
        let named = cluster.run(async |session| session.names("/x", "app=y").await);
        let named = named.unwrap().unwrap();
        let places = ["a", "b"].map(|name| ("shop".to_owned(), name.to_owned()));
        assert_eq!((named.places, named.more), (places.to_vec(), false));
    }

    #[test]
    fn names_of_objects_end_after_so_many() {
        let answer = |_| async {
            let item = r#"{"metadata":{"namespace":"shop","name":"a"}}"#;
            let items = vec![item; NAMES - 1].join(",");
            let body = format!(r#"{{"metadata":{{"continue":"x"}},"items":[{items}]}}"#);
            Response::new(Body::from(body.into_bytes()))
        };
        let cluster = Cluster::answering(answer, Duration::from_secs(5));
        let named = cluster.run(async |session| session.names("/x", "app=y").await);
        let named = named.unwrap().unwrap();
        assert_eq!((named.places.len(), named.more), (NAMES, true));
    }
}
