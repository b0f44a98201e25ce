//! The permissions that istioctl needs for an install, and those that this program needs.

use futures::{StreamExt, stream};

use super::Permission;
use crate::sys::cluster::{Access, Result, Session};

/// Number of access reviews that run at once.
const AT_ONCE: usize = 8;

/// Resources that istioctl creates and changes in the namespace of the control plane, by group.
const IN_NAMESPACE: [(&str, &str); 10] = [
    ("", "serviceaccounts"),
    ("", "services"),
    ("", "configmaps"),
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("policy", "poddisruptionbudgets"),
    ("networking.k8s.io", "networkpolicies"),
    (RBAC, "roles"),
    (RBAC, "rolebindings"),
];

/// Cluster-scoped resources that istioctl creates and changes.
const OF_CLUSTER: [(&str, &str); 6] = [
    ("", "namespaces"),
    (RBAC, "clusterroles"),
    (RBAC, "clusterrolebindings"),
    (ADMISSION, "mutatingwebhookconfigurations"),
    (ADMISSION, "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
];

pub(super) const RBAC: &str = "rbac.authorization.k8s.io";

const ADMISSION: &str = "admissionregistration.k8s.io";

/// Permissions to read what the checks need.
const READ: [(&str, &str, &str); 6] = [
    ("list", "", "pods"),
    ("list", "", "nodes"),
    ("list", "", "events"),
    ("get", "", "pods/proxy"),
    ("create", "", "pods/portforward"),
    ("create", "", "pods"),
];

/// The resource through which injectors are queried, to compare pods of FIPS builds with what they produce.
pub const INJECTOR: &str = "services/proxy";

const EVERYTHING: Access<'_> = Access {
    verb: "*",
    group: "*",
    resource: "*",
    namespace: None,
};

pub(super) async fn permissions(
    session: &Session,
    namespace: &str,
    fips: bool,
) -> Result<Vec<Permission>> {
    // A single review is enough for an administrator.
    let (all, reason) = session.may(EVERYTHING).await?;
    if all {
        let granted = |access: Access<'_>| permission(access, (true, reason.clone()));
        return Ok(needed(namespace, fips).map(granted).collect());
    }
    let asking = needed(namespace, fips)
        .map(async |access| Ok(permission(access, session.may(access).await?)));
    let answers: Vec<_> = stream::iter(asking).buffered(AT_ONCE).collect().await;
    answers.into_iter().collect()
}

/// Returns the resources that istioctl creates and changes, by group.
pub(super) fn written() -> impl Iterator<Item = (&'static str, &'static str)> {
    IN_NAMESPACE.into_iter().chain(OF_CLUSTER)
}

pub(super) fn needed(namespace: &str, fips: bool) -> impl Iterator<Item = Access<'_>> {
    let within = IN_NAMESPACE
        .into_iter()
        .map(move |it| (Some(namespace), it));
    let around = OF_CLUSTER.into_iter().map(|it| (None, it));
    let written = within
        .chain(around)
        .flat_map(|(namespace, (group, resource))| {
            ["create", "patch"].map(|verb| Access {
                verb,
                group,
                resource,
                namespace,
            })
        });
    let read = READ.map(|(verb, group, resource)| Access {
        verb,
        group,
        resource,
        namespace: None,
    });
    let injector = fips.then_some(Access {
        verb: "create",
        group: "",
        resource: INJECTOR,
        namespace: Some(namespace),
    });
    written.chain(read).chain(injector)
}

fn permission(access: Access<'_>, (allowed, reason): (bool, String)) -> Permission {
    let Access {
        verb,
        group,
        resource,
        ..
    } = access;
    Permission {
        verb,
        group,
        resource,
        allowed,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use http_body_util::BodyExt;
    use kube::client::Body;

    use super::*;
    use crate::sys::cluster::Cluster;

    /// Returns the permissions if the API server allows each review with a body that `allowed` accepts.
    fn asked(allowed: fn(&str) -> bool) -> Vec<Permission> {
        let answer = move |request: Request<Body>| async move {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            let verdict = format!(
                r#"{{"spec":{{}},"status":{{"allowed":{}}}}}"#,
                allowed(&text)
            );
            Response::builder()
                .status(201)
                .body(Body::from(verdict.into_bytes()))
                .unwrap()
        };
        let cluster = Cluster::answering(answer, Duration::from_secs(5));
        cluster
            .run(async |session| permissions(session, "istio-system", true).await)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn an_administrator_may_everything() {
        let granted = asked(|review| review.contains(r#""verb":"*""#));
        assert_eq!(
            granted.len(),
            2 * (IN_NAMESPACE.len() + OF_CLUSTER.len()) + READ.len() + 1
        );
        assert!(granted.iter().all(|permission| permission.allowed));
    }

    #[test]
    fn everybody_else_is_asked_for_each_with_subresources_apart() {
        let answers = asked(|review| review.contains(r#""subresource":"proxy""#));
        let allowed: Vec<_> = answers
            .iter()
            .filter(|permission| permission.allowed)
            .collect();
        let allowed: Vec<_> = allowed.iter().map(|it| (it.verb, it.resource)).collect();
        assert_eq!(allowed, [("get", "pods/proxy"), ("create", INJECTOR)]);
    }
}
