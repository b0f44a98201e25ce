//! Images as files: every form is read, and what is made to do harm is refused.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use glooistio::image::{
    Budget, Cache, Image, ImageError, Inspected, Platform, ProgramBytes, ProgramReadError, Request,
    Sources, Target, Want, inspect,
};
use glooistio::sys::registry::{Hasher, Options, Registry};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

/// What the reader of these tests makes of a program: its text.
pub(crate) type Text = String;

pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    format!("sha256:{}", hasher.hex())
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar archive of these files.
pub(crate) fn tar<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn link(path: &str, target: &str) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, path, target).unwrap();
    builder.into_inner().unwrap()
}

/// Blobs by their digests, and documents that name them.
#[derive(Default)]
pub(crate) struct Blobs(pub(crate) BTreeMap<String, Vec<u8>>);

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

impl Blobs {
    /// Keeps a blob and gives its descriptor.
    pub(crate) fn add(&mut self, kind: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let size = bytes.len();
        self.0.insert(digest.clone(), bytes);
        json!({"mediaType": kind, "digest": digest, "size": size})
    }

    /// An image for a processor, its layers packed by `pack`: the descriptor of its manifest.
    pub(crate) fn image(
        &mut self,
        architecture: &str,
        layers: &[Vec<u8>],
        pack: fn(&[u8]) -> Vec<u8>,
    ) -> Value {
        let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Entrypoint": ["/usr/local/bin/pilot-discovery"], "Env": ["GODEBUG=fips140=on"],
                       "Labels": {"a": "b"}, "Cmd": null},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.add(CONFIG, config.to_string().into_bytes());
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.add(kind, pack(layer)))
            .collect();
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        let mut descriptor = self.add(MANIFEST, manifest.to_string().into_bytes());
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        descriptor
    }

    pub(crate) fn index(&mut self, manifests: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        self.add(INDEX, index.to_string().into_bytes())
    }

    /// The same image with another configuration.
    fn configured(&mut self, image: &Value, change: impl FnOnce(&mut Value)) -> Value {
        let document = |blobs: &Blobs, of: &Value| -> Value {
            serde_json::from_slice(&blobs.0[of["digest"].as_str().unwrap()]).unwrap()
        };
        let mut manifest = document(self, image);
        let mut config = document(self, &manifest["config"]);
        change(&mut config);
        manifest["config"] = self.add(CONFIG, config.to_string().into_bytes());
        let mut descriptor = self.add(MANIFEST, manifest.to_string().into_bytes());
        descriptor["platform"] = image["platform"].clone();
        descriptor
    }

    /// The files of an OCI layout with that one image.
    fn layout(&self, mut image: Value, tag: &str) -> Vec<(String, Vec<u8>)> {
        image.as_object_mut().unwrap().remove("platform");
        self.layout_of([tagged(&image, tag)])
    }

    /// The files of an OCI layout with these entries.
    fn layout_of(&self, entries: impl IntoIterator<Item = Value>) -> Vec<(String, Vec<u8>)> {
        let entries: Vec<Value> = entries.into_iter().collect();
        let index = json!({"schemaVersion": 2, "manifests": entries});
        let mut files = vec![
            ("index.json".to_owned(), index.to_string().into_bytes()),
            ("oci-layout".to_owned(), b"{}".to_vec()),
        ];
        for (digest, bytes) in &self.0 {
            files.push((format!("blobs/{}", digest.replace(':', "/")), bytes.clone()));
        }
        files
    }
}

/// The entry of an image in the index of a layout.
fn tagged(image: &Value, tag: &str) -> Value {
    let mut entry = image.clone();
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    entry
}

/// What `docker save` writes.
fn docker_archive(layers: &[Vec<u8>], diff_ids: &[String]) -> Vec<u8> {
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = config.to_string().into_bytes();
    let name = format!("{}.json", digest(&config).strip_prefix("sha256:").unwrap());
    let names: Vec<String> = (0..layers.len())
        .map(|number| format!("{number}/layer.tar"))
        .collect();
    let manifest = json!([{"Config": name, "RepoTags": ["h.io/istio/pilot:1"], "Layers": names}]);
    let manifest = manifest.to_string().into_bytes();
    let files = names
        .iter()
        .map(String::as_str)
        .zip(layers.iter().map(Vec::as_slice));
    tar(files.chain([
        (name.as_str(), config.as_slice()),
        ("manifest.json", &manifest),
    ]))
}

