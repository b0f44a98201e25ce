//! Every image that a document makes the cluster pull.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Rendered;
use crate::istio::Capability;
use crate::overlay::{Decides, Place};
use crate::plan::Plan;

/// A part of a mesh with an image of its own.
struct Part {
    /// Name of the image where nobody says another.
    image: &'static str,
    /// Where its hub, tag, variant and image name can stand, the stronger first.
    own: &'static [&'static str],
    on: fn(&Rendered) -> bool,
    /// The injector names it, not a chart.
    injected: bool,
}

/// What a tag can end in.
const VARIANTS: [&str; 2] = ["distroless", "debug"];

const PROXY: Part = Part {
    image: "proxyv2",
    own: &["spec.values.global.proxy"],
    on: |document| document.has_control_plane() || !document.gateways("").is_empty(),
    injected: true,
};

const PARTS: &[Part] = &[
    Part {
        image: "pilot",
        own: &["spec.components.pilot", "spec.values.pilot"],
        on: Rendered::has_control_plane,
        injected: false,
    },
    PROXY,
    Part {
        image: "install-cni",
        own: &["spec.components.cni", "spec.values.cni"],
        on: Rendered::has_cni,
        injected: false,
    },
    Part {
        image: "ztunnel",
        own: &[
            "spec.components.ztunnel",
            "spec.values.ztunnel",
            "spec.unvalidatedValues.ztunnel",
        ],
        on: |document| switched(document, "ztunnel").unwrap_or_else(|| ambient(document)),
        injected: false,
    },
];

impl Rendered {
    /// References of the images, `hub/name:tag` each, as the pods will name them.
    pub fn images(&self, plan: &Plan) -> BTreeSet<String> {
        let parts = PARTS.iter().filter(|part| (part.on)(self));
        let mut images: BTreeSet<String> = parts.map(|part| self.image(part, plan)).collect();
        let patched =
            self.effective.places.iter().filter(|place| {
                place.decides == Decides::Image && place.path.contains(".patches.")
            });
        images.extend(patched.map(|place| place.value.clone()));
        images.extend(self.gateway_images(plan));
        images
    }

    /// Whether the CNI agent comes of this document.
    pub fn has_cni(&self) -> bool {
        switched(self, "cni").unwrap_or_else(|| {
            let values = &self.value["spec"]["values"];
            ambient(self)
                || profile(self) == "openshift"
                || values["pilot"]["cni"]["enabled"] == true
                || values["istio_cni"]["enabled"] == true
        })
    }

    fn image(&self, part: &Part, plan: &Plan) -> String {
        let said = |decides, field: &str| {
            let mut places = part
                .own
                .iter()
                .filter_map(|own| self.place(decides, &format!("{own}.{field}")));
            places.next().map(|place| place.value.as_str())
        };
        let name = said(Decides::Image, "image").unwrap_or(part.image);
        let own = (said(Decides::Tag, "tag"), said(Decides::Variant, "variant"));
        let tag = self.tag(own, part, plan);
        if name.contains('/') {
            let tagged = name
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains([':', '@']));
            return if tagged {
                name.to_owned()
            } else {
                format!("{name}:{tag}")
            };
        }
        let hub = said(Decides::Hub, "hub").map_or_else(|| self.hub(plan), str::to_owned);
        format!("{hub}/{name}:{tag}")
    }

    /// Proxies of gateways with a hub or a tag of their own.
    fn gateway_images(&self, plan: &Plan) -> BTreeSet<String> {
        let own = |place: &&Place| {
            let list = place.path.contains("Gateways[") && place.ignored.is_none();
            list && matches!(place.decides, Decides::Hub | Decides::Tag)
        };
        let gateways = self.effective.places.iter().filter(own);
        let gateways = gateways.filter_map(|place| place.path.rsplit_once('.'));
        let gateways: BTreeSet<&str> = gateways.map(|(gateway, _)| gateway).collect();
        let image = |gateway: &str| {
            let said = |decides, field: &str| {
                let place = self.place(decides, &format!("{gateway}.{field}"));
                place.map(|place| place.value.as_str())
            };
            let hub = said(Decides::Hub, "hub").map_or_else(|| self.hub(plan), str::to_owned);
            let tag = self.tag((said(Decides::Tag, "tag"), None), &PROXY, plan);
            format!("{hub}/{}:{tag}", PROXY.image)
        };
        gateways.into_iter().map(image).collect()
    }

    fn hub(&self, plan: &Plan) -> String {
        let said = self.effective.hub.clone();
        said.unwrap_or_else(|| plan.hub.to_string())
    }

    /// The tag with its variant behind it: the charts put it there without a look, the injector
    /// replaces one that stands there.
    fn tag(&self, said: (Option<&str>, Option<&str>), part: &Part, plan: &Plan) -> String {
        let tag = said.0.or(self.effective.tag.as_deref());
        let tag = tag.map_or_else(|| plan.tag.to_string(), str::to_owned);
        let Some(variant) = said.1.or_else(|| self.variant(plan)) else {
            return tag;
        };
        if !part.injected {
            return format!("{tag}-{variant}");
        }
        let bare = VARIANTS
            .iter()
            .find_map(|known| tag.strip_suffix(known)?.strip_suffix('-'))
            .unwrap_or(&tag);
        match variant {
            "default" => bare.to_owned(),
            variant => format!("{bare}-{variant}"),
        }
    }

    /// The variant of all images of the document.
    fn variant(&self, plan: &Plan) -> Option<&str> {
        let mut said = self.effective.places.iter().filter(|place| {
            place.decides == Decides::Variant && place.path.ends_with(".global.variant")
        });
        let by_profile =
            ambient(self) && plan.capabilities.contains(&Capability::AmbientIsDistroless);
        match said.next() {
            Some(place) if place.ignored.is_some() => None,
            Some(place) => Some(place.value.as_str()).filter(|variant| !variant.is_empty()),
            None => by_profile.then_some(VARIANTS[0]),
        }
    }

    fn place(&self, decides: Decides, path: &str) -> Option<&Place> {
        let mut places = self.effective.places.iter();
        places
            .find(|place| place.decides == decides && place.ignored.is_none() && place.path == path)
    }
}

