//! Every suggested command does what its text says: pasted into a shell, one after the other.

use serde_json::{Value, json};

use super::{Bed, TAG, failed};

/// The commands of `next` with their texts.
fn steps(report: &Value) -> Vec<(String, String)> {
    let steps = report["next"].as_array().expect("there are next steps");
    let text = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
    steps
        .iter()
        .map(|step| (text(step, "command"), text(step, "text")))
        .collect()
}

/// The revision of each pod of a namespace.
fn revisions(bed: &Bed, namespace: &str) -> String {
    let path = "jsonpath={.items[*].metadata.annotations.istio\\.io/rev}";
    bed.kubectl(&format!("get pods -n {namespace} -o {path}"))
}

#[test]
#[ignore = "needs the test bed"]
fn a_canary_by_the_suggested_commands_alone() {
    let bed = Bed::new();
    bed.install("");
    bed.workload("app", &json!({}));
    let bed = bed.next();
    let output = bed.line("upgrade --to 1.31.1 -r canary -y -o json");
    assert_eq!(output.code(), 0, "{output}");
    let gateway = || {
        bed.kubectl("get deployment istio-ingressgateway -n istio-system -o jsonpath={.metadata.labels.istio\\.io/rev}")
    };
    assert_eq!(gateway(), "default", "the live gateway stays");
    let steps = steps(&output.json());
    let named: Vec<&str> = steps.iter().map(|(command, _)| command.as_str()).collect();
    let begins = [
        "kubectl label namespace app ",
        "glooistio verify -r canary",
        "glooistio upgrade --to 1.31.1-solo-fips-distroless -r canary --gateways",
        "istioctl tag set default ",
        "istioctl uninstall --revision default",
    ];
    // The istioctl that was named is suggested in place of the first on PATH.
    let next = std::env::var("GLOOISTIO_TESTBED_ISTIOCTL_NEXT").unwrap();
    for (command, begin) in named.iter().zip(begins) {
        let begin = begin.replace("istioctl ", &format!("{next} "));
        assert!(command.starts_with(&begin), "{begin}: {named:#?}");
    }
    assert_eq!(named.len(), begins.len(), "{named:#?}");
    for (at, (command, text)) in steps.iter().enumerate() {
        let pasted = if command.contains(" uninstall ") {
            format!("{command} -y")
        } else {
            command.clone()
        };
        // Restarted pods have to be gone before they are judged.
        if at == 1 {
            bed.kubectl("rollout status deployment/web -n app --timeout=60s");
            bed.kubectl("wait --for=delete pod -n app -l app=web,!pod-template-hash --timeout=60s");
            let revisions = revisions(&bed, "app");
            assert!(
                revisions.split(' ').all(|revision| revision == "canary"),
                "{revisions}"
            );
        }
        let output = bed.paste(&pasted);
        assert_eq!(output.code(), 0, "{text}: {command}: {output}");
    }
    assert_eq!(gateway(), "canary");
    let planes = bed.kubectl("get deployments -n istio-system -l app=istiod -o name");
    assert_eq!(planes.trim(), "deployment.apps/istiod-canary");
    let output = bed.line("verify");
    assert_eq!(output.code(), 0, "{output}");
}

#[test]
#[ignore = "needs the test bed"]
fn a_namespace_with_both_labels_moves_by_the_command_of_its_finding() {
    let bed = Bed::new();
    bed.install("");
    bed.workload("app", &json!({}));
    bed.kubectl("label namespace app istio.io/rev=canary");
    let bed = bed.next();
    bed.install("--istio 1.31.1 -r canary --preset minimal");
    let output = bed.line("verify -o json");
    assert_eq!(output.code(), 79, "{output}");
    assert_eq!(failed(&output.json()), ["namespace-labels"], "{output}");
    bed.paste_all(&output.json());
    bed.kubectl("rollout status deployment/web -n app --timeout=60s");
    bed.kubectl("wait --for=delete pod -n app -l app=web,!pod-template-hash --timeout=60s");
    let output = bed.line("verify");
    assert_eq!(output.code(), 0, "{output}");
}

