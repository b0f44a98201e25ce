//! Every image that a document makes the cluster pull.

use std::collections::BTreeSet;

use super::{Gateway, Rendered};
use crate::plan::Plan;
use istio_builds::Component;
use istio_operator::{Decides, Place};

/// A part of a mesh with an image of its own.
struct Part {
    /// Name of the image if the document does not name another.
    image: &'static str,
    /// Paths that can contain its hub, tag, variant and image name, by precedence.
    own: &'static [&'static str],
    /// The field of `values` in which a profile can set its variant.
    values: &'static str,
    /// Whether the injector names it instead of a chart.
    injected: bool,
}

/// Possible suffixes of a tag.
const VARIANTS: [&str; 2] = ["distroless", "debug"];

const PROXY: Part = Part {
    image: "proxyv2",
    own: &["spec.values.global.proxy"],
    values: "global",
    injected: true,
};

const PILOT: Part = Part {
    image: "pilot",
    own: &["spec.components.pilot", "spec.values.pilot"],
    values: "pilot",
    injected: false,
};

const CNI: Part = Part {
    image: "install-cni",
    own: &["spec.components.cni", "spec.values.cni"],
    values: "cni",
    injected: false,
};

const ZTUNNEL: Part = Part {
    image: "ztunnel",
    own: &[
        "spec.components.ztunnel",
        "spec.values.ztunnel",
        "spec.unvalidatedValues.ztunnel",
    ],
    values: "ztunnel",
    injected: false,
};

impl Rendered {
    /// Returns the references of the images, `hub/name:tag` each, as the pods will contain them.
    pub fn images(&self, plan: &Plan) -> BTreeSet<String> {
        let has = |component| self.installs.components.contains(&component);
        let parts = [
            (PILOT, self.installs.istiod),
            (PROXY, self.installs.istiod),
            (CNI, has(Component::Cni)),
            (ZTUNNEL, has(Component::Ztunnel)),
        ];
        let on = parts.into_iter().filter(|(_, on)| *on);
        let mut images: BTreeSet<String> = on.map(|(part, _)| self.image(&part, plan)).collect();
        let patched = self.effective.places.iter().filter(|place| {
            let is_patch = place.decides == Decides::Image && place.path.contains(".patches[");
            is_patch && self.is_on(&place.path)
        });
        images.extend(patched.map(|place| place.value.clone()));
        let gateways = self.installs.gateways.iter();
        images.extend(gateways.map(|gateway| self.gateway_image(gateway, plan)));
        images
    }

