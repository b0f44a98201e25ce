//! What is made to cost time or memory ends soon with 65, in little memory.

use std::io::{self, Read as _};
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use crate::env::TestEnv;
use crate::images::{gzip, tar};

const ISTIOD: &str = "usr/local/bin/pilot-discovery";

/// Longest that any may take, on a machine that does other things.
const SOON: Duration = Duration::from_secs(20);

/// KiB that may be had; without a program of any size, 64 MiB and the program itself.
const MEMORY: u32 = 112 << 10;

fn header(kind: EntryType, path: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path(path).unwrap();
    header.set_size(size);
    header.set_cksum();
    header
}

/// A file of zeros, packed by `pack`, which takes only its beginning as it is.
fn zeros<W: io::Write>(mut pack: W, size: u64) -> W {
    let header = header(EntryType::Regular, ISTIOD, size);
    pack.write_all(header.as_bytes()).unwrap();
    io::copy(&mut io::repeat(0).take(size), &mut pack).unwrap();
    pack
}

fn gzip_zeros(size: u64) -> Vec<u8> {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    zeros(encoder, size).finish().unwrap()
}

fn zstd_zeros(size: u64) -> Vec<u8> {
    let encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zeros(encoder, size).finish().unwrap()
}

/// As many of the same entry.
fn entries(kind: EntryType, content: &[u8], count: usize) -> Vec<u8> {
    let mut entry = header(kind, "usr/x", content.len() as u64)
        .as_bytes()
        .to_vec();
    entry.extend(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry.repeat(count)
}

fn sparse() -> Vec<u8> {
    let mut sparse = header(EntryType::GNUSparse, ISTIOD, 512);
    let gnu = sparse.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 30);
    gnu.sparse[0].set_offset(0);
    gnu.sparse[0].set_length(512);
    sparse.set_cksum();
    let mut entry = sparse.as_bytes().to_vec();
    entry.resize(1024, 1);
    entry
}

fn small_files(count: u32) -> Vec<u8> {
    let names: Vec<String> = (0..count).map(|number| format!("{number}")).collect();
    tar(names.iter().map(|name| (name.as_str(), &b"{"[..])))
}

/// A name for each file, and what is in it.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let small = gzip_zeros(4 << 20);
    let members: Vec<String> = (0..200).map(|number| format!("{number}")).collect();
    let members = tar(members.iter().map(|name| (name.as_str(), small.as_slice())));
    let nested = gzip(&tar([(
        "a",
        gzip(&tar([("b", gzip_zeros(1 << 27).as_slice())])).as_slice(),
    )]));
    let frames = [
        zstd_zeros(512),
        [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0].repeat(100_000),
    ]
    .concat();
    let pax = format!("20000 path={}\n", "x".repeat(19_987));
    vec![
        ("gzip", gzip_zeros(1 << 28)),
        ("zstd", zstd_zeros(1 << 28)),
        ("of many members, packed", gzip(&members)),
        ("of many members", members),
        ("nested", nested),
        ("skipped frames", frames),
        (
            "empty members of gzip",
            [gzip(b"x"), gzip(b"").repeat(100_000)].concat(),
        ),
        ("small files, packed", gzip(&small_files(17_000))),
        ("small files", small_files(17_000)),
        (
            "entries of one name",
            gzip(&entries(EntryType::Regular, b"x", 20_000)),
        ),
        (
            "headers of pax",
            gzip(&entries(EntryType::XHeader, pax.as_bytes(), 5_000)),
        ),
        (
            "a header of pax that is too long",
            entries(EntryType::XHeader, &[b'1'; 300 << 10], 1),
        ),
        (
            "long names",
            gzip(&entries(EntryType::GNULongName, &[b'n'; 4000], 20_000)),
        ),
    ]
}

/// The same as a layer of an image.
fn layers() -> Vec<(&'static str, Vec<u8>)> {
    let deep = "d/".repeat(2000);
    let dirs = |name: String| {
        let mut builder = tar::Builder::new(Vec::new());
        builder
            .append_data(&mut header(EntryType::Regular, "x", 0), name, io::empty())
            .unwrap();
        builder.into_inner().unwrap()
    };
    let trees: Vec<u8> = (0..400)
        .flat_map(|number| dirs(format!("{number}/{deep}x")))
        .collect();
    vec![
        ("a layer of gzip", gzip_zeros(1 << 28)),
        ("a layer of zstd", zstd_zeros(1 << 28)),
        ("holes", sparse()),
        (
            "entries in a layer",
            gzip(&entries(EntryType::Directory, b"", 70_000)),
        ),
        ("directories in directories", gzip(&trees)),
    ]
}

