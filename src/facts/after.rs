//! Collects everything that the checks after an install read, in one pass.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::control_plane::{control_planes, homes, unconnected};
use super::genuine::{Permitted, permitted};
use super::injected::injected;
use super::inventory::{ClusterIndex, inventory};
use super::platform::NodeInfo;
use super::webhook::RIGHTS as HOOKS;
use super::{
    After, ControlPlane, Injected, MeshInventory, Namespace, Nodes, Observed, PodGroupKey, Records,
    Reference,
};
use super::{platform, record, webhook};
use crate::plan::DEFAULT_NAMESPACE;
use crate::sys::cluster::{Cluster, Names, PodPages, Result, Session};

/// The control planes of a cluster, and their records.
#[derive(Debug)]
pub struct Installed {
    pub planes: Vec<ControlPlane>,
    pub records: Records,
    /// Namespace and name of each `ConfigMap` that looks like a record and belongs to none of these control
    /// planes.
    pub strays: Observed<Vec<(String, String)>>,
    /// Deployments in other namespaces that are labelled as istiod.
    pub unconnected: Names,
}

/// Returns the control planes in a namespace, or in all that have some, with their records.
pub fn installed(cluster: &Cluster, namespace: Option<&str>) -> Result<Installed> {
    let found = cluster.run(async |session| {
        let homes = if let Some(namespace) = namespace {
            BTreeSet::from([namespace.to_owned()])
        } else {
            // Without the right to list webhooks, only the default namespace is known.
            let hooks = webhook::configurations(session).await;
            homes(&hooks.unwrap_or_default(), DEFAULT_NAMESPACE)
        };
        let (planes, unconnected) = futures::join!(
            control_planes(session, &homes),
            unconnected(session, &homes)
        );
        let planes = planes?;
        let (records, strays) = futures::join!(
            record::records(session, &planes),
            record::strays(session, &planes)
        );
        let records = records?;
        let unconnected = unconnected.unwrap_or_default();
        Ok(Installed {
            planes,
            records,
            strays: strays.into(),
            unconnected,
        })
    });
    found?
}

/// Reads what runs in a cluster.
///
/// For each of the `revisions`, a pod is created as a dry run outside of `namespace`, which is that of the
/// control plane. If a revision expects FIPS, its programs are queried for their FIPS report, and its pods are
/// compared with what its injector produces. What could not be read is unknown; the only error is an
/// interruption.
pub fn after(
    cluster: &Cluster,
    revisions: &BTreeMap<&str, bool>,
    namespace: &str,
) -> Result<After> {
    cluster.run(async |session| Box::pin(gather(cluster, session, revisions, namespace)).await)
}

async fn gather(
    cluster: &Cluster,
    session: &Session,
    revisions: &BTreeMap<&str, bool>,
    namespace: &str,
) -> After {
    // The list of pods starts now and arrives while the other requests run.
    let pages = session.pods(None, "");
    let fips = revisions.iter().filter(|(_, fips)| **fips);
    let fips: Vec<&str> = fips.map(|(revision, _)| *revision).collect();
    let (version, webhooks, crds, nodes, namespaces, permitted) = futures::join!(
        platform::cluster_fact(cluster, session),
        webhook::webhooks(session, namespace),
        platform::crds(session),
        platform::nodes(session),
        platform::namespaces(session),
        permitted(session, &fips),
    );
    let known = webhooks.as_deref().unwrap_or_default();
    let homes = homes(known, namespace);
    let surroundings = Surroundings {
        nodes,
        namespaces,
        homes: &homes,
        permitted,
    };
    let (planes, unconnected, around) = futures::join!(
        control_planes(session, &homes),
        unconnected(session, &homes),
        places(session, pages, revisions, surroundings, namespace),
    );
    let (nodes, namespaces, inventory, injected, references) = around;
    After {
        cluster: version,
        control_planes: Observed::read(planes, "list of deployments.apps"),
        unconnected: Observed::read(unconnected, "list of deployments.apps"),
        webhooks: Observed::read(webhooks, HOOKS),
        nodes,
        namespaces,
        crds: Observed::read(crds, "list of customresourcedefinitions"),
        inventory,
        images: BTreeMap::new(),
        unreached: BTreeMap::new(),
        injected,
        references,
    }
}

type Places = (
    Observed<Nodes>,
    Observed<Vec<Namespace>>,
    Observed<MeshInventory>,
    BTreeMap<String, Observed<Injected>>,
    BTreeMap<String, Observed<Reference>>,
);

/// What is known about the cluster before its pods are read.
struct Surroundings<'a> {
    nodes: Result<(Nodes, BTreeMap<String, NodeInfo>)>,
    namespaces: Result<Vec<Namespace>>,
    /// Namespaces of control planes.
    homes: &'a BTreeSet<String>,
    permitted: Permitted,
}

/// Returns the revisions with pods that are compared with nothing, since they do not expect FIPS.
fn uncompared(revisions: &BTreeMap<&str, bool>) -> BTreeSet<String> {
    let plain = revisions.iter().filter(|(_, fips)| !**fips);
    plain.map(|(revision, _)| (*revision).to_owned()).collect()
}

/// Reads nodes and namespaces, the pods there, and what the injectors would do there.
async fn places(
    session: &Session,
    pages: PodPages,
    revisions: &BTreeMap<&str, bool>,
    surroundings: Surroundings<'_>,
    namespace: &str,
) -> Places {
    let Surroundings {
        nodes,
        namespaces,
        homes,
        permitted,
    } = surroundings;
    // Missing nodes or namespaces must not hide the inventory: each gap is reported as an unknown value of its
    // own.
    let (nodes, stand) = nodes.map_or_else(
        |error| (Observed::needing(&error, "list of nodes"), BTreeMap::new()),
        |(nodes, stand)| (Observed::Known(nodes), stand),
    );
    let namespaces = Observed::read(namespaces, "list of namespaces");
    let known = namespaces.known().map(Vec::as_slice).unwrap_or_default();
    // The revision in a pod is a claim: if any revision expects FIPS, programs that name an unknown revision
    // are queried too.
    let any = revisions.values().any(|fips| *fips);
    let asked_first = if any { homes.clone() } else { BTreeSet::new() };
    let mut index = ClusterIndex::new(known, stand, asked_first);
    index.permitted = permitted;
    index.permitted.uncompared = uncompared(revisions);
    index.permitted.homes.extend(homes.iter().cloned());
    let outside: Vec<&Namespace> = known.iter().filter(|it| it.name != namespace).collect();
    let probing = revisions.keys().map(async |&revision| {
        let fact = match &namespaces {
            Observed::Unknown(why) => Observed::Unknown(why.clone()),
            _ => injected(session, revision, &outside).await,
        };
        (revision.to_owned(), fact)
    });
    let asks = |group: &PodGroupKey| *revisions.get(group.revision.as_str()).unwrap_or(&any);
    let (counted, injected) =
        futures::join!(inventory(session, pages, &index, &asks), join_all(probing));
    let injected = injected.into_iter().collect();
    let Permitted { references, .. } = index.permitted;
    let counted = Observed::read(counted, "list of pods");
    (nodes, namespaces, counted, injected, references)
}
