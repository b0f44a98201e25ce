//! The readers of the linker's tables, for the fuzz targets: where what they read stands.

use std::io;

use super::{buildinfo as build, pclntab as table};
use crate::fips::Place;
use crate::fips::bytes::Bytes;
use crate::fips::elf::Layout;

pub(in crate::fips) fn buildinfo(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
) -> io::Result<Option<Place>> {
    Ok(build::read(bytes, layout)?.and_then(|build| build.place))
}

pub(in crate::fips) fn pclntab(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
) -> io::Result<Option<Place>> {
    let functions = table::read(bytes, layout)?;
    let place = functions
        .as_ref()
        .and_then(|functions| functions.names.place);
    if let (Some(functions), Some(layout), Some(place)) = (functions, layout, place) {
        functions.coverage(bytes, layout, place)?;
    }
    Ok(place)
}
