//! The meaning of a null in a user's document: the value is not set.
//!
//! The engine up to 1.23 drops every null itself. The later one writes a null over the value of the profile, which
//! loses hub and tag, breaks charts or names an image `<nil>`; most of these nulls are sections that contain only
//! comments. So no null is written: it is dropped with a notice of what istioctl would have done, or refused if it can
//! mean two things.

use serde_json::{Map, Value};

use super::path::Path;
use super::schema::RULES;
use super::{Engine, Notice, Origin, Origins, OverlayError, Position, UserDocument, fields};

/// A null without an effect of its own: in istioctl it removes the value at its path from an earlier input.
#[derive(Debug, Clone)]
pub(super) struct Unset {
    path: Path,
    at: Position,
}

impl Unset {
    /// Announces that the value of an earlier input stays, if there is one.
    pub(super) fn notice(&self, earlier: &Map<String, Value>) -> Option<Notice> {
        let words = self.path.words();
        let (first, rest) = words.split_first()?;
        let mut steps = rest.iter();
        let value = steps.try_fold(earlier.get(*first)?, |value, name| value.get(*name))?;
        (!value.is_null()).then(|| Notice {
            origin: Origin::File(self.at.clone()),
            text: format!(
                "{} is null and counts as not set: the value before it stays; this istioctl would take it back",
                self.path
            ),
        })
    }
}

/// Returns the file without the nulls that an engine would write, and those of them without an effect of their own.
/// Nulls that can mean two things stay, because a later file can still give the value.
pub(super) fn without_nulls(file: &UserDocument) -> (UserDocument, Vec<Unset>) {
    let mut file = file.clone();
    let mut nulls = Nulls::default();
    nulls.value(&mut file.value);
    let places = |path: &str| file.places.iter().rev().find(|(place, _)| place == path);
    let notices = nulls.dropped.iter().map(|(path, text)| {
        let at = places(path).map_or(&file.start, |(_, at)| at);
        Notice {
            origin: Origin::File(at.clone()),
            text: text.clone(),
        }
    });
    let notices: Vec<Notice> = notices.collect();
    let unset = nulls.silent.iter().map(|path| Unset {
        path: path.clone(),
        at: places(&path.to_string())
            .map_or(&file.start, |(_, at)| at)
            .clone(),
    });
    let unset = unset.collect();
    file.notices.extend(notices);
    (file, unset)
}

/// Drops the nulls that remain from a preset, a template or lists in files, and refuses those that can mean two things
/// to the engine.
pub(super) fn drop_nulls(
    engine: Engine,
    document: &mut Value,
    origins: &Origins,
) -> Result<(), OverlayError> {
    let mut nulls = Nulls::default();
    nulls.value(document);
    let Some((path, does, write)) = nulls.doubtful.first().filter(|_| engine == Engine::Map) else {
        // The old engine drops them itself.
        nulls.is_last = true;
        nulls.value(document);
        return Ok(());
    };
    let problem = format!("{path} is null, and this istioctl would {does}");
    Err(match origins.of(path) {
        Origin::File(at) => OverlayError::file(at, problem, *write),
        _ => OverlayError::value(
            path,
            format!("this istioctl would {does} for a null"),
            *write,
        ),
    })
}

#[derive(Default)]
struct Nulls {
    path: Path,
    /// Whether doubtful nulls are dropped too.
    is_last: bool,
    /// Path and notice of nulls that have an effect in istioctl.
    dropped: Vec<(String, String)>,
    /// Paths of nulls that istioctl treats as values that are not set.
    silent: Vec<Path>,
    /// Path of nulls that can mean two things, what istioctl would do, and what to write.
    doubtful: Vec<(String, &'static str, &'static str)>,
}

impl Nulls {
    fn value(&mut self, value: &mut Value) {
        match value {
            Value::Object(map) => self.map(map),
            Value::Array(list) => self.list(list),
            _ => {}
        }
    }

    fn map(&mut self, map: &mut Map<String, Value>) {
        let mut gone = Vec::new();
        for (key, value) in map.iter_mut() {
            self.path.push_key(key);
            // A patch without a value deletes, and so does one with a null.
            if !is_patch_value(&self.path) {
                if !value.is_null() {
                    self.value(value);
                } else if self.drops() {
                    gone.push(key.clone());
                }
            }
            self.path.pop();
        }
        for key in gone {
            map.shift_remove(&key);
        }
    }

