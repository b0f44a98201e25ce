//! What the registries have of a plan: its images, and where the data does not know the build, the builds of its hub.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::prepare::Prepared;
use super::{RunContext, interrupted};
use crate::exit::Failure;
use crate::facts::{Nodes, Observed, PlannedImage, Published};
use crate::istio::Known;
use crate::report;
use crate::ui::Event;

/// The image that every build has.
const CONTROL_PLANE: &str = "pilot";

impl RunContext<'_> {
    /// What the registries say of the images of a plan.
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
        // A FIPS build is proved before it runs, not after.
        let inspect = images.inspect || prepared.plan.tag.flavor.is_fips();
        let planned = images.reader(self.judge, &on_event).planned(
            &prepared.images(),
            &architectures.unwrap_or_default(),
            inspect,
        );
        planned.map(Observed::Known).map_err(|_| interrupted())
    }

    /// What the hub has, where the data does not know the planned build.
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

/// The digests that the tags of a plan stand for.
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

/// The images of a plan of which the cache knew what is in them.
pub(super) fn cached(images: &Observed<Vec<PlannedImage>>) -> BTreeMap<String, Date> {
    let known = images.known().map(Vec::as_slice).unwrap_or_default();
    let cached = known.iter();
    cached
        .filter_map(|image| Some((image.reference.clone(), image.cached?)))
        .collect()
}
