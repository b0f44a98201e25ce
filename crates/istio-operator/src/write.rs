//! The only writer of user values as YAML: YAML 1.1 and 1.2 parsers read back the same values.

use serde_json::Value;

use super::text::printable;
use terminal_text::is_hidden;

/// Longer keys need an explicit key mark, because YAML limits a key before its colon.
const LONG_KEY: usize = 1000;

/// Writes one document in block style, ending with a line break.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => block(&mut out, value, 0),
        Value::Array(list) if !list.is_empty() => block(&mut out, value, 0),
        scalar => {
            out.push_str(&inline(scalar));
            out.push('\n');
        }
    }
    out
}

/// Returns a string as a YAML scalar: plain if no parser could read it as anything else.
pub fn quote(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        escaped(text)
    }
}

/// Writes the lines of a map or list that is not empty, each indented.
fn block(out: &mut String, value: &Value, indent: usize) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.push_str(&margin);
                entry(out, key, value, indent);
            }
        }
        Value::Array(list) => {
            for value in list {
                out.push_str(&margin);
                out.push('-');
                item(out, value, indent);
            }
        }
        _ => {}
    }
}

fn entry(out: &mut String, key: &str, value: &Value, indent: usize) {
    let key = quote(key);
    if key.len() > LONG_KEY {
        out.push_str("? ");
        out.push_str(&key);
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    } else {
        out.push_str(&key);
    }
    out.push(':');
    if is_block(value) {
        out.push('\n');
        block(out, value, indent + 2);
    } else {
        out.push(' ');
        out.push_str(&inline(value));
        out.push('\n');
    }
}

/// Writes what follows a dash: a map begins on the same line, a list inside a list on the next one.
fn item(out: &mut String, value: &Value, indent: usize) {
    if !is_block(value) {
        out.push(' ');
        out.push_str(&inline(value));
        out.push('\n');
    } else if value.is_object() {
        let mut lines = String::new();
        block(&mut lines, value, indent + 2);
        out.push(' ');
        out.push_str(lines.trim_start_matches(' '));
    } else {
        out.push('\n');
        block(out, value, indent + 2);
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        other => other.to_string(),
    }
}

/// Whether a text can be unquoted: a letter or slash first, then nothing with a meaning in YAML, and not a word that is
/// a value.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity",
    ];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Returns a text in double quotes, with every character escaped that some parser would refuse or fold, or that
/// controls or misleads a terminal.
fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' => out.push_str(&unicode(c)),
            c if printable(c) && !is_hidden(c) => out.push(c),
            c => out.push_str(&unicode(c)),
        }
    }
    out.push('"');
    out
}

fn unicode(c: char) -> String {
    match u32::from(c) {
        code @ ..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::super::convert::Converter;
    use super::super::{parse, scalar, text};
    use super::*;

    fn reread(written: &str) -> Value {
        let text = text::decode("w", written.as_bytes()).unwrap();
        let roots = parse::parse("w", &text).unwrap();
        assert_eq!(roots.len(), 1, "{written}");
        Converter::new("w").value(&roots[0]).unwrap()
    }

    #[test]
    fn text_is_plain_only_where_every_reader_agrees() {
        for (text, want) in [
            ("minimal", "minimal"),
            ("gcr.io/istio-enterprise", "gcr.io/istio-enterprise"),
            ("/dev/stdout", "/dev/stdout"),
            ("sidecar.istio.io/inject", "sidecar.istio.io/inject"),
            (
                "1.31.0-solo-fips-distroless",
                "\"1.31.0-solo-fips-distroless\"",
            ),
            ("1.20", "\"1.20\""),
            ("", "\"\""),
            ("no", "\"no\""),
            ("oN", "\"oN\""),
            ("Y", "\"Y\""),
            ("nULL", "\"nULL\""),
            ("~", "\"~\""),
            ("=", "\"=\""),
            ("<<", "\"<<\""),
            ("1e3", "\"1e3\""),
            ("0o17", "\"0o17\""),
            ("2026-01-01", "\"2026-01-01\""),
            ("1:30", "\"1:30\""),
            (".inf", "\".inf\""),
            ("h.io:5000/x", "\"h.io:5000/x\""),
            ("a b", "\"a b\""),
            ("a\nhub: evil", "\"a\\nhub: evil\""),
            ("tab\there\r", "\"tab\\there\\r\""),
            ("\"\\", "\"\\\"\\\\\""),
            (
                "\u{85}\u{2028}\u{feff}\u{0}\u{7f}",
                "\"\\u0085\\u2028\\uFEFF\\u0000\\u007F\"",
            ),
            ("ü😀", "\"ü😀\""),
            ("a\u{202e}b\u{200b}", "\"a\\u202Eb\\u200B\""),
            ("\u{e0041}", "\"\\U000E0041\""),
        ] {
            assert_eq!(quote(text), want);
            assert_eq!(reread(&format!("{}\n", quote(text))), json!(text));
        }
    }

    #[test]
    fn documents_are_written_in_block_style() {
        let value = json!({
            "spec": {"hub": "h.io/s", "tag": "1.20", "list": [1, "a", {"a": 1.5, "b": [[true], []]}, null]},
            "metadata": {},
        });
        let want = "spec:\n  hub: h.io/s\n  tag: \"1.20\"\n  list:\n    - 1\n    - a\n    - a: 1.5\n      b:\n        -\n          - true\n        - []\n    - null\nmetadata: {}\n";
        assert_eq!(write(&value), want);
        assert_eq!(reread(want), value);
    }

    #[test]
    fn keys_of_any_length_are_read_back() {
        for length in [LONG_KEY - 2, LONG_KEY + 1, 5000] {
            let key = "k ".repeat(length / 2);
            let value = json!({"a": [{key.as_str(): {"b": 1}, "c": 2}], key: "d"});
            assert_eq!(reread(&write(&value)), value);
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let number = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("finite", scalar::float),
        ];
        let text = prop_oneof![any::<String>(), "[ -~]{0,12}", "[-+0-9._eExobyYnN:~]{0,6}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number,
            text.clone().prop_map(Value::String),
        ];
        leaf.prop_recursive(5, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((text.clone(), inner), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        /// Our reader is a YAML 1.1 parser, `serde_yaml` one for 1.2.
        #[test]
        fn what_is_written_is_read_back_by_both_kinds_of_reader(value in any_value()) {
            let written = write(&value);
            prop_assert_eq!(reread(&written), value.clone(), "{}", written);
            let other: Value = serde_yaml::from_str(&written).map_err(|e| TestCaseError::fail(format!("{e}: {written}")))?;
            let same = reread(&write(&other));
            prop_assert_eq!(same, value, "{}", written);
        }
    }
}
