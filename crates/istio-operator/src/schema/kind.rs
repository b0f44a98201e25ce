//! Kinds of values.

use serde_json::Value;

/// The type of values at a path, as the data names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Switch,
    /// A whole number of 32 bits.
    Whole,
    /// A whole number of 64 bits.
    Long,
    /// A whole number of 32 bits that is not negative.
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
    /// The same, but other fields are accepted silently.
    LenientFields,
    /// A value of the charts that istioctl refuses outside `unvalidatedValues`.
    ChartOnly,
    /// A Kubernetes type with its JSON names.
    Kubernetes(&'static str),
    /// The same with the names of its protobuf message.
    Protobuf(&'static str),
    /// The type at another path of the schema.
    SameAs(&'static str),
    List(Inner),
    Map(Inner),
}

/// The kind of the items of a list or the values of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inner(&'static str);

impl Inner {
    pub(crate) fn kind(self) -> Kind {
        Kind::parse(self.0)
    }
}

impl Kind {
    /// Parses a kind of the data. A test checks that every one in the data is known.
    pub(super) fn parse(text: &'static str) -> Kind {
        match text {
            "text" => Kind::Text,
            "switch" => Kind::Switch,
            "whole" => Kind::Whole,
            "long" => Kind::Long,
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

    /// Returns the kind of a list with items of kind `items`.
    pub(super) fn list_of(items: &'static str) -> Kind {
        Kind::List(Inner(items))
    }

    /// Whether a value of this kind is a map in YAML.
    pub(crate) fn is_map(self) -> bool {
        matches!(
            self,
            Kind::Fields
                | Kind::LenientFields
                | Kind::Kubernetes(_)
                | Kind::Protobuf(_)
                | Kind::Map(_)
        )
    }

    /// Whether istioctl decodes `value`; for maps and lists, without looking at their contents.
    pub(super) fn accepts(self, value: &Value) -> bool {
        let whole = |value: &Value| {
            value
                .as_i64()
                .is_some_and(|number| i32::try_from(number).is_ok())
        };
        match self {
            Kind::Any | Kind::ChartOnly | Kind::SameAs(_) => true,
            Kind::Text | Kind::Time => value.is_string(),
            Kind::Duration => value
                .as_str()
                .is_some_and(|text| duration_nanoseconds(text).is_some()),
            Kind::Switch => value.is_boolean(),
            Kind::Whole => whole(value),
            Kind::Long => value.is_i64(),
            Kind::Count => value
                .as_u64()
                .is_some_and(|number| u32::try_from(number).is_ok()),
            // The decoder of values and meshConfig accepts quoted numbers.
            Kind::Number => match value {
                Value::String(text) => {
                    text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
                        && text.parse::<f64>().is_ok()
                }
                other => other.is_number(),
            },
            Kind::WholeOrText => value.is_string() || whole(value),
            Kind::Quantity => value.is_number() || value.as_str().is_some_and(is_quantity),
            Kind::OneOf(words) => match value {
                Value::String(text) => words.split('|').any(|word| word == text),
                other => whole(other),
            },
            Kind::List(_) => value.is_array(),
            _ => value.is_object(),
        }
    }

    /// Returns the name of this kind in messages.
    pub(super) fn name(self) -> String {
        match self {
            Kind::Text => "text".into(),
            Kind::Switch => "true or false".into(),
            Kind::Whole => "a whole number of 32 bits".into(),
            Kind::Long => "a whole number".into(),
            Kind::Count => "a whole number of 32 bits that is not negative".into(),
            Kind::Number => "a number".into(),
            Kind::WholeOrText => "a whole number or text".into(),
            Kind::Quantity => "a quantity such as 500m or 1Gi".into(),
            Kind::Duration => "a duration such as 10s or 1h30m, as text".into(),
            Kind::Time => "a time, as text".into(),
            Kind::OneOf(words) => format!("one of {}", words.replace('|', ", ")),
            Kind::List(_) => "a list".into(),
            Kind::Any | Kind::ChartOnly | Kind::SameAs(_) => "any value".into(),
            _ => "a map".into(),
        }
    }
}

/// Returns the nanoseconds of a duration that Go's `time.ParseDuration` reads: numbers with a unit each, or `0`.
pub(super) fn duration_nanoseconds(text: &str) -> Option<f64> {
    /// The longer units first: `m` begins `ms`.
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1.0),
        ("us", 1e3),
        ("µs", 1e3),
        ("μs", 1e3),
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3600e9),
    ];
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0.0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(number_length(rest));
        let number: f64 = digits.parse().ok()?;
        let unit = |(unit, size): &(&str, f64)| Some((after.strip_prefix(*unit)?, *size));
        let (after, size) = UNITS.iter().find_map(unit)?;
        sum += number * size;
        rest = after;
    }
    Some(if text.starts_with('-') { -sum } else { sum })
}

/// Whether Kubernetes parses the text as a quantity: a decimal number with a unit or an exponent.
fn is_quantity(text: &str) -> bool {
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, unit) = unsigned.split_at(number_length(unsigned));
    let units = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let exponent = unit.strip_prefix(['e', 'E']);
    digits.contains(|c: char| c.is_ascii_digit())
        && (units.contains(&unit) || exponent.is_some_and(|text| text.parse::<i32>().is_ok()))
}

/// Returns the length in bytes of the decimal number at the start of the text.
fn number_length(text: &str) -> usize {
    let mut has_point = false;
    let is_end = |c: char| match c {
        '.' => std::mem::replace(&mut has_point, true),
        other => !other.is_ascii_digit(),
    };
    text.find(is_end).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for text in ["0", "10s", "-1.5h", "1h30m", "100ms", "1µs", "+.5m", "2.s"] {
            assert!(duration_nanoseconds(text).is_some(), "{text}");
        }
        for text in ["", "abc", "10", "2d", "s", "1h30", ".s", "1 s", "1..5s"] {
            assert!(duration_nanoseconds(text).is_none(), "{text}");
        }
    }

    #[test]
    fn quantities_are_those_of_kubernetes() {
        for text in [
            "0", "500m", "1Gi", "1.5", ".5", "-1k", "1e3", "12E", "1E-2", "100m ",
        ] {
            assert!(is_quantity(text), "{text}");
        }
        for text in ["", "abc", "1 Gi", "1e", "1gb", "Gi", "1.2.3", "."] {
            assert!(!is_quantity(text), "{text}");
        }
    }

    #[test]
    fn whole_numbers_have_the_width_of_their_field() {
        let is = |kind: Kind, number: i64| kind.accepts(&Value::from(number));
        assert!(is(Kind::Whole, i64::from(i32::MAX)) && !is(Kind::Whole, i64::from(i32::MAX) + 1));
        assert!(is(Kind::Count, i64::from(u32::MAX)) && !is(Kind::Count, i64::from(u32::MAX) + 1));
        assert!(!is(Kind::Count, -1) && is(Kind::Long, i64::MAX));
        assert!(!is(Kind::WholeOrText, 1 << 40));
    }
}
