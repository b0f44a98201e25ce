//! All pods of all meshes, folded into counts while they are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};

use crate::report::{Deviation, Deviations, PodRow, SettingKind};
use crate::sys::cluster::{
    ClusterError, Pages, PodPages, PodPort, PodReader, Result, Session, Unreadable,
};

mod address;
mod cluster_index;
mod common;
mod crowd;
mod fips_variables;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod placement;
mod pod_group;
mod program;
mod self_report;
mod status;

pub use address::Address;
pub(super) use cluster_index::ClusterIndex;
pub use pod_group::{ExtraContainer, PodGroup, PodGroupKey, Role, SelfReport};

use placement::{MeshPod, PodPlacement};

/// Number of proxies that are queried at once.
const AT_ONCE: usize = 64;

/// Longest wait for the report of one pod.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a program has no report of its own if its pod runs several.
const SHARED: &str =
    "its pod runs several programs of a mesh: it is not known which of them answers";

/// Number of unreadable pods that are listed by name.
const NAMED: usize = 5;

/// Number of different deviations that are kept apart.
const DEVIATIONS: usize = 200;

/// The pods of all meshes, folded into groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeshInventory {
    pub groups: BTreeMap<PodGroupKey, PodGroup>,
    /// Pods without a proxy in namespaces that request injection: namespace → number.
    pub uninjected: BTreeMap<String, u64>,
    /// Pods that are not applicable, by reason: `finished`, `virtual node`, `Fargate`, …
    pub not_applicable: BTreeMap<String, u64>,
    /// Pods that disappeared while they were read: the API server itself confirms that they are gone.
    pub gone: u64,
    /// Control plane and gateway pods, as `kubectl get pods` shows them.
    pub rows: Vec<PodRow>,
    /// Number of pods that were listed.
    pub seen: u64,
    /// Pods that were listed and cannot be read: their number, and `namespace/name: reason` of the first ones.
    pub unreadable: (u64, Vec<String>),
}

/// The result for one pod of the list, or an event of the list itself.
enum Item {
    PodPlacement(PodPlacement),
    /// Containers of a counted pod that may turn out to run the image of a proxy.
    Unrelated(Vec<MeshPod>),
    Unreadable(Unreadable),
    /// The pod disappeared while it was read, as the API server confirms.
    Gone,
    /// The list started again.
    Restarted,
    Failed(ClusterError),
}

/// Folds all pods. While the list is still arriving, it also queries the pods of the groups that `asks` selects
/// for their FIPS report.
pub(super) async fn inventory(
    session: &Session,
    pages: PodPages,
    index: &ClusterIndex,
    asks: &dyn Fn(&PodGroupKey) -> bool,
) -> Result<MeshInventory> {
    let reader = &session.pod_reader(PATIENCE);
    let asking = &Asking {
        session,
        reader,
        index,
        asks,
    };
    let told = &asking.of_homes().await;
    let listed = stream::unfold((pages, 0), async |(mut pages, round)| {
        let page = pages.next().await?;
        if let Ok(Pages::Pods(pods)) = &page {
            index.permitted.read_mesh_files(session, pods).await;
        }
        let round = round + u32::from(matches!(page, Ok(Pages::Restarted)));
        Some(((round, page), (pages, round)))
    });
    let items = listed
        .flat_map(|(round, page)| stream::iter(items(page, index)).map(move |item| (round, item)));
    let asked = items
        .map(async |(round, item)| (round, asking.of_item(item, told).await))
        .buffer_unordered(AT_ONCE);
    let mut asked = std::pin::pin!(asked);
    let mut fold = Fold::default();
    while let Some((round, item)) = asked.next().await {
        fold.count(round, item)?;
    }
    Ok(fold.finish())
}

