//! Everything that the After checks look at, asked at once.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::census::{Grounds, census};
use super::control_plane::control_planes;
use super::genuine::{Permitted, permitted};
use super::injected::injected;
use super::{
    After, Census, Class, ControlPlane, Fact, Injected, Namespace, Nodes, Records, Reference,
};
use super::{platform, record, webhook};
use crate::sys::cluster::{Cluster, PodPages, Result, Session};

/// Control planes and records.
pub type Installed = (Vec<ControlPlane>, Records);

/// The control planes in a namespace, or in all, and what was written down of them.
pub fn installed(cluster: &Cluster, namespace: Option<&str>) -> Result<Installed> {
    let found = cluster.run(async |session| {
        futures::join!(
            control_planes(session, namespace),
            record::records(session, namespace)
        )
    });
    let (planes, records) = found?;
    Ok((planes?, records?))
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
    let (version, planes, webhooks, crds, surroundings) = futures::join!(
        platform::cluster_fact(cluster, session),
        control_planes(session, None),
        webhook::webhooks(session),
        platform::crds(session),
        places(session, pages, revisions, namespace),
    );
    let (nodes, namespaces, census, injected, references) = surroundings;
    After {
        cluster: version,
        control_planes: planes.into(),
        webhooks: webhooks.into(),
        nodes,
        namespaces,
        crds: crds.into(),
        census,
        images: BTreeMap::new(),
        unreached: BTreeMap::new(),
        injected,
        references,
    }
}

type Places = (
    Fact<Nodes>,
    Fact<Vec<Namespace>>,
    Fact<Census>,
    BTreeMap<String, Fact<Injected>>,
    BTreeMap<String, Fact<Reference>>,
);

/// Nodes and namespaces, and what runs and would run there.
async fn places(
    session: &Session,
    pages: PodPages,
    revisions: &BTreeMap<&str, bool>,
    namespace: &str,
) -> Places {
    let asks = |class: &Class| revisions.get(class.revision.as_str()) == Some(&true);
    let fips = revisions.iter().filter(|(_, fips)| **fips);
    let fips: Vec<&str> = fips.map(|(revision, _)| *revision).collect();
    let (nodes, namespaces, permitted) = futures::join!(
        platform::nodes(session),
        platform::namespaces(session),
        permitted(session, &fips),
    );
    // What a pod stands on is worth less than the census: the gaps are facts of their own.
    let (nodes, stand) = nodes.map_or_else(
        |error| (Fact::needing(&error, "list of nodes"), BTreeMap::new()),
        |(nodes, stand)| (Fact::Known(nodes), stand),
    );
    let namespaces = namespaces.map_or_else(
        |error| Fact::needing(&error, "list of namespaces"),
        Fact::Known,
    );
    let known = namespaces.known().map(Vec::as_slice).unwrap_or_default();
    let mut grounds = Grounds::new(known, stand);
    grounds.permitted = permitted;
    let outside: Vec<&Namespace> = known.iter().filter(|it| it.name != namespace).collect();
    let probing = revisions.keys().map(async |&revision| {
        let fact = match &namespaces {
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
            _ => injected(session, revision, &outside).await,
        };
        (revision.to_owned(), fact)
    });
    let (counted, injected) =
        futures::join!(census(session, pages, &grounds, &asks), join_all(probing));
    let injected = injected.into_iter().collect();
    let Permitted { references, .. } = grounds.permitted;
    (nodes, namespaces, counted.into(), injected, references)
}
