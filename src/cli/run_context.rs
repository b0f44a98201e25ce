//! What a command needs in addition to its own flags: matrix, policy, day, cluster.

use std::time::Duration;

use super::args::{CheckArgs, ProofArgs, RegistryArgs, RunArgs};
use super::istioctl_flags::IstioctlFlags;
use crate::check::SeverityOverrides;
use crate::data;
use crate::exit::{Exit, Failure};
use crate::facts::{self, Istioctl, Observed};
use crate::image::{Budget, Cache};
use crate::install::{RegistryAccess, RunContext};
use crate::report::{DataFile, Report};
use crate::secret::Secrets;
use crate::sys::cluster::KubeTarget;
use crate::sys::registry::{self, Registry};
use crate::sys::{os, signal};
use crate::ui::Ui;
use fips_evidence::{Judge, Modules, READER};
use istio_builds::{DataDate, Matrix};

/// The data and rules that a run is judged by.
pub(crate) struct Policies {
    pub(crate) matrix: Matrix,
    pub(crate) policy: SeverityOverrides,
    pub(crate) judge: Judge,
}

impl Policies {
    pub(crate) fn of(
        args: &CheckArgs,
        proof: &ProofArgs,
        ui: &Ui,
        report: &mut Report,
    ) -> Result<Policies, Failure> {
        let matrix = matrix(args.matrix.as_deref(), ui)?;
        let own = matrix.data_dates().iter().filter(|file| !file.builtin);
        add_data(
            report,
            data::files().iter().chain(own),
            proof.max_data_age.0,
        );
        let policy = SeverityOverrides::parse(&args.severity, &args.skip, args.strict)
            .map_err(|error| Failure::new(Exit::Usage, &error))?;
        Ok(Policies {
            matrix,
            policy,
            judge: judge(proof, args.strict, report)?,
        })
    }

    pub(crate) fn run_context<'a>(
        &'a self,
        ui: &'a Ui,
        report: &'a mut Report,
        target: KubeTarget,
        run: &RunArgs,
    ) -> RunContext<'a> {
        RunContext {
            ui,
            report,
            matrix: &self.matrix,
            policy: &self.policy,
            today: os::today(),
            target,
            timeout: run.timeout,
            judge: &self.judge,
            installer_flags: Vec::new(),
            cluster: None,
            images: (!run.no_registry)
                .then(|| images(&run.registry, &self.judge, run.timeout, ui.secrets())),
        }
    }
}

/// Returns the access to registries, with no wait longer than `limit`; what is read from images is cached for the same
/// reader and data.
pub(crate) fn images(
    args: &RegistryArgs,
    judge: &Judge,
    limit: Duration,
    secrets: &Secrets,
) -> RegistryAccess {
    let stamp = format!("{READER} {}", judge.modules.reader_key());
    RegistryAccess {
        registry: Registry::new(registry::Options {
            plain_http: args.plain_http.iter().cloned().collect(),
            allowed: args.allow_registry.iter().cloned().collect(),
            secrets: secrets.clone(),
            ..registry::Options::within(limit)
        }),
        cache: (!args.no_cache).then(|| Cache::of_user(&stamp)).flatten(),
        budget: Budget::default(),
        inspect: false,
    }
}

/// Returns what statements about modules are judged by, and names its data in the report.
pub(crate) fn judge(args: &ProofArgs, strict: bool, report: &mut Report) -> Result<Judge, Failure> {
    let modules = match &args.modules {
        None => Modules::builtin().clone(),
        Some(path) => {
            let name = path.display().to_string();
            let text = os::text(&name, os::read(path, os::TEXT_LIMIT)?)?;
            data::modules_with_file(&name, &text).map_err(|error| {
                let failure = Failure::new(Exit::Data, &error);
                failure.hint("`glooistio explain modules` shows the form of the file")
            })?
        }
    };
    add_data(report, modules.dates(), args.max_data_age.0);
    Ok(Judge {
        modules,
        at: args.at.unwrap_or_else(os::today),
        policy: args.policy,
        floor: args.require,
        max_age: args.max_data_age.0,
        strict,
    })
}

/// Names the data files in the report, each once, with the age of those that are old.
fn add_data<'a>(report: &mut Report, files: impl IntoIterator<Item = &'a DataDate>, max_age: u32) {
    let today = os::today();
    for data in files {
        let file = DataFile {
            name: data.file.clone(),
            date: data.date.to_string(),
            days_old: data::is_old(data.date, today, max_age).then(|| data::age(data.date, today)),
        };
        if !report.data.contains(&file) {
            report.data.push(file);
        }
    }
}

/// Returns the built-in matrix, with the rows of the user's file over it.
pub(crate) fn matrix(file: Option<&std::path::Path>, ui: &Ui) -> Result<Matrix, Failure> {
    let Some(path) = file else {
        return Ok(Matrix::builtin().clone());
    };
    let name = path.display().to_string();
    let text = os::text(&name, os::read(path, os::TEXT_LIMIT)?)?;
    let matrix = Matrix::with_file(&name, &text).map_err(|error| {
        let failure = Failure::new(Exit::Data, &error);
        failure.hint("`glooistio explain matrix` shows the form of the file")
    })?;
    ui.secrets().use_matrix(&matrix);
    Ok(matrix)
}

/// Returns the cluster to connect to, by the same flags as istioctl's.
pub(crate) fn target(flags: &IstioctlFlags) -> KubeTarget {
    KubeTarget {
        kubeconfig: flags.last("kubeconfig").map(Into::into),
        context: flags.last("context").map(str::to_owned),
        user: flags.last("as").map(str::to_owned),
        uid: flags.last("as-uid").map(str::to_owned),
        groups: flags.all("as-group").to_vec(),
    }
}

/// Finds the istioctl to run, and reads its version.
pub(crate) fn istioctl(run: &RunArgs) -> Result<Istioctl, Failure> {
    let path = super::find_istioctl(run.istioctl.as_deref())
        .map_err(|failure| failure.hint("its minor must be that of the Istio to install"))?;
    facts::istioctl(&path).map_err(|error| {
        if signal::interrupted() {
            return Failure::message(Exit::Interrupted, "interrupted: nothing was changed");
        }
        Failure::new(Exit::Unavailable, &error).hint("name another by --istioctl PATH")
    })
}

/// Does the same for a command that can run without istioctl.
pub(crate) fn istioctl_if_there(run: &RunArgs) -> Observed<Istioctl> {
    istioctl(run).map_or_else(
        |failure| Observed::Unknown(failure.message),
        Observed::Known,
    )
}
