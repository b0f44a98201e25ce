//! What every command that renders does first: inputs → plan → documents.

use std::collections::BTreeSet;

use crate::exit::Failure;
use crate::facts::{self, Fact, Istioctl};
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

/// Reads the user's documents and `--set` alone: what is wrong with them needs no plan to be seen.
pub fn check_inputs(options: &Options) -> Result<(), Failure> {
    files(options)?;
    for text in &options.sets {
        Assignment::parse(text)?;
    }
    Ok(())
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
            .flat_map(|document| document.gateways(&self.plan.namespace))
            .collect()
    }

    /// Namespaces that the documents put something into.
    pub fn namespaces(&self) -> BTreeSet<String> {
        let own = std::iter::once(self.plan.namespace.clone());
        own.chain(self.gateways().into_iter().map(|(namespace, _)| namespace))
            .collect()
    }

    /// Names of the secrets that the documents take a licence key from.
    pub fn licence_secrets(&self, matrix: &Matrix) -> Vec<String> {
        let variables = matrix.licence_variables(&self.plan.tag);
        let read: Vec<&str> = variables
            .iter()
            .filter(|row| row.read)
            .map(|row| row.variable.as_str())
            .collect();
        let named = self.manifest.documents.iter();
        let named = named.flat_map(|document| facts::licences(&document.value, &read));
        let secrets: BTreeSet<String> = named
            .filter_map(|licence| licence.secret().map(str::to_owned))
            .collect();
        secrets.into_iter().collect()
    }

    /// Every image that the documents make the cluster pull.
    pub fn images(&self) -> BTreeSet<String> {
        let documents = self.manifest.documents.iter();
        documents
            .flat_map(|document| document.images(&self.plan))
            .collect()
    }
}
