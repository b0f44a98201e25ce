//! Collects everything that the preflight checks read, in one pass.

use std::collections::{BTreeMap, BTreeSet};

use super::control_plane::{control_planes, homes, split, unconnected};
use super::inventory::{ClusterIndex, inventory};
use super::{
    Before, ControlPlane, Held, Istioctl, MeshInventory, Observed, ProxyKey, Role, RunningGateway,
};
use super::{Served, Webhook, authority, licence, permission, platform, record, webhook};
use crate::sys::cluster::{Cluster, Names, PodPages, Result, Session};

impl Before {
    /// Returns observations without a cluster, which was not contacted for this reason.
    pub fn not_asked(why: &'static str, istioctl: Observed<Istioctl>) -> Before {
        Before {
            istioctl,
            cluster: Observed::NotCollected(why),
            openshift: Observed::NotCollected(why),
            nodes: Observed::NotCollected(why),
            permissions: Observed::NotCollected(why),
            control_planes: Observed::NotCollected(why),
            unconnected: Observed::NotCollected(why),
            webhooks: Observed::NotCollected(why),
            namespaces: Observed::NotCollected(why),
            gateway_api: Observed::NotCollected(why),
            gloo_mesh: Observed::NotCollected(why),
            gateways: Observed::NotCollected(why),
            proxies: Observed::NotCollected(why),
            records: Observed::NotCollected(why),
            images: Observed::NotCollected(why),
            manifests: Observed::NotCollected(why),
            published: Observed::NotCollected(why),
            authority: Observed::NotCollected(why),
            served: Observed::NotCollected(why),
            licences: Observed::NotCollected(why),
        }
    }

    /// Returns observations of a cluster that could not be read, for this reason.
    pub fn unknown(why: &str, istioctl: Observed<Istioctl>) -> Before {
        Before {
            istioctl,
            cluster: Observed::Unknown(why.to_owned()),
            openshift: Observed::Unknown(why.to_owned()),
            nodes: Observed::Unknown(why.to_owned()),
            permissions: Observed::Unknown(why.to_owned()),
            control_planes: Observed::Unknown(why.to_owned()),
            unconnected: Observed::Unknown(why.to_owned()),
            webhooks: Observed::Unknown(why.to_owned()),
            namespaces: Observed::Unknown(why.to_owned()),
            gateway_api: Observed::Unknown(why.to_owned()),
            gloo_mesh: Observed::Unknown(why.to_owned()),
            gateways: Observed::Unknown(why.to_owned()),
            proxies: Observed::Unknown(why.to_owned()),
            records: Observed::Unknown(why.to_owned()),
            images: Observed::NotCollected("the cluster did not answer"),
            manifests: Observed::NotCollected("the cluster did not answer"),
            published: Observed::NotCollected("the cluster did not answer"),
            authority: Observed::Unknown(why.to_owned()),
            served: Observed::Unknown(why.to_owned()),
            licences: Observed::Unknown(why.to_owned()),
        }
    }
}

/// The parts of a plan that determine what is read.
#[derive(Debug, Clone, Copy)]
pub struct ObservationScope<'a> {
    /// The namespace of the planned control plane.
    pub namespace: &'a str,
    /// Whether a FIPS build is planned: certificates are read only then.
    pub fips: bool,
    /// Names of the secrets that the documents take a licence key from.
    pub licences: &'a [String],
}

/// Returns the revisions of the control planes of a cluster; none if the cluster does not answer.
pub fn revisions(cluster: &Cluster) -> Vec<String> {
    let planes = cluster.run(async |session| {
        let webhooks = webhook::webhooks(session, DEFAULT_NAMESPACE).await;
        let homes = homes(webhooks.as_deref().unwrap_or_default(), DEFAULT_NAMESPACE);
        control_planes(session, &homes).await
    });
    let planes = planes.flatten().unwrap_or_default();
    let names: BTreeSet<String> = planes.into_iter().map(|plane| plane.revision).collect();
    names.into_iter().collect()
}

/// The namespace of control planes, unless a webhook leads to another one.
const DEFAULT_NAMESPACE: &str = "istio-system";

/// Reads a cluster, including the permissions that an install needs.
///
/// What could not be read is unknown; after an interruption, everything is.
pub fn before(
    cluster: &Cluster,
    istioctl: Observed<Istioctl>,
    asked: ObservationScope<'_>,
) -> Before {
    match cluster.run(async |session| Box::pin(gather(cluster, session, asked)).await) {
        Ok(facts) => Before { istioctl, ..facts },
        Err(error) => Before::unknown(&error.to_string(), istioctl),
    }
}

