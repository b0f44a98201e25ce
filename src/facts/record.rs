//! The record of an install, for the next upgrade and verification: a ConfigMap per revision.
//!
//! istioctl does not store its inputs. The record is owned by the istiod Deployment of its revision, so that it
//! is deleted with it.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Deserialize;

use super::control_plane::{DEFAULT, REVISION, control_planes_in};
use super::{ControlPlane, Record};
use crate::render::sha256;
use crate::sys::cluster::{Cluster, ClusterError, MANAGER, Result, Session};

const MANAGED: &str = "app.kubernetes.io/managed-by";

const OURS: &str = "glooistio";

/// Key of the record in the ConfigMap's data.
const KEY: &str = "record.json";

/// Key of its hash: a record that was edited is not evidence of an install.
const HASH: &str = "record.sha256";

/// Bytes that the response with a record may have: a ConfigMap holds 1 MiB, which JSON may have to escape.
const LIMIT: usize = 8 << 20;

const CONFIG_MAPS: &str = "/api/v1/configmaps";

/// The records of control planes, each in the control plane's namespace under the name for its revision.
///
/// Any namespace can contain a similar `ConfigMap`: none of those is read.
#[derive(Debug, Clone, Default)]
pub struct Records {
    kept: BTreeMap<(String, String), Kept>,
}

/// A record, and what is known about its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub record: Written,
    /// The tool that last wrote its data, if it was not glooistio: `kubectl-edit (Update)`.
    pub foreign: Option<String>,
}

/// A record, or why it cannot be used.
type Written = std::result::Result<Record, String>;

impl Records {
    /// Returns the record of a control plane.
    pub fn of(&self, plane: &ControlPlane) -> Option<&Kept> {
        self.kept.get(&place(plane))
    }

    /// Returns all records.
    pub(super) fn all(self) -> Vec<Written> {
        self.kept.into_values().map(|kept| kept.record).collect()
    }
}

/// A ConfigMap, as far as a record needs it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stored {
    metadata: StoredMeta,
    data: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StoredMeta {
    namespace: String,
    name: String,
    managed_fields: Vec<ManagedFields>,
}

/// The last writer of a set of fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ManagedFields {
    manager: String,
    operation: String,
    subresource: String,
    fields_v1: serde_json::Value,
}

fn place(plane: &ControlPlane) -> (String, String) {
    (plane.namespace.clone(), record_name(&plane.revision))
}

/// Returns the name of a revision's record.
pub fn record_name(revision: &str) -> String {
    let base = "glooistio-record";
    if revision == DEFAULT {
        base.to_owned()
    } else {
        format!("{base}-{revision}")
    }
}

/// Writes the record of a revision and replaces an older one.
pub fn write_record(cluster: &Cluster, namespace: &str, record: &Record) -> Result<()> {
    let written = cluster.run(async |session| {
        let planes = control_planes_in(session, namespace).await?;
        let own = planes
            .iter()
            .find(|plane| plane.revision == record.revision);
        let plane = own.ok_or_else(|| {
            ClusterError::NotFound(format!(
                "no istiod of revision {} to own it",
                record.revision
            ))
        })?;
        session
            .apply(Some(namespace), &to_config_map(record, plane)?)
            .await
    });
    written?.map(drop)
}

fn to_config_map(record: &Record, plane: &ControlPlane) -> Result<ConfigMap> {
    let text = serde_json::to_string_pretty(record).map_err(|error| ClusterError::Garbled {
        what: "the record".to_owned(),
        reason: error.to_string(),
    })?;
    let labels = [(MANAGED, OURS), (REVISION, &record.revision)];
    let owner = OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: plane.name.clone(),
        uid: plane.uid.clone(),
        ..OwnerReference::default()
    };
    Ok(ConfigMap {
        metadata: ObjectMeta {
            name: Some(record_name(&record.revision)),
            namespace: Some(plane.namespace.clone()),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(stored(text)),
        ..ConfigMap::default()
    })
}

fn stored(text: String) -> BTreeMap<String, String> {
    BTreeMap::from([(HASH.to_owned(), sha256(&text)), (KEY.to_owned(), text)])
}

/// Reads the records of these control planes.
pub(super) async fn records(session: &Session, planes: &[ControlPlane]) -> Result<Records> {
    let names: BTreeSet<_> = planes.iter().map(place).collect();
    let reading = names.iter().map(async |(namespace, name)| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        let stored = session.bounded::<Stored>(&path, LIMIT).await?;
        let kept = stored.as_ref().map(kept);
        Ok(kept.map(|kept| ((namespace.clone(), name.clone()), kept)))
    });
    let read: Result<Vec<_>> = join_all(reading).await.into_iter().collect();
    Ok(Records {
        kept: read?.into_iter().flatten().collect(),
    })
}

