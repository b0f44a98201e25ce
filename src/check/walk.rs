//! Visits every value of a document with its path.

use serde_json::Value;

/// Calls `visit` for the value and everything in it; paths have the form `spec.a[0].b`, or `a[name:x]` if an
/// item of a list has a name.
pub(super) fn walk<'v>(document: &'v Value, visit: &mut dyn FnMut(&str, &'v Value)) {
    step("", document, visit);
}

fn step<'v>(path: &str, value: &'v Value, visit: &mut dyn FnMut(&str, &'v Value)) {
    visit(path, value);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                step(&path, value, visit);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                let item = value["name"]
                    .as_str()
                    .map_or_else(|| index.to_string(), |name| format!("name:{name}"));
                step(&format!("{path}[{item}]"), value, visit);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_visited_with_its_path() {
        let document = serde_json::json!({"a": [{"name": "x", "b": 1}, {"c": 2}]});
        let mut paths = Vec::new();
        walk(&document, &mut |path, _| paths.push(path.to_owned()));
        assert_eq!(
            paths,
            [
                "",
                "a",
                "a[name:x]",
                "a[name:x].name",
                "a[name:x].b",
                "a[1]",
                "a[1].c"
            ]
        );
    }
}
