//! What every command that renders does first: inputs → plan → documents.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::exit::Failure;
use crate::facts::{Fact, Istioctl};
use crate::istio::Matrix;
use crate::options::Options;
use crate::overlay::{self, Assignment, UserDocument};
use crate::plan::{self, Input, Plan};
use crate::render::{self, Manifest};

/// A plan and its documents.
#[derive(Debug)]
pub struct Prepared {
    pub plan: Plan,
    pub manifest: Manifest,
}

/// Plans and renders; starts nothing and asks nobody.
pub fn prepare(
    options: &Options,
    matrix: &Matrix,
    client: &Fact<Istioctl>,
) -> Result<Prepared, Failure> {
    let files = files(options)?;
    let sets = options
        .sets
        .iter()
        .map(|text| Assignment::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let early = overlay::early(&files, &sets);
    let client = client.known().map(|client| &client.version);
    let plan = plan::plan(&Input {
        options,
        early: &early,
        matrix,
        client,
    })?;
    let manifest = render::render(&plan, options, &files, &sets)?;
    Ok(Prepared { plan, manifest })
}

fn files(options: &Options) -> Result<Vec<UserDocument>, Failure> {
    let read = |(name, bytes): &(String, Vec<u8>)| overlay::read(name, bytes);
    let read: Vec<Vec<UserDocument>> = options.files.iter().map(read).collect::<Result<_, _>>()?;
    Ok(read.into_iter().flatten().collect())
}

impl Prepared {
    /// Namespace and name of the gateways that the documents install.
    pub fn gateways(&self) -> BTreeSet<(String, String)> {
        self.manifest
            .documents
            .iter()
            .flat_map(|document| gateways(&document.value, &self.plan.namespace))
            .collect()
    }

    /// Namespaces that the documents put something into.
    pub fn namespaces(&self) -> BTreeSet<String> {
        let own = std::iter::once(self.plan.namespace.clone());
        own.chain(self.gateways().into_iter().map(|(namespace, _)| namespace))
            .collect()
    }
}

fn gateways(document: &Value, namespace: &str) -> Vec<(String, String)> {
    let lists = ["ingressGateways", "egressGateways"];
    let components = document.pointer("/spec/components");
    let listed = lists
        .iter()
        .filter_map(|list| components?.get(list)?.as_array())
        .flatten();
    let on = |gateway: &&Value| {
        gateway
            .get("enabled")
            .and_then(Value::as_bool)
            .unwrap_or(true)
    };
    let named = listed.filter(on).filter_map(|gateway| {
        let own = gateway
            .get("namespace")
            .and_then(Value::as_str)
            .unwrap_or(namespace);
        Some((own.to_owned(), gateway.get("name")?.as_str()?.to_owned()))
    });
    // The profiles with a gateway of their own all call it so.
    let profile = document
        .pointer("/spec/profile")
        .and_then(Value::as_str)
        .unwrap_or("default");
    let own = matches!(profile, "default" | "demo" | "openshift" | "preview")
        && components.is_none_or(|all| all.get("ingressGateways").is_none());
    named
        .chain(own.then(|| (namespace.to_owned(), "istio-ingressgateway".to_owned())))
        .collect()
}
