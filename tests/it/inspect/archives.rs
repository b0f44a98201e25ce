//! Archives and layouts: what counts is the file system that the layers make together.

use serde_json::json;

use super::image::{Entry, Image, docker_archive, elf, go_program, layer};
use crate::env::{CommandOutput, TestEnv};
use crate::fake_registry::digest;
use crate::images::gzip;

const ISTIOD: &str = "usr/local/bin/pilot-discovery";

fn labelled() -> Vec<u8> {
    go_program("go1.24.3 X:boringcrypto", "build\tCGO_ENABLED=1\n")
}

fn plain() -> Vec<u8> {
    go_program("go1.24.3", "build\tCGO_ENABLED=0\n")
}

/// `inspect -o short` of an image, in each form that it can be kept in: all say the same.
#[track_caller]
fn everywhere(env: &TestEnv, image: &Image) -> String {
    let work = env.work();
    image.docker_archive(&work.join("saved.tar"));
    image.layout(&work.join("layout"));
    let said = |target: &str| {
        let output = env.line(&format!("inspect -o short {target}"));
        format!("{}exit {}", output.stdout, output.code())
    };
    let first = said("oci:layout:1.31.0");
    let bare = |text: &str| {
        text.replace("istio/pilot:", "")
            .replace("oci:layout:", "")
            .replace("layout:", "")
    };
    for target in [
        "saved.tar",
        "docker-archive:saved.tar",
        "oci:layout",
        "layout",
    ] {
        assert_eq!(bare(&said(target)), bare(&first), "{target}");
    }
    first
}

