//! Tags in the index of a layout.

use oci_spec::image::Descriptor;

use crate::image::ImageError;
use crate::image::error::some_of;
use crate::image::manifest::{Document, Index};

/// Where layouts keep the tag of an image.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// What an image is called: with the tag of its layout, where there is one.
pub(super) fn name_of(name: &str, entry: &Descriptor, by_tag: bool) -> String {
    let annotations = entry.annotations().as_ref().filter(|_| by_tag);
    match annotations.and_then(|annotations| annotations.get(REF_NAME)) {
        Some(tag) => format!("{name}:{tag}"),
        None => name.to_owned(),
    }
}

/// Of the index of a layout only the images with that tag, if one is given.
pub(in crate::image) fn tagged(
    name: &str,
    document: Document,
    tag: Option<&str>,
) -> Result<Document, ImageError> {
    let (index, tag) = match (document, tag) {
        (Document::Index(index), Some(tag)) => (index, tag),
        (document, _) => return Ok(document),
    };
    let tag_of = |entry: &Descriptor| {
        let annotations = entry.annotations().as_ref();
        annotations.and_then(|annotations| annotations.get(REF_NAME).cloned())
    };
    let tags: Vec<String> = index.descriptors().filter_map(tag_of).collect();
    let wanted = index.descriptors();
    let wanted = wanted.filter(|entry| tag_of(entry).as_deref() == Some(tag));
    let wanted: Vec<_> = wanted.cloned().map(Ok).collect();
    if wanted.is_empty() {
        let has = match tags.as_slice() {
            [] => format!("no tags, so leave `:{tag}` away"),
            tags => some_of(tags),
        };
        return Err(ImageError::NotIn {
            name: name.to_owned(),
            image: tag.to_owned(),
            has,
        });
    }
    Ok(Document::Index(Index { entries: wanted }))
}
