//! The data file of harmless settings: which settings may have which values, by the purpose of a container.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use super::setting::{Setting, Value};
use crate::report::SettingKind;
use dated_data::{DataError, parse};

/// The data that is part of the program, `[[file name, file]]` as `build.rs` wrote it.
const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/facts.json"));

/// The profile that each of the others includes.
const COMMON: &str = "common";

/// The namespaces of the control planes that are verified.
pub(super) type Homes = BTreeSet<String>;

/// The rules of every profile.
pub(super) struct Rules {
    profiles: HashMap<String, Profile>,
}

/// The rules for containers with one purpose.
#[derive(Default)]
struct Profile {
    exact: HashMap<(SettingKind, String), Vec<Pattern>>,
    /// Rules for names that end in `*`.
    prefixes: Vec<(SettingKind, String, Vec<Pattern>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "dated like all data")]
    date: String,
    profiles: Vec<ProfileRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileRow {
    name: String,
    settings: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: SettingKind,
    names: Vec<Text>,
    values: Vec<Text>,
    #[expect(dead_code, reason = "for readers of the file")]
    source: String,
}

/// Parses a file of harmless settings, to validate it.
pub(crate) fn read_settings(name: &str, text: &str) -> Result<(), DataError> {
    parse::<File>(name, text).map(drop)
}

/// A scalar of the data, which may look like a number or a boolean.
#[derive(Deserialize)]
#[serde(from = "serde_json::Value")]
struct Text(String);

impl From<serde_json::Value> for Text {
    fn from(value: serde_json::Value) -> Text {
        Text(match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

/// The values that a rule permits.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `<any>`: every literal value.
    Any,
    /// `<text>`: literal values that remain one string wherever a template inserts them.
    Text,
    /// `<number>`: digits.
    Number,
    /// `<regex>`: as `<text>`, and backslashes.
    Regex,
    /// `<control-plane>`: the TLS port of a Service in a namespace of the control planes that are verified.
    ControlPlane,
    /// `<field metadata.name>`, `<resource>`: the source of the value.
    Source(String),
    /// A literal in which `*` stands for letters, digits, `.`, `-` and `_`.
    Literal(String),
}

impl Rules {
    /// Returns the rules that are part of the program.
    pub(super) fn builtin() -> &'static Rules {
        static RULES: LazyLock<Rules> = LazyLock::new(|| {
            let files: Vec<(String, File)> = serde_json::from_str(BUILTIN).unwrap_or_default();
            Rules::of(files.into_iter().flat_map(|(_, file)| file.profiles))
        });
        &RULES
    }

    fn of(rows: impl Iterator<Item = ProfileRow>) -> Rules {
        let mut profiles: HashMap<String, Profile> = HashMap::new();
        for row in rows {
            let profile = profiles.entry(row.name).or_default();
            for row in row.settings {
                let values: Vec<Pattern> = row.values.iter().map(Pattern::of).collect();
                for Text(name) in row.names {
                    if let Some(prefix) = name.strip_suffix('*') {
                        let prefix = prefix.to_owned();
                        profile.prefixes.push((row.kind, prefix, values.clone()));
                    } else {
                        let known = profile.exact.entry((row.kind, name)).or_default();
                        known.extend(values.iter().cloned());
                    }
                }
            }
        }
        Rules { profiles }
    }

    /// Checks whether a container with that purpose reads the annotation when it starts.
    fn reads(&self, profile: &str, annotation: &str) -> bool {
        let key = (SettingKind::Annotation, annotation.to_owned());
        let profile = self.profiles.get(profile);
        profile.is_some_and(|profile| profile.exact.contains_key(&key))
    }

    /// Checks whether a container with that purpose may have the setting.
    pub(super) fn permit(&self, profile: &str, setting: &Setting, homes: &Homes) -> bool {
        if setting.kind == SettingKind::Annotation && !self.reads(profile, &setting.name) {
            return true;
        }
        [profile, COMMON]
            .iter()
            .filter_map(|name| self.profiles.get(*name))
            .any(|profile| profile.permits(setting, homes))
    }
}

impl Profile {
    fn permits(&self, setting: &Setting, homes: &Homes) -> bool {
        let key = (setting.kind, setting.name.clone());
        let exact = self.exact.get(&key).into_iter();
        let prefixes = self.prefixes.iter();
        let prefixes = prefixes.filter(|(kind, prefix, _)| {
            *kind == setting.kind && setting.name.starts_with(prefix.as_str())
        });
        let mut patterns = exact
            .chain(prefixes.map(|(.., patterns)| patterns))
            .flatten();
        patterns.any(|pattern| pattern.matches(&setting.value, homes))
    }
}

impl Pattern {
    fn of(Text(text): &Text) -> Pattern {
        match text.as_str() {
            "<any>" => Pattern::Any,
            "<text>" => Pattern::Text,
            "<number>" => Pattern::Number,
            "<regex>" => Pattern::Regex,
            "<control-plane>" => Pattern::ControlPlane,
            text => match text.strip_prefix('<').and_then(|it| it.strip_suffix('>')) {
                Some(source) => Pattern::Source(source.to_owned()),
                None => Pattern::Literal(text.to_owned()),
            },
        }
    }

