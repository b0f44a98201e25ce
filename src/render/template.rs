//! Presets and the user's own templates: text with parameters → YAML.
//!
//! Every value goes through [`istio_operator::quote`], which is registered as the escape function of the template language, so
//! that a template cannot omit it.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;

use handlebars::{
    Context, Handlebars, Output, RenderContext, RenderError, Renderable, Template as Parsed,
    handlebars_helper,
};
use serde_json::{Value, json};

use crate::plan::Plan;
use crate::request::Template;

mod cost;
#[cfg(any(test, fuzzing))]
pub mod fuzz;

/// Maximum bytes of a template. The largest preset has three thousand.
const MAX_TEXT: usize = 64 << 10;

/// Maximum number of tags and parentheses of a template: the parser recurses into them, and for each it counts the
/// lines from the beginning of the text. The largest preset has forty.
const MAX_TAGS: usize = 1000;

/// Maximum bytes of the output of a template: the size that a file may have.
const MAX_OUTPUT: usize = 8 << 20;

/// Maximum steps of the parser: about thirty for each byte that a template may have. Without a limit, some texts take a
/// time that grows with the square of their length.
const MAX_STEPS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2_000_000);

/// The built-in presets, by name.
pub const PRESETS: &[(&str, &str)] = &[
    ("default", include_str!("../../templates/default.yaml.hbs")),
    ("minimal", include_str!("../../templates/minimal.yaml.hbs")),
    (
        "production",
        include_str!("../../templates/production.yaml.hbs"),
    ),
    (
        "openshift",
        include_str!("../../templates/openshift.yaml.hbs"),
    ),
    ("ambient", include_str!("../../templates/ambient.yaml.hbs")),
];

const PARTIALS: &[(&str, &str)] = &[
    (
        "operator",
        include_str!("../../templates/partials/operator.yaml.hbs"),
    ),
    (
        "global",
        include_str!("../../templates/partials/global.yaml.hbs"),
    ),
    (
        "gateway",
        include_str!("../../templates/partials/gateway.yaml.hbs"),
    ),
    (
        "gateway-values",
        include_str!("../../templates/partials/gateway-values.yaml.hbs"),
    ),
];

// `{{either a b}}`: the first one that is not empty. `{{join a b}}`: both as one text.
handlebars_helper!(either: |*values| {
    values.iter().find(|value| value.as_str().is_some_and(|text| !text.is_empty())).map_or(Value::Null, |value| (*value).clone())
});
handlebars_helper!(join: |*values| {
    Value::String(values.iter().filter_map(|value| value.as_str()).collect())
});

/// Why a template cannot be filled in.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("no preset is called `{name}`; there are: {known}")]
    UnknownPreset { name: String, known: String },
    #[error(
        "{template} has no parameter `{name}`; it has: {known} (a template declares one by {{{{!-- param NAME: TEXT --}}}} at its top)"
    )]
    UnknownParam {
        template: String,
        name: String,
        known: String,
    },
    #[error("{template} needs `--param {name}=…`: {about}")]
    MissingParam {
        template: String,
        name: String,
        about: String,
    },
    #[error("{template} needs `{capability}`, which Istio {minor} does not have")]
    Incapable {
        template: String,
        capability: String,
        minor: String,
    },
    #[error("{template} cannot be filled in: {reason}")]
    Broken { template: String, reason: String },
}

/// A parameter, as the head of a template declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    /// `None` if the parameter is required.
    pub default: Option<String>,
    pub about: String,
}

/// The declarations at the top of a template, in comments `{{!-- KEY …: TEXT --}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub about: String,
    pub platform: Option<String>,
    /// Capabilities that the template requires.
    pub needs: Vec<String>,
    pub params: Vec<Param>,
}

impl Head {
    /// Parses the comments at the beginning of a template.
    pub fn read(text: &str) -> Head {
        let mut head = Head::default();
        for line in text.lines() {
            let Some(comment) = line
                .trim()
                .strip_prefix("{{!--")
                .and_then(|rest| rest.strip_suffix("--}}"))
            else {
                break;
            };
            let Some((key, value)) = comment.split_once(':') else {
                continue;
            };
            let value = value.trim().to_owned();
            match key.trim() {
                "about" => head.about = value,
                "platform" => head.platform = Some(value),
                "needs" => head.needs.push(value),
                key => head
                    .params
                    .extend(key.strip_prefix("param ").map(|name| param(name, value))),
            }
        }
        head
    }
}

fn param(declared: &str, about: String) -> Param {
    match declared.split_once('=') {
        Some((name, default)) => Param {
            name: name.to_owned(),
            default: Some(default.to_owned()),
            about,
        },
        None => Param {
            name: declared.to_owned(),
            default: None,
            about,
        },
    }
}

