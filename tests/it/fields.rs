//! Fields, nulls and types of documents, as a user meets them.

use serde_json::{Value, json};

use crate::env::{CommandOutput, TestEnv};

const HEAD: &str =
    "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata:\n  name: mesh\nspec:\n";

fn run(spec: &str, arguments: &str) -> CommandOutput {
    let env = TestEnv::new();
    env.file("input.yaml", format!("{HEAD}{spec}"));
    env.line(&format!("{arguments} -f input.yaml"))
}

fn rendered(spec: &str, istio: &str) -> Value {
    let text = run(
        spec,
        &format!("render --hub h.example/solo --istio {istio}"),
    )
    .success();
    serde_yaml::from_str(&text).unwrap()
}

/// The findings of the check, and the exit code of the run.
fn findings(spec: &str, istio: &str) -> Vec<(String, String)> {
    let env = TestEnv::new();
    let head = format!("{HEAD}  hub: h.example/solo\n  tag: {istio}\n");
    env.file("input.yaml", format!("{head}{spec}"));
    let line = "check --manifest input.yaml --no-registry --skip istioctl-version=none -o json";
    let output = env.line(line);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == "document-fields");
    let found = check.unwrap()["findings"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let found = found.iter();
    found
        .map(|finding| {
            let subject = &finding["subject"];
            let place = ["line", "column"].map(|field| subject[field].to_string());
            let file = text(subject, "file");
            (
                text(finding, "message"),
                format!("{file}:{}", place.join(":")),
            )
        })
        .collect()
}

#[test]
fn section_of_comments_alone_changes_nothing() {
    for istio in ["1.31.0-solo", "1.20.8-solo"] {
        let without = rendered("  profile: minimal\n", istio);
        for section in [
            "values:",
            "meshConfig:",
            "components:",
            "compatibilityVersion:",
            "tag:",
            "hub:",
            "revision:",
        ] {
            let with = rendered(
                &format!("  profile: minimal\n  {section}\n  #  x: y\n"),
                istio,
            );
            assert_eq!(with, without, "{istio} {section}");
        }
        let hub = &without["spec"]["hub"];
        assert_eq!(*hub, "h.example/solo", "{istio}");
    }
}

#[test]
fn null_that_istioctl_accepts_is_accepted() {
    let spec = "  profile: minimal\n  components:\n    pilot:\n      tag:\n";
    let found = rendered(spec, "1.31.0-solo");
    assert_eq!(found["spec"]["components"]["pilot"], json!({}));
}

#[test]
fn doubtful_null_is_refused_with_place_and_what_to_write() {
    let spec = "  components:\n    cni:\n      enabled:\n";
    let output = run(spec, "render --hub h.example/solo --istio 1.31.0-solo");
    assert_eq!(output.code(), 65, "{output}");
    assert!(
        output
            .stderr
            .contains("input.yaml:8:14: spec.components.cni.enabled is null"),
        "{output}"
    );
    assert!(output.stderr.contains("write true or false"), "{output}");
}

#[test]
fn variables_keep_switches_and_numbers_that_charts_print_as_written() {
    let spec = "  values:\n    pilot:\n      env:\n        A: true\n        B: 100\n        C: 1.20\n        D: 10000000\n        E: x\n";
    let found = rendered(spec, "1.31.0-solo");
    let want = json!({"A": true, "B": 100, "C": "1.20", "D": "10000000", "E": "x"});
    assert_eq!(found["spec"]["values"]["pilot"]["env"], want);
    let set = "render --hub h.example/solo --istio 1.31.0-solo --set values.pilot.env.X=true \
               --set meshConfig.defaultConfig.proxyMetadata.X=true";
    let text = TestEnv::new().line(set).success();
    let found: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(found["spec"]["values"]["pilot"]["env"]["X"], true);
    assert_eq!(
        found["spec"]["meshConfig"]["defaultConfig"]["proxyMetadata"]["X"],
        "true"
    );
}

