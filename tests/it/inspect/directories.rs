//! Directories that are the root of a file system, and those of skopeo; patterns of paths.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::image::{Entry, Image, elf, go_program, layer};
use crate::env::TestEnv;
use crate::fake_registry::digest;

fn labelled() -> Vec<u8> {
    go_program("go1.24.3 X:boringcrypto", "build\tCGO_ENABLED=1\n")
}

fn plain() -> Vec<u8> {
    go_program("go1.24.3", "build\tCGO_ENABLED=0\n")
}

fn put(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// A root file system with programs, links that lead outside, a pipe and other files.
fn root(env: &TestEnv) {
    let root = env.work().join("root");
    put(&root, "usr/local/bin/envoy", &labelled());
    put(&root, "usr/local/bin/pilot-agent", &plain());
    put(&root, "usr/local/bin/run.sh", b"#!/bin/sh\n");
    put(&root, "opt/app", &plain());
    env.file("outside", labelled());
    symlink("/opt/app", root.join("absolute")).unwrap();
    symlink("../../../../outside", root.join("up")).unwrap();
    symlink(env.work().join("outside"), root.join("whole")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(root.join("pipe"))
        .status();
    assert!(made.unwrap().success());
}

#[test]
fn root_file_system_is_read_and_never_left() {
    let env = TestEnv::new();
    root(&env);
    let known = "declared BoringCrypto: dir:root arm64 /usr/local/bin/envoy|standard: dir:root arm64 /usr/local/bin/pilot-agent";
    for (flags, code, says) in [
        ("", 0, known),
        (
            "--all",
            0,
            "standard: dir:root arm64 /opt/app|/usr/local/bin/envoy|/usr/local/bin/pilot-agent",
        ),
        ("--path /usr/local/bin/*", 0, known),
        (
            "--path /opt/* --path /usr/**/envoy",
            0,
            "standard: dir:root arm64 /opt/app|declared BoringCrypto: dir:root arm64 /usr/local/bin/envoy",
        ),
        ("--path /absolute", 0, "standard: dir:root arm64 /absolute"),
        ("--path /up", 79, "unknown: dir:root /up: not in the image"),
        (
            "--path /whole",
            79,
            "unknown: dir:root /whole: not in the image",
        ),
        (
            "--path /pipe",
            79,
            "a device, a pipe or a socket, not a file",
        ),
        ("--path /none/*", 79, "no program matches this pattern"),
        ("--require declared", 79, "refused standard"),
    ] {
        let output = env.line(&format!("inspect -o short {flags} dir:root"));
        assert_eq!(output.code(), code, "{flags}: {output}");
        for part in says.split('|') {
            assert!(output.stdout.contains(part), "{flags}: {part}: {output}");
        }
        assert_eq!(
            output.stdout.lines().count(),
            says.split('|')
                .count()
                .max(if flags == "--require declared" { 2 } else { 1 }),
            "{flags}: {output}"
        );
    }
    let bare = env.line("inspect -o short root");
    assert!(
        bare.stdout.contains("root arm64 /usr/local/bin/envoy"),
        "{bare}"
    );
    assert_eq!(env.line("inspect --path /a[ dir:root").code(), 64);
    assert_eq!(env.line("inspect --platform arm64 dir:root").code(), 64);
    std::fs::create_dir(env.work().join("empty")).unwrap();
    let empty = env.line("inspect dir:empty");
    assert_eq!(empty.code(), 79, "{empty}");
    assert_eq!(env.line("inspect dir:absent").code(), 65);
}

#[test]
fn directory_of_skopeo_is_told_by_what_is_in_it() {
    let env = TestEnv::new();
    let image = Image::of(&labelled());
    let dir = env.work().join("copied");
    put(&dir, "version", b"Directory Transport Version: 1.1\n");
    put(&dir, "manifest.json", &image.manifest);
    for blob in image.layers.iter().chain([&image.config]) {
        put(&dir, digest(blob).trim_start_matches("sha256:"), blob);
    }
    let output = env.line("inspect -o short dir:copied");
    assert_eq!(
        output.success(),
        "declared BoringCrypto: dir:copied arm64 /usr/local/bin/pilot-discovery\n"
    );
    put(
        &dir,
        digest(&image.layers[0]).trim_start_matches("sha256:"),
        b"damaged",
    );
    assert_eq!(env.line("inspect dir:copied").code(), 65);
}

#[test]
fn pattern_matches_the_programs_that_a_container_sees() {
    let env = TestEnv::new();
    let lower = layer(&[
        Entry::File("usr/bin/a", &labelled()),
        Entry::File("usr/bin/text", b"text"),
        Entry::Symlink("bin", "usr/bin"),
        Entry::File("bin/b", &plain()),
    ]);
    let upper = layer(&[Entry::File("usr/bin/c", &elf(b"x"))]);
    let image = Image::new(&[lower, upper]);
    image.layout(&env.work().join("layout"));
    image.docker_archive(&env.work().join("saved.tar"));
    let saved = crate::images::gzip(&std::fs::read(env.work().join("saved.tar")).unwrap());
    env.file("saved.tar.gz", saved);
    for target in ["oci:layout", "saved.tar", "saved.tar.gz"] {
        let output = env.line(&format!("inspect -o short --path /usr/bin/* {target}"));
        assert_eq!(output.code(), 0, "{target}: {output}");
        let paths = output
            .stdout
            .lines()
            .map(|line| line.rsplit(' ').next().unwrap());
        assert_eq!(
            paths.collect::<Vec<_>>(),
            ["/usr/bin/a", "/usr/bin/b", "/usr/bin/c"],
            "{target}"
        );
        let none = env.line(&format!(
            "inspect -o short --path /nowhere/* --path /usr/bin/a {target}"
        ));
        assert_eq!(none.code(), 79, "{target}: {none}");
        assert!(
            none.stdout.contains("no program matches") && none.stdout.contains("/usr/bin/a"),
            "{none}"
        );
    }
}

#[test]
fn other_archives_are_named_with_the_command_that_unpacks_them() {
    let env = TestEnv::new();
    for (name, content, says) in [
        (
            "a.deb",
            &b"!<arch>\ndebian-binary   "[..],
            "it is a Debian package: unpack it by `dpkg-deb -x a.deb DIR`",
        ),
        (
            "a.whl",
            b"PK\x03\x04",
            "it is a Python wheel: unpack it by `unzip a.whl -d DIR`",
        ),
        ("a.rpm", &[0xed, 0xab, 0xee, 0xdb], "it is an RPM package"),
        ("a.tar.xz", b"\xfd7zXZ\0", "it is compressed with xz"),
        (
            "a.tgz",
            &crate::images::gzip(&crate::images::tar([("a", &b"b"[..])])),
            "unpack it by `tar -xf a.tgz -C DIR`",
        ),
        ("a.qcow2", b"QFI\xfb", "it is a qcow2 disk"),
    ] {
        env.file(name, content);
        let output = env.line(&format!("inspect {name}"));
        assert_eq!(output.code(), 65, "{name}: {output}");
        let said = output
            .stderr
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(said.contains(says), "{name}: {output}");
    }
}
