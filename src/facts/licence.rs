//! The sources of istiod's licence key in the documents, and what the cluster has there.
//!
//! Only the names of the entries of a secret are kept, and whether each is empty.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Observed;
use crate::sys::cluster::{ClusterError, Session};

/// The source of the value of a licence variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LicenceSource {
    /// The document contains the key itself.
    Literal,
    /// An entry of a secret in the namespace of the control plane.
    Secret {
        name: String,
        key: String,
        /// Whether istiod starts without it.
        optional: bool,
    },
    /// `license.secretRef` of the Solo charts, which determine the entry themselves.
    Chart { name: String },
    /// Anything else, such as a ConfigMap.
    Other,
}

/// A variable that is set on istiod to give it a licence key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    pub variable: String,
    pub source: LicenceSource,
}

impl Licence {
    /// Returns the name of the secret that contains the key, if any.
    pub fn secret(&self) -> Option<&str> {
        match &self.source {
            LicenceSource::Secret { name, .. } | LicenceSource::Chart { name } => Some(name),
            LicenceSource::Literal | LicenceSource::Other => None,
        }
    }
}

/// A secret that a document takes a licence key from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenceSecret {
    pub name: String,
    /// The names of its entries, and whether each is empty; `None` if the secret does not exist.
    pub entries: Option<BTreeMap<String, bool>>,
}

/// Returns where an IstioOperator sets one of the variables on istiod.
pub fn licences(document: &Value, variables: &[&str]) -> Vec<Licence> {
    let spec = &document["spec"];
    let values = &spec["values"];
    let mut found = Vec::new();
    for variable in variables {
        let mapped = &values["pilot"]["env"][variable];
        if is_set(mapped) {
            found.push(licence(variable, LicenceSource::Literal));
        }
        let lists = [
            &spec["components"]["pilot"]["k8s"]["env"],
            &values["pilot"]["envVarFrom"],
        ];
        for entry in lists.into_iter().filter_map(Value::as_array).flatten() {
            if entry["name"] == **variable
                && let Some(source) = source(entry)
            {
                found.push(licence(variable, source));
            }
        }
    }
    let chart = &values["license"];
    if let Some(name) = chart["secretRef"]["name"].as_str() {
        let source = LicenceSource::Chart { name: name.into() };
        found.push(licence("license.secretRef", source));
    }
    if is_set(&chart["value"]) {
        found.push(licence("license.value", LicenceSource::Literal));
    }
    found
}

fn licence(variable: &str, source: LicenceSource) -> Licence {
    Licence {
        variable: variable.to_owned(),
        source,
    }
}

/// Checks whether a value is set; an empty string counts as not set.
fn is_set(value: &Value) -> bool {
    !value.is_null() && value.as_str() != Some("")
}

/// Returns the source of an entry of a list of variables; `None` if it sets nothing.
fn source(entry: &Value) -> Option<LicenceSource> {
    if is_set(&entry["value"]) {
        return Some(LicenceSource::Literal);
    }
    let from = entry.get("valueFrom")?;
    let secret = &from["secretKeyRef"];
    match (secret["name"].as_str(), secret["key"].as_str()) {
        (Some(name), Some(key)) => Some(LicenceSource::Secret {
            name: name.to_owned(),
            key: key.to_owned(),
            optional: secret["optional"] == true,
        }),
        _ => Some(LicenceSource::Other),
    }
}

/// A secret without its values.
#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    data: BTreeMap<String, Entry>,
}

/// An entry of a secret, reduced to whether it is empty.
struct Entry {
    is_empty: bool,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Emptiness;
        impl serde::de::Visitor<'_> for Emptiness {
            type Value = Entry;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the base64 text of an entry")
            }
            fn visit_str<E>(self, text: &str) -> Result<Entry, E> {
                Ok(Entry {
                    is_empty: text.is_empty(),
                })
            }
        }
        deserializer.deserialize_str(Emptiness)
    }
}

