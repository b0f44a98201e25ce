//! Tags in the index of a layout.

use oci_spec::image::Descriptor;

use crate::image::ImageError;
use crate::image::error::some_of;
use crate::image::manifest::{Document, Index};

/// The annotation in which layouts store the tag of an image.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Returns the name of an image, with its tag in the layout if it has one.
pub(super) fn name_of(name: &str, entry: &Descriptor, by_tag: bool) -> String {
    let annotations = entry.annotations().as_ref().filter(|_| by_tag);
    match annotations.and_then(|annotations| annotations.get(REF_NAME)) {
        Some(tag) => format!("{name}:{tag}"),
        None => name.to_owned(),
    }
}

/// Limits the index of a layout to the images with a tag, if one is given.
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
            [] => format!("no tags, so remove `:{tag}`"),
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
