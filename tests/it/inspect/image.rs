//! Images and programs, made by hand.

use std::path::Path;

use serde_json::{Value, json};

use crate::fake_registry::{Reply, Server, digest};
use crate::images::gzip;

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// One thing in a layer.
pub(super) enum Entry<'a> {
    File(&'a str, &'a [u8]),
    /// Where it stands, and where it leads.
    Symlink(&'a str, &'a str),
    Hardlink(&'a str, &'a str),
}

/// A layer, as it is stored without compression.
pub(super) fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        match entry {
            Entry::File(path, bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, path, *bytes).unwrap();
            }
            Entry::Symlink(path, to) => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, path, to).unwrap();
            }
            Entry::Hardlink(path, to) => {
                header.set_entry_type(tar::EntryType::Link);
                tar.append_link(&mut header, path, to).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

/// An image for one architecture; the lowest layer first.
pub(super) struct Image {
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) layers: Vec<Vec<u8>>,
}

impl Image {
    /// Of layers that are stored as they are.
    pub(super) fn new(layers: &[Vec<u8>]) -> Image {
        Image::stored(layers, layers.to_vec(), LAYER)
    }

    pub(super) fn zipped(layers: &[Vec<u8>]) -> Image {
        let zipped = layers.iter().map(|layer| gzip(layer)).collect();
        Image::stored(layers, zipped, &format!("{LAYER}+gzip"))
    }

    fn stored(plain: &[Vec<u8>], layers: Vec<Vec<u8>>, kind: &str) -> Image {
        let ids: Vec<String> = plain.iter().map(|layer| digest(layer)).collect();
        let config = json!({
            "architecture": "arm64", "os": "linux",
            "config": {"Cmd": ["/usr/local/bin/pilot-discovery"], "Env": ["GODEBUG=fips140=on"]},
            "rootfs": {"type": "layers", "diff_ids": ids},
        });
        let config = config.to_string().into_bytes();
        let described: Vec<Value> = layers.iter().map(|it| descriptor(kind, it)).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config), "layers": described,
        });
        Image {
            config,
            manifest: manifest.to_string().into_bytes(),
            layers,
        }
    }

    /// Its only program: pilot-discovery, in one layer.
    pub(super) fn of(program: &[u8]) -> Image {
        Image::new(&[layer(&[Entry::File(
            "usr/local/bin/pilot-discovery",
            program,
        )])])
    }

    /// Writes what `docker save` writes.
    pub(super) fn docker_archive(&self, file: &Path) {
        docker_archive(file, &[(&["istio/pilot:1.31.0"], self)]);
    }

    /// Writes an OCI layout with the tag `1.31.0`.
    pub(super) fn layout(&self, dir: &Path) {
        std::fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        for blob in self.layers.iter().chain([&self.config, &self.manifest]) {
            let name = digest(blob).replace(':', "/");
            std::fs::write(dir.join("blobs").join(name), blob).unwrap();
        }
        let mut entry = descriptor(MANIFEST, &self.manifest);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": "1.31.0"});
        let index = json!({"schemaVersion": 2, "manifests": [entry]});
        std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
        std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }

    /// Puts it into a registry as `istio/pilot:1`.
    pub(super) fn push(&self, registry: &Server) {
        registry.put(
            "istio/pilot/manifests/1",
            Reply::ok(MANIFEST, &self.manifest),
        );
        for blob in self.layers.iter().chain([&self.config]) {
            let path = format!("istio/pilot/blobs/{}", digest(blob));
            registry.put(&path, Reply::ok("application/octet-stream", blob));
        }
    }
}

/// Writes what `docker save` writes of several images, each with its tags.
pub(super) fn docker_archive(file: &Path, images: &[(&[&str], &Image)]) {
    let mut members = Vec::new();
    let mut list = Vec::new();
    for (place, (tags, image)) in images.iter().enumerate() {
        let layers = image.layers.iter().enumerate();
        let layers = layers.map(|(n, layer)| (format!("{place}/{n}.tar"), layer));
        let layers: Vec<_> = layers.collect();
        let names: Vec<_> = layers.iter().map(|(name, _)| name.clone()).collect();
        let config = format!("{place}.json");
        list.push(json!({"Config": config, "RepoTags": tags, "Layers": names}));
        members.extend(layers);
        members.push((config, &image.config));
    }
    let list = Value::from(list).to_string().into_bytes();
    members.push(("manifest.json".to_owned(), &list));
    let mut tar = tar::Builder::new(std::fs::File::create(file).unwrap());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    tar.finish().unwrap();
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()})
}

/// A Go program for arm64 that has nothing but its build information.
pub(super) fn go_program(version: &str, settings: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // The linker frames the settings with 16 bytes on both sides.
    let framed = format!("{0}path\ttest\n{settings}{0}", " ".repeat(16));
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    info.extend(text(version));
    info.extend(text(&framed));
    elf(&info)
}

/// A 64 bit ELF program for arm64, with one segment of data.
pub(super) fn elf(data: &[u8]) -> Vec<u8> {
    const START: u64 = 128;
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    let half = |out: &mut Vec<u8>, values: &[u16]| {
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    };
    half(&mut out, &[2, 183, 1, 0]);
    for value in [0x40_0000_u64, 64, 0] {
        out.extend(value.to_le_bytes());
    }
    half(&mut out, &[0, 0, 64, 56, 1, 0, 0, 0]);
    // PT_LOAD, to be read and written.
    half(&mut out, &[1, 0, 6, 0]);
    let length = data.len() as u64;
    for value in [START, 0x40_0000, 0x40_0000, length, length, 16] {
        out.extend(value.to_le_bytes());
    }
    out.resize(128, 0);
    out.extend(data);
    out
}
