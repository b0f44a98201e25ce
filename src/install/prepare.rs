//! The first steps of every command that renders: inputs → plan → documents.

use std::collections::BTreeSet;

use crate::exit::Failure;
use crate::facts::{self, Istioctl, Observed};
use crate::plan::{self, Input, Plan, PlanError};
use crate::render::{self, Manifest};
use crate::request::{InstallRequest, Overlay, Revision, Template};
use istio_builds::{ClientVersion, Matrix};
use istio_operator::{Assignment, Origin, UserDocument, UserSettings};

/// A plan and its documents.
#[derive(Debug)]
pub struct Prepared {
    pub plan: Plan,
    pub manifest: Manifest,
}

/// Plans and renders, without starting a program or using the network.
pub fn prepare(
    request: &InstallRequest,
    matrix: &Matrix,
    client: &Observed<Istioctl>,
) -> Result<Prepared, Failure> {
    let files = files(request)?;
    let sets = request
        .sets
        .iter()
        .map(|text| Assignment::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    let client = client.known().map(|client| &client.version);
    let plan = planned(request, matrix, client, (&files, &sets))?;
    let manifest = render::render(&plan, request, &files, &sets)?;
    Ok(Prepared { plan, manifest })
}

/// Reads only the user's documents and `--set`, because finding mistakes in them needs no plan.
pub fn check_inputs(request: &InstallRequest) -> Result<(), Failure> {
    files(request)?;
    for text in &request.sets {
        Assignment::parse(text)?;
    }
    Ok(())
}

/// Plans what options, files and sets request. A template of the user's own is read first, because it can name a hub, a
/// tag or a revision like any file.
fn planned(
    request: &InstallRequest,
    matrix: &Matrix,
    client: Option<&ClientVersion>,
    (files, sets): (&[UserDocument], &[Assignment]),
) -> Result<Plan, Failure> {
    let plan = |user_settings: &UserSettings| {
        plan::plan(&Input {
            request,
            user_settings,
            matrix,
            client,
        })
    };
    let Some(Template::File { name, text }) = &request.template else {
        return Ok(plan(&istio_operator::scan_user_settings(files, sets))?);
    };
    if !text.contains(TAG) {
        let all = [istio_operator::read(name, text.as_bytes())?, files.to_vec()].concat();
        return Ok(plan(&istio_operator::scan_user_settings(&all, sets))?);
    }
    let user_settings = istio_operator::scan_user_settings(files, sets);
    let first = match plan(&user_settings) {
        // The template may name the hub for which the data requires a key.
        Err(error @ PlanError::NoHub(_)) => {
            let text = (UNKNOWN_HUB.to_owned(), Origin::Template(name.clone()));
            let provisional = UserSettings {
                hub: Some(text),
                ..user_settings.clone()
            };
            let first = plan(&provisional)?;
            let said = istio_operator::scan_user_settings(
                &render::template_documents(&first, request)?,
                &[],
            );
            if literal(&first, said, name).hub.is_none() {
                return Err(error.into());
            }
            first
        }
        first => first?,
    };
    let documents = render::template_documents(&first, request)?;
    let literal = literal(
        &first,
        istio_operator::scan_user_settings(&documents, &[]),
        name,
    );
    Ok(plan(&user_settings.or(literal))?)
}

/// The provisional hub while a template is read that may name one.
const UNKNOWN_HUB: &str = "unknown";

/// The beginning of a tag of the template language.
const TAG: &str = "{{";

/// Returns the settings in which the documents of a template differ from the plan that filled them in.
fn literal(plan: &Plan, said: UserSettings, name: &str) -> UserSettings {
    let other = |said: Option<(String, Origin)>, planned: Option<&str>| {
        let (value, _) = said.filter(|(value, _)| Some(value.as_str()) != planned)?;
        Some((value, Origin::Template(name.to_owned())))
    };
    UserSettings {
        hub: other(said.hub, Some(plan.hub.as_str())),
        tag: other(said.tag, Some(&plan.tag.to_string())),
        revision: other(said.revision, plan.revision.as_ref().map(Revision::as_str)),
        profile: None,
        namespace: other(said.namespace, Some(&plan.namespace)),
    }
}

fn files(request: &InstallRequest) -> Result<Vec<UserDocument>, Failure> {
    let read = |overlay: &Overlay| istio_operator::read(&overlay.name, &overlay.text);
    let read: Vec<Vec<UserDocument>> = request
        .overlays
        .iter()
        .map(read)
        .collect::<Result<_, _>>()?;
    Ok(read.into_iter().flatten().collect())
}

impl Prepared {
    /// Returns namespace and name of the gateways that the documents install.
    pub fn gateways(&self) -> BTreeSet<(String, String)> {
        self.manifest
            .documents
            .iter()
            .flat_map(|document| document.gateways(&self.plan.namespace))
            .collect()
    }

    /// Returns the namespaces of gateways, which istioctl does not create.
    pub fn gateway_namespaces(&self) -> BTreeSet<String> {
        let namespaces = self.gateways().into_iter().map(|(namespace, _)| namespace);
        namespaces
            .filter(|namespace| *namespace != self.plan.namespace)
            .collect()
    }

    /// Returns the namespaces in which the documents create objects.
    pub fn namespaces(&self) -> BTreeSet<String> {
        let own = std::iter::once(self.plan.namespace.clone());
        own.chain(self.gateways().into_iter().map(|(namespace, _)| namespace))
            .collect()
    }

    /// Returns the names of the secrets from which the documents take a licence key.
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

    /// Returns every image that the documents make the cluster pull.
    pub fn images(&self) -> BTreeSet<String> {
        let documents = self.manifest.documents.iter();
        documents
            .flat_map(|document| document.images(&self.plan))
            .collect()
    }
}