fn write(dir: &Path, files: &[(String, Vec<u8>)]) {
    for (path, bytes) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

pub(crate) fn read(
    target: &Target,
    request: &Request,
    registry: &Registry,
    cache: Option<&Cache>,
) -> Result<Inspected<Text>, ImageError> {
    let mut each = |program: &ProgramBytes<'_>| {
        let mut text = vec![0; usize::try_from(program.size.min(1 << 20)).unwrap()];
        program.source.read_exact_at(0, &mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    };
    let sources = Sources {
        registry,
        cache,
        on_event: &|_| {},
        budget: &Budget::default(),
    };
    inspect(target, request, sources, &mut each)
}

fn offline() -> Registry {
    Registry::new(Options::default())
}

fn images(target: &Target, request: &Request) -> Result<Vec<Image<Text>>, ImageError> {
    match read(target, request, &offline(), None)? {
        Inspected::Images(images) => match images.unread.into_iter().next() {
            Some(unread) => Err(unread.why),
            None => Ok(images.read),
        },
        other => panic!("{other:?}"),
    }
}

fn wanting(paths: &[&str]) -> Request {
    Request {
        want: Want::Paths(paths.iter().map(|&path| path.to_owned()).collect()),
        ..Request::default()
    }
}

fn pilot() -> Vec<Vec<u8>> {
    vec![
        tar([
            ("usr/local/bin/pilot-discovery", &b"old"[..]),
            ("opt/real", b"real"),
        ]),
        tar([("usr/local/bin/pilot-discovery", &b"new"[..])]),
        link("usr/bin/x", "../../opt/real"),
    ]
}

fn docker(file: PathBuf) -> Target {
    Target::DockerArchive { file, image: None }
}

fn oci(file: PathBuf) -> Target {
    Target::OciArchive { file, tag: None }
}

/// One image in every form that is read.
fn forms(dir: &Path) -> Vec<Target> {
    let path = |name: &str| dir.join(name);
    let layers = pilot();
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let saved = docker_archive(&layers, &diff_ids);
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &layers, gzip);
    let files = blobs.layout(image, "1.31");
    write(&path("layout"), &files);
    let members = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
    let archive = tar(members);
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &layers, |layer| {
        zstd::encode_all(layer, 3).unwrap()
    });
    write(&path("zstd"), &blobs.layout(image, "1.31"));
    for (name, bytes) in [
        ("docker.tar", saved.clone()),
        ("docker.tar.gz", gzip(&saved)),
        ("oci.tar", archive.clone()),
        (
            "oci.tar.zst",
            zstd::encode_all(archive.as_slice(), 3).unwrap(),
        ),
    ] {
        std::fs::write(path(name), bytes).unwrap();
    }
    let layout = |name: &str, tag: Option<&str>| Target::Layout {
        dir: path(name),
        tag: tag.map(str::to_owned),
    };
    vec![
        Target::Path(path("docker.tar")),
        Target::Path(path("docker.tar.gz")),
        Target::Path(path("oci.tar")),
        Target::Path(path("oci.tar.zst")),
        Target::Path(path("layout")),
        docker(path("docker.tar")),
        docker(path("docker.tar.gz")),
        oci(path("oci.tar")),
        oci(path("oci.tar.zst")),
        layout("layout", None),
        layout("layout", Some("1.31")),
        layout("zstd", Some("1.31")),
    ]
}

#[test]
fn every_form_of_an_image_gives_the_same_programs() {
    let dir = tempfile::tempdir().unwrap();
    for target in forms(dir.path()) {
        let request = wanting(&["/usr/local/bin/pilot-discovery", "/usr/bin/x", "/no"]);
        let images =
            images(&target, &request).unwrap_or_else(|error| panic!("{target:?}: {error}"));
        let said: Vec<_> = images[0]
            .programs
            .iter()
            .map(|program| (program.real_path.as_deref(), program.reading.clone()))
            .collect();
        let wanted = [
            (None, Ok("new".to_owned())),
            (Some("/opt/real"), Ok("real".to_owned())),
            (None, Err(ProgramReadError::Missing)),
        ];
        assert_eq!(said, wanted, "{target:?}");
        assert_eq!(images[0].platform.to_string(), "linux/amd64");
    }
    let target = Target::Layout {
        dir: dir.path().join("layout"),
        tag: Some("9".to_owned()),
    };
    let no_tag = images(&target, &Request::default()).unwrap_err();
    let said = no_tag.to_string();
    assert!(said.ends_with("has no image `9`: it has 1.31"), "{said}");
}