/// Returns namespace and name of each `ConfigMap` that looks like a record and belongs to none of these control
/// planes.
pub(super) async fn strays(
    session: &Session,
    planes: &[ControlPlane],
) -> Result<Vec<(String, String)>> {
    let own: BTreeSet<_> = planes.iter().map(place).collect();
    let selector = format!("{MANAGED}={OURS},{REVISION}");
    let mut named = session.names(CONFIG_MAPS, &selector).await?.places;
    named.retain(|place| !own.contains(place));
    Ok(named)
}

fn kept(stored: &Stored) -> Kept {
    Kept {
        record: from_config_map(stored),
        foreign: foreign(&stored.metadata.managed_fields),
    }
}

/// Returns the tool that last wrote the data of a record, if it was not glooistio.
///
/// Any tool that may write the ConfigMap may also use the name of glooistio: this detects accidents and
/// careless changes, and is not a signature.
fn foreign(managed: &[ManagedFields]) -> Option<String> {
    let of_data = |it: &&ManagedFields| it.fields_v1.get("f:data").is_some();
    let ours = |it: &&ManagedFields| {
        (
            it.manager.as_str(),
            it.operation.as_str(),
            it.subresource.as_str(),
        ) == (MANAGER, "Apply", "")
    };
    let mut writers = managed.iter().filter(of_data);
    if let Some(other) = writers.clone().find(|it| !ours(it)) {
        return Some(format!("{} ({})", other.manager, other.operation));
    }
    let whole = writers.any(|it| {
        let data = &it.fields_v1["f:data"];
        [KEY, HASH]
            .iter()
            .all(|key| data.get(format!("f:{key}")).is_some())
    });
    (!whole).then(|| "an unknown writer".to_owned())
}

