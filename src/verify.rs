//! Verify: what runs, judged strictly, on every version of Istio.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{Expectation, Scope, Source, Wanted};
use crate::exit::{Exit, Failure};
use crate::facts::{self, ControlPlane, Manager, Record};
use crate::install::{Session, prove};
use crate::istio::ImageTag;
use crate::plan::DEFAULT_NAMESPACE;
use crate::report::Choice;
use crate::sys::cluster::Cluster;

/// What to verify.
#[derive(Debug, Default)]
pub struct Verify {
    /// Only this revision; every one of ours otherwise.
    pub revision: Option<String>,
    pub namespace: Option<String>,
    /// The build that must run, whatever a record says.
    pub tag: Option<ImageTag>,
    /// FIPS must run, whatever a record says.
    pub fips: bool,
}

impl Verify {
    /// Judges what runs. The report holds what was seen.
    pub fn run(&self, session: &mut Session<'_>) -> Result<Exit, Failure> {
        let cluster = session.connect()?;
        let (planes, records) = facts::installed(&cluster, self.namespace.as_deref())?;
        let expected = self.expected(session, &cluster, &planes, &records)?;
        let namespace = self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        prove::running(session, &cluster, &expected, Scope::Everything, namespace)
    }

    fn expected(
        &self,
        session: &mut Session<'_>,
        cluster: &Cluster,
        planes: &[ControlPlane],
        records: &[Result<Record, String>],
    ) -> Result<Expectation, Failure> {
        let mut revisions = BTreeMap::new();
        for reason in records.iter().filter_map(|record| record.as_ref().err()) {
            session
                .report
                .expected
                .notes
                .push(format!("a record was ignored: {reason}"));
        }
        for plane in planes.iter().filter(|plane| self.concerns(plane)) {
            let record = records
                .iter()
                .flatten()
                .find(|record| record.revision == plane.revision);
            if let Some(wanted) = self.wanted(plane, record) {
                let key = wanted
                    .hub
                    .parse()
                    .ok()
                    .and_then(|hub| session.matrix.key_in(&hub));
                if let Some(key) = key {
                    session.ui.hide(key.expose());
                }
                let words = wanted.source.words();
                session.report.expected.chosen.push(Choice {
                    what: "revision".to_owned(),
                    value: format!("{}: {}", plane.revision, wanted.image()),
                    why: format!("by {words}"),
                });
                revisions.insert(plane.revision.clone(), wanted);
            }
        }
        if revisions.is_empty() {
            let message = format!(
                "no Istio control plane{} runs on {}",
                self.which(),
                cluster.context()
            );
            return Err(Failure::message(Exit::Findings, message)
                .hint("install one: glooistio install")
                .hint("or name its namespace by -i and its revision by -r"));
        }
        Ok(Expectation {
            revisions,
            gateways: BTreeSet::new(),
        })
    }

    /// Meshes that an operator or Helm looks after are somebody else's, unless they are asked for.
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

    fn wanted(&self, plane: &ControlPlane, record: Option<&Record>) -> Option<Wanted> {
        let (hub, tag, source) = match (record, &plane.tag) {
            (Some(record), _) => (record.hub.clone(), record.tag.clone(), Source::Record),
            (None, Ok(tag)) => (plane.hub.clone(), tag.clone(), Source::Istiod),
            (None, Err(_)) => {
                let tag = self.tag.clone()?;
                (plane.hub.clone(), tag, Source::Plan)
            }
        };
        let (tag, source) = self
            .tag
            .clone()
            .map_or((tag, source), |tag| (tag, Source::Plan));
        let fips = self.fips || tag.flavor.is_fips();
        Some(Wanted {
            hub,
            tag,
            source,
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
