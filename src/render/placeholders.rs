//! Variables in copied sample documents: filled in from the corresponding flags, else refused.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::plan::Plan;
use crate::request::InstallRequest;
use istio_builds::{Matrix, Meaning, Placeholder};
use istio_operator::Document;

/// The parameter with the name of the cluster.
const CLUSTER: &str = "cluster";

/// A variable of a document that nothing fills in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: `{text}` is a placeholder that was never filled in: {next}")]
pub struct Unfilled {
    /// Document, and path in it.
    pub place: String,
    /// The text as written.
    pub text: String,
    pub next: String,
}

/// The value of each variable in this run.
pub(super) struct Placeholders {
    values: BTreeMap<Meaning, String>,
    /// The key that is part of the planned hub's name.
    key: Option<String>,
}

impl Placeholders {
    pub(super) fn new(plan: &Plan, request: &InstallRequest) -> Placeholders {
        let cluster = request.params.get(CLUSTER).cloned();
        let revision = plan.revision.as_ref().map(|one| one.as_str().to_owned());
        let values = [
            (Meaning::Hub, Some(plan.hub.to_string())),
            (Meaning::Tag, Some(plan.tag.to_string())),
            (Meaning::Revision, revision),
            (Meaning::Cluster, cluster),
        ];
        Placeholders {
            values: values
                .into_iter()
                .filter_map(|(meaning, value)| Some((meaning, value?)))
                .collect(),
            key: plan.key.as_ref().map(|key| key.expose().to_owned()),
        }
    }

    /// Fills in every value of a document.
    pub(super) fn fill(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(filled) = self.filled(text) {
                    *text = filled;
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.fill(value)),
            Value::Object(map) => map.values_mut().for_each(|value| self.fill(value)),
            _ => {}
        }
    }

    fn filled(&self, text: &str) -> Option<String> {
        let mut filled = String::new();
        let mut done = 0;
        let mut at = 0;
        while let Some(found) = Placeholder::find_from(text, at) {
            at = found.range.end;
            if let Some(value) = self.value(text, &found) {
                filled.push_str(&text[done..found.range.start]);
                filled.push_str(value);
                done = found.range.end;
            }
        }
        (done > 0).then(|| filled + &text[done..])
    }

    fn value(&self, text: &str, found: &Placeholder<'_>) -> Option<&str> {
        if found.is_repo_key(text) {
            return self.key.as_deref();
        }
        let meaning = Matrix::builtin().meaning(found.name);
        let meaning = meaning.filter(|_| found.is_variable)?;
        self.values.get(&meaning).map(String::as_str)
    }
}

/// Refuses the remaining placeholders: known variables anywhere, and any placeholder in the name or namespace of a
/// document.
pub(super) fn check(documents: &[Document]) -> Result<(), Unfilled> {
    documents.iter().try_for_each(|document| {
        let name = document.name();
        let top = format!("document {name}");
        let metadata = ["name", "namespace"];
        for field in metadata {
            let text = document.value["metadata"][field]
                .as_str()
                .unwrap_or_default();
            if Placeholder::find(text).is_some() {
                return Err(unfilled(&format!("{top}, metadata.{field}"), text, None));
            }
        }
        check_value(&top, "", &document.value)
    })
}

fn check_value(top: &str, path: &str, value: &Value) -> Result<(), Unfilled> {
    match value {
        Value::String(text) => {
            let mut at = 0;
            while let Some(found) = Placeholder::find_from(text, at) {
                at = found.range.end;
                let meaning = Matrix::builtin().meaning(found.name);
                if let Some(meaning) = meaning.filter(|_| found.is_variable) {
                    let place = format!("{top}, {path}");
                    return Err(unfilled(&place, &text[found.range], Some(meaning)));
                }
            }
            Ok(())
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .try_for_each(|(at, value)| check_value(top, &format!("{path}[{at}]"), value)),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            let dot = if path.is_empty() { "" } else { "." };
            check_value(top, &format!("{path}{dot}{key}"), value)
        }),
        _ => Ok(()),
    }
}

fn unfilled(place: &str, text: &str, meaning: Option<Meaning>) -> Unfilled {
    let next = match meaning {
        Some(Meaning::Hub) => "give --hub or --repo-key",
        Some(Meaning::Tag) => "give --istio",
        Some(Meaning::Revision) => "give -r",
        Some(Meaning::Cluster) => {
            "give --param cluster=NAME, or write the name of the cluster there"
        }
        None => "write the value there",
    };
    Unfilled {
        place: place.to_owned(),
        text: text.to_owned(),
        next: next.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::sample::plan;
    use crate::request::Revision;

    fn placeholders(params: &[(&str, &str)]) -> Placeholders {
        let mut plan = plan("1.31.0-solo");
        plan.revision = Revision::parse("1-31").unwrap();
        plan.key = Some("0123456789ab".parse().unwrap());
        let params = params
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let request = InstallRequest {
            params: params.collect(),
            ..InstallRequest::default()
        };
        Placeholders::new(&plan, &request)
    }

    #[test]
    fn known_variables_are_filled_in_wherever_they_are() {
        let filled = placeholders(&[("cluster", "one")]);
        for (text, wanted) in [
            ("$ISTIO_IMAGE", "1.31.0-solo"),
            ("${ISTIO_VERSION}", "1.31.0-solo"),
            ("istiod-$REVISION", "istiod-1-31"),
            ("$REPO/pilot:$ISTIO_IMAGE", "r.io/istio/pilot:1.31.0-solo"),
            ("$CLUSTER_NAME", "one"),
            (
                "us.dev/istio-<key>/pilot",
                "us.dev/istio-0123456789ab/pilot",
            ),
            ("<key>", "<key>"),
            ("$HOME and $REPOSITORY", "$HOME and $REPOSITORY"),
            ("%START_TIME% $1", "%START_TIME% $1"),
        ] {
            let mut value = json!({"a": [text]});
            filled.fill(&mut value);
            assert_eq!(value["a"][0], wanted, "{text}");
        }
    }

    #[test]
    fn variable_without_a_flag_is_refused_with_the_flag() {
        let value = json!({"spec": {"values": {"global": {"network": "$CLUSTER_NAME"}}}});
        let error = check_value("document x", "", &value).unwrap_err();
        assert_eq!(
            error.to_string(),
            "document x, spec.values.global.network: `$CLUSTER_NAME` is a placeholder that was never \
             filled in: give --param cluster=NAME, or write the name of the cluster there"
        );
    }
}
