//! Install: plan, check, confirm, run istioctl, wait, verify what was installed, report.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use jiff::civil::Date;

use crate::action::{self, Action, Part, Place};
use crate::check::{self, SeverityOverrides};
use crate::exit::{Exit, Failure};
use crate::facts::{self, Istioctl, Manifest, Observed, Reader};
use crate::image::{self, Budget, Cache, Sources};
use crate::report::{self, Report};
use crate::request::InstallRequest;
use crate::sys::cluster::{Cluster, ClusterError, KubeTarget};
use crate::sys::process;
use crate::sys::registry::Registry;
use crate::sys::signal;
use crate::ui::{Event, Ui};
use crate::workload::WorkloadRef;
use fips_evidence::Judge;
use istio_builds::Matrix;

pub mod apply;
mod failure;
mod installer;
mod next_steps;
mod origin;
mod planned_images;
pub mod prepare;
mod question;
pub mod verify;
mod way_back;

pub use origin::Origin;

use failure::unfinished;
use installer::{documents, manifests, part};
use planned_images::{cached, pinned};
use prepare::{Prepared, prepare};

/// The environment of a command: output, data, policies, and access to the cluster and to registries.
pub struct RunContext<'a> {
    pub ui: &'a Ui,
    pub report: &'a mut Report,
    pub matrix: &'a Matrix,
    pub policy: &'a SeverityOverrides,
    pub today: Date,
    pub target: KubeTarget,
    /// The limit of our own reads and waits.
    pub timeout: Duration,
    /// What cryptographic modules are judged by.
    pub judge: &'a Judge,
    /// `None` if no registry may be read.
    pub images: Option<RegistryAccess>,
    /// Flags of istioctl that select its charts and how strict its installer is.
    pub installer_flags: Vec<String>,
    /// The connection, once a stage needs it. All stages share it: connecting can run a credential plugin.
    pub cluster: Option<Rc<Cluster>>,
}

/// The access to registries.
pub struct RegistryAccess {
    pub registry: Registry,
    pub cache: Option<Cache>,
    /// The total cost that reading images may have.
    pub budget: Budget,
    /// Whether the images of the plan are read before anything changes, whatever build is planned.
    pub inspect: bool,
}

/// A request to install: the options of what to install, and how to do it.
pub struct Install<'a> {
    pub request: &'a InstallRequest,
    pub istioctl: Istioctl,
    /// Flags for istioctl, as the user typed them.
    pub handed_on: Vec<String>,
    /// The control plane that an upgrade starts from.
    pub origin: Option<&'a Origin>,
    pub yes: bool,
    pub dry_run: bool,
    pub verify: bool,
}

impl RegistryAccess {
    /// Returns a reader of images, which reports its progress to `on_event`.
    pub fn reader<'a>(&'a self, judge: &'a Judge, on_event: &'a dyn Fn(&Event)) -> Reader<'a> {
        Reader {
            sources: Sources {
                registry: &self.registry,
                cache: self.cache.as_ref(),
                on_event,
                budget: &self.budget,
            },
            modules: &judge.modules,
        }
    }
}