#[test]
fn an_image_is_read_in_every_form_that_it_is_kept_in() {
    let env = TestEnv::new();
    insta::assert_snapshot!(everywhere(&env, &Image::of(&labelled())), @r"
        declared BoringCrypto: oci:layout:1.31.0 arm64 /usr/local/bin/pilot-discovery
        exit 0
        ");
    insta::assert_snapshot!(everywhere(&env, &Image::of(&plain())), @r"
        standard: oci:layout:1.31.0 arm64 /usr/local/bin/pilot-discovery
        exit 0
        ");
    insta::assert_snapshot!(everywhere(&env, &Image::of(b"#!/bin/sh\nexec istiod\n")), @r#"
        refused unknown: oci:layout:1.31.0 arm64 /usr/local/bin/pilot-discovery: a script for /bin/sh, not a program: what it prints of itself proves nothing; inspect what it starts
        exit 79
        "#);
}

#[test]
fn one_of_several_images_in_an_archive_is_chosen_by_its_name() {
    let env = TestEnv::new();
    let (labelled, plain) = (Image::of(&labelled()), Image::of(&plain()));
    let saved = env.work().join("sa:ved.tar");
    let images: &[(&[&str], &Image)] = &[
        (
            &["istio/pilot:1", "docker.io/istio/pilot:1-fips"],
            &labelled,
        ),
        (&["istio/pilot:2"], &plain),
        (&[], &plain),
    ];
    docker_archive(&saved, images);
    env.file("sa:ved.tar.gz", gzip(&std::fs::read(&saved).unwrap()));
    let all = "declared BoringCrypto: istio/pilot:1 |standard: istio/pilot:2 |standard: docker-archive:sa:ved.tar ";
    for (image, code, says) in [
        ("", 0, all),
        (":istio/pilot:2", 0, "standard: istio/pilot:2 "),
        (":docker.io/istio/pilot:2", 0, "standard: istio/pilot:2 "),
        (
            ":istio/pilot:1-fips",
            0,
            "declared BoringCrypto: docker.io/istio/pilot:1-fips ",
        ),
        (":@0", 0, "declared BoringCrypto: istio/pilot:1 "),
        (":@2", 0, "standard: docker-archive:sa:ved.tar "),
        (":istio/pilot", 65, "has no image `istio/pilot`"),
        (":@3", 65, "has no image `@3`"),
        (
            ":",
            65,
            "it has istio/pilot:1, docker.io/istio/pilot:1-fips, istio/pilot:2, @2",
        ),
    ] {
        for file in ["sa:ved.tar", "sa:ved.tar.gz"] {
            let output = env.line(&format!("inspect -o short docker-archive:{file}{image}"));
            assert_eq!(output.code(), code, "{image}: {output}");
            let said = output.to_string().replace("ved.tar.gz", "ved.tar");
            for part in says.split('|') {
                assert!(said.contains(part), "{image}: {said}");
            }
            let lines = output.stdout.lines().count();
            assert_eq!(lines, says.split('|').count(), "{image}: {said}");
        }
    }
}

#[test]
fn one_of_several_images_in_an_oci_archive_is_chosen_by_its_tag() {
    let env = TestEnv::new();
    let layout = env.work().join("layout");
    Image::of(&plain()).layout(&layout);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all(".", layout).unwrap();
    env.file("oci.tar", tar.into_inner().unwrap());
    let chosen = env
        .line("inspect -o short oci-archive:oci.tar:1.31.0")
        .success();
    assert!(
        chosen.starts_with("standard: oci-archive:oci.tar:1.31.0 "),
        "{chosen}"
    );
    env.line("inspect docker-archive:oci.tar")
        .fails(65, &["`oci-archive:` reads it"]);
    Image::of(&plain()).docker_archive(&env.work().join("saved.tar"));
    env.line("inspect oci-archive:saved.tar")
        .fails(65, &["`docker-archive:` reads it"]);
    env.line("inspect oci-archive:oci.tar:2")
        .fails(65, &["has no image `2`: it has 1.31.0"]);
}

#[test]
fn the_newest_layer_counts_and_what_is_deleted_does_not() {
    let (labelled, plain) = (labelled(), plain());
    let lower = layer(&[Entry::File(ISTIOD, &plain)]);
    let gone = layer(&[Entry::File("usr/local/bin/.wh.pilot-discovery", b"")]);
    let opaque = layer(&[Entry::File("usr/local/.wh..wh..opq", b"")]);
    let elsewhere = layer(&[
        Entry::File("opt/istio/pilot", &labelled),
        Entry::Hardlink("opt/istio/linked", "opt/istio/pilot"),
        Entry::Symlink(ISTIOD, "../../../opt/istio/linked"),
    ]);
    let circle = layer(&[
        Entry::Symlink(ISTIOD, "/usr/local/bin/other"),
        Entry::Symlink(
            "usr/local/bin/other",
            ISTIOD.trim_start_matches("usr/local/bin/"),
        ),
    ]);
    for (layers, says) in [
        (
            vec![lower.clone(), layer(&[Entry::File(ISTIOD, &labelled)])],
            "declared",
        ),
        (
            vec![layer(&[Entry::File(ISTIOD, &labelled)]), lower.clone()],
            "standard",
        ),
        (vec![lower.clone(), gone], "unknown"),
        (vec![lower.clone(), opaque], "unknown"),
        (vec![lower.clone(), elsewhere], "declared"),
        (vec![lower, circle], "unknown"),
    ] {
        for image in [Image::new(&layers), Image::zipped(&layers)] {
            let env = TestEnv::new();
            let said = everywhere(&env, &image);
            assert!(said.contains(says), "{says}: {said}");
        }
    }
}

#[test]
fn the_environment_of_the_image_is_judged_too() {
    let env = TestEnv::new();
    Image::of(&plain()).docker_archive(&env.work().join("saved.tar"));
    let report = env.line("inspect -o json saved.tar").json();
    let evidence = &report["evidence"][0];
    assert_eq!(evidence["arch"], "arm64");
    assert_eq!(evidence["proof"]["image"], "istio/pilot:1.31.0");
    let configuration = evidence["configuration"].to_string();
    assert!(configuration.contains("fips140"), "{report}");
}

#[test]
fn other_programs_are_read_when_they_are_asked_for() {
    let env = TestEnv::new();
    let (labelled, plain) = (labelled(), plain());
    let native = elf(b"nothing");
    let all = layer(&[
        Entry::File(ISTIOD, &plain),
        Entry::File("bin/sh", &native),
        Entry::File("srv/tool", &labelled),
        Entry::File("etc/hosts", b"127.0.0.1 localhost\n"),
    ]);
    Image::new(&[all]).docker_archive(&env.work().join("saved.tar"));
    insta::assert_snapshot!(env.line("inspect -o short saved.tar --path /srv/tool --path /etc/hosts --path /none"), @r#"
        --- stdout
        declared BoringCrypto: istio/pilot:1.31.0 arm64 /srv/tool
        refused unknown: istio/pilot:1.31.0 arm64 /etc/hosts: no program: neither ELF nor a script
        refused unknown: istio/pilot:1.31.0 arm64 /none: not in the image
        --- exit 79
        "#);
    insta::assert_snapshot!(env.line("inspect -o short saved.tar --all"), @r"
        --- stdout
        standard: istio/pilot:1.31.0 arm64 /bin/sh
        declared BoringCrypto: istio/pilot:1.31.0 arm64 /srv/tool
        standard: istio/pilot:1.31.0 arm64 /usr/local/bin/pilot-discovery
        --- exit 0
        ");
}

/// A damaged image: 65, whatever is in it.
#[track_caller]
fn refused(output: &CommandOutput, says: &str) {
    output.fails(65, &[says]);
    assert_eq!(output.stdout, "", "{output}");
}

#[test]
fn what_its_digests_contradict_is_damaged() {
    let env = TestEnv::new();
    let image = Image::of(&plain());
    image.layout(&env.work().join("layout"));
    let blob = digest(&image.layers[0]).replace(':', "/");
    let blob = env.work().join("layout/blobs").join(blob);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[600] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    refused(&env.line("inspect oci:layout"), "damaged");
    bytes.truncate(1000);
    std::fs::write(&blob, &bytes).unwrap();
    refused(&env.line("inspect oci:layout"), "damaged");
    std::fs::remove_file(&blob).unwrap();
    refused(
        &env.line("inspect oci:layout"),
        "layout is damaged: there is no `blobs/sha256/",
    );
}

#[test]
fn what_is_no_image_is_told_what_it_lacks() {
    let env = TestEnv::new();
    Image::of(&plain()).layout(&env.work().join("layout"));
    std::fs::create_dir(env.work().join("empty")).unwrap();
    let rows = layer(&[Entry::File("README", b"hello")]);
    env.file("other.tar", &rows);
    env.file("text", "hello");
    env.file("page", "<html>Please log in</html>");
    env.file("elf", elf(b"nothing"));
    env.file("cut.tar", &rows[..600.min(rows.len())]);
    for (target, says) in [
        ("oci:empty", "index.json"),
        ("oci:layout:2.0", "1.31.0"),
        ("oci:", "directory"),
        ("other.tar", "manifest.json"),
        ("docker-archive:text", "not a tar archive: `docker save`"),
        ("docker-archive:cut.tar", "save or fetch it again"),
        ("oci-archive:page", "is a web page"),
        ("docker-archive:elf", "`glooistio inspect elf` reads it"),
        ("oci:text", "it is a file"),
        (
            "docker-archive:none.tar",
            "`none.tar` does not exist: check the path, or give `-`",
        ),
        (
            "oci-archive:none.tar",
            "`none.tar` does not exist: check the path, or give `-`",
        ),
        ("oci-archive:none.tar:1", "`none.tar` does not exist"),
        (
            "docker-archive:empty",
            "it is a directory: `oci:empty` reads a layout",
        ),
        (
            "oci:none",
            "`none` does not exist: name the directory that `skopeo copy",
        ),
        ("oci:none:1", "`none` does not exist: name the directory"),
        (
            "none:1/X",
            "write one like `registry.example.com/istio/pilot:TAG`",
        ),
        ("layout --platform amd64", "linux/arm64"),
    ] {
        refused(&env.line(&format!("inspect {target}")), says);
    }
}

/// A tar archive of files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// The `manifest.json` of one image.
fn list(config: &str, layer: &str) -> String {
    json!([{"Config": config, "RepoTags": ["a:1"], "Layers": [layer]}]).to_string()
}

/// What `inspect -o short` says of each; only a declaration is a pass.
#[track_caller]
fn each_is(env: &TestEnv, wanted: &[(&str, &str)]) {
    for (target, wanted) in wanted {
        let output = env.line(&format!("inspect -o short {target}"));
        let all = format!("{}{}", output.stdout, output.stderr);
        let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(all.contains(wanted), "{target}: {output}");
        let passes = wanted.starts_with("declared");
        assert_eq!(output.code() == 0, passes, "{target}: {output}");
    }
}

#[test]
fn an_archive_that_has_a_name_twice_is_refused() {
    let env = TestEnv::new();
    let (good, plain) = (Image::of(&labelled()), Image::of(&plain()));
    let (first, second) = (list("g.json", "g.tar"), list("p.json", "p.tar"));
    let mut twice: Vec<(&str, &[u8])> = vec![
        ("g.tar", &good.layers[0]),
        ("p.tar", &plain.layers[0]),
        ("g.json", &good.config),
        ("p.json", &plain.config),
        ("manifest.json", first.as_bytes()),
    ];
    env.file("good.tar", tar(&twice));
    twice.push(("manifest.json", second.as_bytes()));
    env.file("twice.tar", tar(&twice));
    env.file("twice.tgz", gzip(&tar(&twice)));
    each_is(
        &env,
        &[
            ("good.tar", "declared BoringCrypto"),
            ("twice.tar", "a name is in it twice"),
            ("twice.tgz", "a name is in it twice"),
            ("docker-archive:twice.tgz", "a name is in it twice"),
        ],
    );
}

#[test]
fn an_archive_whose_lists_name_different_images_is_refused() {
    let env = TestEnv::new();
    let (good, plain) = (Image::of(&labelled()), Image::of(&plain()));
    let blob = |bytes: &[u8]| format!("blobs/{}", digest(bytes).replace(':', "/"));
    let dir = env.work().join("layout");
    good.layout(&dir);
    let index = std::fs::read(dir.join("index.json")).unwrap();
    let with_list_of = |listed: &Image| {
        let list = list(&blob(&listed.config), &blob(&listed.layers[0]));
        let blobs = [&good, &plain].map(|image| [&image.config, &image.manifest, &image.layers[0]]);
        let blobs = blobs.concat().into_iter();
        let blobs: Vec<_> = blobs.map(|it| (blob(it), it.as_slice())).collect();
        let named = blobs.iter().map(|(name, it)| (name.as_str(), *it));
        let mut files: Vec<(&str, &[u8])> = named.collect();
        files.push(("index.json", &index));
        files.push(("manifest.json", list.as_bytes()));
        tar(&files)
    };
    env.file("same.tar", with_list_of(&good));
    env.file("two.tar", with_list_of(&plain));
    env.file("two.tgz", gzip(&with_list_of(&plain)));
    each_is(
        &env,
        &[
            ("same.tar", "declared BoringCrypto"),
            ("two.tar", "name different images"),
            ("docker-archive:two.tar", "name different images"),
            ("two.tgz", "name different images"),
        ],
    );
}
