//! All pods of all meshes, folded into counts while they are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};

use super::Namespace;
use super::genuine::Permitted;
use super::platform::Ground;
use crate::report::{Deviation, Deviations, PodRow, SettingKind};
use crate::sys::cluster::{
    ClusterError, Pages, PodPages, PodPort, PodReader, Result, Session, Unreadable,
};
use crate::sys::os;

mod address;
mod class;
mod common;
mod crowd;
mod fips_variables;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod program;
mod seat;
mod speech;
mod status;

pub use address::Address;
pub use class::{Class, Companion, Members, Role, SelfReport};

use seat::{Seat, Seated};

/// Proxies that are read at once.
const AT_ONCE: usize = 64;

/// Longest wait for what one pod says of itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a program of a pod with several says nothing.
const SHARED: &str =
    "its pod runs several programs of a mesh: it is not known which of them answers";

/// Pods that could not be read of which names are kept.
const NAMED: usize = 5;

/// Different deviations that are told apart.
const DEVIATIONS: usize = 200;

/// All pods of all meshes, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    pub classes: BTreeMap<Class, Members>,
    /// Pods without a proxy in namespaces that ask for injection: namespace → number.
    pub uninjected: BTreeMap<String, u64>,
    /// Pods that are not applicable, by reason: `finished`, `virtual node`, `Fargate`, …
    pub not_applicable: BTreeMap<String, u64>,
    /// Pods that vanished while being read: the API server itself says that they are gone.
    pub gone: u64,
    /// Control plane and gateway pods, as `kubectl get pods` shows them.
    pub rows: Vec<PodRow>,
    /// Every pod that was listed.
    pub seen: u64,
    /// Pods that are listed and cannot be read: their number, and `namespace/name: reason` of the first.
    pub unreadable: (u64, Vec<String>),
}

/// What pods are judged on: where they stand.
pub(super) struct Grounds {
    pub(super) namespaces: BTreeMap<String, Namespace>,
    pub(super) nodes: BTreeMap<String, Ground>,
    /// What the pods of revisions in scope may have.
    pub(super) permitted: Permitted,
    /// Namespaces of control planes: their pods are asked first.
    pub(super) homes: BTreeSet<String>,
    /// Seconds since 1970.
    pub(super) now: i64,
}

impl Grounds {
    pub(super) fn new(
        namespaces: &[Namespace],
        nodes: BTreeMap<String, Ground>,
        homes: BTreeSet<String>,
    ) -> Self {
        let named = namespaces.iter().map(|it| (it.name.clone(), it.clone()));
        Grounds {
            namespaces: named.collect(),
            nodes,
            permitted: Permitted::default(),
            homes,
            now: os::now(),
        }
    }
}

/// What becomes of one pod of the list.
enum Item {
    Seat(Seat),
    /// Containers of a pod that was counted, which may turn out to run a proxy's image.
    Unrelated(Vec<Seated>),
    Unreadable(Unreadable),
    /// It vanished while it was read, as the API server confirms.
    Gone,
    /// The list began anew.
    Restarted,
    Failed(ClusterError),
}

/// Folds all pods; those of the classes that `asks` names are asked what they say of FIPS, while the
/// list still arrives.
pub(super) async fn census(
    session: &Session,
    pages: PodPages,
    grounds: &Grounds,
    asks: &dyn Fn(&Class) -> bool,
) -> Result<Census> {
    let reader = &session.pod_reader(PATIENCE);
    let asking = &Asking {
        session,
        reader,
        grounds,
        asks,
    };
    let told = &asking.of_homes().await;
    let listed = stream::unfold((pages, 0), async |(mut pages, round)| {
        let page = pages.next().await?;
        if let Ok(Pages::Pods(pods)) = &page {
            grounds.permitted.read_mesh_files(session, pods).await;
        }
        let round = round + u32::from(matches!(page, Ok(Pages::Restarted)));
        Some(((round, page), (pages, round)))
    });
    let items = listed.flat_map(|(round, page)| {
        stream::iter(items(page, grounds)).map(move |item| (round, item))
    });
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

/// What becomes of the pods of a page, each judged when it is its turn: what is judged takes more memory than a pod.
fn items(page: Result<Pages>, grounds: &Grounds) -> impl Iterator<Item = Item> {
    let (pods, other) = match page {
        Ok(Pages::Pods(pods)) => (pods, None),
        Ok(Pages::Restarted) => (Vec::new(), Some(Item::Restarted)),
        Err(error) => (Vec::new(), Some(Item::Failed(error))),
    };
    let pods = pods.into_iter().flat_map(|pod| match pod {
        Ok(pod) => {
            let (seat, unrelated) = seat::place(&pod, grounds);
            [Some(Item::Unrelated(unrelated)), Some(Item::Seat(seat))]
        }
        Err(unreadable) => [Some(Item::Unreadable(unreadable)), None],
    });
    other.into_iter().chain(pods.flatten())
}

/// What programs in namespaces of control planes said, by the uid of their pod and its port.
type Told = BTreeMap<(String, u16), SelfReport>;

/// The way to what programs say of themselves.
struct Asking<'a> {
    session: &'a Session,
    reader: &'a PodReader<'a>,
    grounds: &'a Grounds,
    asks: &'a dyn Fn(&Class) -> bool,
}

