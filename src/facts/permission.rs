//! What may be done: what istioctl does when it installs, and what is read and written here.

use futures::{StreamExt, stream};

use super::Permission;
use crate::sys::cluster::{Access, Result, Session};

/// Reviews under way at once.
const AT_ONCE: usize = 8;

/// What istioctl creates and changes, by group.
const INSTALLED: [(&str, &str); 16] = [
    ("", "namespaces"),
    ("", "serviceaccounts"),
    ("", "services"),
    ("", "configmaps"),
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("policy", "poddisruptionbudgets"),
    ("networking.k8s.io", "networkpolicies"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
];

/// What facts and proof need.
const READ: [(&str, &str, &str); 6] = [
    ("list", "", "pods"),
    ("list", "", "nodes"),
    ("list", "", "events"),
    ("get", "", "pods/proxy"),
    ("create", "", "pods/portforward"),
    ("create", "", "pods"),
];

const EVERYTHING: Access<'_> = Access {
    verb: "*",
    group: "*",
    resource: "*",
    namespace: None,
};

pub(super) async fn permissions(session: &Session) -> Result<Vec<Permission>> {
    // One question is enough for an administrator.
    let (all, reason) = session.may(EVERYTHING).await?;
    let written = ["create", "patch"]
        .into_iter()
        .flat_map(|verb| INSTALLED.map(|(group, resource)| (verb, group, resource)));
    let needed = written.chain(READ);
    if all {
        let granted = |(verb, group, resource)| Permission {
            verb,
            group,
            resource,
            allowed: true,
            reason: reason.clone(),
        };
        return Ok(needed.map(granted).collect());
    }
    let asking = needed.map(async |(verb, group, resource)| {
        let (allowed, reason) = session
            .may(Access {
                verb,
                group,
                resource,
                namespace: None,
            })
            .await?;
        Ok(Permission {
            verb,
            group,
            resource,
            allowed,
            reason,
        })
    });
    let answers: Vec<_> = stream::iter(asking).buffered(AT_ONCE).collect().await;
    answers.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};
    use http_body_util::BodyExt;
    use kube::client::Body;

    use super::*;
    use crate::sys::cluster::Cluster;

    /// Allows what `allowed` finds in the body of the review.
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
            .run(async |session| permissions(session).await)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn an_administrator_may_everything() {
        let granted = asked(|review| review.contains(r#""verb":"*""#));
        assert_eq!(granted.len(), 2 * INSTALLED.len() + READ.len());
        assert!(granted.iter().all(|permission| permission.allowed));
    }

    #[test]
    fn everybody_else_is_asked_for_each_with_subresources_apart() {
        let answers = asked(|review| review.contains(r#""subresource":"proxy""#));
        let allowed: Vec<_> = answers
            .iter()
            .filter(|permission| permission.allowed)
            .collect();
        assert_eq!(allowed.len(), 1);
        assert_eq!(
            (allowed[0].verb, allowed[0].resource),
            ("get", "pods/proxy")
        );
    }
}
