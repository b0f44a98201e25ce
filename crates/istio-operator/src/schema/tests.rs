use super::*;
use istio_builds::IstioVersion;

fn release(text: &str) -> Release {
    Release::from(&text.parse::<IstioVersion>().unwrap())
}

fn found(path: &[&str], version: &str) -> Found {
    let (last, parents) = path.split_last().unwrap();
    let release = release(version);
    let mut cursor = Cursor::document();
    for name in parents {
        cursor = match *name {
            "[]" => cursor.item(),
            name => match cursor.field(name, release) {
                Found::Known(cursor) => cursor,
                other => panic!("{path:?} at {name}: {other:?}"),
            },
        };
    }
    cursor.field(last, release)
}

fn kind(path: &[&str], version: &str) -> Option<Kind> {
    match found(path, version) {
        Found::Known(cursor) => Some(cursor.kind),
        _ => None,
    }
}

#[test]
fn field_has_the_kind_of_its_release() {
    const K8S: [&str; 4] = ["spec", "components", "pilot", "k8s"];
    let k8s = |rest: &[&'static str]| [&K8S[..], rest].concat();
    let metric = |rest: &'static str| k8s(&["hpaSpec", "metrics", "[]", "resource", rest]);
    let utilization = metric("targetAverageUtilization");
    for (path, version, want) in [
        (k8s(&["replicaCount"]), "1.31.0", Some(Kind::Count)),
        (k8s(&["nodeSelector", "a"]), "1.20.8", Some(Kind::Text)),
        (
            k8s(&["resources", "limits", "cpu"]),
            "1.20.8",
            Some(Kind::Text),
        ),
        (
            k8s(&["resources", "limits", "cpu"]),
            "1.31.0",
            Some(Kind::Quantity),
        ),
        (utilization.clone(), "1.23.6", Some(Kind::Whole)),
        (utilization, "1.24.0", None),
        (metric("target"), "1.13.9", None),
        (metric("target"), "1.14.0", Some(Kind::Fields)),
        (
            vec!["spec", "values", "pilot", "env", "X"],
            "1.31.0",
            Some(Kind::Any),
        ),
        (
            vec!["spec", "values", "cni", "env"],
            "1.26.8",
            Some(Kind::ChartOnly),
        ),
        (
            vec!["spec", "values", "meshConfig", "trustDomain"],
            "1.31.0",
            Some(Kind::Text),
        ),
        (vec!["spec", "compatibilityVersion"], "1.20.8", None),
        (
            vec!["spec", "components", "ztunnel", "enabled"],
            "1.18.0",
            Some(Kind::Switch),
        ),
        (vec!["metadata", "labels", "a"], "1.31.0", Some(Kind::Text)),
    ] {
        assert_eq!(kind(&path, version), want, "{path:?} {version}");
    }
}

#[test]
fn second_spelling_is_known_as_such() {
    let alias = found(&["spec", "values", "cni", "pspClusterRole"], "1.20.8");
    assert!(
        matches!(
            alias,
            Found::Alias {
                right: "psp_cluster_role",
                ..
            }
        ),
        "{alias:?}"
    );
}

#[test]
fn base_has_no_settings_but_overlays_in_old_releases() {
    let setting = |name, version| found(&["spec", "components", "base", "k8s", name], version);
    assert!(matches!(setting("env", "1.23.6"), Found::Unknown { .. }));
    assert!(matches!(setting("env", "1.24.6"), Found::Known(_)));
    assert!(matches!(setting("overlays", "1.23.6"), Found::Known(_)));
}

fn problems(spec: &str, version: &str) -> Vec<String> {
    let document: serde_json::Value = serde_yaml::from_str(&format!("spec: {spec}")).unwrap();
    let found = deviations(&document, release(version));
    found
        .iter()
        .map(|deviation| format!("{}: {}", deviation.path, code(&deviation.problem)))
        .collect()
}

fn code(problem: &Problem) -> String {
    match problem {
        Problem::UnknownField(unknown) => format!("unknown{}", hints(unknown)),
        Problem::ToleratedField(unknown) => format!("tolerated{}", hints(unknown)),
        Problem::ChartOnly => "chart-only".to_owned(),
        Problem::WrongKind { found, expected } => format!("{found} is not {expected}"),
        Problem::NotAChoice {
            found,
            nearest,
            when,
            ..
        } => {
            let hints = [nearest.map(str::to_owned), when.clone()];
            format!(
                "{found} {}",
                hints.into_iter().flatten().collect::<Vec<_>>().join(" ")
            )
        }
        Problem::Misspelled { right } => format!("misspelled {right}"),
        Problem::Ignored { .. } => "ignored".to_owned(),
        Problem::Refused { found, .. } => format!("refused {found}"),
        Problem::Unusable { .. } => "unusable".to_owned(),
        Problem::Reread {
            becomes, refused, ..
        } => format!("becomes {becomes} {refused}"),
        Problem::Exclusive { other } => format!("exclusive {other}"),
    }
}

fn hints(unknown: &Unknown) -> String {
    let write = unknown.write.map(|_| "advised".to_owned());
    let hints = [unknown.nearest.clone(), unknown.when.clone(), write];
    hints
        .into_iter()
        .flatten()
        .fold(String::new(), |all, hint| format!("{all} {hint}"))
}

/// A spec, a release, and the deviations of its installer.
const DEVIATIONS: &[(&str, &str, &[&str])] = &[
    ("{bogus: 1}", "1.31.0", &["spec.bogus: unknown"]),
    (
        "{components: {pilot: {replicas: 2, k8s: {nodeSelectors: {a: b}}}}}",
        "1.30.5",
        &[
            "spec.components.pilot.replicas: unknown",
            "spec.components.pilot.k8s.nodeSelectors: unknown nodeSelector",
        ],
    ),
    (
        "{components: {pilot: {replicaCount: 2}}}",
        "1.31.0",
        &["spec.components.pilot.replicaCount: unknown k8s.replicaCount"],
    ),
    (
        "{components: {ingressGateways: [{name: x, labels: {a: b}}]}}",
        "1.30.5",
        &["spec.components.ingressGateways[name:x].labels: unknown label advised"],
    ),
    (
        "{values: {telemetry: {v2: {prometheus: {wasmEnabled: false}}}}}",
        "1.31.0",
        &["spec.values.telemetry.v2.prometheus.wasmEnabled: unknown from 1.6 to 1.20"],
    ),
    (
        "{values: {telemetry: {v2: {prometheus: {wasmEnabled: false}}}}}",
        "1.18.7",
        &[],
    ),
    (
        "{values: {cni: {tolerations: []}}}",
        "1.31.0",
        &["spec.values.cni.tolerations: chart-only"],
    ),
    (
        "{unvalidatedValues: {cni: {tolerations: [], x: 1}}}",
        "1.31.0",
        &[],
    ),
    (
        "{meshConfig: {bogus: 1}}",
        "1.31.0",
        &["spec.meshConfig.bogus: tolerated"],
    ),
    (
        "{meshConfig: {bogus: 1}}",
        "1.20.8",
        &["spec.meshConfig.bogus: unknown"],
    ),
    (
        "{meshConfig: {defaultConfig: {concurency: 1}}}",
        "1.31.0",
        &["spec.meshConfig.defaultConfig.concurency: tolerated concurrency"],
    ),
    (
        "{meshConfig: {tlsDefaults: {}}}",
        "1.16.7",
        &["spec.meshConfig.tlsDefaults: unknown from 1.18 on"],
    ),
    (
        "{meshConfig: {accessLogEncoding: json, connectTimeout: 10}}",
        "1.31.0",
        &[
            "spec.meshConfig.accessLogEncoding: json JSON",
            "spec.meshConfig.connectTimeout: 10 is not a duration such as 10s or 1h30m, as text",
        ],
    ),
    (
        "{values: {pilot: {autoscaleMin: -2, traceSampling: x}}}",
        "1.31.0",
        &[
            "spec.values.pilot.autoscaleMin: -2 is not a whole number of 32 bits that is not negative",
            "spec.values.pilot.traceSampling: the text \"x\" is not a number",
        ],
    ),
    (
        "{components: {pilot: {k8s: {env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}}}",
        "1.23.6",
        &["spec.components.pilot.k8s.env[name:A].valueFrom.secretKeyRef.name: unknown advised"],
    ),
    (
        "{components: {pilot: {k8s: {env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]}}}}",
        "1.24.0",
        &[],
    ),
    (
        "{components: {pilot: {k8s: {env: [{name: A, valueFrom: {secretKeyRef: {localObjectReference: {name: s}, key: k}}}]}}}}",
        "1.24.0",
        &[
            "spec.components.pilot.k8s.env[name:A].valueFrom.secretKeyRef.localObjectReference: unknown advised",
        ],
    ),
    (
        "{components: {pilot: {k8s: {env: [{name: A, valueFrom: {secretKeyRef: {localObjectReference: {name: s}, key: k}}}]}}}}",
        "1.20.8",
        &[
            "spec.components.pilot.k8s.env[name:A].valueFrom.secretKeyRef.localObjectReference: unusable",
        ],
    ),
    (
        "{components: {pilot: {k8s: {volumes: [{name: a, emptyDir: {}}]}}}}",
        "1.23.6",
        &[
            "spec.components.pilot.k8s.volumes: ignored",
            "spec.components.pilot.k8s.volumes[name:a].emptyDir: unknown",
        ],
    ),
    (
        "{components: {pilot: {k8s: {volumes: [{name: a, volumeSource: {emptyDir: {}}}]}}}}",
        "1.23.6",
        &["spec.components.pilot.k8s.volumes: ignored"],
    ),
    (
        "{components: {pilot: {k8s: {volumes: [{name: a, volumeSource: {emptyDir: {}}}]}}}}",
        "1.31.0",
        &[
            "spec.components.pilot.k8s.volumes: ignored",
            "spec.components.pilot.k8s.volumes[name:a].volumeSource: unknown advised",
        ],
    ),
    (
        "{values: {pilot: {volumes: [{name: x, emptyDir: {}}]}}}",
        "1.20.8",
        &[],
    ),
    (
        "{values: {pilot: {volumes: [{name: x, emptyDir: {}}]}}}",
        "1.22.6",
        &["spec.values.pilot.volumes[name:x].emptyDir: unknown"],
    ),
    (
        "{values: {pilot: {volumes: [{name: x, emptyDir: {}}]}}}",
        "1.29.6",
        &[],
    ),
    (
        "{values: {pilot: {volumes: [{name: x, bogus: {}}]}}}",
        "1.29.6",
        &["spec.values.pilot.volumes[name:x].bogus: unknown"],
    ),
    (
        "{values: {global: {waypoint: {nodeSelector: {a: b}}}}}",
        "1.31.0",
        &["spec.values.global.waypoint.nodeSelector.a: unknown"],
    ),
    (
        "{values: {global: {waypoint: {tolerations: []}}}}",
        "1.31.0",
        &["spec.values.global.waypoint.tolerations: chart-only"],
    ),
    (
        "{components: {pilot: {tag: '1.20'}}}",
        "1.31.0",
        &["spec.components.pilot.tag: becomes 1.2 false"],
    ),
    ("{components: {pilot: {tag: '1.20'}}}", "1.23.6", &[]),
    ("{components: {pilot: {tag: '20240101'}}}", "1.31.0", &[]),
    ("{tag: '1.20'}", "1.31.0", &[]),
    (
        "{revision: '110'}",
        "1.31.0",
        &["spec.revision: becomes 110 true"],
    ),
    (
        "{revision: '110', values: {revision: '110'}}",
        "1.31.0",
        &[],
    ),
    ("{revision: '110'}", "1.23.6", &[]),
    (
        "{profile: Minimal}",
        "1.31.0",
        &["spec.profile: Minimal minimal"],
    ),
    (
        "{profile: external}",
        "1.22.6",
        &["spec.profile: external from 1.10 to 1.21"],
    ),
    (
        "{profile: stable}",
        "1.21.6",
        &["spec.profile: stable from 1.22 on"],
    ),
    ("{profile: ./mine.yaml}", "1.23.6", &[]),
    (
        "{profile: ./mine.yaml}",
        "1.24.6",
        &["spec.profile: ./mine.yaml "],
    ),
    (
        "{values: {profile: openshift}}",
        "1.31.0",
        &["spec.values.profile: openshift from 1.21 to 1.23"],
    ),
    (
        "{compatibilityVersion: '1.20'}",
        "1.24.6",
        &["spec.compatibilityVersion: 1.20 from 1.21 to 1.23"],
    ),
    (
        "{values: {global: {pilotCertProvider: kubernetes}}}",
        "1.24.6",
        &["spec.values.global.pilotCertProvider: refused kubernetes"],
    ),
    (
        "{components: {istiodRemote: {enabled: true}}}",
        "1.24.6",
        &["spec.components.istiodRemote.enabled: refused true"],
    ),
    (
        "{components: {istiodRemote: {enabled: true}}}",
        "1.26.8",
        &["spec.components.istiodRemote: ignored"],
    ),
    (
        "{addonComponents: {grafana: {enabled: true}}}",
        "1.20.8",
        &[
            "spec.addonComponents: ignored",
            "spec.addonComponents.grafana.enabled: refused true",
        ],
    ),
    (
        "{components: {base: {k8s: {env: []}}}}",
        "1.20.8",
        &["spec.components.base.k8s.env: unknown advised"],
    ),
    (
        "{components: {pilot: {k8s: {tolerations: [{key: a}]}}}, values: {pilot: {tolerations: [{key: q}]}}}",
        "1.20.8",
        &["spec.components.pilot.k8s.tolerations: exclusive spec.values.pilot.tolerations"],
    ),
    (
        "{components: {pilot: {k8s: {tolerations: [{key: a}]}}}, values: {pilot: {tolerations: [{key: q}]}}}",
        "1.24.6",
        &[],
    ),
    (
        "{values: {cni: {pspClusterRole: x}}}",
        "1.20.8",
        &["spec.values.cni.pspClusterRole: misspelled psp_cluster_role"],
    ),
    (
        "{components: {pilot: {k8s: {service: {ipFamilyPolicy: x, ports: [{port: 1, appProtocol: http}]}}}}}",
        "1.16.7",
        &[
            "spec.components.pilot.k8s.service.ipFamilyPolicy: unknown",
            "spec.components.pilot.k8s.service.ports[0].appProtocol: unknown from 1.17 to 1.23",
        ],
    ),
    (
        "{components: {pilot: {k8s: {service: {ports: [{port: 1, targetPort: 1.5}]}}}}}",
        "1.31.0",
        &[
            "spec.components.pilot.k8s.service.ports[0].targetPort: 1.5 is not a whole number or text",
        ],
    ),
    (
        "{components: {pilot: {k8s: {overlays: [{patches: [{path: a, value: {x: [1]}}]}]}}}}",
        "1.31.0",
        &[],
    ),
];

#[test]
fn every_deviation_is_found_with_its_place() {
    let mut wrong = Vec::new();
    for (spec, version, want) in DEVIATIONS {
        let found = problems(spec, version);
        if found != *want {
            wrong.push(format!(
                "{spec} {version}\n  found {found:?}\n  want  {want:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn quoted_numbers_are_numbers() {
    use serde_json::json;
    for (value, accepted) in [
        (json!(1.5), true),
        (json!("1.5"), true),
        (json!("-2"), true),
        (json!("x"), false),
        (json!("inf"), false),
        (json!(""), false),
        (json!(true), false),
    ] {
        assert_eq!(Kind::Number.accepts(&value), accepted, "{value}");
    }
}