impl RunContext<'_> {
    /// Returns the connection to the cluster, and connects at the first call.
    pub fn connect(&mut self) -> Result<Rc<Cluster>, Failure> {
        Ok(self.connected()?)
    }

    /// Connects for a command that can run without a cluster: `None` if nothing names one.
    pub fn connect_if_there(&mut self) -> Result<Option<Rc<Cluster>>, Failure> {
        match self.connected() {
            Ok(cluster) => Ok(Some(cluster)),
            Err(ClusterError::NoKubeconfig(_)) if !self.target.is_named() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Connects once, and adds the cluster to the report.
    fn connected(&mut self) -> Result<Rc<Cluster>, ClusterError> {
        if let Some(cluster) = &self.cluster {
            return Ok(Rc::clone(cluster));
        }
        let cluster = Rc::new(Cluster::connect(&self.target, self.timeout)?);
        self.report.cluster = Some(report::Cluster {
            context: cluster.context().to_owned(),
            server: cluster.server().to_owned(),
            kubernetes: None,
        });
        self.cluster = Some(Rc::clone(&cluster));
        Ok(cluster)
    }

    /// Sets `--inspect-images`.
    pub fn inspect_images(&mut self, inspect: bool) {
        if let Some(images) = &mut self.images {
            images.inspect = inspect;
        }
    }

    /// Gathers the facts for the Before checks.
    pub fn gather(
        &self,
        cluster: &Cluster,
        istioctl: &Observed<Istioctl>,
        prepared: &Prepared,
    ) -> Result<facts::Before, Failure> {
        let licences = prepared.licence_secrets(self.matrix);
        let asked = facts::ObservationScope {
            namespace: &prepared.plan.namespace,
            fips: prepared.plan.tag.flavor.is_fips(),
            licences: &licences,
        };
        let flags = self.installer_flags.as_slice();
        let (manifests, (mut facts, images, published)) = process::beside(
            || manifests(prepared, istioctl, flags),
            || {
                let facts = facts::before(cluster, istioctl.clone(), asked);
                let images = self.planned(prepared, &facts.nodes);
                (facts, images, self.published(prepared))
            },
        );
        facts.images = images?;
        facts.published = published?;
        facts.manifests = manifests;
        if signal::interrupted() {
            return Err(interrupted());
        }
        if let Observed::Unknown(reason) = &facts.cluster {
            return Err(Failure::message(Exit::Unavailable, reason)
                .hint("--kubeconfig and --context choose another cluster"));
        }
        Ok(facts)
    }

    /// Gathers the facts that are available without a cluster; `why` says why there is none.
    pub fn gather_without_cluster(
        &self,
        istioctl: Observed<Istioctl>,
        prepared: &Prepared,
        why: &'static str,
    ) -> Result<facts::Before, Failure> {
        let flags = self.installer_flags.as_slice();
        let unknown = Observed::NotCollected(why);
        let (manifests, (images, published)) = process::beside(
            || manifests(prepared, &istioctl, flags),
            || (self.planned(prepared, &unknown), self.published(prepared)),
        );
        Ok(facts::Before {
            images: images?,
            published: published?,
            manifests,
            ..facts::Before::not_asked(why, istioctl)
        })
    }

    /// Adds the plan to the report.
    pub fn describe(&mut self, prepared: &Prepared) {
        let plan = &prepared.plan;
        if let Some(key) = &plan.key {
            self.ui.secrets().add(key.expose());
        }
        let expected = &mut self.report.expected;
        expected.hub = Some(plan.hub.to_string());
        expected.tag = Some(plan.tag.to_string());
        expected.revision = Some(plan.revision_label().to_owned());
        expected.namespace = Some(plan.namespace.clone());
        expected.chosen.extend(plan.chosen.iter().cloned());
        expected
            .notes
            .extend(prepared.manifest.notices.iter().map(ToString::to_string));
        if self.matrix.key_in(&plan.hub).is_some() {
            expected.notes.push(
                "the repo key is part of every image name: whoever reads a pod reads it".to_owned(),
            );
        }
    }

    /// Returns the subject of the Before checks.
    fn subject<'a>(
        &'a self,
        prepared: &'a Prepared,
        facts: &'a facts::Before,
    ) -> check::Before<'a> {
        check::Before {
            plan: &prepared.plan,
            documents: &prepared.manifest.documents,
            facts,
            matrix: self.matrix,
            today: self.today,
            judge: self.judge,
        }
    }

    /// Runs the Before checks.
    pub fn check(&mut self, prepared: &Prepared, facts: &facts::Before) {
        if let (Some(cluster), Some(seen)) = (&mut self.report.cluster, facts.cluster.known()) {
            cluster.kubernetes = Some(seen.version.to_string());
        }
        self.report.expected.images = pinned(&facts.images);
        let notes = &mut self.report.expected.notes;
        notes.extend(image::cache_note(&cached(&facts.images)));
        let ran = check::before(&self.subject(prepared, facts), self.policy);
        self.report.checks.extend(ran.results);
        self.report.skipped.extend(ran.skipped);
    }
}

