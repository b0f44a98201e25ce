//! Indexes, manifests and configurations of images, of OCI and of Docker (schema 2).

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, ImageManifest};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::path::LONGEST;
use super::wrapper::Command;
use super::{Digest, ImageError, Platform};
use crate::istio::tag_says_fips;

mod elements;
mod keys;
mod kind;

pub(super) use kind::read_table;

pub(super) use elements::elements;
pub(super) use keys::OF_ARCHIVE;
use keys::{OF_CONFIGURATION, OF_MANIFESTS};
use kind::{artifact, short};
pub(super) use kind::{is_image, skipped_as};

/// Bytes that any document of an image may have: what registries allow.
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;

/// Layers that an image may have; no runtime mounts as many.
const LAYERS: usize = 512;

/// Bytes that may be kept of a configuration: environments and commands have some thousands.
const KEPT: usize = 128 << 10;

/// Directories that `PATH` may have.
const DIRECTORIES: usize = 64;

/// What the runtimes set where an image does not.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Entries that an index may have.
pub(super) const ENTRIES: usize = 1024;

/// What a digest or a tag names.
pub(super) enum Document {
    Index(Index),
    Manifest(Box<ImageManifest>),
    /// A manifest of something else than a container image, by its media type: a signature, a chart, …
    Artifact(String),
}

/// What an index names: each entry, or why it cannot be read.
pub(super) struct Index {
    pub(super) entries: Vec<Result<Descriptor, String>>,
}

/// What tells one kind from the other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    schema_version: Option<u32>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
    #[serde(default)]
    fs_layers: Option<IgnoredAny>,
    /// Of an artifact manifest, which OCI had for a while.
    #[serde(default)]
    blobs: Option<IgnoredAny>,
    #[serde(default)]
    media_type: Option<String>,
}