async fn gather(cluster: &Cluster, session: &Session, asked: ObservationScope<'_>) -> Before {
    // The list of pods starts now and arrives while the other requests run.
    let pages = session.pods(None, "");
    let (
        version,
        openshift,
        permissions,
        (webhooks, planes, unconnected, records),
        gateway_api,
        gloo_mesh,
        (authority, served),
        licences,
        inventory,
    ) = futures::join!(
        platform::cluster_fact(cluster, session),
        platform::openshift(session),
        permission::permissions(session, asked.namespace, asked.fips),
        meshes(session, asked.namespace),
        platform::gateway_api(session),
        platform::gloo_mesh(session),
        certificates(session, asked),
        licence::secrets(session, asked.namespace, asked.licences),
        places(session, pages),
    );
    let (nodes, namespaces, inventory) = inventory;
    Before {
        istioctl: Observed::NotCollected("the caller knows it"),
        cluster: version,
        openshift: Observed::read(openshift, "get of clusterversions.config.openshift.io"),
        nodes,
        permissions: permissions.into(),
        control_planes: Observed::read(planes, "list of deployments.apps"),
        unconnected: Observed::read(unconnected, "list of deployments.apps"),
        webhooks: Observed::read(webhooks, webhook::RIGHTS),
        namespaces,
        gateway_api: Observed::read(gateway_api, "get of customresourcedefinitions"),
        gloo_mesh,
        gateways: folded(&inventory, gateways),
        proxies: folded(&inventory, by_tag),
        records: Observed::read(records.map(record::Records::all), "get of configmaps"),
        images: Observed::NotCollected("the registry was not asked"),
        manifests: Observed::NotCollected("istioctl was not asked"),
        published: Observed::NotCollected("the registry was not asked"),
        authority,
        served,
        licences,
    }
}

type Meshes = (
    Result<Vec<Webhook>>,
    Result<Vec<ControlPlane>>,
    Result<Names>,
    Result<record::Records>,
);

/// Reads the control planes of the cluster, the webhooks that call them, and their records.
async fn meshes(session: &Session, namespace: &str) -> Meshes {
    let webhooks = webhook::webhooks(session, namespace).await;
    let homes = homes(webhooks.as_deref().unwrap_or_default(), namespace);
    let (planes, unconnected) = futures::join!(
        control_planes(session, &homes),
        unconnected(session, &homes)
    );
    let known = planes.as_deref().unwrap_or_default();
    let records = record::records(session, known).await;
    (webhooks, planes, unconnected, records)
}

/// Reads the certificates of istiod's CA, and those that gateways serve.
async fn certificates(
    session: &Session,
    asked: ObservationScope<'_>,
) -> (Observed<Option<Vec<Held>>>, Observed<Served>) {
    const NOT_PLANNED: &str = "no FIPS build is planned";
    if !asked.fips {
        return (
            Observed::NotCollected(NOT_PLANNED),
            Observed::NotCollected(NOT_PLANNED),
        );
    }
    let (authority, served) = futures::join!(
        authority::authority(session, asked.namespace),
        authority::gateways(session, asked.namespace),
    );
    (authority, Observed::Known(served))
}

type Places = (
    Observed<super::Nodes>,
    Observed<Vec<super::Namespace>>,
    Observed<MeshInventory>,
);

/// Reads nodes, namespaces and proxies.
async fn places(session: &Session, pages: PodPages) -> Places {
    let (nodes, namespaces) =
        futures::join!(platform::nodes(session), platform::namespaces(session));
    let (nodes, stand) = match nodes {
        Ok((nodes, stand)) => (Observed::Known(nodes), stand),
        Err(error) => (Observed::needing(&error, "list of nodes"), BTreeMap::new()),
    };
    let index = ClusterIndex::new(
        namespaces.as_deref().unwrap_or_default(),
        stand,
        BTreeSet::new(),
    );
    let counted = inventory(session, pages, &index, &|_| false).await;
    (
        nodes,
        Observed::read(namespaces, "list of namespaces"),
        Observed::read(counted, "list of pods"),
    )
}