/// Returns an item for each pod of a page. Each pod is classified only when it is consumed: the result takes
/// more memory than the pod.
fn items(page: Result<Pages>, index: &ClusterIndex) -> impl Iterator<Item = Item> {
    let (pods, other) = match page {
        Ok(Pages::Pods(pods)) => (pods, None),
        Ok(Pages::Restarted) => (Vec::new(), Some(Item::Restarted)),
        Err(error) => (Vec::new(), Some(Item::Failed(error))),
    };
    let pods = pods.into_iter().flat_map(|pod| match pod {
        Ok(pod) => {
            let (placement, unrelated) = placement::classify_pod(&pod, index);
            [
                Some(Item::Unrelated(unrelated)),
                Some(Item::PodPlacement(placement)),
            ]
        }
        Err(unreadable) => [Some(Item::Unreadable(unreadable)), None],
    });
    other.into_iter().chain(pods.flatten())
}

/// The reports of programs in namespaces of control planes, by the uid of their pod and the port.
type Told = BTreeMap<(String, u16), SelfReport>;

/// Everything that is needed to query the reports of programs.
struct Asking<'a> {
    session: &'a Session,
    reader: &'a PodReader<'a>,
    index: &'a ClusterIndex,
    asks: &'a dyn Fn(&PodGroupKey) -> bool,
}

impl Asking<'_> {
    /// Queries istiod and the gateways in its namespace first, so that pods of other users cannot use up the
    /// time.
    ///
    /// Pods that cannot be listed or do not answer here are queried again with all others.
    async fn of_homes(&self) -> Told {
        let mut told = Told::new();
        for home in &self.index.homes {
            let mut pages = self.session.pods(Some(home), "");
            while let Some(Ok(page)) = pages.next().await {
                let Pages::Pods(pods) = page else { break };
                let seats = pods.iter().filter_map(|pod| pod.as_ref().ok());
                let seats = seats.map(|pod| placement::classify_pod(pod, self.index).0);
                let mesh = seats.filter_map(|placement| match placement {
                    PodPlacement::Mesh(all) => Some(all),
                    _ => None,
                });
                let asked = stream::iter(mesh.flatten())
                    .map(async |mesh_pod| {
                        let question = self.question(&mesh_pod)?;
                        let at = port(&mesh_pod, &question);
                        let answer = self.reader.get_first(at, question.path, question.wanted);
                        let report = (question.read)(&answer.await.ok()?);
                        Some(((mesh_pod.uid.clone(), question.port), report))
                    })
                    .buffer_unordered(AT_ONCE);
                told.extend(
                    asked
                        .filter_map(async |answer| answer)
                        .collect::<Told>()
                        .await,
                );
            }
        }
        told
    }

    /// Adds the reports of a pod's programs; a pod that is gone or ending is counted as such.
    async fn of_item(&self, item: Item, told: &Told) -> Item {
        let Item::PodPlacement(PodPlacement::Mesh(mut all)) = item else {
            return item;
        };
        for mesh_pod in &mut all {
            let Some(question) = self.question(mesh_pod) else {
                continue;
            };
            let known = told.get(&(mesh_pod.uid.clone(), question.port));
            let report = match known {
                Some(report) => Ok(report.clone()),
                None if mesh_pod.shared => Ok(SelfReport::Unreadable(SHARED.to_owned())),
                None => self.ask(mesh_pod, &question).await,
            };
            match report {
                Ok(report) => mesh_pod.group.report = report,
                Err(left) => return left,
            }
        }
        Item::PodPlacement(PodPlacement::Mesh(all))
    }

    /// Returns the query for a program; `None` if no report is needed or the program has none over HTTP.
    fn question(&self, mesh_pod: &MeshPod) -> Option<self_report::Question> {
        let group = &mesh_pod.group;
        let question = match group.role {
            Role::Istiod if self.index.homes.contains(&group.namespace) => self_report::ISTIOD,
            Role::Sidecar | Role::Gateway => self_report::PROXY,
            Role::Istiod | Role::Agentgateway | Role::Ztunnel | Role::Cni => return None,
        };
        (mesh_pod.running && (self.asks)(group)).then_some(question)
    }

    async fn ask(
        &self,
        mesh_pod: &MeshPod,
        question: &self_report::Question,
    ) -> std::result::Result<SelfReport, Item> {
        let at = port(mesh_pod, question);
        match self.reader.get(at, question.path, question.wanted).await {
            Ok(text) => Ok((question.read)(&text)),
            Err(error) => match self.left(mesh_pod).await {
                Some(item) => Err(item),
                None => Ok(self_report::unreadable(&error)),
            },
        }
    }

    /// Returns the item for a pod that did not answer, if the API server confirms that it no longer runs.
    async fn left(&self, mesh_pod: &MeshPod) -> Option<Item> {
        let session = self.session;
        let now = session.pod(&mesh_pod.group.namespace, &mesh_pod.name);
        match now
            .await
            .ok()?
            .filter(|pod| pod.metadata.uid == mesh_pod.uid)
        {
            None => Some(Item::Gone),
            Some(pod) => {
                let why = placement::ended(&pod, self.index.now);
                why.map(|why| Item::PodPlacement(PodPlacement::NotApplicable(why)))
            }
        }
    }
}

