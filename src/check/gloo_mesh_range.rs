//! Checks that the existing Gloo Mesh supports the planned Istio, and the Kubernetes version of the cluster.

use super::answer::judged;
use super::{Before, Check, Outcome, Run};
use crate::report::{Finding, Subject};
use crate::sys::cluster::Names;
use istio_builds::Minor;

pub(super) const CHECK: Check = Check {
    id: "gloo-mesh-range",
    title: "Gloo Mesh is compatible with this Istio and Kubernetes",
    category: "build",
    run: Run::Before(run),
    page: include_str!("gloo_mesh_range.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let Some(planned) = before.plan.gloo_mesh else {
        return before.facts.gloo_mesh.judge(|running| {
            let judged = match running.version {
                None => Outcome::NotApplicable("no Gloo Mesh".to_owned()),
                Some(version) => seen(before, version),
            };
            judged.with(elsewhere(&running.others))
        });
    };
    let running = before.facts.gloo_mesh.known();
    let running = running.and_then(|running| running.version);
    let other = running
        .filter(|running| *running != planned)
        .map(|running| {
            Finding::warning(
                "other-version-runs",
                format!("Gloo Mesh {running} runs, and {planned} was given"),
            )
            .fix("give the version that will run with this Istio")
        });
    seen(before, planned).with(other.into_iter().collect())
}

/// Reports Deployments in other namespaces with the labels of Gloo Mesh: they are listed and not judged.
fn elsewhere(named: &Names) -> Vec<Finding> {
    let (first, rest) = match named.places.split_first() {
        Some(((namespace, name), rest)) => (Subject::deployment(namespace, name), rest.len()),
        None => return Vec::new(),
    };
    let found = match (rest, named.more) {
        (0, false) => None,
        (rest, more) => Some(format!("and {rest}{} more", if more { "+" } else { "" })),
    };
    let finding = Finding::warning(
        "unexpected-namespace",
        "looks like Gloo Mesh outside of its own namespace",
    )
    .subject(first)
    .why("its version was not judged")
    .fix("if it is your Gloo Mesh, give its version by --gloo-mesh");
    vec![Finding { found, ..finding }]
}

fn seen(before: &Before<'_>, version: Minor) -> Outcome {
    Outcome::of(judge(before, version), format!("Gloo Mesh {version}"))
}

fn judge(before: &Before<'_>, version: Minor) -> Vec<Finding> {
    let by = |finding: Finding| {
        finding.subject(Subject::named("Gloo Mesh", format!("Gloo Mesh {version}")))
    };
    let istio = judged(
        before.matrix.gloo_mesh(version, before.plan.tag.minor()),
        by,
    );
    let kube = before.facts.cluster.known().and_then(|cluster| {
        judged(
            before
                .matrix
                .gloo_mesh_on_kubernetes(version, cluster.version.minor()),
            by,
        )
    });
    istio.into_iter().chain(kube).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, cluster, found, passed};
    use crate::facts::{GlooMeshes, Observed};

    const DATA: &str = "
gloo-mesh:
  - source: https://example.com/gloo-mesh
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {product: Gloo Mesh Enterprise, version: 2.0, istio: 1.9 - 1.13, kubernetes: 1.17 - 1.23}
";

    fn outcome(tag: &str, kube: &str, planned: Option<&str>, running: Option<&str>) -> Outcome {
        let mut given = Given::tag(tag).data(DATA);
        let minor = |text: &str| text.parse::<Minor>().unwrap();
        given.plan.gloo_mesh = planned.map(minor);
        given.facts.gloo_mesh = Observed::Known(GlooMeshes {
            version: running.map(minor),
            ..GlooMeshes::default()
        });
        given.facts.cluster = cluster(kube);
        given.run(run)
    }

    #[test]
    fn istio_and_kubernetes_must_both_be_allowed() {
        assert!(passed(&outcome(
            "1.13.5-solo",
            "v1.22.0",
            Some("2.0"),
            None
        )));
        assert!(passed(&outcome(
            "1.13.5-solo",
            "v1.22.0",
            None,
            Some("2.0")
        )));
        assert!(found(
            &outcome("1.14.0-solo", "v1.22.0", Some("2.0"), None),
            "Istio 1.14"
        ));
        assert!(found(
            &outcome("1.13.5-solo", "v1.24.0", Some("2.0"), None),
            "Kubernetes 1.24"
        ));
        assert!(found(
            &outcome("1.13.5-solo", "v1.22.0", Some("2.0"), Some("2.1")),
            "2.1 runs"
        ));
        assert!(matches!(
            outcome("1.13.5", "v1.22.0", None, None),
            Outcome::NotApplicable(_)
        ));
    }

    #[test]
    fn a_deployment_of_that_name_elsewhere_is_named_and_decides_nothing() {
        let mut given = Given::tag("1.13.5-solo").data(DATA);
        given.facts.gloo_mesh = Observed::Known(GlooMeshes {
            version: None,
            others: Names {
                places: vec![("shop".into(), "gloo-mesh-mgmt-server".into())],
                more: false,
            },
        });
        let Outcome::Found(findings) = given.run(run) else {
            panic!("not named")
        };
        assert_eq!(findings[0].severity, crate::report::Severity::Warning);
        let deployment = Subject::deployment("shop", "gloo-mesh-mgmt-server");
        assert_eq!(findings[0].subject, Some(deployment));
    }

    #[test]
    fn one_that_could_not_be_looked_for_is_not_taken_for_none() {
        let mut given = Given::tag("1.13.5-solo").data(DATA);
        given.facts.gloo_mesh = Observed::Unknown("forbidden".to_owned());
        assert_eq!(given.run(run), Outcome::Unknown("forbidden".to_owned()));
        given.facts.gloo_mesh = Observed::NotCollected("no cluster");
        assert_eq!(given.run(run), Outcome::NotChecked("no cluster".to_owned()));
        given.plan.gloo_mesh = Some("2.0".parse().unwrap());
        assert!(passed(&given.run(run)), "what was given is judged");
    }
}
