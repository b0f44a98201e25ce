//! All pods of all meshes, folded into counts while they are listed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, stream};

use super::Namespace;
use super::genuine::Permitted;
use super::platform::Ground;
use crate::report::{Deviations, PodRow};
use crate::sys::cluster::{
    ClusterError, Pages, PodPages, PodPort, PodReader, Result, Session, Unreadable,
};

mod class;
mod fips_variables;
mod seat;
mod speech;
mod status;

pub use class::{Class, Companion, Members, Role, SelfReport};

use seat::{Seat, Seated};

/// Proxies that are read at once.
const AT_ONCE: usize = 64;

/// Longest wait for what one pod says of itself.
const PATIENCE: Duration = Duration::from_secs(5);

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
}

impl Grounds {
    pub(super) fn new(namespaces: &[Namespace], nodes: BTreeMap<String, Ground>) -> Self {
        let named = namespaces.iter().map(|it| (it.name.clone(), it.clone()));
        Grounds {
            namespaces: named.collect(),
            nodes,
            permitted: Permitted::default(),
        }
    }
}

/// What becomes of one pod of the list.
enum Item {
    Seat(Seat),
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
    let listed = stream::unfold((pages, 0), async |(mut pages, round)| {
        let page = pages.next().await?;
        let round = round + u32::from(matches!(page, Ok(Pages::Restarted)));
        Some(((round, page), (pages, round)))
    });
    let items = listed.flat_map(|(round, page)| {
        stream::iter(items(page, grounds)).map(move |item| (round, item))
    });
    let asked = items
        .map(async |(round, item)| match item {
            Item::Seat(Seat::Mesh(seated)) if seated.running && asks(&seated.class) => {
                (round, ask(session, reader, seated).await)
            }
            other => (round, other),
        })
        .buffer_unordered(AT_ONCE);
    let mut asked = std::pin::pin!(asked);
    let mut fold = Fold::default();
    while let Some((round, item)) = asked.next().await {
        fold.count(round, item)?;
    }
    Ok(fold.census)
}

fn items(page: Result<Pages>, grounds: &Grounds) -> Vec<Item> {
    match page {
        Ok(Pages::Pods(pods)) => pods
            .into_iter()
            .map(|pod| match pod {
                Ok(pod) => Item::Seat(seat::seat(&pod, grounds)),
                Err(unreadable) => Item::Unreadable(unreadable),
            })
            .collect(),
        Ok(Pages::Restarted) => vec![Item::Restarted],
        Err(error) => vec![Item::Failed(error)],
    }
}

/// Asks a pod what it says of FIPS.
async fn ask(session: &Session, reader: &PodReader<'_>, mut seated: Box<Seated>) -> Item {
    let class = &seated.class;
    let question = match class.role {
        Role::Istiod => speech::ISTIOD,
        Role::Sidecar | Role::Gateway => speech::PROXY,
        // None of them tells by HTTP.
        Role::Agentgateway | Role::Ztunnel | Role::Cni => return Item::Seat(Seat::Mesh(seated)),
    };
    let at = PodPort {
        namespace: &class.namespace,
        pod: &seated.name,
        port: question.port,
    };
    let report = match reader.get(at, question.path, question.wanted).await {
        Ok(text) => (question.read)(&text),
        Err(error) => match left(session, &seated).await {
            Some(item) => return item,
            None => speech::unreadable(&error),
        },
    };
    seated.class.report = report;
    Item::Seat(Seat::Mesh(seated))
}

/// What became of a pod that did not answer, where the API server says that it no longer runs.
async fn left(session: &Session, seated: &Seated) -> Option<Item> {
    let now = session
        .pod(&seated.class.namespace, &seated.name)
        .await
        .ok()?;
    match now.filter(|pod| pod.metadata.uid == seated.uid) {
        None => Some(Item::Gone),
        Some(pod) => seat::ended(&pod).map(|why| Item::Seat(Seat::NotApplicable(why))),
    }
}

/// The census of one round of the list; a list that begins anew begins a new one.
#[derive(Default)]
struct Fold {
    census: Census,
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
            Item::Gone => census.gone += 1,
            Item::Unreadable(pod) => census.leave_out(&pod),
            Item::Seat(Seat::Elsewhere) => {}
            Item::Seat(Seat::NotApplicable(why)) => {
                *census.not_applicable.entry(why.to_owned()).or_default() += 1;
            }
            Item::Seat(Seat::Uninjected(namespace)) => {
                *census.uninjected.entry(namespace).or_default() += 1;
            }
            Item::Seat(Seat::Mesh(seated)) => census.admit(*seated),
        }
        census.seen += 1;
        Ok(())
    }

    /// A pod that deviates in a way of its own is a class of its own: after so many they are one.
    fn bounded(&mut self, mut item: Item) -> Item {
        if let Item::Seat(Seat::Mesh(seated)) = &mut item
            && !seated.class.deviations.is_empty()
            && !self.deviations.contains(&seated.class.deviations)
        {
            if self.deviations.len() < DEVIATIONS {
                self.deviations.insert(seated.class.deviations.clone());
            } else {
                seated.class.deviations = Deviations::unlisted();
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

    fn admit(&mut self, seated: Seated) {
        let Seated {
            class,
            name,
            owner,
            row,
            ..
        } = seated;
        self.rows.extend(row);
        let members = self.classes.entry(class).or_default();
        members.pods += 1;
        *members.owners.entry(owner).or_default() += 1;
        if members.examples.len() < Members::EXAMPLES {
            members.examples.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::report::{Deviation, SettingKind};
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
        let grounds = Grounds::new(&[], BTreeMap::new());
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
            r#"{"metadata":{"name":"a","uid":"u","deletionTimestamp":"2026-01-01T00:00:00Z"}}"#;
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
            let Seat::Mesh(mut seated) = seat::seat(&pod, &Grounds::new(&[], BTreeMap::new()))
            else {
                panic!("not of the mesh")
            };
            seated.class.deviations = Deviations::of(vec![one]);
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
