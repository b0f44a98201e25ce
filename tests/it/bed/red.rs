//! What must not be green, and is not.

use serde_json::json;

use super::{Bed, HUB, failed};
use crate::env::root;

/// Verify finds something, and among it this.
#[track_caller]
fn red(bed: &Bed, check: &str, says: &str) {
    let output = bed.line("verify -o json");
    assert_eq!(output.code(), 79, "{output}");
    let ids = failed(&output.json());
    assert!(
        ids.iter().any(|id| id == check),
        "{check} is not among {ids:?}: {output}"
    );
    assert!(output.stdout.contains(says), "{says}: {output}");
    bed.paste_all(&output.json());
}

#[test]
#[ignore = "needs the test bed"]
fn a_namespace_that_was_not_restarted() {
    let bed = Bed::new();
    let plain = bed.line("install --istio 1.31.0-solo -y");
    assert_eq!(plain.code(), 0, "{plain}");
    bed.workload("app", &json!({}));
    let output = bed.install("");
    assert!(
        output.contains("kubectl rollout restart deployment/web -n app"),
        "pending: {output}"
    );
    red(&bed, "proxies", "1.31.0-solo");
}

#[test]
#[ignore = "needs the test bed"]
fn a_pod_with_a_proxy_image_of_its_own() {
    let bed = Bed::new();
    bed.install("");
    bed.workload(
        "app",
        &json!({"sidecar.istio.io/proxyImage": format!("{HUB}/proxyv2:1.31.0-solo")}),
    );
    red(&bed, "proxies", "runs 1.31.0-solo, wanted");
}

#[test]
#[ignore = "needs the test bed"]
fn a_gateway_of_another_flavour() {
    let bed = Bed::new();
    bed.install("");
    let image = format!("istio-proxy={HUB}/proxyv2:1.31.0-solo");
    bed.kubectl(&format!(
        "set image deployment/istio-ingressgateway -n istio-system {image}"
    ));
    bed.kubectl("rollout status deployment/istio-ingressgateway -n istio-system --timeout=60s");
    red(&bed, "gateways", "runs 1.31.0-solo, wanted");
}

#[test]
#[ignore = "needs the test bed"]
fn a_real_upstream_envoy_under_a_fips_tag() {
    let bed = Bed::new();
    bed.install("");
    bed.workload("app", &json!({}));
    let address = bed.kubectl("get pods -n app -o jsonpath={.items[0].status.podIP}");
    let envoy = std::process::Command::new(root().join("scripts/testbed"))
        .args(["envoy", &address])
        .output()
        .unwrap();
    assert!(
        envoy.status.success(),
        "{}",
        String::from_utf8_lossy(&envoy.stderr)
    );
    red(&bed, "data-plane-fips", "contradicted");
}
