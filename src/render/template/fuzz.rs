//! Properties that hold for every template, whatever its text and its parameters are.

use std::fmt::Write as _;

use handlebars::Template as Parsed;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::{MAX_OUTPUT, PRESETS, cost, engine, filled};
use terminal_text::fuzz::Input;

/// Names of the context's parameters, each of them an arbitrary text.
const PARAMS: [&str; 5] = [
    "cluster",
    "network",
    "trust-domain",
    "ingress-namespace",
    "eastwest-namespace",
];

/// How many blocks a generated template nests inside each other.
const DEEPEST: u8 = 3;

/// Checks a template and its parameters. The first byte chooses the template: a text of its own, one that is generated
/// from the bytes, or one of the presets.
///
/// # Panics
///
/// Panics if a property does not hold.
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

/// Checks that any text is either filled in or refused, within the limits that [`cost::check`] computes first.
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
    // Quoting turns a character into at most `\U` and eight digits.
    let longest = bound.map(|bound| bound.saturating_mul(10));
    assert!(
        longest.is_ok_and(|longest| output.len() as u64 <= longest),
        "{} bytes",
        output.len()
    );
    // An error is an acceptable result.
    drop(istio_operator::read("template", output.as_bytes()));
}

/// Checks that a template which leaves quoting to the engine has the same meaning for all parameters.
///
/// The template is filled in with plain words first, and then the words are replaced in the parsed YAML. Returns
/// whether the template could be filled in.
fn quoted(template: &str, given: &[String]) -> bool {
    // `if` and `either` leave out an empty parameter, which would give another document.
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

/// Parses the documents of a text, with a reader other than the one for users' files.
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

/// Generates a template from the bytes.
fn built(input: &mut Input<'_>) -> String {
    let mut text = "a:\n".to_owned();
    document(input, &mut text, &mut 0, (2, DEEPEST));
    text
}

/// Writes lines of a map in which every value is an expression; `names` counts the keys, so that each is unique.
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

/// Returns an expression: `kind` chooses its form, `which` its parameters.
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
