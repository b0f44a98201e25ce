//! What becomes of a user's documents: namespaces, streams, templates, placeholders, platforms.

use serde_json::{Value, json};

use crate::env::{CommandOutput, TestEnv};

const HEAD: &str = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n";

/// Runs with `input.yaml` of that text, after the head.
fn with(input: &str, line: &str) -> CommandOutput {
    let env = TestEnv::new();
    env.file("input.yaml", format!("{HEAD}{input}"));
    env.line(line)
}

#[track_caller]
fn documents(output: &CommandOutput) -> Vec<Value> {
    assert_eq!(output.code(), 0, "{output}");
    output.documents()
}

const MIRROR: &str = "render -f input.yaml --istio 1.31.0-solo --hub h.example/solo";

#[test]
fn metadata_namespace_moves_nothing() {
    let input = "metadata: {name: mesh, namespace: istio-operator}\nspec: {profile: minimal}\n";
    let output = with(input, MIRROR);
    let document = &documents(&output)[0];
    assert_eq!(document["metadata"]["namespace"], "istio-operator");
    assert_eq!(document["spec"]["namespace"], Value::Null);
    let global = &document["spec"]["values"]["global"];
    assert_eq!(global["istioNamespace"], "istio-system");
    assert!(
        output.stderr.contains("does not read metadata.namespace"),
        "{output}"
    );
    // The flag moves all of it.
    let moved = &documents(&with(input, &format!("{MIRROR} -i mesh")))[0];
    assert_eq!(moved["metadata"]["namespace"], "mesh");
    assert_eq!(moved["spec"]["values"]["global"]["istioNamespace"], "mesh");
}

const TWO: &str = "\
metadata: {name: istiod-1-30, namespace: istio-system}
spec: {profile: minimal, revision: 1-30, tag: 1.30.5-solo}
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: ingress-1-30, namespace: istio-ingress}
spec:
  profile: empty
  revision: 1-30
  tag: 1.30.5-solo
  components:
    ingressGateways:
    - {name: istio-ingressgateway-1-30, namespace: istio-ingress, enabled: true}
";

#[test]
fn check_of_a_stream_takes_the_namespace_of_the_control_plane() {
    let line = "check --manifest input.yaml --no-registry --skip istioctl-version=none -o json";
    let output = with(TWO, line);
    assert_eq!(
        output.json()["expected"]["namespace"],
        "istio-system",
        "{output}"
    );
}

#[test]
fn two_named_documents_of_a_file_stay_two() {
    let output = with(TWO, "render -f input.yaml");
    let documents = documents(&output);
    let summary: Vec<Value> = documents
        .iter()
        .map(|one| {
            json!([
                one["metadata"]["name"],
                one["spec"]["profile"],
                one["spec"]["tag"],
                one["spec"]["hub"],
                one["spec"]["revision"],
                one["spec"]["values"]["global"]["operatorManageWebhooks"]
            ])
        })
        .collect();
    let hub = "us-docker.pkg.dev/soloio-img/istio";
    assert_eq!(
        summary,
        [
            json!(["istiod-1-30", "minimal", "1.30.5-solo", hub, "1-30", null]),
            json!(["ingress-1-30", "empty", "1.30.5-solo", hub, "1-30", true]),
        ]
    );
    // What was rendered can be given again.
    let env = TestEnv::new();
    env.file("rendered.yaml", &output.stdout);
    let again = env.line("render -f rendered.yaml");
    assert_eq!(again.documents(), documents, "{again}");
    // A preset that was asked for takes overlays alone.
    with(TWO, "render -f input.yaml --preset minimal").fails(
        65,
        &[
            "named istiod-1-30 fits none of the documents",
            "without --preset",
        ],
    );
}

#[test]
fn rendered_production_is_read_back_as_three_documents() {
    let env = TestEnv::new();
    let first = env.line("render --istio 1.31.0-solo --preset production --param cluster=one");
    env.file("rendered.yaml", &first.stdout);
    let again = env.line("render -f rendered.yaml");
    assert_eq!(again.code(), 0, "{again}");
    assert_eq!(again.documents(), first.documents());
}

