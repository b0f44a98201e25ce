//! The vocabulary of Istio: versions, flavours, tags, hubs, and the matrix of what is compatible with what. No IO.
//!
//! Everything that a release, a registry or a page decides is data (`istio/data/*.yaml`); the types here only define
//! its form. `Matrix` answers questions about the data and always quotes its sources.

/// Implements serde for types that are written as one text: with `Display` and `FromStr`.
///
/// The text is parsed in the visitor, so that an error in a YAML file keeps its line and column.
macro_rules! text_serde {
    ($type:ty, $expecting:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

pub mod image_reference;

pub mod version;

pub mod flavor;

pub mod tag;

pub mod request;

pub mod client;

pub mod hub;

pub mod image_ref;

pub mod capability;

pub mod matrix;

pub mod placeholder;

pub use capability::Capability;
pub use client::ClientVersion;
pub use flavor::{Distribution, Fips, Flavor};
pub use hub::{Hub, HubError, RepoKey, mask};
pub use image_ref::{ImageRef, ImageRefError, tag_says_fips};
pub use matrix::*;
pub use placeholder::{Placeholder, has_placeholder};
pub use request::Request;
pub use tag::{ImageTag, Rebuild, TagError};
pub use version::{IstioVersion, KubeVersion, Minor};
