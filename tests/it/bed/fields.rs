//! What the schema says of nulls and fields is what the real istioctl does.

use std::process::Output;

use istio_builds::IstioVersion;
use istio_operator::schema::{Problem, Release, deviations};
use serde_json::{Value, json};

use super::Bed;

/// The release of the istioctl on the bed.
const VERSION: &str = "1.31.0";

/// What the document says before the null: enough for istioctl, and never the defaults of istioctl itself.
fn document(spec: &str) -> String {
    format!(
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {{name: mesh}}\nspec:\n  {}\n",
        spec.replace('\n', "\n  ")
    )
}

const HEAD: &str = "profile: minimal\nhub: h.example/solo\ntag: 1.31.0-solo";

/// What a raw null does to the real istioctl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raw {
    /// The same objects as without the line.
    Nothing,
    /// Other objects, or none.
    Harm,
}

/// A section with a null, and the same without it.
const DROPPED: &[(&str, &str, Raw)] = &[
    ("namespace: ", "", Raw::Nothing),
    ("installPackagePath: ", "", Raw::Nothing),
    ("unvalidatedValues: ", "", Raw::Nothing),
    ("revision: ", "", Raw::Harm),
    ("meshConfig: ", "", Raw::Harm),
    ("compatibilityVersion: ", "", Raw::Harm),
    ("values: ", "", Raw::Harm),
    ("values: {global: }", "", Raw::Harm),
    ("values: {global: {proxy: }}", "", Raw::Harm),
    ("values: {global: {hub: , tag: }}", "", Raw::Harm),
    ("values: {pilot: {image: }}", "", Raw::Harm),
    ("values: {pilot: {env: }}", "", Raw::Harm),
    (
        "values: {pilot: {env: {X: }}}",
        "values: {pilot: {env: {}}}",
        Raw::Harm,
    ),
    ("values: {gateways: }", "", Raw::Harm),
    ("unvalidatedValues: {pilot: {resources: }}", "", Raw::Harm),
    ("meshConfig: {defaultConfig: }", "meshConfig: {}", Raw::Harm),
    ("components: ", "", Raw::Harm),
    ("components: {pilot: }", "", Raw::Harm),
    ("components: {cni: }", "", Raw::Nothing),
    (
        "components: {pilot: {hub: , tag: , namespace: , k8s: }}",
        "components: {pilot: {}}",
        Raw::Nothing,
    ),
    ("components: {pilot: {k8s: {env: }}}", "", Raw::Harm),
    ("components: {pilot: {k8s: {service: }}}", "", Raw::Harm),
    ("components: {pilot: {k8s: {hpaSpec: }}}", "", Raw::Harm),
    (
        "components: {ingressGateways: [{name: a, enabled: true, tag: , label: , k8s: }]}",
        "components: {ingressGateways: [{name: a, enabled: true}]}",
        Raw::Nothing,
    ),
    (
        "components: {ingressGateways: [{name: a, enabled: true, label: {x: }}]}",
        "components: {ingressGateways: [{name: a, enabled: true}]}",
        Raw::Harm,
    ),
    (
        "components: {ztunnel: {enabled: true}}\nvalues: {ztunnel: {tag: }}",
        "components: {ztunnel: {enabled: true}}",
        Raw::Harm,
    ),
];

/// Nulls that are refused, which the real istioctl fails on or takes for a switch that is on.
const REFUSED: &[&str] = &[
    "components: {ingressGateways: }",
    "components: {egressGateways: }",
    "components: {ingressGateways: [null]}",
    "components: {cni: {enabled: }}",
    "components: {pilot: {k8s: {env: [null]}}}",
];

fn generate(bed: &Bed, document: &str) -> Output {
    bed.tool_with("istioctl", &["manifest", "generate", "-f", "-"], document)
}

/// The objects of what glooistio makes of `spec`.
fn rendered(bed: &Bed, spec: &str) -> Output {
    bed.env().file("null.yaml", document(spec));
    let own = bed.line("render --istio 1.31.0-solo --hub h.example/solo -f null.yaml");
    assert_eq!(own.code(), 0, "{spec}: {own}");
    generate(bed, &own.stdout)
}