#[test]
fn documents_of_a_file_that_nothing_tells_apart_are_refused() {
    for (first, second, said) in [
        ("", "", "has no metadata.name"),
        ("metadata: {name: a}\n", "", "has no metadata.name"),
        (
            "metadata: {name: a}\n",
            "metadata: {name: a}\n",
            "a second IstioOperator of this file has the metadata.name a",
        ),
    ] {
        let input = format!(
            "{first}spec: {{profile: minimal}}\n---\n{HEAD}{second}spec: {{profile: empty}}\n"
        );
        for line in [
            "render -f input.yaml",
            "check --manifest input.yaml --no-registry",
        ] {
            with(&input, line).fails(65, &["input.yaml:", said]);
        }
    }
    let input = format!("spec: {{tag: 1.31.0}}\n---\n{HEAD}spec: {{tag: 1.31.0}}\n");
    with(
        &input,
        "render -f input.yaml --preset production --param cluster=one",
    )
    .fails(
        65,
        &["a second IstioOperator of this file has no metadata.name"],
    );
}

#[test]
fn name_of_a_file_replaces_that_of_the_preset_without_a_word() {
    let output = with("metadata: {name: prod}\nspec: {profile: minimal}\n", MIRROR);
    assert_eq!(documents(&output)[0]["metadata"]["name"], "prod");
    assert!(!output.stderr.contains("is merged with"), "{output}");
    let env = TestEnv::new();
    env.file("a.yaml", format!("{HEAD}metadata: {{name: a}}\n"));
    env.file("b.yaml", format!("{HEAD}metadata: {{name: b}}\n"));
    let output = env.line("render -f a.yaml -f b.yaml --istio 1.31.0-solo");
    assert!(
        output
            .stderr
            .contains("b is merged with a into one document"),
        "{output}"
    );
}

#[test]
fn template_of_the_user_can_name_what_is_installed() {
    let plain = "metadata: {name: istiod-canary}\nspec:\n  profile: minimal\n  revision: canary\n  hub: h.example/solo\n  tag: 1.30.5-solo\n";
    let filled = "metadata: {name: '{{name}}'}\nspec:\n  profile: minimal\n  revision: canary\n  hub: h.example/solo\n  tag: {{tag}}\n";
    for (input, tag) in [(plain, "1.30.5-solo"), (filled, "1.31.0-solo")] {
        let output = with(
            input,
            "render --template input.yaml --distribution solo -o json",
        );
        let list: Value = serde_json::from_str(&output.stdout).unwrap();
        let spec = &list["items"][0]["spec"];
        assert_eq!(spec["revision"], "canary", "{output}");
        assert_eq!(spec["hub"], "h.example/solo", "{output}");
        if input == plain {
            assert_eq!(spec["tag"], tag, "{output}");
        }
        let line =
            "render --template input.yaml --istio 1.31.0-solo -r other --skip documents-agree=x";
        let other = with(input, line);
        assert_eq!(documents(&other)[0]["spec"]["revision"], "other");
    }
    // Findings name the template as where a value comes from.
    let other = with(plain, "render --template input.yaml --istio 1.31.0-solo");
    assert_eq!(other.code(), 79, "{other}");
    assert!(other.stderr.contains("template input.yaml"), "{other}");
    // A hub that the data need a key for can be named by the template.
    let keyed = "render --template input.yaml --istio 1.23.6-patch1-solo";
    assert_eq!(
        documents(&with(filled, keyed))[0]["spec"]["hub"],
        "h.example/solo"
    );
    let unnamed = filled.replace("  hub: h.example/solo\n", "");
    with(&unnamed, keyed).fails(65, &["give the key by --repo-key"]);
    with(plain, "render --template input.yaml -r default")
        .fails(64, &["input.yaml:6:13 names canary"]);
}

#[test]
fn gateways_are_turned_off_without_a_name_where_istioctl_takes_that() {
    let set = "--set components.ingressGateways[0].enabled=false";
    let output = TestEnv::new().line(&format!(
        "render --istio 1.31.0-solo --hub h.example/solo {set}"
    ));
    let list = &documents(&output)[0]["spec"]["components"]["ingressGateways"];
    assert_eq!(*list, json!([{"enabled": false}]));
    for refused in [
        format!("render --istio 1.23.6 --hub h.example/solo {set}"),
        format!(
            "render --istio 1.31.0-solo --hub h.example/solo {set} --set components.ingressGateways[0].enabled=true"
        ),
    ] {
        TestEnv::new()
            .line(&refused)
            .fails(65, &["this gateway has no name"]);
    }
}