#[test]
fn text_of_the_schema_and_of_labels_is_text() {
    let spec = "
  values:
    global:
      proxy:
        excludeOutboundPorts: 5432
        resources: {limits: {cpu: 2}}
    cni: {podLabels: {a.example/x: true}}
    ztunnel: {labels: {a.example/x: true}}
    pilot: {tolerations: [{key: a, value: true}], nodeSelector: {a: 1}}
    gateways: {istio-ingressgateway: {labels: {a.example/x: true}}}
  components:
    pilot:
      k8s:
        tolerations: [{key: a, value: true}]
        service: {selector: {a: true}, ports: [{port: 15010, targetPort: 15010}]}
        resources: {requests: {cpu: 1}}
";
    let found = rendered(spec, "1.31.0-solo");
    for (path, want) in [
        ("/values/global/proxy/excludeOutboundPorts", json!("5432")),
        ("/values/global/proxy/resources/limits/cpu", json!("2")),
        ("/values/cni/podLabels/a.example~1x", json!("true")),
        ("/values/ztunnel/labels/a.example~1x", json!("true")),
        ("/values/pilot/tolerations/0/value", json!("true")),
        ("/values/pilot/nodeSelector/a", json!("1")),
        (
            "/values/gateways/istio-ingressgateway/labels/a.example~1x",
            json!("true"),
        ),
        ("/components/pilot/k8s/tolerations/0/value", json!("true")),
        ("/components/pilot/k8s/service/selector/a", json!("true")),
        (
            "/components/pilot/k8s/service/ports/0/targetPort",
            json!(15010),
        ),
        ("/components/pilot/k8s/resources/requests/cpu", json!("1")),
    ] {
        assert_eq!(found["spec"].pointer(path), Some(&want), "{path}");
    }
}

#[test]
fn set_takes_dots_of_keys_only_when_they_are_escaped() {
    let render = |set: &str| {
        let line = format!("render --hub h.example/solo --istio 1.31.0-solo --set {set}");
        TestEnv::new().line(&line)
    };
    for holder in [
        "components.pilot.k8s.nodeSelector",
        "components.pilot.k8s.service.selector",
        "values.cni.podLabels",
        "values.pilot.nodeSelector",
        "values.gateways.istio-ingressgateway.labels",
    ] {
        let nested = render(&format!("{holder}.kubernetes.io/os=linux"));
        assert_eq!(nested.code(), 65, "{holder}: {nested}");
        assert!(
            nested
                .stderr
                .contains("write a dot that belongs to a key as \\."),
            "{nested}"
        );
        let escaped = render(&format!("{holder}.kubernetes\\.io/os=true")).success();
        assert!(escaped.contains("kubernetes.io/os: \"true\""), "{escaped}");
    }
}

#[test]
fn switches_and_numbers_written_as_text_are_refused_by_set() {
    for (set, want) in [
        (
            "values.pilot.autoscaleEnabled=\"false\"",
            "spec.values.pilot.autoscaleEnabled is a switch",
        ),
        (
            "components.pilot.k8s.replicaCount=\"2\"",
            "spec.components.pilot.k8s.replicaCount is a whole number",
        ),
        (
            "values.pilot.autoscaleMin=two",
            "spec.values.pilot.autoscaleMin is a whole number",
        ),
    ] {
        let args = [
            "render",
            "--hub",
            "h.example/solo",
            "--istio",
            "1.31.0-solo",
            "--set",
            set,
        ];
        let output = TestEnv::new().run(&args);
        assert_eq!(output.code(), 65, "{set}: {output}");
        assert!(output.stderr.contains(want), "{set}: {output}");
    }
}

