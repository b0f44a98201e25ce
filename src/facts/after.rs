//! Everything that the After checks look at, asked at once.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::census::{Grounds, census};
use super::control_plane::control_planes;
use super::injected::injected;
use super::{After, Census, Class, Fact, Injected, Namespace};
use super::{platform, record, webhook};
use crate::sys::cluster::{Cluster, PodPages, Result, Session};

/// Asks a cluster what runs: a dry-run pod for each of `revisions`, and what the pods of the classes
/// that `asks` names say of FIPS.
///
/// The only error is an interruption: what could not be read is unknown.
pub fn after(
    cluster: &Cluster,
    revisions: &[String],
    asks: &dyn Fn(&Class) -> bool,
) -> Result<After> {
    cluster.run(async |session| gather(cluster, session, revisions, asks).await)
}

async fn gather(
    cluster: &Cluster,
    session: &Session,
    revisions: &[String],
    asks: &dyn Fn(&Class) -> bool,
) -> After {
    // The list is under way while the rest is asked.
    let pages = session.pods("");
    let (version, planes, webhooks, crds, records, places) = futures::join!(
        platform::cluster_fact(cluster, session),
        control_planes(session),
        webhook::webhooks(session),
        platform::crds(session),
        record::records(session),
        places(session, pages, revisions, asks),
    );
    let (namespaces, census, injected) = places;
    After {
        cluster: version,
        control_planes: planes.into(),
        webhooks: webhooks.into(),
        namespaces,
        crds: crds.into(),
        census,
        injected,
        records: records.into(),
    }
}

type Places = (
    Fact<Vec<Namespace>>,
    Fact<Census>,
    BTreeMap<String, Fact<Injected>>,
);

/// Namespaces, and what runs and would run in them.
async fn places(
    session: &Session,
    pages: PodPages,
    revisions: &[String],
    asks: &dyn Fn(&Class) -> bool,
) -> Places {
    let (nodes, namespaces) =
        futures::join!(platform::nodes(session), platform::namespaces(session));
    // Without nodes there is no architecture; the census is worth having all the same.
    let stand = nodes.map(|(_, stand)| stand).unwrap_or_default();
    let known = namespaces.as_deref().unwrap_or_default();
    let grounds = Grounds::new(known, stand);
    let probing = revisions
        .iter()
        .map(async |revision| (revision.clone(), injected(session, revision, known).await));
    let (counted, injected) =
        futures::join!(census(session, pages, &grounds, asks), join_all(probing));
    let injected = injected.into_iter().collect();
    (namespaces.into(), counted.into(), injected)
}
