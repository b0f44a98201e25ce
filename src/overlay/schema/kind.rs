//! Kinds of values.

use serde_json::Value;

/// What a place takes, as the data names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::overlay) enum Kind {
    Text,
    Switch,
    /// A whole number.
    Whole,
    /// A whole number that is not negative.
    Count,
    Number,
    WholeOrText,
    Quantity,
    /// Text such as `10s`.
    Duration,
    Time,
    /// One of these words, separated by `|`.
    OneOf(&'static str),
    Any,
    /// A map of the fields that the schema names and no others.
    Fields,
    /// The same, but other fields are accepted without a word.
    LenientFields,
    /// A value of the charts that istioctl refuses outside `unvalidatedValues`.
    ChartOnly,
    /// A Kubernetes type by its JSON names.
    Kubernetes(&'static str),
    /// The same by the names of its protobuf message.
    Protobuf(&'static str),
    /// What another path of the schema takes.
    SameAs(&'static str),
    List(Inner),
    Map(Inner),
}

/// The kind of the items of a list or the values of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::overlay) struct Inner(&'static str);

impl Inner {
    pub(in crate::overlay) fn kind(self) -> Kind {
        Kind::parse(self.0)
    }
}

impl Kind {
    /// Reads a kind of the data. A test holds that every one is known.
    pub(super) fn parse(text: &'static str) -> Kind {
        match text {
            "text" => Kind::Text,
            "switch" => Kind::Switch,
            "whole" => Kind::Whole,
            "count" => Kind::Count,
            "number" => Kind::Number,
            "whole-or-text" => Kind::WholeOrText,
            "quantity" => Kind::Quantity,
            "duration" => Kind::Duration,
            "time" => Kind::Time,
            "fields" => Kind::Fields,
            "lenient-fields" => Kind::LenientFields,
            "chart-only" => Kind::ChartOnly,
            _ => Kind::parse_argument(text),
        }
    }

    fn parse_argument(text: &'static str) -> Kind {
        let parts = text.strip_suffix(')').and_then(|text| text.split_once('('));
        match parts {
            Some(("list", items)) => Kind::List(Inner(items)),
            Some(("map", values)) => Kind::Map(Inner(values)),
            Some(("one-of", words)) => Kind::OneOf(words),
            Some(("kubernetes", name)) => Kind::Kubernetes(name),
            Some(("protobuf", name)) => Kind::Protobuf(name),
            Some(("same-as", path)) => Kind::SameAs(path),
            _ => Kind::Any,
        }
    }

    /// A list of what `items` says.
    pub(super) fn list_of(items: &'static str) -> Kind {
        Kind::List(Inner(items))
    }

    /// Whether a value of this kind is a map in YAML.
    pub(in crate::overlay) fn is_map(self) -> bool {
        matches!(
            self,
            Kind::Fields
                | Kind::LenientFields
                | Kind::Kubernetes(_)
                | Kind::Protobuf(_)
                | Kind::Map(_)
        )
    }

    /// Whether istioctl decodes `value`, maps and lists by their outside alone.
    pub(super) fn accepts(self, value: &Value) -> bool {
        let whole = |value: &Value| value.is_i64() || value.is_u64();
        match self {
            Kind::Any | Kind::ChartOnly | Kind::SameAs(_) => true,
            Kind::Text | Kind::Duration | Kind::Time => value.is_string(),
            Kind::Switch => value.is_boolean(),
            Kind::Whole => whole(value),
            Kind::Count => value.is_u64(),
            // The decoder of values and meshConfig takes quoted numbers.
            Kind::Number => match value {
                Value::String(text) => {
                    text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
                        && text.parse::<f64>().is_ok()
                }
                other => other.is_number(),
            },
            Kind::WholeOrText => value.is_string() || whole(value),
            Kind::Quantity => value.is_string() || value.is_number(),
            Kind::OneOf(words) => match value {
                Value::String(text) => words.split('|').any(|word| word == text),
                other => whole(other),
            },
            Kind::List(_) => value.is_array(),
            _ => value.is_object(),
        }
    }

    /// What a message calls a value of this kind.
    pub(super) fn name(self) -> String {
        match self {
            Kind::Text => "text".into(),
            Kind::Switch => "true or false".into(),
            Kind::Whole => "a whole number".into(),
            Kind::Count => "a whole number that is not negative".into(),
            Kind::Number => "a number".into(),
            Kind::WholeOrText => "a whole number or text".into(),
            Kind::Quantity => "a quantity".into(),
            Kind::Duration => "a duration such as 10s, as text".into(),
            Kind::Time => "a time, as text".into(),
            Kind::OneOf(words) => format!("one of {}", words.replace('|', ", ")),
            Kind::List(_) => "a list".into(),
            Kind::Any | Kind::ChartOnly | Kind::SameAs(_) => "any value".into(),
            _ => "a map".into(),
        }
    }
}
