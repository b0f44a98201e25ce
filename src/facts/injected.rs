//! What the injector does to a new pod, found by creating a pod as a dry run.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, Pod, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::control_plane::{DEFAULT, REVISION};
use super::{Injected, Namespace, Observed};
use crate::sys::cluster::{ClusterError, Session};

/// Namespaces that are tried: in one of them, a quota, a policy or pod security may refuse the pod.
const TRIES: usize = 3;

/// Name of the pod's own container.
const NAME: &str = "probe";

/// The proxy containers that the injector adds: the proxy itself, and those that prepare for it.
const PROXY: [&str; 3] = ["istio-proxy", "istio-init", "istio-validation"];

/// Image of the pod's own container; it is never pulled.
const PROBE: &str = "pause";

/// First pause before another dry run.
const PAUSE: Duration = Duration::from_millis(100);

/// Longest pause before another dry run.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why no namespace showed what the injector does.
enum Refusal {
    /// Pods of no namespace can choose this revision.
    NoCandidate,
    /// The last namespace that was tried, and the error of the API server.
    Refused(String, ClusterError),
}

/// Returns what the injector of a revision adds to a new pod.
pub(super) async fn injected(
    session: &Session,
    revision: &str,
    namespaces: &[&Namespace],
) -> Observed<Injected> {
    match attempt(session, revision, namespaces).await {
        Ok(injected) => Observed::Known(injected),
        Err(Refusal::NoCandidate) => {
            Observed::NotCollected("every namespace is labelled for another revision or opted out")
        }
        Err(Refusal::Refused(namespace, error)) => {
            Observed::Unknown(format!("dry run in namespace {namespace}: {error}"))
        }
    }
}

/// Waits until a new pod gets a proxy, for at most `limit`.
///
/// The API server calls a complete webhook only once it has read it, and reaches its Service only once its
/// endpoints are known everywhere: no object shows either. The wait ends early if another try would not change
/// the result.
pub(super) async fn until_injected(
    session: &Session,
    revision: &str,
    namespaces: &[&Namespace],
    limit: Duration,
) {
    let trying = async {
        let mut pause = PAUSE;
        loop {
            let waits = match attempt(session, revision, namespaces).await {
                Ok(injected) => !injected.images.contains_key(PROXY[0]),
                Err(Refusal::Refused(_, error)) => error.is_temporary(),
                Err(Refusal::NoCandidate) => false,
            };
            if !waits {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    };
    // The checks report what is still missing after the limit.
    tokio::time::timeout(limit, trying).await.ok();
}

async fn attempt(
    session: &Session,
    revision: &str,
    namespaces: &[&Namespace],
) -> Result<Injected, Refusal> {
    let mut refusal = Refusal::NoCandidate;
    for namespace in candidates(revision, namespaces).into_iter().take(TRIES) {
        match session.dry_run(Some(namespace), &probe(revision)).await {
            Ok(pod) => {
                return Ok(Injected {
                    namespace: namespace.to_owned(),
                    revision: revision.to_owned(),
                    images: added(&pod),
                });
            }
            Err(ClusterError::Interrupted) => break,
            Err(error) => refusal = Refusal::Refused(namespace.to_owned(), error),
        }
    }
    Err(refusal)
}

/// Returns namespaces where a pod may request the revision, the likeliest first.
///
/// A label of the namespace takes precedence over that of the pod, so only namespaces without one, or with this
/// very revision, qualify. Many injectors exclude the system namespaces.
fn candidates<'a>(revision: &str, namespaces: &[&'a Namespace]) -> Vec<&'a str> {
    let ours = |namespace: &Namespace| match &namespace.injection {
        None => !namespace.opted_out,
        Some(asked) => asked == revision,
    };
    let system = |namespace: &Namespace| {
        namespace.name.starts_with("kube-") || namespace.name.starts_with("openshift-")
    };
    let allowed =
        |namespace: &&Namespace| ours(namespace) && !system(namespace) && !namespace.ambient;
    let mut found: Vec<&Namespace> = namespaces.iter().copied().filter(allowed).collect();
    let strict = |namespace: &Namespace| {
        namespace
            .enforce
            .as_deref()
            .is_some_and(|level| level != "privileged")
    };
    found.sort_by_key(|it| (strict(it), it.name != DEFAULT, it.name.as_str()));
    found
        .into_iter()
        .map(|namespace| namespace.name.as_str())
        .collect()
}