#[test]
#[ignore = "needs the test bed"]
fn a_pod_without_an_owner_is_saved_and_made_again() {
    let bed = Bed::new();
    bed.install("");
    bed.workload("app", &json!({}));
    bed.apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone", "namespace": "app"},
        "spec": {"containers": [{"name": "app", "image": "app"}]}}));
    bed.kubectl("wait --for=condition=Ready pod/alone -n app --timeout=60s");
    let bed = bed.next();
    let output = bed.line("upgrade --to 1.31.1 -y -o json");
    assert_eq!(output.code(), 0, "{output}");
    bed.paste_all(&output.json());
    assert!(bed.env().work().join("alone.yaml").exists());
    bed.kubectl("wait --for=condition=Ready pod/alone -n app --timeout=60s");
    bed.kubectl("rollout status deployment/web -n app --timeout=60s");
    bed.kubectl("wait --for=delete pod -n app -l app=web,!pod-template-hash --timeout=60s");
    let output = bed.line("verify");
    assert_eq!(output.code(), 0, "{output}");
}

#[test]
#[ignore = "needs the test bed"]
fn the_first_install_is_followed_by_commands_that_work() {
    let bed = Bed::new();
    let output = bed.line("install --fips --distroless -y -o json");
    assert_eq!(output.code(), 0, "{output}");
    for (command, text) in steps(&output.json()) {
        let output = bed.paste(&command);
        assert_eq!(output.code(), 0, "{text}: {command}: {output}");
    }
    let label = bed.kubectl("get namespace default -o jsonpath={.metadata.labels.istio-injection}");
    assert_eq!(label, "enabled");
    bed.kubectl("label namespace default istio-injection-");
}

#[test]
#[ignore = "needs the test bed"]
fn the_printed_role_is_enough_to_install_upgrade_and_verify() {
    let bed = Bed::new();
    let refused = bed.line("check --fips --distroless --as installer -o json");
    assert_eq!(refused.code(), 79, "{refused}");
    assert!(
        failed(&refused.json()).contains(&"permissions".to_owned()),
        "{refused}"
    );
    let role = bed.line("check --print-rbac").success();
    let applied = bed.tool_with("kubectl", &["apply", "-f", "-"], &role);
    assert!(
        applied.status.success(),
        "{}",
        String::from_utf8_lossy(&applied.stderr)
    );
    bed.kubectl("create clusterrolebinding glooistio-installer --clusterrole=glooistio-installer --user=installer");
    for line in [
        "check --fips --distroless",
        "install --fips --distroless -y",
        "verify",
        "upgrade -y --set values.global.logAsJson=true",
        "verify --fips",
    ] {
        let output = bed.line(&format!("{line} --as installer"));
        assert_eq!(output.code(), 0, "{line}: {output}");
    }
    bed.kubectl("delete clusterrolebinding glooistio-installer");
    bed.kubectl("delete clusterrole glooistio-installer");
}

#[test]
#[ignore = "needs the test bed"]
fn an_upgrade_to_what_runs_has_nothing_to_do_and_an_older_client_asks_first() {
    let bed = Bed::new().next();
    let output = bed.line("install --fips --distroless -y --istio 1.31.1");
    assert_eq!(output.code(), 0, "{output}");
    let generation = || {
        bed.kubectl("get deployment istiod -n istio-system -o jsonpath={.metadata.resourceVersion}")
    };
    let before = generation();
    let output = bed.line("upgrade -y");
    assert_eq!(output.code(), 0, "{output}");
    assert!(output.stdout.contains("already runs 1.31.1-"), "{output}");
    assert_eq!(generation(), before, "nothing was written");
    let older = std::env::var("PATH").unwrap();
    let older = older.split(':').map(|dir| format!("{dir}/istioctl"));
    let older = older
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
        .unwrap();
    let output = bed.line(&format!("upgrade -y --istioctl {older}"));
    assert_eq!(output.code(), 79, "{output}");
    assert!(output.to_string().contains("--allow-downgrade"), "{output}");
    let output = bed.line(&format!("upgrade -y --istioctl {older} --allow-downgrade"));
    assert_eq!(output.code(), 0, "{output}");
    assert!(
        bed.kubectl("get pods -n istio-system -o jsonpath={..image}")
            .contains(TAG)
    );
}
