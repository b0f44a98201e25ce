//! Images in archives, layouts and registries, read as streams.
//!
//! The module unpacks nothing to disk, uses no daemon and runs no program. It holds only the
//! programs of an image that the caller wants, one at a time. A program counts only if the layer
//! that contains it has the expected digest.
//!
//! ```text
//! Target → Store → manifest, per platform → layers, newest first → Tree → program → each(bytes)
//! ```

mod cache;
mod entries;
mod error;
mod exists;
mod flow;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod glob;
mod inspect;
mod job;
mod known;
mod layer;
mod list;
mod manifest;
mod meter;
mod names;
mod package;
mod path;
mod progress;
mod read;
mod running;
mod start;
mod store;
mod stream;
mod target;
mod tree;
mod variables;
mod wrapper;

pub use cache::{Cache, cache_note};
pub use error::{ImageError, ProgramReadError, some_of};
pub use exists::{Found, exists_all};
pub use glob::{Pattern, PatternError, is_pattern};
pub use known::{Want, is_image_of_istio};
pub use meter::Budget;
pub use read::read_layer;
pub use running::{ImageId, ImageIdError, Running, Unresolved, digests, resolve};
pub use target::{Target, TargetError};

pub use oci_spec::image::Digest;

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use positioned_io::ReadAt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::sys::registry::Registry;
use crate::ui::Event;
use fips_evidence::{ProgramRole, Work};
use istio_builds::DataError;

/// Reads a data file of images, to find mistakes in it.
pub(crate) fn read_tables(name: &str, text: &str) -> Result<(), DataError> {
    manifest::read_table(name, text)?;
    variables::read_table(name, text)?;
    wrapper::read_table(name, text)
}

/// An operating system and a processor, by Go's names for them, such as `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant
            .as_ref()
            .map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl Platform {
    /// Returns the platform of Linux on a processor (Go's name), of any variant.
    pub fn linux(architecture: &str) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }
    }

    /// Returns true if `other` satisfies a request for this platform. A request without a variant
    /// accepts any variant, and the default variant of a processor is the same as none.
    pub fn covers(&self, other: &Platform) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && (self.variant.is_none() || self.beyond_first() == other.beyond_first())
    }

    /// Returns the variant, unless it is the one that the container runtimes assume by default.
    fn beyond_first(&self) -> Option<&str> {
        let variant = self.variant.as_deref();
        variant.filter(|variant| {
            !matches!(
                (self.architecture.as_str(), *variant),
                ("arm64", "v8") | ("amd64", "v1") | ("arm", "v7")
            )
        })
    }
}

/// A text that is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: write it as `arm64`, `linux/amd64` or `linux/arm/v7`")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    /// Parses a platform. A processor alone means Linux on that processor.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(PlatformError(text.to_owned())),
        };
        if parts.contains(&"") {
            return Err(PlatformError(text.to_owned()));
        }
        Ok(Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant,
        })
    }
}

/// What to read from a target.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub want: Want,
    /// The platforms to read from an index; empty for all of them.
    pub platforms: Vec<Platform>,
    pub limits: Limits,
}

/// Limits that no image may exceed. A program above its limit is a [`ProgramReadError`]; any other
/// excess ends the reading of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of bytes of one program.
    pub program: u64,
    /// The maximum number of bytes that all layers of a target may unpack to.
    pub unpacked: u64,
    /// The maximum number of bytes that may be unpacked, and the amount of work that may be done,
    /// for each byte that is received, in addition to the free budget of each run.
    pub ratio: u64,
    /// The maximum number of names in all layers of an image.
    pub entries: usize,
    /// The maximum number of bytes of all names in the layers of an image.
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            program: 1 << 30,
            unpacked: 32 << 30,
            ratio: 64,
            entries: 256 << 10,
            names: 16 << 20,
        }
    }
}

/// What the readers need from the rest of the program.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub registry: &'a Registry,
    /// `None` with `--no-cache`.
    pub cache: Option<&'a Cache>,
    pub on_event: &'a dyn Fn(&Event),
    /// The budget that all targets of a run share.
    pub budget: &'a Budget,
}

/// A program while its bytes are available.
pub struct ProgramBytes<'a> {
    /// The path in the image or on the machine; `-` for standard input.
    pub path: &'a str,
    pub source: &'a (dyn ReadAt + Sync),
    pub size: u64,
    /// The budget that pays for reading the program.
    pub work: &'a Work,
}