#[test]
fn what_an_image_starts_with_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &pilot(), gzip);
    let manifest = image["digest"].as_str().unwrap().to_owned();
    write(dir.path(), &blobs.layout(image, "1"));
    let images = images(&Target::Path(dir.path().to_owned()), &Request::default()).unwrap();
    let image = &images[0];
    assert_eq!(image.env, ["GODEBUG=fips140=on"]);
    assert_eq!(image.command, ["/usr/local/bin/pilot-discovery"]);
    assert_eq!(image.manifest.as_ref().unwrap().to_string(), manifest);
    assert_eq!(image.index, None);
    assert_eq!(image.programs.len(), 1);
}

#[test]
fn an_index_gives_its_platforms_and_no_attestations() {
    let dir = tempfile::tempdir().unwrap();
    let mut blobs = Blobs::default();
    let amd = blobs.image("amd64", &pilot(), gzip);
    let arm = blobs.image("arm64", &pilot(), gzip);
    let mut unknown = blobs.image("arm64", &pilot(), gzip);
    unknown["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    let nested = blobs.index(&[arm]);
    let absent = json!({"mediaType": MANIFEST, "digest": digest(b""), "size": 2,
        "platform": {"os": "linux", "architecture": "s390x"}});
    let index = blobs.index(&[amd, nested.clone(), unknown, absent]);
    write(dir.path(), &blobs.layout(index.clone(), "1"));
    let target = Target::Path(dir.path().to_owned());
    let all = images(&target, &Request::default()).unwrap();
    let platforms: Vec<String> = all.iter().map(|image| image.platform.to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let from: Vec<String> = all
        .iter()
        .map(|image| image.index.clone().unwrap().to_string())
        .collect();
    assert_eq!(
        from,
        [&index["digest"], &nested["digest"]].map(|digest| digest.as_str().unwrap())
    );
    let only = |text: &str| Request {
        platforms: vec![text.parse::<Platform>().unwrap()],
        ..Request::default()
    };
    assert_eq!(images(&target, &only("linux/arm64")).unwrap().len(), 1);
    let error = images(&target, &only("linux/riscv64"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("does not exist for linux/riscv64"),
        "{error}"
    );
}

#[test]
fn indexes_that_nest_without_end_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut blobs = Blobs::default();
    let mut inner = blobs.image("amd64", &pilot(), gzip);
    for _ in 0..5 {
        inner = blobs.index(&[inner]);
    }
    write(dir.path(), &blobs.layout(inner, "1"));
    let error = images(&Target::Path(dir.path().to_owned()), &Request::default()).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { .. }), "{error}");
}

/// A layout whose manifest was changed.
fn changed(change: impl FnOnce(&mut Value)) -> ImageError {
    let dir = tempfile::tempdir().unwrap();
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &pilot(), gzip);
    let mut manifest: Value =
        serde_json::from_slice(&blobs.0[image["digest"].as_str().unwrap()]).unwrap();
    change(&mut manifest);
    let image = blobs.add(MANIFEST, manifest.to_string().into_bytes());
    write(dir.path(), &blobs.layout(image, "1"));
    images(&Target::Path(dir.path().to_owned()), &Request::default()).unwrap_err()
}

#[test]
fn what_cannot_be_read_is_named() {
    let media_type = |place: &'static str, kind: &str| {
        let kind = json!(kind);
        changed(move |manifest| *manifest.pointer_mut(place).unwrap() = kind).to_string()
    };
    for (error, wanted) in [
        (
            media_type(
                "/layers/0/mediaType",
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            ),
            "foreign layer",
        ),
        (
            media_type(
                "/layers/0/mediaType",
                "application/vnd.oci.image.layer.v1.tar+encrypted",
            ),
            "is encrypted",
        ),
        (
            media_type(
                "/config/mediaType",
                "application/vnd.cncf.helm.config.v1+json",
            ),
            "nothing in it that could be run, only application/vnd.cncf.helm.config.v1+json",
        ),
        (
            changed(|manifest| *manifest = json!({"schemaVersion": 1, "fsLayers": []})).to_string(),
            "schema 1",
        ),
        (
            changed(|manifest| manifest["manifests"] = json!([])).to_string(),
            "an index and a manifest in one",
        ),
        (
            changed(|manifest| manifest["layers"][2]["size"] = json!(5)).to_string(),
            "longer than the 5 bytes",
        ),
        (
            changed(|manifest| drop(manifest["layers"].as_array_mut().unwrap().pop())).to_string(),
            "its manifest has 2 layers",
        ),
    ] {
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn a_layer_or_document_that_was_exchanged_does_not_count() {
    let layers = pilot();
    let mut diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    diff_ids[1] = digest(b"other");
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("docker.tar");
    std::fs::write(&archive, docker_archive(&layers, &diff_ids)).unwrap();
    std::fs::write(
        dir.path().join("gz"),
        gzip(&docker_archive(&layers, &diff_ids)),
    )
    .unwrap();
    for path in [archive, dir.path().join("gz")] {
        let error = images(&Target::Path(path), &Request::default()).unwrap_err();
        assert!(matches!(error, ImageError::Damaged { .. }), "{error}");
    }

    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &pilot(), gzip);
    for digest in blobs.0.keys() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &blobs.layout(image.clone(), "1"));
        let path = dir
            .path()
            .join(format!("blobs/{}", digest.replace(':', "/")));
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = images(
            &Target::Path(dir.path().to_owned()),
            &wanting(&["/usr/bin/x"]),
        )
        .unwrap_err();
        assert!(
            matches!(error, ImageError::Damaged { .. }),
            "{digest}: {error}"
        );
    }
}