fn profile(document: &Rendered) -> &str {
    document.value["spec"]["profile"]
        .as_str()
        .unwrap_or_default()
}

fn ambient(document: &Rendered) -> bool {
    profile(document).contains("ambient")
}

/// `enabled` of a component, where the document says it.
fn switched(document: &Rendered, component: &str) -> Option<bool> {
    let components: &Value = &document.value["spec"]["components"];
    components[component]["enabled"].as_bool()
}

#[cfg(test)]
mod tests {
    use crate::options::Options;
    use crate::plan::{self, Input};
    use crate::{istio, overlay, render};

    /// Last parts of the images of a document with that `spec`, planned as `tag`.
    fn images(tag: &str, spec: &str) -> Vec<String> {
        let options = Options {
            request: Some(tag.parse().unwrap()),
            hub: Some("r.io/istio".parse().unwrap()),
            template: Some(crate::options::Template::None),
            ..Options::default()
        };
        let text = format!(
            "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {{name: x}}\nspec: {spec}\n"
        );
        let files = overlay::read("f", text.as_bytes()).unwrap();
        let plan = plan::plan(&Input {
            options: &options,
            early: &overlay::early(&files, &[]),
            matrix: istio::Matrix::builtin(),
            client: None,
        })
        .unwrap();
        let manifest = render::render(&plan, &options, &files, &[]).unwrap();
        let images = manifest.documents[0].images(&plan);
        images
            .iter()
            .map(|image| image.trim_start_matches("r.io/istio/").to_owned())
            .collect()
    }

    #[test]
    fn every_part_that_is_on_has_its_image() {
        for (spec, wanted) in [
            ("{}", &["pilot:1.31.0-solo", "proxyv2:1.31.0-solo"][..]),
            ("{profile: empty}", &[]),
            (
                "{profile: empty, components: {ingressGateways: [{name: a, enabled: true}]}}",
                &["proxyv2:1.31.0-solo"],
            ),
            (
                "{components: {cni: {enabled: true}}}",
                &[
                    "install-cni:1.31.0-solo",
                    "pilot:1.31.0-solo",
                    "proxyv2:1.31.0-solo",
                ],
            ),
            (
                "{components: {ingressGateways: [{name: a, tag: 1.30.0}]}}",
                &["pilot:1.31.0-solo", "proxyv2:1.30.0", "proxyv2:1.31.0-solo"],
            ),
            (
                "{values: {pilot: {image: other}, global: {proxy: {image: h/p}}}}",
                &["h/p:1.31.0-solo", "other:1.31.0-solo"],
            ),
            (
                "{values: {pilot: {hub: h, tag: t}}}",
                &["h/pilot:t", "proxyv2:1.31.0-solo"],
            ),
        ] {
            assert_eq!(images("1.31.0-solo", spec), wanted, "{spec}");
        }
    }

    #[test]
    fn charts_add_a_variant_blindly_and_the_injector_replaces_it() {
        assert_eq!(
            images(
                "1.31.0-solo-distroless",
                "{values: {global: {variant: distroless}}}"
            ),
            [
                "pilot:1.31.0-solo-distroless-distroless",
                "proxyv2:1.31.0-solo-distroless"
            ]
        );
    }
}