    fn list(&mut self, list: &mut Vec<Value>) {
        for (index, value) in list.iter_mut().enumerate() {
            let name = value.get("name").and_then(Value::as_str).map(str::to_owned);
            self.path.push_item(index, name.as_deref());
            if value.is_null() {
                let row = RULES.null(&self.path).filter(|row| row.write.is_some());
                let does = row.and_then(|row| row.does);
                let does = does.unwrap_or("take it for an entry without a value");
                let write = row.and_then(|row| row.write);
                let write = write.unwrap_or("write a value, or remove the line");
                self.doubtful.push((self.path.to_string(), does, write));
            }
            self.value(value);
            self.path.pop();
        }
        if self.is_last {
            list.retain(|value| !value.is_null());
        }
    }

    /// Whether the null at the path can be dropped; records what istioctl would have done with it.
    fn drops(&mut self) -> bool {
        let Some(row) = RULES.null(&self.path) else {
            return true;
        };
        let path = self.path.to_string();
        if let (Some(does), Some(write)) = (row.does, row.write) {
            self.doubtful.push((path, does, write));
            return self.is_last;
        }
        let entry = fields::is_entry(&self.path);
        let (does, more) = if entry {
            (
                Some("set it to an empty text"),
                "; write \"\" for an empty text",
            )
        } else {
            (row.does, "")
        };
        if let Some(does) = does {
            let text =
                format!("{path} is null and counts as not set; this istioctl would {does}{more}");
            self.dropped.push((path, text));
        } else {
            self.silent.push(self.path.clone());
        }
        true
    }
}