impl Install<'_> {
    /// Installs the plan. The report of `ctx` contains the results afterwards, also on failure.
    pub fn run(&self, ctx: &mut RunContext<'_>) -> Result<Exit, Failure> {
        let client = Observed::Known(self.istioctl.clone());
        let prepared = prepare(self.request, ctx.matrix, &client)?;
        ctx.describe(&prepared);
        let planned = self.actions(
            &prepared,
            &Observed::NotCollected("the documents are shown first"),
        );
        ctx.report.documents = documents(&prepared.manifest.documents, &planned);
        ctx.ui
            .event(&Event::Working("Reading the cluster".to_owned()));
        let cluster = ctx.connect()?;
        let facts = ctx.gather(&cluster, &client, &prepared)?;
        ctx.check(&prepared, &facts);
        if ctx.report.failed() {
            return Ok(Exit::Findings);
        }
        let up_to_date = self.origin.is_some_and(|it| it.is_up_to_date(&prepared));
        if up_to_date {
            ctx.report.expected.notes.push(up_to_date_note(&prepared));
        }
        if self.dry_run {
            return Ok(Exit::Ok);
        }
        if up_to_date {
            return self.keep(ctx, &cluster, &prepared, &facts);
        }
        ctx.show_before()?;
        if !self.yes {
            question::confirm(ctx, self, &prepared, &facts)?;
        }
        let actions = self.actions(&prepared, &facts.manifests);
        let late = apply::apply(ctx, &cluster, &prepared, &actions, (self, &facts))?;
        let exit = if self.verify {
            verify::verify_install(ctx, &cluster, &prepared, &facts)?
        } else {
            Exit::Ok
        };
        if exit == Exit::Ok && !late.is_empty() {
            let late: BTreeSet<WorkloadRef> = late.into_iter().collect();
            let causes = facts::causes(&cluster, &prepared.namespaces(), &late);
            let mut failure = unfinished(&late, ctx.timeout);
            failure.hints.extend(failure::hints(&causes));
            return Err(failure);
        }
        Ok(exit)
    }

    fn actions(&self, prepared: &Prepared, manifests: &Observed<Vec<Manifest>>) -> Vec<Action> {
        let place = Place {
            namespace: &prepared.plan.namespace,
            revision: prepared.plan.revision_label(),
        };
        let documents = prepared.manifest.documents.iter();
        let parts: Vec<Part<'_>> = documents
            .map(|document| part(document, manifests, place))
            .collect();
        action::install(&self.istioctl.path, &self.handed_on, &parts, place)
    }

    /// Keeps a control plane that already runs as planned, and verifies it.
    fn keep(
        &self,
        ctx: &mut RunContext<'_>,
        cluster: &Cluster,
        prepared: &Prepared,
        facts: &facts::Before,
    ) -> Result<Exit, Failure> {
        ctx.show_before()?;
        ctx.report.up_to_date = Some(up_to_date_note(prepared));
        if self.verify {
            verify::verify_install(ctx, cluster, prepared, facts)
        } else {
            Ok(Exit::Ok)
        }
    }
}

impl RunContext<'_> {
    /// Shows the plan and the results of the Before checks to the person at the terminal.
    fn show_before(&mut self) -> Result<(), Failure> {
        self.report.complete_commands();
        let mut text = Vec::new();
        report::text::write_before(self.report, self.ui.err_style(), &mut text)
            .map_err(|error| Failure::new(Exit::CannotWrite, &error))?;
        self.ui.report(&String::from_utf8_lossy(&text));
        Ok(())
    }
}

fn up_to_date_note(prepared: &Prepared) -> String {
    let plan = &prepared.plan;
    format!(
        "revision {} already runs {} from the same documents: nothing is changed",
        plan.revision_label(),
        plan.tag
    )
}

fn interrupted() -> Failure {
    Failure::message(Exit::Interrupted, "interrupted: nothing was changed")
}