    /// Whether the component to which a path belongs is enabled.
    fn is_on(&self, path: &str) -> bool {
        let below = |root: &str| {
            let rest = path.strip_prefix(root);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let component = Component::ALL
            .into_iter()
            .find(|component| below(&format!("spec.components.{}", component.field())));
        match component {
            Some(component) => self.installs.components.contains(&component),
            None => self.installs.gateways.iter().any(|one| below(&one.path)),
        }
    }

    /// Whether this document installs the CNI agent.
    pub fn has_cni(&self) -> bool {
        self.installs.components.contains(&Component::Cni)
    }

    fn image(&self, part: &Part, plan: &Plan) -> String {
        let name = self.said(part, Decides::Image, "image");
        let own = self.said(part, Decides::Tag, "tag");
        let tag = self.tag(own, part, plan);
        let hub = self.said(part, Decides::Hub, "hub");
        self.reference(name.unwrap_or(part.image), hub, &tag, plan)
    }

    /// Returns the proxy image of a gateway, which can have a tag of its own.
    fn gateway_image(&self, gateway: &Gateway, plan: &Plan) -> String {
        let said = |decides, field: &str| {
            let place = self.place(decides, &format!("{}.{field}", gateway.path));
            place.map(|place| place.value.as_str())
        };
        let own = said(Decides::Tag, "tag").or_else(|| self.said(&PROXY, Decides::Tag, "tag"));
        let hub = said(Decides::Hub, "hub").or_else(|| self.said(&PROXY, Decides::Hub, "hub"));
        let name = self.said(&PROXY, Decides::Image, "image");
        let tag = self.tag(own, &PROXY, plan);
        self.reference(name.unwrap_or(PROXY.image), hub, &tag, plan)
    }

    /// Returns the reference of an image. A name with a slash is a whole reference, to which the charts add a tag if it
    /// has none.
    fn reference(&self, name: &str, hub: Option<&str>, tag: &str, plan: &Plan) -> String {
        if name.contains('/') {
            let last = name.rsplit('/').next();
            let tagged = last.is_some_and(|last| last.contains([':', '@']));
            return if tagged {
                name.to_owned()
            } else {
                format!("{name}:{tag}")
            };
        }
        let hub = hub.map_or_else(|| self.hub(plan), str::to_owned);
        format!("{hub}/{name}:{tag}")
    }

    /// Returns what the document sets for one part only.
    fn said(&self, part: &Part, decides: Decides, field: &str) -> Option<&str> {
        let mut places = part
            .own
            .iter()
            .filter_map(|own| self.place(decides, &format!("{own}.{field}")));
        places.next().map(|place| place.value.as_str())
    }

    fn hub(&self, plan: &Plan) -> String {
        let said = self.effective.hub.clone();
        said.unwrap_or_else(|| plan.hub.to_string())
    }

    /// Returns the tag with its variant as suffix: the charts append it in any case, the injector replaces an existing
    /// one.
    fn tag(&self, own: Option<&str>, part: &Part, plan: &Plan) -> String {
        let tag = own.or(self.effective.tag.as_deref());
        let tag = tag.map_or_else(|| plan.tag.to_string(), str::to_owned);
        let Some(variant) = self.variant(part) else {
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

    /// Returns the variant of a part: its own, or else that of all images; an empty one counts as none.
    fn variant(&self, part: &Part) -> Option<&str> {
        let by_profile = |root: &str| {
            let profile = self.installs.distroless.contains(root);
            profile.then_some(VARIANTS[0])
        };
        let own = self.said(part, Decides::Variant, "variant");
        let own = own.filter(|variant| !variant.is_empty());
        own.or_else(|| by_profile(part.values))
            .or_else(|| {
                let all = self.effective.places.iter().find(|place| {
                    place.decides == Decides::Variant
                        && place.path.ends_with(".global.variant")
                        && place.ignored.is_none()
                });
                all.map(|place| place.value.as_str())
                    .filter(|variant| !variant.is_empty())
            })
            .or_else(|| by_profile("global"))
    }

    fn place(&self, decides: Decides, path: &str) -> Option<&Place> {
        let mut places = self.effective.places.iter();
        places
            .find(|place| place.decides == decides && place.ignored.is_none() && place.path == path)
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::{self, Input};
    use crate::render;
    use crate::request::InstallRequest;

    /// Returns the last parts of the images of a document with that `spec`, planned as `tag`.
    fn images(tag: &str, spec: &str) -> Vec<String> {
        let request = InstallRequest {
            build: Some(tag.parse().unwrap()),
            hub: Some("r.io/istio".parse().unwrap()),
            template: Some(crate::request::Template::None),
            ..InstallRequest::default()
        };
        let text = format!(
            "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {{name: x}}\nspec: {spec}\n"
        );
        let files = istio_operator::read("f", text.as_bytes()).unwrap();
        let plan = plan::plan(&Input {
            request: &request,
            user_settings: &istio_operator::scan_user_settings(&files, &[]),
            matrix: istio_builds::Matrix::builtin(),
            client: None,
        })
        .unwrap();
        let manifest = render::render(&plan, &request, &files, &[]).unwrap();
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
    fn part_that_is_off_has_no_image() {
        for (tag, spec, wanted) in [
            (
                "1.31.0-solo",
                "{profile: empty, components: {base: {enabled: true}, pilot: {enabled: true}}}",
                &["pilot:1.31.0-solo", "proxyv2:1.31.0-solo"][..],
            ),
            (
                "1.31.0-solo",
                "{components: {pilot: {enabled: false}}}",
                &["proxyv2:1.31.0-solo"],
            ),
            ("1.31.0-solo", "{profile: remote}", &[]),
            (
                "1.31.0-solo",
                "{profile: empty, components: {cni: {}}}",
                &["install-cni:1.31.0-solo"],
            ),
            (
                "1.31.0-solo",
                "{profile: empty, components: {ingressGateways: [{name: a, tag: 1.30.0, enabled: false}]}}",
                &[],
            ),
            (
                "1.20.8-solo",
                "{profile: empty, components: {cni: {}}}",
                &[],
            ),
            ("1.20.8-solo", "{profile: remote}", &[]),
        ] {
            assert_eq!(images(tag, spec), wanted, "{tag} {spec}");
        }
    }

    #[test]
    fn image_of_a_patch_counts_where_its_component_is_on() {
        let patched = |enabled: bool| {
            let patch =
                "{path: 'spec.template.spec.containers.[name:x].image', value: 'x.io/own:1'}";
            format!(
                "{{profile: empty, components: {{cni: {{enabled: {enabled}, k8s: {{overlays: [{{kind: DaemonSet, \
                 name: istio-cni-node, patches: [{patch}]}}]}}}}}}}}"
            )
        };
        assert_eq!(
            images("1.31.0-solo", &patched(true)),
            ["install-cni:1.31.0-solo", "x.io/own:1"]
        );
        assert!(images("1.31.0-solo", &patched(false)).is_empty());
    }

    #[test]
    fn profile_ambient_adds_its_variant_to_the_parts_of_its_version() {
        let emptied = "{profile: ambient, values: {pilot: {variant: ''}, ztunnel: {variant: ''}}}";
        for (tag, spec, wanted) in [
            (
                "1.20.8-solo",
                "{profile: ambient}",
                [
                    "install-cni:1.20.8-solo",
                    "pilot:1.20.8-solo-distroless",
                    "proxyv2:1.20.8-solo",
                    "ztunnel:1.20.8-solo-distroless",
                ],
            ),
            (
                "1.20.8-solo-distroless",
                emptied,
                [
                    "install-cni:1.20.8-solo-distroless",
                    "pilot:1.20.8-solo-distroless",
                    "proxyv2:1.20.8-solo-distroless",
                    "ztunnel:1.20.8-solo-distroless",
                ],
            ),
            (
                "1.31.0-solo",
                "{profile: ambient}",
                [
                    "install-cni:1.31.0-solo-distroless",
                    "pilot:1.31.0-solo-distroless",
                    "proxyv2:1.31.0-solo-distroless",
                    "ztunnel:1.31.0-solo-distroless",
                ],
            ),
        ] {
            assert_eq!(images(tag, spec), wanted, "{tag} {spec}");
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
