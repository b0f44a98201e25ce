//! What must hold of templates whatever their text and their parameters are.

use std::fmt::Write as _;

use handlebars::Template as Parsed;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::{MAX_OUTPUT, PRESETS, cost, engine, filled};
use crate::escape::fuzz::Input;
use crate::overlay;

/// Values of a context that no template may take apart.
const PARAMS: [&str; 5] = [
    "cluster",
    "network",
    "trust-domain",
    "ingress-namespace",
    "eastwest-namespace",
];

/// Levels of blocks inside each other of a template that is put together here.
const DEEPEST: u8 = 3;

/// A template and its parameters. The first byte says whether the second text is a template of its own, whether the
/// bytes say how to put one together, or which preset it is.
///
/// # Panics
///
/// Where something does not hold.
pub fn template(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.byte();
    match kind {
        0..=127 => arbitrary(input),
        128..=223 => {
            let text = built(&mut input);
            quoted(&text, &input.texts());
        }
        _ => {
            let (_, text) = PRESETS[usize::from(kind) % PRESETS.len()];
            quoted(text, &input.texts());
        }
    }
}

/// Any text is filled in or refused, within the limits that were computed before.
fn arbitrary(input: Input<'_>) {
    let texts = input.texts();
    let (template, values) = texts
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let context = context(|at| values.get(at).cloned().unwrap_or_default());
    let Ok(output) = filled(template, context.clone()) else {
        return;
    };
    assert!(output.len() <= MAX_OUTPUT);
    let (Ok(engine), Ok(parsed)) = (engine(), Parsed::compile(template)) else {
        return assert!(template.is_empty(), "{template}");
    };
    let bound = cost::check(&parsed, &engine, &context);
    // Quoting makes of a character at most `\U` and eight digits.
    let longest = bound.map(|bound| bound.saturating_mul(10));
    assert!(
        longest.is_ok_and(|longest| output.len() as u64 <= longest),
        "{} bytes",
        output.len()
    );
    // An error is as good an end.
    drop(overlay::read("template", output.as_bytes()));
}

/// A template that leaves quoting to the engine means the same whatever its parameters are.
///
/// It is filled in with plain words, and the words are replaced in what a reader of YAML makes of it. Returns whether
/// it could be filled in.
fn quoted(template: &str, given: &[String]) -> bool {
    // An empty parameter is left out by `if` and `either`: that is another document.
    let value = |at: usize| given.get(at).filter(|text| !text.is_empty()).cloned();
    let value = |at: usize| value(at).unwrap_or_else(|| "x".to_owned());
    let word = |at: usize| format!("Z{at}Z");
    let plain = filled(template, context(word));
    let filled = filled(template, context(value));
    let (Ok(plain), Ok(filled)) = (plain, filled) else {
        return false;
    };
    let mut wanted = parsed(&plain);
    for document in wanted.iter_mut().flatten() {
        replace(document, &|text: &str| {
            let parts = text.split('Z').enumerate();
            let parts = parts.map(|(at, part)| match part.parse() {
                Ok(number) if at % 2 == 1 => value(number),
                _ => part.to_owned(),
            });
            parts.collect()
        });
    }
    assert!(wanted.is_some(), "{template}\n{plain}");
    assert_eq!(parsed(&filled), wanted, "{template}\n{filled}");
    true
}

fn context(param: impl Fn(usize) -> String) -> Value {
    let params = PARAMS.iter().enumerate();
    let params = params.map(|(at, name)| ((*name).to_owned(), Value::String(param(at))));
    json!({
        "name": "glooistio",
        "namespace": "istio-system",
        "own-namespace": true,
        "hub": "registry.test/istio",
        "tag": "1-fips",
        "revision": Value::Null,
        "platform": param(PARAMS.len()),
        "fips": true,
        "distroless": false,
        "can": {"ambient-global-variant": true, "gateway-tag": false},
        "params": params.collect::<Map<_, _>>(),
    })
}

/// The documents of a text, by a reader that is not the one of users' files.
fn parsed(text: &str) -> Option<Vec<Value>> {
    let documents = serde_yaml::Deserializer::from_str(text);
    documents
        .map(|document| Value::deserialize(document).ok())
        .collect()
}

fn replace(value: &mut Value, with: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = with(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, with)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, with)),
        _ => {}
    }
}

/// A template that the bytes describe.
fn built(input: &mut Input<'_>) -> String {
    let mut text = "a:\n".to_owned();
    document(input, &mut text, &mut 0, (2, DEEPEST));
    text
}

