//! The builds that must run, and whether an image is one of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::{Address, ControlPlane, Injected, Manager, PinnedName, PodGroupKey, Role};
use crate::report::{Finding, Severity, Subject};
use crate::sys::cluster::Names;
use fips_evidence::{CertificatePolicy, Judge};
use istio_builds::{ImageRef, ImageTag};

use super::mismatch::Mismatch;

/// The source of an expectation; it is shown because a result depends on what it was judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The plan of this run.
    Plan,
    /// The record of an earlier install.
    Record,
    /// No usable record exists: the image of istiod itself.
    Istiod,
}

impl Source {
    /// Returns the source as text that follows `judged by`.
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
    /// Digests that the registry has under this hub and tag, or that the revision's own injector sets: an image
    /// with another digest is another build, whatever its tag.
    pub digests: BTreeSet<PinnedName>,
    /// Whether programs are judged by required assurance and policy: plan or record say FIPS, or the user
    /// requests it.
    pub fips: bool,
}

/// What must run, by revision; every other revision belongs to another mesh: its pods are counted, never
/// judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    pub revisions: BTreeMap<String, Wanted>,
    /// `namespace/name` of the gateway Deployments that the install itself changed.
    pub gateways: BTreeSet<String>,
    /// Revisions out of scope that have a webhook, with the namespaces of the Services that it calls. The set
    /// is empty for a control plane outside of the cluster.
    pub others: BTreeMap<String, BTreeSet<String>>,
}

impl Expectation {
    /// Returns the build that a program must run; `None` if it belongs to another mesh.
    ///
    /// The revision that a pod names is a claim: it belongs to another mesh only if that mesh exists in the
    /// cluster and the program gets its configuration from it. Everything else is judged.
    ///
    /// The charts give install-cni no revision, and ztunnel the revision of its mesh, if that has one. Without
    /// a revision, they serve every mesh of the cluster and are judged by the FIPS builds first, unless a
    /// control plane out of scope that an operator manages runs their build.
    pub fn of(&self, group: &PodGroupKey, planes: &[ControlPlane]) -> Option<&Wanted> {
        let claimed = self.revisions.get(&group.revision);
        if group.role == Role::Istiod {
            return claimed.filter(|_| is_home(&group.namespace, planes));
        }
        let named = !serves_all(group);
        if named && (claimed.is_some() || self.is_of_other_mesh(group, planes)) {
            return claimed;
        }
        let strict = self.revisions.values().any(|wanted| wanted.fips);
        let mut able = self
            .revisions
            .values()
            .filter(|wanted| wanted.fips == strict);
        let of_operator = |plane: &&ControlPlane| matches!(plane.manager, Manager::Operator { .. });
        let own = able
            .clone()
            .find(|wanted| wanted.differs(&group.image).is_none());
        own.or_else(|| {
            let foreign = self
                .elsewhere(&group.image, planes)
                .any(|plane| of_operator(&plane));
            able.next().filter(|_| named || !foreign)
        })
    }

    /// Checks whether the other mesh that a program names configures it: a Service with that name elsewhere is
    /// not its istiod.
    fn is_of_other_mesh(&self, group: &PodGroupKey, planes: &[ControlPlane]) -> bool {
        let named = &group.revision;
        let hooked = self.others.get(named);
        let mut homes = hooked.cloned().unwrap_or_default();
        let own = planes.iter().filter(|plane| plane.revision == *named);
        homes.extend(own.map(|plane| plane.namespace.clone()));
        let is_here = hooked.is_some() || !homes.is_empty();
        let leads = |address: &Address| match address {
            Address::Istiod {
                namespace,
                revision,
            } => revision == named && (homes.is_empty() || homes.contains(namespace)),
            Address::Other => false,
        };
        let connected = !group.connects.is_empty() && group.connects.iter().all(leads);
        is_here && (connected || group.role == Role::Cni)
    }

    /// Returns the control planes out of scope that run the build of an image.
    pub(super) fn elsewhere<'a>(
        &'a self,
        image: &'a str,
        planes: &'a [ControlPlane],
    ) -> impl Iterator<Item = &'a ControlPlane> {
        let image: Option<ImageRef> = image.parse().ok();
        let is_of_build = move |plane: &ControlPlane| {
            let running: Option<ImageRef> = plane.image.parse().ok();
            running
                .zip(image.as_ref())
                .is_some_and(|(running, image)| running.is_of_build(image))
        };
        planes.iter().filter(move |plane| {
            is_of_build(plane) && !self.revisions.contains_key(&plane.revision)
        })
    }

    /// Requires FIPS of every revision if the user requests an assurance or policy, whatever plan, record and
    /// tags say.
    pub fn demand(&mut self, judge: &Judge) {
        for wanted in self.revisions.values_mut() {
            wanted.fips |= demanded(judge).is_some();
        }
    }
}

