//! What must run, and whether an image is that.

use std::collections::{BTreeMap, BTreeSet};

use super::walk::walk;
use crate::facts::{Census, ControlPlane, Manager, Record, Role};
use crate::istio::ImageTag;
use crate::plan::Plan;
use crate::render::Rendered;
use crate::report::Counts;

/// Where an expectation comes from; printed, since a proof is only as good as what it was judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The plan of this run.
    Plan,
    /// What an earlier install wrote down.
    Record,
    /// Nothing was written down: the image of istiod itself.
    Istiod,
}

impl Source {
    /// In words, behind `judged by`.
    pub fn words(self) -> &'static str {
        match self {
            Source::Plan => "the plan",
            Source::Record => "the record of the install",
            Source::Istiod => "istiod's own image, since no record of an install was found",
        }
    }
}

/// The build that one revision must run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub hub: String,
    pub tag: ImageTag,
    pub source: Source,
    /// The floor `declared`: plan or record say FIPS.
    pub fips: bool,
}

/// What must run, by revision; every other revision is somebody else's: counted, never judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    pub revisions: BTreeMap<String, Wanted>,
    /// `namespace/name` of the gateway Deployments that the install itself changed.
    pub gateways: BTreeSet<String>,
}

impl Expectation {
    /// What an install of these documents must give.
    pub fn planned(plan: &Plan, documents: &[Rendered]) -> Expectation {
        let revision = plan
            .revision
            .as_ref()
            .map_or("default", crate::options::Revision::as_str);
        let wanted = Wanted::of(plan.hub.as_str(), &plan.tag, Source::Plan);
        let gateways = documents
            .iter()
            .flat_map(|document| gateways(document, &plan.namespace));
        Expectation {
            revisions: BTreeMap::from([(revision.to_owned(), wanted)]),
            gateways: gateways.collect(),
        }
    }

    /// What stands must go on as it was installed: by its record, else by istiod's own image.
    ///
    /// Without a `revision`, all of them but an operator's. Control planes whose tag the grammar does
    /// not know are nobody's expectation.
    pub fn standing(
        planes: &[ControlPlane],
        records: &[Result<Record, String>],
        revision: Option<&str>,
    ) -> Expectation {
        let in_scope = |plane: &&ControlPlane| match revision {
            Some(revision) => plane.revision == revision,
            None => !matches!(plane.manager, Manager::Operator { .. }),
        };
        let wanted = planes.iter().filter(in_scope).filter_map(|plane| {
            let mut recorded = records.iter().filter_map(|record| record.as_ref().ok());
            let wanted = match recorded.find(|record| record.revision == plane.revision) {
                Some(record) => Wanted::of(&record.hub, &record.tag, Source::Record),
                None => Wanted::of(&plane.hub, plane.tag.as_ref().ok()?, Source::Istiod),
            };
            Some((plane.revision.clone(), wanted))
        });
        Expectation {
            revisions: wanted.collect(),
            gateways: BTreeSet::new(),
        }
    }

    /// What was seen, in numbers; other meshes are counted here and judged nowhere.
    pub fn counts(&self, census: &Census) -> Counts {
        let mut counts = Counts::from([("pods", census.seen)]);
        for (class, members) in &census.classes {
            let what = match class.role {
                _ if !self.revisions.contains_key(&class.revision) => "pods of other meshes",
                Role::Istiod => "control planes",
                Role::Sidecar => "proxies",
                Role::Gateway => "gateways",
                Role::Ztunnel | Role::Cni => "node agents",
            };
            *counts.entry(what).or_default() += members.pods;
        }
        for (what, number) in [
            ("without a proxy", census.uninjected.values().sum()),
            ("not applicable", census.not_applicable.values().sum()),
            ("gone while being read", census.gone),
        ] {
            if number > 0 {
                counts.insert(what, number);
            }
        }
        counts
    }
}

/// `namespace/name` of the gateways that a document turns on.
fn gateways(document: &Rendered, control_plane: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(&document.value, &mut |path, value| {
        let entry = path.starts_with("spec.components.")
            && path.ends_with(']')
            && path.matches('[').count() == 1;
        let on = entry && value["enabled"] != false;
        if let Some(name) = value["name"].as_str().filter(|_| on) {
            let namespace = value["namespace"].as_str().unwrap_or(control_plane);
            found.push(format!("{namespace}/{name}"));
        }
    });
    found
}

impl Wanted {
    fn of(hub: &str, tag: &ImageTag, source: Source) -> Wanted {
        Wanted {
            hub: hub.to_owned(),
            tag: tag.clone(),
            source,
            fips: tag.flavor.is_fips(),
        }
    }

    /// `hub/…:tag`, as messages show it.
    pub fn image(&self) -> String {
        format!("{}/…:{}", self.hub, self.tag)
    }