fn port<'a>(mesh_pod: &'a MeshPod, question: &self_report::Question) -> PodPort<'a> {
    PodPort {
        namespace: &mesh_pod.group.namespace,
        pod: &mesh_pod.name,
        port: question.port,
    }
}

/// The inventory of one round of the list; a list that starts again starts a new inventory.
#[derive(Default)]
struct Fold {
    inventory: MeshInventory,
    /// Containers without any sign of a mesh.
    unrelated: BTreeMap<PodGroupKey, PodGroup>,
    round: u32,
    /// The different deviations seen so far.
    deviations: BTreeSet<Deviations>,
}

impl Fold {
    fn count(&mut self, round: u32, item: Item) -> Result<()> {
        if round < self.round {
            return Ok(());
        }
        if round > self.round {
            *self = Fold {
                round,
                ..Fold::default()
            };
        }
        let item = self.bounded(item);
        let inventory = &mut self.inventory;
        match item {
            Item::Failed(error) => return Err(error),
            Item::Restarted => return Ok(()),
            Item::Unrelated(all) => {
                for mesh_pod in all {
                    admit(&mut self.unrelated, mesh_pod);
                }
                return Ok(());
            }
            Item::Gone => inventory.gone += 1,
            Item::Unreadable(pod) => inventory.leave_out(&pod),
            Item::PodPlacement(PodPlacement::Elsewhere) => {}
            Item::PodPlacement(PodPlacement::NotApplicable(why)) => {
                *inventory.not_applicable.entry(why.to_owned()).or_default() += 1;
            }
            Item::PodPlacement(PodPlacement::Uninjected(namespace)) => {
                *inventory.uninjected.entry(namespace).or_default() += 1;
            }
            Item::PodPlacement(PodPlacement::Mesh(all)) => {
                for program in all {
                    inventory.admit(program);
                }
            }
        }
        inventory.seen += 1;
        Ok(())
    }

    /// Limits the number of groups. Each different set of deviations makes a group of its own; after
    /// `DEVIATIONS` of them, the rest share one.
    fn bounded(&mut self, mut item: Item) -> Item {
        let Item::PodPlacement(PodPlacement::Mesh(all)) = &mut item else {
            return item;
        };
        for mesh_pod in all {
            let deviations = &mut mesh_pod.group.deviations;
            if deviations.is_empty() || self.deviations.contains(deviations) {
                continue;
            }
            if self.deviations.len() < DEVIATIONS {
                self.deviations.insert(deviations.clone());
            } else {
                *deviations = Deviations::unlisted();
            }
        }
        item
    }
}

impl MeshInventory {
    fn leave_out(&mut self, pod: &Unreadable) {
        let (number, names) = &mut self.unreadable;
        *number += 1;
        if names.len() < NAMED {
            names.push(format!("{}/{}: {}", pod.namespace, pod.name, pod.reason));
        }
    }

    fn admit(&mut self, mut mesh_pod: MeshPod) {
        self.rows.extend(mesh_pod.row.take());
        admit(&mut self.groups, mesh_pod);
    }
}

fn admit(groups: &mut BTreeMap<PodGroupKey, PodGroup>, mesh_pod: MeshPod) {
    let members = groups.entry(mesh_pod.group).or_default();
    members.pods += 1;
    *members.owners.entry(mesh_pod.owner).or_default() += 1;
    if members.examples.len() < PodGroup::EXAMPLES {
        members.examples.push(mesh_pod.name);
    }
}