fn from_config_map(stored: &Stored) -> Written {
    let StoredMeta {
        namespace, name, ..
    } = &stored.metadata;
    let place = format!("configmap {namespace}/{name}");
    let text = stored.data.as_ref().and_then(|data| data.get(KEY));
    let text = text.ok_or_else(|| format!("{place} has no `{KEY}`"))?;
    let hash = stored.data.as_ref().and_then(|data| data.get(HASH));
    if hash != Some(&sha256(text)) {
        return Err(format!(
            "{place} is not as it was written: its hash does not fit"
        ));
    }
    let record: Record = serde_json::from_str(text).map_err(|error| format!("{place}: {error}"))?;
    if record_name(&record.revision) != *name {
        return Err(format!(
            "{place} is a record of revision {}",
            record.revision
        ));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::facts::Manager;
    use crate::request::InstallRequest;

    fn record(revision: &str) -> Record {
        Record {
            revision: revision.to_owned(),
            hub: "r.io/istio".to_owned(),
            tag: "1.31.0-solo-fips".parse().unwrap(),
            request: InstallRequest {
                fips: true,
                sets: vec!["a=b".to_owned()],
                ..InstallRequest::default()
            },
            documents: BTreeMap::from([("default".to_owned(), "ab".to_owned())]),
            data: BTreeMap::new(),
            tool: "0.1.0".to_owned(),
        }
    }

    fn plane() -> ControlPlane {
        ControlPlane {
            namespace: "istio-system".to_owned(),
            name: "istiod".to_owned(),
            uid: "u".to_owned(),
            revision: DEFAULT.to_owned(),
            image: String::new(),
            hub: String::new(),
            tag: Err(String::new()),
            manager: Manager::Unknown,
            replicas: 1,
            ready: 1,
            lacks: None,
        }
    }

    /// Returns a record as the API server returns it.
    fn written(record: &Record, plane: &ControlPlane) -> Value {
        let mut map = serde_json::to_value(to_config_map(record, plane).unwrap()).unwrap();
        map["metadata"]["managedFields"] = json!([ours()]);
        map
    }

    fn ours() -> Value {
        json!({"manager": "glooistio", "operation": "Apply", "fieldsType": "FieldsV1",
            "time": "10000-01-01T00:00:00Z",
            "fieldsV1": {"f:data": {"f:record.json": {}, "f:record.sha256": {}}, "f:metadata": {}}})
    }

    fn read(map: &Value) -> Kept {
        kept(&serde_json::from_value(map.clone()).unwrap())
    }

    #[test]
    fn a_record_that_was_edited_is_refused() {
        let mut map = written(&record("x"), &plane());
        let edited = map["data"][KEY].as_str().unwrap().replace("-fips", "");
        map["data"][KEY] = json!(edited);
        assert!(read(&map).record.unwrap_err().contains("hash"));
    }

    #[test]
    fn a_record_comes_back_as_it_was_written_and_goes_with_its_istiod() {
        let map = written(&record("x"), &plane());
        let kept = read(&map);
        assert_eq!(kept.record, Ok(record("x")));
        assert_eq!(kept.foreign, None);
        assert_eq!(map["metadata"]["name"], "glooistio-record-x");
        assert_eq!(map["metadata"]["ownerReferences"][0]["uid"], "u");
        assert_eq!(record_name(DEFAULT), "glooistio-record");
    }

    #[test]
    fn names_the_last_writer_of_the_data_where_it_is_another_one() {
        let data = json!({"f:data": {"f:record.json": {}}});
        let by = |manager: &str, operation: &str, fields: &Value| json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        let mut of_status = ours();
        of_status["subresource"] = json!("status");
        for (managed, foreign) in [
            (json!([ours()]), None),
            (
                json!([ours(), by("labeller", "Update", &json!({"f:metadata": {}}))]),
                None,
            ),
            (
                json!([by("kubectl-edit", "Update", &data)]),
                Some("kubectl-edit (Update)"),
            ),
            (
                json!([ours(), by("argocd", "Apply", &data)]),
                Some("argocd (Apply)"),
            ),
            (
                json!([by("glooistio", "Update", &data)]),
                Some("glooistio (Update)"),
            ),
            (
                json!([by("glooistio", "Apply", &data)]),
                Some("an unknown writer"),
            ),
            (json!([of_status]), Some("glooistio (Apply)")),
            (json!([]), Some("an unknown writer")),
        ] {
            let mut map = written(&record("x"), &plane());
            map["metadata"]["managedFields"] = managed.clone();
            assert_eq!(read(&map).foreign.as_deref(), foreign, "{managed}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_names_its_place() {
        let mut odd = written(&record(DEFAULT), &plane());
        odd["data"] = json!(stored("{}".to_owned()));
        let why = read(&odd).record.unwrap_err();
        assert!(
            why.starts_with("configmap istio-system/glooistio-record: missing field"),
            "{why}"
        );
        odd["data"] = Value::Null;
        assert!(read(&odd).record.is_err());
    }

    #[test]
    fn only_the_records_of_control_planes_are_read() {
        let at = |namespace: &str, revision: &str| ControlPlane {
            namespace: namespace.to_owned(),
            revision: revision.to_owned(),
            ..plane()
        };
        let moved = at("istio-system", "x");
        let mut of_other = written(&record(DEFAULT), &moved);
        of_other["metadata"]["name"] = json!("glooistio-record-x");
        let answers = [
            (
                "/api/v1/namespaces/istio-system/configmaps/glooistio-record",
                written(&record(DEFAULT), &plane()),
            ),
            (
                "/api/v1/namespaces/istio-system/configmaps/glooistio-record-x",
                of_other,
            ),
            (
                "/api/v1/configmaps",
                json!({"metadata": {}, "items": [
                {"metadata": {"namespace": "aaa", "name": "glooistio-record"}},
                {"metadata": {"namespace": "istio-system", "name": "glooistio-record"}}]}),
            ),
        ];
        let service = move |request: Request<Body>| {
            let path = request.uri().path();
            let answer = answers.iter().find(|(at, _)| *at == path);
            let body = answer
                .unwrap_or_else(|| panic!("{path} was read"))
                .1
                .to_string();
            async move { Response::new(Body::from(body.into_bytes())) }
        };
        let cluster = Cluster::answering(service, Duration::from_secs(5));
        let planes = [plane(), moved];
        let read = cluster.run(async |session| records(session, &planes).await);
        let read = read.unwrap().unwrap();
        assert_eq!(read.of(&planes[0]).unwrap().record, Ok(record(DEFAULT)));
        assert!(read.of(&at("other", DEFAULT)).is_none());
        let why = read.of(&planes[1]).unwrap().record.as_ref().unwrap_err();
        assert!(
            why.contains("glooistio-record-x is a record of revision default"),
            "{why}"
        );
        let strays = cluster.run(async |session| strays(session, &planes).await);
        let stray = ("aaa".to_owned(), "glooistio-record".to_owned());
        assert_eq!(strays.unwrap().unwrap(), [stray]);
    }

    proptest! {
        #[test]
        fn no_stored_text_panics(text: String) {
            let data = Some(stored(text));
            from_config_map(&Stored { data, ..Stored::default() }).ok();
        }
    }
}
