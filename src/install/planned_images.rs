//! What registries have for a plan: its images, and, if the data does not know the build, the builds of its hub.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::prepare::Prepared;
use super::{RunContext, interrupted};
use crate::exit::Failure;
use crate::facts::{Nodes, Observed, PlannedImage, Published};
use crate::report;
use crate::ui::Event;
use istio_builds::Known;

/// The image that every build has.
const CONTROL_PLANE: &str = "pilot";

impl RunContext<'_> {
    /// Reads from the registries the images of a plan.
    pub(super) fn planned(
        &self,
        prepared: &Prepared,
        nodes: &Observed<Nodes>,
    ) -> Result<Observed<Vec<PlannedImage>>, Failure> {
        let Some(images) = &self.images else {
            return Ok(Observed::NotCollected("--no-registry"));
        };
        let on_event = |event: &Event| self.ui.event(event);
        let architectures = nodes
            .known()
            .map(|nodes| nodes.architectures.keys().cloned().collect());
        // The modules of a FIPS build are proven before it runs.
        let inspect = images.inspect || prepared.plan.tag.flavor.is_fips();
        let planned = images.reader(self.judge, &on_event).planned(
            &prepared.images(),
            &architectures.unwrap_or_default(),
            inspect,
        );
        planned.map(Observed::Known).map_err(|_| interrupted())
    }

    /// Reads which builds the hub has, if the data does not know the planned build.
    pub(super) fn published(&self, prepared: &Prepared) -> Result<Observed<Published>, Failure> {
        let plan = &prepared.plan;
        if !matches!(self.matrix.known(&plan.tag), Known::NotSeen { .. }) {
            return Ok(Observed::NotCollected("the data knows the planned build"));
        }
        let Some(images) = &self.images else {
            return Ok(Observed::NotCollected("--no-registry"));
        };
        let on_event = |event: &Event| self.ui.event(event);
        let reader = images.reader(self.judge, &on_event);
        let published = reader.published(&format!("{}/{CONTROL_PLANE}", plan.hub));
        published.map_err(|_| interrupted())
    }
}

/// Returns the digests that the tags of a plan refer to.
pub(super) fn pinned(images: &Observed<Vec<PlannedImage>>) -> Vec<report::PinnedImage> {
    let known = images.known().map(Vec::as_slice).unwrap_or_default();
    let found = known
        .iter()
        .filter_map(|image| Some((image, image.found.as_ref().ok()?)));
    found
        .map(|(image, found)| report::PinnedImage {
            reference: image.reference.clone(),
            digest: found.digest.to_string(),
            platforms: found.platforms.iter().map(ToString::to_string).collect(),
        })
        .collect()
}

/// Returns the images of a plan with contents from the cache, with the date of their entry.
pub(super) fn cached(images: &Observed<Vec<PlannedImage>>) -> BTreeMap<String, Date> {
    let known = images.known().map(Vec::as_slice).unwrap_or_default();
    let cached = known.iter();
    cached
        .filter_map(|image| Some((image.reference.clone(), image.cached?)))
        .collect()
}
