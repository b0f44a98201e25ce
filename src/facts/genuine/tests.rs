#![expect(clippy::too_many_lines, reason = "the tables of cases are long")]

use serde_json::{Value as Json, json};

use super::*;

/// Pods that Istio's own injector and gateway controller created (the golden files of their tests in
/// istio/istio of release-1.31, Apache-2.0), and those of `istioctl manifest generate` of 1.31.0 for several
/// profiles. Fields that are not read as settings are removed, and the placeholders of those files are replaced
/// by the address of istiod and its certificate provider.
const INJECTED: &str = include_str!("../../../tests/data/injected-pods.json");

fn injected(name: &str) -> Json {
    let all: Vec<Json> = serde_json::from_str(INJECTED).unwrap();
    let found = all.into_iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no pod {name}"))["pod"].take()
}

/// Returns the settings that a mesh with plain pods permits.
fn permitted() -> Permitted {
    let mut reference = Reference::default();
    for plain in ["hello", "native-sidecar", "gateway"] {
        reference.add(&serde_json::from_value(injected(plain)).unwrap());
    }
    Permitted {
        references: BTreeMap::from([("default".to_owned(), Observed::Known(reference))]),
        homes: BTreeSet::from(["istio-system".to_owned()]),
        ..Permitted::default()
    }
}

/// Returns the same if the injector could not be queried.
fn unasked() -> Permitted {
    Permitted {
        references: BTreeMap::from([("default".to_owned(), Observed::Unknown("forbidden".into()))]),
        homes: BTreeSet::from(["istio-system".to_owned()]),
        ..Permitted::default()
    }
}

/// Returns the settings of the pod that nothing permits.
fn found(pod: &Json, role: Role, permitted: &Permitted) -> Deviations {
    let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
    let name = match role {
        Role::Agentgateway => "agentgateway",
        Role::Istiod => "discovery",
        Role::Cni => "install-cni",
        _ => "istio-proxy",
    };
    let own = setting::containers(&pod)
        .find(|it| it.name == name)
        .unwrap();
    let others = setting::containers(&pod).filter(|it| {
        !std::ptr::eq(*it, own) && (it.image.contains("proxyv2") || companion(&it.name).is_some())
    });
    let parts = Parts {
        pod: &pod,
        role,
        revision: "default",
        own,
        others: others.collect(),
    };
    permitted.deviations(&parts)
}

#[test]
fn pods_of_injector_gateway_controller_and_charts_are_genuine() {
    let all: Vec<Json> = serde_json::from_str(INJECTED).unwrap();
    assert!(all.len() > 30);
    for one in all {
        let name = one["name"].as_str().unwrap();
        let role = match one["role"].as_str() {
            _ if name.contains("agentgateway") => Role::Agentgateway,
            Some("istiod") => Role::Istiod,
            Some("ztunnel") => Role::Ztunnel,
            Some("cni") => Role::Cni,
            Some("gateway") => Role::Gateway,
            _ => Role::Sidecar,
        };
        for mut permitted in [permitted(), unasked()] {
            // The charts install from a hub other than that of the golden files.
            if one["role"] == "gateway" {
                permitted = unasked();
            }
            permitted.mesh_files = MeshFiles::of(&[], "istio-system");
            let found = found(&one["pod"], role, &permitted);
            assert!(found.is_empty(), "{name}: {found}");
        }
    }
}

/// Merges a value into another: lists are appended to, objects are merged.
fn put(target: &mut Json, value: Json) {
    match (target, value) {
        (Json::Object(target), Json::Object(fields)) => {
            for (key, value) in fields {
                put(target.entry(key).or_insert(Json::Null), value);
            }
        }
        (Json::Array(target), Json::Array(items)) => target.extend(items),
        (target, value) => *target = value,
    }
}

/// Returns the proxy's container, which is an init container here.
fn proxy_of(pod: &mut Json) -> &mut Json {
    let all = pod["spec"]["initContainers"].as_array_mut().unwrap();
    let mut proxies = all.iter_mut().filter(|it| it["name"] == "istio-proxy");
    proxies.next().unwrap()
}

/// Returns a sidecar with additional fields in its proxy and its pod.
fn with(proxy: Json, pod: Json) -> Json {
    let mut whole = injected("hello");
    put(proxy_of(&mut whole), proxy);
    put(&mut whole, pod);
    whole
}

