//! Splits a list in a JSON document into its elements, so that an error in one element does not
//! affect the others, and without a tree of the document in memory.

/// Returns the texts of the elements of a list: of the document itself, or of the list under `key`
/// in it. The document must be valid JSON. Returns at most `limit` + 1 elements, and `None` if
/// there is no such list.
pub(in crate::image) fn elements<'b>(
    document: &'b [u8],
    key: Option<&str>,
    limit: usize,
) -> Option<Vec<&'b [u8]>> {
    let mut at = match key {
        Some(key) => list_of(document, key)?,
        None => space(document, 0),
    };
    if document.get(at) != Some(&b'[') {
        return None;
    }
    let mut found = Vec::new();
    loop {
        at = space(document, at + 1);
        if document.get(at)? == &b']' || found.len() > limit {
            return Some(found);
        }
        let end = value(document, at)?;
        found.push(document.get(at..end)?);
        at = space(document, end);
        if document.get(at)? == &b']' {
            return Some(found);
        }
    }
}

/// Returns the offset of the value of a key of the document.
fn list_of(document: &[u8], key: &str) -> Option<usize> {
    let mut at = space(document, 0);
    loop {
        at = space(document, at + 1);
        let end = value(document, at)?;
        let name = document.get(at..end)?;
        let start = space(document, space(document, end) + 1);
        // Decodes escapes: `\u006d` is an `m`.
        let name: Option<String> = serde_json::from_slice(name).ok();
        if name.as_deref() == Some(key) {
            return Some(start);
        }
        at = space(document, value(document, start)?);
        if document.get(at) != Some(&b',') {
            return None;
        }
    }
}

/// Returns the offset after the white space that begins at `at`.
fn space(document: &[u8], at: usize) -> usize {
    let rest = document.get(at..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
    at + blank.count()
}

/// Returns the offset after the value that begins at `at`.
fn value(document: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = at;
    loop {
        match document.get(at)? {
            b'"' => at = string(document, at)?,
            b'[' | b'{' => {
                depth += 1;
                at += 1;
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            _ => at += 1,
        }
        let next = document.get(at);
        let ends =
            |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':') || byte.is_ascii_whitespace();
        if depth == 0 && next.is_none_or(ends) {
            return Some(at);
        }
    }
}

/// Returns the offset after the string that begins with a quote at `at`.
fn string(document: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match document.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str, key: Option<&str>) -> Option<Vec<String>> {
        let found = elements(document.as_bytes(), key, 3)?;
        Some(
            found
                .into_iter()
                .map(|text| String::from_utf8(text.to_vec()).unwrap())
                .collect(),
        )
    }

    #[test]
    fn elements_of_a_list_are_told_apart() {
        for (document, key, wanted) in [
            (r"[]", None, &[][..]),
            (
                r#" [ 1 , "a,]" ,{"b":[2,"\"]"]} ] "#,
                None,
                &["1", r#""a,]""#, r#"{"b":[2,"\"]"]}"#],
            ),
            (
                r#"{"x":{"m":[9]},"y":"m","m":[1,[2]]}"#,
                Some("m"),
                &["1", "[2]"],
            ),
            (r#"{"m" : [ {} ] , "z": 1}"#, Some("m"), &["{}"]),
            (r#"{"\u006d":[1]}"#, Some("m"), &["1"]),
            (r"[1,2,3,4,5,6]", None, &["1", "2", "3", "4"]),
        ] {
            assert_eq!(texts(document, key).unwrap(), wanted, "{document}");
        }
        for (document, key) in [
            (r#"{"a":1}"#, Some("m")),
            (r#"{"m":1}"#, Some("m")),
            ("{}", Some("m")),
            ("1", None),
            ("", None),
            ("[1", None),
        ] {
            assert_eq!(texts(document, key), None, "{document}");
        }
    }
}