/// Returns a pod, as it is before injection, that even a restricted namespace accepts.
fn probe(revision: &str) -> Pod {
    let mut labels = BTreeMap::from([("sidecar.istio.io/inject".to_owned(), "true".to_owned())]);
    if revision != DEFAULT {
        labels.insert(REVISION.to_owned(), revision.to_owned());
    }
    let container = Container {
        name: NAME.to_owned(),
        image: Some(PROBE.to_owned()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    };
    let seccomp = SeccompProfile {
        type_: "RuntimeDefault".to_owned(),
        localhost_profile: None,
    };
    Pod {
        metadata: ObjectMeta {
            generate_name: Some("glooistio-probe-".to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![container],
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(65_532),
                seccomp_profile: Some(seccomp),
                ..PodSecurityContext::default()
            }),
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// Returns the images of the proxy containers; other webhooks add containers of their own.
fn added(pod: &Pod) -> BTreeMap<String, String> {
    let Some(spec) = &pod.spec else {
        return BTreeMap::new();
    };
    let all = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    all.filter(|container| PROXY.contains(&container.name.as_str()))
        .map(|container| {
            (
                container.name.clone(),
                container.image.clone().unwrap_or_default(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::sys::cluster::Cluster;

    fn namespace(name: &str, injection: Option<&str>) -> Namespace {
        Namespace {
            name: name.to_owned(),
            enforce: None,
            injection: injection.map(str::to_owned),
            opted_out: false,
            ignored_revision: None,
            ambient: false,
            deletion: None,
        }
    }

    #[test]
    fn only_namespaces_that_leave_the_choice_to_the_pod_are_tried() {
        let strict = Namespace {
            enforce: Some("baseline".into()),
            ..namespace("a", None)
        };
        let out = Namespace {
            opted_out: true,
            ..namespace("b", None)
        };
        let all = [
            strict,
            out,
            namespace("kube-system", None),
            namespace("x", Some("x")),
            namespace("y", Some("y")),
            namespace("default", None),
        ];
        assert_eq!(
            candidates("x", &all.iter().collect::<Vec<_>>()),
            ["default", "x", "a"]
        );
        assert_eq!(
            candidates("default", &all.iter().collect::<Vec<_>>()),
            ["default", "a"]
        );
    }

    fn asked(answer: fn(&str) -> (u16, &'static str)) -> Observed<Injected> {
        let service = move |request: Request<Body>| async move {
            let (status, body) = answer(request.uri().path());
            Response::builder()
                .status(status)
                .body(Body::from(body.as_bytes().to_vec()))
                .unwrap()
        };
        let cluster = Cluster::answering(service, Duration::from_secs(5));
        let all = [&namespace("default", None), &namespace("x", None)];
        cluster
            .run(async |session| injected(session, "r", &all).await)
            .unwrap()
    }

    #[test]
    fn what_was_added_is_told_from_what_was_asked_and_a_refusal_moves_on() {
        let fact = asked(|path| match path {
            "/api/v1/namespaces/x/pods" => (
                201,
                r#"{"metadata":{},"spec":{
                "containers":[{"name":"probe","image":"p"},{"name":"istio-proxy","image":"a"},
                    {"name":"theirs","image":"t"}],
                "initContainers":[{"name":"istio-init","image":"b"},
                    {"name":"istio-validation","image":"c"},{"name":"install-agent","image":"t"}]}}"#,
            ),
            _ => (
                403,
                r#"{"kind":"Status","code":403,"message":"violates PodSecurity"}"#,
            ),
        });
        let injected = fact.known().unwrap();
        assert_eq!(injected.namespace, "x");
        let images: Vec<_> = injected.images.iter().collect();
        assert_eq!(
            format!("{images:?}"),
            r#"[("istio-init", "b"), ("istio-proxy", "a"), ("istio-validation", "c")]"#
        );
    }

    #[test]
    fn refusals_everywhere_are_unknown_with_the_words_of_the_last() {
        let fact = asked(|_| {
            (
                500,
                r#"{"kind":"Status","code":500,"message":"failed calling webhook"}"#,
            )
        });
        let Observed::Unknown(why) = fact else {
            panic!("{fact:?}")
        };
        assert!(why.contains("failed calling webhook"), "{why}");
    }
}