#[test]
fn a_file_of_holes_and_a_bomb_cost_neither_time_nor_memory() {
    let mut holes = Header::new_gnu();
    holes.set_entry_type(EntryType::GNUSparse);
    holes.set_path("usr/local/bin/pilot-discovery").unwrap();
    holes.set_size(0);
    holes.as_gnu_mut().unwrap().set_real_size(10 << 30);
    holes.set_cksum();
    let layer = holes.as_bytes().to_vec();
    let path = |dir: &tempfile::TempDir| Target::Path(dir.path().join("docker.tar"));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("docker.tar"),
        docker_archive(std::slice::from_ref(&layer), &[digest(&layer)]),
    )
    .unwrap();
    let images_of = images(&path(&dir), &wanting(&["/usr/local/bin/pilot-discovery"])).unwrap();
    let limit = 1 << 30;
    assert_eq!(
        images_of[0].programs[0].reading,
        Err(ProgramReadError::TooLarge {
            size: 10 << 30,
            limit
        })
    );

    let bomb = gzip(&tar([(
        "usr/local/bin/pilot-discovery",
        &*vec![0; 4 << 20],
    )]));
    let dir = tempfile::tempdir().unwrap();
    let archive = docker_archive(std::slice::from_ref(&bomb), &[digest(&bomb)]);
    std::fs::write(dir.path().join("docker.tar"), archive).unwrap();
    let mut request = Request::default();
    request.limits.unpacked = 1 << 20;
    let error = images(&path(&dir), &request).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { .. }), "{error}");
}

#[test]
fn files_that_are_no_images_are_programs_or_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("program"), b"\x7fELF").unwrap();
    std::fs::write(path("empty"), b"").unwrap();
    for (name, text) in [("program", "\u{7f}ELF"), ("empty", "")] {
        let found = read(
            &Target::Path(path(name)),
            &Request::default(),
            &offline(),
            None,
        )
        .unwrap();
        let Inspected::Program(program) = found else {
            panic!("{name}")
        };
        assert_eq!(program.reading, Ok(text.to_owned()));
    }
    std::fs::write(path("other.tar"), tar([("a", &b"b"[..])])).unwrap();
    std::fs::write(path("other.tar.gz"), gzip(&tar([("a", &b"b"[..])]))).unwrap();
    std::fs::write(path("text.gz"), gzip(&[b'x'; 1000])).unwrap();
    for (target, wanted) in [
        (
            Target::Path(path("other.tar")),
            "it is a tar archive without `index.json` and `manifest.json`",
        ),
        (
            Target::Path(path("other.tar.gz")),
            "it is a tar archive without `index.json` and `manifest.json`",
        ),
        (docker(path("other.tar")), "there is no `manifest.json`"),
        (oci(path("other.tar")), "there is no `index.json`"),
        (docker(path("program")), "is an ELF program"),
        (
            Target::Path(path("text.gz")),
            "what it unpacks to is not a tar archive",
        ),
        (
            Target::Layout {
                dir: dir.path().to_owned(),
                tag: None,
            },
            "a directory without `index.json`",
        ),
        (Target::Path(path("none")), "does not exist"),
        (
            Target::Layout {
                dir: path("none"),
                tag: None,
            },
            "does not exist",
        ),
    ] {
        let error = read(&target, &Request::default(), &offline(), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{target:?}: {error}");
    }
}