fn of_proxy(fields: Json) -> Json {
    with(fields, json!({}))
}

fn mount(path: &str, volume: Json) -> Json {
    let mut source = json!({"name": "mine"});
    put(&mut source, volume);
    with(
        json!({"volumeMounts": [{"name": "mine", "mountPath": path}]}),
        json!({"spec": {"volumes": [source]}}),
    )
}

fn variable(name: &str, value: &str) -> Json {
    of_proxy(json!({"env": [{"name": name, "value": value}]}))
}

fn proxy_config(text: &str) -> Json {
    variable("PROXY_CONFIG", text)
}

fn annotation(name: &str, value: &str) -> Json {
    with(
        json!({}),
        json!({"metadata": {"annotations": {name: value}}}),
    )
}

/// Returns a pod with an additional container.
fn beside(fields: Json) -> Json {
    let mut container = json!({"name": "other", "image": "r/other:1"});
    put(&mut container, fields);
    with(json!({}), json!({"spec": {"containers": [container]}}))
}

/// Asserts that each pod deviates in exactly that item, whether the injector could be queried or not.
fn each_deviates(cases: Vec<(Json, &str)>) {
    for (pod, item) in cases {
        for permitted in [permitted(), unasked()] {
            let found = found(&pod, Role::Sidecar, &permitted);
            let said = found.to_string();
            assert!(
                found.total > 0 && said.contains(item),
                "wanted {item}, found {said}"
            );
        }
    }
}

