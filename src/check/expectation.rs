//! What must run, and whether an image is that.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Class, ControlPlane, Manager, Role};
use crate::fips::{Judge, Policy};
use crate::istio::ImageTag;

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
            Source::Istiod => "istiod's own image, since there is no usable record of an install",
        }
    }
}

/// The build that one revision must run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub hub: String,
    pub tag: ImageTag,
    pub source: Source,
    /// Programs are judged by floor and policy: plan or record say FIPS, or the user asks for it.
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
    /// The build that a pod must run; `None` where it is of another mesh.
    ///
    /// The charts give install-cni no revision, and ztunnel that of its mesh, if it has one. Without, they
    /// serve every mesh of the cluster, the FIPS ones first, but an operator's own build is its own.
    pub fn of(&self, class: &Class, planes: &[ControlPlane]) -> Option<&Wanted> {
        if !serves_all(class) {
            return self.revisions.get(&class.revision);
        }
        let strict = self.revisions.values().any(|wanted| wanted.fips);
        let mut able = self
            .revisions
            .values()
            .filter(|wanted| wanted.fips == strict);
        let of_operator = |plane: &&ControlPlane| matches!(plane.manager, Manager::Operator { .. });
        let own = able
            .clone()
            .find(|wanted| wanted.differs(&class.image).is_none());
        own.or_else(|| {
            let foreign = self
                .elsewhere(&class.image, planes)
                .any(|plane| of_operator(&plane));
            able.next().filter(|_| !foreign)
        })
    }

    /// The control planes out of scope that run the build of an image.
    pub(super) fn elsewhere<'a>(
        &'a self,
        image: &'a str,
        planes: &'a [ControlPlane],
    ) -> impl Iterator<Item = &'a ControlPlane> {
        planes.iter().filter(move |plane| {
            Image::read(&plane.image).is_of_build(&Image::read(image))
                && !self.revisions.contains_key(&plane.revision)
        })
    }

    /// A floor or policy that is asked for judges every revision, whatever plan, record and tags say.
    pub fn demand(&mut self, judge: &Judge) {
        for wanted in self.revisions.values_mut() {
            wanted.fips |= demanded(judge).is_some();
        }
    }
}

/// Whether it is a program of a node that names no revision.
pub(super) fn serves_all(class: &Class) -> bool {
    /// What facts call the revision of a pod that names none.
    const UNNAMED: &str = "default";
    matches!(class.role, Role::Ztunnel | Role::Cni) && class.revision == UNNAMED
}

/// What the user asks of every program, in words; `None` where no floor and no policy is asked for.
pub(super) fn demanded(judge: &Judge) -> Option<String> {
    match (judge.floor, judge.policy) {
        (None, Policy::Any) => None,
        (None, policy) => Some(format!("what policy {policy} takes")),
        (Some(floor), policy) => Some(format!("{floor} at least, by policy {policy}")),
    }
}

impl Wanted {
    /// `hub/…:tag`, as messages show it.
    pub fn image(&self) -> String {
        format!("{}/…:{}", self.hub, self.tag)
    }

    /// In which way the image is not the wanted one.
    pub(super) fn differs(&self, image: &str) -> Option<String> {
        let Image { hub, tag, .. } = Image::read(image);
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
    /// Everything before tag and digest.
    pub repository: &'a str,
    pub tag: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// Whether hub and tag are the same.
    fn is_of_build(&self, other: &Image<'_>) -> bool {
        (self.hub, self.tag) == (other.hub, other.tag)
    }

    /// Reads `registry:5000/path/name:tag@sha256:…`; the colon of a port is no tag.
    pub(super) fn read(image: &'a str) -> Image<'a> {
        let named = image.split_once('@').map_or(image, |(named, _)| named);
        let (hub, last) = named.rsplit_once('/').unwrap_or(("", named));
        let tag = last.split_once(':').map(|(_, tag)| tag);
        let behind = tag.map_or(0, |tag| tag.len() + 1);
        Image {
            hub,
            repository: &named[..named.len() - behind],
            tag,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, expecting};
    use crate::fips::Floor;

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
            let read = Image::read(image);
            assert_eq!((read.hub, read.tag), (hub, tag), "{image}");
            assert!(read.repository.ends_with("proxyv2"), "{image}");
        }
    }

    #[test]
    fn what_the_user_asks_for_is_the_floor_of_every_revision() {
        let raised = |floor, policy| {
            let mut expected = expecting("1.31.0-solo");
            let judge = Judge {
                policy,
                floor,
                ..support::JUDGE.clone()
            };
            expected.demand(&judge);
            expected.revisions["default"].fips
        };
        assert!(!raised(None, Policy::Any));
        assert!(raised(Some(Floor::Declared), Policy::Any));
        assert!(raised(None, Policy::FedRamp2026));
        let mut fips = expecting("1.31.0-solo-fips");
        fips.demand(&support::JUDGE);
        assert!(fips.revisions["default"].fips, "nothing is lowered");
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
}
