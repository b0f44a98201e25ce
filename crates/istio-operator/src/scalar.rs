//! Plain scalars of YAML 1.1, as the parser of istioctl interprets them.

use serde_json::{Number, Value};

/// The error for `.inf` and `.nan`, which YAML has, but JSON, and so Kubernetes, does not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotFinite;

/// Returns the value of an unquoted scalar.
pub(super) fn resolve(text: &str) -> Result<Value, NotFinite> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            true.into()
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            false.into()
        }
        _ if not_finite(text) => return Err(NotFinite),
        _ => numeric(text).unwrap_or_else(|| text.into()),
    })
}

fn not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

fn numeric(text: &str) -> Option<Value> {
    match text.as_bytes().first()? {
        b'.' => text.parse().ok().and_then(float),
        b'+' | b'-' | b'0'..=b'9' => {
            let plain = text.replace('_', "");
            integer(&plain).or_else(|| {
                let digits = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
                let shaped = digits.starts_with(|c: char| c == '.' || c.is_ascii_digit())
                    && digits
                        .chars()
                        .all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
                if shaped {
                    plain.parse().ok().and_then(float)
                } else {
                    None
                }
            })
        }
        _ => None,
    }
}

/// Parses decimal, `0x`, `0o`, `0b`, and octal with a leading zero.
fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(two) if two.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let size = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -size } else { size };
    i64::try_from(value)
        .map(Value::from)
        .or_else(|_| u64::try_from(value).map(Value::from))
        .ok()
}

/// Returns a whole number as an integer, however it was written, as a conversion to JSON and back does.
pub(super) fn float(value: f64) -> Option<Value> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if value.fract() == 0.0 && value.abs() < LIMIT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

/// Whether `value` is always written as `text`, so that it does not matter which of the two is kept.
pub(super) fn is_written(value: &Value, text: &str) -> bool {
    let written = value.to_string();
    written == text
}

/// Whether charts print the number as it is usually written: from a million on they use an exponent.
pub(super) fn is_printed(number: &Number) -> bool {
    number.as_f64().is_some_and(|number| number.abs() < 1e6)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_are_read_as_istioctl_reads_them() {
        for (text, want) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("nUll", json!("nUll")),
            ("y", json!(true)),
            ("Y", json!(true)),
            ("yes", json!(true)),
            ("On", json!(true)),
            ("n", json!(false)),
            ("No", json!(false)),
            ("OFF", json!(false)),
            ("oFF", json!("oFF")),
            ("010", json!(8)),
            ("0777", json!(511)),
            ("0o10", json!(8)),
            ("0x10", json!(16)),
            ("0b11", json!(3)),
            ("-0x10", json!(-16)),
            ("+5", json!(5)),
            ("1_0", json!(10)),
            ("_1", json!("_1")),
            ("089", json!(89)),
            ("0", json!(0)),
            ("00", json!(0)),
            ("-0", json!(0)),
            ("1e3", json!(1000)),
            ("1.20", json!(1.2)),
            ("3.0", json!(3)),
            ("3.", json!(3)),
            (".5", json!(0.5)),
            ("-.5", json!(-0.5)),
            ("1e-3", json!(0.001)),
            ("1e21", json!(1e21)),
            ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("20260101123456", json!(20_260_101_123_456_i64)),
            ("1e999", json!("1e999")),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("1:30", json!("1:30")),
            ("2026-01-01", json!("2026-01-01")),
            ("1.2.3", json!("1.2.3")),
            ("1e", json!("1e")),
            ("-", json!("-")),
            (".", json!(".")),
            ("+", json!("+")),
            ("0x", json!("0x")),
            ("0xg", json!("0xg")),
            ("--1", json!("--1")),
            ("0-1", json!("0-1")),
            ("1 2", json!("1 2")),
            ("<<", json!("<<")),
            ("inf", json!("inf")),
            ("+inf", json!("+inf")),
            ("nan", json!("nan")),
            ("-e3", json!("-e3")),
        ] {
            assert_eq!(resolve(text), Ok(want), "{text:?}");
        }
    }

    #[test]
    fn what_json_cannot_hold_is_no_value() {
        for text in [".inf", "-.Inf", "+.INF", ".nan", ".NaN"] {
            assert_eq!(resolve(text), Err(NotFinite), "{text}");
        }
    }
}
