//! Our merge is the real istioctl's: the same objects come out, whoever merged.

use super::Bed;

const HEAD: &str = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n";

/// Overlays and `--set`s, one case a line.
const CASES: &[(&[&str], &[&str])] = &[
    (&[], &[]),
    (
        &[
            "  meshConfig:\n    trustDomain: one\n",
            "  meshConfig:\n    enableTracing: true\n",
        ],
        &[],
    ),
    (
        &[
            "  meshConfig:\n    trustDomain: one\n",
            "  meshConfig:\n    trustDomain: two\n",
        ],
        &["meshConfig.trustDomain=three"],
    ),
    (
        &[
            "  components:\n    ingressGateways:\n    - name: istio-ingressgateway\n      enabled: true\n    - name: second\n      enabled: true\n",
        ],
        &[],
    ),
    (
        &[
            "  components:\n    ingressGateways:\n    - name: a\n      enabled: true\n",
            "  components:\n    ingressGateways:\n    - name: b\n      enabled: true\n",
        ],
        &[],
    ),
    (
        &[
            "  values:\n    pilot:\n      env:\n        A: one\n",
            "  values:\n    pilot:\n      env:\n        B: two\n",
        ],
        &["values.pilot.env.C=three"],
    ),
    (
        &[
            "  values:\n    global:\n      proxy:\n        resources:\n          requests: {cpu: 10m}\n",
        ],
        &["values.global.proxy.logLevel=debug"],
    ),
    (
        &[
            "  components:\n    pilot:\n      k8s:\n        replicaCount: 2\n        env:\n        - {name: A, value: one}\n",
        ],
        &["components.pilot.k8s.env[0].value=two"],
    ),
    (
        &[
            "  components:\n    ingressGateways:\n    - name: istio-ingressgateway\n      enabled: true\n      label: {x: one}\n",
        ],
        &["components.ingressGateways[name:istio-ingressgateway].label.z=two"],
    ),
    (&[], &["components.cni.enabled=true"]),
    (
        &[],
        &[
            "meshConfig.defaultConfig.proxyMetadata.X=1e3",
            "meshConfig.defaultConfig.proxyMetadata.Y=no",
        ],
    ),
    (
        &[],
        &[
            "values.sidecarInjectorWebhook.injectedAnnotations.container\\.apparmor\\.security\\.beta\\.kubernetes\\.io/istio-proxy=runtime/default",
        ],
    ),
    (
        &["  meshConfig:\n    accessLogFile: /dev/stdout\n"],
        &["meshConfig.accessLogFile="],
    ),
    (&["  unvalidatedValues:\n    global:\n      x: y\n"], &[]),
    (
        &["  values:\n    pilot:\n      autoscaleMin: 2\n      autoscaleMax: 7\n"],
        &["values.pilot.autoscaleEnabled=true"],
    ),
    (
        &[
            "  components:\n    pilot:\n      k8s:\n        overlays:\n        - kind: Deployment\n          name: istiod\n          patches:\n          - {path: spec.minReadySeconds, value: 7}\n",
        ],
        &[],
    ),
];

#[test]
#[ignore = "needs the test bed"]
fn the_same_objects_come_out() {
    let bed = Bed::as_it_is();
    let base = bed.line("render --istio 1.31.0-solo-fips").success();
    bed.env().file("base.yaml", base);
    for (files, sets) in CASES {
        let mut overlays = Vec::new();
        for (n, text) in files.iter().enumerate() {
            let name = format!("{n}.yaml");
            bed.env().file(&name, format!("{HEAD}{text}"));
            overlays.extend(["-f".to_owned(), name]);
        }
        for set in *sets {
            overlays.extend(["--set".to_owned(), (*set).to_owned()]);
        }
        let mut real: Vec<String> = ["manifest", "generate", "-f", "base.yaml"]
            .map(str::to_owned)
            .to_vec();
        real.extend(overlays.iter().cloned());
        let real = bed.tool_with("istioctl", &real, "");
        assert!(
            real.status.success(),
            "{files:?} {sets:?}: {}",
            String::from_utf8_lossy(&real.stderr)
        );
        let mut own: Vec<String> = ["render", "--istio", "1.31.0-solo-fips"]
            .map(str::to_owned)
            .to_vec();
        own.extend(overlays);
        let own = bed.run(&own);
        assert_eq!(own.code(), 0, "{files:?} {sets:?}: {own}");
        let merged = bed.tool_with(
            "istioctl",
            &["manifest", "generate", "-f", "-"],
            &own.stdout,
        );
        assert!(
            merged.status.success(),
            "{files:?} {sets:?}: {}",
            String::from_utf8_lossy(&merged.stderr)
        );
        assert!(
            real.stdout == merged.stdout,
            "{files:?} {sets:?} differ:\n{own}"
        );
    }
}