/// Reads the names of the entries of each secret.
pub(super) async fn secrets(
    session: &Session,
    namespace: &str,
    names: &[String],
) -> Observed<Vec<LicenceSecret>> {
    let mut found = Vec::new();
    for name in names {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let entries = match session.raw::<Secret>(&path).await {
            Ok(secret) => Some(
                secret
                    .data
                    .into_iter()
                    .map(|(key, entry)| (key, entry.is_empty))
                    .collect(),
            ),
            Err(ClusterError::NotFound(_)) => None,
            Err(error) => {
                let right = format!("get secrets in namespace {namespace}");
                return Observed::needing(&error, &right);
            }
        };
        found.push(LicenceSecret {
            name: name.clone(),
            entries,
        });
    }
    Observed::Known(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::sys::cluster::Cluster;

    const VARIABLES: [&str; 1] = ["SOLO_LICENSE_KEY"];

    fn read(spec: &str) -> Vec<LicenceSource> {
        let spec: Value = serde_yaml::from_str(spec).unwrap();
        let found = licences(&serde_json::json!({ "spec": spec }), &VARIABLES);
        found.into_iter().map(|licence| licence.source).collect()
    }

    #[test]
    fn every_place_of_the_key_is_read() {
        use LicenceSource::{Chart, Literal, Other};
        let secret = LicenceSource::Secret {
            name: "licence".to_owned(),
            key: "key".to_owned(),
            optional: false,
        };
        let list = "[{name: A, value: b}, {name: SOLO_LICENSE_KEY, valueFrom: {secretKeyRef: {name: licence, key: key}}}]";
        for (spec, wanted) in [
            ("{}", vec![]),
            (
                "values: {pilot: {env: {SOLO_LICENSE_KEY: abc}}}",
                vec![Literal],
            ),
            ("values: {pilot: {env: {SOLO_LICENSE_KEY: ''}}}", vec![]),
            ("values: {pilot: {env: {OTHER: abc}}}", vec![]),
            (
                &format!("components: {{pilot: {{k8s: {{env: {list}}}}}}}"),
                vec![secret.clone()],
            ),
            (
                &format!("values: {{pilot: {{envVarFrom: {list}}}}}"),
                vec![secret],
            ),
            (
                "components: {pilot: {k8s: {env: [{name: SOLO_LICENSE_KEY, valueFrom: {configMapKeyRef: {name: a, key: b}}}]}}}",
                vec![Other],
            ),
            (
                "values: {license: {secretRef: {name: licence}}}",
                vec![Chart {
                    name: "licence".to_owned(),
                }],
            ),
            ("values: {license: {value: abc}}", vec![Literal]),
        ] {
            assert_eq!(read(spec), wanted, "{spec}");
        }
    }

    fn asked(status: u16, body: &'static str) -> Observed<Vec<LicenceSecret>> {
        let answer = move |request: Request<Body>| async move {
            let path = request.uri().path();
            assert_eq!(path, "/api/v1/namespaces/istio-system/secrets/licence");
            Response::builder()
                .status(status)
                .body(Body::from(body.as_bytes().to_vec()))
                .unwrap()
        };
        let cluster = Cluster::answering(answer, Duration::from_secs(5));
        cluster
            .run(async |session| secrets(session, "istio-system", &["licence".to_owned()]).await)
            .unwrap()
    }

    #[test]
    fn only_the_names_of_entries_are_kept() {
        let known = asked(200, r#"{"data":{"key":"c2VjcmV0","empty":""}}"#);
        let Observed::Known(secrets) = &known else {
            panic!("{known:?}");
        };
        let entries = BTreeMap::from([("key".to_owned(), false), ("empty".to_owned(), true)]);
        assert_eq!(secrets[0].entries.as_ref(), Some(&entries));
        assert!(!format!("{known:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn missing_secret_and_missing_right_differ() {
        let gone = asked(404, r#"{"kind":"Status","code":404,"message":"no"}"#);
        assert!(matches!(&gone, Observed::Known(secrets) if secrets[0].entries.is_none()));
        let denied = asked(403, r#"{"kind":"Status","code":403,"message":"no"}"#);
        assert!(
            matches!(&denied, Observed::Unknown(why) if why.contains("allow get secrets in namespace istio-system")),
            "{denied:?}"
        );
    }
}
