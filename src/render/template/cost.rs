//! An upper bound for the cost of filling in a template, computed before it is filled in.
//!
//! handlebars limits neither the depth and number of partials nor the size of the values that are passed to them: a
//! hundred bytes of template can overflow the stack, run for hours or fill the memory. Templates come from other
//! people's repositories, and from records in the cluster.

use std::collections::BTreeMap;

use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, TemplateElement};
use handlebars::{Handlebars, Template};
use serde_json::Value;

/// Maximum bytes that filling in a template may copy. The presets copy less than a thousandth of this.
const MAX_COST: u64 = 64 << 20;

/// Maximum nesting of blocks, partials and subexpressions: each level takes stack.
const MAX_DEPTH: usize = 100;

/// Bytes that every element counts, even one that writes nothing.
const ELEMENT: u64 = 64;

/// How often a value that is passed to a partial is copied.
const COPIES: u64 = 3;

/// Why a template is not filled in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CostError {
    #[error("the partial `{0}` includes itself, directly or through other partials")]
    Recursive(String),
    #[error(
        "the name of a partial is computed: write the name itself, as in `{{{{> NAME}}}}` and `{{{{#*inline \"NAME\"}}}}`"
    )]
    ComputedName,
    #[error(
        "partials with a block are not supported: write `{{{{> NAME}}}}` instead of `{{{{#> NAME}}}}`"
    )]
    PartialBlock,
    #[error(
        "blocks, partials or expressions are nested more than {MAX_DEPTH} levels deep: make it flatter"
    )]
    Deep,
    #[error(
        "filling it in would copy more than {} MiB: use fewer partials and loops inside each other, or smaller parameters",
        MAX_COST >> 20
    )]
    Expensive,
}

/// Returns how many bytes filling in a template may copy, and refuses a template that may copy more than the limit. The
/// bound may be too high, but never too low.
pub(super) fn check(
    main: &Template,
    engine: &Handlebars<'_>,
    context: &Value,
) -> Result<u64, CostError> {
    let mut inline = Inline::default();
    for template in engine.get_templates().values().chain([main]) {
        inline.collect(template, 0)?;
    }
    let mut walk = Walk {
        engine,
        // A loop may run over a map of the context, over the values passed to a partial, or over a list that is written
        // in the template.
        entries: widest(context) + inline.passed + inline.listed,
        inline: inline.bodies,
        open: Vec::new(),
        cost: 0,
    };
    let scope = Scope {
        weight: length(context),
        times: 1,
        depth: 0,
    };
    walk.template(main, scope)?;
    Ok(walk.cost)
}

/// The inline partials of a template, wherever they are defined. Which of them a name refers to is decided only while
/// the template is filled in, so every one counts.
#[derive(Default)]
struct Inline<'a> {
    bodies: BTreeMap<&'a str, Vec<&'a Template>>,
    /// Number of values that are passed to partials by name.
    passed: u64,
    /// Number of entries of the longest list or map that is written in an expression.
    listed: u64,
}

