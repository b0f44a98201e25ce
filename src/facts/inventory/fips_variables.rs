//! The environment variables of a container that decide on FIPS mode.

use std::collections::{BTreeMap, BTreeSet};

use crate::sys::cluster::Container;
use fips_evidence::Environment;

/// Returns these variables of a container: those with a value that the pod shows, and the names of those
/// without.
pub(super) fn settings(container: &Container) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut shown, mut hidden) = (BTreeMap::new(), BTreeSet::new());
    if !container.env_from.is_empty() {
        hidden.extend(Environment::VARIABLES.map(str::to_owned));
    }
    // If a name occurs twice, the later entry counts. Entries of `env` take precedence over `envFrom`.
    for variable in &container.env {
        let name = &variable.name;
        if !Environment::VARIABLES.contains(&name.as_str()) {
            continue;
        }
        if variable.value_from.is_some() || variable.value.contains("$(") {
            shown.remove(name);
            hidden.insert(name.clone());
        } else {
            hidden.remove(name);
            shown.insert(name.clone(), variable.value.clone());
        }
    }
    (shown, hidden)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn container(fields: &Value) -> Container {
        serde_json::from_value(fields.clone()).unwrap()
    }

    #[test]
    fn a_setting_that_comes_from_elsewhere_is_not_shown() {
        let literal = json!({"name": "GODEBUG", "value": "fips140=on"});
        let from =
            json!({"name": "GODEBUG", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}});
        let expanded = json!({"name": "GODEBUG", "value": "$(MODE)"});
        let all = ["COMPLIANCE_POLICY", "GODEBUG", "TLS12_ENABLED"];
        for (env, bulk, shown, hidden) in [
            (json!([literal]), false, Some("fips140=on"), &[][..]),
            (json!([from]), false, None, &all[1..2]),
            (json!([expanded]), false, None, &all[1..2]),
            (json!([from, literal]), false, Some("fips140=on"), &[]),
            (json!([literal, from]), false, None, &all[1..2]),
            (
                json!([{"name": "OTHER", "valueFrom": {}}]),
                false,
                None,
                &[],
            ),
            (json!([]), true, None, &all),
            (
                json!([literal]),
                true,
                Some("fips140=on"),
                &[all[0], all[2]],
            ),
        ] {
            let env_from = if bulk {
                json!([{"secretRef": {"name": "s"}}])
            } else {
                json!([])
            };
            let (found, unseen) = settings(&container(&json!({"env": env, "envFrom": env_from})));
            assert_eq!(found.get("GODEBUG").map(String::as_str), shown, "{env}");
            assert!(unseen.iter().eq(hidden), "{env}: {unseen:?}");
        }
    }
}