    /// In which way the image is not the wanted one.
    pub(super) fn differs(&self, image: &str) -> Option<String> {
        let Image { hub, tag } = Image::read(image);
        match tag {
            None => Some(format!(
                "{image} names no tag, so its flavour cannot be told"
            )),
            Some(tag) if tag != self.tag.to_string() => {
                Some(format!("runs {tag}, wanted {}", self.tag))
            }
            Some(_) if hub != self.hub => Some(format!("runs from {hub}, wanted {}", self.hub)),
            Some(_) => None,
        }
    }
}

/// An image reference in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image<'a> {
    pub hub: &'a str,
    pub tag: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// Reads `registry:5000/path/name:tag@sha256:…`; the colon of a port is no tag.
    pub(super) fn read(image: &'a str) -> Image<'a> {
        let named = image.split_once('@').map_or(image, |(named, _)| named);
        let (hub, last) = named.rsplit_once('/').unwrap_or(("", named));
        Image {
            hub,
            tag: last.split_once(':').map(|(_, tag)| tag),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, class, control_plane, expecting, members};
    use crate::facts::Class;

    #[test]
    fn an_image_is_read_with_ports_and_digests() {
        for (image, hub, tag) in [
            (
                "r.io:5000/a/proxyv2:1.31.0-solo",
                "r.io:5000/a",
                Some("1.31.0-solo"),
            ),
            ("r.io:5000/a/proxyv2", "r.io:5000/a", None),
            ("r.io/a/proxyv2:1.31.0@sha256:00", "r.io/a", Some("1.31.0")),
            ("r.io/a/proxyv2@sha256:00", "r.io/a", None),
            ("proxyv2:1.31.0", "", Some("1.31.0")),
        ] {
            assert_eq!(Image::read(image), Image { hub, tag }, "{image}");
        }
    }

    #[test]
    fn version_flavour_and_hub_all_count() {
        let wanted = Wanted {
            hub: "r.io/a".into(),
            tag: "1.31.0-solo-fips".parse().unwrap(),
            source: Source::Plan,
            fips: true,
        };
        assert_eq!(wanted.differs("r.io/a/proxyv2:1.31.0-solo-fips"), None);
        for (image, words) in [
            ("r.io/a/proxyv2:1.31.1-solo-fips", "runs 1.31.1-solo-fips"),
            ("r.io/a/proxyv2:1.31.0-solo", "runs 1.31.0-solo,"),
            ("r.io/b/proxyv2:1.31.0-solo-fips", "runs from r.io/b"),
            ("r.io/a/proxyv2@sha256:00", "names no tag"),
        ] {
            assert!(wanted.differs(image).unwrap().contains(words), "{image}");
        }
    }

    #[test]
    fn a_plan_expects_its_gateways_too() {
        let spec = "{components: {pilot: {enabled: true}, ingressGateways: [{name: a, namespace: edge}, {name: b}, {name: c, enabled: false}]}}";
        let given = Given::tag("1.31.0-solo-fips").document("one", spec);
        let expected = given.with(|before| Expectation::planned(before.plan, before.documents));
        assert_eq!(
            Vec::from_iter(&expected.gateways),
            ["edge/a", "istio-system/b"]
        );
        let wanted = &expected.revisions["default"];
        assert!(wanted.fips && wanted.source == Source::Plan);
    }

    #[test]
    fn a_record_counts_more_than_istiods_image_and_an_operators_mesh_only_by_name() {
        let record = Record {
            revision: "a".into(),
            hub: "r.io/x".into(),
            tag: "1.31.0-solo-fips".parse().unwrap(),
            overlays: vec![],
            sets: vec![],
            options: vec![],
            documents: BTreeMap::new(),
            data: BTreeMap::new(),
            tool: String::new(),
        };
        let operators = ControlPlane {
            manager: Manager::Operator {
                name: "sail".into(),
            },
            ..control_plane("c", "1.30.0")
        };
        let planes = [
            control_plane("a", "1.31.0-solo"),
            control_plane("b", "1.30.0"),
            operators,
            control_plane("d", "custom"),
        ];
        let all = Expectation::standing(&planes, &[Ok(record)], None);
        let seen: Vec<_> = all
            .revisions
            .iter()
            .map(|(name, wanted)| (name.as_str(), wanted.source, wanted.fips))
            .collect();
        assert_eq!(
            seen,
            [("a", Source::Record, true), ("b", Source::Istiod, false)]
        );
        let named = Expectation::standing(&planes, &[], Some("c"));
        assert_eq!(Vec::from_iter(named.revisions.keys()), ["c"]);
    }

    #[test]
    fn other_meshes_are_counted_apart() {
        let mut census = Census {
            gone: 2,
            ..Census::default()
        };
        census
            .classes
            .insert(class(Role::Sidecar, "a", "1.31.0"), members(3, "a"));
        let theirs = Class {
            revision: "theirs".into(),
            ..class(Role::Sidecar, "b", "1.20.0")
        };
        census.classes.insert(theirs, members(5, "b"));
        let counts = expecting("1.31.0").counts(&census);
        assert_eq!(counts["proxies"], 3);
        assert_eq!(counts["pods of other meshes"], 5);
        assert_eq!(counts["gone while being read"], 2);
        assert!(!counts.contains_key("without a proxy"));
    }
}
