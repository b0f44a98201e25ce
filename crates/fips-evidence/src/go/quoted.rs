//! Go's quoted strings.

/// Returns the text of a value: unquoted if it is quoted as Go quotes it, otherwise unchanged.
pub(super) fn plain(value: &str) -> String {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(raw) = inner('`') {
        return raw.replace('\r', "");
    }
    let unquoted = inner('"').and_then(unquote);
    unquoted.unwrap_or_else(|| value.to_owned())
}

fn unquote(inner: &str) -> Option<String> {
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let mut chars = after.chars();
        let letter = chars.next()?;
        rest = chars.as_str();
        match letter {
            'a' => out.push(0x07),
            'b' => out.push(0x08),
            'f' => out.push(0x0c),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(0x0b),
            '\\' | '"' => out.push(letter as u8),
            'x' => out.push(u8::try_from(digits(&mut rest, 2, 16)?).ok()?),
            '0'..='7' => {
                rest = after;
                out.push(u8::try_from(digits(&mut rest, 3, 8)?).ok()?);
            }
            'u' => push(&mut out, digits(&mut rest, 4, 16)?)?,
            'U' => push(&mut out, digits(&mut rest, 8, 16)?)?,
            _ => return None,
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// Removes a number of exactly `count` digits from the front.
fn digits(rest: &mut &str, count: usize, radix: u32) -> Option<u32> {
    let number = rest.get(..count)?;
    *rest = rest.get(count..)?;
    u32::from_str_radix(number, radix).ok()
}

fn push(out: &mut Vec<u8>, code: u32) -> Option<()> {
    let mut buffer = [0; 4];
    let text = char::from_u32(code)?.encode_utf8(&mut buffer);
    out.extend_from_slice(text.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_go_s_quotes_and_nothing_else() {
        for (value, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("\"", "\""),
            ("\"\"", ""),
            ("``", ""),
            ("\"a b\"", "a b"),
            ("`a\\n\r\"b`", "a\\n\"b"),
            (r#""\a\b\f\n\r\t\v\\\"""#, "\x07\x08\x0c\n\r\t\x0b\\\""),
            (r#""\x41\102\u00e9\U0001F600""#, "AB\u{e9}\u{1f600}"),
            (r#""\xff""#, "\u{fffd}"),
            ("\"é\"", "é"),
            // Go does not write these: they stay unchanged.
            (r#""\q""#, r#""\q""#),
            (r#""\x4""#, r#""\x4""#),
            (r#""\777""#, r#""\777""#),
            (r#""\ud800""#, r#""\ud800""#),
            (r#""\"#, r#""\"#),
            (r#""open"#, r#""open"#),
        ] {
            assert_eq!(plain(value), expected, "{value}");
        }
    }
}
