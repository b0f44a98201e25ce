//! Small observations for the tests of checks.

mod program;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use program::{boring, own_module, program, standard};

use super::{After, Before, Expectation, Outcome, Scope, Source, Wanted};
use crate::facts::{
    self, ClusterFact, ControlPlane, ImageProgram, Manager, MeshInventory, Namespace, Observed,
    PodGroup, PodGroupKey, Role, SelfReport, Webhook, WebhookKind,
};
use crate::plan::{self, Plan};
use crate::render::{Installs, Rendered};
use crate::report::Deviations;
use crate::workload::{WorkloadKind, WorkloadRef};
use fips_evidence::{Judge, Modules};
use istio_builds::Matrix;
use istio_operator::Base;

pub(super) const HUB: &str = "r.io/istio";

/// Checks whether a check passed.
pub(super) fn passed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Passed(_))
}

/// Checks whether the message of some finding contains the words.
pub(super) fn found(outcome: &Outcome, words: &str) -> bool {
    matches!(outcome, Outcome::Found(findings) if findings.iter().any(|finding| finding.message.contains(words)))
}

/// Returns observations of an empty cluster.
pub(super) fn after() -> facts::After {
    facts::After {
        cluster: Observed::NotCollected("no cluster in this test"),
        control_planes: Observed::Known(Vec::new()),
        unconnected: Observed::Known(crate::sys::cluster::Names::default()),
        webhooks: Observed::Known(Vec::new()),
        nodes: Observed::Known(facts::Nodes::default()),
        namespaces: Observed::Known(Vec::new()),
        crds: Observed::Known(BTreeMap::new()),
        inventory: Observed::Known(MeshInventory::default()),
        images: BTreeMap::new(),
        unreached: BTreeMap::new(),
        injected: BTreeMap::new(),
        references: BTreeMap::from([(
            "default".to_owned(),
            Observed::Known(facts::Reference::default()),
        )]),
    }
}

/// Expects `tag` of the default revision; its flavour decides whether FIPS is expected.
pub(super) fn expecting(tag: &str) -> Expectation {
    let tag: istio_builds::ImageTag = tag.parse().unwrap();
    let fips = tag.flavor.is_fips();
    let wanted = Wanted {
        hub: HUB.to_owned(),
        tag,
        source: Source::Plan,
        digests: BTreeSet::new(),
        fips,
    };
    Expectation {
        revisions: BTreeMap::from([("default".to_owned(), wanted)]),
        gateways: BTreeSet::new(),
        others: BTreeMap::new(),
    }
}

