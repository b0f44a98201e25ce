//! What an install wrote down for the next upgrade and verification: a ConfigMap per revision.
//!
//! istioctl stores nothing of what it was given. The record is owned by the istiod Deployment of its
//! revision, so that it goes with it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use kube::api::ListParams;

use super::control_plane::{DEFAULT, REVISION, control_planes};
use super::{ControlPlane, Record};
use crate::render::sha256;
use crate::sys::cluster::{Cluster, ClusterError, Result, Session};

const MANAGED: &str = "app.kubernetes.io/managed-by";

const OURS: &str = "glooistio";

/// Key of the ConfigMap's data.
const KEY: &str = "record.json";

/// Key of its hash: a record that somebody edited says nothing of an install.
const HASH: &str = "record.sha256";

/// What was written down, each where it stands.
///
/// Anybody who may write a ConfigMap somewhere can write one like them: for a control plane counts only
/// what stands beside it, under the name of its revision.
#[derive(Debug, Clone, Default)]
pub struct Records(BTreeMap<(String, String), Written>);

/// A record, or why it cannot be used.
type Written = std::result::Result<Record, String>;

impl Records {
    /// What was written down of a control plane.
    pub fn of(&self, plane: &ControlPlane) -> Option<&Written> {
        self.0.get(&place(plane))
    }

    /// Where records stand that are of none of these.
    pub fn strays(&self, planes: &[ControlPlane]) -> Vec<String> {
        let own: BTreeSet<_> = planes.iter().map(place).collect();
        let strays = self.0.keys().filter(|place| !own.contains(place));
        strays
            .map(|(namespace, name)| format!("configmap {namespace}/{name}"))
            .collect()
    }

    /// All of them, wherever they stand.
    pub(super) fn all(self) -> Vec<Written> {
        self.0.into_values().collect()
    }
}

fn place(plane: &ControlPlane) -> (String, String) {
    (plane.namespace.clone(), record_name(&plane.revision))
}

/// The name of a revision's record.
pub fn record_name(revision: &str) -> String {
    let base = "glooistio-record";
    if revision == DEFAULT {
        base.to_owned()
    } else {
        format!("{base}-{revision}")
    }
}

/// Writes the record of a revision, in place of an older one.
pub fn write_record(cluster: &Cluster, namespace: &str, record: &Record) -> Result<()> {
    let written = cluster.run(async |session| {
        let planes = control_planes(session, Some(namespace)).await?;
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

/// The records in a namespace, or all.
pub(super) async fn records(session: &Session, namespace: Option<&str>) -> Result<Records> {
    let ours = ListParams::default().labels(&format!("{MANAGED}={OURS},{REVISION}"));
    let kept: Vec<ConfigMap> = session.list(namespace, &ours).await?;
    Ok(Records::from_iter(&kept))
}

impl<'a> FromIterator<&'a ConfigMap> for Records {
    fn from_iter<I: IntoIterator<Item = &'a ConfigMap>>(kept: I) -> Self {
        let placed = |kept: &ConfigMap| (kept.namespace().unwrap_or_default(), kept.name_any());
        Records(
            kept.into_iter()
                .map(|kept| (placed(kept), from_config_map(kept)))
                .collect(),
        )
    }
}

fn from_config_map(kept: &ConfigMap) -> Written {
    let name = format!(
        "configmap {}/{}",
        kept.namespace().unwrap_or_default(),
        kept.name_any()
    );
    let text = kept.data.as_ref().and_then(|data| data.get(KEY));
    let text = text.ok_or_else(|| format!("{name} has no `{KEY}`"))?;
    let hash = kept.data.as_ref().and_then(|data| data.get(HASH));
    if hash != Some(&sha256(text)) {
        return Err(format!(
            "{name} is not as it was written: its hash does not fit"
        ));
    }
    let record: Record = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    if record_name(&record.revision) != kept.name_any() {
        return Err(format!(
            "{name} is a record of revision {}",
            record.revision
        ));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::facts::Manager;

    fn record(revision: &str) -> Record {
        Record {
            revision: revision.to_owned(),
            hub: "r.io/istio".to_owned(),
            tag: "1.31.0-solo-fips".parse().unwrap(),
            overlays: vec!["spec: {}\n".to_owned()],
            sets: vec!["a=b".to_owned()],
            options: vec!["--fips".to_owned()],
            template: None,
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

    #[test]
    fn a_record_that_was_edited_is_refused() {
        let mut written = to_config_map(&record("x"), &plane()).unwrap();
        let data = written.data.as_mut().unwrap();
        let edited = data[KEY].replace("-fips", "");
        data.insert(KEY.to_owned(), edited);
        assert!(from_config_map(&written).unwrap_err().contains("hash"));
    }

    #[test]
    fn a_record_comes_back_as_it_was_written_and_goes_with_its_istiod() {
        let written = to_config_map(&record("x"), &plane()).unwrap();
        assert_eq!(from_config_map(&written), Ok(record("x")));
        assert_eq!(written.name_any(), "glooistio-record-x");
        assert_eq!(written.owner_references()[0].uid, "u");
        assert_eq!(record_name(DEFAULT), "glooistio-record");
    }

    #[test]
    fn a_record_that_cannot_be_read_names_its_place() {
        let mut odd = to_config_map(&record(DEFAULT), &plane()).unwrap();
        odd.data = Some(stored("{}".to_owned()));
        let why = from_config_map(&odd).unwrap_err();
        assert!(
            why.starts_with("configmap istio-system/glooistio-record: missing field"),
            "{why}"
        );
        odd.data = None;
        assert!(from_config_map(&odd).is_err());
    }

    #[test]
    fn a_record_counts_only_beside_its_control_plane_and_under_its_name() {
        let at = |namespace: &str, revision: &str| ControlPlane {
            namespace: namespace.to_owned(),
            revision: revision.to_owned(),
            ..plane()
        };
        let kept = |place: &ControlPlane, revision: &str| {
            let mut written = to_config_map(&record(revision), place).unwrap();
            written.metadata.name = Some(record_name(&place.revision));
            written
        };
        let (ours, theirs) = (at("istio-system", DEFAULT), at("aaa", DEFAULT));
        let moved = at("istio-system", "x");
        let all = [
            kept(&ours, DEFAULT),
            kept(&theirs, DEFAULT),
            kept(&moved, DEFAULT),
        ];
        let records = Records::from_iter(&all);
        assert_eq!(records.of(&ours), Some(&Ok(record(DEFAULT))));
        assert_eq!(records.of(&at("other", DEFAULT)), None);
        let why = records.of(&moved).unwrap().as_ref().unwrap_err();
        assert!(
            why.contains("glooistio-record-x is a record of revision default"),
            "{why}"
        );
        assert_eq!(
            records.strays(&[ours, moved]),
            ["configmap aaa/glooistio-record"]
        );
    }

    proptest! {
        #[test]
        fn no_stored_text_panics(text: String) {
            let data = Some(stored(text));
            from_config_map(&ConfigMap { data, ..ConfigMap::default() }).ok();
        }
    }
}
