//! Parses `ProxyConfig` as the agent reads it: YAML or JSON, fields in either of their two spellings.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::setting::Setting;
use crate::report::SettingKind;
use terminal_text::is_hidden;

/// Bytes of a text that are read. Those of real pods have some hundreds.
const LONGEST: usize = 16 << 10;

/// Bytes of the paths of all values of a text: a long key is part of the path of every value below it.
const PATHS: usize = 64 << 10;

/// Deepest nesting of a text; `ProxyConfig` is four levels deep.
const DEEPEST: usize = 32;

/// The field with variables for the proxy.
const METADATA: &str = "proxyMetadata";

/// The field of a mesh configuration with the default `ProxyConfig`.
const DEFAULT: &str = "defaultConfig";

/// Returns the fields of the `ProxyConfig` in the setting `place`, and the variables that it sets.
pub(super) fn settings(place: &str, text: &str) -> Vec<Setting> {
    let values = values(text).unwrap_or_else(|Unreadable| vec![unreadable(place)]);
    values.into_iter().map(Field::into_setting).collect()
}

/// Returns the same for the default `ProxyConfig` in a mesh configuration.
pub(super) fn of_mesh(place: &str, text: &str) -> Vec<Setting> {
    let values = values(text).unwrap_or_else(|Unreadable| vec![unreadable(place)]);
    let named = values.into_iter().filter_map(|field| {
        let (first, rest) = field.path.split_once('.').unwrap_or((&field.path, ""));
        let other = first != DEFAULT && first.chars().all(|c| c.is_ascii_alphanumeric());
        (!other).then(|| Field {
            path: if first == DEFAULT { rest } else { first }.to_owned(),
            value: field.value,
        })
    });
    named.map(Field::into_setting).collect()
}

/// A scalar and the path of fields that leads to it.
struct Field {
    path: String,
    value: String,
}

/// The error for texts that the agent's parser may read differently: aliases, tags, keys that are not scalars,
/// characters that end a line for only one of the parsers, and invalid or too large YAML.
struct Unreadable;

impl Field {
    fn into_setting(self) -> Setting {
        let variable = self.path.strip_prefix(METADATA);
        match variable.and_then(|rest| rest.strip_prefix('.')) {
            Some(name) => Setting::new(SettingKind::Variable, name, self.value),
            None => Setting::new(SettingKind::ProxyConfig, self.path, self.value),
        }
    }
}

fn unreadable(place: &str) -> Field {
    Field {
        path: format!("text at {place} that cannot be read"),
        value: String::new(),
    }
}

/// An open collection.
enum Open {
    List,
    /// An open map, with the key that is waiting for its value.
    Map(Option<String>),
}