pub(super) fn run_after(
    run: fn(&After<'_>) -> Outcome,
    facts: &facts::After,
    tag: &str,
) -> Outcome {
    run(&whole(&expecting(tag), facts))
}

/// The built-in data, without a policy.
pub(super) static JUDGE: std::sync::LazyLock<Judge> = std::sync::LazyLock::new(|| Judge {
    modules: Modules::builtin().clone(),
    at: jiff::civil::date(2026, 11, 22),
    policy: fips_evidence::CertificatePolicy::Any,
    floor: None,
    max_age: 90,
    strict: false,
});

/// Returns the same with a required assurance.
pub(super) fn judge(floor: fips_evidence::RequiredAssurance) -> Judge {
    Judge {
        floor: Some(floor),
        ..JUDGE.clone()
    }
}

/// Judges everything that runs by the built-in data.
pub(super) fn whole<'a>(expected: &'a Expectation, facts: &'a facts::After) -> After<'a> {
    After {
        expected,
        facts,
        scope: Scope::Everything,
        matrix: Matrix::builtin(),
        judge: &JUDGE,
    }
}

/// Runs a check on one pod of a role with that FIPS report, in a mesh that expects `tag`.
pub(super) fn fips_outcome(
    run: fn(&After<'_>) -> Outcome,
    role: Role,
    tag: &str,
    report: SelfReport,
) -> Outcome {
    let mut inventory = MeshInventory::default();
    inventory.groups.insert(
        PodGroupKey {
            report,
            ..group(role, "a", tag)
        },
        members(1, "x"),
    );
    let mut facts = after();
    facts.inventory = Observed::Known(inventory);
    run_after(run, &facts, tag)
}

pub(super) fn control_plane(revision: &str, tag: &str) -> ControlPlane {
    ControlPlane {
        namespace: "istio-system".to_owned(),
        name: "istiod".to_owned(),
        uid: String::new(),
        revision: revision.to_owned(),
        image: format!("{HUB}/pilot:{tag}"),
        hub: HUB.to_owned(),
        tag: tag.parse().map_err(|_| tag.to_owned()),
        manager: Manager::Istioctl {
            owner: "unknown".to_owned(),
        },
        replicas: 1,
        ready: 1,
        lacks: None,
    }
}

pub(super) fn webhook(revision: &str) -> Webhook {
    Webhook {
        kind: WebhookKind::Mutating,
        name: "istio-sidecar-injector".to_owned(),
        revision: revision.to_owned(),
        tag: None,
        service: Some(("istio-system".to_owned(), "istiod".to_owned())),
        service_ready: Observed::Known(true),
        ca_bundle: true,
        deactivated: false,
        fail_closed: true,
    }
}

pub(super) fn namespace(name: &str, injection: Option<&str>) -> Namespace {
    Namespace {
        name: name.to_owned(),
        enforce: None,
        injection: injection.map(str::to_owned),
        opted_out: false,
        ignored_revision: None,
        ambient: false,
        deletion: None,
    }
}

/// Returns the address of an istiod.
pub(super) fn connected(revision: &str) -> facts::Address {
    facts::Address::Istiod {
        namespace: "istio-system".to_owned(),
        revision: revision.to_owned(),
    }
}

pub(super) fn group(role: Role, namespace: &str, tag: &str) -> PodGroupKey {
    PodGroupKey {
        role,
        namespace: namespace.to_owned(),
        revision: "default".to_owned(),
        connects: BTreeSet::from([connected("default")]),
        container: "istio-proxy".to_owned(),
        image: format!("{HUB}/proxyv2:{tag}"),
        image_id: String::new(),
        deviations: Deviations::default(),
        settings: BTreeMap::new(),
        hidden_settings: BTreeSet::new(),
        others: BTreeSet::new(),
        ready: true,
        status: "Running".to_owned(),
        arch: Some("amd64".to_owned()),
        report: SelfReport::NotCollected,
    }
}

/// Returns the same group with an imageID.
pub(super) fn running(role: Role, tag: &str) -> PodGroupKey {
    PodGroupKey {
        image_id: format!("{HUB}/proxyv2@sha256:{}", "0a".repeat(32)),
        ..group(role, "a", tag)
    }
}

/// Returns three pods of a group with an image that contains these programs.
pub(super) fn holding(group: &PodGroupKey, programs: Vec<ImageProgram>) -> facts::After {
    let inventory = MeshInventory {
        groups: BTreeMap::from([(group.clone(), members(3, "x"))]),
        ..MeshInventory::default()
    };
    let images = group
        .running()
        .map(|image| (image, Observed::Known(programs)));
    facts::After {
        inventory: Observed::Known(inventory),
        images: images.into_iter().collect(),
        ..after()
    }
}

/// Returns pods of one Deployment.
pub(super) fn members(pods: u64, owner: &str) -> PodGroup {
    PodGroup {
        pods,
        owners: BTreeMap::from([(WorkloadRef::new(WorkloadKind::Deployment, "a", owner), pods)]),
        examples: vec![format!("{owner}-1")],
    }
}

/// A plan, observations and data for one preflight check; the cluster is empty and most observations are not
/// collected.
pub(super) struct Given {
    pub(super) plan: Plan,
    pub(super) facts: facts::Before,
    pub(super) judge: Judge,
    documents: Vec<Rendered>,
    matrix: Matrix,
}

impl Given {
    pub(super) fn tag(tag: &str) -> Given {
        Given {
            plan: plan::sample::plan(tag),
            facts: nothing(),
            judge: JUDGE.clone(),
            documents: Vec::new(),
            matrix: Matrix::default(),
        }
    }

    /// Judges by these sections alone.
    pub(super) fn data(mut self, sections: &str) -> Given {
        self.matrix = Matrix::only(&format!("date: 2026-11-01\n{sections}")).unwrap();
        self
    }

    /// Adds a document with that `spec`.
    pub(super) fn document(mut self, name: &str, spec: &str) -> Given {
        let spec: serde_json::Value = serde_yaml::from_str(spec).unwrap();
        let value = serde_json::json!({
            "apiVersion": "install.istio.io/v1alpha1",
            "kind": "IstioOperator",
            "metadata": {"name": name},
            "spec": spec,
        });
        let base = Base {
            name: name.to_owned(),
            value,
        };
        let document = istio_operator::merge(self.plan.rules, &[base], &[], &[])
            .unwrap()
            .documents
            .remove(0);
        let effective = istio_operator::effective(self.plan.rules, &document);
        let installs = Installs::of(&self.plan, &document.value);
        self.documents.push(Rendered {
            name: name.to_owned(),
            value: document.value,
            yaml: String::new(),
            effective,
            origins: document.origins,
            installs,
        });
        self
    }

    pub(super) fn run(&self, run: fn(&Before<'_>) -> Outcome) -> Outcome {
        run(&Before {
            plan: &self.plan,
            documents: &self.documents,
            facts: &self.facts,
            matrix: &self.matrix,
            today: jiff::civil::date(2026, 11, 22),
            judge: &self.judge,
        })
    }
}

fn nothing() -> facts::Before {
    const NOT_ASKED: &str = "not part of this test";
    facts::Before {
        istioctl: Observed::NotCollected(NOT_ASKED),
        cluster: Observed::NotCollected(NOT_ASKED),
        openshift: Observed::NotCollected(NOT_ASKED),
        nodes: Observed::NotCollected(NOT_ASKED),
        permissions: Observed::NotCollected(NOT_ASKED),
        control_planes: Observed::Known(Vec::new()),
        unconnected: Observed::Known(crate::sys::cluster::Names::default()),
        webhooks: Observed::Known(Vec::new()),
        namespaces: Observed::Known(Vec::new()),
        gateway_api: Observed::Known(None),
        gloo_mesh: Observed::Known(facts::GlooMeshes::default()),
        gateways: Observed::Known(BTreeMap::new()),
        proxies: Observed::Known(BTreeMap::new()),
        records: Observed::Known(Vec::new()),
        images: Observed::NotCollected("in this test"),
        manifests: Observed::NotCollected("in this test"),
        authority: Observed::NotCollected(NOT_ASKED),
        served: Observed::Known(facts::Served::default()),
        licences: Observed::NotCollected(NOT_ASKED),
        published: Observed::NotCollected(NOT_ASKED),
    }
}

pub(super) fn cluster(version: &str) -> Observed<ClusterFact> {
    Observed::Known(ClusterFact {
        context: "test".to_owned(),
        server: "https://10.0.0.1".to_owned(),
        version: version.parse().unwrap(),
    })
}