#[test]
fn check_names_each_field_that_the_installer_refuses() {
    let spec = "
  components:
    pilot:
      replicas: 2
      k8s:
        nodeSelectors: {a: b}
    ingressGateways:
    - name: istio-ingressgateway
      enabled: true
      labels: {istio: ingressgateway}
  values:
    telemetry: {v2: {prometheus: {wasmEnabled: false}}}
";
    let found = findings(spec, "1.30.5-solo");
    let pair = |message: &str, place: &str| {
        (
            format!("Istio 1.30 has no field spec.{message}"),
            place.to_owned(),
        )
    };
    assert_eq!(
        found,
        [
            pair("components.pilot.replicas", "input.yaml:11:17"),
            pair("components.pilot.k8s.nodeSelectors", "input.yaml:13:24"),
            pair(
                "components.ingressGateways[name:istio-ingressgateway].labels",
                "input.yaml:17:15"
            ),
            pair(
                "values.telemetry.v2.prometheus.wasmEnabled",
                "input.yaml:19:48"
            ),
        ]
    );
}

#[test]
fn forms_that_differ_between_the_engines_are_named_for_each() {
    let reference = |name: &str| {
        format!(
            "  components: {{pilot: {{k8s: {{env: [{{name: A, valueFrom: {{secretKeyRef: {{{name}, key: k}}}}}}]}}}}}}\n"
        )
    };
    let (plain, nested) = (
        reference("name: s"),
        reference("localObjectReference: {name: s}"),
    );
    assert_eq!(findings(&plain, "1.31.0-solo"), []);
    for (spec, istio, want) in [
        (
            &plain,
            "1.23.6-solo",
            "has no field spec.components.pilot.k8s.env[name:A].valueFrom.secretKeyRef.name",
        ),
        (
            &nested,
            "1.31.0-solo",
            "has no field spec.components.pilot.k8s.env[name:A].valueFrom.secretKeyRef.localObjectReference",
        ),
        (
            &nested,
            "1.23.6-solo",
            "Kubernetes refuses what istioctl 1.23 makes of",
        ),
    ] {
        let found = findings(spec, istio);
        assert!(
            found.len() == 1 && found[0].0.contains(want),
            "{istio}: {found:?}"
        );
    }
    let both = "  components: {pilot: {k8s: {tolerations: [{key: a}]}}}\n  values: {pilot: {tolerations: [{key: q}]}}\n";
    assert!(findings(both, "1.20.8-solo")[0].0.ends_with("are both set"));
    assert_eq!(findings(both, "1.31.0-solo"), []);
}

#[test]
fn profile_that_is_none_is_refused() {
    for (spec, istio) in [
        ("  profile: Minimal\n", "1.31.0-solo"),
        ("  profile: external\n", "1.31.0-solo"),
        ("  compatibilityVersion: \"1.20\"\n", "1.31.0-solo"),
        ("  meshConfig: {bogus: 1}\n", "1.20.8-solo"),
    ] {
        let output = run(
            spec,
            &format!("render --hub h.example/solo --istio {istio}"),
        );
        assert_eq!(output.code(), 79, "{spec}: {output}");
    }
}

#[test]
fn tab_that_separates_is_read_as_a_space() {
    let env = TestEnv::new();
    let text = "apiVersion:\tinstall.istio.io/v1alpha1\nkind:\tIstioOperator\nspec:\n  profile:\tminimal\n  values:\n    pilot: {\n\t\"traceSampling\": 1\n    }\n";
    env.file("input.yaml", text);
    let text = env
        .line("render -f input.yaml --istio 1.31.0-solo --hub h.example/solo")
        .success();
    let found: Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(found["spec"]["profile"], "minimal");
    assert_eq!(found["spec"]["values"]["pilot"]["traceSampling"], 1);
}

#[test]
fn key_twice_is_accepted_with_the_same_value_alone() {
    let arguments = "render --hub h.example/solo --istio 1.31.0-solo";
    let same = run("  profile: minimal\n  profile: minimal\n", arguments);
    assert_eq!(same.code(), 0, "{same}");
    assert!(
        same.stderr
            .contains("input.yaml:7:3: profile is set twice to the same value"),
        "{same}"
    );
    let other = run("  profile: minimal\n  profile: demo\n", arguments);
    assert_eq!(other.code(), 65, "{other}");
}