/// Derives a value from the inventory, if the inventory is known.
fn folded<T>(
    inventory: &Observed<MeshInventory>,
    fold: impl Fn(&MeshInventory) -> T,
) -> Observed<T> {
    match inventory {
        Observed::Known(inventory) => Observed::Known(fold(inventory)),
        Observed::Unknown(why) => Observed::Unknown(why.clone()),
        Observed::NotCollected(why) => Observed::NotCollected(why),
    }
}

fn gateways(inventory: &MeshInventory) -> BTreeMap<(String, String), RunningGateway> {
    let of_gateways = inventory
        .groups
        .iter()
        .filter(|(group, _)| group.role == Role::Gateway);
    let named = of_gateways.flat_map(|(group, members)| {
        let owned = members.owners.iter();
        owned.filter_map(|(owner, pods)| {
            let running = RunningGateway {
                revision: group.revision.clone(),
                image: group.image.clone(),
                pods: *pods,
            };
            let name = owner.as_ref()?.name().to_owned();
            Some(((group.namespace.clone(), name), running))
        })
    });
    named.collect()
}

/// Counts proxies by revision, tag and namespace.
fn by_tag(inventory: &MeshInventory) -> BTreeMap<ProxyKey, u64> {
    let mut counts = BTreeMap::new();
    for (group, members) in &inventory.groups {
        if [Role::Sidecar, Role::Gateway].contains(&group.role) {
            let key = ProxyKey {
                revision: group.revision.clone(),
                tag: split(&group.image).1.to_owned(),
                namespace: group.namespace.clone(),
            };
            *counts.entry(key).or_default() += members.pods;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    fn asked(answer: fn(&str) -> (u16, &'static str)) -> Before {
        let service = move |request: Request<Body>| async move {
            let (status, body) = answer(request.uri().path());
            Response::builder()
                .status(status)
                .body(Body::from(body.as_bytes().to_vec()))
                .unwrap()
        };
        let cluster = Cluster::answering(service, Duration::from_secs(5));
        let asked = ObservationScope {
            namespace: "istio-system",
            fips: true,
            licences: &[],
        };
        before(&cluster, Observed::NotCollected("in this test"), asked)
    }

    const EMPTY: &str = r#"{"metadata":{},"items":[]}"#;

    const NONE: (u16, &str) = (404, r#"{"kind":"Status","code":404,"message":"not found"}"#);

    #[test]
    fn an_empty_cluster_is_known_to_be_empty() {
        let facts = asked(|path| match path {
            "/version" => (
                200,
                r#"{"major":"1","minor":"34","gitVersion":"v1.34.2-eks-1","gitCommit":"",
                "gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#,
            ),
            path if path.ends_with("selfsubjectaccessreviews") => {
                (201, r#"{"spec":{},"status":{"allowed":true}}"#)
            }
            path if path.contains("clusterversions") || path.contains("gateways.gateway") => NONE,
            path if path.contains("secrets") => NONE,
            _ => (200, EMPTY),
        });
        assert_eq!(
            facts.cluster.known().unwrap().version.as_str(),
            "v1.34.2-eks-1"
        );
        assert_eq!(facts.openshift, Observed::Known(None));
        assert_eq!(facts.gateway_api, Observed::Known(None));
        assert_eq!(facts.control_planes, Observed::Known(Vec::new()));
        assert_eq!(facts.proxies, Observed::Known(BTreeMap::new()));
        assert_eq!(facts.records, Observed::Known(Vec::new()));
        assert_eq!(facts.authority, Observed::Known(None));
    }

    #[test]
    fn what_is_forbidden_is_unknown_with_the_words_of_the_server_and_the_right() {
        let facts = asked(|_| {
            (
                403,
                r#"{"kind":"Status","code":403,"message":"cannot list"}"#,
            )
        });
        let why = |right: &str| format!("forbidden: cannot list; allow {right}");
        let planes = why("list of deployments.apps");
        assert_eq!(facts.control_planes, Observed::Unknown(planes));
        assert_eq!(facts.nodes, Observed::Unknown(why("list of nodes")));
        assert_eq!(
            facts.namespaces,
            Observed::Unknown(why("list of namespaces"))
        );
        assert_eq!(facts.proxies, Observed::Unknown(why("list of pods")));
        let openshift = why("get of clusterversions.config.openshift.io");
        assert_eq!(facts.openshift, Observed::Unknown(openshift));
    }
}
