//! From an empty cluster to an empty cluster.

use serde_json::json;

use super::{Bed, TAG, failed};

#[test]
#[ignore = "needs the test bed"]
fn install_is_green_and_verify_agrees() {
    let bed = Bed::new();
    let output = bed.install("");
    for word in ["istiod", "istio-ingressgateway", "1/1", "Running"] {
        assert!(output.contains(word), "{word}: {output}");
    }
    let images = bed.kubectl("get pods -A -o jsonpath={..image}");
    assert!(
        images.contains(&format!("pilot:{TAG}")) && images.contains(&format!("proxyv2:{TAG}")),
        "{images}"
    );
    let report = bed.line("verify -o json");
    assert_eq!(report.code(), 0, "{report}");
    let report = report.json();
    let modules: Vec<&str> = report["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["module"].as_str().unwrap())
        .collect();
    assert!(
        !modules.is_empty() && modules.iter().all(|module| *module == "declared"),
        "{modules:?}"
    );
    // A second time changes nothing and is green too.
    bed.install("");
}

#[test]
#[ignore = "needs the test bed"]
fn the_record_is_owned_by_istiod_and_goes_with_it() {
    let bed = Bed::new();
    bed.install("");
    let maps = bed.kubectl("get configmap -n istio-system -o json");
    let maps: serde_json::Value = serde_json::from_str(&maps).unwrap();
    let ours = |map: &&serde_json::Value| {
        map["metadata"]["name"]
            .as_str()
            .unwrap()
            .contains("glooistio")
    };
    let record = maps["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(ours)
        .expect("there is a record");
    assert_eq!(record["metadata"]["ownerReferences"][0]["name"], "istiod");
    assert!(record["data"].to_string().contains(TAG), "{record}");
}

#[test]
#[ignore = "needs the test bed"]
fn the_production_preset_installs_three_documents() {
    let bed = Bed::new();
    bed.install("--preset production --param cluster=one");
    let rows = bed.kubectl("get deployments -A -o name");
    for name in ["istiod", "istio-ingressgateway", "istio-eastwestgateway"] {
        assert!(rows.contains(&format!("deployment.apps/{name}")), "{rows}");
    }
    let report = bed.line("verify");
    assert_eq!(report.code(), 0, "{report}");
}

#[test]
#[ignore = "needs the test bed"]
fn upgrade_to_a_second_tag_lists_what_must_be_restarted() {
    let bed = Bed::new();
    bed.install("");
    bed.workload("app", &json!({}));
    let bed = bed.next();
    let output = bed.line("upgrade --to 1.31.1 --fips --distroless -y");
    assert_eq!(output.code(), 0, "{output}");
    assert!(
        output
            .stdout
            .contains("kubectl rollout restart deployment/web -n app"),
        "{output}"
    );
    // Strictly judged, the pods that still run the old proxy are wrong …
    let report = bed.line("verify -o json");
    assert_eq!(report.code(), 79, "{report}");
    assert!(
        failed(&report.json()).contains(&"proxies".to_owned()),
        "{report}"
    );
    // … and restarted they are right.
    bed.kubectl("rollout restart deployment/web -n app");
    bed.kubectl("rollout status deployment/web -n app --timeout=60s");
    bed.kubectl("wait --for=delete pod -n app -l app=web,!pod-template-hash --timeout=60s");
    let report = bed.line("verify");
    assert_eq!(report.code(), 0, "{report}");
}

#[test]
#[ignore = "needs the test bed"]
fn a_revision_beside_the_default_one() {
    let bed = Bed::new();
    bed.install("");
    let bed = bed.next();
    bed.install("--istio 1.31.1 -r canary");
    let report = bed.line("verify");
    assert_eq!(report.code(), 0, "{report}");
    let planes = bed.kubectl("get deployments -n istio-system -l app=istiod -o name");
    assert_eq!(planes.lines().count(), 2, "{planes}");
}

#[test]
#[ignore = "needs the test bed"]
fn uninstall_goes_through_to_istioctl() {
    let bed = Bed::new();
    bed.install("");
    let output = bed.line("uninstall --purge -y");
    assert_eq!(output.code(), 0, "{output}");
    assert_eq!(bed.kubectl("get deployments -n istio-system -o name"), "");
    bed.line("verify").fails(79, &["no Istio control plane"]);
}

#[test]
#[ignore = "needs the test bed"]
fn a_failing_rollout_is_explained_by_the_cluster() {
    let bed = Bed::new();
    let output = bed.line(
        "install --fips --distroless -y --hub registry.example/does-not-exist --readiness-timeout 15s",
    );
    assert_eq!(output.code(), 1, "{output}");
    for said in [
        "the cluster says",
        "ImagePull",
        "istiod",
        "stopped at: istioctl install",
    ] {
        assert!(output.stderr.contains(said), "{said}: {output}");
    }
}

#[test]
#[ignore = "needs the test bed"]
fn the_command_of_the_blog_names_range_and_client() {
    let bed = Bed::new();
    let line = "install --set hub=gcr.io/istio-enterprise --set tag=1.7.5-fips2-distroless --dry-run -o json";
    let output = bed.line(line);
    assert_eq!(output.code(), 79, "{output}");
    let report = output.json();
    let red = failed(&report);
    assert!(red.contains(&"istioctl-version".to_owned()), "{red:?}");
    assert!(red.iter().any(|id| id.contains("kubernetes")), "{red:?}");
    let yaml = report["documents"][0]["yaml"].as_str().unwrap();
    assert!(
        yaml.contains("gcr.io/istio-enterprise") && yaml.contains("1.7.5-fips2-distroless"),
        "{yaml}"
    );
}
