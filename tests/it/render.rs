//! What `render` writes: every preset with every flavour of one version, and the traps.

use serde_json::{Value, json};

use crate::env::TestEnv;

const FLAVOURS: &[&str] = &[
    "",
    "-solo",
    "-solo-distroless",
    "-solo-fips",
    "-solo-fips-distroless",
];

/// Parameters that a preset cannot do without.
pub(crate) fn needed(preset: &str) -> &'static [&'static str] {
    match preset {
        "production" => &["--param", "cluster=one"],
        _ => &[],
    }
}

fn render(args: &[&str]) -> String {
    TestEnv::new().run(&[&["render"], args].concat()).success()
}

#[test]
fn every_preset_and_flavour_as_recorded() {
    for (preset, _) in glooistio::render::template::PRESETS {
        for flavour in FLAVOURS {
            let tag = format!("1.31.0{flavour}");
            let distribution = if flavour.is_empty() {
                "standard"
            } else {
                "solo"
            };
            let mut args = vec!["--preset", preset, "--istio", &tag];
            args.extend(["--distribution", distribution]);
            args.extend(needed(preset));
            let text = render(&args);
            insta::with_settings!({snapshot_path => "../golden", prepend_module_to_snapshot => false, omit_expression => true}, {
                insta::assert_snapshot!(format!("{preset}{flavour}"), text);
            });
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(
        render(&["--preset", "production", "--param", "cluster=one"]),
        render(&["--preset", "production", "--param", "cluster=one"])
    );
}

#[test]
fn files_hold_what_stdout_would() {
    let env = TestEnv::new();
    let output =
        env.line("render --preset production --param cluster=one --istio 1.31.0-solo-fips -O out");
    assert_eq!((output.code(), output.stdout.as_str()), (0, ""), "{output}");
    let mut files: Vec<_> = std::fs::read_dir(env.work().join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let names: Vec<&str> = files
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "01-glooistio.yaml",
            "02-namespaces.yaml",
            "03-glooistio-ingress.yaml",
            "04-glooistio-eastwest.yaml",
        ]
    );
    let namespaces = std::fs::read_to_string(files.remove(1)).unwrap();
    for wanted in [
        "#   glooistio render --preset production --param cluster=one --istio 1.31.0-solo-fips -O out\n",
        "# Step of the install: kubectl apply -f 02-namespaces.yaml\n",
        "kind: Namespace\nmetadata:\n  name: istio-eastwest\n---\n",
        "kind: Namespace\nmetadata:\n  name: istio-ingress\n",
    ] {
        assert!(namespaces.contains(wanted), "{wanted}: {namespaces}");
    }
    let mut documents: Vec<Value> = files
        .iter()
        .map(|path| serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    let mut shown = env
        .line("render --preset production --param cluster=one --istio 1.31.0-solo-fips")
        .documents();
    let name = |document: &Value| document["metadata"]["name"].as_str().unwrap().to_owned();
    documents.sort_by_key(name);
    shown.sort_by_key(name);
    assert_eq!(documents, shown);
}

#[test]
fn files_of_an_earlier_render_are_removed_unless_they_were_edited() {
    let env = TestEnv::new();
    let production = "render --preset production --param cluster=one --istio 1.31.0-solo -O out";
    assert_eq!(env.line(production).code(), 0);
    let edited = env.work().join("out/03-glooistio-ingress.yaml");
    let mut text = std::fs::read_to_string(&edited).unwrap();
    text.push_str("  # ours\n");
    std::fs::write(&edited, text).unwrap();
    env.file("out/kustomization.yaml", "resources: []\n");
    let output = env.line("render --preset minimal --istio 1.31.0-solo -O out");
    assert_eq!(output.code(), 0, "{output}");
    for said in [
        "removed out/04-glooistio-eastwest.yaml",
        "out/03-glooistio-ingress.yaml is of an earlier render, and was edited since",
    ] {
        assert!(output.stderr.contains(said), "{output}");
    }
    let entries = std::fs::read_dir(env.work().join("out")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "01-glooistio.yaml",
            "03-glooistio-ingress.yaml",
            "kustomization.yaml"
        ]
    );
}

#[test]
fn what_istioctl_does_not_do_with_a_stream_is_said() {
    let output =
        TestEnv::new().line("render --preset production --param cluster=one --istio 1.31.0-solo");
    let said = "kubectl create namespace istio-eastwest && kubectl create namespace istio-ingress";
    // The page breaks its lines.
    let words: Vec<&str> = output.stderr.split_whitespace().collect();
    assert!(words.join(" ").contains(said), "{output}");
    let one = TestEnv::new().line("render --istio 1.31.0-solo");
    assert!(!one.stderr.contains("istioctl takes one document"), "{one}");
}

#[test]
fn key_of_the_command_is_not_written_into_the_header() {
    let env = TestEnv::new();
    let output = env.line("render --istio 1.23.6-patch1-solo --repo-key 0123456789ab -O out");
    assert_eq!(output.code(), 0, "{output}");
    let text = std::fs::read_to_string(env.work().join("out/01-glooistio.yaml")).unwrap();
    let header: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert!(!header.concat().contains("0123456789ab"), "{header:?}");
}

#[test]
fn no_program_is_started_and_no_cluster_asked() {
    let env = TestEnv::new();
    env.without_istioctl();
    let output = env.line("render --istio 1.31.0-solo-fips");
    assert_eq!(output.code(), 0, "{output}");
}

/// The only document of a render with these arguments.
#[track_caller]
fn one(args: &[&str]) -> Value {
    let output = TestEnv::new().run(&[&["render", "--istio", "1.31.0-solo-fips"], args].concat());
    assert_eq!(output.code(), 0, "{output}");
    let mut documents = output.documents();
    assert_eq!(documents.len(), 1, "{output}");
    documents.remove(0)
}

#[test]
fn values_keep_their_type_on_the_way_through_go() {
    for (set, pointer, wanted) in [
        (
            "meshConfig.accessLogFormat=b=c",
            "/spec/meshConfig/accessLogFormat",
            json!("b=c"),
        ),
        (
            "meshConfig.accessLogFormat=no",
            "/spec/meshConfig/accessLogFormat",
            json!("no"),
        ),
        (
            "values.global.proxy.logLevel=on",
            "/spec/values/global/proxy/logLevel",
            json!("on"),
        ),
        (
            "components.pilot.k8s.replicaCount=2",
            "/spec/components/pilot/k8s/replicaCount",
            json!(2),
        ),
        (
            "meshConfig.defaultConfig.proxyMetadata.X=1e3",
            "/spec/meshConfig/defaultConfig/proxyMetadata/X",
            json!("1e3"),
        ),
    ] {
        let document = one(&["--set", set]);
        assert_eq!(
            document.pointer(pointer),
            Some(&wanted),
            "{set}: {document:#}"
        );
    }
}

#[test]
fn a_tag_that_looks_like_a_number_is_never_one() {
    let env = TestEnv::new();
    env.file(
        "op.yaml",
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  tag: 1.20\n",
    );
    let output = env.line("render -f op.yaml");
    assert_ne!(output.code(), 70, "{output}");
    assert!(!output.stdout.contains("1.2\n"), "{output}");
}

#[test]
fn a_newline_in_a_value_injects_nothing() {
    let document = one(&["--set", "meshConfig.accessLogFormat=a\nhub: evil"]);
    assert_eq!(
        document["spec"]["meshConfig"]["accessLogFormat"],
        "a\nhub: evil"
    );
    assert_ne!(document["spec"]["hub"], "evil");
}

#[test]
fn an_overlay_that_changes_the_planned_image_is_a_finding() {
    let env = TestEnv::new();
    env.file(
        "op.yaml",
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  values:\n    pilot:\n      image: docker.io/istio/pilot:1.31.0\n",
    );
    let output = env.line("render --istio 1.31.0-solo-fips -f op.yaml");
    assert_eq!(output.code(), 79, "{output}");
    assert!(output.stderr.contains("documents-agree"), "{output}");
}

#[test]
fn an_overlay_with_a_name_goes_to_that_document() {
    let env = TestEnv::new();
    let names: Vec<Value> = env
        .line("render --preset production --param cluster=one")
        .documents()
        .iter()
        .map(|one| one["metadata"]["name"].clone())
        .collect();
    let gateway = names[1].as_str().unwrap();
    let text = format!(
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata:\n  name: {gateway}\nspec:\n  meshConfig:\n    trustDomain: here\n"
    );
    env.file("op.yaml", text);
    let documents = env
        .line("render --preset production --param cluster=one -f op.yaml")
        .documents();
    let having: Vec<bool> = documents
        .iter()
        .map(|one| one["spec"]["meshConfig"]["trustDomain"] == "here")
        .collect();
    assert_eq!(having, [false, true, false]);
}

#[test]
fn the_namespace_stands_in_all_its_places() {
    let document = one(&["-i", "mesh"]);
    assert_eq!(document["metadata"]["namespace"], "mesh");
    assert_eq!(
        document["spec"]["values"]["global"]["istioNamespace"],
        "mesh"
    );
    assert_eq!(document["spec"]["namespace"], "mesh");
}

#[test]
fn a_template_of_ones_own_gets_params() {
    let env = TestEnv::new();
    let template =
        std::fs::read_to_string(crate::env::root().join("templates/minimal.yaml.hbs")).unwrap();
    env.file("mine.hbs", template);
    let own = env.line("render --istio 1.31.0-solo-fips --template mine.hbs");
    assert_eq!(own.code(), 0, "{own}");
    let preset = env.line("render --istio 1.31.0-solo-fips --preset minimal");
    assert_eq!(own.documents()[0]["spec"], preset.documents()[0]["spec"]);
}

#[test]
fn what_was_chosen_and_why_is_said() {
    let output = TestEnv::new().line("render --fips --distroless");
    assert_eq!(output.code(), 0, "{output}");
    for word in ["tag", "hub", "preset"] {
        assert!(output.stderr.contains(word), "{output}");
    }
}