/// Checks whether a program runs per node and names no revision, so that it serves every mesh.
pub(super) fn serves_all(group: &PodGroupKey) -> bool {
    /// The revision in the inventory of a pod that names none.
    const UNNAMED: &str = "default";
    matches!(group.role, Role::Ztunnel | Role::Cni) && group.revision == UNNAMED
}

/// Checks whether a namespace has one of these control planes; if none is known, any namespace may have one.
pub(super) fn is_home(namespace: &str, planes: &[ControlPlane]) -> bool {
    planes.is_empty() || planes.iter().any(|plane| plane.namespace == namespace)
}

/// Reports Deployments that are labelled as istiod in namespaces that no webhook of Istio calls: each is
/// listed, and not used to judge anything.
pub(super) fn unconnected(named: &Names, severity: Severity) -> Vec<Finding> {
    let finding = |(namespace, name): &(String, String)| {
        Finding::new(
            "unknown-istiod",
            severity,
            "is labelled app=istiod and is not a known control plane",
        )
        .subject(Subject::deployment(namespace, name))
        .why("no webhook of Istio leads to its namespace, so that nothing is judged by it")
        .fix("if it is a control plane of yours, name its namespace by -i; else remove the label")
    };
    let more = named.more.then(|| {
        let more = "more Deployments are labelled app=istiod than are listed here";
        Finding::new("more-unknown-istiods", severity, more)
    });
    named.places.iter().map(finding).chain(more).collect()
}

/// Returns what the user requires of every program, as text; `None` if neither an assurance nor a policy is
/// requested.
pub(super) fn demanded(judge: &Judge) -> Option<String> {
    match (judge.floor, judge.policy) {
        (None, CertificatePolicy::Any) => None,
        (None, policy) => Some(format!("what policy {policy} takes")),
        (Some(floor), policy) => Some(format!("{floor} at least, by policy {policy}")),
    }
}

/// Returns name and digest of an image that is pinned by digest.
fn pinned_name(image: &ImageRef) -> Option<PinnedName> {
    Some(PinnedName {
        name: image.name().to_owned(),
        digest: image.digest()?.to_owned(),
    })
}

impl Wanted {
    /// Returns the reference to look up at a registry, if an image has the wanted hub and tag and is pinned by
    /// an unknown digest.
    pub fn to_confirm(&self, image: &str) -> Option<String> {
        let unconfirmed = matches!(self.differs(image)?, Mismatch::Digest { .. });
        let image: ImageRef = image.parse().ok()?;
        unconfirmed.then(|| format!("{}:{}", image.repository(), self.tag))
    }

    /// Accepts the digests that the revision's own injector sets.
    pub fn accept_injected(&mut self, injected: &Injected) {
        let images = injected
            .images
            .values()
            .filter_map(|image| image.parse().ok());
        self.digests
            .extend(images.filter_map(|image| pinned_name(&image)));
    }

    /// Returns the image as `hub/…:tag` for messages.
    pub fn image(&self) -> String {
        format!("{}/…:{}", self.hub, self.tag)
    }

