//! What an image starts is read, wherever it is, and whatever else is in the image.

use serde_json::{Value, json};

use super::image::{Entry, Image, docker_archive, elf, go_program, layer};
use crate::env::TestEnv;
use crate::fake_registry::digest;

const KNOWN: &str = "usr/local/bin/pilot-discovery";

/// The image with another `config`.
fn configured(mut image: Image, config: &Value) -> Image {
    let mut of_image: Value = serde_json::from_slice(&image.config).unwrap();
    of_image["config"] = config.clone();
    image.config = of_image.to_string().into_bytes();
    let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    manifest["config"]["digest"] = json!(digest(&image.config));
    manifest["config"]["size"] = json!(image.config.len());
    image.manifest = manifest.to_string().into_bytes();
    image
}

/// `inspect -o short` of an image with a FIPS build where it is looked for, and a plain one elsewhere.
#[track_caller]
fn said(config: &Value, elsewhere: &[Entry<'_>]) -> String {
    let labelled = go_program("go1.24.3 X:boringcrypto", "build\tCGO_ENABLED=1\n");
    let layers = [layer(elsewhere), layer(&[Entry::File(KNOWN, &labelled)])];
    let env = TestEnv::new();
    let image = configured(Image::new(&layers), config);
    image.layout(&env.work().join("layout"));
    image.docker_archive(&env.work().join("saved.tar"));
    let output = env.line("inspect -o short oci:layout:1.31.0");
    let layout = output.stdout.replace("oci:layout:1.31.0", "IMAGE");
    let saved = env.line("inspect -o short saved.tar").stdout;
    assert_eq!(saved.replace("istio/pilot:1.31.0", "IMAGE"), layout);
    layout
}

#[test]
fn a_program_that_the_image_starts_is_read_beside_the_one_that_has_its_name() {
    let plain = go_program("go1.24.3", "build\tCGO_ENABLED=0\n");
    let started = [Entry::File("opt/pilot-discovery", &plain)];
    insta::assert_snapshot!(said(&json!({"Entrypoint": ["/opt/pilot-discovery"]}), &started), @r"
    standard: IMAGE arm64 /opt/pilot-discovery
    declared BoringCrypto: IMAGE arm64 /usr/local/bin/pilot-discovery
    ");
    let told = json!({"Entrypoint": ["/opt/pilot-discovery", "pilot-discovery"]});
    insta::assert_snapshot!(said(&told, &started), @r"
    standard: IMAGE arm64 /opt/pilot-discovery
    declared BoringCrypto: IMAGE arm64 /usr/local/bin/pilot-discovery
    ");
    let gone = json!({"Entrypoint": ["/opt/run", "pilot-discovery"]});
    insta::assert_snapshot!(said(&gone, &started), @r"
    refused unknown: IMAGE arm64 /opt/run: not in the image
    declared BoringCrypto: IMAGE arm64 /usr/local/bin/pilot-discovery
    ");
}

#[test]
fn an_image_that_brings_other_code_into_its_programs_is_unknown() {
    let started =
        json!({"Entrypoint": ["/usr/local/bin/pilot-discovery"], "Env": ["LD_PRELOAD=/x.so"]});
    insta::assert_snapshot!(said(&started, &[]), @"refused unknown: IMAGE arm64 /usr/local/bin/pilot-discovery: its image sets LD_PRELOAD, by which other code or other settings get into the process");
    let by_env =
        json!({"Entrypoint": ["env", "OPENSSL_CONF=/x", "/usr/local/bin/pilot-discovery"]});
    let env = [Entry::File("bin/env", b"x")];
    let said = said(&by_env, &env);
    assert!(
        said.contains("pilot-discovery: its image sets OPENSSL_CONF"),
        "{said}"
    );
}

#[test]
fn a_wrapper_that_is_another_program_is_unknown() {
    let config = json!({"Entrypoint": ["/tini", "/usr/local/bin/pilot-discovery"]});
    let perl = [
        Entry::File("bin/perl", b"x"),
        Entry::Symlink("tini", "bin/perl"),
    ];
    let said = said(&config, &perl);
    let wanted =
        "refused unknown: IMAGE arm64 /tini: it is `/bin/perl`, and what that starts is not known";
    assert!(said.contains(wanted), "{said}");
}

#[test]
fn a_bare_word_is_found_by_the_path_of_the_image() {
    let plain = go_program("go1.24.3", "build\tCGO_ENABLED=0\n");
    let bare =
        |path: &str| json!({"Entrypoint": ["pilot-discovery"], "Env": [format!("PATH={path}")]});
    let there = [
        Entry::File("data/pilot-discovery", &plain),
        Entry::Symlink("bin", "data"),
    ];
    insta::assert_snapshot!(said(&bare("/bin:/usr/local/bin"), &there), @r"
    standard: IMAGE arm64 /bin/pilot-discovery
    declared BoringCrypto: IMAGE arm64 /usr/local/bin/pilot-discovery
    ");
    insta::assert_snapshot!(said(&bare("/usr/bin:/usr/local/bin"), &there), @"declared BoringCrypto: IMAGE arm64 /usr/local/bin/pilot-discovery");
    insta::assert_snapshot!(said(&bare("/usr/bin"), &there), @r"
    refused unknown: IMAGE arm64 pilot-discovery: not in the image
    declared BoringCrypto: IMAGE arm64 /usr/local/bin/pilot-discovery
    ");
}

/// `inspect -o short FLAGS` of an image with a tag that says FIPS: a helper without cryptography, and an app.
fn wrapped(entrypoint: &[&str], app: &[u8], flags: &str) -> (i32, String) {
    let helper = elf(b"hello");
    let files = ["sbin/tini", "bin/sh", "bin/busybox", "usr/bin/env"]
        .map(|path| Entry::File(path, &helper));
    let app = layer(&[Entry::File("app", app)]);
    let image = configured(
        Image::new(&[layer(&files), app]),
        &json!({"Entrypoint": entrypoint, "Env": ["PATH=/sbin:/bin:/usr/bin"]}),
    );
    let env = TestEnv::new();
    docker_archive(
        &env.work().join("saved.tar"),
        &[(&["x/app:1-fips"], &image)],
    );
    let output = env.line(&format!("inspect -o short {flags} saved.tar"));
    (
        output.code(),
        output.stdout.replace("x/app:1-fips arm64 ", ""),
    )
}

#[test]
fn program_behind_a_wrapper_is_what_the_tag_is_about() {
    let labelled = go_program("go1.24.3 X:boringcrypto", "build\tCGO_ENABLED=1\n");
    let plain = go_program("go1.24.3", "build\tCGO_ENABLED=0\n");
    for (entrypoint, helpers) in [
        (&["/sbin/tini", "--", "/app", "-x"][..], 1),
        (&["tini", "-g", "/app"], 1),
        (&["/bin/sh", "-c", "exec /app -x"], 1),
        (&["sh", "-c", "/app"], 1),
        (&["env", "A=b", "/app"], 1),
        (&["tini", "--", "env", "A=b", "/app"], 2),
        (&["tini", "--", "sh", "-c", "exec \"$@\"", "sh", "/app"], 2),
        (&["busybox", "env", "A=b", "/app"], 1),
    ] {
        for flags in ["", "--require declared"] {
            let (code, lines) = wrapped(entrypoint, &labelled, flags);
            assert_eq!(code, 0, "{entrypoint:?} {flags}: {lines}");
            assert_eq!(
                lines.matches("standard: ").count(),
                helpers,
                "{entrypoint:?}: {lines}"
            );
            assert!(
                lines.contains("declared BoringCrypto: /app"),
                "{entrypoint:?}: {lines}"
            );
            let (code, lines) = wrapped(entrypoint, &plain, flags);
            assert_eq!(code, 79, "{entrypoint:?} {flags}: {lines}");
            assert!(
                lines.contains("contradicted: /app"),
                "{entrypoint:?}: {lines}"
            );
        }
    }
    for entrypoint in [
        &["/bin/sh", "-c", "cd / && /app"][..],
        &["env", "-u", "GODEBUG", "/app"],
        &["sh", "-c", "$APP"],
    ] {
        let (code, lines) = wrapped(entrypoint, &labelled, "");
        assert_eq!(code, 79, "{entrypoint:?}: {lines}");
        assert!(
            lines.contains("name the program by --path"),
            "{entrypoint:?}: {lines}"
        );
    }
    // What wraps is held to the tag where it computes cryptography itself.
    let (code, lines) = wrapped(&["/app", "--", "/app"], &plain, "");
    assert_eq!(code, 79, "{lines}");
    // Any other program without cryptography is none that the tag is about.
    let (code, lines) = wrapped(&["/app"], &labelled, "--all");
    assert_eq!(code, 0, "{lines}");
}