impl<'a> Inline<'a> {
    fn collect(&mut self, template: &'a Template, depth: usize) -> Result<(), CostError> {
        if depth > MAX_DEPTH {
            return Err(CostError::Deep);
        }
        for element in &template.elements {
            match element {
                TemplateElement::Expression(helper)
                | TemplateElement::HtmlExpression(helper)
                | TemplateElement::HelperBlock(helper) => {
                    self.arguments(helper.params.iter().chain(helper.hash.values()), depth)?;
                    for body in [&helper.template, &helper.inverse].into_iter().flatten() {
                        self.collect(body, depth + 1)?;
                    }
                }
                TemplateElement::PartialExpression(partial) => {
                    self.passed += partial.hash.len() as u64;
                    self.arguments(partial.params.iter().chain(partial.hash.values()), depth)?;
                }
                TemplateElement::PartialBlock(_) => return Err(CostError::PartialBlock),
                TemplateElement::DecoratorBlock(decorator) => {
                    let Some(Parameter::Literal(Value::String(name))) = decorator.params.first()
                    else {
                        return Err(CostError::ComputedName);
                    };
                    if let Some(body) = &decorator.template {
                        self.bodies.entry(name).or_default().push(body);
                        self.collect(body, depth + 1)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn arguments(
        &mut self,
        arguments: impl Iterator<Item = &'a Parameter>,
        depth: usize,
    ) -> Result<(), CostError> {
        if depth > MAX_DEPTH {
            return Err(CostError::Deep);
        }
        for argument in arguments {
            match argument {
                Parameter::Literal(value) => self.listed = self.listed.max(widest(value)),
                Parameter::Subexpression(inner) => {
                    if let TemplateElement::Expression(helper) = inner.as_element() {
                        let inner = helper.params.iter().chain(helper.hash.values());
                        self.arguments(inner, depth + 1)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The position of the walk in the template.
#[derive(Clone, Copy)]
struct Scope {
    /// Bytes of the largest value that an expression can name here.
    weight: u64,
    /// How often this part is filled in.
    times: u64,
    depth: usize,
}

impl Scope {
    fn deeper(self) -> Result<Scope, CostError> {
        if self.depth == MAX_DEPTH {
            return Err(CostError::Deep);
        }
        Ok(Scope {
            depth: self.depth + 1,
            ..self
        })
    }
}

/// Walks through a template as filling it in would, but only once through the body of a loop.
struct Walk<'a> {
    engine: &'a Handlebars<'a>,
    inline: BTreeMap<&'a str, Vec<&'a Template>>,
    /// The largest number of iterations of a loop.
    entries: u64,
    /// The partials that contain the current position.
    open: Vec<&'a str>,
    cost: u64,
}

impl<'a> Walk<'a> {
    fn template(&mut self, template: &'a Template, scope: Scope) -> Result<(), CostError> {
        for element in &template.elements {
            self.add(scope, ELEMENT)?;
            match element {
                TemplateElement::RawString(text) => self.add(scope, text.len() as u64)?,
                TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => {
                    self.expression(helper, scope)?;
                }
                TemplateElement::HelperBlock(helper) => self.block(helper, scope)?,
                TemplateElement::PartialExpression(partial) => self.partial(partial, scope)?,
                TemplateElement::PartialBlock(_) => return Err(CostError::PartialBlock),
                // The body of an inline partial counts where it is used.
                _ => {}
            }
        }
        Ok(())
    }

    fn expression(&mut self, helper: &'a HelperTemplate, scope: Scope) -> Result<(), CostError> {
        if helper.params.is_empty() && helper.hash.is_empty() {
            return self.add(scope, scope.weight);
        }
        self.arguments(helper, scope).map(drop)
    }

    fn block(&mut self, helper: &'a HelperTemplate, scope: Scope) -> Result<(), CostError> {
        self.arguments(helper, scope)?;
        // A loop copies the value and then each of its entries.
        self.add(scope, scope.weight.saturating_mul(2))?;
        let name = helper.name.as_name();
        let once = name.is_some_and(|name| ["if", "unless", "with", "raw"].contains(&name));
        let inner = scope.deeper()?;
        let repeated = Scope {
            times: inner
                .times
                .saturating_mul(if once { 1 } else { self.entries }),
            ..inner
        };
        if let Some(body) = &helper.template {
            self.template(body, repeated)?;
        }
        match &helper.inverse {
            Some(body) => self.template(body, inner),
            None => Ok(()),
        }
    }

    fn partial(&mut self, partial: &'a DecoratorTemplate, scope: Scope) -> Result<(), CostError> {
        let Parameter::Name(name) = &partial.name else {
            return Err(CostError::ComputedName);
        };
        if name.starts_with('@') {
            return Err(CostError::PartialBlock);
        }
        let mut weight = scope.weight;
        for argument in partial.params.iter().chain(partial.hash.values()) {
            weight = weight.saturating_add(self.argument(argument, scope)?);
        }
        self.add(scope, weight.saturating_mul(COPIES))?;
        let registered = self.engine.get_template(name);
        let inline = self.inline.get(name.as_str()).cloned();
        if self.open.contains(&name.as_str()) {
            return Err(CostError::Recursive(name.clone()));
        }
        self.open.push(name);
        let inner = Scope {
            weight,
            ..scope.deeper()?
        };
        for body in inline.into_iter().flatten().chain(registered) {
            self.add(scope, ELEMENT)?;
            self.template(body, inner)?;
        }
        self.open.pop();
        Ok(())
    }

    /// Returns how many bytes a helper can make from its arguments: no helper returns more than its input.
    fn arguments(&mut self, helper: &'a HelperTemplate, scope: Scope) -> Result<u64, CostError> {
        let mut size: u64 = 0;
        for argument in helper.params.iter().chain(helper.hash.values()) {
            size = size.saturating_add(self.argument(argument, scope)?);
        }
        self.add(scope, size)?;
        Ok(size)
    }

    fn argument(&mut self, argument: &'a Parameter, scope: Scope) -> Result<u64, CostError> {
        match argument {
            Parameter::Literal(value) => Ok(length(value)),
            Parameter::Subexpression(inner) => match inner.as_element() {
                TemplateElement::Expression(helper) if inner.is_helper() => {
                    self.arguments(helper, scope.deeper()?)
                }
                _ => Ok(scope.weight),
            },
            _ => Ok(scope.weight),
        }
    }

    fn add(&mut self, scope: Scope, bytes: u64) -> Result<(), CostError> {
        self.cost = self.cost.saturating_add(scope.times.saturating_mul(bytes));
        if self.cost > MAX_COST {
            return Err(CostError::Expensive);
        }
        Ok(())
    }
}

fn length(value: &Value) -> u64 {
    value.to_string().len() as u64
}

/// Returns the number of entries of the longest list or map in a value.
fn widest(value: &Value) -> u64 {
    match value {
        Value::Array(list) => {
            let inner = list.iter().map(widest).max().unwrap_or_default();
            inner.max(list.len() as u64)
        }
        Value::Object(map) => {
            let inner = map.values().map(widest).max().unwrap_or_default();
            inner.max(map.len() as u64)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(text: &str, context: &Value) -> Result<(), CostError> {
        let engine = super::super::engine().unwrap();
        check(&Template::compile(text).unwrap(), &engine, context).map(drop)
    }

    fn small() -> Value {
        json!({"a": "x", "can": {"b": true, "c": false}})
    }

    #[test]
    fn refuses_partials_that_include_themselves() {
        for text in [
            r#"{{#*inline "a"}}{{> a}}{{/inline}}{{> a}}"#,
            r#"{{#*inline "a"}}{{> b}}{{/inline}}{{#*inline "b"}}{{#if a}}{{> a}}{{/if}}{{/inline}}{{> b}}"#,
            r#"{{#*inline "a"}}{{#*inline "b"}}{{> a}}{{/inline}}{{> b}}{{/inline}}{{> a}}"#,
            r#"{{#*inline "global"}}{{> global}}{{/inline}}{{> global}}"#,
            r#"{{#*inline "a"}}{{#each can}}{{else}}{{> a}}{{/each}}{{/inline}}{{> a}}"#,
        ] {
            let refused = checked(text, &small());
            assert!(matches!(refused, Err(CostError::Recursive(_))), "{text}");
        }
    }

    #[test]
    fn refuses_names_that_are_computed_and_partials_with_blocks() {
        for (text, want) in [
            (r#"{{> (lookup this "a")}}"#, CostError::ComputedName),
            ("{{#*inline a}}x{{/inline}}", CostError::ComputedName),
            ("{{#> global}}x{{/global}}", CostError::PartialBlock),
            (
                r#"{{#*inline "a"}}{{> @partial-block}}{{/inline}}{{> a}}"#,
                CostError::PartialBlock,
            ),
        ] {
            assert_eq!(checked(text, &small()), Err(want), "{text}");
        }
    }

    #[test]
    fn refuses_what_grows_with_each_level() {
        let chain = |levels: usize, call: fn(usize) -> String| -> String {
            let defined = (0..levels).map(|level| {
                format!(
                    "{{{{#*inline \"p{level}\"}}}}{}{{{{/inline}}}}",
                    call(level + 1)
                )
            });
            let end = format!("{{{{#*inline \"p{levels}\"}}}}{{{{/inline}}}}{{{{> p0 a=a}}}}");
            defined.chain([end]).collect()
        };
        let twice = |next| format!("{{{{> p{next}}}}}{{{{> p{next}}}}}");
        let context = |next| format!("{{{{> p{next} a=this b=this}}}}");
        let joined = |next| format!("{{{{> p{next} a=(join a a)}}}}");
        for text in [chain(26, twice), chain(26, context), chain(26, joined)] {
            assert_eq!(checked(&text, &small()), Err(CostError::Expensive));
        }
        for text in [chain(4, twice), chain(4, context), chain(4, joined)] {
            assert_eq!(checked(&text, &small()), Ok(()));
        }
        let loops = "{{#each can}}".repeat(30) + &"{{/each}}".repeat(30);
        assert_eq!(checked(&loops, &small()), Err(CostError::Expensive));
        let list = format!("{{{{> global list=[{}]}}}}", vec!["1"; 5000].join(","));
        let loops = format!("{list}{}{}", "{{#each a}}".repeat(3), "{{/each}}".repeat(3));
        assert_eq!(checked(&loops, &small()), Err(CostError::Expensive));
    }

    #[test]
    fn refuses_deep_nesting_of_every_kind() {
        for (open, close) in [
            ("{{#if a}}", "{{/if}}"),
            ("{{#*inline \"a\"}}", "{{/inline}}"),
            ("{{#if a}}{{else if a}}", "{{/if}}"),
        ] {
            let text = open.repeat(MAX_DEPTH + 1) + &close.repeat(MAX_DEPTH + 1);
            assert_eq!(checked(&text, &small()), Err(CostError::Deep), "{open}");
        }
        let inner = "(join a ".repeat(MAX_DEPTH + 1) + &")".repeat(MAX_DEPTH + 1);
        for text in [
            format!("{{{{join {inner}}}}}"),
            format!("{{{{> global a={inner}}}}}"),
        ] {
            assert_eq!(checked(&text, &small()), Err(CostError::Deep));
        }
    }

    #[test]
    fn presets_cost_less_than_a_hundredth_of_the_limit() {
        let context = json!({"text": "x".repeat((MAX_COST / 100_000) as usize), "can": {}});
        for (name, text) in super::super::PRESETS {
            let many = text.repeat(20);
            assert_eq!(checked(&many, &context), Ok(()), "{name}");
        }
    }
}
