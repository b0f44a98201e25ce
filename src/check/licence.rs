//! Checks that istiod's licence key exists where the documents refer to it.

use super::{Before, Check, Outcome, Run};
use crate::facts::{Licence, LicenceSecret, LicenceSource, Observed, licences};
use crate::report::{Finding, Subject};
use istio_builds::Distribution;

pub(super) const CHECK: Check = Check {
    id: "licence",
    title: "the Secret with the licence key of istiod exists",
    category: "build",
    run: Run::Before(run),
    page: include_str!("licence.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let tag = &before.plan.tag;
    if tag.flavor.distribution != Distribution::Solo {
        return Outcome::NotApplicable("only Solo builds read a licence key".to_owned());
    }
    let known = before.matrix.licence_variables(tag);
    let named = |read: bool| -> Vec<&str> {
        let rows = known.iter().filter(|row| row.read == read);
        rows.map(|row| row.variable.as_str()).collect()
    };
    let (right, wrong) = (named(true), named(false));
    let Some(variable) = right.first() else {
        return Outcome::NotApplicable(format!("no data of how {tag} reads a licence key"));
    };
    let set = |variables: &[&str]| -> Vec<Licence> {
        let documents = before.documents.iter();
        let found = documents.flat_map(|document| licences(&document.value, variables));
        found.collect()
    };
    let mut findings: Vec<Finding> = ignored(&wrong, &set)
        .map(|name| not_read(&name, variable))
        .collect();
    let given = set(&right);
    if given.is_empty() {
        let none = "no licence key: istiod runs without the enterprise features";
        return Outcome::of(findings, none);
    }
    let mut unknown = None;
    for licence in &given {
        match judge(before, licence) {
            Ok(finding) => findings.extend(finding),
            Err(outcome) => unknown = Some(outcome),
        }
    }
    match unknown {
        Some(outcome) => outcome.with(findings),
        None => Outcome::of(findings, "the licence key is where the documents say"),
    }
}

/// Returns the variables that are set and that istiod does not read.
fn ignored<'a>(
    wrong: &'a [&str],
    set: &'a impl Fn(&[&str]) -> Vec<Licence>,
) -> impl Iterator<Item = String> + 'a {
    wrong.iter().filter_map(|name| {
        let found = set(&[name]);
        let found = found.iter().any(|licence| licence.variable == **name);
        found.then(|| (*name).to_owned())
    })
}

fn not_read(name: &str, variable: &str) -> Finding {
    Finding::warning("variable-not-read", format!("istiod does not read {name}"))
        .subject(Subject::named("Variable", name))
        .expected(format!("the key in {variable}"))
        .fix(format!(
            "rename {name} to {variable} in the environment of istiod"
        ))
}

/// Judges one reference to a key; `Err` if the cluster could not be read.
fn judge(before: &Before<'_>, licence: &Licence) -> Result<Option<Finding>, Outcome> {
    let (name, key, optional) = match &licence.source {
        LicenceSource::Other => return Ok(None),
        LicenceSource::Literal => return Ok(Some(literal(&licence.variable))),
        LicenceSource::Chart { name } => (name, None, false),
        LicenceSource::Secret {
            name,
            key,
            optional,
        } => (name, Some(key.as_str()), *optional),
    };
    let secrets = match &before.facts.licences {
        Observed::Known(secrets) => secrets,
        Observed::Unknown(why) => return Err(Outcome::Unknown(why.clone())),
        Observed::NotCollected(why) => return Err(Outcome::NotChecked((*why).to_owned())),
    };
    let namespace = &before.plan.namespace;
    let secret = secrets.iter().find(|secret| secret.name == *name);
    let place = Place {
        namespace,
        name,
        key,
        optional,
    };
    Ok(place.judge(&licence.variable, secret))
}

/// Reports a key in a document: it is exposed wherever the document is stored.
fn literal(variable: &str) -> Finding {
    Finding::info(
        "key-in-document",
        format!("{variable} has the licence key itself"),
    )
    .expected("a reference to a secret")
    .why("whoever reads the document, or the Deployment of istiod, reads the key")
    .fix("put the key into a secret, and refer to it by valueFrom.secretKeyRef")
}

/// The position of a key that a document refers to.
struct Place<'a> {
    namespace: &'a str,
    name: &'a str,
    key: Option<&'a str>,
    optional: bool,
}