fn is_patch_value(path: &Path) -> bool {
    ["spec.components.*", "spec.components.*.[]"]
        .iter()
        .any(|root| path.matches(&format!("{root}.k8s.overlays.[].patches.[].value")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Base, Rules, merge, read};
    use super::*;

    fn merged(
        engine: Engine,
        base: &Value,
        files: &[&str],
    ) -> Result<(Value, Vec<String>), String> {
        let rules = Rules {
            engine,
            gateway_tag: true,
            variant: true,
        };
        let base = Base {
            name: "preset".into(),
            value: json!({"metadata": {"name": "preset"}, "spec": base}),
        };
        let files: Vec<UserDocument> = files
            .iter()
            .map(|spec| {
                let text = format!(
                    "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {spec}\n"
                );
                read("f", text.as_bytes()).unwrap().remove(0)
            })
            .collect();
        let mut merged = merge(rules, &[base], &files, &[]).map_err(|error| error.to_string())?;
        let notices = merged.notices.iter().map(Notice::to_string).collect();
        Ok((merged.documents.remove(0).value["spec"].take(), notices))
    }

    #[test]
    fn section_of_comments_alone_keeps_what_the_preset_says() {
        let preset = json!({"hub": "h", "tag": "t", "values": {"global": {"istioNamespace": "n"}}});
        for engine in [Engine::Map, Engine::Strategic] {
            for spec in [
                "{values: }",
                "{values: {global: }}",
                "{values: {global: {istioNamespace: }}}",
                "{hub: , tag: , meshConfig: , components: , revision: , compatibilityVersion: }",
            ] {
                let (mut found, _) = merged(engine, &preset, &[spec]).unwrap();
                let empty = |value: &mut Value| {
                    value
                        .as_object_mut()
                        .unwrap()
                        .retain(|_, value| *value != json!({}));
                };
                empty(&mut found);
                assert_eq!(found, preset, "{engine:?} {spec}");
            }
        }
    }

    #[test]
    fn null_that_istioctl_takes_for_unset_is_dropped_without_a_word() {
        let spec =
            "{profile: , namespace: , components: {pilot: {tag: , hub: , k8s: , namespace: }}}";
        let (found, notices) = merged(Engine::Map, &json!({}), &[spec]).unwrap();
        assert_eq!(found, json!({"components": {"pilot": {}}}));
        assert_eq!(notices, [""; 0]);
    }

    #[test]
    fn dropped_null_is_noticed_with_its_place_and_effect() {
        for (spec, want) in [
            (
                "{values: }",
                "f:3:14: spec.values is null and counts as not set; this istioctl would drop all values",
            ),
            (
                "{values: {ztunnel: {tag: }}}",
                "f:3:30: spec.values.ztunnel.tag is null and counts as not set",
            ),
            (
                "{components: {pilot: {k8s: {env: }}}}",
                "would remove it from what is installed",
            ),
            (
                "{values: {pilot: {env: {X: }}}}",
                "set it to an empty text; write \"\" for an empty text",
            ),
            (
                "{unvalidatedValues: {pilot: {image: }}}",
                "remove the default of the profile and the chart",
            ),
        ] {
            let (_, notices) = merged(Engine::Map, &json!({}), &[spec]).unwrap();
            assert!(
                notices.iter().any(|notice| notice.contains(want)),
                "{spec}: {notices:?}"
            );
            let (_, notices) = merged(Engine::Strategic, &json!({}), &[spec]).unwrap();
            assert_eq!(notices, [""; 0], "{spec}");
        }
    }

    #[test]
    fn null_that_can_mean_two_things_is_refused_with_what_to_write() {
        for (spec, want) in [
            (
                "{components: {ingressGateways: }}",
                "write [] for no gateways, or remove the line",
            ),
            (
                "{components: {ingressGateways: [null]}}",
                "write a gateway with its name",
            ),
            (
                "{components: {cni: {enabled: }}}",
                "f:3:34: spec.components.cni.enabled is null, and this istioctl would turn the component on; write true or false",
            ),
            (
                "{components: {ingressGateways: [{name: a, enabled: }]}}",
                "write true or false",
            ),
            (
                "{components: {pilot: {k8s: {tolerations: [null]}}}}",
                "write a value, or remove the line",
            ),
        ] {
            let refused = merged(Engine::Map, &json!({}), &[spec]).unwrap_err();
            assert!(refused.contains(want), "{spec}: {refused}");
            assert!(
                merged(Engine::Strategic, &json!({}), &[spec]).is_ok(),
                "{spec}"
            );
        }
    }

    #[test]
    fn doubtful_null_is_settled_by_a_later_file() {
        let files = [
            "{components: {egressGateways: }}",
            "{components: {egressGateways: []}}",
        ];
        let (found, _) = merged(Engine::Map, &json!({}), &files).unwrap();
        assert_eq!(found, json!({"components": {"egressGateways": []}}));
    }

    #[test]
    fn null_that_leaves_an_earlier_value_is_paths() {
        let preset =
            json!({"profile": "ambient", "components": {"pilot": {"k8s": {"replicaCount": 3}}}});
        let file = "{profile: , namespace: , components: {pilot: {k8s: }}}";
        let (found, notices) = merged(Engine::Map, &preset, &[file]).unwrap();
        assert_eq!(found, preset);
        let paths: Vec<&str> = notices
            .iter()
            .filter_map(|notice| notice.split(' ').nth(1))
            .collect();
        assert_eq!(paths, ["spec.profile", "spec.components.pilot.k8s"]);
    }

    #[test]
    fn null_of_a_patch_stays() {
        let spec = "{components: {pilot: {k8s: {overlays: [{patches: [{path: a, value: }]}]}}}}";
        for engine in [Engine::Map, Engine::Strategic] {
            let (found, _) = merged(engine, &json!({}), &[spec]).unwrap();
            let patch = &found["components"]["pilot"]["k8s"]["overlays"][0]["patches"][0];
            assert_eq!(*patch, json!({"path": "a", "value": null}), "{engine:?}");
        }
    }

    #[test]
    fn later_null_unsets_an_earlier_file_in_the_old_engine_alone() {
        let files = [
            "{profile: demo, values: {pilot: {image: x}}}",
            "{profile: , values: {pilot: {image: }}}",
        ];
        let preset = json!({"profile": "minimal"});
        let (old, _) = merged(Engine::Strategic, &preset, &files).unwrap();
        assert_eq!(old, json!({"profile": "minimal", "values": {"pilot": {}}}));
        let (new, _) = merged(Engine::Map, &preset, &files).unwrap();
        assert_eq!(
            new,
            json!({"profile": "demo", "values": {"pilot": {"image": "x"}}})
        );
    }
}
