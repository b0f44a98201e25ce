//! Indexes, manifests and configurations of OCI and Docker (schema 2) images.

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, ImageManifest};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::path::LONGEST;
use super::wrapper::Command;
use super::{Digest, ImageError, Platform};
use istio_builds::tag_says_fips;

mod elements;
mod keys;
mod kind;

pub(super) use kind::read_table;

pub(super) use elements::elements;
pub(super) use keys::OF_ARCHIVE;
use keys::{OF_CONFIGURATION, OF_MANIFESTS};
use kind::{artifact, short};
pub(super) use kind::{is_image, skipped_as};

/// The maximum number of bytes of any document of an image, which is the limit of registries.
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;

/// The maximum number of layers of an image; no runtime mounts as many.
const LAYERS: usize = 512;

/// The maximum number of bytes that are kept of a configuration. Real environments and commands
/// have some thousands.
const KEPT: usize = 128 << 10;

/// The maximum number of directories in `PATH`.
const DIRECTORIES: usize = 64;

/// The `PATH` that the runtimes set if an image does not.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The maximum number of entries of an index.
pub(super) const ENTRIES: usize = 1024;

/// The document that a digest or a tag names.
pub(super) enum Document {
    Index(Index),
    Manifest(Box<ImageManifest>),
    /// A manifest of something other than a container image, such as a signature or a chart, by its
    /// media type.
    Artifact(String),
}

/// An index: each entry, or why it cannot be read.
pub(super) struct Index {
    pub(super) entries: Vec<Result<Descriptor, String>>,
}

/// The fields that distinguish the kinds of documents.
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
    /// A field of the artifact manifest, which OCI had for a while.
    #[serde(default)]
    blobs: Option<IgnoredAny>,
    #[serde(default)]
    media_type: Option<String>,
}

/// The fields of a serialized configuration that are used here.
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

/// The parts of a configuration that are used here.
pub(super) struct Configuration {
    pub(super) platform: Platform,
    pub(super) env: Vec<String>,
    pub(super) command: Vec<String>,
    /// The program that the command starts in the end.
    pub(super) started: Command,
    /// True if a label says FIPS.
    pub(super) labelled_fips: bool,
    /// The working directory of the container.
    directory: String,
    /// The directories that are searched for a command without a slash.
    search: Vec<String>,
    /// The digests of the decompressed layers, the lowest first.
    pub(super) diff_ids: Vec<Digest>,
    /// The number of bytes that all of this takes.
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

    /// Returns the entries that can be read.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        self.entries.iter().flatten()
    }
}

/// Refuses layers of kinds that cannot be read.
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

/// Returns the platform that an index states for an entry.
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
    /// Returns the number of bytes that this takes in memory, which is not zero for an empty text.
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
    /// Returns the paths at which the program of a command word may be. A word without a slash can
    /// be in any directory of `PATH`: only a runtime knows which file the user of the container may
    /// execute.
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
        // The kernel refuses longer paths.
        let fits = |place: &String| place.len() <= LONGEST;
        places.into_iter().filter(fits).collect()
    }
}

/// Returns true if a label of an image says FIPS: by its name, or by a tag in its value.
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

/// Returns the directories of `PATH`. If the variable is set twice, it returns those of both.
fn search(what: &str, env: &[String]) -> Result<Vec<String>, ImageError> {
    let set = env.iter().filter_map(|pair| pair.strip_prefix("PATH="));
    let mut set = set.peekable();
    let default = set.peek().is_none().then_some(PATH);
    let directories = set.chain(default).flat_map(|path| path.split(':'));
    // An empty entry means the working directory.
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

/// Refuses a document that readers can interpret differently. `counting` are the keys that are
/// read.
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