impl Asking<'_> {
    /// Asks istiod and the gateways beside it before any pod of a stranger can use up the time.
    ///
    /// What cannot be listed or does not answer here is asked again with the others.
    async fn of_homes(&self) -> Told {
        let mut told = Told::new();
        for home in &self.grounds.homes {
            let mut pages = self.session.pods(Some(home), "");
            while let Some(Ok(page)) = pages.next().await {
                let Pages::Pods(pods) = page else { break };
                let seats = pods.iter().filter_map(|pod| pod.as_ref().ok());
                let seats = seats.map(|pod| seat::place(pod, self.grounds).0);
                let mesh = seats.filter_map(|seat| match seat {
                    Seat::Mesh(all) => Some(all),
                    _ => None,
                });
                let asked = stream::iter(mesh.flatten())
                    .map(async |seated| {
                        let question = self.question(&seated)?;
                        let at = port(&seated, &question);
                        let answer = self.reader.get_first(at, question.path, question.wanted);
                        let report = (question.read)(&answer.await.ok()?);
                        Some(((seated.uid.clone(), question.port), report))
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

    /// Adds what the programs of a pod say; a pod that left is counted so.
    async fn of_item(&self, item: Item, told: &Told) -> Item {
        let Item::Seat(Seat::Mesh(mut all)) = item else {
            return item;
        };
        for seated in &mut all {
            let Some(question) = self.question(seated) else {
                continue;
            };
            let known = told.get(&(seated.uid.clone(), question.port));
            let report = match known {
                Some(report) => Ok(report.clone()),
                None if seated.shared => Ok(SelfReport::Unreadable(SHARED.to_owned())),
                None => self.ask(seated, &question).await,
            };
            match report {
                Ok(report) => seated.class.report = report,
                Err(left) => return left,
            }
        }
        Item::Seat(Seat::Mesh(all))
    }

    /// What a program is asked, if it is; some do not tell by HTTP.
    fn question(&self, seated: &Seated) -> Option<speech::Question> {
        let class = &seated.class;
        let question = match class.role {
            Role::Istiod if self.grounds.homes.contains(&class.namespace) => speech::ISTIOD,
            Role::Sidecar | Role::Gateway => speech::PROXY,
            Role::Istiod | Role::Agentgateway | Role::Ztunnel | Role::Cni => return None,
        };
        (seated.running && (self.asks)(class)).then_some(question)
    }

    async fn ask(
        &self,
        seated: &Seated,
        question: &speech::Question,
    ) -> std::result::Result<SelfReport, Item> {
        let at = port(seated, question);
        match self.reader.get(at, question.path, question.wanted).await {
            Ok(text) => Ok((question.read)(&text)),
            Err(error) => match self.left(seated).await {
                Some(item) => Err(item),
                None => Ok(speech::unreadable(&error)),
            },
        }
    }

    /// What became of a pod that did not answer, where the API server says that it no longer runs.
    async fn left(&self, seated: &Seated) -> Option<Item> {
        let session = self.session;
        let now = session.pod(&seated.class.namespace, &seated.name);
        match now.await.ok()?.filter(|pod| pod.metadata.uid == seated.uid) {
            None => Some(Item::Gone),
            Some(pod) => {
                let why = seat::ended(&pod, self.grounds.now);
                why.map(|why| Item::Seat(Seat::NotApplicable(why)))
            }
        }
    }
}

fn port<'a>(seated: &'a Seated, question: &speech::Question) -> PodPort<'a> {
    PodPort {
        namespace: &seated.class.namespace,
        pod: &seated.name,
        port: question.port,
    }
}

/// The census of one round of the list; a list that begins anew begins a new one.
#[derive(Default)]
struct Fold {
    census: Census,
    /// Containers that show nothing of a mesh.
    unrelated: BTreeMap<Class, Members>,
    round: u32,
    /// The deviations of pods so far.
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
        let census = &mut self.census;
        match item {
            Item::Failed(error) => return Err(error),
            Item::Restarted => return Ok(()),
            Item::Unrelated(all) => {
                for seated in all {
                    admit(&mut self.unrelated, seated);
                }
                return Ok(());
            }
            Item::Gone => census.gone += 1,
            Item::Unreadable(pod) => census.leave_out(&pod),
            Item::Seat(Seat::Elsewhere) => {}
            Item::Seat(Seat::NotApplicable(why)) => {
                *census.not_applicable.entry(why.to_owned()).or_default() += 1;
            }
            Item::Seat(Seat::Uninjected(namespace)) => {
                *census.uninjected.entry(namespace).or_default() += 1;
            }
            Item::Seat(Seat::Mesh(all)) => all.into_iter().for_each(|it| census.admit(it)),
        }
        census.seen += 1;
        Ok(())
    }

    /// A pod that deviates in a way of its own is a class of its own: after so many they are one.
    fn bounded(&mut self, mut item: Item) -> Item {
        let Item::Seat(Seat::Mesh(all)) = &mut item else {
            return item;
        };
        for seated in all {
            let deviations = &mut seated.class.deviations;
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

impl Census {
    fn leave_out(&mut self, pod: &Unreadable) {
        let (number, names) = &mut self.unreadable;
        *number += 1;
        if names.len() < NAMED {
            names.push(format!("{}/{}: {}", pod.namespace, pod.name, pod.reason));
        }
    }

    fn admit(&mut self, mut seated: Seated) {
        self.rows.extend(seated.row.take());
        admit(&mut self.classes, seated);
    }
}

fn admit(classes: &mut BTreeMap<Class, Members>, seated: Seated) {
    let members = classes.entry(seated.class).or_default();
    members.pods += 1;
    *members.owners.entry(seated.owner).or_default() += 1;
    if members.examples.len() < Members::EXAMPLES {
        members.examples.push(seated.name);
    }
}

impl Fold {
    /// The census, with the containers that run the same bytes as a proxy under another name.
    fn finish(self) -> Census {
        let mut census = self.census;
        let proxies = census.classes.keys().filter(|class| class.role.is_proxy());
        let digests: BTreeSet<String> = proxies.filter_map(Class::hex_digest).collect();
        let same = self
            .unrelated
            .into_iter()
            .filter(|(class, _)| class.hex_digest().is_some_and(|it| digests.contains(&it)));
        // No injector makes such a container.
        let same = same.map(|(mut class, members)| {
            let (name, image) = (&class.container, &class.image);
            let deviation = Deviation::new(name, SettingKind::Container, image);
            class.deviations = Deviations::of([deviation]);
            (class, members)
        });
        census.classes.extend(same);
        census
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

    fn taken(asks: &dyn Fn(&Class) -> bool) -> Census {
        counted(asks, answer)
    }

    fn counted<A>(asks: &dyn Fn(&Class) -> bool, answer: A) -> Census
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
        let grounds = Grounds::new(&[], BTreeMap::new(), BTreeSet::new());
        let folded = cluster
            .run(async |session| census(session, session.pods(None, ""), &grounds, asks).await);
        folded.unwrap().unwrap()
    }

    #[test]
    fn pods_are_folded_by_what_they_say_and_only_running_ones_are_asked() {
        let census = taken(&|_| true);
        let said: Vec<_> = census
            .classes
            .iter()
            .map(|(class, members)| {
                (
                    class.report.clone(),
                    members.pods,
                    members.examples.join(" "),
                )
            })
            .collect();
        assert_eq!(
            said,
            [
                (SelfReport::NotAsked, 1, "c".to_owned()),
                (SelfReport::Fips("fips_mode 1".into()), 1, "a".to_owned()),
                (
                    SelfReport::Standard("fips_mode 0".into()),
                    1,
                    "b".to_owned()
                ),
            ]
        );
        assert_eq!((census.seen, census.gone, census.rows.len()), (5, 1, 3));
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
        let census = counted(&|_| false, move |_| (200, pods));
        let names: Vec<_> = census
            .classes
            .iter()
            .map(|(class, members)| (class.container.as_str(), members.examples.join(" ")))
            .collect();
        assert_eq!(
            names,
            [
                ("app", "hidden".to_owned()),
                ("istio-proxy", "known".to_owned())
            ]
        );
        assert_eq!(census.seen, 3);
    }

    #[test]
    fn a_pod_with_several_proxies_has_no_answer_of_its_own() {
        const SEVERAL: &str = r#"{"metadata":{},"items":[{"metadata":{"name":"a","namespace":"n"},"spec":{"containers":[
            {"name":"istio-proxy","image":"r/p:1"},{"name":"second","image":"r/p:1","args":["proxy","sidecar"]}]},
            "status":{"phase":"Running"}}]}"#;
        let census = counted(&|_| true, |path| match path {
            "/api/v1/pods" => (200, SEVERAL),
            _ => (200, "envoy_server_compilation_settings_fips_mode{} 1\n"),
        });
        let reports = census.classes.keys().map(|class| &class.report);
        let unreadable = SelfReport::Unreadable(SHARED.to_owned());
        assert!(reports.eq([&unreadable, &unreadable]));
    }

    /// What becomes of the one pod, whose proxy answers `proxy` where its GET answers `get`.
    fn unanswered(proxy: (u16, &'static str), get: (u16, &'static str)) -> Census {
        const POD: &str = r#"{"metadata":{},"items":[{"metadata":{"name":"a","namespace":"n","uid":"u"},
            "spec":{"containers":[{"name":"istio-proxy","image":"r/p:1"}]},"status":{"phase":"Running"}}]}"#;
        counted(&|_| true, move |path| match path {
            "/api/v1/pods" => (200, POD),
            "/api/v1/namespaces/n/pods/a" => get,
            path if path.contains("/proxy") => proxy,
            _ => (404, NOT_FOUND),
        })
    }

    /// A Status that names no pod: of a gateway in front of the API, or of the pod itself.
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
                let census = unanswered(proxy, get);
                let unreadable = |class: &&Class| matches!(class.report, SelfReport::Unreadable(_));
                let found = (
                    census.classes.keys().filter(unreadable).count(),
                    census.gone,
                    census.not_applicable.values().sum(),
                );
                assert_eq!(found, (unread, gone, leaving), "{proxy:?} {get:?}");
            }
        }
    }

    #[test]
    fn the_right_that_is_missing_is_named() {
        let census = unanswered((403, FORBIDDEN), (403, FORBIDDEN));
        let class = census.classes.keys().next().unwrap();
        let SelfReport::Unreadable(why) = &class.report else {
            panic!("{class:?}");
        };
        assert!(
            why.contains("pods/proxy") && why.contains("pods/portforward"),
            "{why}"
        );
    }

    #[test]
    fn nobody_is_asked_where_nothing_is_expected() {
        let census = taken(&|_| false);
        let pods: Vec<u64> = census
            .classes
            .values()
            .map(|members| members.pods)
            .collect();
        assert_eq!(pods, [1, 3]);
        assert!(
            census
                .classes
                .keys()
                .all(|class| class.report == SelfReport::NotAsked)
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
            let grounds = Grounds::new(&[], BTreeMap::new(), BTreeSet::new());
            let Seat::Mesh(mut seated) = seat::place(&pod, &grounds).0 else {
                panic!("not of the mesh")
            };
            seated[0].class.deviations = Deviations::of(vec![one]);
            fold.count(0, Item::Seat(Seat::Mesh(seated))).unwrap();
        }
        let classes = &fold.census.classes;
        assert_eq!(classes.len(), DEVIATIONS + 1);
        assert!(classes.keys().all(|class| !class.deviations.is_empty()));
        let pods: u64 = classes.values().map(|members| members.pods).sum();
        assert_eq!(pods, 10_000);
    }

    #[test]
    fn a_list_that_begins_anew_forgets_what_came_before() {
        let mut fold = Fold::default();
        let out = || Item::Seat(Seat::Uninjected("n".to_owned()));
        fold.count(0, out()).unwrap();
        fold.count(1, out()).unwrap();
        fold.count(0, out()).unwrap();
        fold.count(1, Item::Restarted).unwrap();
        assert_eq!(
            (fold.census.seen, fold.census.uninjected.get("n")),
            (1, Some(&1))
        );
    }
}
