//! Everything that the Before checks look at, asked at once.

use std::collections::{BTreeMap, BTreeSet};

use super::census::{Grounds, census};
use super::control_plane::{control_planes, homes, split, unconnected};
use super::{Before, Census, ControlPlane, Fact, Held, Istioctl, ProxyKey, Role, RunningGateway};
use super::{Served, Webhook, authority, licence, permission, platform, record, webhook};
use crate::sys::cluster::{Cluster, Names, PodPages, Result, Session};

impl Before {
    /// Nothing of the cluster is asked, for this reason.
    pub fn not_asked(why: &'static str, istioctl: Fact<Istioctl>) -> Before {
        Before {
            istioctl,
            cluster: Fact::NotAsked(why),
            openshift: Fact::NotAsked(why),
            nodes: Fact::NotAsked(why),
            permissions: Fact::NotAsked(why),
            control_planes: Fact::NotAsked(why),
            unconnected: Fact::NotAsked(why),
            webhooks: Fact::NotAsked(why),
            namespaces: Fact::NotAsked(why),
            gateway_api: Fact::NotAsked(why),
            gloo_mesh: Fact::NotAsked(why),
            gateways: Fact::NotAsked(why),
            proxies: Fact::NotAsked(why),
            records: Fact::NotAsked(why),
            images: Fact::NotAsked(why),
            manifests: Fact::NotAsked(why),
            published: Fact::NotAsked(why),
            authority: Fact::NotAsked(why),
            served: Fact::NotAsked(why),
            licences: Fact::NotAsked(why),
        }
    }

    /// Nothing of the cluster could be asked, for this reason.
    pub fn unknown(why: &str, istioctl: Fact<Istioctl>) -> Before {
        Before {
            istioctl,
            cluster: Fact::Unknown(why.to_owned()),
            openshift: Fact::Unknown(why.to_owned()),
            nodes: Fact::Unknown(why.to_owned()),
            permissions: Fact::Unknown(why.to_owned()),
            control_planes: Fact::Unknown(why.to_owned()),
            unconnected: Fact::Unknown(why.to_owned()),
            webhooks: Fact::Unknown(why.to_owned()),
            namespaces: Fact::Unknown(why.to_owned()),
            gateway_api: Fact::Unknown(why.to_owned()),
            gloo_mesh: Fact::Unknown(why.to_owned()),
            gateways: Fact::Unknown(why.to_owned()),
            proxies: Fact::Unknown(why.to_owned()),
            records: Fact::Unknown(why.to_owned()),
            images: Fact::NotAsked("the cluster did not answer"),
            manifests: Fact::NotAsked("the cluster did not answer"),
            published: Fact::NotAsked("the cluster did not answer"),
            authority: Fact::Unknown(why.to_owned()),
            served: Fact::Unknown(why.to_owned()),
            licences: Fact::Unknown(why.to_owned()),
        }
    }
}

/// What is planned, as far as the questions depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Where the control plane will be.
    pub namespace: &'a str,
    /// Whether a FIPS build is planned: only then certificates are read.
    pub fips: bool,
    /// Names of the secrets that the documents take a licence key from.
    pub licences: &'a [String],
}

/// The revisions of the control planes of a cluster; none where it does not answer.
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

/// Where control planes are, unless a webhook leads elsewhere.
const DEFAULT_NAMESPACE: &str = "istio-system";

/// Asks a cluster, permissions for an install among the rest.
///
/// What could not be read is unknown, after an interruption everything.
pub fn before(cluster: &Cluster, istioctl: Fact<Istioctl>, asked: Asked<'_>) -> Before {
    match cluster.run(async |session| Box::pin(gather(cluster, session, asked)).await) {
        Ok(facts) => Before { istioctl, ..facts },
        Err(error) => Before::unknown(&error.to_string(), istioctl),
    }
}

