//! Merges base, files and assignments.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::nulls::Unset;
use super::route::{Router, Target};
use super::set::Assignment;
use super::{
    Base, Document, Engine, Merged, Notice, Origin, Origins, OverlayError, Rules, UserDocument,
    apply, map, nulls, split, strategic,
};

/// Merges `base` < `files` in order < `sets` in order, as the engine would; one document per target. Without a base,
/// the documents are those of the files.
pub fn merge(
    rules: Rules,
    base: &[Base],
    files: &[UserDocument],
    sets: &[Assignment],
) -> Result<Merged, OverlayError> {
    let (files, unset): (Cow<'_, [UserDocument]>, Vec<Vec<Unset>>) = match rules.engine {
        Engine::Map => {
            let (files, unset): (Vec<_>, Vec<_>) = files.iter().map(nulls::without_nulls).unzip();
            (files.into(), unset)
        }
        Engine::Strategic => (files.into(), Vec::new()),
    };
    let mut notices: Vec<Notice> = files.iter().flat_map(|file| file.notices.clone()).collect();
    let mut router = Router::new(base, &files)?;
    for (place, file) in files.iter().enumerate() {
        for (target, part) in split::parts(&router, place, file)? {
            let preset = base.get(target).and_then(|base| base.value.as_object());
            let target = &mut router.targets[target];
            notices.extend(renaming(target, file));
            match rules.engine {
                Engine::Map => {
                    let unset = unset.get(place).into_iter().flatten();
                    notices.extend(unset.filter_map(|null| null.notice(&target.document)));
                    notices.extend(replaced_gateways(&target.document, &part, file));
                    map::merge(&mut target.document, part);
                }
                Engine::Strategic => strategic::merge(&mut target.document, part, preset)?,
            }
            note_origins(target, file);
        }
    }
    for assignment in sets {
        for target in router.assigned(assignment)? {
            let Target {
                document, origins, ..
            } = &mut router.targets[target];
            let place = apply::apply(rules.engine, document, assignment)?;
            origins.insert(place.to_string(), assignment.origin());
        }
        notices.extend(assignment.notices.iter().cloned());
    }
    let documents = router
        .targets
        .into_iter()
        .map(|target| finished(rules.engine, target));
    Ok(Merged {
        documents: documents.collect::<Result<_, _>>()?,
        notices,
    })
}

/// Records where the values of a file are set.
fn note_origins(target: &mut Target, file: &UserDocument) {
    // If a preset begins the document, it is the origin of what no file sets.
    target
        .origins
        .entry(String::new())
        .or_insert_with(|| Origin::File(file.start.clone()));
    let places = file
        .places
        .iter()
        .map(|(path, at)| (path.clone(), Origin::File(at.clone())));
    target.origins.extend(places);
}

/// Announces that a file is merged with an earlier one of another name: files become one document as in istioctl, even
/// if each was meant to be a separate one. The name of a preset's document is simply replaced.
fn renaming(target: &mut Target, file: &UserDocument) -> Option<Notice> {
    let new = file.name()?;
    let old = target.named.replace(new.to_owned());
    let old = old.filter(|old| old != new)?;
    Some(Notice {
        origin: Origin::File(file.start.clone()),
        text: format!(
            "{new} is merged with {old} into one document; for two, put both into one file with \
             `---` between them"
        ),
    })
}

/// Announces what gateways lose if a file replaces their list, which this engine does with every list.
fn replaced_gateways(
    before: &Map<String, Value>,
    part: &Map<String, Value>,
    file: &UserDocument,
) -> Vec<Notice> {
    let gateways = |document: &Map<String, Value>, list: &str| {
        let spec = document.get("spec")?;
        spec.get("components")?.get(list)?.as_array().cloned()
    };
    let mut notices = Vec::new();
    for list in ["ingressGateways", "egressGateways"] {
        let (Some(old), Some(new)) = (gateways(before, list), gateways(part, list)) else {
            continue;
        };
        for gateway in &old {
            let Some(name) = gateway["name"].as_str() else {
                continue;
            };
            let kept = new.iter().find(|it| it["name"] == name);
            let lost: Vec<&str> = match (kept.and_then(Value::as_object), gateway.as_object()) {
                (Some(kept), Some(gateway)) => {
                    let keys = gateway.keys().map(String::as_str);
                    keys.filter(|key| !kept.contains_key(*key)).collect()
                }
                _ => vec!["everything"],
            };
            if lost.is_empty() {
                continue;
            }
            notices.push(Notice {
                origin: Origin::File(file.start.clone()),
                text: format!(
                    "components.{list} replaces the list before it, as in istioctl: gateway {name} loses {}",
                    lost.join(", ")
                ),
            });
        }
    }
    notices
}

fn finished(engine: Engine, target: Target) -> Result<Document, OverlayError> {
    let mut value = Value::Object(target.document);
    let origins = Origins(target.origins);
    nulls::drop_nulls(engine, &mut value, &origins)?;
    for list in ["ingressGateways", "egressGateways"] {
        let Some(gateways) = value["spec"]["components"][list].as_array() else {
            continue;
        };
        check_gateways(engine, list, gateways, &origins)?;
    }
    Ok(Document { value, origins })
}

