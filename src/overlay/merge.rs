//! Puts base, files and assignments together.

use serde_json::{Map, Value};

use super::path::Path;
use super::route::{Router, Target};
use super::set::Assignment;
use super::{
    Base, Document, Engine, Merged, Notice, Origin, OverlayError, Rules, UserDocument, apply, map,
    strategic,
};

/// Merges `base` < `files` in order < `sets` in order, as the engine would; one document per target.
/// Without a base the files themselves are the documents.
pub fn merge(
    rules: Rules,
    base: &[Base],
    files: &[UserDocument],
    sets: &[Assignment],
) -> Result<Merged, OverlayError> {
    let mut notices: Vec<Notice> = files.iter().flat_map(|file| file.notices.clone()).collect();
    let mut router = Router::new(base, files)?;
    for (place, file) in files.iter().enumerate() {
        for (target, part) in router.parts(place, file)? {
            overlay(rules.engine, &mut router.targets[target], part, file)?;
        }
    }
    for assignment in sets {
        for target in router.assigned(assignment)? {
            let Target {
                document, origins, ..
            } = &mut router.targets[target];
            let place = apply::apply(rules.engine, document, assignment)?;
            origins.push((place.to_string(), assignment.origin()));
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

fn overlay(
    engine: Engine,
    target: &mut Target,
    part: Map<String, Value>,
    file: &UserDocument,
) -> Result<(), OverlayError> {
    match engine {
        Engine::Map => map::merge(&mut target.document, part),
        Engine::Strategic => strategic::merge(&mut target.document, part)?,
    }
    let start = (String::new(), Origin::File(file.start.clone()));
    let places = file
        .places
        .iter()
        .map(|(path, at)| (path.clone(), Origin::File(at.clone())));
    target.origins.extend(std::iter::once(start).chain(places));
    Ok(())
}

fn finished(engine: Engine, target: Target) -> Result<Document, OverlayError> {
    let value = Value::Object(target.document);
    for list in ["ingressGateways", "egressGateways"] {
        let Some(gateways) = value["spec"]["components"][list].as_array() else {
            continue;
        };
        check_gateways(engine, list, gateways)?;
    }
    if engine == Engine::Map {
        check_nulls(&value, &mut Path::default())?;
    }
    Ok(Document {
        value,
        origins: target.origins,
    })
}

fn check_gateways(engine: Engine, list: &str, gateways: &[Value]) -> Result<(), OverlayError> {
    for (place, gateway) in gateways.iter().enumerate() {
        let path = format!("spec.components.{list}[{place}]");
        let Some(name) = gateway["name"].as_str().filter(|name| !name.is_empty()) else {
            let next = format!("add `name: …`, or --set components.{list}[{place}].name=…");
            return Err(OverlayError::value(&path, "this gateway has no name", next));
        };
        let twin = gateways[..place]
            .iter()
            .any(|other| other["name"] == gateway["name"]);
        if twin && engine == Engine::Strategic {
            let problem = format!("a second gateway {name}, of which istioctl keeps one");
            return Err(OverlayError::value(
                &path,
                problem,
                "use another name, or a document of its own",
            ));
        }
    }
    Ok(())
}

/// Where a null makes the engine panic, break a chart, or write an image tag `<nil>`.
const FATAL_NULLS: &[&str] = &[
    "spec.hub",
    "spec.tag",
    "spec.components",
    "spec.components.ingressGateways",
    "spec.components.egressGateways",
    "spec.components.*.tag",
    "spec.components.*.[].tag",
    "spec.values.global",
    "spec.values.global.hub",
    "spec.values.global.tag",
    "spec.values.global.proxy",
    "spec.values.global.proxy.image",
    "spec.values.global.proxy_init",
    "spec.values.global.proxy_init.image",
];

fn check_nulls(value: &Value, path: &mut Path) -> Result<(), OverlayError> {
    match value {
        Value::Null if FATAL_NULLS.iter().any(|pattern| path.matches(pattern)) => {
            let gateways = path.matches("spec.components.ingressGateways")
                || path.matches("spec.components.egressGateways");
            let next = if gateways {
                "write `[]` to have none"
            } else {
                "remove it, or give it a value"
            };
            Err(OverlayError::value(
                path,
                "istioctl fails on null here",
                next,
            ))
        }
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            path.push_key(key);
            check_nulls(value, path)?;
            path.pop();
            Ok(())
        }),
        Value::Array(list) => list.iter().enumerate().try_for_each(|(index, value)| {
            path.push_item(index, None);
            check_nulls(value, path)?;
            path.pop();
            Ok(())
        }),
        _ => Ok(()),
    }
}