impl Fold {
    /// Returns the inventory. It includes containers without any sign of a mesh that run the same image digest
    /// as a proxy.
    fn finish(self) -> MeshInventory {
        let mut inventory = self.inventory;
        let proxies = inventory
            .groups
            .keys()
            .filter(|group| group.role.is_proxy());
        let digests: BTreeSet<String> = proxies.filter_map(PodGroupKey::hex_digest).collect();
        let same = self
            .unrelated
            .into_iter()
            .filter(|(group, _)| group.hex_digest().is_some_and(|it| digests.contains(&it)));
        // No injector creates such a container.
        let same = same.map(|(mut group, members)| {
            let (name, image) = (&group.container, &group.image);
            let deviation = Deviation::new(name, SettingKind::Container, image);
            group.deviations = Deviations::of([deviation]);
            (group, members)
        });
        inventory.groups.extend(same);
        inventory
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::sys::cluster::{Cluster, Pod};

    const PODS: &str = r#"{"metadata":{},"items":[
        {"metadata":{"name":"a","namespace":"n"},"spec":{"containers":[{"name":"istio-proxy","image":"r/p:1"}]},"status":{"phase":"Running"}},
        {"metadata":{"name":"b","namespace":"n"},"spec":{"containers":[{"name":"istio-proxy","image":"r/p:1"}]},"status":{"phase":"Running"}},
        {"metadata":{"name":"gone","namespace":"n"},"spec":{"containers":[{"name":"istio-proxy","image":"r/p:1"}]},"status":{"phase":"Running"}},
        {"metadata":{"name":"c","namespace":"n"},"spec":{"containers":[{"name":"istio-proxy","image":"r/p:1"}]},"status":{"phase":"Pending"}},
        {"metadata":{"name":"other","namespace":"n"},"spec":{"containers":[{"name":"app"}]},"status":{"phase":"Running"}}]}"#;

    fn answer(path: &str) -> (u16, &'static str) {
        match path {
            "/api/v1/pods" => (200, PODS),
            "/api/v1/namespaces/n/pods/gone" => (
                404,
                r#"{"kind":"Status","code":404,"message":"no","details":{"kind":"pods","name":"gone"}}"#,
            ),
            path if path.contains("/gone:15090/proxy") => (404, NOT_FOUND),
            path if path.contains("/b:15090/proxy") => {
                (200, "envoy_server_compilation_settings_fips_mode{} 0\n")
            }
            path if path.contains(":15090/proxy") => {
                (200, "envoy_server_compilation_settings_fips_mode{} 1\n")
            }
            _ => (500, ""),
        }
    }

    fn taken(asks: &dyn Fn(&PodGroupKey) -> bool) -> MeshInventory {
        counted(asks, answer)
    }

    fn counted<A>(asks: &dyn Fn(&PodGroupKey) -> bool, answer: A) -> MeshInventory
    where
        A: Fn(&str) -> (u16, &'static str) + Clone + Send + 'static,
    {
        let service = move |request: Request<Body>| {
            let (status, body) = answer(request.uri().path());
            async move {
                Response::builder()
                    .status(status)
                    .body(Body::from(body.as_bytes().to_vec()))
                    .unwrap()
            }
        };
        let cluster = Cluster::answering(service, Duration::from_secs(5));
        let index = ClusterIndex::new(&[], BTreeMap::new(), BTreeSet::new());
        let folded = cluster
            .run(async |session| inventory(session, session.pods(None, ""), &index, asks).await);
        folded.unwrap().unwrap()
    }

    #[test]
    fn pods_are_folded_by_what_they_say_and_only_running_ones_are_asked() {
        let inventory = taken(&|_| true);
        let said: Vec<_> = inventory
            .groups
            .iter()
            .map(|(group, members)| {
                (
                    group.report.clone(),
                    members.pods,
                    members.examples.join(" "),
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                (SelfReport::NotCollected, 1, "c".to_owned()),
                (SelfReport::Fips("fips_mode 1".into()), 1, "a".to_owned()),
                (
                    SelfReport::Standard("fips_mode 0".into()),
                    1,
                    "b".to_owned()
                ),
            ]
        );
        assert_eq!(
            (inventory.seen, inventory.gone, inventory.rows.len()),
            (5, 1, 3)
        );
    }

    #[test]
    fn the_bytes_of_a_proxy_under_another_name_are_counted() {
        let digest = "0a".repeat(32);
        let pod = |name: &str, container: &str, image_id: &str| {
            serde_json::json!({"metadata": {"name": name, "namespace": "n"},
                "spec": {"containers": [{"name": container, "image": "r/x:1"}, {"name": "log", "image": "r/log:1"}]},
                "status": {"phase": "Running", "containerStatuses": [{"name": container, "imageID": image_id}]}})
        };
        let pods = serde_json::json!({"metadata": {}, "items": [
            pod("hidden", "app", &format!("evil.io/y@sha256:{digest}")),
            pod("known", "istio-proxy", &format!("sha256:{digest}")),
            pod("other", "app", &format!("sha256:{}", "0b".repeat(32))),
        ]});
        let pods: &'static str = Box::leak(pods.to_string().into_boxed_str());
        let inventory = counted(&|_| false, move |_| (200, pods));
        let names: Vec<_> = inventory
            .groups
            .iter()
            .map(|(group, members)| (group.container.as_str(), members.examples.join(" ")))
            .collect();
        assert_eq!(
            names,
            [
                ("app", "hidden".to_owned()),
                ("istio-proxy", "known".to_owned())
            ]
        );
        assert_eq!(inventory.seen, 3);
    }

    #[test]
    fn a_pod_with_several_proxies_has_no_answer_of_its_own() {
        const SEVERAL: &str = r#"{"metadata":{},"items":[{"metadata":{"name":"a","namespace":"n"},"spec":{"containers":[
            {"name":"istio-proxy","image":"r/p:1"},{"name":"second","image":"r/p:1","args":["proxy","sidecar"]}]},
            "status":{"phase":"Running"}}]}"#;
        let inventory = counted(&|_| true, |path| match path {
            "/api/v1/pods" => (200, SEVERAL),
            _ => (200, "envoy_server_compilation_settings_fips_mode{} 1\n"),
        });
        let reports = inventory.groups.keys().map(|group| &group.report);
        let unreadable = SelfReport::Unreadable(SHARED.to_owned());
        assert!(reports.eq([&unreadable, &unreadable]));
    }

    /// Returns the inventory of a single pod, where the request to its proxy gets `proxy` and the GET of the
    /// pod gets `get`.
    fn unanswered(proxy: (u16, &'static str), get: (u16, &'static str)) -> MeshInventory {
        const POD: &str = r#"{"metadata":{},"items":[{"metadata":{"name":"a","namespace":"n","uid":"u"},
            "spec":{"containers":[{"name":"istio-proxy","image":"r/p:1"}]},"status":{"phase":"Running"}}]}"#;
        counted(&|_| true, move |path| match path {
            "/api/v1/pods" => (200, POD),
            "/api/v1/namespaces/n/pods/a" => get,
            path if path.contains("/proxy") => proxy,
            _ => (404, NOT_FOUND),
        })
    }

    /// A Status that names no pod, from a gateway in front of the API or from the pod itself.
    const NOT_FOUND: &str = r#"{"kind":"Status","code":404,"message":"the server could not find the requested resource"}"#;

    const FORBIDDEN: &str = r#"{"kind":"Status","code":403,"message":"may not"}"#;

    #[test]
    fn only_the_api_server_says_that_a_pod_is_gone_and_only_of_that_pod() {
        const THERE: &str = r#"{"metadata":{"name":"a","uid":"u"},"status":{"phase":"Running"}}"#;
        const ANOTHER: &str = r#"{"metadata":{"name":"a","uid":"v"},"status":{"phase":"Running"}}"#;
        const LEAVING: &str =
            r#"{"metadata":{"name":"a","uid":"u","deletionTimestamp":"2999-01-01T00:00:00Z"}}"#;
        const GONE: &str =
            r#"{"kind":"Status","code":404,"message":"x","details":{"kind":"pods","name":"a"}}"#;
        const OTHER: &str =
            r#"{"kind":"Status","code":404,"message":"x","details":{"kind":"pods","name":"b"}}"#;
        const FORGED: &str =
            r#"{"kind":"Status","code":404,"message":"x","details":{"kind":"pods","name":"a"}}"#;
        let closed = [(404, NOT_FOUND), (404, FORGED), (403, FORBIDDEN), (500, "")];
        for proxy in closed {
            for (get, (unread, gone, leaving)) in [
                ((200, THERE), (1, 0, 0)),
                ((404, NOT_FOUND), (1, 0, 0)),
                ((404, OTHER), (1, 0, 0)),
                ((403, FORBIDDEN), (1, 0, 0)),
                ((403, GONE), (1, 0, 0)),
                ((500, ""), (1, 0, 0)),
                ((404, GONE), (0, 1, 0)),
                ((200, ANOTHER), (0, 1, 0)),
                ((200, LEAVING), (0, 0, 1)),
            ] {
                let inventory = unanswered(proxy, get);
                let unreadable =
                    |group: &&PodGroupKey| matches!(group.report, SelfReport::Unreadable(_));
                let found = (
                    inventory.groups.keys().filter(unreadable).count(),
                    inventory.gone,
                    inventory.not_applicable.values().sum(),
                );
                assert_eq!(found, (unread, gone, leaving), "{proxy:?} {get:?}");
            }
        }
    }

    #[test]
    fn the_right_that_is_missing_is_named() {
        let inventory = unanswered((403, FORBIDDEN), (403, FORBIDDEN));
        let group = inventory.groups.keys().next().unwrap();
        let SelfReport::Unreadable(why) = &group.report else {
            panic!("{group:?}");
        };
        assert!(
            why.contains("pods/proxy") && why.contains("pods/portforward"),
            "{why}"
        );
    }

    #[test]
    fn nobody_is_asked_where_nothing_is_expected() {
        let inventory = taken(&|_| false);
        let pods: Vec<u64> = inventory
            .groups
            .values()
            .map(|members| members.pods)
            .collect();
        assert_eq!(pods, [1, 3]);
        assert!(
            inventory
                .groups
                .keys()
                .all(|group| group.report == SelfReport::NotCollected)
        );
    }

    #[test]
    fn pods_with_deviations_of_their_own_are_bounded() {
        let mut fold = Fold::default();
        for n in 0..10_000 {
            let one = Deviation::new("istio-proxy", SettingKind::Variable, &n.to_string());
            let pod = serde_json::json!({"metadata": {"name": format!("p{n}")},
                "spec": {"containers": [{"name": "istio-proxy", "image": "r/proxyv2:1"}]}});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            let index = ClusterIndex::new(&[], BTreeMap::new(), BTreeSet::new());
            let PodPlacement::Mesh(mut mesh_pod) = placement::classify_pod(&pod, &index).0 else {
                panic!("not of the mesh")
            };
            mesh_pod[0].group.deviations = Deviations::of(vec![one]);
            fold.count(0, Item::PodPlacement(PodPlacement::Mesh(mesh_pod)))
                .unwrap();
        }
        let groups = &fold.inventory.groups;
        assert_eq!(groups.len(), DEVIATIONS + 1);
        assert!(groups.keys().all(|group| !group.deviations.is_empty()));
        let pods: u64 = groups.values().map(|members| members.pods).sum();
        assert_eq!(pods, 10_000);
    }

    #[test]
    fn a_list_that_begins_anew_forgets_what_came_before() {
        let mut fold = Fold::default();
        let out = || Item::PodPlacement(PodPlacement::Uninjected("n".to_owned()));
        fold.count(0, out()).unwrap();
        fold.count(1, out()).unwrap();
        fold.count(0, out()).unwrap();
        fold.count(1, Item::Restarted).unwrap();
        assert_eq!(
            (fold.inventory.seen, fold.inventory.uninjected.get("n")),
            (1, Some(&1))
        );
    }
}
