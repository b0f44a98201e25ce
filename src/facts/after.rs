//! Everything that the After checks look at, asked at once.

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

/// Control planes, and what was written down of them.
#[derive(Debug)]
pub struct Installed {
    pub planes: Vec<ControlPlane>,
    pub records: Records,
    /// Where a `ConfigMap` is that looks like a record and belongs to none of them.
    pub strays: Observed<Vec<(String, String)>>,
    /// Deployments elsewhere that call themselves istiod.
    pub unconnected: Names,
}

/// The control planes in a namespace, or in all that have some, and what was written down of them.
pub fn installed(cluster: &Cluster, namespace: Option<&str>) -> Result<Installed> {
    let found = cluster.run(async |session| {
        let homes = if let Some(namespace) = namespace {
            BTreeSet::from([namespace.to_owned()])
        } else {
            // Without the right to list them, the usual namespace is what is known.
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

/// Asks a cluster what runs.
///
/// For each of the `revisions` a pod is created as a dry run, outside of `namespace`, that of the
/// control plane; where a revision expects FIPS, its programs are asked what they say of it, and its
/// pods are compared with what its injector produces. What could not be read is unknown; the only error
/// is an interruption.
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
    // The list is under way while the rest is asked.
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

/// What was answered of the cluster before its pods are looked at.
struct Surroundings<'a> {
    nodes: Result<(Nodes, BTreeMap<String, NodeInfo>)>,
    namespaces: Result<Vec<Namespace>>,
    /// Namespaces of control planes.
    homes: &'a BTreeSet<String>,
    permitted: Permitted,
}

/// Revisions that are compared with nothing, since no FIPS is expected of them.
fn uncompared(revisions: &BTreeMap<&str, bool>) -> BTreeSet<String> {
    let plain = revisions.iter().filter(|(_, fips)| !**fips);
    plain.map(|(revision, _)| (*revision).to_owned()).collect()
}

/// Nodes and namespaces, and what runs and would run there.
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
    // What a pod stands on is worth less than the inventory: the gaps are facts of their own.
    let (nodes, stand) = nodes.map_or_else(
        |error| (Observed::needing(&error, "list of nodes"), BTreeMap::new()),
        |(nodes, stand)| (Observed::Known(nodes), stand),
    );
    let namespaces = Observed::read(namespaces, "list of namespaces");
    let known = namespaces.known().map(Vec::as_slice).unwrap_or_default();
    // What a pod names is a claim: programs of other revisions are asked too.
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