    /// Returns how an image differs from the wanted one.
    pub(super) fn differs(&self, image: &str) -> Option<Mismatch> {
        let Ok(running) = image.parse::<ImageRef>() else {
            return Some(Mismatch::NotAReference(image.to_owned()));
        };
        let Some(tag) = running.tag() else {
            return Some(Mismatch::Untagged(image.to_owned()));
        };
        if tag != self.tag.to_string() {
            return Some(Mismatch::Tag {
                runs: tag.to_owned(),
                wanted: self.tag.to_string(),
            });
        }
        if !running.is_from_hub(&self.hub) {
            return Some(Mismatch::Hub {
                runs: running.hub().to_owned(),
                wanted: self.hub.clone(),
            });
        }
        let pinned = pinned_name(&running)?;
        (!self.digests.contains(&pinned)).then(|| Mismatch::Digest {
            digest: pinned.digest,
            tag: tag.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, expecting};
    use fips_evidence::RequiredAssurance;

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
        assert!(!raised(None, CertificatePolicy::Any));
        assert!(raised(
            Some(RequiredAssurance::Declared),
            CertificatePolicy::Any
        ));
        assert!(raised(None, CertificatePolicy::FedRamp2026));
        let mut fips = expecting("1.31.0-solo-fips");
        fips.demand(&support::JUDGE);
        assert!(fips.revisions["default"].fips, "nothing is lowered");
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table of cases")]
    fn a_program_is_of_another_mesh_only_where_that_one_configures_it() {
        let here = [
            support::control_plane("default", "1.31.0"),
            support::control_plane("other", "1.30.0"),
        ];
        let (ours, other, odd) = (
            support::connected("default"),
            support::connected("other"),
            Address::Other,
        );
        for (role, revision, connects, judged) in [
            (Role::Sidecar, "default", vec![&ours], true),
            (Role::Sidecar, "default", vec![&other], true),
            (Role::Sidecar, "other", vec![&other], false),
            (Role::Sidecar, "other", vec![&ours], true),
            (Role::Sidecar, "other", vec![&other, &ours], true),
            (Role::Sidecar, "other", vec![&odd], true),
            (Role::Sidecar, "other", vec![], true),
            (Role::Gateway, "ghost", vec![&ours], true),
            (
                Role::Agentgateway,
                "ghost",
                vec![&support::connected("ghost")],
                true,
            ),
            (
                Role::Ztunnel,
                "ghost",
                vec![&support::connected("ghost")],
                true,
            ),
            (Role::Cni, "ghost", vec![], true),
            (Role::Cni, "other", vec![], false),
        ] {
            let group = PodGroupKey {
                revision: revision.to_owned(),
                connects: connects.into_iter().cloned().collect(),
                ..support::group(role, "shop", "1.31.0")
            };
            let expected = expecting("1.31.0");
            let wanted = expected.of(&group, &here).is_some();
            assert_eq!(wanted, judged, "{role:?} {revision} {:?}", group.connects);
        }
        let mut expected = expecting("1.31.0");
        let remote = PodGroupKey {
            revision: "remote".to_owned(),
            connects: BTreeSet::from([support::connected("remote")]),
            ..support::group(Role::Sidecar, "shop", "1.31.0")
        };
        for (homes, judged) in [
            (vec![], false),
            (vec!["istio-system"], false),
            (vec!["elsewhere"], true),
        ] {
            let homes = homes.into_iter().map(str::to_owned).collect();
            expected.others.insert("remote".to_owned(), homes);
            assert_eq!(
                expected.of(&remote, &here).is_some(),
                judged,
                "{expected:?}"
            );
        }
    }

    #[test]
    fn an_istiod_outside_of_the_namespaces_of_control_planes_is_none() {
        let here = [support::control_plane("default", "1.31.0")];
        let expected = expecting("1.31.0");
        for (namespace, judged) in [("istio-system", true), ("shop", false)] {
            let group = support::group(Role::Istiod, namespace, "1.31.0");
            assert_eq!(expected.of(&group, &here).is_some(), judged, "{namespace}");
        }
    }

    #[test]
    fn version_flavour_and_hub_all_count() {
        let wanted = Wanted {
            hub: "r.io/a".into(),
            tag: "1.31.0-solo-fips".parse().unwrap(),
            source: Source::Plan,
            digests: BTreeSet::new(),
            fips: true,
        };
        assert_eq!(wanted.differs("r.io/a/proxyv2:1.31.0-solo-fips"), None);
        for (image, words) in [
            ("r.io/a/proxyv2:1.31.1-solo-fips", "runs 1.31.1-solo-fips"),
            ("r.io/a/proxyv2:1.31.0-solo", "runs 1.31.0-solo,"),
            ("r.io/b/proxyv2:1.31.0-solo-fips", "runs from r.io/b"),
            ("r.io/a/proxyv2@sha256:00", "is not an image reference"),
            ("r.io/a/proxyv2", "has no tag"),
            ("$(touch pwned)", "is not an image reference"),
        ] {
            let difference = wanted.differs(image).unwrap().to_string();
            assert!(difference.contains(words), "{image}: {difference}");
        }
    }

    #[test]
    fn a_digest_counts_more_than_the_tag_before_it() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let pinned = format!("r.io/a/proxyv2:1.31.0-solo-fips@{digest}");
        let mut wanted = Wanted {
            hub: "r.io/a".into(),
            tag: "1.31.0-solo-fips".parse().unwrap(),
            source: Source::Plan,
            digests: BTreeSet::new(),
            fips: true,
        };
        let tag = "1.31.0-solo-fips".to_owned();
        let unknown = Mismatch::Digest {
            digest: digest.clone(),
            tag,
        };
        assert_eq!(wanted.differs(&pinned), Some(unknown.clone()));
        let to_ask = Some("r.io/a/proxyv2:1.31.0-solo-fips".to_owned());
        assert_eq!(wanted.to_confirm(&pinned), to_ask);
        let named = |name: &str| PinnedName {
            name: name.to_owned(),
            digest: digest.clone(),
        };
        wanted.digests.insert(named("pilot"));
        assert_eq!(wanted.differs(&pinned), Some(unknown), "of another image");
        wanted.digests.insert(named("proxyv2"));
        assert_eq!(wanted.differs(&pinned), None);
        assert_eq!(wanted.to_confirm(&pinned), None);
    }
}