#[test]
fn what_starts_another_program_deviates() {
    let args = |words: &[&str]| {
        let mut pod = injected("hello");
        proxy_of(&mut pod)["args"] = json!(words);
        pod
    };
    let exec = |command: &[&str]| json!({"exec": {"command": command}});
    each_deviates(vec![
        (
            of_proxy(json!({"command": ["/bin/sh"]})),
            "the command `/bin/sh`",
        ),
        (
            of_proxy(json!({"command": ["pilot-agent"]})),
            "the command `pilot-agent`",
        ),
        (
            of_proxy(json!({"command": ["/usr/local/bin/pilot-agent"]})),
            "the command",
        ),
        (
            of_proxy(json!({"command": ["/usr/bin/env", "pilot-agent"]})),
            "the command",
        ),
        (
            args(&["/tmp/evil", "proxy", "sidecar"]),
            "`/tmp/evil proxy sidecar`",
        ),
        (
            args(&["proxy", "sidecar", "--templateFile=/x"]),
            "`--templateFile=/x`",
        ),
        (
            args(&["proxy", "sidecar", "--templateFile", "/x"]),
            "`--templateFile=/x`",
        ),
        (
            args(&["proxy", "sidecar", "--meshConfig=/x"]),
            "`--meshConfig=/x`",
        ),
        (
            args(&["proxy", "sidecar", "--log_as_json", "--meshConfig", "/x"]),
            "--meshConfig",
        ),
        (
            args(&["proxy", "sidecar", "--domain", "--templateFile=/x"]),
            "--templateFile",
        ),
        (
            args(&["proxy", "sidecar", "--proxyLogLevel=a\"b"]),
            "--proxyLogLevel",
        ),
        (
            args(&["proxy", "sidecar", "--outlierLogPath=/usr/local/bin/envoy"]),
            "--outlierLogPath",
        ),
        (
            args(&["proxy", "sidecar", "--serviceCluster", "a\",\"x\":\""]),
            "--serviceCluster",
        ),
        (
            args(&["proxy", "sidecar", "--log_target=/x"]),
            "--log_target",
        ),
        (
            args(&["--templateFile=/x", "proxy", "sidecar"]),
            "--templateFile",
        ),
        (args(&["proxy", "sidecar", "--", "x"]), "`--"),
        (args(&["proxy", "evil"]), "`proxy evil`"),
        (
            args(&["request", "POST", "quitquitquit"]),
            "`request POST quitquitquit`",
        ),
        (args(&["istio-iptables"]), "`istio-iptables`"),
        (
            of_proxy(json!({"lifecycle": {"postStart": exec(&["sh", "-c", "x"])}})),
            "`postStart: sh -c x`",
        ),
        (
            of_proxy(json!({"lifecycle": {"preStop": exec(&["/x"])}})),
            "drain /x`",
        ),
        (
            of_proxy(json!({"livenessProbe": exec(&["/x"])})),
            "`livenessProbe: /x`",
        ),
        (
            of_proxy(json!({"startupProbe": exec(&["pilot-agent", "wait", "x"])})),
            "startupProbe",
        ),
        (
            of_proxy(json!({"workingDir": "/tmp"})),
            "the directory /tmp",
        ),
        (
            of_proxy(json!({"terminationMessagePath": "/etc/ld.so.preload"})),
            "/etc/ld.so.preload",
        ),
        (
            of_proxy(json!({"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]})),
            "/dev/x",
        ),
        (
            of_proxy(json!({"securityContext": {"privileged": true}})),
            "privileged",
        ),
        (
            of_proxy(json!({"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}})),
            "SYS_PTRACE",
        ),
        (
            of_proxy(json!({"securityContext": {"procMount": "Unmasked"}})),
            "procMount",
        ),
    ]);
}

#[test]
fn every_mount_that_the_injector_does_not_make_deviates() {
    let map = || json!({"configMap": {"name": "mine"}});
    let paths = [
        "/etc/ld.so.preload",
        "/etc/ld.so.cache",
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib",
        "/lib",
        "/bin",
        "/usr/local/bin/envoy",
        "//usr/./local/x/../bin/envoy",
        "usr/local/bin/",
        "/",
        "/etc",
        "/etc/istio",
        "/etc/istio/config",
        "/etc/istio/config/",
        "/etc/istio/custom-bootstrap",
        "/etc/istio/proxy/envoy-rev.json",
        "/etc/istio/pod/annotations",
        "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json",
        "/var/lib/istio",
        "/etc/ssl/certs",
        "/proc",
        "/tmp",
        "/mnt/x",
    ];
    let shown = |path: &str| {
        let path = path.replace("./local/x/..", "local").replace("//", "/");
        format!("/{}", path.trim_matches('/'))
    };
    let cases: Vec<(Json, String)> = paths
        .iter()
        .map(|path| (mount(path, map()), shown(path)))
        .collect();
    each_deviates(
        cases
            .iter()
            .map(|(pod, item)| (pod.clone(), item.as_str()))
            .collect(),
    );
    // The injector's paths with other volumes.
    each_deviates(vec![
        (
            mount("/etc/istio/proxy", map()),
            "/etc/istio/proxy (configMap mine)",
        ),
        (
            mount("/etc/istio/proxy", json!({"hostPath": {"path": "/x"}})),
            "hostPath /x",
        ),
        (
            mount("/etc/istio/pod", map()),
            "/etc/istio/pod (configMap mine)",
        ),
        (
            mount(
                "/etc/istio/pod",
                json!({"projected": {"sources": [{"configMap": {"name": "m"}}]}}),
            ),
            "/etc/istio/pod",
        ),
        (
            mount(
                "/var/lib/istio/data",
                json!({"persistentVolumeClaim": {"claimName": "c"}}),
            ),
            "another kind",
        ),
        (
            mount(
                "/var/lib/istio/data",
                json!({"image": {"reference": "r/x"}}),
            ),
            "another kind",
        ),
        (
            mount("/var/run/secrets/istio", map()),
            "/var/run/secrets/istio (configMap mine)",
        ),
        (
            mount(
                "/var/run/secrets/tokens",
                json!({"secret": {"secretName": "s"}}),
            ),
            "secret s",
        ),
        (
            mount(
                "/var/run/secrets/workload-spiffe-uds",
                json!({"csi": {"driver": "x"}}),
            ),
            "csi x",
        ),
    ]);
    let part = json!({"volumeMounts": [{"name": "istio-data", "mountPath": "/etc/istio/proxy", "subPath": "x"}]});
    each_deviates(vec![(of_proxy(part), "emptyDir, file x")]);
}

#[test]
fn variables_outside_of_the_list_deviate_wherever_they_come_from() {
    let from =
        |name: &str, source: Json| of_proxy(json!({"env": [{"name": name, "valueFrom": source}]}));
    let key = || json!({"configMapKeyRef": {"name": "m", "key": "k"}});
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    let mut cases = Vec::new();
    for name in [
        "LD_PRELOAD",
        "LD_AUDIT",
        "LD_LIBRARY_PATH",
        "LD_DEBUG",
        "LD_BIND_NOW",
        "GLIBC_TUNABLES",
        "PATH",
        "GCONV_PATH",
        "SSL_CERT_FILE",
        "OPENSSL_CONF",
        "OPENSSL_MODULES",
        "ENVOY_DYNAMIC_MODULES_SEARCH_PATH",
        "ISTIO_BOOTSTRAP",
        "ISTIO_BOOTSTRAP_OVERRIDE",
        "GRPC_XDS_BOOTSTRAP",
        "OUTPUT_CERTS",
        "PROV_CERT",
        "XDS_ROOT_CA",
        "CA_ROOT_CA",
        "WORKLOAD_IDENTITY_SOCKET_FILE",
        "WASM_INSECURE_REGISTRIES",
        "ISTIO_METAJSON_X",
        "DISABLE_ENVOY",
        "HTTPS_PROXY",
        "BASH_ENV",
        "ld_preload",
        "FOO",
        "",
    ] {
        cases.push((variable(name, "/x"), name));
    }
    cases.extend([
        (
            variable("ISTIO_META_WORKLOAD_NAME", "x\",\"y\":\""),
            "ISTIO_META_WORKLOAD_NAME",
        ),
        (
            variable("ISTIO_META_WORKLOAD_NAME", "$(ISTIO_META_POD_PORTS)"),
            "ISTIO_META_WORKLOAD_NAME",
        ),
        (variable("POD_NAME", "x\",\"y\":\""), "POD_NAME"),
        (variable("POD_NAMESPACE", "kube-system"), "POD_NAMESPACE"),
        (variable("GODEBUG", "$(X)"), "GODEBUG"),
        (from("GODEBUG", key()), "GODEBUG"),
        (from("PROXY_CONFIG", key()), "PROXY_CONFIG"),
        (
            from("PROXY_CONFIG", field("metadata.annotations['x']")),
            "PROXY_CONFIG",
        ),
        (
            from("POD_NAME", field("metadata.annotations['x']")),
            "POD_NAME",
        ),
        (
            from(
                "ISTIO_META_X",
                json!({"secretKeyRef": {"name": "m", "key": "k"}}),
            ),
            "ISTIO_META_X",
        ),
        (
            from("CA_ADDR", json!({"fileKeyRef": {"path": "x"}})),
            "CA_ADDR",
        ),
        (
            of_proxy(json!({"envFrom": [{"configMapRef": {"name": "m"}}]})),
            "variables from ConfigMap m",
        ),
        (
            of_proxy(json!({"envFrom": [{"prefix": "LD_", "secretRef": {"name": "s"}}]})),
            "Secret s as LD_",
        ),
    ]);
    each_deviates(cases);
}

/// The file that the agent uses as the root certificate is another key of a ConfigMap with the correct name.
#[test]
fn files_under_another_name_and_other_control_planes_deviate() {
    let root = |items: Json| {
        let map = json!({"name": "istio-ca-root-cert", "items": items});
        mount("/var/run/secrets/istio", json!({"configMap": map}))
    };
    let same = root(json!([{"key": "root-cert.pem", "path": "root-cert.pem"}]));
    assert!(found(&same, Role::Sidecar, &permitted()).is_empty());
    each_deviates(vec![
        (
            root(json!([{"key": "evil.pem", "path": "root-cert.pem"}])),
            "evil.pem as root-cert.pem",
        ),
        (
            mount(
                "/var/run/secrets/kubernetes.io/serviceaccount",
                json!({"secret": {"secretName": "default-token-x"}}),
            ),
            "default-token-x",
        ),
        (variable("CA_ADDR", "istiod.shop.svc:15012"), "CA_ADDR"),
        (variable("XDS_ADDRESS", "evil.example:15012"), "XDS_ADDRESS"),
        (
            variable("PILOT_CERT_PROVIDER", "custom"),
            "PILOT_CERT_PROVIDER",
        ),
        (
            variable("WORKLOAD_RSA_KEY_SIZE", "1024"),
            "WORKLOAD_RSA_KEY_SIZE",
        ),
    ]);
}

#[test]
fn fields_of_proxy_config_outside_of_the_list_deviate_in_every_spelling() {
    let texts = [
        ("{\"binary\\u0050ath\":\"/x\"}", "binaryPath"),
        ("binary_path: /x", "binaryPath"),
        ("binaryPath: /usr/local/bin/../../../x", "binaryPath"),
        ("customConfigFile: /x", "customConfigFile"),
        (
            "proxy_bootstrap_template_path: /x",
            "proxyBootstrapTemplatePath",
        ),
        ("configPath: /tmp", "configPath"),
        ("statsdUdpAddress: evil:1", "statsdUdpAddress"),
        (
            "envoyMetricsService: {address: evil:1}",
            "envoyMetricsService.address",
        ),
        (
            "envoyAccessLogService: {address: evil:1}",
            "envoyAccessLogService.address",
        ),
        (
            "readinessProbe: {exec: {command: [/x]}}",
            "readinessProbe.exec.command",
        ),
        (
            "privateKeyProvider: {qat: {pollDelay: 1s}}",
            "privateKeyProvider.qat.pollDelay",
        ),
        ("caCertificatesPem: [x]", "caCertificatesPem"),
        ("runtimeValues: {x: y}", "runtimeValues.x"),
        ("discoveryAddress: evil.example:15012", "discoveryAddress"),
        ("proxyMetadata: {ISTIO_BOOTSTRAP: /x}", "ISTIO_BOOTSTRAP"),
        ("proxyMetadata: {LD_PRELOAD: /x}", "LD_PRELOAD"),
        ("proxy_metadata: {LD_PRELOAD: /x}", "LD_PRELOAD"),
        ("serviceCluster: 'a\",\"b\":\"'", "serviceCluster"),
        (
            "tracing: {zipkin: {address: 'x\",y:1'}}",
            "tracing.zipkin.address",
        ),
        ("extraStatTags: ['a\"}']", "extraStatTags"),
        ("concurrency: 2\nunknownField: 1", "unknownField"),
        ("a: &a {binaryPath: /x}\n<<: *a", "cannot be read"),
        ("[", "cannot be read"),
        // The agent reads YAML 1.1, in which more characters end a line.
        ("# \u{2028}binaryPath: /x", "cannot be read"),
        ("# \u{2029}binaryPath: /x", "cannot be read"),
        ("# \u{85}binaryPath: /x", "cannot be read"),
        (
            "serviceCluster: |-\n  x\u{2028}binaryPath: /x",
            "cannot be read",
        ),
        ("concurrency: 2\u{feff}", "cannot be read"),
        ("controlPlaneAuthPolicy: NONE", "controlPlaneAuthPolicy"),
        (
            "discoveryAddress: istiod.shop.svc:15012",
            "discoveryAddress",
        ),
        (
            "discoveryAddress: istiod.istio-system.svc:15010",
            "discoveryAddress",
        ),
        (
            "proxyMetadata: {WORKLOAD_RSA_KEY_SIZE: '512'}",
            "WORKLOAD_RSA_KEY_SIZE",
        ),
        ("proxyMetadata: {CA_PROVIDER: GoogleCA}", "CA_PROVIDER"),
    ];
    let cases: Vec<(Json, &str)> = texts
        .iter()
        .flat_map(|(text, item)| {
            [
                (proxy_config(text), *item),
                (annotation("proxy.istio.io/config", text), *item),
            ]
        })
        .collect();
    each_deviates(cases);
    each_deviates(vec![
        (
            annotation(
                "sidecar.istio.io/statsInclusionPrefixes",
                "a\"}],\"x\":[{\"b\":\"",
            ),
            "statsInclusionPrefixes",
        ),
        (
            annotation("sidecar.istio.io/extraStatTags", "a\\u0022"),
            "extraStatTags",
        ),
        (
            annotation("sidecar.istio.io/discoveryAddress", "evil.example:15012"),
            "discoveryAddress",
        ),
    ]);
}

#[test]
fn texts_that_kubernetes_fills_in_deviate() {
    each_deviates(vec![
        (
            proxy_config("{} # $(ISTIO_KUBE_APP_PROBERS)"),
            "PROXY_CONFIG",
        ),
        (
            proxy_config("{\"concurrency\":\"$(ISTIO_META_POD_PORTS)\"}"),
            "PROXY_CONFIG",
        ),
        (proxy_config("# $$(X)"), "PROXY_CONFIG"),
    ]);
    let forged = |items: Json| {
        let mut pod = injected("hello");
        let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
        let podinfo = volumes
            .iter_mut()
            .find(|it| it["name"] == "istio-podinfo")
            .unwrap();
        podinfo["downwardAPI"]["items"] = items;
        pod
    };
    let file = |path: &str, field: &str| json!({"path": path, "fieldRef": {"fieldPath": field}});
    let labels = file("labels", "metadata.labels");
    each_deviates(vec![
        (
            forged(json!([
                labels,
                file("annotations", "metadata.annotations['mine']")
            ])),
            "/etc/istio/pod",
        ),
        (
            forged(json!([
                labels,
                file("annotations", "metadata.annotations"),
                file("x", "metadata.name")
            ])),
            "/etc/istio/pod",
        ),
    ]);
}

#[test]
fn other_containers_that_reach_into_the_proxy_deviate() {
    let mounts = |volume: &str| json!({"volumeMounts": [{"name": volume, "mountPath": "/x"}]});
    let ephemeral = |fields: Json| {
        let mut container = json!({"name": "debug", "image": "busybox"});
        put(&mut container, fields);
        with(
            json!({}),
            json!({"spec": {"ephemeralContainers": [container]}}),
        )
    };
    let image = json!({"image": "registry.istio.io/testing/proxyv2:latest"});
    each_deviates(vec![
        (
            beside(mounts("istio-envoy")),
            "the volume at /etc/istio/proxy with container other",
        ),
        (
            beside(mounts("istio-data")),
            "the volume at /var/lib/istio/data with container other",
        ),
        (ephemeral(mounts("istio-envoy")), "with container debug"),
        (
            ephemeral(json!({"targetContainerName": "istio-proxy"})),
            "ephemeral container debug",
        ),
        (
            with(json!({}), json!({"spec": {"shareProcessNamespace": true}})),
            "shareProcessNamespace",
        ),
        (
            with(json!({}), json!({"spec": {"hostPID": true}})),
            "hostPID",
        ),
        (
            beside(image.clone()),
            "container other has the image of a proxy",
        ),
        (ephemeral(image), "container debug has the image of a proxy"),
    ]);
    let mut init = injected("hello");
    init["spec"]["initContainers"][0]["command"] = json!(["/bin/sh"]);
    let mut args = injected("hello");
    args["spec"]["initContainers"][0]["args"] = json!(["proxy", "sidecar"]);
    each_deviates(vec![
        (init, "container istio-init has the command `/bin/sh`"),
        (
            args,
            "container istio-init has the argument `proxy sidecar`",
        ),
    ]);
}

#[test]
fn settings_that_start_nothing_are_no_deviation() {
    let read_only =
        json!({"volumeMounts": [{"name": "istio-envoy", "mountPath": "/x", "readOnly": true}]});
    let token = json!({"projected": {"sources": [
        {"serviceAccountToken": {}}, {"configMap": {"name": "kube-root-ca.crt"}}, {"downwardAPI": {}}]}});
    for pod in [
        variable("ISTIO_META_DNS_CAPTURE", "true"),
        variable("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "true"),
        variable("GODEBUG", "fips140=on"),
        variable("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        variable("XDS_ADDRESS", "istiod-x.istio-system.svc:15012"),
        variable("WORKLOAD_RSA_KEY_SIZE", "4096"),
        proxy_config("{}"),
        proxy_config(
            r#"{"concurrency":2,"holdApplicationUntilProxyStarts":true,"tracing":{"sampling":10}}"#,
        ),
        annotation(
            "proxy.istio.io/config",
            "terminationDrainDuration: 30s\nproxyMetadata:\n  ISTIO_META_DNS_CAPTURE: 'true'\n",
        ),
        annotation(
            "proxy.istio.io/config",
            "tracing: {zipkin: {address: $(HOST_IP):9411}}",
        ),
        annotation("sidecar.istio.io/bootstrapOverride", "mine"),
        annotation("sidecar.istio.io/logLevel", "debug"),
        annotation(
            "sidecar.istio.io/statsInclusionPrefixes",
            "cluster.outbound,listener",
        ),
        annotation("other.example/x", "\"\n"),
        of_proxy(json!({"args": ["--concurrency=2", "--log_as_json"]})),
        of_proxy(
            json!({"lifecycle": {"postStart": {"exec": {"command": ["pilot-agent", "wait"]}}}}),
        ),
        of_proxy(json!({"livenessProbe": {"httpGet": {"path": "/x", "port": 1}}})),
        of_proxy(json!({"terminationMessagePath": "/dev/termination-log"})),
        of_proxy(json!({"securityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}}})),
        mount("/var/run/secrets/kubernetes.io/serviceaccount", token),
        beside(read_only),
        beside(
            json!({"image": "r/debug:1", "command": ["/bin/sh"], "securityContext": {"privileged": true}}),
        ),
    ] {
        for permitted in [permitted(), unasked()] {
            let found = found(&pod, Role::Sidecar, &permitted);
            assert!(found.is_empty(), "{found}");
        }
    }
}

#[test]
fn what_the_injector_gives_every_pod_is_no_deviation() {
    let pod = with(
        json!({"env": [{"name": "CUSTOM", "value": "of the mesh"}]}),
        json!({}),
    );
    let mut permitted = permitted();
    assert_eq!(found(&pod, Role::Sidecar, &permitted).total, 1);
    let mut reference = Reference::default();
    reference.add(&serde_json::from_value(pod.clone()).unwrap());
    permitted
        .references
        .insert("default".to_owned(), Observed::Known(reference));
    assert!(found(&pod, Role::Sidecar, &permitted).is_empty());
    let other = variable("CUSTOM", "of a tenant");
    assert_eq!(
        found(&other, Role::Sidecar, &permitted).total,
        1,
        "values count"
    );
    let pod = of_proxy(json!({"image": "evil.example/proxyv2:1"}));
    assert!(
        found(&pod, Role::Sidecar, &permitted)
            .to_string()
            .contains("evil.example/proxyv2")
    );
}

#[test]
fn a_mesh_configuration_is_mounted_from_the_control_plane_or_harmless() {
    let permit = |namespace: &str, name: &str, volume: Json| {
        let mut permitted = permitted();
        permitted.mesh_files = MeshFiles::of(
            &[("shop", "istio", false), ("edge", "istio", true)],
            "istio-system",
        );
        let mut pod = mount("/etc/istio/config", volume);
        put(&mut pod, json!({"metadata": {"namespace": namespace}}));
        let found = found(&pod, Role::Gateway, &permitted);
        assert!(
            found.is_empty() || found.to_string().contains(name),
            "{found}"
        );
        found.is_empty()
    };
    let map = |name: &str| json!({"configMap": {"name": name}});
    for (namespace, name, genuine) in [
        ("istio-system", "istio", true),
        ("istio-ingress", "istio", true),
        ("edge", "istio", true),
        ("shop", "istio", false),
        ("istio-ingress", "other", false),
        ("istio-system", "other", false),
    ] {
        assert_eq!(
            permit(namespace, name, map(name)),
            genuine,
            "{namespace}/{name}"
        );
    }
    assert!(!permit(
        "istio-system",
        "secret istio",
        json!({"secret": {"secretName": "istio"}})
    ));
}

#[test]
fn only_revisions_in_scope_are_compared() {
    let hostile = of_proxy(json!({"command": ["/bin/sh"]}));
    assert!(found(&hostile, Role::Sidecar, &Permitted::default()).is_empty());
    let mut other = Permitted {
        references: BTreeMap::from([("canary".to_owned(), Observed::Unknown("x".into()))]),
        uncompared: BTreeSet::from(["default".to_owned()]),
        ..Permitted::default()
    };
    assert!(found(&hostile, Role::Sidecar, &other).is_empty());
    other.uncompared.clear();
    assert!(
        !found(&hostile, Role::Sidecar, &other).is_empty(),
        "a revision that is not here is a claim"
    );
    other.uncompared.insert("default".to_owned());
    assert!(
        !found(&hostile, Role::Ztunnel, &other).is_empty(),
        "ztunnel serves every revision"
    );
}