/// Returns the name of a template in messages, and its text.
pub fn text(template: &Template) -> Result<(String, &str), TemplateError> {
    match template {
        Template::None => Ok(("no template".to_owned(), "")),
        Template::File { name, text } => Ok((format!("template {name}"), text)),
        Template::Preset(name) => {
            let found = PRESETS.iter().find(|(preset, _)| preset == name);
            let known = || {
                PRESETS
                    .iter()
                    .map(|(name, _)| *name)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let (name, text) = found.ok_or_else(|| TemplateError::UnknownPreset {
                name: name.clone(),
                known: known(),
            })?;
            Ok((format!("preset {name}"), text))
        }
    }
}

/// Fills in the template of a plan.
pub fn fill(plan: &Plan, given: &BTreeMap<String, String>) -> Result<String, TemplateError> {
    let (name, text) = text(&plan.template)?;
    let head = Head::read(text);
    if let Some(capability) = head.needs.iter().find(|name| !plan.can(name)) {
        let minor = plan.tag.minor().to_string();
        return Err(TemplateError::Incapable {
            template: name,
            capability: capability.clone(),
            minor,
        });
    }
    let params = params(&name, &head, given)?;
    let broken = |reason: String| TemplateError::Broken {
        template: name.clone(),
        reason,
    };
    let context = context(plan, &params);
    filled(text, context).map_err(broken)
}

/// Fills in a text, within limits of time and memory.
fn filled(text: &str, context: Value) -> Result<String, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("it has more than {} KiB", MAX_TEXT >> 10));
    }
    if text.matches("{{").count() + text.matches('(').count() > MAX_TAGS {
        return Err(format!("it has more than {MAX_TAGS} tags and parentheses"));
    }
    let engine = engine().map_err(|error| error.to_string())?;
    let template = Parsed::compile(text).map_err(|error| error.to_string())?;
    cost::check(&template, &engine, &context).map_err(|error| error.to_string())?;
    let mut output = Limited::default();
    Context::wraps(context)
        .and_then(|context| {
            let mut state = RenderContext::new(None);
            template.render(&engine, &context, &mut state, &mut output)
        })
        .map_err(|error: RenderError| error.to_string())?;
    Ok(output.text)
}

/// The output of a template, up to the limit.
#[derive(Default)]
struct Limited {
    text: String,
}

impl Output for Limited {
    fn write(&mut self, part: &str) -> io::Result<()> {
        if self.text.len() + part.len() > MAX_OUTPUT {
            let problem = format!("it is filled in to more than {} MiB", MAX_OUTPUT >> 20);
            return Err(io::Error::other(problem));
        }
        self.text.push_str(part);
        Ok(())
    }
}

fn params(
    template: &str,
    head: &Head,
    given: &BTreeMap<String, String>,
) -> Result<Value, TemplateError> {
    if let Some(name) = given
        .keys()
        .find(|name| head.params.iter().all(|param| param.name != **name))
    {
        let names: Vec<&str> = head
            .params
            .iter()
            .map(|param| param.name.as_str())
            .collect();
        let known = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        return Err(TemplateError::UnknownParam {
            template: template.to_owned(),
            name: name.clone(),
            known,
        });
    }
    let value = |param: &Param| match given.get(&param.name).or(param.default.as_ref()) {
        Some(value) => Ok((param.name.clone(), Value::String(value.clone()))),
        None => Err(TemplateError::MissingParam {
            template: template.to_owned(),
            name: param.name.clone(),
            about: param.about.clone(),
        }),
    };
    head.params
        .iter()
        .map(value)
        .collect::<Result<serde_json::Map<_, _>, _>>()
        .map(Value::Object)
}

/// Returns the context with every key, `null` or false if it does not apply, because strict mode refuses missing keys.
fn context(plan: &Plan, params: &Value) -> Value {
    let can: serde_json::Map<String, Value> = plan
        .all_capabilities()
        .map(|(name, has)| (name.to_owned(), Value::Bool(has)))
        .collect();
    json!({
        "name": plan.document_name(),
        "namespace": plan.namespace,
        "own-namespace": plan.own_namespace(),
        "hub": plan.hub.as_str(),
        "tag": plan.tag.to_string(),
        "revision": plan.revision.as_ref().map(crate::request::Revision::as_str),
        "platform": plan.platform,
        "fips": plan.tag.flavor.is_fips(),
        "distroless": plan.tag.flavor.distroless,
        "can": can,
        "params": params,
    })
}

fn engine() -> Result<Handlebars<'static>, handlebars::TemplateError> {
    pest::set_call_limit(Some(MAX_STEPS));
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_escape_fn(istio_operator::quote);
    engine.register_helper("either", Box::new(either));
    engine.register_helper("join", Box::new(join));
    for (name, text) in PARTIALS {
        engine.register_partial(name, text)?;
    }
    Ok(engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        filled(text, json!({"a": "x".repeat(1 << 10)})).unwrap_err()
    }

    #[test]
    fn templates_are_bounded_before_they_are_parsed() {
        assert!(refusal(&"x".repeat(MAX_TEXT + 1)).contains("more than 64 KiB"));
        let tags = "{{#if a}}".repeat(MAX_TAGS + 1);
        assert!(refusal(&tags).contains("more than 1000 tags"));
        let nested = format!("{{{{join {}", "(join ".repeat(MAX_TAGS + 1));
        assert!(refusal(&nested).contains("more than 1000 tags"));
        let quadratic = "{{!-- }}".repeat(MAX_TAGS) + &"x".repeat(MAX_TEXT / 2);
        assert!(refusal(&quadratic).contains("call limit reached"));
    }

    #[test]
    fn what_is_written_is_bounded() {
        let context = json!({"a": "x".repeat(MAX_OUTPUT / 4)});
        let text = "{{a}}".repeat(5);
        assert!(
            filled(&text, context)
                .unwrap_err()
                .contains("more than 8 MiB")
        );
    }

    #[test]
    fn inline_partials_and_loops_are_filled_in() {
        let context = json!({"list": ["a", "b: c"], "name": "n"});
        let text = r#"{{#*inline "entry"}}- {{name}}
{{/inline}}{{#each list}}{{> entry name=this}}
{{/each}}"#;
        assert_eq!(filled(text, context).unwrap(), "- a\n\n- \"b: c\"\n\n");
    }
}
