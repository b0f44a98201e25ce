//! The commands of the documents that this program replaces, with only its name changed.

use serde_json::Value;

use crate::api::Api;
use crate::env::TestEnv;

/// A fake istioctl of that version on a Kubernetes of that version.
fn setting(istioctl: &str, kubernetes: &str) -> (Api, TestEnv) {
    let api = Api::new();
    api.version(kubernetes);
    let env = TestEnv::with(&api);
    env.script(serde_json::json!({"is": istioctl}));
    (api, env)
}

/// Hub and tag of every document.
fn images(documents: &[Value]) -> Vec<(&str, &str)> {
    let text = |value: &'static str, document: &'_ Value| {
        document["spec"][value].as_str().map(str::to_owned)
    };
    documents
        .iter()
        .map(|document| {
            assert!(
                text("hub", document).is_some() && text("tag", document).is_some(),
                "{document}"
            );
            (
                document["spec"]["hub"].as_str().unwrap(),
                document["spec"]["tag"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn the_two_commands_of_the_blog() {
    for tag in ["1.7.5-fips2", "1.7.5-fips2-distroless"] {
        let (api, env) = setting("1.7.5", "v1.17.17");
        let line = format!("install --set hub=gcr.io/istio-enterprise --set tag={tag} --dry-run");
        let output = env.line(&line);
        assert_eq!(output.code(), 0, "{output}");
        let documents = output.documents();
        assert_eq!(images(&documents), [("gcr.io/istio-enterprise", tag)]);
        assert!(env.calls("install").is_empty() && api.changes().is_empty());
    }
}

/// The page's IstioOperator with the two keys that it lost.
const PAGE: &str = "\
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata:
  name: gloo-mesh-istio
  namespace: istio-system
spec:
  # This value is required for Gloo Mesh Istio.
  hub: HUB
  # This value can be any Gloo Mesh Istio tag
  tag: 1.13.5-solo-fips
";

#[test]
fn the_operator_of_the_page_through_stdin() {
    let (_api, env) = setting("1.13.5", "v1.22.17");
    let page = PAGE.replace("HUB", "us-docker.pkg.dev/gloo-mesh/istio-0a1b2c3d4e5f");
    let output = env.run_with_stdin(
        &[
            "manifest",
            "install",
            "-y",
            "--no-verify",
            "-f",
            "-",
            "--timeout",
            "2s",
        ],
        &page,
    );
    let calls = env.calls("install");
    assert_eq!(calls.len(), 1, "{output}");
    let document = calls[0].document();
    assert_eq!(
        images(std::slice::from_ref(&document)),
        [(
            "us-docker.pkg.dev/gloo-mesh/istio-0a1b2c3d4e5f",
            "1.13.5-solo-fips"
        )]
    );
    assert_eq!(document["metadata"]["name"], "gloo-mesh-istio");
    assert_eq!(calls[0].argv[..4], ["install", "-f", "-", "-y"]);
}

#[test]
fn a_hub_that_was_never_filled_in_is_refused() {
    for hub in ["$REPO", "\"\"", ""] {
        let (_api, env) = setting("1.13.5", "v1.22.17");
        let page = PAGE.replace("HUB", hub);
        let output = env.run_with_stdin(&["manifest", "install", "-y", "-f", "-"], &page);
        output.fails(65, &["--repo-key", "--hub"]);
        assert!(env.calls("install").is_empty());
    }
}

#[test]
fn the_key_fills_the_hub_of_the_page_in() {
    let env = TestEnv::new();
    let page = PAGE.replace("HUB", "$REPO");
    let output = env.run_with_stdin(&["render", "-f", "-", "--repo-key", "0a1b2c3d4e5f"], &page);
    assert!(output.stdout.contains("0a1b2c3d4e5f"), "{output}");
}

#[test]
fn the_page_as_it_was_printed_lost_two_keys() {
    let env = TestEnv::new();
    let printed = PAGE
        .replace("metadata:\n", "")
        .replace("spec:\n", "")
        .replace("HUB", "$REPO");
    let output = env.run_with_stdin(&["check", "--manifest", "-"], &printed);
    assert!([65, 79].contains(&output.code()), "{output}");
    let text = output.to_string();
    assert!(
        text.contains("metadata:") && text.contains("spec:"),
        "{output}"
    );
}

#[test]
fn on_a_newer_cluster_and_client_the_range_and_the_client_are_named() {
    let (api, env) = setting("1.31.0", "v1.34.2");
    let output = env.line("install --set hub=gcr.io/istio-enterprise --set tag=1.7.5-fips2-distroless --dry-run -o json");
    assert_eq!(output.code(), 79, "{output}");
    let report = output.json();
    let failed: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["status"] == "failed")
        .map(|check| check["id"].as_str().unwrap())
        .collect();
    assert!(failed.contains(&"istioctl-version"), "{failed:?}");
    assert!(
        failed.iter().any(|id| id.contains("kubernetes")),
        "{failed:?}"
    );
    assert_eq!(report["expected"]["tag"], "1.7.5-fips2-distroless");
    assert!(api.changes().is_empty());
}