/// What `docker save` would make of it.
fn saved(layer: &[u8]) -> Vec<u8> {
    let id = "0".repeat(64);
    let config = format!(
        r#"{{"architecture":"arm64","os":"linux","config":{{"Cmd":["/{ISTIOD}"]}},
            "rootfs":{{"type":"layers","diff_ids":["sha256:{id}"]}}}}"#
    );
    let manifest = r#"[{"Config": "c.json", "Layers": ["layer.tar"]}]"#;
    tar([
        ("manifest.json", manifest.as_bytes()),
        ("c.json", config.as_bytes()),
        ("layer.tar", layer),
    ])
}

/// A program that is expensive to read: its functions share one long name, and everything in it refers
/// to the text of an integrity test.
fn expensive(size: usize) -> Vec<u8> {
    let mut code = b"FIPS integrity test\0FIPS self test\0".to_vec();
    while code.len() < size {
        // lea rdi, [rip + distance] to the text.
        let distance = -i32::try_from(code.len() + 7).unwrap();
        code.extend([0x48, 0x8d, 0x3d]);
        code.extend(distance.to_le_bytes());
        code.push(0x90);
    }
    amd64(&code)
}

/// A 64 bit ELF program for amd64, all of whose bytes can be run.
fn amd64(code: &[u8]) -> Vec<u8> {
    let mut program = super::image::elf(code);
    program[18] = 62;
    // PT_LOAD, to be read and run.
    program[68] = 5;
    program
}

/// As many files of that content; `name` gives each its name.
fn files(content: &[u8], count: usize, name: impl Fn(usize) -> String) -> Vec<u8> {
    let mut all = Vec::new();
    for number in 0..count {
        all.extend(header(EntryType::Regular, &name(number), content.len() as u64).as_bytes());
        all.extend(content);
        all.resize(all.len().next_multiple_of(512), 0);
    }
    all
}

/// What costs time only where each member has a budget of its own.
#[test]
fn programs_that_are_expensive_to_read_cost_no_more_together_than_one() {
    let env = TestEnv::new();
    let program = expensive(150 << 10);
    for (name, layer) in [
        ("one name", files(&program, 400, |_| ISTIOD.to_owned())),
        (
            "many names",
            files(&program, 400, |number| format!("usr/bin/{number}")),
        ),
    ] {
        let image = super::image::Image::zipped(&[layer]);
        image.layout(&env.work().join("layout"));
        image.docker_archive(&env.work().join("saved.tar"));
        for target in ["oci:layout", "saved.tar"] {
            for flags in ["", "--all"] {
                let began = Instant::now();
                let output = env.line(&format!("inspect {flags} -o short {target}"));
                let took = began.elapsed();
                assert!(
                    took < 3 * SOON,
                    "{name}: {target} {flags}: {took:?}: {}",
                    output.code()
                );
                assert!(
                    [65, 79].contains(&output.code()),
                    "{name}: {target}: {output}"
                );
            }
        }
    }
}

#[test]
fn bombs_end_soon_and_in_little_memory() {
    let env = TestEnv::new();
    let layers = layers()
        .into_iter()
        .map(|(name, layer)| (name, saved(&layer)));
    for (name, bytes) in bombs().into_iter().chain(layers) {
        env.file("bomb", &bytes);
        for target in ["bomb", "docker-archive:bomb", "-"] {
            let mut command = Command::new("/bin/sh");
            env.prepare(&mut command);
            let script = format!("ulimit -d {MEMORY}; exec \"$0\" inspect {target} --all < bomb");
            command.args(["-c", &script, env!("CARGO_BIN_EXE_glooistio")]);
            let began = Instant::now();
            let output = env.finish(command.spawn().unwrap());
            let took = began.elapsed();
            assert_eq!(output.code(), 65, "{name}: {target}: {took:?}: {output}");
            assert!(took < SOON, "{name}: {target}: {took:?}: {output}");
        }
    }
}