impl Place<'_> {
    fn judge(&self, variable: &str, secret: Option<&LicenceSecret>) -> Option<Finding> {
        let entries = secret.and_then(|secret| secret.entries.as_ref());
        let Some(entries) = entries else {
            let message = format!("secret {} does not exist", self.path());
            return Some(self.missing(variable, message, "no such secret".to_owned()));
        };
        let key = self.key?;
        match entries.get(key) {
            Some(false) => None,
            Some(true) => Some(
                Finding::warning(
                    "entry-empty",
                    format!("entry {key} of secret {} is empty", self.path()),
                )
                .subject(Subject::named("Variable", variable))
                .why("istiod runs without the enterprise features where the key is empty")
                .fix("put the licence key into the entry"),
            ),
            None => {
                let names: Vec<&str> = entries.keys().map(String::as_str).collect();
                let found = if names.is_empty() {
                    "a secret without entries".to_owned()
                } else {
                    format!("the entries {}", names.join(", "))
                };
                let message = format!("secret {} has no entry {key}", self.path());
                Some(self.missing(variable, message, found))
            }
        }
    }

    /// Reports a missing reference: it prevents istiod from starting, unless it is optional.
    fn missing(&self, variable: &str, message: String, found: String) -> Finding {
        let (finding, why) = if self.optional {
            let why = "the reference is optional: istiod runs without the enterprise features";
            (Finding::warning("secret-missing", message), why)
        } else {
            let why = "istiod does not start: its pod stays in CreateContainerConfigError";
            (Finding::error("secret-missing", message), why)
        };
        let wanted = match self.key {
            Some(key) => format!("secret {} with the entry {key}", self.path()),
            None => format!("secret {}", self.path()),
        };
        finding
            .subject(Subject::named("Variable", variable))
            .found(found)
            .expected(wanted)
            .why(why)
            .fix("create the secret with that entry, or name the entry that has the key")
    }

    fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::report::Severity;

    const DATA: &str = "
licence-variables:
  - source: https://example.com/licence
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {variable: SOLO_LICENSE_KEY, read: true, istio: 1.25.., text: x}
      - {variable: GLOO_LICENSE_KEY, read: false, istio: 1.25.., text: x}
";

    const REFERENCE: &str = "components: {pilot: {enabled: true, k8s: {env: [{name: SOLO_LICENSE_KEY, valueFrom: {secretKeyRef: {name: licence, key: license-key}}}]}}}";

    fn given(tag: &str, spec: &str, entries: Option<&[(&str, bool)]>) -> Outcome {
        let mut given = Given::tag(tag).data(DATA).document("istio", spec);
        let entries = entries.map(|entries| {
            let named = entries
                .iter()
                .map(|(name, empty)| ((*name).to_owned(), *empty));
            named.collect::<BTreeMap<_, _>>()
        });
        given.facts.licences = Observed::Known(vec![LicenceSecret {
            name: "licence".to_owned(),
            entries,
        }]);
        given.run(run)
    }

    fn worst(outcome: &Outcome) -> Option<Severity> {
        match outcome {
            Outcome::Found(findings) => findings.iter().map(|finding| finding.severity).max(),
            _ => None,
        }
    }

    #[test]
    fn secret_and_entry_must_be_there() {
        let right: &[(&str, bool)] = &[("license-key", false)];
        let other: &[(&str, bool)] = &[("key", false)];
        let empty: &[(&str, bool)] = &[("license-key", true)];
        for (entries, words, severity) in [
            (Some(right), "", None),
            (
                Some(other),
                "has no entry license-key",
                Some(Severity::Error),
            ),
            (Some(empty), "is empty", Some(Severity::Warning)),
            (
                None,
                "istio-system/licence does not exist",
                Some(Severity::Error),
            ),
        ] {
            let outcome = given("1.30.0-solo", REFERENCE, entries);
            assert_eq!(worst(&outcome), severity, "{outcome:?}");
            assert!(severity.is_none() || found(&outcome, words), "{outcome:?}");
        }
        let optional = REFERENCE.replace("key: license-key", "key: license-key, optional: true");
        let outcome = given("1.30.0-solo", &optional, None);
        assert_eq!(worst(&outcome), Some(Severity::Warning), "{outcome:?}");
    }

    #[test]
    fn variable_that_istiod_ignores_is_found() {
        let spec = "values: {pilot: {env: {GLOO_LICENSE_KEY: abc}}}";
        let outcome = given("1.30.0-solo", spec, None);
        assert!(
            found(&outcome, "does not read GLOO_LICENSE_KEY"),
            "{outcome:?}"
        );
        assert!(!format!("{outcome:?}").contains("abc"), "{outcome:?}");
    }

    #[test]
    fn key_in_the_document_is_noted_and_never_shown() {
        let spec = "values: {pilot: {env: {SOLO_LICENSE_KEY: s3cr3t}}}";
        let outcome = given("1.30.0-solo", spec, None);
        assert_eq!(worst(&outcome), Some(Severity::Info));
        assert!(!format!("{outcome:?}").contains("s3cr3t"), "{outcome:?}");
    }

    #[test]
    fn build_without_a_licence_is_not_judged() {
        let plain = "profile: default";
        assert!(passed(&given("1.30.0-solo", plain, None)));
        for tag in ["1.30.0", "1.24.3-solo"] {
            let outcome = given(tag, REFERENCE, None);
            assert!(matches!(outcome, Outcome::NotApplicable(_)), "{tag}");
        }
    }

    #[test]
    fn cluster_that_was_not_asked_leaves_it_open() {
        let mut given = Given::tag("1.30.0-solo")
            .data(DATA)
            .document("istio", REFERENCE);
        given.facts.licences = Observed::NotCollected("no cluster");
        assert_eq!(given.run(run), Outcome::NotChecked("no cluster".to_owned()));
        given.facts.licences = Observed::Unknown("forbidden".to_owned());
        assert_eq!(given.run(run), Outcome::Unknown("forbidden".to_owned()));
    }
}