impl<T> Image<T> {
    /// Returns the role of the program at `path` in this image.
    pub fn role(&self, path: &str) -> ProgramRole {
        let is = |word: &String| known::base(word) == known::base(path);
        if self.command.first().is_some_and(is) || known::is_of_istio(path) {
            ProgramRole::Main
        } else if self.wrappers.iter().any(is) {
            ProgramRole::Wrapper
        } else {
            ProgramRole::Helper
        }
    }
}

/// The result of reading a target. `T` is what the reader made of the bytes of a program.
#[derive(Debug)]
pub enum Inspected<T> {
    /// A single file.
    Program(Program<T>),
    Images(Images<T>),
    /// The programs of a root file system.
    Directory {
        programs: Vec<Program<T>>,
        /// Directories that were skipped because another file system is mounted there.
        left_out: Vec<String>,
    },
}

/// The images that a target refers to.
#[derive(Debug)]
pub struct Images<T> {
    /// One for each platform and tag, in the order of the index.
    pub read: Vec<Image<T>>,
    /// The images that could not be read.
    pub unread: Vec<UnreadImage>,
    /// The media types of index entries that are not container images.
    pub skipped: Vec<String>,
    /// Platforms that an index lists but that the archive or layout does not contain.
    pub absent: Vec<String>,
}

/// An image that could not be read.
#[derive(Debug)]
pub struct UnreadImage {
    /// The same kind of name as in [`Image`].
    pub name: String,
    pub index: Option<Digest>,
    pub manifest: Option<Digest>,
    /// The platform, if the index states it.
    pub platform: Option<Platform>,
    pub why: ImageError,
}

/// One image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image<T> {
    /// For a registry the whole reference, for an archive the name in it.
    pub name: String,
    /// The digest of the index that contains the image.
    pub index: Option<Digest>,
    /// `None` for a Docker archive, which has no manifest digest.
    pub manifest: Option<Digest>,
    pub config: Digest,
    pub platform: Platform,
    /// The environment of the container, such as `GODEBUG=fips140=off`.
    pub env: Vec<String>,
    /// The program that the container finally starts, and its arguments. Wrappers such as `tini --`
    /// are removed, as far as the entry point and the arguments show them.
    pub command: Vec<String>,
    /// The programs that only start the main program, such as `/sbin/tini`.
    pub wrappers: Vec<String>,
    /// True if a label of the image says FIPS.
    pub labelled_fips: bool,
    /// The day on which the programs were read, if they come from the cache.
    pub kept: Option<Date>,
    /// The programs that were requested, including those that are missing.
    pub programs: Vec<Program<T>>,
}

/// A program, or the reason why it could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program<T> {
    /// The path that was requested.
    pub path: String,
    /// The path that links lead to, if it is another one.
    pub real_path: Option<String>,
    /// The digest of the layer as it is stored; `None` outside of an image.
    pub layer: Option<Digest>,
    pub reading: Result<T, ProgramReadError>,
}

/// Returns the error for a pattern of `--path` that matches no program.
fn no_match() -> ProgramReadError {
    ProgramReadError::NotTold(
        "no program matches this pattern: it is compared with paths without links".to_owned(),
    )
}

/// Reads the content of `target` and gives each program to `each`, one at a time.
///
/// `each` may receive a program that is discarded later: one that a later entry of its layer
/// replaces, or one from a layer that does not have the expected digest. Only the returned programs
/// count.
///
/// # Errors
///
/// Returns an error if the target cannot be read as a whole. An error of a single program is in its
/// [`Program::reading`].
pub fn inspect<T: Clone + Serialize + DeserializeOwned>(
    target: &Target,
    request: &Request,
    sources: Sources<'_>,
    each: &mut dyn FnMut(&ProgramBytes<'_>) -> T,
) -> Result<Inspected<T>, ImageError> {
    inspect::Inspection::new(request, sources, each).run(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variant_of_a_processor_goes_without_saying() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        for (wish, has, met) in [
            ("arm64/v8", "arm64", true),
            ("arm64/v8", "arm64/v8", true),
            ("arm64", "arm64/v9", true),
            ("arm64/v8", "arm64/v9", false),
            ("arm64/v9", "arm64", false),
            ("amd64/v1", "amd64", true),
            ("amd64/v3", "amd64", false),
            ("arm/v7", "arm", true),
            ("arm/v6", "arm", false),
            ("arm64/v8", "amd64", false),
        ] {
            let (wish, has) = (format!("linux/{wish}"), format!("linux/{has}"));
            assert_eq!(platform(&wish).covers(&platform(&has)), met, "{wish} {has}");
        }
    }
}
