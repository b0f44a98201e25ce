//! The `verify` command: judges what runs, strictly, for every version of Istio.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{Expectation, Scope, Source, Wanted};
use crate::exit::{Exit, Failure};
use crate::facts::{self, ControlPlane, Installed, Kept, Manager, Observed, Record};
use crate::install::{RunContext, verify};
use crate::plan::DEFAULT_NAMESPACE;
use crate::report::Choice;
use crate::sys::cluster::Cluster;
use istio_builds::ImageTag;

/// Number of Deployments that a hint names.
const NAMED: usize = 5;

/// Returns notes about `ConfigMap`s that look like records and are ignored.
fn strays(installed: &Installed) -> Vec<String> {
    match &installed.strays {
        Observed::Known(places) => places
            .iter()
            .map(|(namespace, name)| {
                format!("configmap {namespace}/{name} is ignored: its namespace has no control plane with that record")
            })
            .collect(),
        Observed::Unknown(why) => vec![format!(
            "whether other ConfigMaps look like records is not known: {why}"
        )],
        Observed::NotCollected(_) => Vec::new(),
    }
}

/// Returns a note about a problem with the record of a control plane.
fn note(plane: &ControlPlane, kept: Option<&Kept>) -> Option<String> {
    let revision = &plane.revision;
    match kept? {
        Kept {
            record: Err(why), ..
        } => Some(format!(
            "the record of revision {revision} is ignored: {why}"
        )),
        Kept { foreign, .. } => foreign.as_ref().map(|writer| {
            format!(
                "the record of revision {revision} was last written by {writer}, not by glooistio"
            )
        }),
    }
}

/// The options of `verify`.
#[derive(Debug, Default)]
pub struct Verify {
    /// Only this revision; `None` for every revision that no operator manages.
    pub revision: Option<String>,
    pub namespace: Option<String>,
    /// The build that must run, whatever a record contains.
    pub tag: Option<ImageTag>,
    /// Whether FIPS is required, whatever a record contains.
    pub fips: bool,
}

impl Verify {
    /// Judges what runs and adds the observations to the report.
    pub fn run(&self, ctx: &mut RunContext<'_>) -> Result<Exit, Failure> {
        let cluster = ctx.connect()?;
        let installed = facts::installed(&cluster, self.namespace.as_deref())?;
        let expected = self.expected(ctx, &cluster, &installed)?;
        let namespace = self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        verify::verify_cluster(ctx, &cluster, expected, Scope::Everything, namespace)
    }

    fn expected(
        &self,
        ctx: &mut RunContext<'_>,
        cluster: &Cluster,
        installed: &Installed,
    ) -> Result<Expectation, Failure> {
        let Installed {
            planes, records, ..
        } = installed;
        let mut revisions = BTreeMap::new();
        ctx.report.expected.notes.extend(strays(installed));
        for plane in planes.iter().filter(|plane| self.concerns(plane)) {
            let kept = records.of(plane);
            ctx.report.expected.notes.extend(note(plane, kept));
            let record = kept.map(|kept| &kept.record);
            // A hub that another tool wrote into the record must not give access to a registry inside of this network.
            let ours = kept.filter(|kept| kept.foreign.is_none());
            let ours = ours.and_then(|kept| kept.record.as_ref().ok());
            if let (Some(images), Some(record)) = (&ctx.images, ours) {
                images.registry.allow(&record.hub);
            }
            let wanted = self.wanted(plane, record)?;
            let words = wanted.source.words();
            ctx.report.expected.chosen.push(Choice {
                what: "revision".to_owned(),
                value: format!("{}: {}", plane.revision, wanted.image()),
                why: format!("by {words}"),
            });
            if revisions.insert(plane.revision.clone(), wanted).is_some() {
                let message = format!(
                    "revision {} runs in more than one namespace",
                    plane.revision
                );
                return Err(Failure::message(Exit::Usage, message).hint("name one by -i"));
            }
        }
        if revisions.is_empty() {
            return Err(self.nothing(cluster.context(), installed));
        }
        Ok(Expectation {
            revisions,
            gateways: BTreeSet::new(),
            others: BTreeMap::new(),
        })
    }

    /// Returns the failure that no control plane is judged: there is none, or operators manage all of them.
    fn nothing(&self, context: &str, installed: &Installed) -> Failure {
        let Installed {
            planes,
            unconnected,
            ..
        } = installed;
        let left_out = planes.iter().filter_map(|plane| match &plane.manager {
            Manager::Operator { name } if self.revision.is_none() => Some((plane, name)),
            _ => None,
        });
        let left_out: Vec<_> = left_out.collect();
        let message = format!("no Istio control plane{} runs on {context}", self.which());
        if left_out.is_empty() {
            let failure = Failure::message(Exit::Findings, message)
                .hint_command("install one", "glooistio install", &[])
                .hint("or name its namespace by -i and its revision by -r");
            let named = unconnected.places.iter().take(NAMED).map(|(namespace, name)| {
                format!("Deployment {namespace}/{name} is labelled app=istiod, and no webhook of Istio leads to its namespace")
            });
            return named.fold(failure, Failure::hint);
        }
        let message = format!("{message} but what operators manage");
        let failure = Failure::message(Exit::Findings, message);
        left_out.iter().fold(failure, |failure, (plane, name)| {
            let (revision, namespace) = (&plane.revision, &plane.namespace);
            failure.hint_command(
                &format!("{name} manages revision {revision} in {namespace}; judge it"),
                "glooistio verify -r {} -i {}",
                &[revision, namespace],
            )
        })
    }

    /// Selects the control planes to verify. Those that an operator manages are included only if their revision
    /// is requested.
    fn concerns(&self, plane: &ControlPlane) -> bool {
        let asked = self.revision.as_ref().map_or_else(
            || !matches!(plane.manager, Manager::Operator { .. }),
            |revision| *revision == plane.revision,
        );
        asked
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == plane.namespace)
    }

    /// Returns what must run; a control plane with a tag that cannot be parsed is never skipped. An unusable
    /// record is ignored.
    fn wanted(
        &self,
        plane: &ControlPlane,
        record: Option<&Result<Record, String>>,
    ) -> Result<Wanted, Failure> {
        let (hub, tag, source) = match (&self.tag, record, &plane.tag) {
            (Some(tag), record, _) => {
                let record = record.and_then(|record| record.as_ref().ok());
                let hub = record.map_or(&plane.hub, |record| &record.hub);
                (hub.clone(), tag.clone(), Source::Plan)
            }
            (None, Some(Ok(record)), _) => (record.hub.clone(), record.tag.clone(), Source::Record),
            (None, None | Some(Err(_)), Ok(tag)) => {
                (plane.hub.clone(), tag.clone(), Source::Istiod)
            }
            (None, None | Some(Err(_)), Err(_)) => {
                let message = format!(
                    "revision {} runs `{}`, has no usable record, and its tag cannot be parsed",
                    plane.revision, plane.image
                );
                return Err(Failure::message(Exit::Findings, message)
                    .hint("say what must run: glooistio verify --istio TAG"));
            }
        };
        let fips = self.fips || tag.flavor.is_fips();
        Ok(Wanted {
            hub,
            tag,
            source,
            digests: BTreeSet::new(),
            fips,
        })
    }

    fn which(&self) -> String {
        let revision = self
            .revision
            .as_ref()
            .map(|name| format!(" of revision {name}"));
        let namespace = self
            .namespace
            .as_ref()
            .map(|name| format!(" in namespace {name}"));
        revision.into_iter().chain(namespace).collect()
    }
}