/// Returns every scalar of the text, from all of its documents. Items of lists have the path of their list.
fn values(text: &str) -> Result<Vec<Field>, Unreadable> {
    if text.len() > LONGEST || text.contains(is_read_differently) {
        return Err(Unreadable);
    }
    let mut open: Vec<Open> = Vec::new();
    let mut values = Vec::new();
    let mut paths = 0;
    for event in Parser::new_from_str(text) {
        match event.map_err(|_| Unreadable)?.0 {
            Event::Alias(_) => return Err(Unreadable),
            Event::Scalar(text, style, _, tag) => {
                if tag.is_some() {
                    return Err(Unreadable);
                }
                let path = path(&open);
                paths += path.len();
                if paths > PATHS {
                    return Err(Unreadable);
                }
                if let Some(Open::Map(key @ None)) = open.last_mut() {
                    *key = Some(spelled(&path, &text));
                    continue;
                }
                let is_null = ["", "~", "null", "Null", "NULL"].contains(&&*text);
                if !(is_null && style == ScalarStyle::Plain) {
                    let value = text.into_owned();
                    values.push(Field { path, value });
                }
                end_value(&mut open);
            }
            event @ (Event::SequenceStart(..) | Event::MappingStart(..)) => {
                if matches!(open.last(), Some(Open::Map(None))) || open.len() == DEEPEST {
                    return Err(Unreadable);
                }
                open.push(match event {
                    Event::SequenceStart(..) => Open::List,
                    _ => Open::Map(None),
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
                end_value(&mut open);
            }
            _ => {}
        }
    }
    Ok(values)
}

/// Checks whether parsers treat a character differently. The agent reads YAML 1.1, where U+0085, U+2028 and
/// U+2029 end a line, and so also a comment; real texts have no invisible characters.
fn is_read_differently(c: char) -> bool {
    let breaks = ['\u{85}', '\u{2028}', '\u{2029}'].contains(&c);
    breaks || (is_hidden(c) && !['\n', '\r', '\t'].contains(&c))
}

/// Marks the open map as waiting for its next key, after a value.
fn end_value(open: &mut [Open]) {
    if let Some(Open::Map(key)) = open.last_mut() {
        *key = None;
    }
}

fn path(open: &[Open]) -> String {
    let keys = open.iter().filter_map(|it| match it {
        Open::Map(key) => key.as_deref(),
        Open::List => None,
    });
    keys.collect::<Vec<_>>().join(".")
}

/// Returns a key in its JSON spelling (camelCase). Keys of maps are free names and stay unchanged.
fn spelled(path: &str, key: &str) -> String {
    const MAPS: [&str; 4] = [
        METADATA,
        "runtimeValues",
        "defaultConfig.proxyMetadata",
        "defaultConfig.runtimeValues",
    ];
    if MAPS.contains(&path) {
        return key.to_owned();
    }
    let mut name = String::with_capacity(key.len());
    let mut raised = false;
    for c in key.chars() {
        if c == '_' {
            raised = true;
        } else if std::mem::take(&mut raised) {
            name.extend(c.to_uppercase());
        } else {
            name.push(c);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::genuine::setting::Value;

    /// Returns `path=value` for every field and `NAME:value` for every variable.
    fn said(text: &str) -> Vec<String> {
        let all = settings("PROXY_CONFIG", text);
        all.iter()
            .map(|it| {
                let Value::Literal(value) = &it.value else {
                    panic!("{it:?}")
                };
                let mark = if it.kind == SettingKind::Variable {
                    ':'
                } else {
                    '='
                };
                format!("{}{mark}{value}", it.name)
            })
            .collect()
    }

    #[test]
    fn every_spelling_of_a_field_is_the_same_field() {
        for text in [
            "binaryPath: /x",
            "binary_path: /x",
            r#"{"binaryPath":"/x"}"#,
            r#"{"binary\u0050ath":"/x"}"#,
            r#"{"binary_pat\u0068":"/x"}"#,
            "\"binary\\x50ath\": /x",
            "'binaryPath': /x",
            "? binaryPath\n: /x",
            "{binaryPath: &a /x}",
            "---\nbinaryPath: /x",
            "binaryPath: >-\n  /x",
            "{\n\t\"binaryPath\": \"/x\"}",
            "binary__path: /x",
        ] {
            assert_eq!(said(text), ["binaryPath=/x"], "{text}");
        }
    }

    #[test]
    fn what_hides_a_field_is_seen_by_another_name() {
        for text in [
            "a: &a {binaryPath: /x}\n<<: *a",
            "<<: {binaryPath: /x}",
            "serviceCluster: !!binary IiwieCI6Ig==",
            "a.binaryPath: /x",
            "!!binary YmluYXJ5UGF0aA==: /x",
            "? [binaryPath]\n: /x",
            "binaryPath: [/x",
            "BinaryPath: /x",
        ] {
            let said = said(text);
            assert!(!said.is_empty(), "{text}");
            assert_ne!(said, ["serviceCluster=IiwieCI6Ig=="]);
        }
        let twice = said("binaryPath: /usr/local/bin/envoy\nbinaryPath: /x");
        assert_eq!(twice, ["binaryPath=/usr/local/bin/envoy", "binaryPath=/x"]);
        assert_eq!(said("{}\n---\nbinaryPath: /x"), ["binaryPath=/x"]);
    }

    #[test]
    fn variables_of_the_proxy_are_variables() {
        let text = r#"{"proxyMetadata":{"ISTIO_BOOTSTRAP":"/x","a_b":"c"},"concurrency":2,"tracing":{"custom_tags":{"x":1}}}"#;
        assert_eq!(
            said(text),
            [
                "ISTIO_BOOTSTRAP:/x",
                "a_b:c",
                "concurrency=2",
                "tracing.customTags.x=1"
            ]
        );
    }

    #[test]
    fn texts_without_end_are_not_read() {
        let long = format!("a: {}", "x".repeat(LONGEST));
        assert_eq!(said(&long).len(), 1);
        let bomb = format!(
            "a: &a {}\nb: [{}]",
            "x".repeat(9000),
            vec!["*a"; 9000].join(",")
        );
        assert_eq!(said(&bomb), ["text at PROXY_CONFIG that cannot be read="]);
        assert_eq!(said(&"[".repeat(50_000)).len(), 1);
    }

    #[test]
    fn long_keys_above_many_values_are_not_read() {
        let text = format!(
            "{}: [{}]",
            "k".repeat(LONGEST / 2),
            "1,".repeat(LONGEST / 8)
        );
        assert_eq!(said(&text), ["text at PROXY_CONFIG that cannot be read="]);
        let long_key = format!("{}: 1", "k".repeat(LONGEST / 2));
        assert_eq!(said(&long_key).len(), 1);
        let variable = |at: usize| format!("\"VARIABLE_{at}\": \"x\"");
        let many: Vec<String> = (0..500).map(variable).collect();
        assert_eq!(
            said(&format!("proxyMetadata: {{{}}}", many.join(","))).len(),
            500
        );
    }

    #[test]
    fn the_default_of_a_mesh_is_read_like_its_own() {
        for text in [
            "defaultConfig: {binaryPath: /x}",
            "default_config: {binary_path: /x}",
        ] {
            let all = of_mesh("istio", text);
            assert_eq!(all[0].name, "binaryPath", "{text}");
        }
        assert_eq!(
            of_mesh("istio", "accessLogFile: /dev/stdout\nproxyHttpPort: 1"),
            []
        );
        for text in ["a: [", "<<: {defaultConfig: {binaryPath: /x}}"] {
            assert_eq!(of_mesh("istio", text).len(), 1, "{text}");
        }
    }
}