    fn matches(&self, value: &Value, homes: &Homes) -> bool {
        match (self, value) {
            (Pattern::Any, Value::Literal(_)) => true,
            (Pattern::Text, Value::Literal(text)) => is_one_string(text) && !text.contains('\\'),
            (Pattern::Regex, Value::Literal(text)) => is_one_string(text),
            (Pattern::Number, Value::Literal(text)) => {
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
            }
            (Pattern::ControlPlane, Value::Literal(text)) => leads_home(text, homes),
            (Pattern::Source(wanted), Value::From(source)) => wanted == source,
            (Pattern::Literal(wanted), Value::Literal(text)) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                match wanted.split_once('*') {
                    None => wanted == text,
                    Some((before, after)) => text
                        .strip_prefix(before)
                        .and_then(|rest| rest.strip_suffix(after))
                        .is_some_and(|middle| middle.chars().all(plain)),
                }
            }
            _ => false,
        }
    }
}

/// Checks whether an address is the TLS port of a Service in one of these namespaces. An address that ends in
/// anything but the cluster's own domain would be looked up elsewhere.
fn leads_home(address: &str, homes: &Homes) -> bool {
    let host = address.strip_prefix("https://").unwrap_or(address);
    let host = host.strip_suffix(":15012").unwrap_or_default();
    let host = host.strip_suffix(".cluster.local").unwrap_or(host);
    let host = host.strip_suffix(".svc").unwrap_or_default();
    let service = host.split_once('.');
    service.is_some_and(|(service, namespace)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        service.chars().all(plain) && homes.contains(namespace)
    })
}

/// Checks whether a text without backslashes remains one JSON string when it is inserted between quotes
/// unescaped, as the template of Envoy's bootstrap does, and references no other variable.
fn is_one_string(text: &str) -> bool {
    let ends = |c: char| c.is_control() || c == '"' || (c.is_whitespace() && c != ' ');
    !text.contains("$(") && !text.contains(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table of cases")]
    fn patterns_take_no_more_than_they_say() {
        let literal = |text: &str| Value::Literal(text.to_owned());
        for (pattern, value, matches) in [
            ("<any>", literal("$(X)\"\n"), true),
            ("<any>", Value::From("secret".into()), false),
            ("<text>", literal("a b/c:1,{x}"), true),
            ("<text>", literal(""), true),
            ("<text>", literal("$(X)"), false),
            ("<text>", literal("a\"b"), false),
            ("<text>", literal("a\\u0022b"), false),
            ("<text>", literal("a\nb"), false),
            ("<regex>", literal("a\\.b.*"), true),
            ("<regex>", literal("a\"}"), false),
            ("<number>", literal("15012"), true),
            ("<number>", literal(""), false),
            ("<number>", literal("1 --x"), false),
            ("<resource>", Value::From("resource".into()), true),
            ("<resource>", literal("<resource>"), false),
            ("<resource>", literal("resource"), false),
            ("a*.svc:15012", literal("a-a.b.svc:15012"), true),
            ("a*.svc:15012", literal("a/x.svc:15012"), false),
            ("a*.svc:15012", literal("a.svc:150123"), false),
            (
                "<control-plane>",
                literal("istiod.istio-system.svc:15012"),
                true,
            ),
            (
                "<control-plane>",
                literal("https://istiod-x.istio-system.svc.cluster.local:15012"),
                true,
            ),
            ("<control-plane>", literal("istiod.shop.svc:15012"), false),
            (
                "<control-plane>",
                literal("istiod.istio-system.svc:15010"),
                false,
            ),
            (
                "<control-plane>",
                literal("http://istiod.istio-system.svc:15012"),
                false,
            ),
            (
                "<control-plane>",
                literal("istiod.istio-system.svc.evil.example:15012"),
                false,
            ),
            (
                "<control-plane>",
                literal("evil.example/istiod.istio-system.svc:15012"),
                false,
            ),
            (
                "<control-plane>",
                literal("x@istiod.istio-system.svc:15012"),
                false,
            ),
            ("<control-plane>", literal("istiod.istio-system"), false),
            ("true", literal("true"), true),
            ("true", literal("TRUE"), false),
        ] {
            let read = Pattern::of(&Text(pattern.to_owned()));
            let homes = Homes::from(["istio-system".to_owned()]);
            assert_eq!(read.matches(&value, &homes), matches, "{pattern} {value:?}");
        }
    }

    #[test]
    fn the_file_is_read_whole() {
        let files: Vec<(String, File)> = serde_json::from_str(BUILTIN).unwrap();
        assert_eq!(files.len(), 1);
        for profile in [
            "proxy",
            "iptables",
            "istiod",
            "ztunnel",
            "cni",
            "agentgateway",
        ] {
            assert!(Rules::builtin().profiles.contains_key(profile), "{profile}");
        }
    }
}
