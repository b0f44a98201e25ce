//! The real istioctl's own words: every flag is found again, every render is understood.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Bed, HUB};

/// Flags that are ours or become part of the documents.
const OURS: &[&str] = &[
    "dry-run",
    "verify",
    "help",
    "skip-confirmation",
    "filename",
    "set",
    "revision",
    "istioNamespace",
];

/// Flags of the root that istioctl hides.
const HIDDEN: &[&str] = &[
    "log_output_level",
    "log_as_json",
    "log_target",
    "log_caller",
    "log_stacktrace_level",
];

#[test]
#[ignore = "needs the test bed"]
fn every_flag_of_istioctl_is_found_again() {
    let bed = Bed::new();
    bed.install("");
    for word in ["install", "upgrade"] {
        let mut flags: BTreeSet<String> = HIDDEN.iter().map(ToString::to_string).collect();
        let completions = bed.tool("istioctl", &format!("__complete {word} --"));
        flags.extend(completions.lines().filter_map(|line| {
            line.strip_prefix("--")
                .map(|rest| rest.split('\t').next().unwrap().to_owned())
        }));
        let help = bed.tool("istioctl", &format!("{word} --help"));
        let help_flags = help.lines().filter_map(|line| {
            line.split_once("--")
                .filter(|(before, _)| before.trim().len() <= 3)
        });
        let named: Vec<(String, bool)> = help_flags
            .map(|(_, rest)| {
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || "-_".contains(*c))
                    .collect();
                let valued =
                    rest[name.len()..].starts_with(' ') && !rest[name.len()..].starts_with("  ");
                (name, valued)
            })
            .collect();
        flags.extend(named.iter().map(|(name, _)| name.clone()));
        assert!(flags.len() > 20, "the flags were read: {flags:?}");
        for flag in flags.iter().filter(|flag| !OURS.contains(&flag.as_str())) {
            let valued = named.iter().any(|(name, valued)| name == flag && *valued);
            let line = handed_on(
                &bed,
                word,
                flag,
                valued || flag.starts_with("log_") || HIDDEN_VALUED.contains(&flag.as_str()),
            );
            assert!(
                line.contains(&format!("--{flag}")),
                "--{flag} of {word} is lost: {line}"
            );
        }
    }
}

const HIDDEN_VALUED: &[&str] = &["charts", "namespace"];

/// The command that a dry run shows for a flag.
fn handed_on(bed: &Bed, word: &str, flag: &str, valued: bool) -> String {
    let value = match flag {
        "kubeconfig" => std::env::var("KUBECONFIG").unwrap(),
        "context" => bed.kubectl("config current-context").trim().to_owned(),
        "as" => "kubernetes-admin".to_owned(),
        "as-group" => "system:masters".to_owned(),
        "readiness-timeout" | "kubeclient-timeout" => "20s".to_owned(),
        "log_as_json" => "true".to_owned(),
        "vklog" => "1".to_owned(),
        _ => "x".to_owned(),
    };
    let mut args = vec![
        word.to_owned(),
        "--dry-run".to_owned(),
        "--fips".to_owned(),
        "--distroless".to_owned(),
    ];
    args.push(if valued {
        format!("--{flag}={value}")
    } else {
        format!("--{flag}")
    });
    if flag.starts_with("as-") {
        args.extend([
            "--as".to_owned(),
            "kubernetes-admin".to_owned(),
            "--as-group".to_owned(),
            "system:masters".to_owned(),
        ]);
    } else if flag == "as" {
        args.extend(["--as-group".to_owned(), "system:masters".to_owned()]);
    }
    args.extend(["-o".to_owned(), "json".to_owned()]);
    let output = bed.run(&args);
    assert!([0, 79].contains(&output.code()), "--{flag}: {output}");
    output.json()["documents"][0]["command"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
#[ignore = "needs the test bed"]
fn every_render_is_understood_and_has_the_planned_images_only() {
    let bed = Bed::as_it_is();
    for (preset, _) in glooistio::render::template::PRESETS {
        for flavour in [
            "-solo",
            "-solo-distroless",
            "-solo-fips",
            "-solo-fips-distroless",
        ] {
            let tag = format!("1.31.0{flavour}");
            let mut args = vec!["render", "--preset", preset, "--istio", &tag];
            args.extend(crate::render::needed(preset));
            let render = bed.run(&args);
            assert_eq!(render.code(), 0, "{render}");
            for document in render.documents() {
                let generated = bed.tool_with(
                    "istioctl",
                    &["manifest", "generate", "-f", "-"],
                    &document.to_string(),
                );
                let stderr = String::from_utf8_lossy(&generated.stderr);
                assert!(generated.status.success(), "{preset} {tag}: {stderr}");
                let images = images(&String::from_utf8(generated.stdout).unwrap());
                let wrong: Vec<&String> = images
                    .iter()
                    .filter(|image| {
                        *image != "auto"
                            && !(image.starts_with(&format!("{HUB}/"))
                                && image.ends_with(&format!(":{tag}")))
                    })
                    .collect();
                assert!(wrong.is_empty(), "{preset} {tag}: {wrong:?}");
            }
        }
    }
}

/// Every `image` of the objects in a stream of YAML.
fn images(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(manifest) {
        let value = <Value as serde::Deserialize>::deserialize(document).unwrap();
        if matches!(value["kind"].as_str(), Some("Deployment" | "DaemonSet")) {
            collect(&value, &mut found);
        }
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(image) if name == "image" => {
                        found.insert(image.clone());
                    }
                    field => collect(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[test]
#[ignore = "needs the test bed"]
fn every_other_command_passes_through() {
    let bed = Bed::new();
    bed.install("");
    for line in [
        "version",
        "proxy-status",
        "analyze -n istio-system",
        "tag list",
        "x precheck",
        "manifest generate",
        "profile --help",
    ] {
        let ours = bed.line(line);
        let theirs = bed.tool_with("istioctl", &line.split(' ').collect::<Vec<_>>(), "");
        assert_eq!(Some(ours.code()), theirs.status.code(), "{line}: {ours}");
    }
}

#[test]
#[ignore = "needs the test bed"]
fn no_command_of_istioctl_is_taken_for_a_mistyped_one_of_ours() {
    let bed = Bed::as_it_is();
    let completions = bed.tool_with("istioctl", &["__complete", ""], "");
    let completions = String::from_utf8(completions.stdout).unwrap();
    let words = completions.lines().filter_map(|line| {
        let word = line.split('\t').next()?;
        word.starts_with(|c: char| c.is_ascii_lowercase())
            .then_some(word)
    });
    // Of ours, `help` alone takes no flag.
    let words: Vec<&str> = words.filter(|word| *word != "help").collect();
    assert!(words.len() > 15, "the words were read: {completions}");
    for word in words {
        let output = bed.run(&[word, "--help"]);
        assert_eq!(output.code(), 0, "{word}: {output}");
    }
}