/// A configuration as it is written, as far as it matters here.
#[derive(Deserialize)]
struct Written {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    config: Option<ContainerConfig>,
    rootfs: RootFs,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerConfig {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// What the configuration says that matters here.
pub(super) struct Configuration {
    pub(super) platform: Platform,
    pub(super) env: Vec<String>,
    pub(super) command: Vec<String>,
    /// What that comes to.
    pub(super) started: Command,
    /// A label says FIPS.
    pub(super) labelled_fips: bool,
    /// Where the container starts.
    directory: String,
    /// Where a command without a slash is looked for.
    search: Vec<String>,
    /// Digests of the layers unpacked, the lowest first.
    pub(super) diff_ids: Vec<Digest>,
    /// Bytes that all of this takes.
    pub(super) weight: usize,
}

impl Document {
    pub(super) fn parse(what: &str, bytes: &[u8]) -> Result<Document, ImageError> {
        plain(what, bytes, OF_MANIFESTS)?;
        let kind: Kind = json(what, bytes)?;
        let damaged = |why: &str| ImageError::Damaged {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        match (kind.manifests, kind.layers) {
            (Some(_), Some(_)) => Err(damaged("it is an index and a manifest in one")),
            (Some(_), None) => Ok(Document::Index(Index::parse(what, bytes)?)),
            (None, Some(_)) => {
                let manifest: ImageManifest = json(what, bytes)?;
                if let Some(kind) = artifact(what, &manifest)? {
                    return Ok(Document::Artifact(kind));
                }
                readable(what, &manifest)?;
                Ok(Document::Manifest(Box::new(manifest)))
            }
            (None, None) if kind.fs_layers.is_some() || kind.schema_version == Some(1) => {
                Err(ImageError::Unsupported {
                    what: what.to_owned(),
                    why: "it is of Docker's schema 1, which no digest binds to its content: push it again"
                        .to_owned(),
                })
            }
            (None, None) if kind.blobs.is_some() => {
                let kind = kind.media_type.unwrap_or_default();
                Ok(Document::Artifact(short(&kind)))
            }
            (None, None) => Err(damaged("it is neither an index nor a manifest")),
        }
    }
}

impl Index {
    fn parse(what: &str, bytes: &[u8]) -> Result<Index, ImageError> {
        let listed = elements(bytes, Some("manifests"), ENTRIES);
        let listed = listed.ok_or_else(|| ImageError::Damaged {
            what: what.to_owned(),
            why: "what it calls `manifests` is not a list".to_owned(),
        })?;
        if listed.len() > ENTRIES {
            return Err(ImageError::TooLarge {
                what: what.to_owned(),
                why: format!("its index names more than {ENTRIES} images"),
            });
        }
        let entries = listed.into_iter().map(|entry| {
            let entry: Result<Descriptor, _> = serde_json::from_slice(entry);
            entry.map_err(|error| format!("its entry in the index cannot be read: {error}"))
        });
        Ok(Index {
            entries: entries.collect(),
        })
    }

    /// The entries that can be read.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries.iter().flatten()
    }
}

/// Refuses layers that cannot be read.
fn readable(what: &str, manifest: &ImageManifest) -> Result<(), ImageError> {
    let unsupported = |why: String| ImageError::Unsupported {
        what: what.to_owned(),
        why,
    };
    few_layers(what, manifest.layers().len())?;
    for layer in manifest.layers() {
        let kind = layer.media_type().as_ref();
        if kind.contains("encrypted") {
            let digest = layer.digest();
            return Err(unsupported(format!("its layer {digest} is encrypted")));
        }
        if kind.contains("foreign") || kind.contains("nondistributable") {
            let digest = layer.digest();
            return Err(unsupported(format!(
                "its layer {digest} is kept elsewhere (a foreign layer)"
            )));
        }
        if !kind.contains("tar") {
            let (digest, kind) = (layer.digest(), short(kind));
            return Err(unsupported(format!(
                "its layer {digest} is not a tar archive but a `{kind}`"
            )));
        }
    }
    Ok(())
}

fn few_layers(what: &str, layers: usize) -> Result<(), ImageError> {
    if layers > LAYERS {
        return Err(ImageError::TooLarge {
            what: what.to_owned(),
            why: format!("it has more than {LAYERS} layers"),
        });
    }
    Ok(())
}

/// The platform that an index gives for an entry.
pub(super) fn platform_of(entry: &Descriptor) -> Option<Platform> {
    entry.platform().as_ref().map(|platform| Platform {
        os: platform.os().to_string(),
        architecture: platform.architecture().to_string(),
        variant: platform.variant().clone().filter(|text| !text.is_empty()),
    })
}

impl Configuration {
    pub(super) fn parse(what: &str, bytes: &[u8]) -> Result<Configuration, ImageError> {
        plain(what, bytes, OF_CONFIGURATION)?;
        let written: Written = json(what, bytes)?;
        few_layers(what, written.rootfs.diff_ids.len())?;
        let weight = written.weight();
        if weight > KEPT {
            return Err(ImageError::TooLarge {
                what: what.to_owned(),
                why: format!("its environment and its command take more than {KEPT} bytes"),
            });
        }
        let config = written.config.unwrap_or_default();
        let mut command = config.entrypoint.unwrap_or_default();
        command.extend(config.cmd.unwrap_or_default());
        let env = config.env.unwrap_or_default();
        let diff_ids = written.rootfs.diff_ids.iter().map(|text| {
            text.parse().map_err(|_| ImageError::Damaged {
                what: what.to_owned(),
                why: format!("`{text}` is not a digest"),
            })
        });
        Ok(Configuration {
            platform: Platform {
                os: written.os,
                architecture: written.architecture,
                variant: written.variant.filter(|text| !text.is_empty()),
            },
            search: search(what, &env)?,
            started: Command::follow(&command, &env),
            env,
            labelled_fips: config
                .labels
                .iter()
                .flatten()
                .any(|(name, value)| label_says_fips(name, value)),
            command,
            directory: config.working_dir.unwrap_or_default(),
            diff_ids: diff_ids.collect::<Result<_, _>>()?,
            weight,
        })
    }
}

impl Written {
    /// Bytes that it takes to keep this; an empty text takes some too.
    fn weight(&self) -> usize {
        let start = self.config.as_ref();
        let lists = start.map(|start| [&start.env, &start.entrypoint, &start.cmd]);
        let lists = lists.into_iter().flatten().flatten();
        let single = [
            Some(&self.architecture),
            Some(&self.os),
            self.variant.as_ref(),
            start.and_then(|start| start.working_dir.as_ref()),
        ];
        let texts = lists.flatten().chain(single.into_iter().flatten());
        let texts = texts.chain(&self.rootfs.diff_ids);
        texts.fold(0, |sum, text| {
            sum.saturating_add(text.len() + size_of::<String>())
        })
    }
}

impl Configuration {
    /// Where the program may be that a word of a command names. A word without a slash may lead to any
    /// of its `PATH`: which of them the user of the container may execute only a runtime can tell.
    pub(super) fn places(&self, word: &str) -> Vec<String> {
        let at =
            |directory: &str, path: &str| format!("{}/{path}", directory.trim_end_matches('/'));
        let absolute = |path: String| {
            if path.starts_with('/') {
                path
            } else {
                at(&self.directory, &path)
            }
        };
        let places: Vec<String> = match word {
            _ if word.len() > LONGEST => Vec::new(),
            _ if word.contains('/') => vec![absolute(word.to_owned())],
            _ => {
                let directories = self.search.iter();
                directories.map(|it| absolute(at(it, word))).collect()
            }
        };
        // No kernel takes a longer one.
        let fits = |place: &String| place.len() <= LONGEST;
        places.into_iter().filter(fits).collect()
    }
}

/// Whether a label of an image says FIPS: one that is called so, or one that repeats the tag.
fn label_says_fips(name: &str, value: &str) -> bool {
    const VERSIONS: [&str; 4] = [
        "org.opencontainers.image.version",
        "org.opencontainers.image.ref.name",
        "org.label-schema.version",
        "version",
    ];
    const NO: [&str; 6] = ["", "0", "false", "no", "off", "disabled"];
    let denied = NO.contains(&value.trim().to_ascii_lowercase().as_str());
    (VERSIONS.contains(&name) && tag_says_fips(value)) || (!denied && tag_says_fips(name))
}

/// The directories of `PATH`; where it stands twice, those of both.
fn search(what: &str, env: &[String]) -> Result<Vec<String>, ImageError> {
    let set = env.iter().filter_map(|pair| pair.strip_prefix("PATH="));
    let mut set = set.peekable();
    let default = set.peek().is_none().then_some(PATH);
    let directories = set.chain(default).flat_map(|path| path.split(':'));
    // An empty one is where the container starts.
    let directories = directories.map(|it| if it.is_empty() { "." } else { it }.to_owned());
    let directories: Vec<String> = directories.take(DIRECTORIES + 1).collect();
    if directories.len() > DIRECTORIES {
        return Err(ImageError::TooLarge {
            what: what.to_owned(),
            why: format!("its PATH has more than {DIRECTORIES} directories"),
        });
    }
    Ok(directories)
}

/// Refuses a document in which readers may find different things; `counting` are the keys that are read.
pub(super) fn plain(what: &str, bytes: &[u8], counting: &[&str]) -> Result<(), ImageError> {
    keys::check(bytes, counting).map_err(|error| damaged(what, &error))
}

fn damaged(what: &str, error: &serde_json::Error) -> ImageError {
    ImageError::Damaged {
        what: what.to_owned(),
        why: format!("it is not the JSON of an image: {error}"),
    }
}

pub(super) fn json<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| damaged(what, &error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration(config: &serde_json::Value) -> Result<Configuration, ImageError> {
        let image = json!({"architecture": "amd64", "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": []}});
        Configuration::parse("x", image.to_string().as_bytes())
    }

    #[test]
    fn a_word_leads_where_the_runtimes_look_for_it() {
        let usual = "/usr/local/sbin/x /usr/local/bin/x /usr/sbin/x /usr/bin/x /sbin/x /bin/x";
        for (env, directory, word, wanted) in [
            (json!([]), "", "x", usual),
            (json!(["PATH=/b:/a/"]), "", "x", "/b/x /a/x"),
            (
                json!(["PATH=/b", "XPATH=/c", "PATH=/a"]),
                "",
                "x",
                "/b/x /a/x",
            ),
            (json!(["PATH="]), "/w", "x", "/w/./x"),
            (json!(["PATH=/b::c:/"]), "/w/", "x", "/b/x /w/./x /w/c/x /x"),
            (json!(["PATH=/b"]), "/w", "/y/x", "/y/x"),
            (json!(["PATH=/b"]), "/w", "y/x", "/w/y/x"),
            (json!(["PATH=/b"]), "", "./x", "/./x"),
        ] {
            let config = json!({"Env": env, "WorkingDir": directory});
            let places = configuration(&config).unwrap().places(word);
            assert_eq!(places.join(" "), wanted, "{config} {word}");
        }
    }

    #[test]
    fn no_image_makes_paths_without_end() {
        let many = format!("PATH={}", ":".repeat(DIRECTORIES));
        let refused = configuration(&json!({"Env": [many]})).map(drop);
        assert!(matches!(refused, Err(ImageError::TooLarge { .. })));
        let long = configuration(&json!({"WorkingDir": "d".repeat(LONGEST)})).unwrap();
        assert!(long.places("./x").is_empty());
        assert!(long.places(&"x".repeat(LONGEST + 1)).is_empty());
    }
}
