//! Images: what is in an archive, a layout or a registry, read as streams.
//!
//! Nothing is unpacked to disk, no daemon is asked, no program is run. Of an image only the programs
//! that are wanted are ever held, one at a time, and a program counts only when the digest of the
//! layer that it came in fits.
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

use crate::fips::{ProgramRole, Work};
use crate::istio::MatrixError;
use crate::sys::registry::Registry;
use crate::ui::Event;

/// Reads a data file of images, to find its mistakes.
pub(crate) fn read_tables(name: &str, text: &str) -> Result<(), MatrixError> {
    manifest::read_table(name, text)?;
    variables::read_table(name, text)?;
    wrapper::read_table(name, text)
}

/// Operating system and processor, by Go's names for them: `linux/arm64/v8`.
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
    /// Linux on a processor (Go's name), of whatever variant.
    pub fn linux(architecture: &str) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        }
    }

    /// Whether a wish for this is met by `other`: a wish without a variant is for any, and the first
    /// variant of a processor goes without saying.
    pub fn covers(&self, other: &Platform) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && (self.variant.is_none() || self.beyond_first() == other.beyond_first())
    }

    /// The variant, unless it is the one that the runtimes take where none is named.
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

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: write it as `arm64`, `linux/amd64` or `linux/arm/v7`")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    /// A processor alone is one of Linux.
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

/// What is read of a target.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub want: Want,
    /// Which of an index; all of them where it is empty.
    pub platforms: Vec<Platform>,
    pub limits: Limits,
}

/// What no image may exceed. A program over its bound is [`ProgramReadError`], anything else over its bound
/// ends the reading of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one program.
    pub program: u64,
    /// Bytes that all layers of a target may unpack to.
    pub unpacked: u64,
    /// Bytes that may be unpacked, and work that may be done, for each byte that comes, beyond what is
    /// free in each run.
    pub ratio: u64,
    /// Names in all layers of an image.
    pub entries: usize,
    /// Bytes of all names in the layers of an image.
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

/// What reading needs from outside.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    pub registry: &'a Registry,
    /// Absent with `--no-cache`.
    pub cache: Option<&'a Cache>,
    pub on_event: &'a dyn Fn(&Event),
    /// What all targets of a run may cost together.
    pub budget: &'a Budget,
}

/// A program, for as long as it is held.
pub struct ProgramBytes<'a> {
    /// The path in the image or on the machine; `-` for standard input.
    pub path: &'a str,
    pub source: &'a (dyn ReadAt + Sync),
    pub size: u64,
    /// What reading it is paid from.
    pub work: &'a Work,
}

impl<T> Image<T> {
    /// Returns what the program at `path` is for.
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

/// What a target turned out to be; `T` is what the reader made of a program's bytes.
#[derive(Debug)]
pub enum Inspected<T> {
    /// A single file.
    Program(Program<T>),
    Images(Images<T>),
    /// The programs of a root file system.
    Directory {
        programs: Vec<Program<T>>,
        /// Directories that were not looked into, because another file system is mounted there.
        left_out: Vec<String>,
    },
}

/// The images that a target stands for.
#[derive(Debug)]
pub struct Images<T> {
    /// One for each platform and tag, in the order of the index.
    pub read: Vec<Image<T>>,
    /// Those that could not be read.
    pub unread: Vec<UnreadImage>,
    /// Entries that are no container images, by their media types.
    pub skipped: Vec<String>,
    /// Platforms that an index lists and that were not saved with the others.
    pub absent: Vec<String>,
}

/// An image that could not be read.
#[derive(Debug)]
pub struct UnreadImage {
    /// As that of [`Image`].
    pub name: String,
    pub index: Option<Digest>,
    pub manifest: Option<Digest>,
    /// Where its index tells.
    pub platform: Option<Platform>,
    pub why: ImageError,
}

/// One image for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image<T> {
    /// Of a registry the whole reference, of an archive the name in it.
    pub name: String,
    /// Digest of the index that it was chosen from.
    pub index: Option<Digest>,
    /// Absent for a Docker archive, which has none.
    pub manifest: Option<Digest>,
    pub config: Digest,
    pub platform: Platform,
    /// Environment of the container: `GODEBUG=fips140=off`.
    pub env: Vec<String>,
    /// The program that the container starts in the end and its arguments: behind `tini --` and the like,
    /// as far as the entry point and the arguments tell.
    pub command: Vec<String>,
    /// What starts it, and only that: `/sbin/tini`.
    pub wrappers: Vec<String>,
    /// A label of the image says FIPS.
    pub labelled_fips: bool,
    /// Day that the programs were read, where that is known from the cache alone.
    pub kept: Option<Date>,
    /// The programs that were wanted, missing ones among them.
    pub programs: Vec<Program<T>>,
}

/// A program, or why there is nothing to say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program<T> {
    /// The path that was wanted.
    pub path: String,
    /// Where links led, if to another path.
    pub real_path: Option<String>,
    /// Digest of the layer as it is stored; absent outside of an image.
    pub layer: Option<Digest>,
    pub reading: Result<T, ProgramReadError>,
}

/// Why a pattern of `--path` gives no program.
fn no_match() -> ProgramReadError {
    ProgramReadError::NotTold(
        "no program matches this pattern: it is compared with paths without links".to_owned(),
    )
}

/// Reads what `target` holds and gives each program to `each`, one at a time.
///
/// `each` may see a program that turns out not to count: one that a later entry of its layer replaces,
/// or that is in a layer whose digest does not fit. Only what is returned counts.
///
/// # Errors
///
/// What cannot be read as a whole; what is wrong with one program is in its [`Program::reading`].
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