fn check_gateways(
    engine: Engine,
    list: &str,
    gateways: &[Value],
    origins: &Origins,
) -> Result<(), OverlayError> {
    // A gateway is set where its name is set, or else whether it is on.
    let set_at = |path: &str, gateway: &Value| match gateway["name"].as_str() {
        Some(name) => format!("spec.components.{list}[name:{name}].name"),
        None => format!("{path}.enabled"),
    };
    let refused = |(path, gateway): (&str, &Value), problem: &str, next: &str| match origins
        .of(&set_at(path, gateway))
    {
        Origin::File(at) => OverlayError::file(at, format!("{path}: {problem}"), next),
        Origin::Set(text) => OverlayError::set(&text, format!("{path}: {problem}"), next),
        _ => OverlayError::value(&path, problem, next),
    };
    let mut names = HashSet::new();
    for (place, gateway) in gateways.iter().enumerate() {
        let path = format!("spec.components.{list}[{place}]");
        let Some(name) = gateway["name"].as_str().filter(|name| !name.is_empty()) else {
            // A list of this engine replaces that of the profile, so this is how to have no gateway.
            if engine == Engine::Map && gateway["enabled"] == false {
                continue;
            }
            let next = "add `name: …` in a file; --set with an index beyond the end of the list adds a gateway each time";
            return Err(refused((&path, gateway), "this gateway has no name", next));
        };
        if !is_gateway_name(name) {
            let problem = format!("{name:?} is not a name of a gateway");
            let next = "use lower-case letters, digits, `-` and `.`, at most 254 of them";
            return Err(refused((&path, gateway), &problem, next));
        }
        if !names.insert(name) && engine == Engine::Strategic {
            let problem = format!("a second gateway {name}, of which istioctl keeps one");
            let next = "use another name, or a document of its own";
            return Err(refused((&path, gateway), &problem, next));
        }
    }
    Ok(())
}

/// Whether istioctl accepts the name, which the charts use for a Deployment and a Service.
fn is_gateway_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    name.len() <= 254 && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{read, write};
    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        engine: Engine,
        #[serde(default)]
        files: Vec<String>,
        #[serde(default)]
        sets: Vec<String>,
        expect: Option<Value>,
        error: Option<String>,
        /// Where istioctl itself behaves differently, for the comparison with it.
        #[serde(rename = "differs")]
        _differs: Option<String>,
    }

    fn merged(case: &Case) -> Result<Value, OverlayError> {
        let mut files = Vec::new();
        for (place, text) in case.files.iter().enumerate() {
            files.extend(read(&format!("{place}.yaml"), text.as_bytes())?);
        }
        let sets = case.sets.iter().map(|text| Assignment::parse(text));
        let sets: Vec<Assignment> = sets.collect::<Result<_, _>>()?;
        let rules = Rules {
            engine: case.engine,
            gateway_tag: true,
            variant: true,
        };
        let mut merged = merge(rules, &[], &files, &sets)?;
        assert_eq!(merged.documents.len(), 1, "{}", case.name);
        Ok(merged.documents.remove(0).value)
    }

    #[test]
    fn gateway_with_a_wrong_name_is_refused_with_its_place() {
        let text = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  components:\n    ingressGateways:\n    - name: Foo\n";
        let rules = Rules {
            engine: Engine::Map,
            gateway_tag: true,
            variant: true,
        };
        let files = read("f", text.as_bytes()).unwrap();
        let error = merge(rules, &[], &files, &[]).unwrap_err().to_string();
        assert!(error.starts_with("f:6:13: "), "{error}");
    }

    #[test]
    fn quoted_switches_and_words_that_look_like_switches_are_read_as_meant() {
        let text = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  meshConfig: {ingressControllerMode: OFF}\n  components: {pilot: {enabled: \"true\"}}\n";
        let files = read("f", text.as_bytes()).unwrap();
        let spec = &files[0].value()["spec"];
        assert_eq!(spec["meshConfig"]["ingressControllerMode"], "OFF");
        assert_eq!(spec["components"]["pilot"]["enabled"], true);
        assert_eq!(files[0].notices.len(), 2);
    }

    #[test]
    fn gateways_that_a_later_list_replaces_are_named_with_what_they_lose() {
        let notices = |engine: Engine| -> Vec<String> {
            let files = [
                "[{name: a, namespace: x}, {name: b}]",
                "[{name: a, enabled: true}]",
            ];
            let files: Vec<UserDocument> = files
                .iter()
                .map(|list| {
                    let text = format!(
                        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {{components: {{ingressGateways: {list}}}}}\n"
                    );
                    read("f", text.as_bytes()).unwrap().remove(0)
                })
                .collect();
            let rules = Rules {
                engine,
                gateway_tag: true,
                variant: true,
            };
            let merged = merge(rules, &[], &files, &[]).unwrap();
            merged.notices.iter().map(Notice::to_string).collect()
        };
        let lost = notices(Engine::Map);
        assert!(lost[0].ends_with("gateway a loses namespace"), "{lost:?}");
        assert!(lost[1].ends_with("gateway b loses everything"), "{lost:?}");
        assert_eq!(notices(Engine::Strategic), [""; 0]);
    }

    #[test]
    fn every_case_of_the_table_merges_as_it_says() {
        let table = include_str!("../tests/data/overlay-cases.yaml");
        let cases: Vec<Case> = serde_yaml::from_str(table).unwrap();
        let mut wrong = Vec::new();
        for case in &cases {
            let got = merged(case);
            let fits = match (&got, &case.expect, &case.error) {
                (Ok(value), Some(expect), None) => {
                    let mut whole = json!({
                        "apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator",
                    });
                    whole
                        .as_object_mut()
                        .unwrap()
                        .extend(expect.as_object().unwrap().clone());
                    *value == whole
                        && read("ours", write(value).as_bytes()).unwrap()[0].value() == value
                }
                (Err(error), None, Some(part)) => error.to_string().contains(part),
                _ => false,
            };
            if !fits {
                wrong.push(format!("{}: {got:?}", case.name));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {}:\n{}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
        assert!(cases.len() > 100, "the table is not whole");
    }
}
