//! The one door from user values to YAML: read back as the same values by YAML 1.1 and 1.2 alike.

use serde_json::Value;

use super::text::printable;

/// Keys longer than YAML's limit for a key before its colon need a mark of their own.
const LONG_KEY: usize = 1000;

/// One document in block style, ending with a line break.
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

/// A string as a YAML scalar: plain where no reader could take it for anything else.
pub fn quote(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        escaped(text)
    }
}

/// The lines of a map or list that is not empty, each indented.
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

/// What follows a dash: a map begins on the same line, a list in a list below it.
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

/// A letter or slash first, then nothing with a meaning in YAML, and no word that is a value.
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

/// Double quotes, with every character escaped that some reader would refuse or fold.
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
            c if printable(c) => out.push(c),
            c => out.push_str(&unicode(c)),
        }
    }
    out.push('"');
    out
}

/// Whatever is above `\uFFFF` stands as it is.
fn unicode(c: char) -> String {
    format!("\\u{:04X}", u32::from(c))
}
