//! The vocabulary of Istio: versions, flavours, tags, hubs, and the matrix of what is compatible with what. No IO.
//!
//! Everything that a release, a registry or a page decides is data (`data/*.yaml`); the types here only define
//! its form. `Matrix` answers questions about the data and always quotes its sources.

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
pub use dated_data::{DataDate, DataError, Source, SourceQuality};
pub use flavor::{Distribution, Fips, Flavor};
pub use hub::{Hub, HubError, RepoKey, mask};
pub use image_ref::{ImageRef, ImageRefError, tag_says_fips};
pub use matrix::*;
pub use placeholder::{Placeholder, has_placeholder};
pub use request::Request;
pub use tag::{ImageTag, Rebuild, TagError};
pub use version::{IstioVersion, KubeVersion, Minor};

/// The dates of the data files of this crate: `[[file name, date], …]`, for [`dated_data::DataDate::embedded`].
pub const DATA_DATES: &str = include_str!(concat!(env!("OUT_DIR"), "/dates.json"));

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
