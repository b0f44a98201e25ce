//! The settings of a document as lines, for a person to read.

use serde_json::Value;

use super::UserDocument;

impl UserDocument {
    /// Returns each value that is not a map or list, as `spec.values.global.hub=x`, in the order of the document.
    pub fn settings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for name in ["metadata", "spec"] {
            if let Some(part) = self.value.get(name) {
                flatten(name, part, &mut lines);
            }
        }
        lines
    }
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                flatten(&format!("{path}.{name}"), field, lines);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{at}]"), item, lines);
            }
        }
        Value::String(text) => lines.push(format!("{path}={text}")),
        other => lines.push(format!("{path}={other}")),
    }
}

#[cfg(test)]
mod tests {

    #[test]
    fn every_value_of_a_document_is_a_line() {
        let text = "spec:\n  hub: a\n  values: {global: {proxy: {privileged: true}}, x: {}}\n  components:\n    ingressGateways:\n    - name: one\n";
        let read = crate::read("f", text.as_bytes()).unwrap();
        assert_eq!(
            read[0].settings(),
            [
                "spec.hub=a",
                "spec.values.global.proxy.privileged=true",
                "spec.values.x={}",
                "spec.components.ingressGateways[0].name=one",
            ]
        );
    }
}