#[test]
#[ignore = "needs the test bed"]
fn no_null_changes_what_is_installed() {
    let bed = Bed::as_it_is();
    let mut wrong = Vec::new();
    for (null, without, raw) in DROPPED {
        let (with, without) = (format!("{HEAD}\n{null}"), format!("{HEAD}\n{without}"));
        let wanted = generate(&bed, &document(&without));
        assert!(wanted.status.success(), "{without}");
        let real = generate(&bed, &document(&with));
        let harmless = real.status.success() && real.stdout == wanted.stdout;
        if harmless != (*raw == Raw::Nothing) {
            wrong.push(format!("{null}: istioctl itself is not as {raw:?}"));
        }
        let (own, same) = (rendered(&bed, &with), rendered(&bed, &without));
        if !own.status.success() || own.stdout != same.stdout {
            wrong.push(format!("{null}: changes what is installed"));
        }
    }
    // Hub and tag of the document itself.
    for null in ["hub: ", "tag: "] {
        let (name, _) = null.split_once(':').unwrap();
        let lines = HEAD.lines().filter(|line| !line.starts_with(name));
        let without: Vec<&str> = lines.collect();
        let spec = format!("{}\n{null}", without.join("\n"));
        let real = generate(&bed, &document(&spec));
        if !String::from_utf8_lossy(&real.stdout).contains("<nil>") {
            wrong.push(format!("{null}: istioctl itself does not write <nil>"));
        }
        let (own, same) = (rendered(&bed, &spec), rendered(&bed, HEAD));
        if own.stdout != same.stdout {
            wrong.push(format!("{null}: changes what is installed"));
        }
    }
    for null in REFUSED {
        let spec = format!("{HEAD}\n{null}");
        bed.env().file("null.yaml", document(&spec));
        let own = bed.line("render --istio 1.31.0-solo --hub h.example/solo -f null.yaml");
        if own.code() != 65 || !own.stderr.contains("null.yaml:") {
            wrong.push(format!("{null}: {own}"));
        }
        let real = generate(&bed, &document(&spec));
        let absent = generate(&bed, &document(HEAD));
        if real.status.success() && real.stdout == absent.stdout {
            wrong.push(format!("{null}: istioctl itself takes it for unset"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Specs of every kind of problem, and of what has none.
const SPECS: &[&str] = &[
    "{bogus: 1}",
    "{components: {pilot: {replicas: 2}}}",
    "{components: {pilot: {k8s: {nodeSelectors: {a: b}}}}}",
    "{components: {pilot: {k8s: {nodeSelector: {a: b}}}}}",
    "{components: {pilot: {k8s: {replicaCount: '2'}}}}",
    "{components: {pilot: {k8s: {replicaCount: 2}}}}",
    "{components: {pilot: {k8s: {readinessProbe: {bogus: 1}}}}}",
    "{components: {pilot: {k8s: {resources: {limits: {cpu: 2}}}}}}",
    "{components: {pilot: {k8s: {resources: {limits: {cpu: true}}}}}}",
    "{components: {pilot: {k8s: {env: [{name: A, value: 1}]}}}}",
    "{components: {pilot: {k8s: {env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}}}",
    "{components: {pilot: {k8s: {env: [{name: A, valueFrom: {secretKeyRef: {localObjectReference: {name: s}}}}]}}}}",
    "{components: {pilot: {k8s: {volumes: [{name: a, volumeSource: {emptyDir: {}}}]}}}}",
    "{components: {pilot: {k8s: {hpaSpec: {metrics: [{type: Resource, resource: {name: cpu, targetAverageUtilization: 60}}]}}}}}",
    "{components: {pilot: {k8s: {service: {ports: [{port: 15010, targetPort: 1.5}]}}}}}",
    "{components: {ingressGateways: [{name: a, labels: {a: b}}]}}",
    "{components: {ingressGateways: [{name: a, label: {a: b}}]}}",
    "{components: {istiodRemote: {enabled: false}}}",
    "{values: {bogus: 1}}",
    "{values: {pilot: {autoscaleMin: 2}}}",
    "{values: {pilot: {autoscaleMin: 2.5}}}",
    "{values: {pilot: {autoscaleMin: -2}}}",
    "{values: {pilot: {autoscaleEnabled: 'false'}}}",
    "{values: {pilot: {traceSampling: 0.5}}}",
    "{values: {pilot: {env: {A: true, B: 1, C: x}}}}",
    "{values: {pilot: {volumes: [{name: x, emptyDir: {}}]}}}",
    "{values: {pilot: {volumes: [{name: x, bogus: {}}]}}}",
    "{values: {pilot: {nodeSelector: [a]}}}",
    "{values: {cni: {tolerations: []}}}",
    "{unvalidatedValues: {cni: {tolerations: []}}}",
    "{values: {telemetry: {v2: {prometheus: {wasmEnabled: false}}}}}",
    "{values: {global: {proxy: {excludeOutboundPorts: 5432}}}}",
    "{values: {global: {proxy: {tracer: Zipkin}}}}",
    "{values: {global: {proxy: {resources: {limits: {cpu: 2}}}}}}",
    "{values: {global: {waypoint: {nodeSelector: {a: b}}}}}",
    "{values: {global: {platform: gke}}}",
    "{values: {global: {pilotCertProvider: kubernetes}}}",
    "{values: {profile: openshift}}",
    "{values: {profile: demo}}",
    "{compatibilityVersion: '1.20'}",
    "{compatibilityVersion: '1.29'}",
    "{meshConfig: {accessLogEncoding: json}}",
    "{meshConfig: {accessLogEncoding: JSON}}",
    "{meshConfig: {connectTimeout: 10}}",
    "{meshConfig: {connectTimeout: 10s}}",
    "{meshConfig: {enableTracing: 'true'}}",
    "{meshConfig: {defaultConfig: {proxyMetadata: {A: true}}}}",
    "{meshConfig: {bogus: 1}}",
    "{profile: Minimal}",
    "{profile: external}",
    "{revision: '110'}",
    "{revision: r110}",
];

fn refuses(problem: &Problem) -> bool {
    !matches!(
        problem,
        Problem::ToleratedField(_)
            | Problem::Misspelled { .. }
            | Problem::Ignored { .. }
            | Problem::Unusable { .. }
            | Problem::Reread { refused: false, .. }
    )
}

#[test]
#[ignore = "needs the test bed"]
fn schema_refuses_what_istioctl_refuses() {
    let bed = Bed::as_it_is();
    let version: IstioVersion = VERSION.parse().unwrap();
    let mut wrong = Vec::new();
    for spec in SPECS {
        let mut whole = json!({
            "apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "metadata": {"name": "mesh"},
            "spec": {"profile": "minimal", "hub": "h.example/solo", "tag": "1.31.0-solo"},
        });
        let spec_value: Value = serde_yaml::from_str(spec).unwrap();
        let fields = spec_value.as_object().unwrap().clone();
        whole["spec"].as_object_mut().unwrap().extend(fields);
        let found = deviations(&whole, Release::from(&version));
        let ours = found.iter().any(|deviation| refuses(&deviation.problem));
        let real = generate(&bed, &whole.to_string());
        if ours == real.status.success() {
            let said = String::from_utf8_lossy(&real.stderr);
            wrong.push(format!("{spec}: {found:?}, istioctl: {said:.200}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