#[test]
fn namespace_of_the_profile_may_be_said() {
    let input = |namespace: &str| {
        format!(
            "metadata: {{name: mesh}}\nspec: {{profile: minimal, namespace: {namespace}, hub: us-docker.pkg.dev/soloio-img/istio, tag: 1.30.5-solo}}\n"
        )
    };
    let line = "check --manifest input.yaml --no-registry --skip istioctl-version=none";
    let output = with(&input("istio-system"), line);
    assert_eq!(output.code(), 0, "{output}");
    let output = with(&input("elsewhere"), line);
    assert_eq!(output.code(), 79, "{output}");
    let said = "spec.namespace alone does not move the mesh";
    assert!(output.stdout.contains(said), "{output}");
}

const SAMPLE: &str = "\
metadata: {name: istiod-$REVISION, namespace: istio-system}
spec:
  profile: minimal
  revision: $REVISION
  hub: $REPO
  tag: $ISTIO_IMAGE
  meshConfig: {trustDomain: $CLUSTER_NAME}
  components:
    pilot: {k8s: {podAnnotations: {version: \"v-${REVISION}\"}}}
";

#[test]
fn placeholders_of_samples_are_filled_in_by_flags() {
    let line = "render -f input.yaml --repo-key 0123456789ab -r 1-23 --istio 1.23.6-patch1-solo --param cluster=one";
    let document = &documents(&with(SAMPLE, line))[0];
    assert_eq!(document["metadata"]["name"], "istiod-1-23");
    let spec = &document["spec"];
    assert_eq!(
        spec["hub"],
        "us-docker.pkg.dev/gloo-mesh/istio-0123456789ab"
    );
    assert_eq!(spec["tag"], "1.23.6-patch1-solo");
    assert_eq!(spec["revision"], "1-23");
    assert_eq!(spec["meshConfig"]["trustDomain"], "one");
    let annotations = &spec["components"]["pilot"]["k8s"]["podAnnotations"];
    assert_eq!(annotations["version"], "v-1-23");
}

#[test]
fn placeholder_that_no_flag_fills_in_is_named_as_written() {
    let key = "render -f input.yaml --repo-key 0123456789ab";
    for (line, said) in [
        (
            key.to_owned(),
            "input.yaml:6:13: `$REVISION` and input.yaml:8:8: `$ISTIO_IMAGE` are placeholders that were never filled in: give -r and --istio",
        ),
        (
            "render -f input.yaml --istio 1.31.0-solo -r a".to_owned(),
            "input.yaml:7:8: `$REPO` is a placeholder that was never filled in: give --repo-key",
        ),
        (
            format!("{key} -r a --istio 1.31.0-solo"),
            "spec.meshConfig.trustDomain: `$CLUSTER_NAME` is a placeholder that was never filled in",
        ),
    ] {
        with(SAMPLE, &line).fails(65, &[said]);
    }
}

#[test]
fn key_in_brackets_and_registry_are_told_apart() {
    let input = |hub: &str| {
        format!(
            "metadata: {{name: prod}}\nspec: {{profile: minimal, hub: '{hub}', tag: 1.23.6-patch1-solo}}\n"
        )
    };
    let key = "render -f input.yaml --repo-key 0123456789ab";
    for hub in ["istio-<key>", "istio-${REPO_KEY}"] {
        let output = with(&input(&format!("us-docker.pkg.dev/gloo-mesh/{hub}")), key);
        let hub = &documents(&output)[0]["spec"]["hub"];
        assert_eq!(hub, "us-docker.pkg.dev/gloo-mesh/istio-0123456789ab");
    }
    let registry = input("${registry}/istio");
    with(&registry, key).fails(
        65,
        &["`${registry}/istio` is a placeholder that was never filled in: give --hub"],
    );
    let output = with(&registry, "render -f input.yaml --hub h.example/solo");
    assert_eq!(documents(&output)[0]["spec"]["hub"], "h.example/solo");
}

#[test]
fn fix_for_a_hub_names_the_file_that_gave_it() {
    let input = "metadata:\n  name: mesh\nspec:\n  profile: minimal\n  hub: gcr.io/istio-release\n";
    let output = with(input, "render -f input.yaml --istio 1.30.5");
    assert_eq!(output.code(), 79, "{output}");
    assert!(
        output.stderr.contains("remove hub at input.yaml:7:8"),
        "{output}"
    );
    assert!(!output.stderr.contains("--hub away"), "{output}");
}

#[test]
fn platforms_are_written_where_the_charts_have_them() {
    for (line, wanted) in [
        ("--istio 1.25.0 --platform gke", json!("gke")),
        ("--istio 1.24.6 --platform gke", json!(null)),
        ("--istio 1.20.8 --platform gke", json!("gke")),
        ("--istio 1.31.0 --platform openshift", json!("openshift")),
        ("--istio 1.20.8 --platform openshift", json!(null)),
    ] {
        let output = TestEnv::new().line(&format!("render --hub h.example/solo {line}"));
        let platform = &documents(&output)[0]["spec"]["values"]["global"]["platform"];
        assert_eq!(*platform, wanted, "{output}");
    }
    let unknown = "render --istio 1.31.0 --hub h.example/solo --platform eks";
    TestEnv::new()
        .line(unknown)
        .fails(65, &["--platform eks", "gke, k3d, k3s"]);
    let set = "render --istio 1.31.0 --hub h.example/solo --set values.global.platform=eks";
    TestEnv::new()
        .line(set)
        .fails(79, &["have no platform eks"]);
}

#[test]
fn ambient_and_distroless_go_together_at_every_version() {
    for version in ["1.18.7", "1.20.8", "1.21.6", "1.22.6", "1.31.0"] {
        let line = format!(
            "render --istio {version} --preset ambient --fips --distroless --hub h.example/solo"
        );
        let output = TestEnv::new().line(&line);
        assert_eq!(output.code(), 0, "{output}");
    }
}

#[test]
fn documents_without_istiod_leave_the_webhooks_alone() {
    let env = TestEnv::new();
    let output = env.line("render --istio 1.31.0-solo --preset production --param cluster=one");
    let switch =
        |document: &Value| document["spec"]["values"]["global"]["operatorManageWebhooks"].clone();
    let switches: Vec<Value> = documents(&output).iter().map(switch).collect();
    assert_eq!(switches, [json!(null), json!(true), json!(true)]);
    let set = "render --istio 1.31.0-solo --set values.global.operatorManageWebhooks=true";
    env.line(set)
        .fails(79, &["would remove the injector of its own istiod"]);
    let gateway = "metadata: {name: gw}\nspec: {profile: empty, hub: us-docker.pkg.dev/soloio-img/istio, tag: 1.31.0-solo}\n";
    let line = "check --manifest input.yaml --no-registry --skip istioctl-version=none";
    let output = with(gateway, line);
    assert_eq!(output.code(), 0, "{output}");
    assert!(
        output
            .stdout
            .contains("would take over the default revision"),
        "{output}"
    );
}

#[test]
fn set_never_appends_text_to_a_list_of_maps() {
    let input = "spec:\n  components:\n    pilot:\n      k8s:\n        env:\n        - {name: A, value: b}\n";
    for set in [
        "components.pilot.k8s.env=null",
        "components.pilot.k8s.env=foo",
    ] {
        for version in ["1.20.8", "1.31.0"] {
            let line =
                format!("render -f input.yaml --istio {version} --hub h.example/solo --set {set}");
            with(input, &line).fails(65, &["spec.components.pilot.k8s.env is a list"]);
        }
    }
    let line = "render -f input.yaml --istio 1.20.8 --hub h.example/solo --set values.global.imagePullSecrets=";
    let input = "spec: {values: {global: {imagePullSecrets: [a]}}}\n";
    with(input, &format!("{line}null")).fails(65, &["would get a further element \"null\""]);
    let spec = &documents(&with(input, &format!("{line}b")))[0]["spec"];
    assert_eq!(
        spec["values"]["global"]["imagePullSecrets"],
        json!(["a", "b"])
    );
}