#[test]
fn an_image_on_disk_is_read_each_time_so_that_no_layer_hides_behind_what_was_read_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &pilot(), gzip);
    write(dir.path(), &blobs.layout(image, "1"));
    let cache = Cache::at(dir.path().join("cache/images"), dir.path().join("key"), "1");
    let count = Cell::new(0);
    let run = || {
        let mut each = |_: &ProgramBytes<'_>| {
            count.set(count.get() + 1);
            7_u32
        };
        let registry = offline();
        let sources = Sources {
            registry: &registry,
            cache: Some(&cache),
            on_event: &|_| {},
            budget: &Budget::default(),
        };
        let target = Target::Path(PathBuf::from(dir.path()));
        let read = inspect(&target, &Request::default(), sources, &mut each).unwrap();
        let Inspected::Images(images) = read else {
            panic!("{read:?}")
        };
        images.read
    };
    let first = run();
    let read = count.get();
    assert_eq!(run(), first);
    assert_eq!(count.get(), 2 * read);
}

/// What an archive of these files comes to: as a layout, as an archive, and as one that is packed.
fn everywhere(
    files: &[(String, Vec<u8>)],
    request: &Request,
) -> Vec<Result<Vec<Image<Text>>, ImageError>> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write(&path("layout"), files);
    let members = files.iter().map(|(path, it)| (path.as_str(), &it[..]));
    let archive = tar(members);
    std::fs::write(path("a.tar.gz"), gzip(&archive)).unwrap();
    std::fs::write(path("a.tar"), archive).unwrap();
    let names = ["layout", "a.tar", "a.tar.gz"];
    let targets = names.map(|name| Target::Path(path(name)));
    targets.map(|it| images(&it, request)).into()
}

/// All of them are refused for that reason.
fn too_large(files: &[(String, Vec<u8>)], request: &Request, wanted: &str) {
    for said in everywhere(files, request) {
        match said.map(|images| images.len()) {
            Err(ImageError::TooLarge { why, .. }) => assert!(why.contains(wanted), "{why}"),
            other => panic!("{wanted}: {other:?}"),
        }
    }
}

#[test]
fn what_is_kept_of_the_configuration_of_an_image_has_a_bound() {
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &pilot(), gzip);
    let mut with = |part: &str, value: Value| {
        let image = blobs.configured(&image, |config| config["config"][part] = value);
        blobs.layout(image, "1")
    };
    let long = || json!(["x".repeat(130 << 10)]);
    let (fits, request) = (json!(["x".repeat(120 << 10)]), Request::default());
    for said in everywhere(&with("Env", fits), &request) {
        assert_eq!(said.unwrap().len(), 1);
    }
    for (part, value) in [
        ("Env", long()),
        ("Env", json!(vec![""; 10_000])),
        ("Entrypoint", long()),
        ("Cmd", long()),
        ("WorkingDir", long()[0].clone()),
    ] {
        too_large(&with(part, value), &request, "environment and its command");
    }
    let other = blobs.configured(&image, |config| config["variant"] = long()[0].clone());
    let files = blobs.layout(other, "1");
    too_large(&files, &request, "environment and its command");
}

#[test]
fn what_is_kept_of_all_images_of_a_target_has_a_bound() {
    let wanted = "to list its images takes more than";
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &pilot(), gzip);
    let large = blobs.configured(&image, |config| {
        config["config"]["Env"] = json!(["x".repeat(120 << 10)]);
    });
    let refused = |blobs: &Blobs, entry: &Value| {
        let files = blobs.layout_of(vec![entry.clone(); 200]);
        too_large(&files, &Request::default(), wanted);
    };
    refused(&blobs, &large);
    // Those that are not wanted are read as well.
    let mut request = Request::default();
    request.platforms.push("arm64".parse().unwrap());
    let mut unsaid = large;
    unsaid.as_object_mut().unwrap().remove("platform");
    too_large(&blobs.layout_of(vec![unsaid; 200]), &request, wanted);

    let layered = blobs.image("amd64", &vec![tar([]); 512], gzip);
    refused(&blobs, &layered);
    // What an index in the index names has its tag.
    let absent = json!({"mediaType": MANIFEST, "digest": digest(b"-"), "size": 1});
    let nested = blobs.index(&vec![absent; 1000]);
    let files = blobs.layout_of([tagged(&nested, &"t".repeat(20 << 10))]);
    too_large(&files, &Request::default(), wanted);
}

