//! Checks that a gateway that does not run as root listens above port 1023.

use serde_json::Value;

use super::walk::walk;
use super::{Before, Check, Outcome, Run};
use crate::render::Rendered;
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "privileged-ports",
    title: "gateways listen on unprivileged ports",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("privileged_ports.md"),
};

const FIRST_FREE: u64 = 1024;

/// The lists of gateways, and the values that set whether those gateways run as root.
const KINDS: [(&str, &str); 2] = [
    ("ingressGateways", "istio-ingressgateway"),
    ("egressGateways", "istio-egressgateway"),
];

fn run(before: &Before<'_>) -> Outcome {
    let mut findings = Vec::new();
    for document in before.documents {
        for (list, _) in KINDS
            .iter()
            .filter(|(_, values)| !runs_as_root(document, values))
        {
            walk(&document.value, &mut |path, value| {
                let gateway = path.starts_with(&format!("spec.components.{list}["))
                    && path.ends_with(".k8s.service.ports");
                let ports = value.as_array().filter(|_| gateway);
                let ports = ports.into_iter().flatten();
                findings.extend(ports.filter_map(|port| finding(path, port, document)));
            });
        }
    }
    Outcome::of(findings, "every target port is above 1023")
}

fn runs_as_root(document: &Rendered, values: &str) -> bool {
    document.value["spec"]["values"]["gateways"][values]["runAsRoot"] == true
}

fn finding(path: &str, port: &Value, document: &Rendered) -> Option<Finding> {
    // Without a target port, istioctl uses the port itself, and also rejects port 1024.
    let (target, first_free) = match &port["targetPort"] {
        Value::Null => (port["port"].as_u64()?, FIRST_FREE + 1),
        Value::Number(number) if number.as_u64() == Some(0) => {
            (port["port"].as_u64()?, FIRST_FREE + 1)
        }
        Value::Number(number) => (number.as_u64()?, FIRST_FREE),
        _ => return None,
    };
    (target < first_free).then(|| {
        let name = port["name"].as_str().unwrap_or("without a name");
        Finding::error(
            "privileged-port",
            format!("port {name} needs root: the gateway would listen on {target}"),
        )
        .subject(Subject::document(&document.name))
        .found(path)
        .expected("a targetPort of 1024 or more")
        .why("istioctl refuses the document")
        .fix(format!(
            "set targetPort: {} (the Service keeps its port)",
            target + 8000
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    #[test]
    fn low_target_ports_need_root() {
        for (port, values, words) in [
            ("{port: 80, targetPort: 8080}", "{}", ""),
            ("{port: 15443}", "{}", ""),
            ("{port: 80}", "{}", "listen on 80"),
            ("{port: 443, targetPort: 443}", "{}", "listen on 443"),
            ("{port: 80, targetPort: http}", "{}", ""),
            (
                "{port: 80}",
                "{gateways: {istio-ingressgateway: {runAsRoot: true}}}",
                "",
            ),
            (
                "{port: 80}",
                "{gateways: {istio-egressgateway: {runAsRoot: true}}}",
                "listen on 80",
            ),
        ] {
            let spec = format!(
                "{{values: {values}, components: {{ingressGateways: [{{name: x, k8s: {{service: {{ports: [{port}]}}}}}}]}}}}"
            );
            let outcome = Given::tag("1.31.0").document("one", &spec).run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{spec}: {outcome:?}"
            );
        }
    }
}
