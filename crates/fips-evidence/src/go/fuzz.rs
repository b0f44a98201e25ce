//! The readers of the linker's tables, for the fuzz targets. They return the position of what they read.

use std::io;

use super::buildinfo as build;
use super::pclntab::{self as table, Tables};
use crate::Place;
use crate::bytes::Bytes;
use crate::elf::Layout;

pub(crate) fn buildinfo(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Option<Place>> {
    Ok(build::read(bytes, layout)?.and_then(|build| build.place))
}

pub(crate) fn pclntab(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Option<Place>> {
    let Tables::Own(functions) = table::read(bytes, layout, &[])? else {
        return Ok(None);
    };
    let place = functions.names.place;
    if let (Some(layout), Some(place)) = (layout, place) {
        functions.coverage(bytes, layout, place)?;
    }
    Ok(place)
}