#[test]
fn archives_of_docker_list_as_few_images_with_as_few_layers() {
    let saved = |list: &Value, config: &Value| {
        vec![
            ("manifest.json".to_owned(), list.to_string().into_bytes()),
            ("c.json".to_owned(), config.to_string().into_bytes()),
            ("l.tar".to_owned(), tar([])),
        ]
    };
    let id = digest(&tar([]));
    let config = |layers: usize| {
        json!({"architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": vec![&id; layers]}})
    };
    let entry = |tag: &str, layers: usize| json!({"Config": "c.json", "RepoTags": [tag], "Layers": vec!["l.tar"; layers]});
    let mut arm = Request::default();
    arm.platforms.push("arm64".parse().unwrap());
    for (entry, count, layers, request, wanted) in [
        (entry("a:1", 513), 1, 513, Request::default(), "512 layers"),
        (entry("a:1", 0), 1025, 0, arm, "more than 1024 images"),
        (
            entry(&"t".repeat(40 << 10), 512),
            1,
            512,
            Request::default(),
            "to list its images",
        ),
    ] {
        let files = saved(&json!(vec![entry; count]), &config(layers));
        let dir = tempfile::tempdir().unwrap();
        let archive = tar(files.iter().map(|(path, it)| (path.as_str(), &it[..])));
        for (name, bytes) in [("a.tar.gz", gzip(&archive)), ("a.tar", archive)] {
            std::fs::write(dir.path().join(name), bytes).unwrap();
            let said = images(&docker(dir.path().join(name)), &request).unwrap_err();
            assert!(matches!(said, ImageError::TooLarge { .. }), "{said}");
            assert!(said.to_string().contains(wanted), "{said}");
        }
    }
}

#[test]
fn all_images_of_a_target_unpack_to_no_more_than_its_bound() {
    let layers = [tar([("usr/local/bin/pilot-discovery", &*vec![0; 1 << 20])])];
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &layers, gzip);
    let other = blobs.configured(&image, |config| config["config"]["User"] = json!("1"));
    let mut request = Request::default();
    request.limits.unpacked = 3 << 19;
    let dir = tempfile::tempdir().unwrap();
    let read = |entries: Vec<Value>| {
        let dir = tempfile::tempdir_in(&dir).unwrap();
        write(dir.path(), &blobs.layout_of(entries));
        images(&Target::Path(dir.path().to_owned()), &request)
    };
    assert_eq!(read(vec![image.clone()]).unwrap().len(), 1);
    let error = read(vec![image.clone(), other]).unwrap_err();
    assert!(matches!(error, ImageError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("inspect fewer"), "{error}");
    // The same manifest is read once.
    let twice = read(vec![tagged(&image, "1"), tagged(&image, "2")]).unwrap();
    let names = twice.iter().map(|it| it.name.rsplit_once(':').unwrap().1);
    assert_eq!(names.collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(twice[0].programs.len(), 1);
    assert_eq!(twice[0].programs, twice[1].programs);
}

#[test]
fn what_is_sought_by_its_name_is_sought_under_each_name() {
    let files = ["pilot-discovery", "ztunnel"].map(|name| format!("usr/local/bin/{name}"));
    let layer = tar(files.iter().map(|path| (path.as_str(), &b"x"[..])));
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &[layer], gzip);
    let image = blobs.configured(&image, |config| config["config"] = json!({}));
    let entries = ["x/pilot", "x/ztunnel", "y/pilot"].map(|tag| tagged(&image, tag));
    for said in everywhere(&blobs.layout_of(entries), &Request::default()) {
        let paths: Vec<Vec<String>> = said
            .unwrap()
            .into_iter()
            .map(|image| image.programs.into_iter().map(|it| it.path).collect())
            .collect();
        let [pilot, ztunnel] = [0, 1].map(|at| vec![format!("/{}", files[at])]);
        assert_eq!(paths, [&pilot, &ztunnel, &pilot].map(Vec::clone));
    }
}

#[test]
fn what_is_known_of_programs_counts_for_each_name_of_an_image() {
    let program = vec![b'x'; 1 << 20];
    let layer = tar([("usr/local/bin/pilot-discovery", &program[..])]);
    let mut blobs = Blobs::default();
    let image = blobs.image("amd64", &[layer], gzip);
    let tags = (0..40).map(|tag| tagged(&image, &tag.to_string()));
    let files = blobs.layout_of(tags);
    too_large(&files, &Request::default(), "what is known of its programs");
}