async fn gather(cluster: &Cluster, session: &Session, asked: Asked<'_>) -> Before {
    // The list is under way while the rest is asked.
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
        census,
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
    let (nodes, namespaces, census) = census;
    Before {
        istioctl: Fact::NotAsked("the caller knows it"),
        cluster: version,
        openshift: Fact::read(openshift, "get of clusterversions.config.openshift.io"),
        nodes,
        permissions: permissions.into(),
        control_planes: Fact::read(planes, "list of deployments.apps"),
        unconnected: Fact::read(unconnected, "list of deployments.apps"),
        webhooks: Fact::read(webhooks, webhook::RIGHTS),
        namespaces,
        gateway_api: Fact::read(gateway_api, "get of customresourcedefinitions"),
        gloo_mesh,
        gateways: folded(&census, gateways),
        proxies: folded(&census, by_tag),
        records: Fact::read(records.map(record::Records::all), "get of configmaps"),
        images: Fact::NotAsked("the registry was not asked"),
        manifests: Fact::NotAsked("istioctl was not asked"),
        published: Fact::NotAsked("the registry was not asked"),
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

/// The control planes of the cluster, what leads to them, and what was written down of them.
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

/// Those of the authority, and those that gateways show.
async fn certificates(
    session: &Session,
    asked: Asked<'_>,
) -> (Fact<Option<Vec<Held>>>, Fact<Served>) {
    const NOT_PLANNED: &str = "no FIPS build is planned";
    if !asked.fips {
        return (Fact::NotAsked(NOT_PLANNED), Fact::NotAsked(NOT_PLANNED));
    }
    let (authority, served) = futures::join!(
        authority::authority(session, asked.namespace),
        authority::gateways(session, asked.namespace),
    );
    (authority, Fact::Known(served))
}

type Places = (
    Fact<super::Nodes>,
    Fact<Vec<super::Namespace>>,
    Fact<Census>,
);

/// Nodes and namespaces, and the proxies on and in them.
async fn places(session: &Session, pages: PodPages) -> Places {
    let (nodes, namespaces) =
        futures::join!(platform::nodes(session), platform::namespaces(session));
    let (nodes, stand) = match nodes {
        Ok((nodes, stand)) => (Fact::Known(nodes), stand),
        Err(error) => (Fact::needing(&error, "list of nodes"), BTreeMap::new()),
    };
    let grounds = Grounds::new(
        namespaces.as_deref().unwrap_or_default(),
        stand,
        BTreeSet::new(),
    );
    let counted = census(session, pages, &grounds, &|_| false).await;
    (
        nodes,
        Fact::read(namespaces, "list of namespaces"),
        Fact::read(counted, "list of pods"),
    )
}

/// A fact made of the census.
fn folded<T>(census: &Fact<Census>, fold: impl Fn(&Census) -> T) -> Fact<T> {
    match census {
        Fact::Known(census) => Fact::Known(fold(census)),
        Fact::Unknown(why) => Fact::Unknown(why.clone()),
        Fact::NotAsked(why) => Fact::NotAsked(why),
    }
}

fn gateways(census: &Census) -> BTreeMap<(String, String), RunningGateway> {
    let of_gateways = census
        .classes
        .iter()
        .filter(|(class, _)| class.role == Role::Gateway);
    let named = of_gateways.flat_map(|(class, members)| {
        let owned = members.owners.iter();
        owned.filter_map(|(owner, pods)| {
            let running = RunningGateway {
                revision: class.revision.clone(),
                image: class.image.clone(),
                pods: *pods,
            };
            let name = owner.as_ref()?.name().to_owned();
            Some(((class.namespace.clone(), name), running))
        })
    });
    named.collect()
}

/// Proxies by revision, tag and namespace.
fn by_tag(census: &Census) -> BTreeMap<ProxyKey, u64> {
    let mut counts = BTreeMap::new();
    for (class, members) in &census.classes {
        if [Role::Sidecar, Role::Gateway].contains(&class.role) {
            let key = ProxyKey {
                revision: class.revision.clone(),
                tag: split(&class.image).1.to_owned(),
                namespace: class.namespace.clone(),
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
        let asked = Asked {
            namespace: "istio-system",
            fips: true,
            licences: &[],
        };
        before(&cluster, Fact::NotAsked("in this test"), asked)
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
        assert_eq!(facts.openshift, Fact::Known(None));
        assert_eq!(facts.gateway_api, Fact::Known(None));
        assert_eq!(facts.control_planes, Fact::Known(Vec::new()));
        assert_eq!(facts.proxies, Fact::Known(BTreeMap::new()));
        assert_eq!(facts.records, Fact::Known(Vec::new()));
        assert_eq!(facts.authority, Fact::Known(None));
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
        assert_eq!(facts.control_planes, Fact::Unknown(planes));
        assert_eq!(facts.nodes, Fact::Unknown(why("list of nodes")));
        assert_eq!(facts.namespaces, Fact::Unknown(why("list of namespaces")));
        assert_eq!(facts.proxies, Fact::Unknown(why("list of pods")));
        let openshift = why("get of clusterversions.config.openshift.io");
        assert_eq!(facts.openshift, Fact::Unknown(openshift));
    }
}