/// Lines of a map in which every value is an expression; `names` makes each key another one.
fn document(
    input: &mut Input<'_>,
    text: &mut String,
    names: &mut usize,
    (indent, depth): (usize, u8),
) {
    let count = 1 + input.byte() % 4;
    for _ in 0..count {
        let (margin, kind) = (" ".repeat(indent), input.byte());
        *names += 1;
        let name = *names;
        if depth == 0 || kind < 128 {
            // Writing to a string cannot fail.
            _ = writeln!(text, "{margin}k{name}: {}", expression(kind, input.byte()));
            continue;
        }
        let mut inner = String::new();
        document(input, &mut inner, names, (indent + 4, depth - 1));
        let (key, item) = (format!("{margin}k{name}:\n"), format!("{margin}  - e: "));
        _ = match kind % 6 {
            0 => write!(
                text,
                "{key}{{{{#if @root.params.cluster}}}}\n{inner}{{{{/if}}}}\n"
            ),
            1 => write!(
                text,
                "{key}{{{{#with @root.params}}}}\n{inner}{{{{/with}}}}\n"
            ),
            2 => write!(
                text,
                "{key}{{{{#each @root.params as |v k|}}}}\n{item}[{{{{v}}}}, {{{{k}}}}, {{{{@key}}}}, {{{{@index}}}}]\n\
                 {inner}{{{{/each}}}}\n"
            ),
            3 => write!(
                text,
                "{{{{#*inline \"p{name}\"}}}}\n{margin}    m: {{{{mine}}}}\n{inner}{{{{/inline}}}}\n\
                 {key}{{{{> p{name} mine=@root.params.network}}}}\n"
            ),
            4 => write!(
                text,
                "{key}{{{{#unless @root.fips}}}}\n{margin}    x: 1\n{{{{else}}}}\n{inner}{{{{/unless}}}}\n"
            ),
            _ => write!(
                text,
                "{key}{{{{#each [1, \"b\"]}}}}\n{item}{{{{this}}}}\n{inner}{{{{/each}}}}\n"
            ),
        };
    }
}

/// An expression, by what it is made of and by which parameters.
fn expression(kind: u8, which: u8) -> String {
    let name = |at: usize| format!("@root.params.{}", PARAMS[at % PARAMS.len()]);
    let (one, two) = (name(usize::from(which)), name(usize::from(which / 5)));
    match kind % 8 {
        0 => format!("{{{{{one}}}}}"),
        1 => format!("{{{{join {one} {two}}}}}"),
        2 => format!("{{{{join \"x: \" {one} \" #\"}}}}"),
        3 => format!("{{{{either \"\" {one}}}}}"),
        4 => format!(
            "{{{{lookup @root.params \"{}\"}}}}",
            &two["@root.params.".len()..]
        ),
        5 => format!("{{{{either (join {one} {two}) {two}}}}}"),
        6 => format!("[{{{{{one}}}}}, {{{{{two}}}}}]"),
        _ => format!("{{{{{one}}}}} # {{{{{two}}}}}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOSTILE: [&str; 9] = [
        "a\nhub: evil",
        "x: y",
        "- a",
        "#",
        "'\"",
        "\u{202e}\u{85}\u{2028}",
        "{{name}}",
        "~",
        "---\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn holds_on_templates_that_are_put_together(
            shape in prop::collection::vec(any::<u8>(), 0..60),
            values in prop::collection::vec(any::<String>(), 0..6),
        ) {
            let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
            let values = values.join(&0xff);
            template(&[&[128], shape.as_slice(), &[0xff], values.as_slice()].concat());
            template(&[&[0], shape.as_slice(), &[0xff], values.as_slice()].concat());
        }
    }

    #[test]
    fn blocks_and_expressions_of_every_kind_are_filled_in() {
        let values = HOSTILE.map(str::to_owned);
        for kind in 128..=133 {
            for expression in 0..8 {
                let text = built(&mut Input::new(&[
                    1, kind, 1, kind, 0, expression, 1, expression, 2,
                ]));
                let plain = filled(&text, context(|_| "x".to_owned()));
                assert!(quoted(&text, &values), "{text}\n{plain:?}");
            }
        }
        for (name, text) in PRESETS {
            assert!(quoted(text, &values), "{name}");
        }
    }

    #[test]
    fn holds_on_presets_and_hostile_values() {
        for text in HOSTILE {
            let values = [text; 6].map(str::as_bytes).join(&0xff);
            for kind in 224..=228 {
                template(&[&[kind], values.as_slice()].concat());
            }
            for (_, preset) in PRESETS {
                template(&[&[0], preset.as_bytes(), &[0xff], values.as_slice()].concat());
            }
        }
    }
}
