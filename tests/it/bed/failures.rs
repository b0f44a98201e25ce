//! Installs that fail: the real cause is named, and the commands that are suggested show it.

use serde_json::{Value, json};

use super::{Bed, failed};

/// An istiod whose command it does not know.
const ARGUMENTS: &str = "
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
spec:
  components:
    pilot:
      k8s:
        overlays:
        - kind: Deployment
          name: istiod
          patches:
          - path: spec.template.spec.containers.[name:discovery].args
            value: [nosuch]
";

#[test]
#[ignore = "needs the test bed"]
fn istiod_that_ends_at_start_is_named_by_its_own_words() {
    let bed = Bed::new();
    bed.env().file("args.yaml", ARGUMENTS);
    let line = "install --fips --distroless -y --readiness-timeout 12s -f args.yaml -o json";
    let output = bed.line(line);
    assert_eq!(output.code(), 1, "{output}");
    let report = output.json();
    assert_eq!(report["changed"], true, "{output}");
    let hints: Vec<&str> = report["error"]["hints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hint| hint.as_str().unwrap())
        .collect();
    let cause = hints
        .iter()
        .find(|hint| hint.starts_with("the cluster says: "));
    let cause = cause.expect("a cause");
    assert!(
        cause.contains("Deployment istio-system/istiod") && cause.contains("unknown command"),
        "{output}"
    );
    let command = hints
        .iter()
        .find_map(|hint| hint.strip_prefix("see more: kubectl "));
    let command = command.expect("a command");
    assert!(
        command.starts_with("logs istiod-") && command.ends_with(" --previous"),
        "{command}"
    );
    assert!(bed.kubectl(command).contains("unknown command"));
    assert!(
        hints
            .iter()
            .any(|hint| hint.starts_with("remove the cause, then run the same command again")),
        "{output}"
    );
    // As it says: without the cause, the same command continues.
    bed.env().file(
        "args.yaml",
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {}\n",
    );
    let again = bed.line(line);
    assert_eq!(again.code(), 0, "{again}");
}

#[test]
#[ignore = "needs the test bed"]
fn namespace_that_is_being_deleted_is_refused_before_anything_is_changed() {
    let bed = Bed::new();
    bed.kubectl("create namespace istio-system");
    bed.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": "istio-system", "finalizers": ["example.com/held"]},
    }));
    bed.kubectl("delete namespace istio-system --wait=false");
    let output = bed.line("install --fips --distroless -y -o json");
    bed.kubectl("patch configmap held -n istio-system --type=json -p [{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]");
    assert_eq!(output.code(), 79, "{output}");
    let report = output.json();
    assert_eq!(failed(&report), ["namespace-deletion"], "{output}");
    assert_eq!(report["changed"], false, "{output}");
    let roles: Value =
        serde_json::from_str(&bed.kubectl("get clusterroles -l operator.istio.io/managed -o json"))
            .unwrap();
    assert_eq!(roles["items"], json!([]), "nothing was changed");
    bed.kubectl("wait --for=delete namespace/istio-system --timeout=60s");
}
